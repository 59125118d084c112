"""Looking at the desk: positions, orders, risk, P&L, proposals, scans and their explanations. Nothing is changed."""

from __future__ import annotations

from dataclasses import replace

from bot import announce, spans, words
from bot.cards import holdings
from bot.cards.scans import funnel_card, proposals_card, scan_card, why_card, whynot_card
from bot.cards.trail import note_lines
from bot.command import Call
from bot.handlers.quote import closed
from bot.message import Button, Card, Table, Tone
from bot.proposal import proposal_card, story
from engine import collars, digests, portfolio, scanning, trail
from engine.errors import NotFound
from engine.model.instruments import Option
from engine.model.orders import Order, Ticket
from engine.model.trade import Approval, ApprovalStatus, Scan

RECENT = 12


def positions(call: Call) -> Card:
    """Every open position."""
    with call.desk.store.read() as work:
        waiting = tuple(collars.notes(work).values())
    card = holdings.positions_card(portfolio.positions(call.desk), call.room.banner())
    return replace(card, lines=(*card.lines, *waiting))


def position(call: Call) -> Card:
    """One position, open or closed."""
    wanted = call.text("position")
    with call.desk.store.read() as work:
        stored = work.position(wanted)
        tickets = work.tickets_of(wanted)
        waiting = collars.notes(work).get(wanted)
        notes = (*((waiting,) if waiting else ()), *note_lines(trail.notes(work, wanted)))
    version = int((call.desk.now() - stored.opened_at).total_seconds()) * 10 + (0 if stored.is_open else 9)
    if not stored.is_open:
        return _noted(holdings.closed_position_card(stored, version, call.room.banner()), notes)
    view = next((view for view in portfolio.positions(call.desk) if view.position.id == wanted), None)
    if view is None:
        raise NotFound(f"{wanted} was closed a moment ago.")
    return _noted(holdings.position_card(view, tickets, version, call.room.banner()), notes)


def _noted(card: Card, notes: tuple[str, ...]) -> Card:
    """The card with what people wrote about the trade, and the way to its story."""
    position = card.key.partition(":")[2]
    buttons = (*card.buttons, (Button("Note…", f"note_on:{position}"), Button("Story", f"audit:{position}")))
    return replace(card, lines=(*card.lines, *notes), buttons=buttons)


def orders(call: Call) -> Card:
    """What is working and the latest orders."""
    with call.desk.store.read() as work:
        tickets = work.open_tickets()
        recent = work.recent_orders(RECENT)
    lines = tuple(f"{t.id}: {words.legs_words(t.legs, t.quantity)}, {_progress(t)}" for t in tickets)
    rows = tuple(_order_row(order) for order in recent)
    tables = (Table(("Order", "Filled", "Limit", "State"), rows, right=(2,)),) if rows else ()
    buttons = tuple((Button(f"Cancel {t.id}", f"cancel:{t.id}", Tone.BAD),) for t in tickets[:5])
    return Card(
        f"{words.count(len(tickets), 'order')} working",
        lines=lines,
        tables=tables,
        buttons=(*buttons, (Button("Refresh", "refresh:/orders"),)),
        footer=words.SIGNED_LIMIT if rows else "",
        banner=call.room.banner(),
    )


def _progress(ticket: Ticket) -> str:
    """`entry, 0 of 3 filled`; a cancellation that was asked for is said."""
    ending = ", being canceled" if ticket.cancel_requested else ""
    return f"{ticket.reason}, {ticket.filled} of {ticket.quantity} filled{ending}"


def _order_row(order: Order) -> tuple[str, str, str, str]:
    limit = "market" if order.limit is None else words.signed_limit(order.limit)
    what = order.legs[0].instrument
    name = what.underlying if isinstance(what, Option) else what.ticker
    done = f"{order.filled}/{order.quantity} {name}"
    return order.client_order_id, done, limit, order.status.value.replace("_", " ")


def pnl(call: Call) -> Card:
    """Profit and loss."""
    return holdings.pnl_card(portfolio.pnl(call.desk), call.room.banner())


def digest(call: Call) -> Card:
    """A day, week or month as it was told, or as far as it has come; the card that was posted stays as it is."""
    desk = call.desk
    span, day = spans.span_of(call.text("when"), desk.sessions, desk.today, words.date_of(desk.now()))
    made = digests.digest(desk, span, day)
    with desk.store.read() as work:
        told = work.find_digest(made.period.subject) is not None
    card = announce.told_digest(desk, made, call.room.banner(), digests.published(desk, made))
    title = card.title if told or made.period.last < desk.today else f"{card.title} so far"
    again = span.value if day is None else made.period.subject
    return replace(card, title=title, key="", buttons=((Button("Refresh", f"refresh:/digest {again}"),),))


def account(call: Call) -> Card:
    """Cash, equity and buying power."""
    return holdings.account_card(portfolio.account(call.desk), call.room.banner())


def proposals(call: Call) -> Card | tuple[Card, ...]:
    """The proposals that wait, as cards with their buttons, after a list with the latest decisions."""
    with call.desk.store.read() as work:
        pending = work.pending_approvals()
        recent = tuple(a for a in work.approvals(limit=RECENT) if a.status is not ApprovalStatus.PENDING)
    return proposals_card(pending, recent, call.room.banner())


def show(call: Call) -> Card:
    """One proposal as it stands now, with its buttons."""
    with call.desk.store.read() as work:
        told = story(work, work.approval(call.text("proposal").partition(".")[0]), call.desk.rules)
    return proposal_card(told, call.desk.now(), call.room.banner())


def scan(call: Call) -> Card:
    """Run a strategy's rules now, without proposing anything."""
    tickets = call.words("tickers") or None
    found = scanning.preview(call.desk, call.text("strategy"), tickets, call.hear)
    card = scan_card(found, call.room.banner())
    return replace(card, lines=(*closed(call), *card.lines))


def funnel(call: Call) -> Card:
    """The rules of the latest scan with the names each removed."""
    name = call.text("strategy")
    with call.desk.store.read() as work:
        latest = work.last_scan(name)
    if latest is None:
        raise NotFound(f"{name} has not been scanned yet; /scan {name} runs it.")
    return funnel_card(latest, call.room.banner())


def whynot(call: Call) -> Card:
    """One name's way through the latest scans."""
    names = (call.text("strategy"),) if call.text("strategy") else tuple(call.desk.strategies)
    with call.desk.store.read() as work:
        scans = [scan for name in names if (scan := work.last_scan(name)) is not None]
    return whynot_card(call.text("ticker"), scans, call.room.banner())


def why(call: Call) -> Card:
    """Why a proposal was made, and why this size."""
    with call.desk.store.read() as work:
        approval = work.approval(call.text("proposal").partition(".")[0])
        scan = work.last_scan(approval.plan.signal.strategy)
    return why_card(approval, scan if _made(scan, approval) else None, call.room.banner())


def _made(scan: Scan | None, approval: Approval) -> bool:
    """Whether it is the scan that proposed it: a proposal is written a moment after its scan, before the next one."""
    if scan is None or scan.asof > approval.created_at:
        return False
    return any(plan.signal.ticker == approval.plan.signal.ticker for plan in scan.plans)
