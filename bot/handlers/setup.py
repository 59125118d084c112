"""/setup: a new owner's way from keys to a first order on paper.

What was done is read from the store: the test card and its taps are events, the order is an order. So it goes on where
it was after a restart, and says nothing that did not happen.
"""

from __future__ import annotations

from bot import words
from bot.cards.setup import Step, channel_test, channels_card, checks_card, paper_card, seen_by
from bot.command import Call
from bot.message import Button, Card, Tone
from engine import scanning
from engine.desk import Desk, Mode
from engine.errors import NotAllowed, NotFound
from engine.model.events import Event, EventKind
from engine.model.orders import Order, OrderStatus
from engine.model.trade import Scan
from engine.store import UnitOfWork

SHOWN = 3
RECENT = 50


def setup(call: Call) -> Card:
    """The step that was asked for, or the first one that is not done."""
    asked = call.text("step")
    if asked:
        return DRAWN[Step(asked)](call)
    findings = call.room.doctor()
    if any(finding.state == "fail" for finding in findings):
        return checks_card(findings, call.room.banner())
    with call.desk.store.read() as work:
        sent = _latest(work)
        is_seen = sent is not None and bool(seen_by(work, sent.id))
    return _paper(call) if is_seen else _channels(call)


def _checks(call: Call) -> Card:
    return checks_card(call.room.doctor(), call.room.banner())


def _channels(call: Call) -> Card:
    with call.desk.store.read() as work:
        sent = _latest(work)
        deliveries = work.deliveries(sent.id) if sent is not None else ()
        names = seen_by(work, sent.id) if sent is not None else ()
    return channels_card(sent, deliveries, names, call.room.banner())


def _latest(work: UnitOfWork) -> Event | None:
    """The test card that was sent last."""
    return next(iter(work.newest_events([EventKind.TEST_CARD], 1)), None)


def send_card(call: Call) -> Card:
    """Send a card to every channel, with one tap to say that it is seen."""
    desk = call.desk
    with desk.store.begin() as work:
        work.add_event(desk.event(EventKind.TEST_CARD, "channels", {}, actor=call.user.name))
    return _channels(call)


def seen(call: Call) -> Card:
    """The test card with the name of whoever tapped."""
    id = call.text("alert").upper()
    with call.desk.store.read() as work:
        event = work.event(id)
        if event.kind is not EventKind.TEST_CARD:
            raise NotFound(f"{id} is no test card. /setup channels sends one.")
        names = seen_by(work, id)
    return channel_test(event, names, call.room.banner())


def _paper(call: Call) -> Card:
    """The way of one real proposal to a fill, on paper."""
    desk = call.desk
    if desk.mode is Mode.LIVE:
        return paper_card(Tone.WARNING, (_refusal(desk),), (), call.room.banner())
    with desk.store.read() as work:
        pending = work.pending_approvals()
        entry = next((order for order in work.recent_orders(RECENT) if order.opening), None)
    done = entry is not None and entry.status is OrderStatus.FILLED
    lines = [_order(entry)] if entry is not None else ["No order has been sent yet."]
    if done:
        lines.append("The way from proposal to fill works: the desk is set up.")
    elif pending:
        lines.append("Approve one of these as you would with money: it is sized, checked and sent like any other.")
    else:
        lines.append("Nothing is proposed now. Nothing is made up either: a scan looks for trades that pass the rules.")
        lines += _closed(desk)
    shows = [Button(f"Show {a.id}", f"show:{a.id}") for a in pending[:SHOWN]]
    scans = [Button(f"Scan {name}", f"setup_scan:{name}", Tone.ASK) for name in tuple(desk.strategies)[:SHOWN]]
    taps = () if done else shows or scans
    return paper_card(Tone.GOOD if done else Tone.ASK, lines, taps, call.room.banner())


def _refusal(desk: Desk) -> str:
    return (
        f"This desk trades real money in account {desk.account}: no order is sent to try things out. "
        'To practise, set [desk] mode = "paper" in config.toml and start the desk again.'
    )


def _closed(desk: Desk) -> list[str]:
    now = desk.now()
    if desk.sessions.is_open(now):
        return []
    opening = desk.sessions.open(desk.sessions.upcoming(desk.today, 1)[0])
    later = opening if opening > now else desk.sessions.open(desk.sessions.upcoming(desk.today, 2)[1])
    return [f"The market is closed: scans propose while it is open, next from {words.moment(later)}."]


def _order(order: Order) -> str:
    state = order.status.value.replace("_", " ")
    return f"Latest entry: order {order.client_order_id}, {order.filled} of {order.quantity} filled, {state}."


def scan(call: Call) -> Card:
    """Scan a strategy as the schedule does: what passes its rules, sizes and limits is proposed to people."""
    desk, name = call.desk, call.text("strategy")
    if desk.mode is Mode.LIVE:
        raise NotAllowed(_refusal(desk))
    found = scanning.run(desk, name, None, call.hear)
    if found is None:
        raise NotAllowed(f"{name} is disabled: /enable {name} lets it be scanned.")
    with desk.store.read() as work:
        proposed = [
            a for a in work.pending_approvals() if a.created_at >= found.asof and a.plan.signal.strategy == name
        ]
    return paper_card(
        Tone.GOOD if proposed else Tone.NEUTRAL,
        (f"{name}: {words.count(found.universe, 'name')} looked at, {words.count(len(proposed), 'proposal')}.",
         *_next(found, bool(proposed))),
        [Button(f"Show {a.id}", f"show:{a.id}") for a in proposed[:SHOWN]],
        call.room.banner(),
    )  # fmt: skip


def _next(found: Scan, is_proposed: bool) -> tuple[str, ...]:
    if is_proposed:
        return ("Their cards are in the channels: approve one there, or show it here.",)
    return (f"/funnel {found.strategy} tells which rule removed how many; the schedule scans again by itself.",)


DRAWN = {Step.CHECKS: _checks, Step.CHANNELS: _channels, Step.PAPER: _paper}
