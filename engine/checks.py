"""What must hold at the moment of a tap: hours, trading status, quotes, spreads, delta; every refusal is a sentence.

All of it is passing trouble: whoever is refused here keeps a pending proposal and may try again. What the limits say
is decided elsewhere, inside the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from engine import pricing
from engine.desk import Desk, Mode
from engine.errors import DataInvalid, DataUnavailable, NotAllowed
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.legs import Leg
from engine.model.market import DatesAhead, Kind, MarketSnapshot, Quote
from engine.model.trade import Signal
from engine.percent import as_percent
from engine.protection import Move, PackagePrice, moved, nearest_dte, package_price, to_cent
from engine.sessions import NEW_YORK

OPENING_PAUSE = timedelta(minutes=15)
"""No entries in the first fifteen minutes of a session, nor of a name's trading after a halt."""

EARLY_END = "11:30"
"""New York time at which entries end where the session closes early."""

HOLIDAY_DTE = 2
"""The session before a holiday opens nothing that expires within so many days."""

SATURDAY = 5

ON_PAPER = frozenset({Kind.INDICATIVE, Kind.RECORDED})
"""Kinds of quotes, besides real ones, that an entry on paper may be priced on."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the market showed at a tap.

    `dates` is what is known of report and ex-date now, None where nobody compares them.
    """

    price: PackagePrice
    spot: Decimal
    quotes: Mapping[Instrument, Quote]
    dates: DatesAhead | None = None

    @property
    def limit(self) -> Decimal:
        """The package's mid at the tick."""
        return to_cent(self.price.mid)


def at_tap(desk: Desk, signal: Signal) -> Seen:
    """The market as it is, good enough to trade `signal` on; that it is open has been checked before.

    Raises:
        NotAllowed: delta has left its range.
        DataUnavailable, DataInvalid: no fresh two-sided quote, a spread too wide, sources that contradict each other.
    """
    opinion = desk.market.second_opinion(leg.instrument for leg in signal.legs)
    if opinion.against:
        raise DataInvalid(f"{' '.join(opinion.against)} No entry in {signal.ticker} on such numbers.")
    seen = prices(desk, signal)
    check_spreads(desk, signal, seen.quotes)
    if signal.dates is None and signal.delta_range is None:
        return seen
    snapshot = desk.market.snapshot(signal.ticker)
    check_delta(desk, signal, seen, snapshot)
    dates = None if signal.dates is None else snapshot.dates_ahead
    return Seen(seen.price, seen.spot, seen.quotes, dates)


def check_open(desk: Desk, signal: Signal) -> None:
    """The name may be entered now.

    Raises:
        NotAllowed: outside the hours for entries, halted, or resumed a moment ago.
    """
    check_hours(desk, signal)
    check_status(desk, signal.ticker)


def check_hours(desk: Desk, signal: Signal) -> None:
    """The session is open, past its first minutes, before its cut-offs, and in the strategy's own hours."""
    now = desk.now()
    today = desk.sessions.today(now)
    if not desk.sessions.is_open(now):
        raise NotAllowed(f"The market is closed; {signal.ticker} cannot be entered now.")
    if now < desk.sessions.open(today) + OPENING_PAUSE:
        raise NotAllowed("No entries in the first 15 minutes of the session.")
    if desk.sessions.is_early(today) and now >= desk.sessions.at(today, EARLY_END):
        raise NotAllowed(f"The market closes early today: no entries after {EARLY_END}.")
    days = nearest_dte(signal.legs, today)
    if days is not None and days <= HOLIDAY_DTE and _is_before_holiday(desk, today):
        raise NotAllowed("Before a holiday nothing is opened that expires within two days.")
    strategy = desk.strategies.get(signal.strategy)
    if strategy is not None and strategy.hours is not None:
        first, last = strategy.hours
        if not desk.sessions.at(today, first) <= now <= desk.sessions.at(today, last):
            raise NotAllowed(f"{signal.strategy} enters from {first} to {last} only.")


def _is_before_holiday(desk: Desk, today: date) -> bool:
    """Whether the exchange is closed on the next weekday."""
    following = today + timedelta(days=1)
    while following.weekday() >= SATURDAY:
        following += timedelta(days=1)
    return not desk.sessions.is_session(following)


