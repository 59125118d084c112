"""Nets: stop orders that rest at the broker, a bit beyond our own stops, for when this process is down.

A net is a ticket like any other (purpose exit, reason "net"), so that its order, its fills and its audit take the same
path; but it is no exit of ours. It holds the position at the broker, so it steps aside, confirmed, before anything
else is sent for it, and comes back when nothing else is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from engine import alarms, grounds, missing, orders
from engine.alarms import Trouble
from engine.desk import Desk, Mode
from engine.each import each
from engine.errors import AlreadyDecided, DataUnavailable, OrderRejected
from engine.model.book import Position
from engine.model.instruments import Option, Stock
from engine.model.orders import NET, Order, OrderStatus, OrderType, Purpose, Ticket, TicketStatus, TimeInForce
from engine.model.trade import Working
from engine.ports import Ability
from engine.protection import net_price, reversed_legs, tick_below
from engine.store import UnitOfWork

ASIDE = "net:aside:"
"""Setting of a position whose net has stepped aside: until when it stays away by itself."""

STAYS_ASIDE = timedelta(seconds=60)
"""Longer than what it made way for takes to be committed; from then on that is in the books."""

NOTHING = Decimal(0)

SLACK = Decimal("0.02")
"""A net is not placed anew for less than this share of its trigger."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The net a position should have: how many units, and from which price."""

    quantity: int
    trigger: Decimal


def tend(desk: Desk, prices: Mapping[str, Decimal]) -> None:
    """Bring the nets in line with their positions: take off what fits no more, place what is missing.

    `prices`: what the positions are worth per share now, of those whose stop is quiet on good quotes; a new net is
    placed for no other, or it would sell at once. One net is placed at a look, and none while the broker owes the
    answer about another: the exits that come after must not wait for it.
    """
    with desk.store.read() as reading:
        tickets = reading.open_tickets()
        held = {ticket.position_id: ticket for ticket in tickets if ticket.is_net}
        netted = [position for position in reading.open_positions() if is_netted(desk, position)]
        if not held and not netted:
            return
        wanted = {p.id: net for p in netted if (net := _wanted(desk, reading, p, tickets)) is not None}
        unanswered = any(o.type is OrderType.STOP and o.status is OrderStatus.NEW for o in reading.open_orders())
        bare = [id for id in sorted(wanted) if id not in held and wanted[id].trigger < prices.get(id, NOTHING)]
        first = next((id for id in bare if not _is_away(desk, reading, id)), None)
    misfits = sorted(id for id, net in held.items() if not _fits(net, wanted.get(id)))
    each(misfits, lambda id: step_aside(desk, id, "does not fit the position any more", timedelta(0)), str)
    if first is not None and not unanswered:
        _place(desk, first)


def _is_away(desk: Desk, work: UnitOfWork, position_id: str) -> bool:
    """Whether the position's net has stepped aside for a while, or was refused a moment ago."""
    return _is_aside(desk, work, position_id) or alarms.is_resting(desk, work, position_id, Trouble.NET)


def _is_aside(desk: Desk, work: UnitOfWork, position_id: str) -> bool:
    aside = work.setting(f"{ASIDE}{position_id}")
    return aside is not None and desk.now() < datetime.fromisoformat(aside)


def _fits(net: Ticket, wanted: _Wanted | None) -> bool:
    if wanted is None or wanted.quantity != net.left:
        return False
    return abs(wanted.trigger + net.limit) <= -net.limit * SLACK


def _wanted(desk: Desk, work: UnitOfWork, position: Position, tickets: Iterable[Ticket]) -> _Wanted | None:
    """The net this position should have beside these open tickets; None for none."""
    if any(ticket.position_id == position.id and not ticket.is_net for ticket in tickets):
        return None
    trigger = net_price(position.exits, position.unit[0].instrument, desk.rules)
    if trigger is None:
        return None
    quantity = _free_units(work, position, tickets)
    return _Wanted(quantity, trigger) if quantity > 0 else None


def is_netted(desk: Desk, position: Position) -> bool:
    """Whether this desk rests a stop under such a position: shares held, or one option bought, where they are taken."""
    if not desk.rules.nets or desk.mode is Mode.REPLAY or len(position.unit) != 1 or not position.units:
        return False
    return position.unit[0].ratio > 0 and desk.broker.capabilities().may_try(_ability(position))


def _ability(position: Position) -> Ability:
    return Ability.STOP_SHARES if isinstance(position.unit[0].instrument, Stock) else Ability.STOP_OPTIONS


def _free_units(work: UnitOfWork, position: Position, tickets: Iterable[Ticket]) -> int:
    """Units the broker holds too that no written call needs, and none that is being written."""
    there = missing.units(work, position)
    if not isinstance(position.unit[0].instrument, Stock):
        return there
    return there - grounds.pledged(work, position, tickets)


