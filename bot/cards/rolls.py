"""The card of a roll, from the offer to its end: always drawn from the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from bot import words
from bot.message import Button, Card, Table, Tone
from engine.model.rolls import Candidate, Roll, RollStatus
from engine.model.trade import Signal

SIGNED_NET = "Net in dollars a share over both orders: + is received, - is paid. BE: breakeven of the whole campaign."

TITLES: Mapping[RollStatus, tuple[str, Tone]] = MappingProxyType(
    {
        RollStatus.OFFERED: ("Roll {position}?", Tone.ASK),
        RollStatus.CLOSING: ("Rolling {position}: step 1 of 2", Tone.NEUTRAL),
        RollStatus.OPENING: ("Rolling {position}: step 2 of 2", Tone.NEUTRAL),
        RollStatus.DONE: ("{position} is rolled", Tone.GOOD),
        RollStatus.STOPPED: ("{position} is closed, not rolled", Tone.WARNING),
        RollStatus.WITHDRAWN: ("{position} was not rolled", Tone.NEUTRAL),
    }
)


def roll_card(roll: Roll, now: datetime, banner: str) -> Card:
    """The roll as it stands: candidates with net and breakeven while it waits, then how far it has come."""
    title, tone = TITLES[roll.status]
    waits = roll.status is RollStatus.OFFERED
    return Card(
        title=f"{roll.ticker}: {title.format(position=roll.position_id)}",
        tone=tone,
        lines=tuple(line for line in (roll.note, *_progress(roll), *(roll.missing if waits else ())) if line),
        facts=_facts(roll),
        tables=(_table(roll),),
        buttons=_buttons(roll),
        footer=f"{roll.id}, version {roll.version}. {SIGNED_NET}",
        banner=banner,
        key=f"roll:{roll.id}",
        version=roll.version,
        expires_at=roll.expires_at.isoformat() if waits and now < roll.expires_at else "",
    )


def _progress(roll: Roll) -> tuple[str, ...]:
    if roll.status is RollStatus.CLOSING:
        what = f"Order {roll.exit_ticket}" if roll.exit_ticket else "An order"
        return (f"{what} closes the old position; then the new one is priced again and opened.",)
    if roll.status is RollStatus.OPENING:
        return (f"The old position is closed; {roll.approval_id} opens the new one.",)
    if roll.status is RollStatus.OFFERED:
        return ("Unanswered, nothing is rolled.",)
    return ()


def _facts(roll: Roll) -> tuple[tuple[str, str], ...]:
    facts = [("Held", words.count(roll.units, "unit")), ("Spot", words.money(roll.spot))]
    if roll.picked is not None:
        facts.append(("Chosen", f"{roll.picked.name}, {words.net(roll.picked.net)}, by {roll.by}"))
        if roll.worst is not None:
            facts.append(("At worst", f"{words.net(roll.worst)} for both steps"))
    elif roll.status is RollStatus.OFFERED:
        facts.append(("Answer by", words.clock(roll.expires_at)))
    return tuple(facts)


def _table(roll: Roll) -> Table:
    """Every way with its net and breakeven, closing last; at most 36 characters wide."""
    rows = [(_short(each.name), _target(each.signal), signed(each.net), _level(each)) for each in roll.candidates]
    rows.append(("close", "", signed(roll.close), ""))
    return Table(("Way", "To", "Net", "BE"), tuple(rows), right=(2, 3))


def _short(name: str) -> str:
    return name.replace(" and ", "+")


def _target(signal: Signal) -> str:
    """`21Aug 42.5`, both strikes of a spread."""
    strikes = "/".join(f"{option.strike:f}" for option in signal.options)
    return f"{signal.options[0].expiry:%d%b} {strikes}"


def signed(net: Decimal) -> str:
    """A net for the eye of somebody who counts his money: received is plus.

    >>> signed(Decimal("-0.60")), signed(Decimal("2.00"))
    ('+0.60', '-2.00')
    """
    return f"{-net:+.2f}"


def _level(each: Candidate) -> str:
    return "/".join(f"{level:.2f}" for level in each.breakevens) or "none"


def _buttons(roll: Roll) -> tuple[tuple[Button, ...], ...]:
    position = Button("Position", f"position:{roll.position_id}")
    close = Button("Close", f"close:{roll.position_id}", Tone.BAD)
    again = Button("Price again", f"roll:{roll.position_id}", Tone.ASK)
    if roll.status is RollStatus.OFFERED:
        ways = tuple(
            (Button(_label(roll, index, each), f"choose:{roll.key}.{index}", Tone.GOOD),)
            for index, each in enumerate(roll.candidates)
        )
        return (*ways, (close,), (again, position))
    if roll.status is RollStatus.CLOSING and roll.exit_ticket:
        return ((Button("Cancel order", f"cancel:{roll.exit_ticket}", Tone.BAD),), (position,))
    if roll.status is RollStatus.WITHDRAWN:
        return ((again, position),)
    return ((position,),)


def _label(roll: Roll, index: int, each: Candidate) -> str:
    confirm = "Confirm: " if roll.tapped == index else ""
    return f"{confirm}{each.name} {signed(each.net)}"[:40].capitalize()