def check_status(desk: Desk, ticker: str) -> None:
    """Not halted, not just resumed, no market-wide halt today; a name whose status nobody tells is let through."""
    status = desk.market.statuses((ticker,)).get(ticker)
    if status is None:
        return
    since = "" if status.since is None else f" since {status.since.astimezone(NEW_YORK):%H:%M} ET"
    if status.is_halted:
        raise NotAllowed(f"{ticker} is halted{since}.")
    if status.is_market_wide:
        raise NotAllowed("The whole market was halted today: no more entries until the next session.")
    if status.since is not None and desk.now() - status.since < OPENING_PAUSE:
        raise NotAllowed(f"{ticker} has traded again only{since}: no entries for 15 minutes after a halt.")


def prices(desk: Desk, signal: Signal) -> Seen:
    """Package price and spot from quotes young enough to trade on.

    Raises:
        DataUnavailable: a leg or the underlying has no quote.
        DataInvalid: a quote is one-sided, too old, or of a kind that no order is priced on.
    """
    share = Stock(signal.ticker)
    wanted: list[Instrument] = [*(leg.instrument for leg in signal.legs), share]
    quotes = desk.market.quotes(wanted)
    price = package_price(signal.legs, quotes)
    if price is None or share not in quotes:
        missing = next(item for item in wanted if item not in quotes)
        raise DataUnavailable(f"No quote for {missing} right now; try again in a moment.")
    check_kinds(desk, quotes)
    _check_fresh(desk, signal, quotes)
    if not price.is_two_sided or not quotes[share].is_two_sided:
        raise DataInvalid(f"The quote for {signal.ticker} is one-sided or crossed.")
    return Seen(price, quotes[share].mid, quotes)


def check_kinds(desk: Desk, quotes: Mapping[Instrument, Quote]) -> None:
    """Every quote is of a kind that an entry may be priced on.

    Raises:
        DataInvalid: one is not; the message names it and its source.
    """
    for instrument, quote in quotes.items():
        if not may_price(desk, quote.source.kind):
            raise DataInvalid(f"The quote of {instrument} is from {quote.source}: {_instead(desk)}.")


def may_price(desk: Desk, kind: Kind) -> bool:
    """Whether an entry may be priced on numbers of this kind.

    Real money takes real quotes only; a paper account takes indicative ones too (Alpaca's free option feed: its quotes
    are derived, not the exchanges'), and recorded ones; nothing takes delayed ones. In a replay the days say themselves
    what they are.
    """
    if desk.mode is Mode.REPLAY:
        return True
    return kind is Kind.REAL or (desk.mode is Mode.PAPER and kind in ON_PAPER)


def _instead(desk: Desk) -> str:
    return (
        "real money is risked on real-time quotes only"
        if desk.mode is Mode.LIVE
        else "good for looking, not for orders"
    )


def _check_fresh(desk: Desk, signal: Signal, quotes: Mapping[Instrument, Quote]) -> None:
    is_0dte = nearest_dte(signal.legs, desk.today) == 0
    allowed = desk.rules.quote_age_0dte if is_0dte else desk.rules.quote_age
    age = (desk.now() - min(quote.at for quote in quotes.values())).total_seconds()
    if age > allowed:
        raise DataInvalid(f"The newest quote for {signal.ticker} is {age:.0f} s old, more than {allowed} s.")


def check_spreads(desk: Desk, signal: Signal, quotes: Mapping[Instrument, Quote]) -> None:
    """No leg's spread is wider than the desk trades on."""
    wide = wide_legs(desk, signal, quotes)
    if wide:
        raise DataInvalid(f"{wide[0]}; try again when it is narrower.")


def wide_legs(desk: Desk, signal: Signal, quotes: Mapping[Instrument, Quote]) -> tuple[str, ...]:
    """A sentence for each option whose spread is too wide a share of its mid."""
    found = []
    for leg in signal.legs:
        most = _widest(desk, signal, leg)
        quote = quotes[leg.instrument]
        if isinstance(leg.instrument, Option) and quote.spread > most * quote.mid:
            found.append(
                f"The spread of {leg.instrument} is {as_percent(quote.spread_ratio, '.1')} of its mid, "
                f"more than {as_percent(most)}"
            )
    return tuple(found)


