"""/health: what is wrong first, then the service levels, then the rest in a line; and each of them in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from alerts.latency import Latency
from alerts.levels import (
    ERRORS,
    EXECUTION,
    RECOVERY,
    SESSIONS,
    UPTIME,
    Errors,
    Levels,
    Outage,
    Speed,
    Uptime,
    percentile,
)
from bot import words
from bot.message import Button, Card, Table, Tone
from bot.parts import Part

Fact = tuple[str, str]

MISSED = "✗ "
"""Before a service level that is not kept."""
NO_FIGURE = {
    "uptime": "not measured yet",
    "execution": "no entries yet",
    "errors": "nothing done yet",
    "recovery": "not measured yet",
}
"""What is said of a service level without a figure."""
KINDS = {"Loop": ("loop", "loops"), "Source": ("source", "sources")}
"""Parts of which there are many are counted where they are well: by the word they begin with."""
OUTAGES = 8
"""The latest that are listed."""
BUTTONS = (
    (Button("Refresh", "refresh:/health"), Button("Levels", "refresh:/health levels")),
    (Button("Every part", "refresh:/health all"),),
)


@dataclass(frozen=True, slots=True)
class Health:
    """Everything /health knows: each part, the service levels (None: they have no meaning here), what is always said
    (entries, market, time), and what this desk does without.
    """

    parts: tuple[Part, ...]
    levels: Levels | None
    always: tuple[Fact, ...]
    left_out: str = ""

    @property
    def bad(self) -> tuple[Fact, ...]:
        return tuple((name, text) for name, (fine, text) in self.parts if not fine)

    @property
    def missed(self) -> tuple[str, ...]:
        """The service levels that are not kept."""
        return () if self.levels is None else self.levels.missed


def health_card(health: Health, banner: str) -> Card:
    """What is wrong, the levels, what is well in a line."""
    well = [name for name, (fine, _) in health.parts if fine]
    levels = () if health.levels is None else level_facts(health.levels)
    facts = (*levels, *health.bad, ("Well", _counted(well)), *health.always)
    return Card(_title(health), _tone(health), _said(health.left_out), facts, buttons=BUTTONS, banner=banner)


def every_part(health: Health, banner: str) -> Card:
    """Each part in its own words."""
    facts = (*((name, text) for name, (_, text) in health.parts), *health.always)
    return Card(_title(health), _tone(health), _said(health.left_out), facts, buttons=BUTTONS, banner=banner)


def unmeasured_card(left_out: str, banner: str) -> Card:
    """The service levels of a desk whose clock is not ours."""
    why = "Recorded days pass in leaps: how long the desk was up and how fast it was says nothing there."
    return Card("No service levels", lines=_said(why, left_out), buttons=BUTTONS, banner=banner)


def _said(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)


def _title(health: Health) -> str:
    if health.bad:
        return f"Not well: {', '.join(name for name, _ in health.bad)}"
    missed = ", ".join(health.missed)
    return f"All parts well, targets missed: {missed}" if missed else "All well"


def _tone(health: Health) -> Tone:
    if health.bad:
        return Tone.BAD
    return Tone.WARNING if health.missed else Tone.GOOD


def _counted(names: Iterable[str]) -> str:
    """`Broker, Data, 11 loops, 2 sources`: those of which there are many as a number, at the place of the first."""
    kinds = [name.partition(" ")[0] if name.partition(" ")[0] in KINDS else name for name in names]
    counts = Counter(kinds)
    told = (words.count(counts[kind], *KINDS[kind]) if kind in KINDS else kind for kind in dict.fromkeys(kinds))
    return ", ".join(told) or "nothing"


def level_facts(levels: Levels) -> tuple[Fact, ...]:
    """The four service levels: what was measured, whether that keeps the target, and the target."""
    return (
        ("Uptime", _level(levels, "uptime", _uptime(levels.uptime), words.percent(UPTIME))),
        ("Execution", _level(levels, "execution", _execution(levels.speed), _milliseconds(EXECUTION))),
        ("Errors", _level(levels, "errors", _errors(levels), words.percent(ERRORS))),
        ("Recovery", _level(levels, "recovery", _recovery(levels.uptime), lasted(RECOVERY))),
    )


def _level(levels: Levels, name: str, measured: str | None, target: str) -> str:
    """`95 % within 20 ms: met (target 100 ms)`; what was not measured yet is neither met nor missed."""
    if measured is None:
        return f"{NO_FIGURE[name]} (target {target})"
    is_missed = name in levels.missed
    return f"{MISSED if is_missed else ''}{measured}: {'missed' if is_missed else 'met'} (target {target})"


def _uptime(found: Uptime | None) -> str | None:
    return None if found is None or found.ratio is None else words.percent(found.ratio, 3)


def _execution(found: Speed) -> str | None:
    return f"95 % within {_milliseconds(found.at(0.95))}" if found.executions else None


def _errors(levels: Levels) -> str | None:
    """The worse of the two spans is the one that is told."""
    found = max((levels.errors, levels.day), key=lambda each: each.ratio or 0.0)
    if found.ratio is None:
        return None
    since = " in 24 h" if found is levels.day and found.failed else ""
    return f"{words.percent(found.ratio, 3)}{since}"


def _recovery(found: Uptime | None) -> str | None:
    if found is None or found.ratio is None:
        return None
    if found.longest is None:
        return "no outage"
    planned = ", a planned stop" if found.longest.is_planned else ""
    return f"{lasted(found.longest.took)} at most{planned}"


def lasted(span: timedelta) -> str:
    """How long something took, to the second where that matters.

    >>> lasted(timedelta(seconds=40)), lasted(timedelta(minutes=5)), lasted(timedelta(hours=2, minutes=3, seconds=4))
    ('40 s', '5 min', '2 h 3 min')
    """
    seconds = round(span.total_seconds())
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    parts = ((hours, "h"), (minutes, "min"), (0 if hours else rest, "s"))
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def levels_card(levels: Levels, latencies: Sequence[Latency], banner: str) -> Card:
    """The service levels in full: over what, how long each outage was, whose part of the time it was, which errors."""
    title = f"Targets missed: {', '.join(levels.missed)}" if levels.missed else "All targets met"
    is_unmeasured = levels.uptime is None and not levels.speed.executions and not levels.errors.done
    if is_unmeasured and not levels.missed:
        title = "Nothing was measured yet"
    uptime = levels.uptime
    facts = (*level_facts(levels), *_of_the_uptime(uptime), *_of_the_speed(levels.speed), *_messages(latencies))
    tables = (*_outages(uptime), _tallies(levels.errors, levels.day))
    tone = Tone.WARNING if levels.missed else Tone.NEUTRAL if is_unmeasured else Tone.GOOD
    return Card(title, tone, _explained(levels), facts, tables, buttons=BUTTONS, banner=banner)


def _explained(levels: Levels) -> tuple[str, ...]:
    return (
        f"Market hours of {SESSIONS} sessions at most; a silence of more than 30 s is down time.",
        f"Errors since {words.moment(levels.errors.since)}.",
    )


def _of_the_uptime(found: Uptime | None) -> tuple[Fact, ...]:
    if found is None:
        return ()
    planned = f", {lasted(found.planned)} of it planned" if found.planned else ""
    return (
        ("Measured", f"{lasted(found.measured)} since {words.moment(found.since)}"),
        ("Down", f"{lasted(found.down)}{planned}"),
    )


def _of_the_speed(found: Speed) -> tuple[Fact, ...]:
    refused = (("Refused", f"{words.count(found.refused, 'first order')}"),) if found.refused else ()
    if not found.executions:
        return refused
    return (
        ("Entries", f"{words.count(len(found.executions), 'order')}, {words.percent(found.share)} in time"),
        (
            "All of it",
            f"{_half_and_most([x.took for x in found.executions])}, 99 % within {_milliseconds(found.at(0.99))}",
        ),
        ("Our part", _half_and_most([each.ours for each in found.executions])),
        ("Broker's part", _half_and_most([each.theirs for each in found.executions])),
        *refused,
    )


def _half_and_most(seconds: Sequence[float]) -> str:
    return (
        f"half within {_milliseconds(percentile(seconds, 0.5))}, 95 % within {_milliseconds(percentile(seconds, 0.95))}"
    )


def _messages(latencies: Sequence[Latency]) -> tuple[Fact, ...]:
    """How fast each platform took what it was told in a day."""
    return tuple((f"To {each.platform}", _latency(each)) for each in latencies)


def _latency(found: Latency) -> str:
    half, most = found.at(0.5), found.at(0.99)
    at_once = "" if half is None or most is None else f"half within {half:.1f} s, 99 % within {most:.1f} s"
    held = f"{len(found.held_up)} held up, {max(found.held_up):.0f} s at most" if found.held_up else ""
    twice = f"{found.unanswered} may stand there twice" if found.unanswered else ""
    return "; ".join(part for part in (at_once, held, twice) if part)


def _outages(found: Uptime | None) -> tuple[Table, ...]:
    latest = () if found is None else tuple(reversed(found.outages))[:OUTAGES]
    rows = tuple((words.moment(each.since)[5:16], lasted(each.took), _kind(each)) for each in latest)
    return (Table(("Down since", "For", ""), rows, title="Outages"),) if rows else ()


def _kind(outage: Outage) -> str:
    if outage.until is None:
        return "lasts"
    return "planned" if outage.is_planned else ""


def _tallies(span: Errors, day: Errors) -> Table:
    today = {tally.kind: tally for tally in day.tallies}
    rows = tuple(
        (each.kind, f"{each.done:,}", f"{each.failed:,}", f"{today[each.kind].failed:,}") for each in span.tallies
    )
    return Table(("Done", "all", "errors", "24 h"), rows, right=(1, 2, 3), title="Errors")
