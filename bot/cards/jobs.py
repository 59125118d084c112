"""The desk's jobs on a phone: when each is due next and how it went; one of them with its last runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from alerts.jobs import Job, Lane
from alerts.runner import HANGING, Standing
from bot import words
from bot.message import Button, Card, Table, Tone
from engine.model.records import Run, RunState

LISTED = 6
"""Jobs in trouble that have a sentence of their own."""
LONGEST_NAME = 14
"""Signs of a name in the tables: with them a row is 33 wide, and Discord does not break it on a phone."""
TONES = {RunState.FAILED: Tone.BAD, RunState.MISSED: Tone.WARNING}
SHORT = {RunState.DONE: "done", RunState.FAILED: "FAILED", RunState.MISSED: "missed", RunState.RUNNING: "cut"}
GRAVE = (RunState.FAILED, RunState.RUNNING, RunState.MISSED)


def card(standings: tuple[Standing, ...], now: datetime, banner: str) -> Card:
    """All of them: what failed or was missed first, then what is due next."""
    ordered = sorted(standings, key=lambda each: (_gravity(each), each.next_due or now + timedelta(days=366)))
    troubled = [each for each in ordered if _gravity(each) < len(GRAVE)]
    scans = [each for each in ordered if each.job.lane is Lane.SCANS]
    others = [each for each in ordered if each.job.lane is not Lane.SCANS]
    more = len(troubled) - LISTED
    left_out = (f"{words.count(more, 'other')} below.",) if more > 0 else ()
    return Card(
        "Jobs",
        _tone(troubled),
        lines=(*(_sentence(each, now) for each in troubled[:LISTED]), *left_out),
        tables=tuple(_table(title, part, now) for title, part in (("Job", others), ("Scan", scans)) if part),
        buttons=((Button("Refresh", "refresh:/jobs"),),),
        footer=f"Times: {words.zone(now)}. /jobs scan wheel shows one with its last runs.",
        banner=banner,
    )


def _table(title: str, standings: Iterable[Standing], now: datetime) -> Table:
    """When each is due next and how it went, narrow enough for a phone."""
    rows = ((_name(each.job), _soon(_next(each), now), _state(each)) for each in standings)
    return Table((title, "Next", "Last"), tuple(rows))


def _name(job: Job) -> str:
    """`wheel` for `scan wheel`: what is a scan stands in a table of its own."""
    name = job.name.removeprefix("scan ")
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def one(standing: Standing, runs: tuple[Run, ...], now: datetime, banner: str) -> Card:
    """One job: its schedule in words, what becomes of a late one, its last runs with how long they took."""
    job, name = standing.job, standing.job.name
    facts = [("Due", job.schedule.words), ("Next", _exactly(standing)), ("Too late", _too_late(job))]
    if standing.running_since is not None:
        doing = "Hangs" if standing.is_hanging else "Running"
        facts.insert(0, (doing, f"since {words.clock(standing.running_since)}"))
    rows = tuple((_soon(run.due_at, now), _took(run), _short(run, standing)) for run in runs)
    return Card(
        f"Job {name}",
        _tone([standing]),
        lines=(_going_on(standing),) if standing.running_since is not None else _latest(runs, now),
        facts=tuple(facts),
        tables=(Table(("Due", "Took", "Result"), rows, right=(1,)),) if rows else (),
        buttons=((*_run_now(standing), Button("Refresh", f"refresh:/jobs {name}")),),
        footer=f"Times: {words.zone(now)}.",
        banner=banner,
    )


def _run_now(standing: Standing) -> tuple[Button, ...]:
    """None while it runs: it would be refused."""
    idle = standing.running_since is None
    return (Button("Run now", f"runjob:{standing.job.name}", Tone.ASK),) if idle else ()


def _latest(runs: tuple[Run, ...], now: datetime) -> tuple[str, ...]:
    return tuple(_told(run, now) for run in runs[:1]) or ("It has not run yet.",)


def _going_on(standing: Standing) -> str:
    """Of a run that is under way."""
    since = "" if standing.running_since is None else f" since {words.clock(standing.running_since)}"
    if not standing.is_hanging:
        return f"It has been running{since}."
    return f"It hangs{since}. {HANGING}"


def ended(run: Run, banner: str) -> Card:
    """What came of a run somebody asked for."""
    tone = TONES.get(run.state, Tone.GOOD)
    return Card(
        f"Job {run.job}: {SHORT[run.state].lower()}",
        tone,
        lines=(_capital(run.note),),
        facts=(("Took", _took(run)),),
        buttons=((Button("Its runs", f"refresh:/jobs {run.job}"),),),
        banner=banner,
    )


def begun(name: str, banner: str) -> Card:
    """A run somebody asked for that takes longer than one waits for an answer."""
    return Card(
        f"Job {name}: asked for",
        lines=("It is not done yet: it runs, or waits for another job of its kind.",),
        buttons=((Button("Its runs", f"refresh:/jobs {name}"),),),
        banner=banner,
    )


def _gravity(standing: Standing) -> int:
    """0 for what failed, more for less grave; below it what hangs."""
    last = standing.last
    if standing.is_hanging:
        return -1
    if last is None or standing.running_since is not None or last.state not in GRAVE:
        return len(GRAVE)
    return GRAVE.index(last.state)


def _tone(standings: Iterable[Standing]) -> Tone:
    told = tuple(standings)
    if any(each.is_hanging for each in told):
        return Tone.BAD
    states = {each.last.state for each in told if each.last is not None and each.running_since is None}
    return next((tone for state, tone in TONES.items() if state in states), Tone.NEUTRAL)


def _state(standing: Standing) -> str:
    if standing.running_since is not None:
        return "HANGS" if standing.is_hanging else "runs"
    return "-" if standing.last is None else SHORT[standing.last.state]


def _short(run: Run, standing: Standing) -> str:
    is_running = run.state is RunState.RUNNING and standing.running_since is not None
    return _state(standing) if is_running else SHORT[run.state]


def _sentence(standing: Standing, now: datetime) -> str:
    last = standing.last
    if standing.is_hanging:
        return f"{standing.job.name}: {_going_on(standing)}"
    return "" if last is None else f"{standing.job.name}: {_told(last, now)}"


def _told(run: Run, now: datetime) -> str:
    """`failed 15:05: no prices.`."""
    note = run.note or "nothing to say"
    return f"{SHORT[run.state].lower()} {_soon(run.due_at, now)}: {note}{'' if note.endswith('.') else '.'}"


def _took(run: Run) -> str:
    """How long a run took; nothing of one that was missed or is not over."""
    if run.finished_at is None or run.state is RunState.MISSED:
        return ""
    seconds = (run.finished_at - run.started_at).total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def _too_late(job: Job) -> str:
    if job.catches_up:
        return "made up for when the desk is back"
    minutes = job.grace.total_seconds() / 60
    return f"missed after {minutes:g} min" if minutes < 60 else f"missed after {minutes / 60:g} h"


def _soon(at: datetime | None, now: datetime) -> str:
    return "-" if at is None else words.soon(at, now)


def _next(standing: Standing) -> datetime | None:
    """When it is begun next; None while it hangs, for then it is not."""
    return None if standing.is_hanging else standing.next_due


def _exactly(standing: Standing) -> str:
    if standing.is_hanging:
        return "once this run has ended"
    return "not within a year" if standing.next_due is None else words.moment(standing.next_due)


def _capital(note: str) -> str:
    return note[:1].upper() + note[1:] + ("" if note.endswith(".") else ".")