def again(desk: Desk, position_id: str) -> Ticket:
    """Try at once to place a net that was refused.

    Raises:
        NotFound: no such position. AlreadyDecided: none is wanted now. DataUnavailable: no price to judge it by, or
            one that is beyond its trigger already. OrderRejected: the broker refused it again.
    """
    with desk.store.read() as reading:
        position = reading.position(position_id)
        is_netted_now = position.is_open and is_netted(desk, position)
        wanted = _wanted(desk, reading, position, reading.open_tickets()) if is_netted_now else None
    if wanted is None:
        raise AlreadyDecided(f"{position_id} needs no net now: it is closed, or something else is working on it.")
    item = position.unit[0].instrument
    quote = desk.market.quotes([item]).get(item)
    if quote is None or not quote.is_two_sided or quote.mid <= wanted.trigger:
        raise DataUnavailable(f"No price of {item} now above {wanted.trigger}: a net there would sell at once.")
    placed = _place(desk, position_id)
    if placed is None:
        raise AlreadyDecided(f"{position_id} has a working order, or had one a moment ago; /orders shows it.")
    ticket, sent = placed
    if sent.status is OrderStatus.REJECTED:
        raise OrderRejected(f"Refused again: {sent.error}")
    return ticket


def _place(desk: Desk, position_id: str) -> tuple[Ticket, Order] | None:
    """Commit and send the net; None when something else is wanted by now. What came of it is told."""
    with desk.store.begin() as work:
        position, tickets = work.position(position_id), work.tickets_of(position_id)
        if any(ticket.is_open for ticket in tickets) or _is_aside(desk, work, position_id):
            return None
        wanted = _wanted(desk, work, position, work.open_tickets()) if position.is_open else None
        if wanted is None or not is_netted(desk, position):
            return None
        number = sum(ticket.purpose is Purpose.EXIT for ticket in tickets) + 1
        ticket, order = _net(desk, position, wanted, number)
        work.add_ticket(ticket)
        work.add_order(order)
    sent = orders.send(desk, order)
    with desk.store.begin() as work:
        position = work.position(position_id)
        if sent.status is OrderStatus.REJECTED:
            note = f"a stop order under it was refused: {sent.error}. Our own stop goes on."
            alarms.tell(desk, work, position, note, Trouble.NET)
            if not is_netted(desk, position):
                why = f"The broker takes no {_ability(position)}: our own stop alone protects it."
                alarms.over(desk, work, position, why, Trouble.NET)
        elif sent.status is not OrderStatus.NEW:
            alarms.over(desk, work, position, "Its net rests at the broker.", Trouble.NET)
    return ticket, sent


def _net(desk: Desk, position: Position, wanted: _Wanted, number: int) -> tuple[Ticket, Order]:
    now, trigger = desk.now(), wanted.trigger
    ticket = Ticket(
        id=f"{position.id}.{NET}.{number}",
        purpose=Purpose.EXIT,
        reason=NET,
        strategy=position.strategy,
        ticker=position.ticker,
        legs=reversed_legs(position.unit),
        quantity=wanted.quantity,
        limit=-trigger,
        worst=-trigger,
        working=Working.REST,
        status=TicketStatus.WORKING,
        created_at=now,
        send_after=now,
        position_id=position.id,
    )
    ticket, order = orders.next_order(ticket, -trigger, now)
    item = position.unit[0].instrument
    limit = tick_below(trigger * (1 - desk.rules.net_limit), item) if isinstance(item, Option) else None
    stays = isinstance(item, Stock) or desk.broker.capabilities().takes(Ability.GTC_OPTIONS)
    return ticket, replace(
        order,
        type=OrderType.STOP,
        stop=trigger,
        limit=None if limit is None else -limit,
        tif=TimeInForce.GTC if stays else TimeInForce.DAY,
    )


def put_off(desk: Desk, position_id: str, by: str) -> datetime:
    """Keep the position's net off until the next session, for a person took it off; the end of that time."""
    until = desk.sessions.open(desk.sessions.next(desk.today))
    with desk.store.begin() as work:
        work.set_setting(f"{ASIDE}{position_id}", until.isoformat(), by, desk.now())
    return until


def step_aside(desk: Desk, position_id: str, why: str, stay: timedelta = STAYS_ASIDE) -> bool:
    """Take the position's net off, and keep it off for a while; whether the broker has confirmed that it is gone.

    False means: ask again in a moment. A net that filled meanwhile is gone too, with what it sold.
    """
    with desk.store.begin() as work:
        until = work.setting(f"{ASIDE}{position_id}")
        if stay and (not until or datetime.fromisoformat(until) < desk.now() + stay):
            work.set_setting(f"{ASIDE}{position_id}", (desk.now() + stay).isoformat(), "desk", desk.now())
        net = next((t for t in work.open_tickets() if t.is_net and t.position_id == position_id), None)
    if net is None:
        return True
    try:
        return not orders.cancel(desk, net.id, "desk", why).is_open
    except AlreadyDecided:
        return True
