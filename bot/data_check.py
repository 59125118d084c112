"""What the doctor finds about live data: one line for each provider, whether orders can be priced, and the calendar."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import groupby

from bot import sources
from bot.doctor import Finding
from bot.settings import Config
from engine.data.live_shares import ORDER_GRADE
from engine.data.probe import Probe, probed, together
from engine.data.providers.port import Offer
from engine.data.seat import WORDS
from engine.errors import ConfigError, DeskError
from engine.model.market import Kind
from engine.sessions import Sessions

SECONDS = 6.0
"""How long all of them together are waited for."""
AHEAD = timedelta(days=21)
"""How far ahead the calendars are held against each other."""
SCARCE = 3_600.0
"""Seconds: allowances of longer periods are used up by asking, so it is said that one was."""
KEYS = {
    "alpaca": ("ALPACA_API_KEY", "ALPACA_SECRET_KEY"),
    "massive": ("POLYGON_API_KEY",),
    "finnhub": ("FINNHUB_API_KEY",),
    "fmp": ("FMP_API_KEY",),
    "alphavantage": ("ALPHA_VANTAGE_API_KEY",),
    "newsapi": ("NEWSAPI_API_KEY",),
}
"""The variables in which a provider's keys stand."""
REAL_MONEY = frozenset({Kind.REAL})
"""Kinds of quotes that real money is traded on (`engine.checks`)."""
ONLY_REAL = "real money takes real quotes of options (Alpaca's opra feed), and no source has any under these keys"
LOOKING = "for looking only, no order can be priced: that takes ALPACA_API_KEY and ALPACA_SECRET_KEY"


def findings(config: Config, now: datetime, seconds: float = SECONDS) -> tuple[Finding, ...]:
    """Everything about live data, whether orders can be priced first, after so many seconds at most."""
    try:
        providers = tuple(sources.providers_of(config, lambda: now))
    except ConfigError as problem:
        return (Finding("data", "fail", str(problem)),)
    with ThreadPoolExecutor(1) as pool:
        days = pool.submit(_calendar, config, now, seconds)
        probes = probed(providers, now, seconds)
    return (_whole(config, probes), *(_of_one(probe) for probe in probes), *days.result())


def has_alpaca(config: Config) -> bool:
    """Whether there are keys for it."""
    return all(sources.secret(config, name) for name in KEYS["alpaca"])


def _whole(config: Config, probes: tuple[Probe, ...]) -> Finding:
    """Whether there are prices, and whether orders can be priced on any."""
    prices = [probe for probe in probes if probe.name in sources.PRICES]
    if not prices:
        return Finding("data", "fail", sources.NOTHING)
    grade = REAL_MONEY if config.is_live else ORDER_GRADE
    shares = [probe.name for probe in prices if probe.has(Offer.QUOTES, grade)]
    options = [probe.name for probe in prices if probe.has(Offer.OPTION_QUOTES, grade)]
    if shares and options:
        return Finding("data", "ok", f"orders are priced on shares of {shares[0]}, options of {options[0]}")
    if shares and config.is_live:
        return Finding("data", "fail", f"shares are priced on {shares[0]}; {ONLY_REAL}")
    if shares:
        return Finding("data", "warn", f"shares are priced on {shares[0]}; no source has quotes of options for orders")
    if not has_alpaca(config) and any(probe.answered for probe in prices):
        return Finding("data", "warn", LOOKING)
    return Finding("data", "fail", f"no order can be priced. {' '.join(w for p in prices for w in p.troubles)}".strip())


def _of_one(probe: Probe) -> Finding:
    part = f"data {probe.name}"
    if not probe.answered:
        keys = KEYS.get(probe.name, ())
        advice = f" Check {' and '.join(keys)}." if probe.is_unauthorised and keys else ""
        return Finding(part, "warn", f"{' '.join(probe.troubles) or 'there is nothing to ask it.'}{advice}")
    said = (
        f"{'keys accepted, ' if probe.name in KEYS else ''}answered in {probe.seconds:.1f} s",
        ", ".join(f"{what} from {feed}" for what, feed in probe.feeds.items()),
        *_offered(probe),
        *(f"this took one of {each}" for each in probe.allowances if each.seconds > SCARCE),
        "" if probe.is_proven else "unproven: our reading of it was never checked against its real answers",
        " ".join(probe.troubles),
    )
    return Finding(part, "warn" if probe.troubles else "ok", "; ".join(words for words in said if words))


def _offered(probe: Probe) -> Iterator[str]:
    """What it gives, by kind: `delayed: quotes, news`."""
    by_kind = sorted(((kind.value, WORDS[offer]) for offer, kind in probe.offers.items()), key=lambda each: each[0])
    for kind, offers in groupby(by_kind, key=lambda each: each[0]):
        yield f"{kind}: {', '.join(what for _, what in offers)}"


def _calendar(config: Config, now: datetime, seconds: float) -> tuple[Finding, ...]:
    """The sessions of the coming weeks as Alpaca has them beside ours."""
    if not has_alpaca(config):
        return ()
    (outcome,) = together([lambda: _theirs(config, now)], seconds)
    if outcome.value is None:
        known = isinstance(outcome.error, DeskError)
        return (Finding("calendar", "warn", str(outcome.error) if known else type(outcome.error).__name__),)
    sessions, today = Sessions(), Sessions().today(now)
    ours = {day: (sessions.open(day), sessions.close(day)) for day in sessions.between(today, today + AHEAD)}
    theirs = {day: bells for day, bells in outcome.value.items() if today <= day <= today + AHEAD}
    differing = sorted(day for day in ours.keys() | theirs.keys() if ours.get(day) != theirs.get(day))
    if differing:
        days = ", ".join(map(str, differing))
        return (Finding("calendar", "warn", f"Alpaca has other trading hours on {days}: update exchange_calendars"),)
    early = [str(day) for day in ours if sessions.is_early(day)]
    closing = f"; early closes: {', '.join(early)}" if early else ""
    return (Finding("calendar", "ok", f"{len(ours)} sessions to {today + AHEAD} as Alpaca has them{closing}"),)


def _theirs(config: Config, now: datetime) -> dict[date, tuple[datetime, datetime]]:
    provider = sources.alpaca_of(config, lambda: now)
    try:
        today = Sessions().today(now)
        return {each.day: (each.opens_at, each.closes_at) for each in provider.calendar(today, today + AHEAD)}
    finally:
        provider.close()
