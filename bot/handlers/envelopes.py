"""Decisions made in advance: /envelope makes one, /envelopes lists them, one tap revokes."""

from __future__ import annotations

from decimal import Decimal

from bot import words
from bot.command import Call
from bot.message import Button, Card, Tone
from bot.people import Role
from engine import envelopes
from engine.desk import Mode
from engine.errors import BadRequest, Denied
from engine.model.envelopes import Bounds, Envelope, EnvelopeStatus, Usage
from engine.model.legs import Structure
from engine.percent import as_percent

STRUCTURES = {structure.name.lower(): structure for structure in Structure}
COUNTED = (
    "Risk is what counts toward the total-risk limit: the maximum loss, or for cash-secured puts and shares the loss "
    "if the underlying falls {move}; never less than what is paid. A put's collateral is bounded by the limits."
)
STILL = (
    "Quotes, price bands, limits, halts and hours hold as for a tap; what does not pass them waits for people, "
    "and so does what waited before."
)


def create(call: Call) -> Card:
    """Approve in advance what stays inside these bounds; live money asks for one more tap."""
    desk = call.desk
    if desk.mode is Mode.LIVE and not call.user.role.covers(Role.ADMIN):
        raise Denied(f"On live money an envelope needs the role admin; {call.user.name} is a {call.user.role}.")
    envelope = envelopes.create(desk, _bounds(call), call.user.name)
    if envelope.status is EnvelopeStatus.ASKED:
        return _question(call, envelope)
    return _card(call, envelope, f"Envelope {envelope.id} is in force", Tone.GOOD)


def _bounds(call: Call) -> Bounds:
    until = call.day("until")
    if until is None:
        raise BadRequest("until: say the last day, such as friday or 2026-11-27.")
    return Bounds(
        strategy=call.text("strategy"),
        max_risk=_dollars(call, "max_risk") or Decimal(0),
        per_day=call.whole("per_day", 0),
        until=until,
        structure=STRUCTURES.get(call.text("structure")),
        tickers=call.words("tickers") if "tickers" in call.values else (),
        total=_dollars(call, "total"),
    )


def _dollars(call: Call, name: str) -> Decimal | None:
    value = call.values.get(name)
    return value if isinstance(value, Decimal) else None


def _question(call: Call, envelope: Envelope) -> Card:
    """Live money: what one more tap takes the place of."""
    line = "One more tap puts it in force. It then takes the place of the two taps of each trade inside its bounds."
    buttons = (
        Button("Put in force", f"permit:{envelope.id}", Tone.ASK),
        Button("Do not", f"revoke:{envelope.id}", Tone.BAD),
    )
    title = f"Envelope {envelope.id} on live money?"
    lines = (envelopes.words_of(envelope), line, _counted(call), STILL)
    return Card(title, Tone.ASK, lines, buttons=(buttons,), banner=call.room.banner())


def permit(call: Call) -> Card:
    """The second tap that live money takes."""
    envelope = envelopes.confirm(call.desk, call.text("envelope"), call.user.name)
    return _card(call, envelope, f"Envelope {envelope.id} is in force", Tone.WARNING)


def _card(call: Call, envelope: Envelope, title: str, tone: Tone) -> Card:
    lines = (envelopes.words_of(envelope), _counted(call), STILL)
    return Card(title, tone, lines, buttons=(_revoke(envelope),), banner=call.room.banner())


def _counted(call: Call) -> str:
    return COUNTED.format(move=as_percent(call.desk.limits.stress_move))


def _revoke(envelope: Envelope) -> tuple[Button, ...]:
    return (Button(f"Revoke {envelope.id}", f"revoke:{envelope.id}", Tone.BAD),)


def revoke(call: Call) -> Card:
    """End an envelope at once; what it has at the broker stays, with its Cancel button here."""
    done = envelopes.revoke(call.desk, call.text("envelope"), call.user.name)
    lines = ["From now on it approves nothing.", envelopes.words_of(done.envelope)]
    if done.taken_back:
        lines.append(f"Not sent any more: {', '.join(ticket.id for ticket in done.taken_back)}.")
    if done.working:
        lines.append("Approved before and working at the broker, where it stays until it is canceled:")
    buttons = tuple((Button(f"Cancel {ticket.id}", f"cancel:{ticket.id}", Tone.BAD),) for ticket in done.working)
    title = f"Envelope {done.envelope.id} is revoked"
    return Card(title, Tone.NEUTRAL, tuple(lines), buttons=buttons, banner=call.room.banner())


def show(call: Call) -> Card:
    """Every envelope in force, with what it has used and its Revoke button."""
    desk = call.desk
    with desk.store.read() as work:
        found = [(envelope, envelopes.usage(desk, work, envelope)) for envelope in work.open_envelopes()]
    if not found:
        line = "Nothing is approved in advance: every proposal waits for a tap."
        hint = "/envelope wheel max_risk=2000 per_day=2 until=friday makes one."
        return Card("No envelopes", lines=(line, hint), banner=call.room.banner())
    in_force = sum(envelope.status is EnvelopeStatus.IN_FORCE for envelope, _ in found)
    return Card(
        f"{words.count(in_force, 'envelope')} in force",
        lines=(*(_line(envelope, used) for envelope, used in found), _counted(call)),
        buttons=tuple(_revoke(envelope) for envelope, _ in found),
        banner=call.room.banner(),
    )


def _line(envelope: Envelope, used: Usage) -> str:
    bounds = envelope.bounds
    state = "" if envelope.status is EnvelopeStatus.IN_FORCE else " Not confirmed yet."
    return (
        f"{envelope.id}, by {envelope.created_by}. {envelopes.words_of(envelope)}{state} "
        f"Today {used.today} of {bounds.per_day}; in all {words.count(used.trades, 'trade')}, "
        f"{words.money(used.risk)} of risk."
    )
