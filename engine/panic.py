"""Panic: `freeze` stops every entry, `flatten` closes everything, in an order that leaves nothing naked.

Flattening is one durable setting. What is left to do is derived from the open positions at every look, so that a
process that dies between two closes goes on where it was. `advance` does the next piece; the loop of exits calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import structlog

from engine import alarms, exits, gateway, halts, mending, missing, nets, orders
from engine.codec import dump, load_frozen
from engine.desk import Desk
from engine.each import each
from engine.errors import AlreadyDecided, BrokerError, DataError, DeskError, NotAllowed
from engine.model.book import Position
from engine.model.events import EventKind, Severity
from engine.model.flatten import ANSWERED_WITHIN, Flatten, Line
from engine.model.instruments import Option, Right
from engine.model.legs import Structure
from engine.model.orders import PANIC, Purpose, Ticket, TicketStatus
from engine.store import UnitOfWork
from engine.triggers import is_worthless

log = structlog.get_logger()

ASKED = "panic:asked:"
"""Setting of a flattening that waits for its second tap."""

AFTER_OPEN = timedelta(minutes=5)
"""What was asked for while the market was closed begins at 09:35."""

WHY = "panic"
"""Why entries are halted when a panic did it."""


def freeze(desk: Desk, by: str) -> tuple[Ticket, ...]:
    """Halt for good, take every working entry off, and return those whose end the broker has not confirmed yet.

    One entry that gives trouble holds up no other.
    """
    halts.halt(desk, by, WHY)
    with desk.store.read() as work:
        entries = [ticket for ticket in work.open_tickets() if ticket.purpose is Purpose.ENTRY]
    for ticket in entries:
        _tried(lambda id=ticket.id: orders.cancel(desk, id, by, f"panic of {by}"), ticket.id)  # type: ignore[misc]
    _tried(lambda: orders.reconcile(desk, Purpose.ENTRY), "entries")
    left = working_entries(desk)
    with desk.store.begin() as work:
        words = f"Frozen by {by}: {len(entries) - len(left)} of {len(entries)} working entries are off."
        pending = f" Not confirmed yet: {', '.join(ticket.id for ticket in left)}." if left else ""
        severity = Severity.URGENT if left else Severity.WARNING
        data = {"words": words + pending}
        work.add_event(desk.event(EventKind.PANIC, "freeze", data, severity, actor=by))
    return left


def working_entries(desk: Desk) -> tuple[Ticket, ...]:
    """Entries that are still open."""
    with desk.store.read() as work:
        return tuple(ticket for ticket in work.open_tickets() if ticket.purpose is Purpose.ENTRY)


def _tried(step: Callable[[], object], name: str) -> None:
    """Do it if it can be done; what is still there afterwards is told by whoever looks."""
    try:
        step()
    except AlreadyDecided:
        return
    except DeskError as problem:
        log.warning("panic.not_done", step=name, problem=str(problem))


def ask(desk: Desk, by: str) -> Flatten:
    """Freeze at once, and ask the same person for the second tap that closes everything; what runs already is shown."""
    with desk.store.read() as work:
        running = halts.flatten(work)
    if running is not None and running.is_running:
        return running
    freeze(desk, by)
    asked = Flatten(desk.new_id("F"), by, desk.now(), lines=_plan(desk), untouched=untouched(desk))
    with desk.store.begin() as work:
        work.set_setting(f"{ASKED}{asked.id}", dump(asked), by, desk.now())
    return asked


def _plan(desk: Desk) -> tuple[Line, ...]:
    with desk.store.read() as work:
        return tuple(Line(one.id, what(one), "waits") for one in in_order(work, desk.today))


def what(position: Position) -> str:
    """`2 × XYZ cash-secured put`."""
    return f"{position.units or '?'} × {position.ticker} {position.structure}"


def confirm(desk: Desk, id: str, by: str) -> Flatten:
    """The second tap of the person who asked, within a minute: begin to close everything.

    Raises:
        NotAllowed: somebody else asked. AlreadyDecided: it was answered, is too old, or another one runs.
    """
    now = desk.now()
    with desk.store.begin() as work:
        running, text = halts.flatten(work), work.setting(f"{ASKED}{id}")
        if running is not None and running.is_running:
            raise AlreadyDecided(f"Everything is being closed already, as {running.by} said.")
        if not text:
            raise AlreadyDecided(f"{id} was answered, or never asked: /panic flatten asks again.")
        asked = load_frozen(Flatten, text)
        if asked.by != by:
            raise NotAllowed(f"{asked.by} asked for that; to close everything yourself, use /panic flatten.")
        work.set_setting(f"{ASKED}{id}", "", by, now)
        is_late = now - asked.asked_at > ANSWERED_WITHIN
        if not is_late:
            begun = replace(asked, confirmed_at=now, tried_at=now, total=len(asked.lines))
            _save(desk, work, begun, by)
    if is_late:
        raise AlreadyDecided("That was asked more than a minute ago; /panic flatten asks again.")
    return advance(desk) or begun


def _save(desk: Desk, work: UnitOfWork, state: Flatten, by: str) -> Flatten:
    """Keep the state as its next version and tell it: every card of it is drawn again."""
    newer = replace(state, version=state.version + 1)
    work.set_setting(halts.FLATTEN, dump(newer), by, desk.now())
    given_up = [line for line in newer.lines if line.is_given_up]
    severity = Severity.URGENT if given_up else Severity.WARNING
    data = {
        "left": len(newer.lines),
        "total": newer.total,
        "given_up": ", ".join(line.position_id for line in given_up),
        "suspended": newer.is_suspended,
        "note": newer.note,
    }
    work.add_event(desk.event(EventKind.PANIC, newer.id, data, severity, newer.id, by))
    return newer


def current(desk: Desk) -> Flatten | None:
    """The latest flattening."""
    with desk.store.read() as work:
        return halts.flatten(work)


def starts_at(desk: Desk, state: Flatten) -> datetime:
    """From when positions are closed: at once in the session it was confirmed in, else five minutes after the open."""
    asked = state.confirmed_at or desk.now()
    day = desk.sessions.today(asked)
    if desk.sessions.is_open(asked):
        return asked
    if desk.sessions.is_session(day) and asked < desk.sessions.open(day):
        return desk.sessions.open(day) + AFTER_OPEN
    return desk.sessions.open(desk.sessions.next(day)) + AFTER_OPEN


def _is_time(desk: Desk, state: Flatten) -> bool:
    """Whether positions may be closed now: in a session, and on a later day than the asking not before 09:35."""
    now, asked = desk.now(), starts_at(desk, state)
    if now < asked or not desk.sessions.is_open(now):
        return False
    return desk.sessions.today(asked) == desk.today or now >= desk.sessions.open(desk.today) + AFTER_OPEN


def advance(desk: Desk) -> Flatten | None:
    """Do what can be done now: take other closers off, start what may be closed, note how far it is. Safe at any time.

    Returns the state after it, None when nothing is being flattened.
    """
    state = current(desk)
    if state is None or not state.is_running or state.is_suspended:
        return None
    if not _is_time(desk, state):
        return state
    with desk.store.begin() as work:
        halts.heard(work, desk.now())
    _withdraw(desk, state)
    _mend(desk)
    with desk.store.read() as work:
        queue = in_order(work, desk.today)
        tickets = {one.id: work.tickets_of(one.id) for one in queue}
    lines = each(queue, lambda one: _line(desk, state, one, queue, tickets), lambda one: one.id)
    with desk.store.read() as work:
        still = {position.id for position in work.open_positions()}
    return _noted(desk, state, tuple(line for line in lines if line.position_id in still))


def _withdraw(desk: Desk, state: Flatten) -> None:
    """Take off entries that came back, other closers and nets, one by one; a position waits for its own to be over."""
    with desk.store.read() as work:
        tickets = work.open_tickets()
        spared = {t.position_id for t in tickets if _is_given_up(state, work.tickets_of(t.position_id))}
    spared |= {line.position_id for line in state.lines if line.is_given_up}
    for ticket in tickets:
        if ticket.purpose is Purpose.EXIT and (ticket.reason == PANIC or ticket.position_id in spared):
            continue
        if ticket.is_net:
            _tried(lambda id=ticket.position_id: nets.step_aside(desk, id, "everything is being closed"), ticket.id)  # type: ignore[misc]
        else:
            _tried(lambda id=ticket.id: orders.cancel(desk, id, state.by, "everything is being closed"), ticket.id)  # type: ignore[misc]


def _mend(desk: Desk) -> None:
    """What lost a leg is a package of its own before it is closed."""
    with desk.store.read() as work:
        busy = {ticket.position_id for ticket in work.open_tickets()}
        broken = [p for p in work.open_positions() if mending.is_broken(p) and p.id not in busy]
    each(broken, lambda position: mending.mend(desk, position), lambda position: position.id)


def _is_given_up(state: Flatten, tickets: Iterable[Ticket]) -> bool:
    """Whether the latest closing order since the last try has ended unfilled. `tickets` newest first."""
    tried = state.tried_at or state.asked_at
    latest = next((t for t in tickets if t.reason == PANIC and t.created_at >= tried), None)
    return latest is not None and latest.status is TicketStatus.CLOSED


def _line(
    desk: Desk,
    state: Flatten,
    position: Position,
    queue: Sequence[Position],
    tickets: Mapping[str, Sequence[Ticket]],
) -> Line:
    """As `_one`; what the market or the broker does not answer now is tried at the next look."""
    try:
        return _one(desk, state, position, queue, tickets)
    except (BrokerError, DataError) as problem:
        log.warning("panic.not_closed", position=position.id, problem=str(problem))
        return Line(position.id, what(position), f"tried again: {problem}")


def _one(
    desk: Desk,
    state: Flatten,
    position: Position,
    queue: Sequence[Position],
    tickets: Mapping[str, Sequence[Ticket]],
) -> Line:
    """Close one position if it may be closed now, and say how it stands."""
    mine = tickets[position.id]
    working = next((ticket for ticket in mine if ticket.is_open), None)
    if working is None and _is_given_up(state, mine):
        note = next(ticket.note for ticket in mine if ticket.reason == PANIC)
        return Line(position.id, what(position), note, is_given_up=True)
    if working is not None and working.reason != PANIC:
        return Line(position.id, what(position), f"{working.id} is working")
    if working is not None:
        return Line(position.id, what(position), f"closing, {working.filled} of {working.quantity}")
    before = blocked_by(position, queue, lambda id: _is_given_up(state, tickets[id]))
    if before is not None:
        return Line(position.id, what(position), f"waits for {before.id}")
    return _start(desk, state, position)


def _start(desk: Desk, state: Flatten, position: Position) -> Line:
    with desk.store.read() as work:
        there = missing.units(work, position)
    if not there:
        return Line(position.id, what(position), "not at the broker, or not whole", is_given_up=True)
    watched = exits.watch(desk, position)
    if watched is None:
        alarms.remind(desk, position, f"flatten, asked for by {state.by}: no quote to close it at")
        return Line(position.id, what(position), "no quote")
    if is_worthless(watched, desk.costs):
        return Line(position.id, what(position), "worth no more than its fees: left", is_given_up=True)
    ticket = exits.start(desk, watched, PANIC, f"flatten, asked for by {state.by}")
    if ticket is None:
        return Line(position.id, what(position), "another order is in the way")
    return Line(position.id, what(position), f"closing, {ticket.filled} of {ticket.quantity}")


def in_order(work: UnitOfWork, today: date) -> tuple[Position, ...]:
    """Open positions in the order of closing.

    Expiring shorts, spreads as whole units, cash-secured puts, covered calls, their shares, longs, other shares.
    """
    open_positions = work.open_positions()
    written = {
        part.campaign
        for position in open_positions
        for part in work.campaign(position.campaign)
        if part.structure is Structure.COVERED_CALL
    }
    return tuple(sorted(open_positions, key=lambda position: (_rank(position, today, written), position.id)))


def _rank(position: Position, today: date, written: set[str]) -> int:
    held = [leg for leg in position.legs if isinstance(leg.instrument, Option) and leg.quantity]
    short = [leg.instrument for leg in held if leg.quantity < 0]
    if any(isinstance(item, Option) and item.expiry <= today for item in short):
        return 0
    if short and len(held) > 1:
        return 1
    if short:
        return 2 if position.structure is Structure.SHORT_PUT else 3
    if held:
        return 5
    return 4 if position.campaign in written else 6


def blocked_by(
    position: Position, others: Iterable[Position], is_given_up: Callable[[str], bool] = lambda _: False
) -> Position | None:
    """A short option that this position covers, still open: it goes first, or it would be left naked.

    Shares and long calls cover short calls, long puts cover short puts; a put that was given up has its cash.
    """
    covered = _covers(position)
    for other in others:
        if other.id == position.id or other.ticker != position.ticker:
            continue
        bare = bare_rights(other) & covered
        if Right.CALL in bare or (Right.PUT in bare and not is_given_up(other.id)):
            return other
    return None


def _covers(position: Position) -> set[Right]:
    """The rights of short options elsewhere that closing this position could leave naked."""
    if position.structure is Structure.SHARES:
        return {Right.CALL}
    if any(leg.quantity < 0 for leg in position.legs):
        return set()
    return {leg.instrument.right for leg in position.legs if isinstance(leg.instrument, Option)}


def bare_rights(position: Position) -> set[Right]:
    """The rights of which the position is short more than it is long: nothing in itself covers them."""
    net = {Right.CALL: 0, Right.PUT: 0}
    for leg in position.legs:
        if isinstance(leg.instrument, Option):
            net[leg.instrument.right] += leg.quantity
    return {right for right, quantity in net.items() if quantity < 0}


def _noted(desk: Desk, state: Flatten, lines: tuple[Line, ...]) -> Flatten:
    """Keep and tell how far it is, when that changed; end it when nothing is left.

    Where somebody has ended it meanwhile, what was done at the broker is undone: nobody would look for it there.
    """
    done = _finish(desk, state) if not lines else replace(state, lines=lines)
    with desk.store.begin() as work:
        kept = halts.flatten(work)
        is_ours = kept is not None and kept.id == state.id and kept.is_running
        if kept is not None and is_ours and kept != replace(done, version=kept.version):
            return _save(desk, work, replace(done, tried_at=kept.tried_at), "desk")
    if done.is_suspended and not is_ours and not (kept is not None and kept.is_suspended):
        _suspend(desk, suspended=False)
    return kept or done


def _finish(desk: Desk, state: Flatten) -> Flatten:
    """Everything of ours is closed: the broker takes no order any more, if it shows nothing open itself."""
    try:
        shown = _shown(desk)
        if shown:
            note = "Not suspended at the broker: it still shows what the desk does not touch."
            return replace(state, lines=(), untouched=shown, ended_at=desk.now(), note=note)
        _suspend(desk, suspended=True)
    except BrokerError as problem:
        return replace(state, lines=(), note=f"Everything is closed; the broker is asked again: {problem}")
    return replace(
        state,
        lines=(),
        untouched=(),
        ended_at=desk.now(),
        is_suspended=True,
        note="Trading is suspended at the broker.",
    )


def _suspend(desk: Desk, *, suspended: bool) -> None:
    """Have the broker take no order any more, or orders again.

    Raises:
        LeaseLost: another process acts for the desk. BrokerUnavailable: it did not confirm it.
    """
    gateway.check_term(desk)
    desk.broker.suspend(suspended)


def _shown(desk: Desk) -> tuple[str, ...]:
    """Everything the broker shows open: holdings and orders.

    Raises:
        BrokerUnavailable: it does not say.
    """
    held = (f"{holding.quantity:+d} × {holding.instrument}" for holding in desk.broker.holdings())
    return (*held, *(f"order {id}" for id in desk.broker.open_orders()))


def untouched(desk: Desk) -> tuple[str, ...]:
    """What the broker shows and the books do not hold or work: nobody closes it here."""
    try:
        holdings, working = desk.broker.holdings(), desk.broker.open_orders()
    except BrokerError as problem:
        return (f"not known: {problem}",)
    with desk.store.read() as work:
        ours: dict[object, int] = {}
        for position in work.open_positions():
            for leg in position.legs:
                ours[leg.instrument] = ours.get(leg.instrument, 0) + leg.quantity
        known = {order.client_order_id for order in work.open_orders()}
    beyond = ((h.instrument, h.quantity - ours.get(h.instrument, 0)) for h in holdings)
    held = tuple(f"{quantity:+d} × {item}" for item, quantity in beyond if quantity)
    return (*held, *(f"order {id}" for id in working if id not in known))


def again(desk: Desk, id: str, by: str) -> Flatten:
    """Try again what was given up.

    Raises:
        AlreadyDecided: it has ended, or nothing was given up.
    """
    with desk.store.begin() as work:
        state = _running(work, id)
        if not any(line.is_given_up for line in state.lines):
            raise AlreadyDecided("Nothing was given up; what is left is being closed.")
        _save(desk, work, replace(state, tried_at=desk.now(), lines=tuple(_waits(line) for line in state.lines)), by)
    return advance(desk) or state


def _waits(line: Line) -> Line:
    return replace(line, state="tried again", is_given_up=False) if line.is_given_up else line


def _running(work: UnitOfWork, id: str) -> Flatten:
    state = halts.flatten(work)
    if state is None or state.id != id or not state.is_running:
        raise AlreadyDecided(f"{id} has ended.")
    return state


def suspend(desk: Desk, id: str, by: str) -> Flatten:
    """Block every order at the broker although something is open: exits stop too, until somebody resumes.

    Raises:
        AlreadyDecided: it is suspended. BrokerUnavailable: the broker did not confirm it.
    """
    with desk.store.read() as work:
        state = halts.flatten(work)
    if state is None or state.id != id or state.is_suspended:
        raise AlreadyDecided(f"{id} is not the latest, or trading is suspended already.")
    _suspend(desk, suspended=True)
    with desk.store.begin() as work:
        note = f"Trading is suspended at the broker by {by}: exits do not work either."
        latest = replace(halts.flatten(work) or state, is_suspended=True, note=note)
        return _save(desk, work, latest, by)


def resume(desk: Desk, by: str) -> bool:
    """Undo: the broker takes orders again, nothing more is closed, entries are allowed; False when nothing was halted.

    Closing orders that are working go on.

    Raises:
        BrokerUnavailable: the broker did not confirm that it takes orders again; everything stays as it was.
    """
    state = current(desk)
    is_stopped = state is not None and (state.is_running or state.is_suspended)
    if state is not None and is_stopped:
        _suspend(desk, suspended=False)
        with desk.store.begin() as work:
            note = f"Ended by {by}: what is open has its own exits again."
            ended = state.ended_at or desk.now()
            _save(desk, work, replace(state, ended_at=ended, is_suspended=False, lines=(), note=note), by)
    return halts.resume(desk, by) or is_stopped
