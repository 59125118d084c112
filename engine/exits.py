"""Watching every open position: stops, targets, time exits and a strategy's own exits, done as agreed at entry.

Approving an entry authorised its exits; they run while entries are halted and whatever limit is hit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import takewhile

import structlog

from engine import orders, risk, silence
from engine.desk import Desk
from engine.each import each
from engine.errors import AlreadyDecided, DataError, DataUnavailable, NotAllowed, NotFound
from engine.mending import is_broken, mend
from engine.model.book import Position
from engine.model.events import Event, EventKind, Severity
from engine.model.instruments import Instrument, Option, Stock
from engine.model.legs import Structure
from engine.model.limits import Costs
from engine.model.market import MarketSnapshot, Quote
from engine.model.orders import Order, Purpose, Ticket, TicketStatus
from engine.model.trade import Exit, Working
from engine.protection import (
    Breach,
    PackagePrice,
    exit_price,
    is_valid_for_stop,
    package_price,
    reversed_legs,
    stop_fires,
    stop_is_breached,
    valid_spot,
)
from engine.sessions import NEW_YORK
from engine.store import UnitOfWork

log = structlog.get_logger()

FIRST_MINUTES = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(minutes=5)
EVERY = 1_000_000
"""More tickets than any position has."""

EXPIRY_CUTOFF = time(15, 0)
EARLY_CUTOFF = time(12, 0)
BREACH = "breach:"
"""Setting of a position whose stop has been breached and waits for another quote."""
HELD_TO_EXPIRY = frozenset({Structure.SHORT_PUT, Structure.COVERED_CALL, Structure.SHARES})


@dataclass(frozen=True, slots=True)
class Watched:
    """One position with the prices of closing it now, and the breach of its stop that is running.

    Attributes:
        spot: of the underlying, from a quote good enough to act on; None without one.
        is_valid: every leg's quote is good enough to act on: two-sided, fresh, not wide.
    """

    position: Position
    quotes: Mapping[Instrument, Quote]
    price: PackagePrice
    spot: Decimal | None
    is_valid: bool
    breach: Breach | None = None

    @property
    def value(self) -> Decimal:
        """Package value per share, signed as held."""
        return -self.price.mid


def supervise(desk: Desk) -> tuple[Ticket, ...]:
    """Look at every open position once; start the exits that are due and return their tickets."""
    now = desk.now()
    if not desk.sessions.is_open(now):
        return ()
    with desk.store.read() as reading:
        positions = reading.open_positions()
        working = reading.open_tickets()
        breaches = _breaches(reading, positions)
        silences = silence.silences(reading, positions)
    closing = {ticket.position_id for ticket in working if ticket.purpose is Purpose.EXIT}
    watching = [position for position in positions if position.id not in closing]
    busy = {ticket.position_id for ticket in working}
    broken = [position for position in positions if is_broken(position) and position.id not in busy]
    each(broken, lambda position: mend(desk, position), lambda position: position.id)
    watched = _watch(desk, watching, breaches)
    heard = {one.position.id for one in watched if is_heard(one)}
    for position in watching:
        if position.exits.has_stop:
            silence.note(desk, position, position.id in heard, silences)
    started = each(watched, lambda one: _supervise_one(desk, one), lambda one: one.position.id)
    return tuple(ticket for ticket in started if ticket is not None)


def _supervise_one(desk: Desk, watched: Watched) -> Ticket | None:
    position = watched.position
    due = due_exit(desk, watched)
    if due is None or _is_too_soon(desk, position):
        return None
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


def _is_too_soon(desk: Desk, position: Position) -> bool:
    """Whether the latest exit ended without closing it and was started a moment ago: 15 s, then twice as long each."""
    with desk.store.read() as reading:
        tickets = reading.tickets(position_id=position.id)
    failed = list(takewhile(lambda t: t.purpose is Purpose.EXIT and t.status is TicketStatus.CLOSED, tickets))
    if not failed:
        return False
    pause = timedelta(seconds=desk.rules.ladder_seconds) * float(1 << min(len(failed) - 1, 10))
    return desk.now() - failed[0].created_at < min(pause, LONGEST_PAUSE)


def is_worthless(watched: Watched, costs: Costs) -> bool:
    """Whether selling it brings no more than the commission: a bid of nothing has no buyer."""
    contracts = sum(abs(leg.ratio) for leg in watched.position.unit if isinstance(leg.instrument, Option))
    proceeds = -watched.price.natural * watched.position.unit[0].instrument.multiplier
    return contracts > 0 and watched.value >= 0 and proceeds <= costs.option_commission * contracts


def _raise_stop(desk: Desk, position: Position, stop: Decimal) -> None:
    """Move the position's stop up to `stop`, never down."""
    with desk.store.begin() as work:
        fresh = work.position(position.id)
        if fresh.exits.stop is None or stop > fresh.exits.stop:
            work.save_position(replace(fresh, exits=replace(fresh.exits, stop=stop)))


