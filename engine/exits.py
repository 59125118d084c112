"""Watching every open position: stops, targets, time exits and a strategy's own exits, done as agreed at entry.

Approving an entry authorised its exits; they run while entries are halted and whatever limit is hit. What is due is
`triggers`' to say; here it is done: one closing order for a position at a time, and every failure told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import takewhile

import structlog
from structlog.contextvars import bound_contextvars

from engine import alarms, halts, missing, modelled, nets, orders, pauses, quoted, silence, triggers
from engine.desk import Desk
from engine.each import each
from engine.errors import AlreadyDecided, BadRequest, DataUnavailable, NotAllowed
from engine.exposures import calls_on
from engine.mending import is_broken, mend
from engine.model.book import Position
from engine.model.events import Event, EventKind, Severity
from engine.model.instruments import Instrument, Stock
from engine.model.legs import Leg, Structure
from engine.model.market import Quote
from engine.model.orders import MANUAL, ROLL, STOPS, Order, Purpose, Ticket, TicketStatus
from engine.model.trade import Exit, Working
from engine.modelled import GoodQuote, Modelled
from engine.protection import (
    Breach,
    PackagePrice,
    closing_price,
    exit_price,
    is_valid_for_stop,
    package_price,
    reversed_legs,
    valid_spot,
)
from engine.store import UnitOfWork
from engine.triggers import Watched, due_exit, is_breached, is_heard, is_worthless

log = structlog.get_logger()

URGENT = frozenset({"stop", "time", "expiry"})
"""Exits that do not wait for a smaller one to end."""


@dataclass(frozen=True, slots=True)
class _Memory:
    """What the store knows about the open positions before a look."""

    positions: tuple[Position, ...]
    tickets: tuple[Ticket, ...]
    breaches: Mapping[str, Breach]
    silences: Mapping[str, str]
    good: Mapping[str, GoodQuote]

    @property
    def closing(self) -> frozenset[str]:
        """Positions all of which is being closed; a net under one is no exit."""
        exits = frozenset(t.position_id for t in self.tickets if t.purpose is Purpose.EXIT and not t.is_net)
        return exits - self.partly.keys()

    @property
    def partly(self) -> Mapping[str, Ticket]:
        """The working order by which a person closes a part of a position: its stop watches the rest."""
        by_hand = {t.position_id: t for t in self.tickets if t.purpose is Purpose.EXIT and t.reason == MANUAL}
        held = {position.id: position.units for position in self.positions if position.id in by_hand}
        return {id: ticket for id, ticket in by_hand.items() if ticket.left < held.get(id, 0)}

    @property
    def busy(self) -> frozenset[str]:
        """Positions with any order working, their nets apart."""
        return frozenset(ticket.position_id for ticket in self.tickets if not ticket.is_net)


def supervise(desk: Desk) -> tuple[Ticket, ...]:
    """Look at every open position once; start the exits that are due and return their tickets.

    Then the nets at the broker are brought in line. What fails with one position holds up no other.
    """
    if not desk.sessions.is_open(desk.now()):
        return ()
    with desk.store.read() as reading:
        if halts.is_flattening(reading, desk.now()):
            return ()
        positions = reading.open_positions()
        memory = _Memory(
            positions,
            reading.open_tickets(),
            triggers.breaches(reading, positions),
            silence.silences(reading, positions),
            modelled.good_quotes(reading, positions),
        )
    started: list[Ticket] = []
    prices: dict[str, Decimal] = {}
    parts: tuple[tuple[str, Callable[[], object]], ...] = (
        ("broken", lambda: _mend_broken(desk, memory)),
        ("exits", lambda: _exits(desk, memory, started, prices)),
        ("nets", lambda: nets.tend(desk, prices)),
    )
    each(parts, lambda part: part[1](), lambda part: part[0])
    return tuple(started)


def _mend_broken(desk: Desk, memory: _Memory) -> None:
    busy = memory.busy
    broken = [position for position in memory.positions if is_broken(position) and position.id not in busy]
    each(broken, lambda position: mend(desk, position), lambda position: position.id)


def _exits(desk: Desk, memory: _Memory, started: list[Ticket], prices: dict[str, Decimal]) -> None:
    """Start what is due; `started` gets the tickets, `prices` the value of what was looked at on good quotes."""
    closing = memory.closing
    watching = [p for p in memory.positions if p.units and p.id not in closing]
    halted = triggers.halted_names(desk, (position.ticker for position in watching))
    for position in watching:
        if position.ticker in halted:
            _forget(desk, position, memory)
    looked = [position for position in watching if position.ticker not in halted]
    quotes = _quotes(desk, looked)
    watched: list[Watched] = []
    partly = memory.partly

    def act(position: Position) -> None:
        one = _seen(desk, position, quotes, memory)
        if one is None:
            _blind(desk, position)
            return
        watched.append(one)
        ticket = _supervise_one(desk, one, partly.get(position.id))
        if ticket is not None:
            started.append(ticket)

    try:
        each(looked, lambda position: _in_its_story(position, act), lambda position: position.id)
    finally:
        calm = [one for one in watched if one.is_valid and not is_breached(one)]
        prices |= {one.position.id: one.value for one in calm}
        _remember_good(desk, calm, memory)


def _in_its_story(position: Position, act: Callable[[Position], None]) -> None:
    """Look at one position; what is logged meanwhile belongs to its trade."""
    with bound_contextvars(trade=position.story):
        act(position)


def _forget(desk: Desk, position: Position, memory: _Memory) -> None:
    """What was seen before a halt says nothing about the prices after it."""
    if position.id in memory.breaches:
        triggers.remember(desk, position, None)
    silence.note(desk, position, True, memory.silences)


def _quotes(desk: Desk, positions: Sequence[Position]) -> Mapping[Instrument, Quote]:
    """Every quote the positions need, asked for at once; none where the market does not answer."""
    return quoted.known(desk, (x for p in positions for x in (*(leg.instrument for leg in p.unit), Stock(p.ticker))))


def _seen(desk: Desk, position: Position, quotes: Mapping[Instrument, Quote], memory: _Memory) -> Watched | None:
    """The position as it is seen now, its silence noted; None while it has no price, from quotes or by the model."""
    spot = valid_spot(quotes.get(Stock(position.ticker)), desk.now(), desk.rules)
    one = _priced(desk, position, quotes, spot)
    heard = one is not None and is_heard(one)
    since = silence.note(desk, position, heard or not position.exits.has_stop, memory.silences)
    found = None
    if since is not None or (one is not None and is_breached(one)):
        found = modelled.value(desk, position, spot, memory.good)
    if since is not None and silence.is_long(desk, since):
        silence.tell(desk, position, since, memory.silences, _silent_words(position, found))
    if one is None and found is not None and silence.is_long(desk, since):
        one = Watched(position, quotes, _model_price(desk, found), spot, False)
    if one is None:
        return None
    last_iv = modelled.volatilities(desk, position, memory.good)
    breach = memory.breaches.get(position.id)
    return replace(one, breach=breach, silent_since=since, modelled=found, last_iv=last_iv)


def _silent_words(position: Position, found: Modelled | None) -> str:
    if position.exits.stop is None or found is None:
        return "No usable quote for a minute: its stop cannot fire until there is one."
    return (
        f"No usable quote for a minute: the model decides about its stop at {position.exits.stop:.2f} a share. "
        f"It is worth {found.value:.2f} {found.words}."
    )


def _model_price(desk: Desk, found: Modelled) -> PackagePrice:
    return PackagePrice(-found.value, -found.value, desk.now(), is_two_sided=False, widest=float("inf"))


def _priced(desk: Desk, position: Position, quotes: Mapping[Instrument, Quote], spot: Decimal | None) -> Watched | None:
    wanted = (*(leg.instrument for leg in position.unit), Stock(position.ticker))
    own = {item: quotes[item] for item in wanted if item in quotes}
    price = package_price(reversed_legs(position.unit), own)
    if price is None or not position.units:
        return None
    is_valid = is_valid_for_stop(price, [own[leg.instrument] for leg in position.unit], desk.now(), desk.rules)
    return Watched(position, own, price, spot, is_valid)


def _remember_good(desk: Desk, calm: Iterable[Watched], memory: _Memory) -> None:
    """Keep the volatility that good quotes imply, of what has a stop to judge by it and is not breaching it."""
    good = [
        (one.quotes[leg.instrument], one.spot)
        for one in calm
        if one.spot is not None and one.position.exits.has_stop
        for leg in one.position.unit
    ]
    modelled.remember(desk, good, memory.good)


def _blind(desk: Desk, position: Position) -> None:
    """A position without any price: that its stop is silent was told; what a clock decides is told too."""
    due = triggers.time_exit(desk, position)
    if due is not None:
        alarms.remind(desk, position, f"{due.words}, and there is no quote to close it at")


def _supervise_one(desk: Desk, watched: Watched, part: Ticket | None) -> Ticket | None:
    """Do what is due; while a person closes a `part`, only what closes all of it at any price: that part makes way."""
    position = watched.position
    due = due_exit(desk, watched)
    if due is None or _is_too_soon(desk, position):
        return None
    if part is not None:
        if due.ask or due.reason not in URGENT:
            return None
        _make_way(desk, part, due)
    if due.stop is not None:
        _raise_stop(desk, position, due.stop)
        return None
    if due.ask:
        _offer(desk, position, due)
        return None
    call = _call_over(desk, position)
    if call is not None:
        return _close_call_first(desk, call, due)
    if is_worthless(watched, desk.costs):
        _offer(desk, position, Exit("worthless", f"{due.words}; worth no more than its fees, so it is left", ask=True))
        return None
    return start(desk, watched, due.reason, due.words, due.units)


def _make_way(desk: Desk, part: Ticket, due: Exit) -> None:
    """Take the order of a part off; `start` waits until the broker has confirmed that."""
    try:
        if not part.cancel_requested:
            orders.cancel(desk, part.id, "desk", f"made way for the whole: {due.words}")
    except AlreadyDecided as ended:
        log.info("exits.part_has_ended", ticket=part.id, answer=str(ended))


def _is_too_soon(desk: Desk, position: Position) -> bool:
    """Whether the latest exit ended without closing it and was started a moment ago: 15 s, then twice as long each."""
    with desk.store.read() as reading:
        tickets = [ticket for ticket in reading.tickets_of(position.id) if not ticket.was_optional]
    failed = list(takewhile(lambda t: t.purpose is Purpose.EXIT and t.status is TicketStatus.CLOSED, tickets))
    if not failed:
        return False
    return desk.now() - failed[0].created_at < pauses.between_tries(len(failed), desk.rules)


def _raise_stop(desk: Desk, position: Position, stop: Decimal) -> None:
    """Move the position's stop up to `stop`, never down."""
    with desk.store.begin() as work:
        fresh = work.position(position.id)
        if fresh.exits.stop is None or stop > fresh.exits.stop:
            work.save_position(replace(fresh, exits=replace(fresh.exits, stop=stop)))


