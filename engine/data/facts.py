"""What several sources say about a company, held against each other: reports, dividends, splits, facts; pure.

Nothing is made up: every day and number in the answer is one that a source gave. Where they differ about a day that is
to come, the answer errs to the side on which more is held to be risky.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from engine.data.providers.port import Report
from engine.model.market import Dividend, Earnings, Fundamentals, ReportTime, Split

T = TypeVar("T")

ONE_REPORT = timedelta(days=45)
"""Two days closer together than this are two opinions about one report: companies report every quarter."""
ONE_EX_DATE = timedelta(days=4)
"""The same of ex-dates: some funds pay every week."""
ONE_NUMBER = Decimal("0.01")
"""Share by which two amounts, or two ratios, may differ and be the same, rounded."""


@dataclass(frozen=True, slots=True)
class Merged(Generic[T]):
    """What is taken, and a sentence for each contradiction that most of the sources do not settle."""

    value: T
    words: tuple[str, ...] = ()


def merge_reports(told: Iterable[Sequence[Report]], today: date) -> tuple[Earnings, ...]:
    """The reports of one company, oldest first, out of those of each source.

    Every day that somebody names is kept. It is confirmed when two sources name it, more than name another day of the
    same report; or when one says that the company has, and nobody names another. The time of day is the one that all
    who tell it agree on; that a report of today is over is not believed before the day is confirmed.
    """
    said: dict[date, dict[str, Report]] = {}
    for reports in told:
        for report in reports:
            said.setdefault(report.day, {}).setdefault(report.source.name, report)
    return tuple(_earnings(day, said, today) for day in sorted(said))


def _earnings(day: date, said: Mapping[date, Mapping[str, Report]], today: date) -> Earnings:
    reports = said[day]
    others = [set(said[other]) for other in said if other != day and abs(other - day) < ONE_REPORT]
    is_announced = any(report.is_confirmed for report in reports.values()) and not any(others)
    is_confirmed = is_announced or (len(reports) >= 2 and all(len(reports) > len(other) for other in others))
    when = {report.when for report in reports.values()} - {ReportTime.UNKNOWN}
    agreed = when.pop() if len(when) == 1 else ReportTime.UNKNOWN
    if day == today and agreed is ReportTime.BEFORE_OPEN and not is_confirmed:
        agreed = ReportTime.UNKNOWN
    return Earnings(day, agreed, is_confirmed, tuple(sorted(reports)))


def merge_dividends(told: Mapping[str, Sequence[Dividend]], today: date) -> Merged[tuple[Dividend, ...]]:
    """The dividends of one company by ex-date, oldest first, out of those of each source, the most trusted first.

    Each is taken once. Of several days the one that most name, else the first that is not over; of several amounts the
    one that most name, else the most trusted source's.
    """
    claims = {name: [(each.ex_date, each.amount) for each in given] for name, given in told.items()}
    found = _merged(claims, today, "dividend")
    return Merged(tuple(Dividend(day, amount) for day, amount in found.value), found.words)


def merge_splits(told: Mapping[str, Sequence[Split]], today: date) -> Merged[tuple[Split, ...]]:
    """The same of splits."""
    claims = {name: [(each.ex_date, each.ratio) for each in given] for name, given in told.items()}
    found = _merged(claims, today, "split")
    return Merged(tuple(Split(day, ratio) for day, ratio in found.value), found.words)


def differing(ticker: str, known: Sequence[Dividend], merged: Sequence[Dividend], today: date) -> tuple[str, ...]:
    """A sentence for each dividend ahead by all sources together that is not among the known ones, or another there."""
    amounts = {each.ex_date: each.amount for each in known}
    words = []
    for each in merged:
        ours = amounts.get(each.ex_date)
        if each.ex_date <= today or (ours is not None and not _are_two(ours, each.amount)):
            continue
        told = f"{each.amount:f} on {each.ex_date:%d %b %Y}"
        near = [one for one in known if abs(one.ex_date - each.ex_date) <= ONE_EX_DATE]
        not_ = ", ".join(f"{one.amount:f} on {one.ex_date:%d %b %Y}" for one in near) or "none there"
        words.append(f"By all sources together {ticker} pays a dividend of {told}; the first one tells {not_}.")
    return tuple(words)


Claim = tuple[date, Decimal]


def _merged(told: Mapping[str, Sequence[Claim]], today: date, what: str) -> Merged[list[Claim]]:
    groups: list[dict[str, Claim]] = []
    for name, claims in told.items():
        for claim in claims:
            _group(groups, name, claim)[name] = claim
    found: dict[date, Decimal] = {}
    words: list[str] = []
    for group in groups:
        day = _day([claim[0] for claim in group.values()], today)
        numbers = [claim[1] for claim in group.values()]
        number = _agreed(numbers, _are_two)
        found.setdefault(day, numbers[0] if number is None else number)
        agreeing = sum(claim[0] == day and not _are_two(claim[1], found[day]) for claim in group.values())
        if agreeing < len(group) and 2 * agreeing <= len(group):
            listed = ", ".join(f"{name} {claim[1]:f} on {claim[0]:%d %b %Y}" for name, claim in group.items())
            words.append(f"Sources differ about a {what}: {listed}.")
    return Merged(sorted(found.items()), tuple(words))


def _group(groups: list[dict[str, Claim]], name: str, claim: Claim) -> dict[str, Claim]:
    """Those of other sources that speak of the same one, the nearest by day; a new group where there are none."""
    near = [
        group
        for group in groups
        if name not in group and any(abs(day - claim[0]) <= ONE_EX_DATE for day, _ in group.values())
    ]
    if not near:
        groups.append({})
        return groups[-1]
    return min(near, key=lambda group: min(abs(day - claim[0]) for day, _ in group.values()))


def _day(days: Sequence[date], today: date) -> date:
    """The day most name; with as many for another, the first that is not over."""
    votes = {day: days.count(day) for day in days}
    most = [day for day, count in votes.items() if count == max(votes.values())]
    return min((day for day in most if day >= today), default=max(most))


def _are_two(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) > ONE_NUMBER * max(abs(one), abs(other))


def _agreed(values: Sequence[T], are_far: Callable[[T, T], bool]) -> T | None:
    """The first of the values that nobody contradicts, once those are left out that most of the others contradict."""
    most = max(1.0, (len(values) - 1) / 2)
    kept = [one for one in values if sum(are_far(one, other) for other in values) <= most]
    return kept[0] if kept and not any(are_far(kept[0], other) for other in kept) else None


def _apart(one: float | Decimal | None, other: float | Decimal | None, by: float = 0.0, share: float = 0.0) -> bool:
    """Whether two facts that are both known are further apart than `by` and than this share of the smaller one."""
    if one is None or other is None:
        return False
    a, b = float(one), float(other)
    return abs(a - b) > max(by, share * min(abs(a), abs(b)))


Facts = Callable[[Fundamentals, Fundamentals], bool]
FACTS: tuple[tuple[tuple[str, ...], Facts], ...] = (
    # Shares are counted in several ways that differ by little; a mistaken unit is off by a thousand.
    (("market_cap",), lambda a, b: _apart(a.market_cap, b.market_cap, share=0.4)),
    # Everybody names sectors differently: the first name is taken.
    (("sector",), lambda a, b: False),
    # Over one, three or five years, by the week or the month.
    (("beta",), lambda a, b: _apart(a.beta, b.beta, by=0.75)),
    # Restated quarters; per cents taken for decimals are off by a hundred.
    (("revenue_growth",), lambda a, b: _apart(a.revenue_growth, b.revenue_growth, by=0.1, share=0.5)),
    (("earnings_growth",), lambda a, b: _apart(a.earnings_growth, b.earnings_growth, by=0.2, share=0.5)),
    # Two years of one source make a change; two sources' years do not.
    (
        ("margin", "margin_before", "margin_change"),
        lambda a, b: _apart(a.margin, b.margin, by=0.1) or _apart(a.margin_change, b.margin_change, by=0.1),
    ),
    (("dividend_yield",), lambda a, b: _apart(a.dividend_yield, b.dividend_yield, by=0.02)),
)
"""Facts that are taken from one source together, and when two sources contradict each other about them."""


def merge_fundamentals(given: Sequence[Fundamentals]) -> Merged[Fundamentals]:
    """Company facts out of those of each source, the most trusted first: each fact of the first that has it.

    One that sources contradict each other about is unknown, unless most of three and more agree.
    """
    found: dict[str, Any] = {}
    used: list[Fundamentals] = []
    words: list[str] = []
    for names, are_far in FACTS:
        having = [facts for facts in given if any(getattr(facts, name) is not None for name in names)]
        best = _agreed(having, are_far)
        if best is not None:
            found |= {name: getattr(best, name) for name in names}
            used.append(best)
        elif having:
            told = ", ".join(f"{' and '.join(facts.sources)} {getattr(facts, names[0])}" for facts in having)
            words.append(f"Sources contradict each other about {names[0].replace('_', ' ')}: {told}.")
    sources = dict.fromkeys(name for facts in given if facts in used for name in facts.sources)
    known = max((facts.known_on for facts in used if facts.known_on is not None), default=None)
    return Merged(Fundamentals(**found, known_on=known, sources=tuple(sources)), tuple(words))