def _call_over(desk: Desk, position: Position) -> Position | None:
    """The open call written on these shares: it is bought back before the shares go, or they would leave it naked."""
    if position.structure is not Structure.SHARES:
        return None
    with desk.store.read() as reading:
        held = reading.open_positions(ticker=position.ticker)
    return next(iter(risk.calls_on(position, held)), None)


def _close_call_first(desk: Desk, call: Position, due: Exit) -> Ticket | None:
    watched = watch(desk, call)
    return None if watched is None else start(desk, watched, due.reason, f"{due.words} (of its shares)")


def watch(desk: Desk, position: Position) -> Watched | None:
    """The position with the quotes of its legs and its underlying; None while a leg has no quote."""
    with desk.store.read() as reading:
        breaches = _breaches(reading, [position])
    return next(iter(_watch(desk, [position], breaches)), None)


def _watch(desk: Desk, positions: Sequence[Position], breaches: Mapping[str, Breach]) -> list[Watched]:
    """Those of the positions whose legs all have a quote; every quote is asked for at once."""
    if not positions:
        return []
    wanted = {
        position.id: (*(leg.instrument for leg in position.unit), Stock(position.ticker)) for position in positions
    }
    quotes = desk.market.quotes(dict.fromkeys(item for items in wanted.values() for item in items))
    found, now = [], desk.now()
    for position in positions:
        own = {item: quotes[item] for item in wanted[position.id] if item in quotes}
        price = package_price(reversed_legs(position.unit), own)
        if price is not None and position.units:
            spot = valid_spot(own.get(Stock(position.ticker)), now, desk.rules)
            is_valid = is_valid_for_stop(price, [own[leg.instrument] for leg in position.unit], now, desk.rules)
            found.append(Watched(position, own, price, spot, is_valid, breaches.get(position.id)))
    return found


def due_exit(desk: Desk, watched: Watched) -> Exit | None:
    """The first exit that holds: stop, target, time, expiry day, then the strategy's own."""
    return _stop(desk, watched) or _target(desk, watched) or _time(desk, watched) or _own(desk, watched)


def _stop(desk: Desk, watched: Watched) -> Exit | None:
    position, plan = watched.position, watched.position.exits
    value = watched.value if watched.is_valid else None
    breached = stop_is_breached(plan, value, watched.spot)
    if not plan.has_stop or not (breached or is_heard(watched)):
        return None
    early = desk.now() < desk.sessions.open(desk.today) + FIRST_MINUTES
    by_spot = breached and not stop_is_breached(plan, value, None)
    seen = watched.quotes[Stock(position.ticker)].at if by_spot else watched.price.oldest
    fire, breach = stop_fires(breached, watched.breach, seen, 3 if early else 2, desk.rules)
    if breach != watched.breach:
        _remember(desk, position, breach)
    return Exit("stop", f"stop: worth {watched.value:.2f} a share") if fire else None