def _call_over(desk: Desk, position: Position) -> Position | None:
    """The open call that is bought back first: the one on these shares, which they would leave naked, or a collar's."""
    if position.structure not in {Structure.SHARES, Structure.COLLAR}:
        return None
    with desk.store.read() as reading:
        held = reading.open_positions(ticker=position.ticker)
    if position.structure is Structure.SHARES:
        return next(iter(calls_on(position, held)), None)
    own = (p for p in held if p.campaign == position.campaign)
    return next((p for p in own if p.structure is Structure.COVERED_CALL), None)


def _close_call_first(desk: Desk, call: Position, due: Exit) -> Ticket | None:
    watched = watch(desk, call)
    words = f"{due.words} (of what it is written with)"
    if watched is None:
        alarms.remind(desk, call, f"{words}, and there is no quote to close the call at")
        return None
    return start(desk, watched, due.reason, words)


def watch(desk: Desk, position: Position) -> Watched | None:
    """The position with the quotes of its legs and its underlying; None while a leg has no quote."""
    quotes = _quotes(desk, [position])
    spot = valid_spot(quotes.get(Stock(position.ticker)), desk.now(), desk.rules)
    return _priced(desk, position, quotes, spot)


def ask(desk: Desk, questions: Mapping[str, Exit]) -> None:
    """Ask about positions, by id, what a strategy's review wants to know; each question once, of what is still open."""
    with desk.store.read() as reading:
        positions = [reading.position(id) for id in questions]
    for position in positions:
        if position.is_open:
            _offer(desk, position, questions[position.id])


