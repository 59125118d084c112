"""Cards of what options do by themselves: what expires soon, and the turns of a wheel."""

from __future__ import annotations

from decimal import Decimal

from bot import words
from bot.message import Button, Card, Table, Tone
from engine.agenda import Item, line
from engine.model.instruments import Option
from engine.sessions import NEW_YORK
from engine.wheel import Step, Wheel

SHOWN = 16
"""Steps of a wheel that are shown, the latest."""
WIDEST = 6
"""Characters a column of dollars may take on a phone."""


def agenda_card(due: tuple[Item, ...], banner: str) -> Card:
    """What expires within a week, soonest first, and what happens if nobody does anything."""
    refresh = (Button("Refresh", "refresh:/agenda"),)
    if not due:
        return Card("Nothing expires within a week", buttons=(refresh,), banner=banner)
    rows = tuple(
        (
            item.position.id,
            f"{item.session:%d%b}",
            _contract(item),
            "?" if item.inside is None else f"{item.inside:+.2f}",
        )
        for item in due
    )
    return Card(
        title=f"{words.count(len(due), 'position')} {'expires' if len(due) == 1 else 'expire'} within a week",
        tone=Tone.WARNING if any(item.days == 0 for item in due) else Tone.NEUTRAL,
        lines=tuple(line(item) for item in due),
        tables=(Table(("Id", "Last", "Contract", "In"), rows, right=(3,)),),
        buttons=(*_position_rows(due), refresh),
        footer="In: dollars a share in the money; minus is out of it.",
        banner=banner,
    )


def _contract(item: Item) -> str:
    option = next(x for x in item.position.instruments if isinstance(x, Option))
    return f"{item.position.ticker} {option.strike:f}{option.right.value.lower()}"


def _position_rows(due: tuple[Item, ...]) -> tuple[tuple[Button, ...], ...]:
    return tuple((Button(item.position.id, f"position:{item.position.id}"),) for item in due[:5])


def told_agenda_card(lines: tuple[str, ...], banner: str, key: str) -> Card:
    """What was told to expire soon on one day."""
    title = f"Expiring within a week: {words.count(len(lines), 'position')}"
    return Card(title, Tone.WARNING, lines, buttons=((Button("As it stands now", "agenda:"),),), banner=banner, key=key)


def wheel_card(ticker: str, wheels: tuple[Wheel, ...], banner: str) -> Card:
    """The latest wheel of a name step by step, and the results of the earlier ones."""
    latest, *earlier = wheels
    steps = latest.steps[-SHOWN:]
    left_out = len(latest.steps) - len(steps)
    past = tuple(
        f"Earlier, from {wheel.steps[0].at.astimezone(NEW_YORK):%d %b %y}: {words.gain(net(wheel))} net."
        for wheel in earlier
    )
    more = (f"{words.count(left_out, 'earlier step')} not shown.",) if left_out else ()
    return Card(
        title=f"Wheel of {ticker}: {latest.turn}",
        tone=_tone(latest),
        lines=(f"Next: {latest.next}", *more, *past),
        facts=_wheel_facts(latest),
        tables=(Table(("Day", "Step", "Cash", "Fee", "Basis"), tuple(map(_row, steps)), right=(2, 3, 4)),),
        buttons=(_wheel_buttons(latest), (Button("Refresh", f"refresh:/wheel {ticker}"),)),
        footer=f"Campaign {latest.campaign}. Basis is a share's cost net of every premium so far.",
        banner=banner,
    )


def net(wheel: Wheel) -> Decimal | None:
    """Dollars after fees; None while a price is missing."""
    return None if wheel.pnl is None else wheel.pnl - wheel.fees


def _tone(wheel: Wheel) -> Tone:
    result = net(wheel)
    if not wheel.is_closed or result is None:
        return Tone.NEUTRAL
    return Tone.GOOD if result > 0 else Tone.BAD


def _wheel_facts(wheel: Wheel) -> tuple[tuple[str, str], ...]:
    rows = [("Turn", wheel.turn.value)]
    if wheel.basis is not None:
        rows.append(("Net basis", f"{wheel.basis:.2f} a share"))
    rows += [
        ("P&L" if wheel.is_closed else "P&L now", f"{words.gain(wheel.pnl)} before fees"),
        ("Fees", words.money(wheel.fees)),
        ("Net", words.gain(net(wheel))),
    ]
    return (*rows, ("Dividends", words.gain(wheel.dividends))) if wheel.dividends else tuple(rows)


def _row(step: Step) -> tuple[str, str, str, str, str]:
    basis = "" if step.basis is None else f"{step.basis:.2f}"
    fee = "" if not step.fees else f"{step.fees:.2f}"
    cash = "" if not step.cash else _short(step.cash)
    return f"{step.at.astimezone(NEW_YORK):%d%b}", step.words[:10], cash, fee, basis


def _short(cash: Decimal) -> str:
    """Whole dollars, thousands where they would not fit: `+206`, `-8,800`, `-113k`."""
    text = words.whole(cash)
    return text if len(text) <= WIDEST else f"{cash / 1000:+,.0f}k"


def _wheel_buttons(wheel: Wheel) -> tuple[Button, ...]:
    return tuple(Button(p.id, f"position:{p.id}") for p in wheel.positions if p.is_open)
