"""One look at everything the alert rules read.

The store is read in two short transactions, before and after the market is asked for the quotes of what is held; the
broker is not asked at all: what it said last is taken, and how long ago. What cannot be known is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from alerts.facts import Broker, Facts, Failing, Look, Money, Process, Reporting, Sold, Watched
from engine import (
    activities,
    agenda,
    alarms,
    attempts,
    bounds,
    coming,
    drift,
    happenings,
    holdings,
    quoted,
    risk,
    standing,
)
from engine.alarms import Trouble
from engine.attempts import Act
from engine.coming import Known
from engine.desk import Desk
from engine.model.book import ZERO, Book, Position
from engine.model.events import Event, EventKind
from engine.model.instruments import INDEX_ROOTS, Instrument, Option, Right, Stock, Style
from engine.model.legs import Structure
from engine.model.market import Quote
from engine.model.orders import Purpose, Ticket
from engine.risk import RiskState
from engine.standing import KnownAccount, Marks
from engine.store import UnitOfWork
from engine.triggers import HELD_TO_EXPIRY

INDICES = frozenset(INDEX_ROOTS.values())
"""Names without shares: no quote of them is missed."""
HOUR = timedelta(hours=1)
REFUSED_FOR = timedelta(minutes=15)
JOBS_FOR = timedelta(days=8)
"""What a job of the week before last did troubles nobody."""
MOST_TRIES = 100
ACT_BY = timedelta(minutes=30)
"""Before the close after which a report comes: the last chance to act, 15:30 on a day that closes at 16:00."""
FOR_REPORTS = frozenset({"lotto", "earnings_protection"})
"""Strategies whose positions are there for a report."""


def nothing_known() -> Process:
    """Of a desk without a process of its own (replay, tests)."""
    return Process()


def gather(desk: Desk, process: Look = nothing_known) -> Facts:
    """Everything as it is now.

    Raises:
        DeskError: the store cannot be read. The market and the broker never make it fail.
    """
    coming.refresh(desk)
    with desk.store.read() as reading:
        book, stored = reading.book(), standing.stored_marks(reading)
    held = standing.instruments_of(book)
    names = sorted({position.ticker for position in book.positions.values()} - INDICES)
    quotes = quoted.known(desk, (*held, *map(Stock, names)))
    seen = _Seen(book, quotes, standing.marked(book, quotes, stored))
    here = process()
    with desk.store.read() as work:
        return _facts(desk, work, seen, here)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The book beside the quotes of now. `marks` stand in for quotes that are missing, in sums only."""

    book: Book
    quotes: Mapping[Instrument, Quote]
    marks: Marks

    def spot(self, ticker: str) -> Decimal | None:
        quote = self.quotes.get(Stock(ticker))
        return quote.mid if quote is not None and quote.is_two_sided else None

    def price(self, item: Instrument) -> Decimal | None:
        """The mid of now; None where it is not one."""
        quote = self.quotes.get(item)
        return quote.mid if quote is not None and standing.is_mark(quote) else None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted({position.ticker for position in self.book.positions.values()}))


def _facts(desk: Desk, work: UnitOfWork, seen: _Seen, process: Process) -> Facts:
    now, tickets = desk.now(), work.open_tickets()
    is_open = desk.sessions.is_open(now)
    account = standing.last_account(work)
    state = _state(desk, work, seen, tickets)
    limits = bounds.limits_in_force(desk, work)
    losses = () if state is None else risk.losses(state, limits)
    dated, tallies = coming.known(work), work.tallies(now - HOUR)
    return Facts(
        now=now,
        today=desk.today,
        is_open=is_open,
        opened=desk.sessions.open(desk.today) if is_open else None,
        uses=None if state is None else (*risk.uses(state, limits), *losses[:-1]),
        drawdown=losses[-1] if losses else None,
        money=_money(desk, work, seen, state, account),
        drift=drift.moved(desk, work, seen.book.positions.values()),
        positions=tuple(_watched(desk, seen, tickets)),
        failing=failing(work, seen.book.positions.values()),
        sold=tuple(_sold(desk, seen, dated)),
        reports=tuple(_reports(desk, seen, dated)),
        quotes=tuple((name, _quoted_at(seen, name)) for name in seen.names if name not in INDICES),
        sources=desk.market.sources(),
        broker=_broker(work, account, now),
        jobs=work.latest_runs(now - JOBS_FOR),
        waiting=work.queues(),
        errors=sum(tally.failed for tally in tallies),
        acts=sum(tally.done for tally in tallies),
        process=process,
    )


def _state(desk: Desk, work: UnitOfWork, seen: _Seen, tickets: tuple[Ticket, ...]) -> RiskState | None:
    """The account as the limits see it, at the better of mid and closing prices, as the watch judges it.

    None while something held has no price at all, or the books have no opening balance yet.
    """
    mid, closing = seen.book.equity(seen.marks.prices), seen.book.equity(seen.marks.sides)
    if mid is None or closing is None or not activities.have_begun(work):
        return None
    return standing.state_at(desk, work, tickets, max(mid, closing), ZERO)


def _money(desk: Desk, work: UnitOfWork, seen: _Seen, state: RiskState | None, account: KnownAccount | None) -> Money:
    """What the broker said counts for a minute."""
    if state is None:
        return Money()
    secured = sum((each.collateral for each in state.held if each.structure is not Structure.SHARES), ZERO)
    ours = Money(state.equity, seen.book.cash, secured + state.promised)
    if account is None or abs(desk.now() - account.asked) > standing.ACCOUNT_AGE:
        return ours
    unsent = standing.as_told(work, state, account.asked).unsent
    return replace(
        ours,
        broker_equity=account.equity,
        maintenance=account.margin.maintenance,
        power=account.options_buying_power - unsent,
    )