def _offer(desk: Desk, position: Position, wish: Exit) -> None:
    """Ask a person once about an exit that is not automatic; the card says what happens unanswered."""
    name = f"offered:{position.id}:{wish.reason}"
    with desk.store.read() as reading:
        if reading.setting(name):
            return
    with desk.store.begin() as work:
        work.set_setting(name, desk.now().isoformat(), "desk", desk.now())
        data = {"reason": wish.reason, "words": wish.words, "ticker": position.ticker, "strategy": position.strategy}
        work.add_event(desk.event(EventKind.EXIT_OFFERED, position.id, data, Severity.WARNING, position.story))


def start(
    desk: Desk, watched: Watched, reason: str, words: str, units: int | None = None, worst: Decimal | None = None
) -> Ticket | None:
    """Put a closing order to work: limit at mid first, then the exit ladder. None when one is already working.

    `worst` bounds the first step of a roll; an exit proper has no such bound.

    An entry of the same position that is still being worked is taken off first, and so is its net at the broker: no
    order of ours is sent while the broker has not confirmed that what holds the position is gone.
    """
    position = watched.position
    holder = _what_holds(desk, position)
    if holder:
        alarms.waiting(desk, position, f"{words}; {holder} is not confirmed as canceled, and nothing is sent before")
        return None
    with desk.store.begin() as work:
        fresh = work.position(position.id)
        tickets = work.tickets_of(position.id)
        held = missing.units(work, fresh)
        if any(t.is_open for t in tickets) or in_the_way(work, fresh) or not held or not fresh.is_open:
            return None
        earlier = sum(t.purpose is Purpose.EXIT for t in tickets)
        ticket, order = _closing(desk, watched, fresh, reason, min(units or held, held), earlier, worst)
        work.add_ticket(ticket)
        work.add_order(order)
        work.add_event(_started(desk, fresh, ticket, words))
    orders.send(desk, order)
    return ticket


