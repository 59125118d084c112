"""/jobs and /runjob: what runs when, how it went, and running one now."""

from __future__ import annotations

from dataclasses import replace

from alerts.runner import Standing
from bot.cards import jobs
from bot.command import Call, Jobs
from bot.message import Card
from bot.parse import clipped, nearest
from engine.errors import BadRequest, NotFound

PATIENCE = 5.0
"""Seconds an answer waits for a run: longer than most take, and short for whoever shares the bulkhead."""
SHOWN = 10
SCAN = "scan "


def show(call: Call) -> Card:
    """Every job, or one with its last runs.

    Raises:
        BadRequest: no scheduler is here. NotFound: there is no such job.
    """
    standings, wanted = _jobs(call).standings(), call.text("job")
    now, banner = call.desk.now(), call.room.banner()
    if not wanted:
        return _with_what_is_left_out(call, jobs.card(standings, now, banner))
    found = _meant(call, standings, wanted)
    with call.desk.store.read() as work:
        runs = work.runs(found.job.name, limit=SHOWN)
    return jobs.one(found, runs, now, banner)


def run(call: Call) -> Card:
    """Run a job now, under a due time of its own, and say what came of it.

    Raises:
        BadRequest: it is being run, or no scheduler is here. NotFound: there is no such job.
    """
    name = _meant(call, _jobs(call).standings(), call.text("job")).job.name
    asked = _jobs(call).run_now(name, call.user.name)
    try:
        return jobs.ended(asked.result(PATIENCE), call.room.banner())
    except TimeoutError:
        return jobs.begun(name, call.room.banner())


def _meant(call: Call, standings: tuple[Standing, ...], wanted: str) -> Standing:
    """The job of that name; a scan's without its first word, as the list shows it.

    Raises:
        NotFound: there is none; the nearest is suggested.
    """
    by_name = {each.job.name: each for each in standings}
    name = " ".join(wanted.lower().lstrip("/").split())
    found = by_name.get(name) or by_name.get(f"{SCAN}{name}")
    if found is not None:
        return found
    near = nearest(name, (*by_name, *(each.removeprefix(SCAN) for each in by_name)))
    why = f" {call.room.left_out}" if name in call.room.left_out else ""
    raise NotFound(f"There is no job “{clipped(wanted)}”.{near}{why} /jobs lists them all.")


def _with_what_is_left_out(call: Call, card: Card) -> Card:
    return replace(card, footer=f"{card.footer} {call.room.left_out}".strip())


def _jobs(call: Call) -> Jobs:
    if call.room.jobs is None:
        raise BadRequest(
            "Nothing runs at set times here: jobs belong to a desk that is being run, not to a single command."
        )
    return call.room.jobs
