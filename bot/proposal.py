"""The card of one proposal, from the question to the end of the trade it became: always drawn from the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from bot import words
from bot.message import Button, Card, Table, Tone
from engine import consents, payoff
from engine.model.book import Position
from engine.model.instruments import Option, Right
from engine.model.legs import Leg, Structure
from engine.model.limits import ApprovalRules
from engine.model.orders import Purpose, Ticket, intent
from engine.model.records import Consent, Need
from engine.model.trade import NOT_APPLICABLE, Approval, ApprovalStatus, Outlook, TradePlan, Working
from engine.protection import worst_price
from engine.sessions import NEW_YORK
from engine.store import UnitOfWork
from engine.variants import Neighbours

SHORT_INTENT = {
    "buy_to_open": "buy open",
    "buy_to_close": "buy close",
    "sell_to_open": "sell open",
    "sell_to_close": "sell close",
}


FOR_DECIDING = frozenset({"P(profit)", "Net Greeks", "Spot", "Data"})
"""Figures of the moment of the decision: a card that has been answered is shorter without them; Why has them all."""


@dataclass(frozen=True, slots=True)
class Story:
    """A proposal and what became of it; `ticket` and `position` are None before there is one.

    `consents` are the taps that stand on its version, `taps` how many there ever were, those taken back included.
    `worst` is the net price its order would never pass, None once it is decided: its ticket has it then.
    """

    approval: Approval
    ticket: Ticket | None = None
    position: Position | None = None
    consents: tuple[Consent, ...] = ()
    taps: int = 0
    worst: Decimal | None = None


def story(work: UnitOfWork, approval: Approval, rules: ApprovalRules) -> Story:
    """The proposal with the taps on it, its order and its position as stored now."""
    if approval.is_pending:
        taps = len(work.consents(approval.id, approval.version))
        worst = worst_price(approval.plan.signal, rules)
        return Story(approval, consents=consents.standing(work, approval), taps=taps, worst=worst)
    if approval.status is not ApprovalStatus.APPROVED:
        return Story(approval)
    ticket = work.ticket(approval.key)
    return Story(approval, ticket, work.find_position(ticket.position_id))


def proposal_card(told: Story, now: datetime, banner: str) -> Card:
    """The card as it has to look now; `version` grows with every change of state."""
    approval = told.approval
    card = Card(
        title=title(approval.plan),
        lines=(
            in_short(approval.plan),
            *_reasons(approval.plan),
            *after_words(approval.plan),
            *_exit_words(approval.plan),
        ),
        facts=_facts(approval.plan, now),
        tables=_tables(approval.plan),
        footer=f"{approval.id}, version {approval.version}",
        banner=banner,
        key=f"approval:{approval.id}",
        version=_version(told),
    )
    return _in_state(card, told, now)


def title(plan: TradePlan) -> str:
    """`wheel: sell 2 × KO 44 put` or `spx_credit_spreads: 5 × SPY 580 / 575 put credit spread`."""
    signal = plan.signal
    if len(signal.legs) > 1:
        return f"{signal.strategy}: {plan.quantity} × {signal.ticker} {_strikes(signal.legs)} {signal.structure}"
    leg = signal.legs[0]
    verb = "buy" if leg.ratio > 0 else "sell"
    what = leg.instrument
    name = f"{signal.ticker} {words.contract(what)}" if isinstance(what, Option) else f"{signal.ticker} shares"
    part = " (collar, order 1 of 2)" if signal.structure is Structure.COLLAR else ""
    return f"{signal.strategy}: {verb} {plan.quantity} × {name}{part}"


def in_short(plan: TradePlan) -> str:
    """What is paid or received, the most that can be lost and until when, for the whole trade: read first."""
    signal, total = plan.signal, words.money(abs(plan.net_cash))
    verb = "Receive" if plan.net_cash > 0 else "Pay"
    lost = words.money(plan.max_loss, words.UNLIMITED)
    order = " This is the put, the first of its two orders." if signal.structure is Structure.COLLAR else ""
    expires = "".join(f" {name} {when}." for name, when in _expiry(plan))
    return f"{verb} {total} in all ({words.net(signal.limit)} a share). The most it can lose: {lost}.{expires}{order}"


def legs_table(legs: tuple[Leg, ...], units: int) -> Table:
    """Intent, quantity, contract and expiry of every leg, at most 36 characters wide."""
    return Table(("Do", "Qty", "Contract", "Expiry"), tuple(_leg_row(leg, units) for leg in legs), right=(1,))


def _leg_row(leg: Leg, units: int) -> tuple[str, str, str, str]:
    what = leg.instrument
    name, expiry = (words.contract(what), f"{what.expiry:%d%b%y}") if isinstance(what, Option) else ("shares", "")
    return SHORT_INTENT[intent(leg, opening=True)], str(abs(leg.ratio) * units), name, expiry


def _tables(plan: TradePlan) -> tuple[Table, ...]:
    """The legs, and what the strategy compared."""
    legs, compared = legs_table(plan.signal.legs, plan.quantity), plan.signal.table
    if not compared:
        return (legs,)
    return legs, Table(compared[0], compared[1:], right=tuple(range(1, len(compared[0]))), title="Compared")


def _facts(plan: TradePlan, now: datetime) -> tuple[tuple[str, str], ...]:
    signal, outlook = plan.signal, plan.signal.outlook
    cash = "in" if plan.net_cash > 0 else "out"
    rows = [
        (
            "Price now" if signal.yours else "Limit",
            f"{words.net(signal.limit)} ({words.money(abs(plan.net_cash))} {cash})",
        ),
        *((("Your limit", f"{words.net(signal.yours)} or better"),) if signal.yours is not None else ()),
        ("Max loss", words.money(plan.max_loss, words.UNLIMITED)),
        ("Max gain", words.money(plan.max_gain, words.UNLIMITED) + _modelled(outlook)),
        ("Breakeven", (" / ".join(map(words.money, outlook.breakevens)) or "none") + _modelled(outlook)),
        ("P(profit)", _probability(outlook)),
        *_expiry(plan),
        *((("Collateral", words.money(plan.collateral)),) if plan.collateral else ()),
        ("Net Greeks", words.greeks_words(outlook.greeks) + (" a share" if outlook.greeks else "")),
        ("Fees", f"{words.money(plan.fees)} (a side)"),
        ("Spot", words.money(signal.spot)),
        ("Data", _data(plan, now)),
    ]
    return tuple(rows)


def _modelled(outlook: Outlook) -> str:
    return f" ({outlook.modelled})" if outlook.modelled else ""


def _probability(outlook: Outlook) -> str:
    """`76.5 %, N(d2) at the breakeven`; why there is none, where it has no meaning."""
    if outlook.pop is None and outlook.pop_method.startswith(NOT_APPLICABLE):
        return outlook.pop_method
    return words.percent(outlook.pop) + (f", {outlook.pop_method}" if outlook.pop_method else "")


def _expiry(plan: TradePlan) -> tuple[tuple[str, str], ...]:
    """When the first option ends, and how many days that is from the day it was priced; nothing for shares."""
    options = [leg.instrument for leg in plan.signal.legs if isinstance(leg.instrument, Option)]
    if not options:
        return ()
    first, last = min(option.expiry for option in options), max(option.expiry for option in options)
    days = (first - plan.signal.asof.astimezone(NEW_YORK).date()).days
    return (("Expires" if first == last else "First expires", f"{first:%d %b %y} ({words.count(days, 'day')})"),)


def _data(plan: TradePlan, now: datetime) -> str:
    """Source and age; the word "modelled" is there whenever a number was."""
    signal = plan.signal
    source = signal.data or "source not named"
    if signal.modelled and "modelled" not in source:
        source += " (modelled)"
    return f"{source}; priced {words.clock(signal.asof)}, {words.age((now - signal.asof).total_seconds())} ago"


def _reasons(plan: TradePlan) -> tuple[str, ...]:
    return tuple(
        [f"For: {reason}" for reason in plan.signal.reasons] + [f"Against: {reason}" for reason in plan.signal.against]
    )


def after_words(plan: TradePlan) -> tuple[str, ...]:
    """`After this: 31 % of buying power (12 % now), 4 short puts (2 now), SPY -5 % = -1,840 (-900 now).`"""
    return (f"After this: {plan.after}.",) if plan.after else ()


def _exit_words(plan: TradePlan) -> tuple[str, ...]:
    return tuple(f"Exit: {line}" for line in plan.signal.exits.words)


def _version(told: Story) -> int:
    """Grows with the proposal's version and the taps on it, then with every order, fill and end of its trade."""
    base = told.approval.version * 100_000
    if told.approval.is_pending:
        return base + told.taps
    if told.ticket is None:
        return base + 90_000
    stage = 1_000 + told.ticket.attempts + told.ticket.filled + (0 if told.ticket.is_open else 10_000)
    closed = told.position is not None and not told.position.is_open
    return base + stage + (50_000 if closed else 0)


