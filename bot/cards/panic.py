"""Cards of a panic: what was frozen, what is closed and in which order, what is not touched."""

from __future__ import annotations

from datetime import datetime

from bot import words
from bot.message import Button, Card, Tone
from engine.model.flatten import ANSWERED_WITHIN, Flatten
from engine.model.orders import Ticket

NOT_TRADED = "Crypto and parts of a share are not closed: the desk cannot trade them."


def which_card(banner: str) -> Card:
    """What a panic can do, the milder first; nothing is done yet."""
    lines = (
        "Freeze: no entry any more, what is held stays and keeps its exits. One tap, taken back with Resume.",
        "Flatten: freeze, then close everything. The list comes first and waits for a second tap.",
    )
    buttons = (Button("Freeze", "panic:freeze", Tone.ASK), Button("Flatten", "panic:flatten", Tone.BAD))
    return Card("Panic: freeze or flatten?", Tone.ASK, lines, buttons=(buttons,), banner=banner)


def frozen_card(left: tuple[Ticket, ...], held: tuple[str, ...], untouched: tuple[str, ...], banner: str) -> Card:
    """Entries are halted; which cancels are not confirmed, what is held, what is not ours."""
    pending = tuple(f"{ticket.id} ({ticket.ticker}): its cancel is not confirmed yet." for ticket in left)
    return Card(
        title="Frozen" if not left else f"Frozen; {words.count(len(left), 'cancel')} not confirmed",
        tone=Tone.WARNING if not left else Tone.BAD,
        lines=(
            "Nothing is opened any more; exits go on. /resume allows entries again.",
            *pending,
            *_held(held),
            *((f"Held outside the books: {', '.join(untouched)}.",) if untouched else ()),
        ),
        buttons=((Button("Resume", "resume:", Tone.ASK),),),
        banner=banner,
    )


def asked_card(asked: Flatten, starts: datetime, is_open: bool, banner: str) -> Card:
    """The list and the second tap; entries are frozen already."""
    when = "at once" if is_open else f"from {words.moment(starts)} on, for the market is closed"
    until = asked.asked_at + ANSWERED_WITHIN
    lines = (
        f"Entries are frozen, nothing is closed yet. Asked by {asked.by}: tap again by {words.clock(until)}.",
        f"Closed {when}, in this order, from what the market pays to 10 % beyond it:"
        if asked.lines
        else "A tap blocks every order at the broker.",
        *(f"{number}. {line.what} ({line.position_id})" for number, line in enumerate(asked.lines, start=1)),
        *_untouched(asked.untouched),
        "Without a tap positions keep their exits; /resume allows entries again.",
    )
    return Card(
        title=f"Close everything? {words.count(len(asked.lines), 'position') if asked.lines else 'Nothing is held'}",
        tone=Tone.ASK,
        lines=lines,
        buttons=((Button("Close everything", f"flatten_now:{asked.id}", Tone.BAD),),),
        footer=asked.id,
        banner=banner,
        key=f"panic:{asked.id}",
        version=asked.version,
        expires_at=until.isoformat(),
    )


def panic_card(state: Flatten, banner: str) -> Card:
    """How far it is: drawn again at every step."""
    left = len(state.lines)
    closed = max(state.total - left, 0)
    return Card(
        title=_title(state, closed),
        tone=Tone.BAD if state.is_waiting else Tone.WARNING if state.ended_at is None else Tone.NEUTRAL,
        lines=(
            *((state.note,) if state.note else ()),
            *(f"{line.what} ({line.position_id}): {line.state}." for line in state.lines),
            *_untouched(state.untouched),
        ),
        facts=(("Closed", f"{closed} of {state.total}"), ("Said by", state.by)),
        buttons=_buttons(state),
        footer=state.id,
        banner=banner,
        key=f"panic:{state.id}",
        version=state.version,
    )


def _title(state: Flatten, closed: int) -> str:
    if state.ended_at is not None:
        return "Everything is closed" if closed >= state.total else "Closing everything was ended"
    if state.is_waiting:
        return f"URGENT: {words.count(len(state.lines), 'position')} could not be closed"
    return f"Closing everything: {closed} of {state.total}"


def _buttons(state: Flatten) -> tuple[tuple[Button, ...], ...]:
    rows = []
    if any(line.is_given_up for line in state.lines):
        rows.append((Button("Retry", f"flatten_again:{state.id}", Tone.ASK),))
    if state.ended_at is None or state.is_suspended:
        rows.append((Button("Resume", "resume:"),))
    if not state.is_suspended and (state.lines or state.untouched):
        rows.append((Button("Suspend: exits stop too", f"suspend:{state.id}", Tone.BAD),))
    return tuple(rows)


def _held(held: tuple[str, ...]) -> tuple[str, ...]:
    return (f"Held, with its exits: {', '.join(held)}.",) if held else ("Nothing is held.",)


def _untouched(untouched: tuple[str, ...]) -> tuple[str, ...]:
    return (f"Not touched: {', '.join(untouched)}.", NOT_TRADED) if untouched else (NOT_TRADED,)
