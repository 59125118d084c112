"""Implied volatility of every session, kept: what its rank, its percentile and its mean are made of.

Once a session, a quarter of an hour before the close or as soon as the desk looks after it, the 30-day volatility of
every underlying is read from its chain of that time. What the desk did not see is computed from past trades, labelled
so, and gives way to what was seen.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

from engine.backfill import REACH, Past, near_the_money, reconstructed
from engine.desk import Desk
from engine.errors import DataInvalid, DataUnavailable
from engine.model.market import Chain, IvDay, Kind
from engine.ports import PastTrades
from engine.store import Store
from engine.volatility import AT_THE_MONEY, OBSERVATIONS, constant_maturity_iv

BEFORE_CLOSE = timedelta(minutes=15)
"""15:45 in New York, 12:45 on early closes: still quoted by everybody."""
OLDEST = timedelta(minutes=30)
"""How long before that time a chain may have been quoted: delayed ones are a quarter of an hour behind."""
SEEN = frozenset({Kind.REAL, Kind.RECORDED, Kind.DELAYED, Kind.INDICATIVE})
"""Kinds of chains whose volatility was observed; a modelled chain's is the one that was put in."""
FILLED = "iv_backfill"
"""Setting: by ticker, the day on which its past was last computed."""
FILL_EVERY = timedelta(days=7)


def known(store: Store, ticker: str, today: date) -> tuple[IvDay, ...] | None:
    """The volatilities of the last 252 sessions before `today`, oldest first; None where none is kept."""
    with store.read() as work:
        return work.iv_history(ticker, today) or None


def due(desk: Desk) -> datetime | None:
    """When today's volatilities were to be read, None before that time and on days without a session."""
    if not desk.sessions.is_session(desk.today):
        return None
    at = desk.sessions.close(desk.today) - BEFORE_CLOSE
    return at if desk.now() >= at else None


def underlyings(desk: Desk) -> tuple[str, ...]:
    """What the desk scans or holds, sorted."""
    with desk.store.read() as work:
        held = {position.ticker for position in work.open_positions()}
    return tuple(sorted(held.union(desk.tickers)))


def unseen(desk: Desk) -> tuple[str, ...]:
    """The underlyings whose volatility of today is still to be read; none before its time."""
    if due(desk) is None:
        return ()
    with desk.store.read() as work:
        seen = work.iv_seen(desk.today)
    return tuple(ticker for ticker in underlyings(desk) if ticker not in seen)


def keep(desk: Desk, ticker: str) -> IvDay:
    """Read today's volatility of one underlying from its chain, and keep it.

    Raises:
        DataUnavailable: there is no chain of this afternoon, or none that was quoted, or nothing at the money in it.
        NotFound: the ticker is unknown.
    """
    at = due(desk)
    if at is None:
        raise DataUnavailable(f"It is not time yet to read the volatility of {ticker}.")
    chain = desk.market.chain(ticker)
    if chain is None:
        raise DataUnavailable(f"{ticker} has no options.")
    seen = IvDay(desk.today, _observed(chain, desk.today, at - OLDEST), chain.source)
    with desk.store.begin() as work:
        work.add_iv(ticker, seen)
    return seen


def _observed(chain: Chain, today: date, earliest: datetime) -> float:
    if chain.source.kind not in SEEN:
        raise DataUnavailable(f"The chain of {chain.underlying} is {chain.source.kind}: its volatility was not seen.")
    if chain.today != today or chain.asof < earliest:
        raise DataUnavailable(f"The chain of {chain.underlying} is of {chain.asof:%Y-%m-%d %H:%M} UTC: too old.")
    iv = constant_maturity_iv(chain)
    if iv is None:
        raise DataUnavailable(f"No option of {chain.underlying} about 30 days ahead has a volatility at the money.")
    return iv


def unfilled(desk: Desk) -> tuple[str, ...]:
    """The underlyings whose past was not computed this week."""
    with desk.store.read() as work:
        filled = _filled(work.setting(FILLED))
    recent = desk.today - FILL_EVERY
    return tuple(ticker for ticker in underlyings(desk) if filled.get(ticker, date.min) <= recent)


def fill(desk: Desk, past: PastTrades, ticker: str) -> int:
    """Compute the volatility of sessions of the last year that nothing is kept of; how many could be.

    Raises:
        DataUnavailable: not now; nothing was kept. NotFound: the ticker is unknown.
    """
    missing = _missing(desk, past.since, ticker)
    found = _computed(desk, past, ticker, missing) if missing else ()
    with desk.store.begin() as work:
        kept = sum([work.add_iv(ticker, seen) for seen in found if seen.day in missing])
        filled = _filled(work.setting(FILLED)) | {ticker: desk.today}
        text = json.dumps({name: day.isoformat() for name, day in sorted(filled.items())})
        work.set_setting(FILLED, text, "desk", desk.now())
    return kept


def _missing(desk: Desk, since: date, ticker: str) -> tuple[date, ...]:
    today = desk.today
    first = max(since, desk.sessions.previous(today, OBSERVATIONS))
    have = {seen.day for seen in known(desk.store, ticker, today) or ()}
    return tuple(day for day in desk.sessions.between(first, today - timedelta(days=1)) if day not in have)


def _computed(desk: Desk, asked: PastTrades, ticker: str, days: tuple[date, ...]) -> tuple[IvDay, ...]:
    first, last = days[0], days[-1]
    beyond = last + timedelta(days=REACH)
    shares = desk.market.bars(ticker, first, last)
    splits = asked.splits(ticker, first, desk.today)
    dividends = asked.dividends(ticker, first, min(beyond, desk.today))
    past = Past(ticker, desk.today, shares, splits, dividends, asked.rate)
    closes = [close for _, close in past.closes()]
    if not closes:
        raise DataInvalid(f"There is no bar of {ticker} from {first} to {last}.")
    strikes = min(closes) * (1 - AT_THE_MONEY), max(closes) * (1 + AT_THE_MONEY)
    options = near_the_money(past, asked.listed(ticker, (first, beyond), strikes))
    traded = asked.traded(options, first, last) if options else {}
    return reconstructed(past, traded, desk.sessions)


def _filled(setting: str | None) -> dict[str, date]:
    return {ticker: date.fromisoformat(day) for ticker, day in json.loads(setting or "{}").items()}
