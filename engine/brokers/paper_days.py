"""The passing of days at the paper exchange: orders end, options expire, dividends are paid, shares split."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Protocol

import structlog

from engine.brokers import wire
from engine.brokers.paper_settlement import Ended, deliverable, exchanged, expire, split
from engine.brokers.paper_state import PaperState
from engine.errors import DataError, NotFound
from engine.model.book import ZERO
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.market import CENT, Bars, Quote
from engine.model.orders import Activity, ActivityKind, Order, OrderStatus, TimeInForce
from engine.ports import MarketData
from engine.sessions import Sessions

log = structlog.get_logger()

RETRY = timedelta(minutes=5)
"""How long to wait before asking again for what the tape did not tell: an official close, the splits of a day."""
LOOK_BACK = 5
"""Sessions to look back for a last official close when an underlying stopped trading before its options expired."""


class CorporateActions(Protocol):
    """What the tape says besides quotes. Amounts and prices as they were on their day."""

    def official_close(self, ticker: str, day: date) -> Decimal | None:
        """The official closing price of a session, None when there is none (yet)."""

    def dividends_on(self, day: date, tickers: Collection[str]) -> Mapping[str, Decimal]:
        """Dollars a share by ticker, for those that go ex on `day`: those of `tickers` at least.

        Raises:
            DataError: it cannot be said now.
        """

    def splits_on(self, day: date, tickers: Collection[str]) -> Mapping[str, Decimal]:
        """New shares for each old one by ticker, effective before the open of `day`: those of `tickers` at least.

        Raises:
            DataError: it cannot be said now.
        """


@dataclass(frozen=True, slots=True)
class Morning:
    """What the tape says before one opening bell, by ticker in alphabetical order."""

    dividends: tuple[tuple[str, Decimal], ...] = ()
    splits: tuple[tuple[str, Decimal], ...] = ()


class PaperDays:
    """Brings a state through every session that has opened or closed, each once and in order."""

    def __init__(
        self, state: PaperState, sessions: Sessions, market: MarketData, actions: CorporateActions | None
    ) -> None:
        self._state = state
        self._sessions = sessions
        self._market = market
        self._actions = actions
        self._retry_at: datetime | None = None
        self._ask_again_at: datetime | None = None
        self._time_values: dict[Option, Decimal] = {}

    def roll(self, now: datetime) -> tuple[str, ...]:
        """Let everything happen that was due by `now`; the tickers that split."""
        state = self._state
        if self._retry_at is None or now >= self._retry_at:
            self._settle(state.closed, now)
        restated: list[str] = []
        for day in self._sessions.between(state.closed + timedelta(days=1), self._sessions.today(now)):
            if day > state.opened:
                morning = self._morning(day, now)
                if morning is None:
                    break
                restated.extend(self._open(day, morning, now))
                state.set_days(day, state.closed)
            if now < self._sessions.close(day):
                break
            self._close(day, now)
            state.set_days(state.opened, day)
        return tuple(restated)

    @property
    def is_waiting(self) -> bool:
        """Whether a day cannot begin yet, because nobody tells its splits and dividends."""
        return self._ask_again_at is not None

    def has_expired(self, instrument: Instrument, now: datetime) -> bool:
        """Whether an option has seen the close of its last session. Shares never do."""
        return isinstance(instrument, Option) and now >= self._sessions.close(self._last_session(instrument))

    def assign(self, option: Option, contracts: int, now: datetime) -> Activity:
        """Assign short contracts that the account can settle in shares."""
        wallet = self._state.wallet.moved(option, contracts, ZERO)
        self._state.set_wallet(exchanged(wallet, option, -contracts))
        return self._record(Ended(ActivityKind.ASSIGNMENT, option, -contracts), now)

    def assignable(self, option: Option) -> int:
        """Short contracts that the account can pay for or deliver the shares of."""
        wallet = self._state.wallet
        short = max(0, -wallet.quantity(option))
        return min(short, deliverable(wallet.dropped(option), option, -short))

    def _morning(self, day: date, now: datetime) -> Morning | None:
        """What the tape says before the opening bell of `day`; None while it cannot be said.

        A day begins only with this known: a split that was passed over would leave everything held at the wrong price.
        """
        if self._actions is None:
            return Morning()
        if self._ask_again_at is not None and now < self._ask_again_at:
            return None
        tickers = self._concerned()
        try:
            dividends = sorted(self._actions.dividends_on(day, tickers).items())
            splits = sorted(self._actions.splits_on(day, tickers).items())
        except DataError as error:
            log.warning("paper.no_corporate_actions", day=str(day), error=str(error))
            self._ask_again_at = now + RETRY
            return None
        self._ask_again_at = None
        return Morning(tuple(dividends), tuple(splits))

    def _concerned(self) -> tuple[str, ...]:
        """The names that are held or in an open order."""
        held = {instrument.underlying for instrument in self._state.wallet.holdings}
        ordered = {order.legs[0].instrument.underlying for order in self._state.open_orders}
        return tuple(sorted(held | ordered))

    def _open(self, day: date, morning: Morning, now: datetime) -> tuple[str, ...]:
        """What comes before the opening bell: early exercise, splits, dividends; the tickers that split."""
        for ticker, amount in morning.dividends:
            self._assign_for_dividend(ticker, amount, now)
        for ticker, ratio in morning.splits:
            self._split(ticker, ratio, day, now)
        for ticker, amount in morning.dividends:
            shares = self._state.wallet.quantity(Stock(ticker))
            self._pay(f"dividend.{ticker}.{day:%Y%m%d}", ticker, amount * shares, now)
        return tuple(ticker for ticker, _ in morning.splits)

    def _pay(self, stem: str, ticker: str, dollars: Decimal, now: datetime) -> None:
        amount = dollars.quantize(CENT, ROUND_HALF_UP)
        if not amount:
            return
        self._state.set_wallet(self._state.wallet.paid(amount))
        key = self._state.next_activity_id(stem)
        self._state.add_activity(Activity(key, ActivityKind.DIVIDEND, now, Stock(ticker), amount=amount))

    def _split(self, ticker: str, ratio: Decimal, day: date, now: datetime) -> None:
        """Cancel what is open, restate what is held; a fraction of a share is paid out at the last close, restated."""
        for order in self._state.open_orders:
            if order.legs[0].instrument.underlying == ticker:
                self._end(order, OrderStatus.CANCELED, now)
        if not any(instrument.underlying == ticker for instrument in self._state.wallet.holdings):
            return
        wallet, left_over = split(self._state.wallet, ticker, ratio)
        self._state.set_wallet(wallet)
        key = self._state.next_activity_id(f"split.{ticker}.{day:%Y%m%d}")
        self._state.add_activity(Activity(key, ActivityKind.SPLIT, now, Stock(ticker), ratio=ratio))
        close = self._official_close(ticker, self._sessions.previous(day), now) if left_over else None
        if close is not None:
            self._pay(f"fraction.{ticker}.{day:%Y%m%d}", ticker, left_over * close / ratio, now)

    def _close(self, day: date, now: datetime) -> None:
        for order in self._state.open_orders:
            is_over = order.tif is TimeInForce.DAY and self._session_of(order) <= day
            if is_over or any(self._ends_by(leg.instrument, day) for leg in order.legs):
                self._end(order, OrderStatus.EXPIRED, self._sessions.close(day))
        self._settle(day, now)
        self._time_values = self._note_time_values(day, now)

    def _ends_by(self, instrument: Instrument, day: date) -> bool:
        return isinstance(instrument, Option) and self._last_session(instrument) <= day

    def _end(self, order: Order, status: OrderStatus, at: datetime) -> None:
        self._state.save_order(replace(order, status=status, done_at=at))

    def _session_of(self, order: Order) -> date:
        """The session a day order counts for: that of its acceptance, or the next one when it came after the close."""
        accepted = order.accepted_at or order.created_at
        today = self._sessions.today(accepted)
        if self._sessions.is_session(today) and accepted < self._sessions.close(today):
            return today
        return self._sessions.next(today)

    def _last_session(self, option: Option) -> date:
        return self._sessions.last_trade(option.root, option.expiry)

    def _settle(self, day: date, now: datetime) -> None:
        """Settle held options whose last session was `day` or before, as soon as its official close is known."""
        self._retry_at = None
        due = [option for option in self._state.wallet.holdings if isinstance(option, Option)]
        due = [option for option in due if self._ends_by(option, day)]
        for last, on_open in sorted({(self._last_session(option), option.is_am_settled) for option in due}):
            price = self._opening if on_open else self._official_close
            same = [one for one in due if (self._last_session(one), one.is_am_settled) == (last, on_open)]
            self._settle_session(same, partial(price, last=last, now=now), now)

    def _settle_session(
        self, options: list[Option], settlement: Callable[[str], Decimal | None], now: datetime
    ) -> None:
        tickers = sorted({option.underlying for option in options})
        found = {ticker: settlement(ticker) for ticker in tickers}
        closes = {ticker: close for ticker, close in found.items() if close is not None}
        if len(closes) < len(found):
            self._retry_at = now + RETRY
        known = [option for option in options if option.underlying in closes]
        wallet, ended = expire(self._state.wallet, known, closes)
        self._state.set_wallet(wallet)
        for one in ended:
            self._record(one, now)

    def _record(self, ended: Ended, now: datetime) -> Activity:
        stem = f"{ended.kind}.{ended.option.symbol}.{self._sessions.today(now):%Y%m%d}"
        key = self._state.next_activity_id(stem)
        activity = Activity(key, ended.kind, now, ended.option, ended.quantity, ended.amount)
        self._state.add_activity(activity)
        return activity

    def _note_time_values(self, day: date, now: datetime) -> dict[Option, Decimal]:
        """What the covered calls in the money were worth beyond exercise at the close of `day`, dollars per share.

        Known only when time is let pass on that very evening.
        """
        if self._actions is None or self._sessions.today(now) != day:
            return {}
        calls = [option for option in self._short_calls() if self.assignable(option)]
        quotes = self._quotes(calls)
        values: dict[Option, Decimal] = {}
        for option, quote in quotes.items():
            close = self._actions.official_close(option.underlying, day)
            if isinstance(option, Option) and close is not None and close > option.strike:
                values[option] = quote.mid - wire.intrinsic(option, close)
        return values

    def _quotes(self, options: list[Option]) -> Mapping[Instrument, Quote]:
        if not options:
            return {}
        try:
            return self._market.quotes(options)
        except DataError as error:
            log.warning("paper.no_quotes", instruments=len(options), error=str(error))
            return {}

    def _assign_for_dividend(self, ticker: str, dividend: Decimal, now: datetime) -> None:
        """Holders of calls exercised last night where the dividend of today exceeds the time value they gave up."""
        for option in self._short_calls():
            value = self._time_values.get(option)
            contracts = self.assignable(option)
            if option.underlying == ticker and value is not None and dividend > value and contracts:
                self.assign(option, contracts, now)

    def _short_calls(self) -> list[Option]:
        held = self._state.wallet.holdings.values()
        short = [holding.instrument for holding in held if holding.quantity < 0]
        return sorted(option for option in short if isinstance(option, Option) and option.right is Right.CALL)

    def _opening(self, ticker: str, last: date, now: datetime) -> Decimal | None:
        """The opening of the session after the last trade of a series settled in the morning; None before it is known.

        The exchange settles on its own calculation from the opening trades of all members, which no source here tells:
        the first value of the index is the nearest to it. Without that the contracts stay as they are; no other price
        is taken for it.
        """
        morning = self._sessions.next(last)
        bars = self._bars_of(ticker, morning) if now >= self._sessions.open(morning) else None
        return Decimal(f"{bars.bar(0).open:.4f}") if bars is not None and len(bars) else None

    def _official_close(self, ticker: str, last: date, now: datetime) -> Decimal | None:
        """That session's close; when a whole session later there is still none, the last one before it."""
        close = self._close_of(ticker, last)
        if close is not None or now < self._sessions.close(self._sessions.next(last)):
            return close
        earlier = (self._close_of(ticker, self._sessions.previous(last, n)) for n in range(1, LOOK_BACK + 1))
        return next((close for close in earlier if close is not None), None)

    def _close_of(self, ticker: str, day: date) -> Decimal | None:
        if self._actions is not None:
            return self._actions.official_close(ticker, day)
        bars = self._bars_of(ticker, day)
        return Decimal(f"{bars.bar(0).close:.4f}") if bars is not None and len(bars) else None

    def _bars_of(self, ticker: str, day: date) -> Bars | None:
        try:
            return self._market.bars(ticker, day, day)
        except (DataError, NotFound) as error:
            log.warning("paper.no_price", ticker=ticker, day=str(day), error=str(error))
            return None
