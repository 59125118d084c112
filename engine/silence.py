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

LONGEST = timedelta(seconds=60)
TOLD = "|told"


def silences(work: UnitOfWork, positions: Iterable[Position]) -> dict[str, str]:
    """The silences that are running, by position id."""
    names = {f"{SILENT}{position.id}": position.id for position in positions}
    return {names[name]: text for name, text in work.settings_named(names).items() if text}


def note(desk: Desk, position: Position, is_heard: bool, running: Mapping[str, str]) -> None:
    """Begin, end or tell the silence of one position's stop."""
    text = running.get(position.id, "")
    now = desk.now()
    if is_heard:
        if text:
            _keep(desk, position, "")
        return
    since = datetime.fromisoformat(text.removesuffix(TOLD)) if text else now
    if not text or desk.sessions.today(since) < desk.today:
        _keep(desk, position, now.isoformat())
    elif not text.endswith(TOLD) and now - since >= LONGEST:
        _keep(desk, position, f"{text}{TOLD}", _event(desk, position))


def _keep(desk: Desk, position: Position, text: str, *told: Event) -> None:
    with desk.store.begin() as work:
        work.set_setting(f"{SILENT}{position.id}", text, "desk", desk.now())
        for event in told:
            work.add_event(event)


def _event(desk: Desk, position: Position) -> Event:
    words = "No usable quote for a minute: its stop cannot fire until there is one."
    data = {"words": words, "ticker": position.ticker, "strategy": position.strategy}
    return Event(desk.new_id("E"), EventKind.DATA_STALE, desk.now(), position.id, data, Severity.URGENT)
