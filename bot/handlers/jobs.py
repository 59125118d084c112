"""/jobs and /runjob: what runs when, how it went, and running one now."""

from __future__ import annotations

from dataclasses import replace

from bot.cards import jobs
from bot.command import Call, Jobs
from bot.message import Card
from engine.errors import BadRequest, NotFound

PATIENCE = 5.0
"""Seconds an answer waits for a run: longer than most take, and short for whoever shares the bulkhead."""
SHOWN = 10


def show(call: Call) -> Card:
    """Every job, or one with its last runs.

    Raises:
        BadRequest: no scheduler is here. NotFound: there is no such job.
    """
    standings, wanted = _jobs(call).standings(), call.text("job")
    now, banner = call.desk.now(), call.room.banner()
    if not wanted:
        return _with_what_is_left_out(call, jobs.card(standings, now, banner))
    found = next((each for each in standings if each.job.name == wanted.lower()), None)
    if found is None:
        raise NotFound(f"There is no job “{wanted}”: /jobs lists them all.")
    with call.desk.store.read() as work:
        runs = work.runs(found.job.name, limit=SHOWN)
    return jobs.one(found, runs, now, banner)


def run(call: Call) -> Card:
    """Run a job now, under a due time of its own, and say what came of it.

    Raises:
        BadRequest: it is being run, or no scheduler is here. NotFound: there is no such job.
    """
    name = call.text("job").lower()
    asked = _jobs(call).run_now(name, call.user.name)
    try:
        return jobs.ended(asked.result(PATIENCE), call.room.banner())
    except TimeoutError:
        return jobs.begun(name, call.room.banner())


def _with_what_is_left_out(call: Call, card: Card) -> Card:
    return replace(card, lines=(*card.lines, *((call.room.left_out,) if call.room.left_out else ())))


def _jobs(call: Call) -> Jobs:
    if call.room.jobs is None:
        raise BadRequest(
            "Nothing runs at set times here: jobs belong to a desk that is being run, not to a single command."
        )
    return call.room.jobs