def _what_holds(desk: Desk, position: Position) -> str:
    """The order that still holds the position after everything in the way was asked to end, "" when it is free."""
    with desk.store.read() as reading:
        entries = in_the_way(reading, position)
    for entry in entries:
        if not entry.cancel_requested:
            orders.cancel(desk, entry.id, f"the exit of {position.id}")
    with desk.store.read() as reading:
        entries = in_the_way(reading, position)
    if entries:
        return f"entry {entries[0].id}"
    is_free = nets.step_aside(desk, position.id, f"made way for the exit of {position.id}")
    return "" if is_free else "its net"


def in_the_way(work: UnitOfWork, position: Position) -> tuple[Ticket, ...]:
    """Working entries an exit may not meet: its own, the other side of a contract, a call written on these shares."""
    held = {leg.instrument: leg.ratio for leg in position.unit}

    def is_met(ticket: Ticket) -> bool:
        if ticket.position_id == position.id or any(held.get(x.instrument, 0) * x.ratio > 0 for x in ticket.legs):
            return True
        if ticket.approval_id is None:
            return False
        return work.approval_version(ticket.approval_id, ticket.version).plan.signal.covers == position.id

    return tuple(t for t in work.open_tickets() if t.purpose is Purpose.ENTRY and is_met(t))


def _closing(
    desk: Desk,
    watched: Watched,
    position: Position,
    reason: str,
    units: int | None,
    earlier: int,
    worst: Decimal | None,
) -> tuple[Ticket, Order]:
    legs = reversed_legs(position.unit)
    quantity = min(units or position.units, position.units)
    limit = closing_price(reason, legs, watched.first_price, 0, desk.rules)
    limit = limit if worst is None else min(limit, worst)
    ticket = Ticket(
        id=f"{position.id}.{reason.replace(' ', '-')}.{earlier + 1}",
        purpose=Purpose.EXIT,
        reason=reason,
        strategy=position.strategy,
        ticker=position.ticker,
        legs=legs,
        quantity=quantity,
        limit=limit,
        worst=exit_price(watched.price, desk.rules.ladder_steps, desk.rules) if worst is None else worst,
        working=Working.LADDER,
        status=TicketStatus.WORKING,
        created_at=desk.now(),
        send_after=desk.now(),
        position_id=position.id,
        approval_id=None,
        spot=watched.spot,
    )
    return orders.next_order(ticket, limit, desk.now())


