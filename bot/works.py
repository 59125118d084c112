"""Long work that is under way: each has an id, whoever asked for it can stop it, and it hears of that when it tells
how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock

from bot.message import Progress
from engine.errors import Canceled, NotAllowed, NotFound

Hear = Callable[[Progress], None]

STEP = 0.01
"""Progress is told when it has come on by so much; a scan of thousands of names is no flood of edits."""
KEPT = 200
"""How many ended works are remembered, to tell a late stop from a wrong one."""


@dataclass(slots=True)
class Work:
    """One piece of long work: who asked for what."""

    by: str
    words: str
    is_stopped: bool = False
    is_over: bool = False
    told: float = field(default=-1.0)


class Works:
    """Everything long that was begun since the desk was started; may be used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._works: dict[str, Work] = {}

    @contextmanager
    def begun(self, id: str, by: str, words: str, tell: Hear) -> Iterator[Hear]:
        """While it runs: the `tell` that names its stop and raises `Canceled` once somebody has stopped it."""
        work = Work(by, words)
        with self._lock:
            self._works[id] = work
        try:
            yield lambda progress: self._told(id, work, progress, tell)
        finally:
            self._end(work)

    def _told(self, id: str, work: Work, progress: Progress, tell: Hear) -> None:
        if work.is_stopped:
            raise Canceled(f"Stopped: {work.words}. Nothing was changed; ask again to begin anew.")
        if progress.fraction - work.told < STEP:
            return
        work.told = progress.fraction
        tell(replace(progress, stop=f"stop_work:{id}"))

    def _end(self, work: Work) -> None:
        with self._lock:
            work.is_over = True
            over = [id for id, each in self._works.items() if each.is_over]
            for id in over[:-KEPT]:
                del self._works[id]

    def stop(self, id: str, name: str, is_admin: bool) -> Work:
        """Stop it: it ends the next time it tells how far it has come. `is_over`: it had ended before.

        Raises:
            NotFound: there is no such work. NotAllowed: somebody else asked for it.
        """
        with self._lock:
            work = self._works.get(id)
            if work is None:
                raise NotFound(f"There is no work “{id}”: it ended long ago, or the desk was started again since.")
            if work.by != name and not is_admin:
                raise NotAllowed(f"{work.by} asked for this: {work.by} or an admin can stop it.")
            if not work.is_over:
                work.is_stopped = True
            return work
