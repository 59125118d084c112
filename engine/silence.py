"""Stops that have nothing to listen to: told once, a minute after the last usable quote, and again on another day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from engine.desk import Desk
from engine.model.book import Position
from engine.model.events import Event, EventKind, Severity
from engine.store import UnitOfWork

SILENT = "silent:"
"""Setting of a position whose stop hears nothing: since when, and whether that was told."""

TOLD = "|told"
TOGETHER = timedelta(minutes=2)
"""Stops that stop hearing within it have one trouble: each is told, the first with a sound."""


def silences(work: UnitOfWork, positions: Iterable[Position]) -> dict[str, str]:
    """The silences that are running, by position id."""
    names = {f"{SILENT}{position.id}": position.id for position in positions}
    return {names[name]: text for name, text in work.settings_named(names).items() if text}


def note(desk: Desk, position: Position, is_heard: bool, running: Mapping[str, str]) -> datetime | None:
    """Begin or end the silence of one position's stop; since when it lasts today, None when the stop hears."""
    text = running.get(position.id, "")
    now = desk.now()
    if is_heard:
        if text:
            _keep(desk, position, "")
        return None
    since = began(text) if text else now
    if not text or desk.sessions.today(since) < desk.today:
        _keep(desk, position, now.isoformat())
        return now
    return since


def began(text: str) -> datetime:
    """When a silence that is running began."""
    return datetime.fromisoformat(text.removesuffix(TOLD))


def is_long(desk: Desk, since: datetime | None) -> bool:
    """Whether a silence has lasted so long that the model decides."""
    return since is not None and desk.now() - since >= timedelta(seconds=desk.rules.stop_silence)


def tell(desk: Desk, position: Position, since: datetime, running: Mapping[str, str], words: str) -> None:
    """Say once for each silence that it is long, and what follows from it."""
    text = running.get(position.id, "")
    if not text or text.endswith(TOLD) or began(text) != since:
        return
    with desk.store.read() as work:
        severity = Severity.INFO if _was_heard(desk, work) else Severity.URGENT
    data = {"words": words, "ticker": position.ticker, "strategy": position.strategy, "position": position.id}
    _keep(
        desk,
        position,
        f"{text}{TOLD}",
        desk.event(EventKind.DATA_STALE, position.id, data, severity, position.story),
    )


def _was_heard(desk: Desk, work: UnitOfWork) -> bool:
    """Whether another stop's silence made a sound a moment ago."""
    told = work.newest_events([EventKind.DATA_STALE], 50)
    return any(event.severity is not Severity.INFO and abs(desk.now() - event.at) < TOGETHER for event in told)


def _keep(desk: Desk, position: Position, text: str, *told: Event) -> None:
    with desk.store.begin() as work:
        work.set_setting(f"{SILENT}{position.id}", text, "desk", desk.now())
        for event in told:
            work.add_event(event)