def _in_state(card: Card, told: Story, now: datetime) -> Card:
    short = _shortened(card)
    match told.approval.status:
        case ApprovalStatus.PENDING:
            return _pending(card, told, now)
        case ApprovalStatus.REJECTED:
            return _ended(short, "rejected", Tone.NEUTRAL, f"Rejected by {_who(told.approval)}", told.approval.note)
        case ApprovalStatus.EXPIRED:
            return _ended(short, "expired", Tone.NEUTRAL, "Expired", told.approval.note)
        case ApprovalStatus.BLOCKED:
            return _ended(short, "blocked", Tone.BAD, "Not sent", told.approval.note)
        case ApprovalStatus.APPROVED:
            return _approved(replace(short, lines=_exit_words(told.approval.plan)), told)


def _shortened(card: Card) -> Card:
    """Without what was there to decide by."""
    facts = tuple(fact for fact in card.facts if fact[0] not in FOR_DECIDING)
    return replace(card, lines=(), facts=facts, tables=card.tables[:1])


def _who(approval: Approval) -> str:
    return approval.decided_by or "nobody"


def _ended(card: Card, state: str, tone: Tone, line: str, note: str) -> Card:
    sentence = f"{line}: {note.rstrip('.')}." if note else f"{line}."
    return replace(card, title=f"{card.title} ({state})", tone=tone, lines=(sentence, *card.lines))