def _watched(desk: Desk, seen: _Seen, tickets: tuple[Ticket, ...]) -> Iterator[Watched]:
    closing = {each.position_id for each in tickets if each.purpose is Purpose.EXIT and not each.is_net}
    for position in seen.book.positions.values():
        prices = {item: price for item in position.instruments if (price := seen.price(item)) is not None}
        last, plan = agenda.last_session(desk, position), position.exits
        yield Watched(
            id=position.id,
            ticker=position.ticker,
            words=_words(position),
            entry=position.entry,
            value=position.package(prices) if position.units else None,
            spot=seen.spot(position.ticker),
            stop=plan.stop,
            target=plan.target,
            stop_spot=plan.stop_spot,
            stop_spot_above=plan.stop_spot_above,
            last_session=last,
            cutoff=None if last is None else desk.sessions.at(last, agenda.cutoff(desk, last)),
            is_held_to_expiry=position.structure in HELD_TO_EXPIRY,
            is_closing=position.id in closing,
        )


def failing(work: UnitOfWork, positions: Iterable[Position]) -> tuple[Failing, ...]:
    """What does not get done of these positions."""
    return tuple(failed(event) for event in alarms.going_on(work, positions))


def failed(event: Event) -> Failing:
    """What an event of an alarm (`exit_failed`) says."""
    data = event.data
    count = int(str(data.get("count", 1)))
    trouble = Trouble(str(data.get("trouble", Trouble.EXIT)))
    return Failing(event.subject, str(data.get("ticker", "")), trouble, count, str(data.get("note", "")))


def _words(position: Position) -> str:
    """`P00001 (-2 × XYZ 20 Jul 26 44 put)`."""
    legs = " / ".join(f"{leg.quantity:+d} × {leg.instrument}" for leg in position.legs if leg.quantity)
    return f"{position.id} ({legs})"


def _sold(desk: Desk, seen: _Seen, dated: Mapping[str, Known]) -> Iterator[Sold]:
    """Every short option that delivers shares and may be exercised before it expires."""
    held = seen.book.positions.values()
    puts = {position.id: agenda.strikes(position) for position in held if position.structure is Structure.SHORT_PUT}
    left = seen.book.cash - sum(puts.values(), ZERO)
    for position in seen.book.positions.values():
        for leg in position.legs:
            option = leg.instrument
            if not isinstance(option, Option) or leg.quantity >= 0 or option.is_cash_settled:
                continue
            if option.style is Style.AMERICAN:
                free = left + puts.get(position.id, ZERO)
                yield _short(desk, seen, position, option, -leg.quantity, free, dated.get(position.ticker))


def _short(
    desk: Desk, seen: _Seen, position: Position, option: Option, contracts: int, free: Decimal, known: Known | None
) -> Sold:
    """`free`: the cash that other short puts leave."""
    spot, is_call = seen.spot(position.ticker), option.right is Right.CALL
    dollars = option.strike * option.multiplier * contracts
    paid = () if known is None or known.dividends is None else known.dividends
    due = next((each for each in paid if desk.today < each.ex_date <= option.expiry), None)
    return Sold(
        position=position.id,
        ticker=position.ticker,
        words=str(option),
        is_call=is_call,
        dollars=dollars,
        inside=None if spot is None else agenda.inside_by(option, spot),
        time_value=None if spot is None else agenda.time_value(option, seen.quotes.get(option), spot),
        short_cash=ZERO if is_call else max(dollars - free, ZERO),
        dividend=None if due is None else due.amount,
        ex_date=None if due is None else due.ex_date,
        sessions=None if due is None else len(desk.sessions.between(desk.sessions.next(desk.today), due.ex_date)),
        knows_dividends=known is not None and known.dividends is not None,
    )


def _reports(desk: Desk, seen: _Seen, dated: Mapping[str, Known]) -> Iterator[Reporting]:
    """The next report of every held name that is not held for the report alone."""
    for name in seen.names:
        held = [position for position in seen.book.positions.values() if position.ticker == name]
        exposed = sum(position.strategy not in FOR_REPORTS for position in held)
        if exposed:
            yield from _next_report(desk, name, dated.get(name), exposed, is_protected=exposed < len(held))


def _next_report(
    desk: Desk, name: str, known: Known | None, positions: int, *, is_protected: bool
) -> Iterator[Reporting]:
    """Nothing where it is known that none is listed."""
    if known is None or known.reports is None:
        yield Reporting(name, positions=positions, is_protected=is_protected)
        return
    for report in sorted(known.reports, key=lambda report: report.day):
        last = happenings.last_session_before(report, desk.sessions)
        ends = desk.sessions.close(last)
        if ends > desk.now():
            yield Reporting(
                name,
                report.day,
                report.when,
                report.confirmed,
                tells_from=desk.sessions.close(desk.sessions.previous(last)),
                acts_from=ends - ACT_BY,
                ends=ends,
                positions=positions,
                is_protected=is_protected,
            )
            return


def _quoted_at(seen: _Seen, name: str) -> datetime | None:
    quote = seen.quotes.get(Stock(name))
    return None if quote is None else quote.at


def _broker(work: UnitOfWork, account: KnownAccount | None, now: datetime) -> Broker:
    tries = work.newest_events((EventKind.ATTEMPTED,), MOST_TRIES)
    refused = (
        str(event.data.get("words", ""))
        for event in tries
        if now - event.at <= REFUSED_FOR
        and event.data.get("act") == Act.SUBMIT.value
        and event.data.get("answer") == attempts.REFUSED
    )
    return Broker(
        answered=standing.money_moved(work) if account is None else account.asked,
        refused=tuple(refused),
        differing=tuple((key, theirs, ours) for key, (theirs, ours) in sorted(holdings.told(work).items())),
    )