def is_heard(watched: Watched) -> bool:
    """Whether every price the position's stop listens to is good enough to act on."""
    plan = watched.position.exits
    by_spot = plan.stop_spot is not None or plan.stop_spot_above is not None
    return (plan.stop is None or watched.is_valid) and (not by_spot or watched.spot is not None)


def _breaches(work: UnitOfWork, positions: Iterable[Position]) -> dict[str, Breach]:
    """The breaches of stops that wait for another quote, by position."""
    names = {f"{BREACH}{position.id}": position.id for position in positions}
    return {names[name]: _breach(text) for name, text in work.settings_named(names).items() if text}


def _breach(text: str) -> Breach:
    since, count, latest = json.loads(text)
    return Breach(datetime.fromisoformat(since), count, datetime.fromisoformat(latest))


def _remember(desk: Desk, position: Position, breach: Breach | None) -> None:
    text = json.dumps([breach.since.isoformat(), breach.count, breach.latest.isoformat()]) if breach else ""
    with desk.store.begin() as work:
        work.set_setting(f"{BREACH}{position.id}", text, "desk", desk.now())


def breach_is_running(desk: Desk) -> bool:
    """Whether some stop has been breached once and waits for its second quote."""
    with desk.store.read() as reading:
        return bool(_breaches(reading, reading.open_positions()))


def _target(desk: Desk, watched: Watched) -> Exit | None:
    """At the mid of valid quotes; on wide or one-sided ones only when even the natural price brings the target."""
    target = watched.position.exits.target
    value = watched.value if watched.is_valid else _sure_value(desk, watched)
    if target is None or value is None or value < target:
        return None
    return Exit("target", f"target: worth {value:.2f} a share")


def _sure_value(desk: Desk, watched: Watched) -> Decimal | None:
    """What closing at once would leave, per share; None on quotes that are old or crossed."""
    oldest = desk.now() - timedelta(seconds=desk.rules.stop_quote_age)
    legs = [watched.quotes[leg.instrument] for leg in watched.position.unit]
    if any(quote.at < oldest or quote.ask <= 0 or quote.ask < quote.bid for quote in legs):
        return None
    return -watched.price.natural


def _time(desk: Desk, watched: Watched) -> Exit | None:
    position, now = watched.position, desk.now()
    if now < desk.sessions.open(desk.today) + FIRST_MINUTES:
        return None
    if position.exits.close_on is not None and desk.today >= position.exits.close_on:
        return Exit("time", f"time exit of {position.exits.close_on:%d %b}")
    expires = any(isinstance(x, Option) and x.expiry <= desk.today for x in position.instruments)
    if expires and position.structure not in HELD_TO_EXPIRY and _past_cutoff(desk, now):
        return Exit("expiry", "expires today")
    return None


def _past_cutoff(desk: Desk, now: datetime) -> bool:
    cutoff = EARLY_CUTOFF if desk.sessions.is_early(desk.today) else EXPIRY_CUTOFF
    return now.astimezone(NEW_YORK).time() >= cutoff


def _own(desk: Desk, watched: Watched) -> Exit | None:
    """The strategy's own exit, on the position as it is marked now (with its peak)."""
    position = _peaked(desk, watched)
    strategy = desk.strategies.get(position.strategy)
    if strategy is None:
        return None
    try:
        snapshot: MarketSnapshot = desk.market.snapshot(position.ticker)
    except (DataError, NotFound) as problem:
        log.warning("exits.no_snapshot", position=position.id, problem=str(problem))
        return None
    wishes = strategy.manage(position, snapshot, watched.quotes, strategy.params)
    return next((wish for wish in wishes if not wish.ask), None) or next(iter(wishes), None)


def _peaked(desk: Desk, watched: Watched) -> Position:
    """The position with its best package value so far; a new best is stored."""
    position = watched.position
    if not watched.is_valid or (position.peak is not None and watched.value <= position.peak):
        return position
    with desk.store.begin() as work:
        higher = replace(work.position(position.id), peak=watched.value)
        work.save_position(higher)
    return higher


