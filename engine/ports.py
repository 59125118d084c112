"""The two ports of the engine. Implementations translate; they never decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from engine.model.book import Account, Holding
from engine.model.instruments import Instrument, Option
from engine.model.market import Bars, Chain, Dividend, Level, MarketSnapshot, Quote, Split
from engine.model.news import News
from engine.model.orders import Activity, Fill, Order
from engine.model.status import Opinion, TradingStatus


class Ability(StrEnum):
    """What one broker takes and another does not."""

    STOP_SHARES = "stop orders on shares"
    STOP_OPTIONS = "stop orders on single options"
    GTC_OPTIONS = "good-till-canceled orders on single options"
    GTC_PACKAGES = "good-till-canceled orders on packages of options"
    INDEX_OPTIONS = "options on indices"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a broker is known to take, and what nobody has tried yet: a real order may be sent to find out.

    What is in neither has been refused.
    """

    proven: frozenset[Ability]
    untried: frozenset[Ability] = frozenset()

    def takes(self, ability: Ability) -> bool:
        """Whether the broker is known to take such orders."""
        return ability in self.proven

    def may_try(self, ability: Ability) -> bool:
        """Whether it takes them, or has not been asked."""
        return ability in self.proven or ability in self.untried


class Broker(Protocol):
    """Where orders go.

    Any method may raise BrokerUnavailable; the outcome is then unknown until `find` tells.
    """

    @property
    def name(self) -> str:
        """`paper`, `alpaca`."""

    @property
    def is_paper(self) -> bool:
        """Whether no real money moves."""

    def capabilities(self) -> Capabilities:
        """What this broker takes, as far as its answers have shown until now; asks nobody."""

    def suspend(self, suspended: bool) -> None:
        """Block every new order of the account at the broker, exits too, or allow them again. Cancels still work.

        It holds when this returns; BrokerUnavailable when that is not sure.
        """

    def account(self) -> Account:
        """The account's numbers now."""

    def holdings(self) -> tuple[Holding, ...]:
        """What is held, sorted by symbol."""

    def submit(self, order: Order) -> Order:
        """Send `order` under its client_order_id and return it as accepted (status, broker_id, fills so far).

        Sending one client_order_id twice places one order and returns the first.

        Raises:
            OrderRejected: the broker refused; nothing was placed.
        """

    def find(self, order: Order) -> Order | None:
        """`order` as the broker knows it (looked up by client_order_id), or None when it was never placed."""

    def cancel(self, order: Order) -> None:
        """Ask for cancellation. It may still fill; only `find` tells how it ended.

        Raises:
            OrderRejected: it is not open any more.
        """

    def open_orders(self) -> tuple[str, ...]:
        """The client_order_ids of everything the broker is still working."""

    def working(self, orders: Iterable[Order]) -> Mapping[str, Order]:
        """Those of `orders` that are still open at the broker, as it has them, by client_order_id, in one look.

        What is left out has ended, was never placed or made no sense in the list: `find` tells which.
        """

    def fills(self, since: datetime) -> tuple[Fill, ...]:
        """Executions at or after `since`, one per leg and execution, oldest first; client_order_id is the parent's.

        Those of orders the desk never sent are among them, under whatever id they have at the broker.
        """

    def activities(self, since: datetime) -> tuple[Activity, ...]:
        """What happened without an order at or after `since`, oldest first."""


class PastTrades(Protocol):
    """What options traded at on past days, and what it is read with. Nobody waits for it: every question gives way to
    more urgent ones, and may be refused for now.

    Raises (every method):
        DataUnavailable: not now. NotFound: the ticker is unknown there.
    """

    @property
    def since(self) -> date:
        """The first day of which trades are known."""

    def listed(self, ticker: str, expiries: tuple[date, date], strikes: tuple[float, float]) -> tuple[Option, ...]:
        """Contracts, expired ones too, with expiry and strike inside the given ranges (both ends included)."""

    def traded(self, options: Sequence[Option], start: date, end: date) -> Mapping[Option, Bars]:
        """Daily bars of contracts from `start` to `end` inclusive, as traded; one that never traded is left out."""

    def splits(self, ticker: str, start: date, end: date) -> tuple[Split, ...]:
        """Splits by ex-date, oldest first."""

    def dividends(self, ticker: str, start: date, end: date) -> tuple[Dividend, ...]:
        """Cash dividends by ex-date, as paid, oldest first."""

    def rate(self, day: date) -> float | None:
        """The continuous short rate of a day, decimal a year; None where it is not known."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """How one source of data is doing.

    Attributes:
        offers: what it gives now and of what kind, in words ("option chains: indicative").
        is_up: whether its last answers made sense; since: when that last changed, None where it was up all along.
        trouble: what was the matter the last time, "" if nothing was.
        answered_at: its last good answer, None before the first.
        budget: what may still be asked, in words. dropped: its numbers that were left out as wrong, since the start.
        is_proven: whether our reading of it was checked against real recorded answers.
    """

    name: str
    offers: tuple[str, ...]
    is_up: bool
    trouble: str = ""
    answered_at: datetime | None = None
    budget: str = ""
    dropped: int = 0
    is_proven: bool = True
    since: datetime | None = None


class MarketData(Protocol):
    """Where numbers come from. Every one carries its source and time; nothing is invented."""

    @property
    def name(self) -> str:
        """`replay`, `alpaca`, ..."""

    @property
    def is_bounded(self) -> bool:
        """Whether `universe` names all it can answer for; otherwise it names what is scanned, and more may be asked."""

    def universe(self) -> tuple[str, ...]:
        """The tickers this source can answer for today, or those to scan, sorted. It waits for nobody."""

    def snapshot(self, ticker: str) -> MarketSnapshot:
        """Everything known about one underlying now.

        Raises:
            NotFound: the ticker is unknown here (the message suggests the nearest).
            DataUnavailable: it is known, but there is nothing for today; the message says why.
        """

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        """Quotes now; an instrument without a usable quote is left out."""

    def chain(self, ticker: str) -> Chain | None:
        """All listed options of an underlying now, None when it has none.

        Raises:
            NotFound, DataUnavailable: as `snapshot`.
        """

    def bars(self, ticker: str, start: date, end: date) -> Bars:
        """Completed daily bars from `start` to `end` inclusive, split-adjusted to today, never later than yesterday."""

    def panel(self) -> Mapping[str, Bars]:
        """Completed daily bars (at least 260 sessions where they exist) of the whole universe, for `screen`."""

    def statuses(self, tickers: Iterable[str]) -> Mapping[str, TradingStatus]:
        """Halts and resumptions of today by ticker; a name whose status this source does not know is left out."""

    def news(self, ticker: str) -> News | None:
        """Headlines about a name of the last days, scored; None when no source covers news.

        Raises:
            NotFound, DataUnavailable: as `snapshot`.
        """

    def levels(self, *symbols: str) -> Mapping[str, Level]:
        """The latest values of indices ("SPX", "VIX", "VIX3M") by symbol; those nobody knows are left out."""

    def second_opinion(self, instruments: Iterable[Instrument]) -> Opinion:
        """What other sources say of the numbers that an entry in these, all of one underlying, rests on.

        It is asked of what is about to be traded, and waits some seconds at most. No exit ever asks.

        Raises:
            NotFound, DataUnavailable: as `snapshot`.
        """

    def sources(self) -> tuple[SourceState, ...]:
        """How everything behind this market is doing, the most important first; empty for recorded prices."""