def _resting(told: Story) -> tuple[tuple[str, str], ...]:
    """The price that an order which rests never passes, and how long it rests; nothing for one that is stepped."""
    signal = told.approval.plan.signal
    if signal.working is not Working.REST or told.worst is None:
        return ()
    day = signal.asof.astimezone(NEW_YORK).date()
    return ("Worst price", words.net(told.worst)), ("Good until", f"the close of {day:%d %b %y}")


def _pending(card: Card, told: Story, now: datetime) -> Card:
    """The question; nothing to tap any more where its time is up and the desk has only to write that down."""
    approval, given = told.approval, tuple(given for given in told.consents if now < given.until)
    asked = (approval.note,) if approval.note else ()
    asks_again = approval.snoozed_until is not None
    card = replace(
        card,
        title=f"{card.title}?{' (snoozed)' if asks_again else ''}",
        tone=Tone.ASK,
        lines=(*asked, *card.lines),
        facts=(
            *card.facts,
            *_resting(told),
            ("Asks again" if asks_again else "Answer by", words.clock(approval.expires_at)),
        ),
        buttons=_answers(approval) if asks_again else _buttons(approval),
        expires_at=approval.expires_at.isoformat(),
    )
    if now >= approval.expires_at:
        return replace(card, title=f"{title(approval.plan)} (time is up)", tone=Tone.NEUTRAL, buttons=(), expires_at="")
    if not given:
        return card
    names = " and ".join(sorted({consent.name for consent in given}))
    until = max(consent.until for consent in given)
    if given[0].needs is Need.ANOTHER_NAME:
        line = f"{names} has approved. Another name must approve too, by {words.clock(until)}."
        return replace(card, lines=(line, *card.lines))
    return replace(
        card,
        title=f"{card.title} (tap again)",
        tone=Tone.WARNING,
        lines=(f"{card.banner}: tap again to send. {names} tapped; confirm by {words.clock(until)}.", *card.lines),
        buttons=_confirmation(approval),
        expires_at=until.isoformat(),
    )


