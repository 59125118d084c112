"""What /health says of a running process beside the desk itself: loops, streams, platforms, messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from bot import words
from bot.runtime import Runtime
from bot.serve import Feed
from engine import leadership, redaction
from engine.desk import Desk
from engine.model.records import Run
from engine.news import clean
from engine.ports import SourceState

Part = tuple[str, tuple[bool, str]]
Source = Callable[[], tuple[Part, ...]]

BACKLOG = 50
"""Messages that wait from which something is wrong with their way."""


class Parts:
    """The parts of one process; sources are added as it is put together."""

    def __init__(self, *sources: Source) -> None:
        self._sources = list(sources)

    def add(self, source: Source) -> None:
        """Ask `source` too from now on."""
        self._sources.append(source)

    def __call__(self) -> tuple[Part, ...]:
        said = (part for source in self._sources for part in source())
        return tuple((name, (is_well, redaction.clean(words))) for name, (is_well, words) in said)


def loops(runtime: Runtime) -> tuple[Part, ...]:
    """Every loop of a live desk."""
    return tuple((f"Loop {beat.name}", (not beat.is_stalled, beat.words)) for beat in runtime.beats)


def jobs(hanging: Iterable[Run]) -> tuple[Part, ...]:
    """Runs that take longer than they should; nothing while there are none."""
    return tuple((f"Job {run.job}", (False, f"hangs: begun {words.moment(run.started_at)}")) for run in hanging)


def streams(feeds: tuple[Feed, ...]) -> tuple[Part, ...]:
    """What is listened to. Without the broker's stream fills are found by asking, a little later; so are quotes."""
    return tuple((feed.title, (feed.state.is_listening, feed.state.words)) for feed in feeds)


def leader(desk: Desk) -> tuple[Part, ...]:
    """Which process acts for the desk, since when, under which lease, and who stands by; nothing without a lease."""
    term = desk.term
    if not term.is_fenced:
        return ()
    with desk.store.read() as work:
        waiting = leadership.standing_by(work, desk.now())
    since = "" if term.since is None else f" since {words.moment(term.since)}"
    stands_by = f"{leadership.shown(waiting)} stands by" if waiting else "nobody stands by"
    told = f"{leadership.shown(term.holder)}{since}, epoch {term.epoch}; {stands_by}"
    return (("Leader", (term.may_act, told)),)


def messages(desk: Desk) -> tuple[Part, ...]:
    """What waits in the outbox, and what was given up: with one platform alone nobody is told of that elsewhere."""
    with desk.store.read() as work:
        waiting, lost = work.outbox_waiting(), work.dead_letters()
    told = f"{words.count(waiting, 'message')} waiting" if waiting else "nothing waits"
    given_up = f"; {words.count(lost, 'message')} given up, /undelivered" if lost else ""
    return (("Outbox", (waiting <= BACKLOG and not lost, f"{told}{given_up}")),)


def recording(written: int, lost: int) -> tuple[Part, ...]:
    """What is written down of the prices that decisions are made of; what could not be is missing in every replay."""
    left_out = f", {words.count(lost, 'answer')} could not be" if lost else ""
    return (("Recording", (not lost, f"{words.count(written, 'answer')} written down{left_out}")),)


def sources(states: Iterable[SourceState], now: datetime) -> tuple[Part, ...]:
    """Every provider of data: whether its answers make sense, its last one, what may still be asked."""
    return tuple((f"Source {state.name}", (state.is_up, _source_words(state, now))) for state in states)


def _source_words(state: SourceState, now: datetime) -> str:
    is_asked = state.answered_at is not None or bool(state.trouble) or not state.is_up
    if state.answered_at is None:
        answered = "no answer yet" if is_asked else "not asked yet"
    else:
        answered = f"answered {words.age((now - state.answered_at).total_seconds())} ago"
    since = "" if state.since is None else f" since {words.moment(state.since)}"
    said = [
        f"{'up' if state.is_up else 'down'}{since}" if is_asked else "",  # nobody knows yet how it does
        answered,
        f"left {state.budget.removeprefix(f'{state.name}: ')}" if state.budget else "",
        f"{words.count(state.dropped, 'wrong number')} left out" if state.dropped else "",
        "" if state.is_proven else "unproven",
    ]
    found = ", ".join(part for part in said if part)
    return f"{found}. {clean(state.trouble)}" if state.trouble else found