def _widest(desk: Desk, signal: Signal, leg: Leg) -> Decimal:
    """The strategy's own bound, else the desk's for what is sold or bought."""
    if signal.max_spread is not None:
        return Decimal(str(signal.max_spread))
    return desk.rules.spread_sold if leg.ratio < 0 else desk.rules.spread_bought


def check_delta(desk: Desk, signal: Signal, seen: Seen, snapshot: MarketSnapshot) -> None:
    """|delta| of the legs the strategy picks by delta is still in its range, give or take the slack."""
    if signal.delta_range is None:
        return
    low, high = signal.delta_range
    slack = float(desk.rules.delta_slack)
    for option, delta in deltas(desk, signal, seen, snapshot).items():
        if np.isnan(delta):
            raise DataInvalid(f"{option} has no implied volatility right now: its delta cannot be checked.")
        if not low - slack <= abs(delta) <= high + slack:
            raise NotAllowed(f"|delta| of {option} is {abs(delta):.2f} now, no longer in {low:.2f} to {high:.2f}.")


def deltas(desk: Desk, signal: Signal, seen: Seen, snapshot: MarketSnapshot) -> dict[Option, float]:
    """Delta of the legs a strategy picks by delta, from the volatility of their own quotes; NaN where it has none.

    European with discrete dividends, as the scan's chain was completed.
    """
    options = [leg.instrument for leg in picked(signal) if isinstance(leg.instrument, Option)]
    expiry = np.array([option.expiry for option in options], dtype="datetime64[D]")
    years = pricing.years_left(expiry, desk.today, desk.now(), desk.sessions.close(desk.today))
    dividends = tuple((dividend.ex_date, float(dividend.amount)) for dividend in snapshot.dividends or ())
    spot = pricing.escrowed_spot(float(seen.spot), desk.today, expiry, dividends, snapshot.rate)
    mid = np.array([float(seen.quotes[option].mid) for option in options])
    strike = np.array([float(option.strike) for option in options])
    is_call = np.array([option.right is Right.CALL for option in options])
    iv = pricing.implied_volatility(mid, spot, strike, years, snapshot.rate, is_call)
    found = pricing.greeks(spot, strike, years, snapshot.rate, iv, is_call).delta
    return dict(zip(options, map(float, found), strict=True))


def picked(signal: Signal) -> tuple[Leg, ...]:
    """The legs that `delta_range` speaks of: those sold for a credit, those bought for a debit."""
    return tuple(leg for leg in signal.legs if (leg.ratio < 0) == signal.is_credit)


@dataclass(frozen=True, slots=True)
class Change:
    """What is no longer as the card showed it, and the question that follows."""

    move: Move
    words: str


def change(desk: Desk, signal: Signal, seen: Seen) -> Change | None:
    """What moved between the card and the tap; None when the card still stands."""
    move = moved(signal, seen.limit, seen.spot, desk.today, desk.rules)
    if move is Move.SPOT:
        return Change(move, f"{signal.ticker} moved from {signal.spot:.2f} to {seen.spot:.2f}: approve again?")
    if move is not Move.NONE:
        by = signal.limit - seen.limit
        return Change(move, f"The price moved {by:+.2f} to {abs(seen.limit):.2f}: approve at the new price?")
    if signal.dates is not None and seen.dates is not None and seen.dates != signal.dates:
        return Change(Move.DATES, f"{_date_words(signal.dates, seen.dates)}: approve again?")
    return None


def _date_words(card: DatesAhead, now: DatesAhead) -> str:
    if card.report != now.report:
        return f"The next report was {_day(card.report)} on the card and is {_day(now.report)} now"
    return f"The next ex-date was {_day(card.ex_date)} on the card and is {_day(now.ex_date)} now"


def _day(day: date | None) -> str:
    return "unknown" if day is None else f"{day:%d %b %Y}"
