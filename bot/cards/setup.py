"""Cards of /setup: what a new owner does step by step, and the test card that goes to every channel."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from bot import words
from bot.doctor import Finding
from bot.message import Button, Card, Tone
from engine.model.events import Event, EventKind
from engine.model.records import Delivery, DeliveryState
from engine.store import UnitOfWork


class Step(StrEnum):
    """The steps of /setup, in order."""

    CHECKS = "checks"
    CHANNELS = "channels"
    PAPER = "paper"

    @property
    def place(self) -> str:
        """`Step 2 of 3`."""
        return f"Step {tuple(Step).index(self) + 1} of {len(Step)}"


AGAIN = "Check again"
STATES = {"ok": "Fine", "warn": "Look at", "fail": "To do"}
SENT = {DeliveryState.SENT: "arrived", DeliveryState.WAITING: "on its way", DeliveryState.FAILED: "given up"}
SHOWN = 40


def _step(step: Step, title: str, tone: Tone, lines: Iterable[str], taps: Iterable[Button], banner: str) -> Card:
    """One step's card: its own taps, then the way around."""
    steps = tuple(Step)
    index = steps.index(step)
    around = [Button(AGAIN, f"setup:{step}")]
    if index > 0:
        around.insert(0, Button("Back", f"setup:{steps[index - 1]}"))
    if index + 1 < len(steps):
        around.append(Button("Next", f"setup:{steps[index + 1]}"))
    own = tuple(taps)
    rows = (*((own,) if own else ()), tuple(around))
    return Card(f"{step.place}: {title}", tone, tuple(lines), buttons=rows, banner=banner)


def checks_card(findings: tuple[Finding, ...], banner: str) -> Card:
    """What the doctor finds, what is to be done first on top."""
    order = ("fail", "warn", "ok")
    lines = [
        f"{STATES[finding.state]}: {finding.part}. {finding.words}"
        for finding in sorted(findings, key=lambda finding: order.index(finding.state))
    ]
    bad = sum(finding.state == "fail" for finding in findings)
    if not findings:
        lines = ["This desk cannot look at itself here; wsb check --config config.toml looks at every part."]
    elif bad:
        lines.append("Change config.toml or the environment as said, start the desk again and check again.")
    else:
        lines.append("Nothing stands in the way.")
    title = f"{words.count(bad, 'thing')} to do" if bad else "keys, account, channels"
    tone = Tone.BAD if bad else Tone.GOOD if findings else Tone.NEUTRAL
    return _step(Step.CHECKS, title, tone, lines, (), banner)


def channels_card(sent: Event | None, deliveries: tuple[Delivery, ...], seen_by: tuple[str, ...], banner: str) -> Card:
    """Where the latest test card arrived and who has seen it."""
    again = Button("Send a test card" if sent is None else "Send another", "test_card:", Tone.ASK)
    if sent is None:
        lines = ["A test card goes to every channel; whoever sees it taps “I see it”."]
        return _step(Step.CHANNELS, "a test card", Tone.ASK, lines, (again,), banner)
    lines = [_arrived(delivery) for delivery in deliveries[:SHOWN]]
    if not lines:
        lines = ["It goes out in a moment: check again. If it never does, no channel is configured in [alerts]."]
    lines.append(_seen(seen_by) or "Nobody has tapped “I see it” yet.")
    failed = any(delivery.error for delivery in deliveries if delivery.state is not DeliveryState.SENT)
    arrived = bool(deliveries) and all(delivery.state is DeliveryState.SENT for delivery in deliveries)
    tone = Tone.BAD if failed else Tone.GOOD if arrived and seen_by else Tone.NEUTRAL
    title = f"test card of {words.moment(sent.at)}"
    return _step(Step.CHANNELS, title, tone, lines, (again,), banner)


def _arrived(delivery: Delivery) -> str:
    problem = f" ({delivery.error})" if delivery.error and delivery.state is not DeliveryState.SENT else ""
    tries = f", {words.count(delivery.attempts, 'failed try', 'failed tries')}" if delivery.attempts else ""
    return f"{delivery.destination}: {SENT[delivery.state]}{tries}{problem}"


def _seen(names: tuple[str, ...]) -> str:
    return f"Seen by {', '.join(names)}." if names else ""


def seen_by(work: UnitOfWork, event_id: str) -> tuple[str, ...]:
    """Who tapped “I see it” under a test card, and on which platform: `ann on discord`."""
    taps = (e for e in work.events_about(event_id) if e.kind is EventKind.COMMAND and e.data.get("command") == "seen")
    places = (f"{tap.actor} on {str(tap.data.get('identity')).partition(':')[0]}" for tap in taps)
    return tuple(dict.fromkeys(places))


def channel_test(event: Event, seen_by: tuple[str, ...], banner: str) -> Card:
    """What every channel gets: it asks for one tap and means nothing else."""
    seen = _seen(seen_by)
    return Card(
        "Test card",
        Tone.NEUTRAL,
        (f"{event.actor} asks whether this channel is read. It trades nothing.", *((seen,) if seen else ())),
        buttons=((Button("I see it", f"seen:{event.id}"),),),
        footer=event.id,
        banner=banner,
        key=f"event:{event.id}",
        version=len(seen_by),
    )


def paper_card(tone: Tone, lines: Iterable[str], taps: Iterable[Button], banner: str) -> Card:
    """How the first order on paper stands."""
    return _step(Step.PAPER, "an order on paper", tone, lines, taps, banner)