def _offer(desk: Desk, position: Position, wish: Exit) -> None:
    """Ask a person once about an exit that is not automatic; the card says what happens unanswered."""
    name = f"offered:{position.id}:{wish.reason}"
    with desk.store.read() as reading:
        if reading.setting(name):
            return
    with desk.store.begin() as work:
        work.set_setting(name, desk.now().isoformat(), "desk", desk.now())
        data = {"reason": wish.reason, "words": wish.words, "ticker": position.ticker, "strategy": position.strategy}
        work.add_event(Event(desk.new_id("E"), EventKind.EXIT_OFFERED, desk.now(), position.id, data, Severity.WARNING))


def start(desk: Desk, watched: Watched, reason: str, words: str, units: int | None = None) -> Ticket | None:
    """Put a closing order to work: limit at mid first, then the exit ladder. None when one is already working.

    An entry of the same position that is still being worked is taken off first.
    """
    position = watched.position
    _stop_entries(desk, position)
    with desk.store.begin() as work:
        fresh = work.position(position.id)
        tickets = work.tickets(position_id=position.id, limit=EVERY)
        if any(t.is_open for t in tickets) or in_the_way(work, fresh) or not fresh.units or not fresh.is_open:
            return None
        ticket, order = _closing(desk, watched, fresh, reason, units, sum(t.purpose is Purpose.EXIT for t in tickets))
        work.add_ticket(ticket)
        work.add_order(order)
        work.add_event(_started(desk, fresh, ticket, words))
    orders.send(desk, order)
    return ticket


def _stop_entries(desk: Desk, position: Position) -> None:
    with desk.store.read() as reading:
        entries = in_the_way(reading, position)
    for entry in entries:
        if not entry.cancel_requested:
            orders.cancel(desk, entry.id, f"the exit of {position.id}")


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
    desk: Desk, watched: Watched, position: Position, reason: str, units: int | None, earlier: int
) -> tuple[Ticket, Order]:
    legs = reversed_legs(position.unit)
    quantity = min(units or position.units, position.units)
    limit = exit_price(watched.price, 0, desk.rules)
    ticket = Ticket(
        id=f"{position.id}.{reason.replace(' ', '-')}.{earlier + 1}",
        purpose=Purpose.EXIT,
        reason=reason,
        strategy=position.strategy,
        ticker=position.ticker,
        legs=legs,
        quantity=quantity,
        limit=limit,
        worst=exit_price(watched.price, desk.rules.ladder_steps, desk.rules),
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
    correlation = position.approval_id or position.id
    return Event(desk.new_id("E"), EventKind.EXIT_STARTED, desk.now(), position.id, data, correlation=correlation)


def close(desk: Desk, position_id: str, by: str) -> Ticket:
    """Close a position because a person said so, by the same ladder as a stop.

    Raises:
        NotFound: no such position. AlreadyDecided: it is closed or being closed. NotAllowed: the market is closed.
        DataUnavailable: a leg has no quote.
    """
    with desk.store.read() as reading:
        position = reading.position(position_id)
    if not position.is_open:
        raise AlreadyDecided(f"{position_id} is already closed.")
    if not desk.sessions.is_open(desk.now()):
        raise NotAllowed(f"The market is closed; {position_id} can be closed from the next open.")
    call = _call_over(desk, position)
    if call is not None:
        raise NotAllowed(f"{position_id} covers the call {call.id}: close that one first.")
    watched = watch(desk, position)
    if watched is None:
        raise DataUnavailable(f"No quote for {position.ticker} right now; {position_id} was not touched.")
    ticket = start(desk, watched, orders.MANUAL, f"asked for by {by}")
    if ticket is None:
        raise AlreadyDecided(f"{position_id} already has a working order; /orders shows it.")
    return ticket