def _started(desk: Desk, position: Position, ticket: Ticket, words: str) -> Event:
    data = {
        "reason": ticket.reason,
        "words": words,
        "ticker": position.ticker,
        "strategy": position.strategy,
        "quantity": ticket.quantity,
        "limit": str(ticket.limit),
    }
    severity = Severity.WARNING if ticket.reason in STOPS else Severity.INFO
    return desk.event(EventKind.EXIT_STARTED, position.id, data, severity, position.story)


@dataclass(frozen=True, slots=True)
class Closing:
    """What closing by a person's word would do now: so many of these units, at this price to begin with."""

    watched: Watched
    units: int
    limit: Decimal

    @property
    def legs(self) -> tuple[Leg, ...]:
        """As traded."""
        return reversed_legs(self.watched.position.unit)

    @property
    def natural(self) -> Decimal:
        """Net price at which it would trade at once."""
        return self.watched.price.natural


def preview(desk: Desk, position_id: str, units: int | None = None) -> Closing:
    """What `close` would do now, changing nothing at the broker.

    Raises:
        NotFound: no such position. AlreadyDecided: it is closed or being closed. NotAllowed: the market is closed,
            the name is halted, or a call is written on these shares. BadRequest: more units than are held.
        DataUnavailable: a leg has no quote.
    """
    with desk.store.read() as reading:
        position = reading.position(position_id)
    if is_broken(position):
        mend(desk, position)
        with desk.store.read() as reading:
            position = reading.position(position_id)
    _check_closable(desk, position)
    if units is not None and not 1 <= units <= position.units:
        raise BadRequest(f"{position_id} holds {position.units}: {units} cannot be closed.")
    watched = watch(desk, position)
    if watched is None:
        raise DataUnavailable(f"No quote for {position.ticker} right now; {position_id} was not touched.")
    return Closing(watched, units or position.units, exit_price(watched.first_price, 0, desk.rules))


def _check_closable(desk: Desk, position: Position) -> None:
    if not position.is_open:
        raise AlreadyDecided(f"{position.id} is already closed.")
    if not desk.sessions.is_open(desk.now()):
        raise NotAllowed(f"The market is closed; {position.id} can be closed from the next open.")
    if triggers.halted_names(desk, [position.ticker]):
        raise NotAllowed(f"{position.ticker} is halted or has just resumed; {position.id} was not touched.")
    with desk.store.read() as reading:
        working = [t for t in reading.open_tickets() if t.position_id == position.id and t.purpose is Purpose.EXIT]
    if any(not ticket.is_net for ticket in working):
        raise _is_working(position.id)
    call = _call_over(desk, position)
    if call is not None:
        raise NotAllowed(f"{position.id} covers the call {call.id}: close that one first.")


def _is_working(position_id: str) -> AlreadyDecided:
    return AlreadyDecided(f"{position_id} already has a working order; /orders shows it.")


def close(desk: Desk, position_id: str, by: str, units: int | None = None) -> Ticket:
    """Close (so many units of) a position because a person said so, by the same ladder as a stop.

    Raises:
        As `preview`; AlreadyDecided: somebody else's closing order was quicker.
    """
    return _closed_by(desk, preview(desk, position_id, units), MANUAL, f"asked for by {by}")


def retry(desk: Desk, position_id: str, by: str) -> Ticket:
    """Try an exit again that did not get done, under its own reason; a person's close where there was none.

    Raises:
        As `close`.
    """
    wanted = preview(desk, position_id)
    with desk.store.read() as reading:
        tickets = reading.tickets_of(position_id)
    ended = (t for t in tickets if t.purpose is Purpose.EXIT and not t.is_net and t.reason != ROLL)
    latest = next(ended, None)
    reason = latest.reason if latest is not None else MANUAL
    return _closed_by(desk, wanted, reason, f"tried again by {by}")


def _closed_by(desk: Desk, wanted: Closing, reason: str, words: str) -> Ticket:
    ticket = start(desk, wanted.watched, reason, words, wanted.units)
    if ticket is None:
        raise _is_working(wanted.watched.position.id)
    return ticket
