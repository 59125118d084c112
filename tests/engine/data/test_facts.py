"""What several sources say about a company: reports, dividends, splits and facts, merged without making anything up."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine.data.facts import Merged, differing, merge_dividends, merge_fundamentals, merge_reports, merge_splits
from engine.data.providers.port import Report
from engine.model.market import Dividend, Earnings, Fundamentals, ReportTime, Source, Split

TODAY = date(2026, 11, 27)
SOON = date(2026, 12, 2)
OPEN, CLOSE, UNKNOWN = ReportTime.BEFORE_OPEN, ReportTime.AFTER_CLOSE, ReportTime.UNKNOWN


def report(name: str, day: date = SOON, when: ReportTime = UNKNOWN, *, announced: bool = False) -> Report:
    return Report("XYZ", day, Source(name), when, announced)


def merged(*reports: Report) -> tuple[Earnings, ...]:
    by_source: dict[str, list[Report]] = {}
    for each in reports:
        by_source.setdefault(each.source.name, []).append(each)
    return merge_reports(by_source.values(), TODAY)


# Reports


def test_two_sources_that_agree_confirm_a_day():
    assert merged(report("a"), report("b")) == (Earnings(SOON, UNKNOWN, True, ("a", "b")),)


def test_one_source_alone_confirms_nothing_however_often_it_says_it():
    assert merged(report("a"), report("a")) == (Earnings(SOON, UNKNOWN, False, ("a",)),)


def test_a_day_the_company_announced_is_confirmed_by_one_source():
    assert merged(report("a", announced=True))[0].confirmed


def test_a_day_the_company_announced_is_not_confirmed_while_another_source_names_another():
    later = SOON + timedelta(days=7)
    found = merged(report("a", announced=True), report("b", later))
    assert [(each.day, each.confirmed) for each in found] == [(SOON, False), (later, False)]


def test_two_days_are_both_kept_so_that_the_nearer_one_is_not_missed():
    later = SOON + timedelta(days=1)
    assert merged(report("a", later), report("b")) == (
        Earnings(SOON, UNKNOWN, False, ("b",)),
        Earnings(later, UNKNOWN, False, ("a",)),
    )


def test_two_against_one_confirm_their_day_and_the_other_one_is_kept():
    later = SOON + timedelta(days=1)
    found = merged(report("a"), report("b"), report("c", later))
    assert [(each.day, each.confirmed) for each in found] == [(SOON, True), (later, False)]


def test_two_against_two_confirm_nothing():
    later = SOON + timedelta(days=1)
    found = merged(report("a"), report("b"), report("c", later), report("d", later))
    assert [each.confirmed for each in found] == [False, False]


def test_reports_of_other_quarters_do_not_contradict():
    found = merged(report("a"), report("b"), report("a", SOON + timedelta(days=91)), report("b", SOON))
    assert [each.confirmed for each in found] == [True, False]
    assert merged(report("a", announced=True), report("b", SOON - timedelta(days=91)))[1].confirmed


@pytest.mark.parametrize(
    ("told", "when"),
    [
        ((OPEN, OPEN), OPEN),
        ((CLOSE, UNKNOWN), CLOSE),
        ((OPEN, CLOSE), UNKNOWN),
        ((UNKNOWN, UNKNOWN), UNKNOWN),
    ],
)
def test_the_time_of_day_is_the_one_that_all_who_tell_it_agree_on(
    told: tuple[ReportTime, ReportTime], when: ReportTime
):
    assert merged(report("a", when=told[0]), report("b", when=told[1]))[0].when is when


def test_a_report_of_today_is_not_believed_to_be_over_before_its_day_is_confirmed():
    (unsure,) = merged(report("a", TODAY, OPEN))
    (sure,) = merged(report("a", TODAY, OPEN), report("b", TODAY, OPEN))
    assert unsure.is_ahead(TODAY)
    assert not sure.is_ahead(TODAY)


def test_nobody_telling_anything_is_no_report():
    assert merge_reports([], TODAY) == ()
    assert merge_reports([(), ()], TODAY) == ()


@given(
    some.lists(
        some.builds(
            report,
            some.sampled_from("abcd"),
            some.dates(date(2026, 11, 20), date(2026, 12, 20)),
            some.sampled_from(ReportTime),
            announced=some.booleans(),
        ),
        max_size=12,
    )
)
def test_no_day_is_lost_and_none_is_made_up(reports: list[Report]):
    found = merged(*reports)
    assert [each.day for each in found] == sorted({each.day for each in reports})
    for each in found:
        assert set(each.sources) == {one.source.name for one in reports if one.day == each.day}
        assert each.when is UNKNOWN or each.when in {one.when for one in reports if one.day == each.day}
        assert not each.confirmed or len(each.sources) > 1 or any(one.is_confirmed for one in reports)


# Dividends and splits


def paid(day: date, amount: str = "0.25") -> Dividend:
    return Dividend(day, Decimal(amount))


def test_a_dividend_that_all_know_is_taken_once():
    found = merge_dividends({"a": [paid(SOON)], "b": [paid(SOON, "0.2501")]}, TODAY)
    assert found.value == (paid(SOON),)
    assert found.words == ()


def test_what_only_one_knows_is_kept():
    earlier = SOON - timedelta(days=91)
    found = merge_dividends({"a": [paid(SOON)], "b": [paid(earlier), paid(SOON)], "c": []}, TODAY)
    assert found.value == (paid(earlier), paid(SOON))


def test_of_two_ex_dates_of_one_dividend_the_first_that_is_not_over_is_taken():
    before, after = TODAY - timedelta(days=1), TODAY + timedelta(days=2)
    assert merge_dividends({"a": [paid(before)], "b": [paid(after)]}, TODAY).value == (paid(after),)
    later = after + timedelta(days=1)
    found = merge_dividends({"a": [paid(later)], "b": [paid(after)]}, TODAY)
    assert found.value == (paid(after),)
    assert found.words == ("Sources differ about a dividend: a 0.25 on 30 Nov 2026, b 0.25 on 29 Nov 2026.",)


def test_the_ex_date_that_most_name_is_taken():
    day, wrong = SOON, SOON - timedelta(days=1)
    found = merge_dividends({"a": [paid(wrong)], "b": [paid(day)], "c": [paid(day)]}, TODAY)
    assert found == Merged((paid(day),))


def test_the_amount_that_most_name_is_taken_else_the_most_trusted_ones():
    three = {"a": [paid(SOON, "2.50")], "b": [paid(SOON)], "c": [paid(SOON)]}
    two = {"a": [paid(SOON)], "b": [paid(SOON, "2.50")]}
    assert merge_dividends(three, TODAY).value == (paid(SOON),)
    assert merge_dividends(two, TODAY).value == (paid(SOON),)
    assert "a 0.25" in merge_dividends(two, TODAY).words[0]
    assert "b 2.50" in merge_dividends(two, TODAY).words[0]


def test_weekly_dividends_are_kept_apart():
    weeks = [paid(SOON + timedelta(days=7 * week)) for week in range(6)]
    assert merge_dividends({"a": weeks, "b": weeks[1:]}, TODAY).value == tuple(weeks)


def test_a_dividend_ahead_that_is_not_what_all_sources_tell_together_is_told():
    known = (paid(TODAY - timedelta(days=80), "0.20"), paid(SOON))
    assert differing("KO", known, (paid(TODAY - timedelta(days=80), "2"), paid(SOON, "0.2501")), TODAY) == ()
    (amount,) = differing("KO", known, (paid(SOON, "2.50"),), TODAY)
    assert "2.50 on 02 Dec 2026; the first one tells 0.25 on 02 Dec 2026" in amount
    (day,) = differing("KO", known, (paid(SOON - timedelta(days=1)),), TODAY)
    assert "01 Dec 2026; the first one tells 0.25 on 02 Dec 2026" in day
    (more,) = differing("KO", (), (paid(SOON),), TODAY)
    assert "none there" in more


def test_a_split_that_sources_read_the_other_way_round_is_told():
    found = merge_splits({"a": [Split(SOON, Decimal(10))], "b": [Split(SOON, Decimal("0.1"))]}, TODAY)
    assert found.value == (Split(SOON, Decimal(10)),)
    assert found.words == ("Sources differ about a split: a 10 on 02 Dec 2026, b 0.1 on 02 Dec 2026.",)


DAYS = some.dates(date(2026, 6, 1), date(2027, 3, 1))
AMOUNTS = some.decimals(min_value="0.01", max_value=5, places=2)


@given(some.dictionaries(some.sampled_from("abc"), some.lists(some.builds(Dividend, DAYS, AMOUNTS), max_size=6)))
def test_dividends_run_forward_each_day_once_and_none_is_made_up(told: dict[str, list[Dividend]]):
    found = merge_dividends(told, TODAY).value
    claims = [each for dividends in told.values() for each in dividends]
    days = [each.ex_date for each in found]
    assert days == sorted(set(days))
    assert set(days) <= {each.ex_date for each in claims}
    assert {each.amount for each in found} <= {each.amount for each in claims}
    assert bool(found) == bool(claims)


# Facts


def facts(name: str, **known: object) -> Fundamentals:
    return Fundamentals(sources=(name,), **known)


def test_each_fact_is_the_first_sources_that_has_it():
    first = facts("a", beta=1.1, known_on=date(2026, 11, 1))
    second = facts("b", beta=1.3, sector="Energy", market_cap=Decimal(10**9), known_on=date(2026, 11, 20))
    found = merge_fundamentals([first, second])
    assert found.value == Fundamentals(
        beta=1.1, sector="Energy", market_cap=Decimal(10**9), known_on=date(2026, 11, 20), sources=("a", "b")
    )
    assert found.words == ()


def test_who_gives_nothing_that_is_taken_is_not_named():
    assert merge_fundamentals([facts("a", beta=1.1), facts("b", beta=1.2)]).value.sources == ("a",)
    assert merge_fundamentals([]).value == Fundamentals()


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("market_cap", Decimal(3 * 10**12), Decimal(3 * 10**6)),
        ("beta", 1.1, 2.2),
        ("revenue_growth", 0.06, 6.0),
        ("earnings_growth", 0.3, -0.1),
        ("dividend_yield", 0.005, 0.5),
        ("margin", 0.25, 25.0),
    ],
)
def test_a_fact_that_two_contradict_each_other_about_is_unknown_and_both_are_told(name: str, one, other):
    found = merge_fundamentals([facts("a", **{name: one}), facts("b", **{name: other})])
    assert getattr(found.value, name) is None
    assert found.value.sources == ()
    assert f"a {one}, b {other}" in found.words[0]
    outvoted = merge_fundamentals([facts("a", **{name: one}), *(facts(who, **{name: other}) for who in "bc")])
    assert getattr(outvoted.value, name) == other


def test_margins_are_taken_from_one_source():
    first = facts("a", margin=0.20)
    second = facts("b", margin=0.22, margin_before=0.18, margin_change=0.04)
    found = merge_fundamentals([first, second]).value
    assert (found.margin, found.margin_before, found.margin_change) == (0.20, None, None)
    assert found.sources == ("a",)


def test_sectors_go_by_many_names():
    found = merge_fundamentals([facts("a", sector="Technology"), facts("b", sector="Information Technology")])
    assert (found.value.sector, found.words) == ("Technology", ())
