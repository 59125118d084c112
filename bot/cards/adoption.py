"""Cards about what the broker holds and the books do not: the question, and what was decided."""

from __future__ import annotations

from bot import words
from bot.message import Button, Card, Table, Tone
from engine.model.adoptions import Adoption, AdoptionKind, AdoptionStatus
from engine.model.instruments import Option

TITLES = {
    AdoptionKind.HELD: "Not in the books: {ticker}",
    AdoptionKind.TRADED: "Traded outside the desk: {ticker}",
    AdoptionKind.CASH: "The broker's cash differs",
}
LINES = {
    AdoptionKind.HELD: "The broker holds this and the desk did not trade it. Nobody answers: it stays as it is.",
    AdoptionKind.TRADED: "These executions were not ordered here. Nobody answers: the books stay as they are.",
    AdoptionKind.CASH: "Positions agree and cash does not. Nobody answers: it stays as it is.",
}
ENDED = {
    AdoptionStatus.ADOPTED: "In the books now, by {by}.",
    AdoptionStatus.IGNORED: "Left alone, said {by}; asked again when there is more of it.",
    AdoptionStatus.WITHDRAWN: "Withdrawn: the difference is gone or has another size.",
}


def adoption_card(adoption: Adoption, banner: str) -> Card:
    """The question as it stands; later versions of it take its place."""
    ended = ENDED.get(adoption.status)
    lines = (LINES[adoption.kind], *adoption.words) if ended is None else (ended.format(by=adoption.decided_by),)
    return Card(
        title=TITLES[adoption.kind].format(ticker=adoption.ticker),
        tone=Tone.ASK if ended is None else Tone.NEUTRAL,
        lines=lines,
        facts=_facts(adoption),
        tables=_tables(adoption),
        buttons=_buttons(adoption),
        footer=adoption.id,
        banner=banner,
        key=f"adoption:{adoption.id}",
        version=1 if ended is None else 2,
    )


def _facts(adoption: Adoption) -> tuple[tuple[str, str], ...]:
    facts = [("Difference", words.gain(adoption.amount))] if adoption.kind is AdoptionKind.CASH else []
    if adoption.positions:
        facts.append(("Position", ", ".join(adoption.positions)))
    return tuple(facts)


def _tables(adoption: Adoption) -> tuple[Table, ...]:
    if adoption.kind is AdoptionKind.HELD:
        rows = tuple((_short(x.instrument), f"{x.quantity:+d}", words.price(x.average)) for x in adoption.held)
        return (Table(("Held", "Qty", "Average"), rows, right=(1, 2)),)
    if adoption.kind is AdoptionKind.TRADED:
        rows = tuple((_short(x.instrument), f"{x.quantity:+d}", words.price(x.price)) for x in adoption.fills)
        return (Table(("Traded", "Qty", "Price"), rows, right=(1, 2)),)
    return ()


def _short(item: object) -> str:
    """`XYZ`, `20Jul26 44P`: a contract in few letters."""
    if isinstance(item, Option):
        return f"{item.expiry:%d%b%y} {item.strike:f}{item.right}"
    return str(item)


def _buttons(adoption: Adoption) -> tuple[tuple[Button, ...], ...]:
    if not adoption.is_open:
        return ()
    label = "Adopt" if adoption.kind is AdoptionKind.HELD else "Book it"
    buttons = [Button(label, f"adopt:{adoption.id}", Tone.GOOD)] if adoption.can_adopt else []
    if adoption.can_ignore:
        buttons.append(Button("Ignore", f"ignore:{adoption.id}"))
    return (tuple(buttons),)


def nothing_card(banner: str) -> Card:
    """The answer when no question is open."""
    return Card("Nothing is open", Tone.GOOD, ("No question about the broker's holdings waits.",), banner=banner)
