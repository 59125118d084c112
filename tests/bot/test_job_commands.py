"""/jobs and /runjob, as people see them."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import timedelta

from alerts.jobs import Job
from alerts.runner import Standing
from alerts.schedules import AtClock
from bot.cards.jobs import card, one
from bot.completion import complete
from bot.handlers import jobs as handlers
from bot.message import Card, Tone, as_text
from engine.errors import DataUnavailable
from engine.model.records import Run, RunState
from tests.bot.rooms import Visit, visit
from tests.jobs import JobsAtOnce, jobs_of

AT_TEN = AtClock(("10:10", "15:30"))


def here(*more: Job) -> tuple[Visit, JobsAtOnce]:
    desk = visit()
    at(desk, "09:00")
    jobs = jobs_of(desk.world.desk, more)
    jobs.runner.tick()
    return Visit(desk.world, replace(desk.room, jobs=jobs), desk.sources), jobs


def at(desk: Visit, clock: str) -> None:
    sessions = desk.world.desk.sessions
    desk.world.clock.set(sessions.at(desk.world.desk.today, clock))


def fails() -> str:
    raise DataUnavailable("No prices of XYZ.")


def table(card: Card) -> tuple[tuple[str, ...], ...]:
    return card.tables[0].rows


def test_jobs_lists_every_job_with_its_next_time_and_how_it_went() -> None:
    desk, jobs = here()
    at(desk, "10:00")
    jobs.runner.tick()

    others, scans = ({row[0]: row[1:] for row in each.rows} for each in desk.card("/jobs").tables)

    assert scans["wheel"] == ("Tue 10:00", "done")
    assert scans["earnings_prot…"] == ("14:30", "done")
    assert others["day end"] == ("16:15", "-")
    assert others["risk"] == ("10:01", "done")


def test_what_failed_or_was_missed_comes_first_with_its_reason() -> None:
    desk, jobs = here(Job("copy", AT_TEN, fails), Job("look", AtClock(("10:00",)), lambda: ""))
    at(desk, "10:11")
    jobs.runner.tick()

    card = desk.card("/jobs")

    assert card.tone is Tone.BAD
    assert table(card)[0][0] == "copy"
    assert "look" in [row[0] for row in table(card)][1:7]
    assert card.lines[0] == "copy: failed 10:10: No prices of XYZ."
    assert "look: missed 10:00: The desk was not running, asleep or held up." in card.lines


def test_what_hangs_comes_first_and_says_what_to_do_without_a_button_that_would_be_refused() -> None:
    desk, jobs = here(Job("copy", AT_TEN, fails))
    at(desk, "10:11")
    jobs.runner.tick()
    standings = jobs.runner.standings()
    hanging = replace(standings[-2], running_since=desk.world.clock(), is_hanging=True)

    found = card((*standings[:-2], hanging, standings[-1]), desk.world.clock(), "")
    alone = one(hanging, (), desk.world.clock(), "")

    name = hanging.job.name
    said = (
        "It hangs since 10:11:00 ET. The other jobs go on. "
        "If it does not end, start the desk again: until then this one is not run."
    )
    assert found.tone is alone.tone is Tone.BAD
    assert found.lines[0] == f"{name}: {said}"
    assert (name, "-", "HANGS") in {row for each in found.tables for row in each.rows}
    assert (alone.lines, alone.facts[0]) == ((said,), ("Hangs", "since 10:11:00 ET"))
    assert dict(alone.facts)["Next"] == "once this run has ended"
    assert [[button.label for button in row] for row in alone.buttons] == [["Refresh"]]


def test_no_line_of_a_table_is_wider_than_a_message_of_discord_on_a_phone() -> None:
    desk, jobs = here(Job("copy", AT_TEN, fails))
    at(desk, "10:11")
    jobs.runner.tick()

    for line in ("/jobs", "/jobs copy"):
        for found in desk.card(line).tables:
            widths = [max(len(row[n]) for row in (found.headers, *found.rows)) for n in range(3)]
            assert sum(widths) + 4 <= 33


def test_one_job_has_its_schedule_in_words_and_its_last_ten_runs() -> None:
    desk, jobs = here()
    for minute in range(12):
        at(desk, f"10:{minute:02}")
        jobs.runner.tick()

    card = desk.card("/jobs risk")

    assert dict(card.facts)["Due"] == "every 1 min while the market is open"
    assert dict(card.facts)["Too late"] == "missed after 1 min"
    assert len(table(card)) == 10
    assert table(card)[0] == ("10:11", "0.0 s", "done")


def test_a_scan_is_found_by_the_name_the_list_gives_it() -> None:
    desk, _ = here()

    assert desk.card("/jobs Wheel").title == "Job scan wheel"
    assert desk.card("/runjob wheel").title.startswith("Job scan wheel: ")


def test_a_job_nobody_knows_and_a_desk_without_a_scheduler_are_told_in_words() -> None:
    desk, _ = here()

    assert desk.told("/jobs nonsense") == "There is no job “nonsense”. /jobs lists them all."
    assert desk.told("/runjob nonsense") == "There is no job “nonsense”. /jobs lists them all."
    assert desk.told("/runjob sterss") == "There is no job “sterss”. Did you mean stress? /jobs lists them all."
    assert "a desk that is being run" in visit().told("/jobs")


def test_runjob_runs_it_and_says_what_came_of_it() -> None:
    desk, jobs = here(Job("copy", AT_TEN, lambda: "12 MB"), Job("broken", AT_TEN, fails))

    good, bad = desk.card("/runjob copy"), desk.card(action="runjob:broken")

    assert (good.title, good.lines, good.tone) == ("Job copy: done", ("Asked for by ann: 12 MB.",), Tone.GOOD)
    assert (bad.title, bad.tone) == ("Job broken: failed", Tone.BAD)
    with desk.world.store.read() as work:
        (run,) = work.runs("copy")
    assert run.due_at != jobs.runner.desk.now()


def test_runjob_is_for_admins() -> None:
    desk, _ = here()

    assert desk.ask("/runjob risk", who="web:tom").error == "not allowed"
    assert desk.ask("/jobs", who="web:vic").is_ok


def test_runjob_refuses_what_is_being_run() -> None:
    inside, leave = threading.Event(), threading.Event()

    def slow() -> str:
        inside.set()
        leave.wait(10)
        return ""

    desk, jobs = here(Job("copy", AT_TEN, slow))
    thread = threading.Thread(target=lambda: jobs.runner.run_now("copy", "tom"))
    thread.start()
    assert inside.wait(10)

    told, shown = desk.told("/runjob copy"), desk.card("/jobs copy")
    leave.set()
    thread.join()

    assert told == "“copy” is being run now: /jobs copy tells how it went."
    assert dict(shown.facts)["Running"].startswith("since 09:00:00")
    assert table(shown)[0][2] == "runs"


@dataclass
class Waiting:
    """Jobs whose lane is busy."""

    known: tuple[Standing, ...]

    def standings(self) -> tuple[Standing, ...]:
        return self.known

    def run_now(self, name: str, by: str) -> Future[Run]:
        return Future()


def test_a_run_that_takes_long_is_answered_before_it_is_over() -> None:
    desk, jobs = here()
    waiting = Waiting(jobs.standings())
    patience, handlers.PATIENCE = handlers.PATIENCE, 0.01
    try:
        card = Visit(desk.world, replace(desk.room, jobs=waiting), desk.sources).card("/runjob stress")
    finally:
        handlers.PATIENCE = patience

    assert card.title == "Job stress: asked for"


def test_names_of_jobs_are_completed() -> None:
    desk, _ = here()

    assert complete(desk.room, "web:ann", "/runjob scan")[0].text == "scan wheel"
    assert [each.text for each in complete(desk.room, "web:ann", "/jobs ri")] == ["risk"]


def test_a_run_nobody_will_end_says_so() -> None:
    desk, jobs = here()
    now = desk.world.clock()
    job = jobs.runner.jobs["risk"]
    left = Run("R1", "risk", now, now - timedelta(minutes=1), "a killed process")

    text = as_text(card((Standing(job, None, left, None),), now, ""))

    assert "cut" in text
    assert left.state is RunState.RUNNING