def _confirmation(approval: Approval) -> tuple[tuple[Button, ...], ...]:
    """The second tap. It does not stand where Approve stood: a finger that taps twice hits an explanation."""
    confirm = Button("Confirm", f"confirm:{approval.key}", Tone.GOOD)
    return (_explanations(approval), (confirm, Button("Reject", f"reject:{approval.key}", Tone.BAD)))


def _explanations(approval: Approval) -> tuple[Button, ...]:
    return (Button("Why", f"why:{approval.id}"), Button("Payoff", f"payoff:{approval.id}"))


def _answers(approval: Approval) -> tuple[tuple[Button, ...], ...]:
    """Yes, no and why, without a size or a price to choose."""
    key = approval.key
    decide = (Button("Approve", f"approve:{key}", Tone.GOOD), Button("Reject", f"reject:{key}", Tone.BAD))
    return decide, _explanations(approval)


def _buttons(approval: Approval) -> tuple[tuple[Button, ...], ...]:
    """The taps of a pending card. Half of one contract is not offered; One only where Half is not the same."""
    decide, explain = _answers(approval)
    key = approval.key
    more = (Button("Snooze", f"snooze:{key}"), Button("Change", f"change:{key}"))
    return decide, (*_sizes(approval), Button("Better price", f"better:{key}")), (*more, *explain)


def _sizes(approval: Approval) -> tuple[Button, ...]:
    quantity, key = approval.plan.quantity, approval.key
    half = quantity // 2
    sizes = (Button(f"Half ({half})", f"half:{key}"),) if half else ()
    return (*sizes, Button("One", f"one:{key}")) if half > 1 else sizes


def change_card(approval: Approval, near: Neighbours | None, banner: str) -> Card:
    """The other versions a proposal can have, each a tap; `near` is None where there is no chain to choose from."""
    key, signal = approval.key, approval.plan.signal
    lines = ["Whatever you choose is priced and checked anew, and asks again."]
    if near is None:
        lines.append("There is no option chain right now to choose a strike or an expiry from.")
    rows = _other_terms(approval)
    if near is not None:
        rows += [_row(("strike_down", near.lower), ("strike_up", near.higher), key, _strikes)]
        rows += [_row(("sooner", near.sooner), ("later", near.later), key, _expiries)]
    return Card(
        f"Change {title(approval.plan)}",
        Tone.ASK,
        tuple(lines),
        (("Limit", words.net(signal.limit)),),
        buttons=tuple(row for row in rows if row),
        footer=f"{approval.id}, version {approval.version}",
        banner=banner,
    )


def _other_terms(approval: Approval) -> list[tuple[Button, ...]]:
    """Sizes and prices; what ends in an ellipsis asks for a number."""
    key, sizes = approval.key, _sizes(approval)
    prices = (Button("Better price", f"better:{key}"), Button("Your price…", f"myprice:{key}"))
    if len(sizes) < 2:
        return [(*sizes, *prices)]
    return [(*sizes, Button("Size…", f"size:{key}")), prices]


Choice = tuple[str, tuple[Leg, ...] | None]
"""A button's verb and the legs it leads to, None where there are none."""


def _row(first: Choice, second: Choice, key: str, label: Callable[[tuple[Leg, ...]], str]) -> tuple[Button, ...]:
    return tuple(Button(label(legs), f"{verb}:{key}") for verb, legs in (first, second) if legs is not None)


def _strikes(legs: tuple[Leg, ...]) -> str:
    """`43 put`, `575 / 570 put`; a strike that two expiries share is named once."""
    options = [leg.instrument for leg in legs if isinstance(leg.instrument, Option)]
    strikes = " / ".join(dict.fromkeys(f"{option.strike:f}" for option in options))
    rights = {option.right for option in options}
    return f"{strikes} {'call' if options[0].right is Right.CALL else 'put'}" if len(rights) == 1 else strikes


