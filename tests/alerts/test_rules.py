"""Every alert rule at its bounds: what fires it, what does not, what ends it, and what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.facts import Broker, Facts, Loop, Money, Process, Sold, Watched
from alerts.findings import ALL, Finding, Rule
from alerts.rules import RULES, catalogue
from alerts.rules.thresholds import Thresholds
from engine.drift import Moved
from engine.ports import SourceState
from engine.risk import LimitUse
from tests.alerts import rule_cases as cases
from tests.alerts.rule_cases import CASES

D = Decimal
BY_NAME = {rule.name: rule for rule in RULES}


def read(name: str, facts: Facts, subject: str | None = None) -> Finding | None:
    """What a rule finds of the subject of its case; the finding about all of its subjects where that is all it says."""
    found = {finding.subject: finding for finding in BY_NAME[name].read(facts)}
    return found.get(CASES[name].subject if subject is None else subject, found.get(ALL))


def value(name: str, facts: Facts) -> float:
    """The value of that subject; below every bound where it is not found."""
    finding = read(name, facts)
    assert finding is None or finding.value is not None
    return float("-inf") if finding is None or finding.value is None else finding.value


def test_the_rules_are_those_that_are_promised():
    promised = (
        "limit_near limit_crossed drawdown margin delta_drift vega_drift stop_near target_near expiry assignment "
        "exit_failed ex_dividend earnings data_stale provider_down broker_down broker_rejects position_mismatch "
        "exits_stalled job_missed job_failed disk clock_skew error_rate undelivered platform_down backup_old "
        "database_slow"
    )
    assert sorted(rule.name for rule in RULES) == sorted(promised.split())


def test_every_rule_has_its_case():
    assert CASES.keys() == BY_NAME.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_rule_fires_just_beyond_its_bound(name):
    assert value(name, CASES[name].beyond) >= BY_NAME[name].fires


@pytest.mark.parametrize("name", CASES)
def test_a_rule_does_not_fire_just_short_of_its_bound(name):
    assert value(name, CASES[name].short) < BY_NAME[name].fires


@pytest.mark.parametrize("name", CASES)
def test_a_rule_is_over_only_a_way_back_from_its_bound(name):
    rule, between = BY_NAME[name], CASES[name].between
    assert value(name, CASES[name].over) <= rule.clears < rule.fires
    if between is not None:
        assert rule.clears < value(name, between) < rule.fires


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.unknown is not None])
def test_what_nobody_knows_is_never_fine(name):
    unknown = CASES[name].unknown
    assert unknown is not None
    finding = read(name, unknown)
    assert finding is not None
    assert finding.value is None


@pytest.mark.parametrize("name", CASES)
def test_the_words_name_the_numbers_and_what_to_do(name):
    finding = read(name, CASES[name].beyond)
    assert finding is not None
    assert [part for part in CASES[name].said if part not in finding.words] == []
    assert finding.advice.endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_closed_market_judges_no_price(rule: Rule[Facts]):
    if rule.name not in {"limit_near", "limit_crossed", "drawdown", "delta_drift", "vega_drift", "stop_near",
                         "target_near", "assignment", "ex_dividend", "data_stale"}:  # fmt: skip
        return
    closed = replace(CASES[rule.name].beyond, is_open=False, opened=None)
    assert [finding.value for finding in rule.read(closed)] == [None]


# What is particular to one rule.


def test_a_zero_limit_that_something_counts_toward_is_crossed():
    none_allowed = cases.facts(uses=(LimitUse("lotto risk", D("0.01"), D(0)), LimitUse("total risk", D(0), D(0))))
    assert [finding.value for finding in BY_NAME["limit_crossed"].read(none_allowed)] == [float("inf"), 0.0]


def test_what_jumps_past_its_limit_was_never_near_it() -> None:
    past = read("limit_near", cases.used("1.0"))
    assert past is not None
    assert past.value is None


def test_cash_that_short_puts_could_take_more_than_is_there_is_a_matter_of_margin():
    short = cases.facts(money=Money(D(100_000), D(40_000), D(44_000)))
    finding = read("margin", short, "cash")
    assert finding is not None
    assert finding.value == pytest.approx(1.1)
    assert "44,000.00 of 40,000.00 in cash, 4,000.00 more than there is" in finding.words


def test_no_buying_power_left_is_a_matter_of_margin():
    gone = read("margin", cases.facts(money=Money(equity=D(100_000), power=D(-250))), "buying power")
    some = read("margin", cases.facts(money=Money(equity=D(100_000), power=D(6_000))), "buying power")
    assert gone is not None
    assert some is not None
    assert (gone.value, some.value) == (1.0025, 0.94)


def test_a_stop_on_the_shares_counts_ten_percent_of_their_price_as_its_way():
    near = Watched("P00003", "XYZ", "100 × XYZ", spot=D("60.80"), stop_spot=D("60.00"))
    assert near.to_stop == 1 - D("0.80") / D("6.080")
    assert replace(near, spot=D(66)).to_stop == 1 - D(6) / D("6.60")


def test_a_stop_above_the_price_is_near_when_it_rises():
    short = Watched("P00003", "XYZ", "short", spot=D(100), stop_spot_above=D(101))
    assert short.to_stop == D("0.9")


def test_the_nearest_of_several_stops_counts():
    both = Watched("P1", "XYZ", "x", entry=D(2), value=D(2), stop=D(1), spot=D(100), stop_spot=D("99.5"))
    assert both.to_stop == D("0.95")


def test_a_stop_raised_to_the_entry_has_a_way_of_its_own():
    raised = Watched("P1", "XYZ", "x", entry=D(2), value=D("2.1"), stop=D(2))
    assert raised.to_stop == D("0.5")


def test_a_stop_of_nothing_at_an_entry_of_nothing_is_unknown():
    assert Watched("P1", "XYZ", "x", entry=D(0), value=D(0), stop=D(0)).to_stop is None


def test_a_position_that_is_being_closed_has_no_stop_or_target_near():
    closing = replace(cases.PUT, value=D("-2.00"), is_closing=True)
    assert list(BY_NAME["stop_near"].read(cases.facts(positions=(closing,)))) == []
    assert list(BY_NAME["target_near"].read(cases.facts(positions=(closing,)))) == []


def test_what_is_held_to_expiry_by_design_is_not_late():
    facts = cases.ending(30)
    held = replace(facts, positions=(replace(facts.positions[0], is_held_to_expiry=True),))
    assert list(BY_NAME["expiry"].read(held)) == []


def test_an_option_out_of_the_money_is_as_far_from_assignment_as_its_way_into_it():
    out = Sold("P1", "XYZ", "x", is_call=True, dollars=D(1), inside=D("-0.50"), time_value=D("0.03"))
    assert out.forgone == D("0.53")


def test_a_short_put_that_the_cash_does_not_cover_says_by_how_much():
    put = replace(cases.CALL, is_call=False, words="XYZ 45 put", time_value=D("0.01"), short_cash=D(500))
    (finding,) = BY_NAME["assignment"].read(cases.facts(sold=(put,)))
    assert "it takes 4,500.00, 500.00 more than the cash" in finding.words


def test_an_ex_date_far_ahead_is_not_told_yet():
    assert list(BY_NAME["ex_dividend"].read(cases.ex_dividend("0.01", sessions=6))) == []


def test_dividends_that_nobody_tells_are_unknown():
    (finding,) = BY_NAME["ex_dividend"].read(cases.short_call("0.01", knows_dividends=False))
    assert finding.value is None


def test_the_last_half_hour_before_a_report_is_a_sound_of_its_own():
    def found(minute: int) -> list[tuple[str, float | None]]:
        at = datetime(2026, 6, 16, 19, minute, tzinfo=UTC)
        return [(finding.subject, finding.value) for finding in BY_NAME["earnings"].read(cases.reporting(at))]

    assert found(29) == [("XYZ", 1.0), ("XYZ last chance", 0.0)]
    assert found(30) == [("XYZ", 1.0), ("XYZ last chance", 1.0)]


def test_prices_are_not_missed_in_the_first_minute_and_a_half_of_a_session():
    early = cases.quoted(10, opened=cases.ago(89))
    late = cases.quoted(10, opened=cases.ago(90))
    assert [f.value for facts in (early, late) for f in BY_NAME["data_stale"].read(facts)] == [None, 1.0]


def test_a_name_without_any_quote_is_stale():
    (finding,) = BY_NAME["data_stale"].read(cases.facts(quotes=(("XYZ", None),)))
    assert finding.value == 1.0
    assert "XYZ (none)" in finding.words


def test_a_desk_that_holds_nothing_misses_no_price():
    assert list(BY_NAME["data_stale"].read(cases.facts())) == []


def test_a_broker_that_never_answered_is_silent_since_the_process_began():
    (finding,) = BY_NAME["broker_down"].read(cases.process(since=cases.ago(200)))
    assert finding.value == 200.0


def test_two_errors_of_a_quiet_night_are_no_rate():
    (finding,) = BY_NAME["error_rate"].read(cases.facts(errors=2, acts=4))
    assert finding.value == 0.0


def test_a_desk_that_never_made_a_backup_is_told_a_day_and_a_half_after_it_began():
    (finding,) = BY_NAME["backup_old"].read(cases.process(since=cases.ago(hours=36)))
    assert finding.value == 36.0
    assert "No backup is known of" in finding.words


def test_a_full_disk_is_as_bad_as_it_gets():
    (finding,) = BY_NAME["disk"].read(cases.process(disk_free=0))
    assert finding.value == float("inf")


def test_bounds_that_a_person_sets_are_those_of_the_rules():
    wider = {rule.name: rule for rule in catalogue(Thresholds(limit_near=0.8, stop_near=0.25, disk_gb=5, rejects=10))}
    assert (wider["limit_near"].fires, wider["stop_near"].fires, wider["broker_rejects"].fires) == (0.8, 0.75, 10.0)
    (disk,) = wider["disk"].read(cases.process(disk_free=5_000_000_000))
    assert disk.value == 1.0


@pytest.mark.parametrize("bounds", [{"limit_near": 0}, {"stop_near": 1.5}, {"skew_seconds": -1}, {"margin": 2.0}])
def test_a_bound_that_makes_no_sense_is_refused_by_its_name(bounds):
    with pytest.raises(ValueError, match=next(iter(bounds))):
        Thresholds(**bounds)


@given(
    near=st.floats(0.2, 1),
    drawdown=st.floats(0.2, 1),
    drift=st.floats(1e-6, 10),
    stop=st.floats(0.01, 0.99),
    skew=st.floats(1e-3, 60),
    rate=st.floats(1e-6, 1),
)
def test_whatever_the_bounds_are_every_rule_ends_below_where_it_begins(near, drawdown, drift, stop, skew, rate):
    bounds = Thresholds(
        limit_near=near,
        drawdown=drawdown,
        delta_drift=drift,
        vega_drift=drift,
        stop_near=stop,
        skew_seconds=skew,
        error_rate=rate,
    )
    assert [rule.name for rule in catalogue(bounds) if rule.clears >= rule.fires] == []


MONEY = st.none() | st.decimals(-1_000_000, 1_000_000, allow_nan=False, places=2)
SECONDS = st.none() | st.floats(0, 1e6)
MOMENTS = st.none() | st.integers(-(10**6), 10**6).map(cases.ago)
WATCHED = st.builds(
    Watched,
    id=st.just("P1"),
    ticker=st.just("XYZ"),
    words=st.just("x"),
    entry=MONEY,
    value=MONEY,
    spot=MONEY,
    stop=MONEY,
    target=MONEY,
    stop_spot=MONEY,
    stop_spot_above=MONEY,
    last_session=st.none() | st.just(cases.TODAY),
    cutoff=MOMENTS,
)
SOLD = st.builds(
    Sold,
    position=st.just("P1"),
    ticker=st.just("XYZ"),
    words=st.just("x"),
    is_call=st.booleans(),
    dollars=st.just(D(100)),
    inside=MONEY,
    time_value=MONEY,
    dividend=MONEY,
    ex_date=st.none() | st.just(cases.TODAY),
    sessions=st.none() | st.integers(0, 9),
    knows_dividends=st.booleans(),
)
USES = st.builds(LimitUse, st.just("total risk"), MONEY.map(lambda x: x or D(0)), MONEY.map(lambda x: x or D(0)))
PROCESSES = st.builds(
    Process,
    since=MOMENTS,
    loops=st.lists(st.builds(Loop, st.sampled_from(["exits", "books"]), st.floats(0, 1e6))).map(tuple),
    disk_free=st.none() | st.integers(0, 10**15),
    commit_seconds=SECONDS,
    skew=st.none() | st.floats(-1e6, 1e6),
    skew_at=MOMENTS,
    backup=MOMENTS,
)
STATES = st.builds(
    Facts,
    now=st.just(cases.NOW),
    today=st.just(cases.TODAY),
    is_open=st.booleans(),
    opened=MOMENTS,
    uses=st.none() | st.lists(USES, max_size=3).map(tuple),
    drawdown=st.none() | USES,
    money=st.builds(Money, *([MONEY] * 6)),
    drift=st.builds(Moved, *([MONEY] * 4)),
    positions=st.lists(WATCHED, max_size=3).map(tuple),
    sold=st.lists(SOLD, max_size=3).map(tuple),
    quotes=st.lists(st.tuples(st.just("XYZ"), MOMENTS), max_size=8).map(tuple),
    sources=st.lists(st.builds(SourceState, st.just("a"), st.just(()), st.booleans(), since=MOMENTS)).map(tuple),
    broker=st.builds(Broker, answered=MOMENTS),
    errors=st.integers(0, 1000),
    acts=st.integers(0, 1000),
    process=PROCESSES,
)


@given(STATES)
def test_no_rule_fails_whatever_is_known(facts):
    for rule in RULES:
        for finding in rule.read(facts):
            assert finding.words
            assert finding.value is None or finding.value == finding.value  # never NaN
