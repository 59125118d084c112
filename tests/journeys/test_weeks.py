"""Weeks of a live desk in minutes, with everything going wrong around it: killed, unanswered, cut off, tapped twice.

By default two sessions; thirty with `make soak`.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from engine.sessions import Sessions
from engine.store import Store
from tests.journeys.fast_world import Luck, World, world
from tests.shared import needs_shared

pytestmark = needs_shared

FIRST = date(2019, 1, 3)
MEMORY = Path("/dev/shm")
NEEDED = 2 << 30
"""Bytes of thirty sessions with their backups, and room to spare."""
BACKUPS = """
[backup]
keep_days = 2
keep_weeks = 1
"""
PACE = (1, 1, 1, 2, 3, 5)
"""Minutes between two looks: most jobs of a minute run at theirs, and some looks find several due times at once."""
GROWTH = 1.05
"""What one life may hold more in its last session than in its fifth."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a kill takes nothing from it, and what a disk takes is not held here."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < NEEDED:
        yield tmp_path
        return
    with TemporaryDirectory(dir=MEMORY) as made:
        yield Path(made)


def lived(folder: Path, count: int, seed: int, luck: Luck, pace: Sequence[int], killed: int) -> World:
    """What is left of `count` sessions, in the first `killed` of which the process is killed."""
    sessions = Sessions()
    days = sessions.upcoming(FIRST, count)
    with world(folder, sessions.at(FIRST, "07:30"), seed, luck, (BACKUPS,)) as here:
        here.start()
        for number, day in enumerate(days):
            if number == killed:
                here.luck = replace(luck, kills=0.0)
            here.session(day, pace)
            note_runs(here, folder)
            print(day, here.count["lives"], f"{here.memory[-1] / 1e6:.0f} MB", flush=True)
        here.calm()
        here.end()
        note_runs(here, folder)
        return here


def note_runs(here: World, folder: Path) -> None:
    """Keep what became of the jobs so far: after thirty days the desk forgets its runs."""
    with closing(sqlite3.connect(folder / "desk.db")) as database:
        rows = database.execute("SELECT id, job, due_at, since, state, note FROM runs")
        here.runs.update((id, tuple(row)) for id, *row in rows)


@pytest.mark.timeout(600)
def test_two_sessions_with_everything_going_wrong(folder: Path) -> None:
    here = lived(folder, 2, 7, Luck(fault=0.1, outage=0.01, kills=1.0), (10, 20), 1)

    checked(here, folder, 2)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_thirty_sessions_with_everything_going_wrong(folder: Path) -> None:
    here = lived(folder, 30, 11, Luck(), PACE, 15)

    checked(here, folder, 30)
    assert here.growth() < GROWTH, here.memory
    assert "errors" not in here.missed, here.health


def checked(here: World, folder: Path, count: int) -> None:
    """Everything that must be so after the last session, and the figures."""
    with closing(sqlite3.connect(folder / "desk.db")) as database:
        runs = every_due_time_is_accounted_for(here)
        messages = every_event_arrived(here, database)
        money = nothing_was_done_twice(here, database)
        digests = one_digest_a_session(here, database, count)
    print({**here.count, **runs, **messages, **money, "digests": digests})
    memory = {"memory MB": [round(each / 1e6) for each in here.memory], "of it recorded": round(here.recorded / 1e6)}
    print({**memory, "life": here.lives, "growth": f"{here.growth() - 1:.1%}"})
    print(here.health)


def every_due_time_is_accounted_for(here: World) -> dict[str, int]:
    """Each due time of each job is run once, or in exactly one row that says why not."""
    rows = tuple(here.runs.values())
    states = Counter(f"runs {state}" for _, _, _, state, _ in rows)
    assert set(states) <= {"runs done", "runs failed", "runs missed"}, states
    assert all(note for *_, state, note in rows if state != "done")
    wrong = []
    for job, times in here.due.items():
        firsts = sorted(since or due for name, due, since, *_ in rows if name == job)
        lasts = sorted(due for name, due, *_ in rows if name == job)
        for due in times:
            found = bisect_right(firsts, due) - bisect_left(lasts, due)  # rows that begin by then, but for those over
            if found != 1:
                wrong.append((job, due, found))
    assert not wrong, wrong[:20]
    return {**states, "due times": sum(map(len, here.due.values()))}


def every_event_arrived(here: World, database: sqlite3.Connection) -> dict[str, int]:
    """Nothing waits, nothing was given up that had a chance, and what came twice is explained by a lost answer."""
    states = Counter(state for (state,) in database.execute("SELECT state FROM outbox"))
    assert set(states) <= {"sent"}, states
    unrouted = database.execute("SELECT count(*) FROM events WHERE routed = 0").fetchone()[0]
    assert unrouted == 0
    doubles = {
        "telegram": doubled(message.text for message in here.chats.group.sent),
        "discord": doubled(message.text for message in here.chats.channel.messages),
    }
    allowed = here.count["kills"] + here.count["lost answers of telegram"] + here.count["telegram down"]
    assert doubles["telegram"] <= allowed, (doubles, here.count)
    allowed = here.count["kills"] + here.count["lost answers of discord"] + here.count["discord down"]
    assert doubles["discord"] <= allowed, (doubles, here.count)
    return {"messages noted": states["sent"], **{f"twice on {name}": each for name, each in doubles.items()}}


REFERENCE = re.compile(r"\b([A-MO-Z][0-9A-HJKMNP-TV-Z]{7,8})\s*$")
"""Not those of alerts (N...): they are told anew, with sound, when nobody answers."""


def doubled(texts: Iterable[str]) -> int:
    """How many messages show a card whose reference, at their very end, another message shows too."""
    found = Counter(match[1] for text in texts if (match := REFERENCE.search(text.strip())))
    return sum(number - 1 for number in found.values())


def nothing_was_done_twice(here: World, database: sqlite3.Connection) -> dict[str, int]:
    """The broker holds what the books hold, and no order id came to it as two orders."""
    exchange = here.alpaca.exchange
    ids = [order.client_order_id for order in exchange.orders]
    assert len(ids) == len(set(ids))
    with (
        Store.open(f"sqlite:///{database.execute('PRAGMA database_list').fetchone()[2]}") as store,
        store.read() as work,
    ):
        ours: Counter[str] = Counter()
        for position in work.open_positions():
            for leg in position.legs:
                ours[leg.instrument.symbol] += leg.quantity
    theirs = {symbol: held.quantity for symbol, held in exchange.positions.items() if held.quantity}
    assert {symbol: held for symbol, held in ours.items() if held} == theirs
    return {"orders": len(ids), "held": len(theirs)}


def one_digest_a_session(here: World, database: sqlite3.Connection, count: int) -> int:
    """Each session has one digest event; the cards of each day are one on each platform, but for counted doubles."""
    days = [day for (day,) in database.execute("SELECT subject FROM events WHERE kind = 'digest_ready'")]
    daily = [day for day in days if re.fullmatch(r"\d{4}-\d\d-\d\d", day)]
    assert len(daily) == len(set(daily)) == count, days
    return len(days)