def _expiries(legs: tuple[Leg, ...]) -> str:
    first = min(leg.instrument.expiry for leg in legs if isinstance(leg.instrument, Option))
    return f"{first:%d %b %y}"


def _approved(card: Card, told: Story) -> Card:
    ticket, position = told.ticket, told.position
    by = f"Approved by {_who(told.approval)}."
    card = replace(card, footer=f"{card.footer}; figures as approved")
    if ticket is None:
        return replace(card, lines=(by, *card.lines))
    if position is not None and not position.is_open:
        return _closed(card, position, by)
    if ticket.is_open:
        return _working(card, ticket, by)
    if position is None:
        state = "not filled" if ticket.attempts else "not sent"
        return _ended(card, state, Tone.WARNING, f"{by} {state.capitalize()}", ticket.note)
    return _filled(card, ticket, position, by)


def _working(card: Card, ticket: Ticket, by: str) -> Card:
    if not ticket.attempts:
        return _undoable(card, ticket, by)
    rest = f"resting for the session, {words.net(ticket.worst)} at worst"
    how = rest if ticket.working is Working.REST else f"step {ticket.step + 1}"
    line = f"Order {ticket.id} is working: {ticket.filled} of {ticket.quantity} filled, {how}."
    if ticket.cancel_requested:
        line = f"Order {ticket.id} is being canceled: {ticket.filled} of {ticket.quantity} filled."
    button = Button("Try to cancel", f"cancel:{ticket.id}", Tone.BAD)
    return replace(
        card,
        title=f"{card.title} (order working)",
        lines=(by, line, *card.lines),
        buttons=() if ticket.cancel_requested else ((button,),),
    )


def _undoable(card: Card, ticket: Ticket, by: str) -> Card:
    """The undo window: nothing has been sent yet."""
    return replace(
        card,
        title=f"{card.title} (sending)",
        lines=(
            by,
            f"The order goes out at {words.clock(ticket.send_after)}; until then it can be undone.",
            *card.lines,
        ),
        buttons=((Button("Undo", f"cancel:{ticket.id}", Tone.BAD),),),
        expires_at=ticket.send_after.isoformat(),
    )


def _filled(card: Card, ticket: Ticket, position: Position, by: str) -> Card:
    whole = ticket.filled == ticket.quantity
    state = "filled" if whole else f"{ticket.filled} of {ticket.quantity} filled"
    paid = _paid(ticket, position)
    cash = words.money(abs(paid) * payoff.multiplier(ticket.legs) * ticket.filled)
    flow = "in" if paid < 0 else "out"
    line = f"Filled {ticket.filled} of {ticket.quantity} at {words.net(paid)} ({cash} {flow})."
    rest = () if whole else (f"The rest ended: {ticket.note}.",)
    look = (Button("Position", f"position:{position.id}"), Button("Why", f"why:{ticket.approval_id}"))
    # Close does not stand where Approve or Undo stood: a finger that taps twice hits a look.
    close = Button("Close", f"close:{position.id}", Tone.BAD)
    return replace(
        card,
        title=f"{card.title} ({state})",
        tone=Tone.GOOD,
        lines=(by, line, *rest, *card.lines),
        buttons=(look, (close,)),
    )


def _paid(ticket: Ticket, position: Position) -> Decimal:
    """Net per share of a unit as paid: the package's value as held is what was paid for it."""
    return position.entry if position.entry is not None and ticket.purpose is Purpose.ENTRY else ticket.limit


def _closed(card: Card, position: Position, by: str) -> Card:
    result = position.realised + position.dividends - position.fees
    tone = Tone.GOOD if result > 0 else Tone.BAD
    line = (
        f"Closed ({position.close_reason or 'no reason kept'}): {words.gain(position.realised)} realised, "
        f"fees {words.money(position.fees)}, net {words.gain(result)}."
    )
    return replace(card, title=f"{card.title} (closed)", tone=tone, lines=(by, line, *card.lines))
