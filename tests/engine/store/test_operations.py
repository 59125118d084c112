"""Scans, settings, jobs, the lease, daily equity and the paper journal in the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.errors import DataInvalid
from engine.model.market import IvDay, Kind, Source
from engine.model.records import EquityDay, Lease, RiskLimits, Run, RunState, StrategyDay
from engine.model.trade import FunnelLine, Rejection, RiskLevel, Scan, Step, Verdict
from engine.store import Store
from tests import make

D = make.D
HOUR = timedelta(hours=1)


def scan(**more: object) -> Scan:
    defaults = {
        "id": "S1",
        "strategy": "wheel",
        "asof": make.NOW,
        "universe": 149,
        "funnel": (FunnelLine("market cap", "≥ 10 B", 40, 109),),
        "not_checked": ("earnings",),
        "plans": (make.plan(),),
        "rejected": (Rejection("ABC", "market cap", "3 B", "≥ 10 B"),),
        "steps": {"ABC": (Step("market cap", "≥ 10 B", "3 B", Verdict.FAILED),)},
    }
    return Scan(**(defaults | more))


def day(number: int, **more: object) -> EquityDay:
    numbers = dict.fromkeys(
        ("equity", "cash", "realised", "unrealised", "dividends", "interest", "flows", "fees"), D("1.25")
    )
    return EquityDay(day=make.TODAY + timedelta(days=number), at=make.NOW, **(numbers | more))


def seen(number: int, iv: float, kind: Kind = Kind.REAL) -> IvDay:
    return IvDay(make.TODAY + timedelta(days=number), iv, Source("test", kind))


def test_a_scan_comes_back_whole(store: Store):
    with store.begin() as work:
        work.add_scan(scan())
    with store.read() as work:
        assert work.last_scan("wheel") == scan()
        assert work.last_scan("lotto") is None


def test_the_latest_scan_and_the_outcomes_of_those_of_a_span_are_found(store: Store):
    later = scan(id="S2", asof=make.NOW + HOUR)
    with store.begin() as work:
        work.add_scan(later)
        work.add_scan(scan())
    with store.read() as work:
        assert work.last_scan("wheel") == later
        outcomes = work.scan_outcomes(make.NOW, make.NOW + HOUR)
    (outcome,) = outcomes
    assert (outcome.strategy, outcome.not_checked) == ("wheel", scan().not_checked)
    assert len(outcome.plans) == len(scan().plans)


def test_a_setting_keeps_its_last_value_and_who_set_it(store: Store):
    with store.begin() as work:
        assert work.setting("halt") is None
        work.set_setting("halt", "yes", "ann", make.NOW)
        work.set_setting("halt", "", "bob", make.NOW + HOUR)
    with store.read() as work:
        assert work.setting("halt") == ""
        assert [(x.set_by, x.set_at) for x in work.settings()] == [("bob", make.NOW + HOUR)]


def test_settings_asked_for_together_come_by_name_without_those_never_set(store: Store):
    with store.begin() as work:
        for name in ("breach:P1", "breach:P2", "halt"):
            work.set_setting(name, f"value of {name}", "desk", make.NOW)
    with store.read() as work:
        found = work.settings_named(["breach:P2", "breach:P3", "breach:P1"])
        assert found == {"breach:P1": "value of breach:P1", "breach:P2": "value of breach:P2"}
        assert work.settings_named([]) == {}


def test_an_update_is_new_once(store: Store):
    with store.begin() as work:
        assert work.first_time("telegram:81", make.NOW)
    with store.begin() as work:
        assert not work.first_time("telegram:81", make.NOW)
        assert work.first_time("telegram:82")


def test_the_catalogue_s_word_on_a_strategy_replaces_what_was_guessed(store: Store):
    with store.begin() as work:
        work.ensure_strategy("wheel", make.NOW)
        work.set_strategy("wheel", RiskLevel.LOW, "enabled", make.NOW + HOUR)
    with store.read() as work:
        (known,) = work.strategies()
    assert (known.risk_level, known.created_at) == (RiskLevel.LOW, make.NOW)


def test_what_strategies_had_made_comes_back_by_session_and_a_second_writing_corrects_it(store: Store):
    first, second = make.TODAY, make.TODAY + timedelta(days=1)
    wheel = StrategyDay(first, "wheel", D("-12.34"), D("5.000001"), D("60"), D("4"))
    with store.begin() as work:
        for row in (replace(wheel, day=second), StrategyDay(second, "lotto"), replace(wheel, fees=D(9)), wheel):
            work.add_strategy_day(row)
    with store.read() as work:
        assert work.strategy_history(first) == (wheel, StrategyDay(second, "lotto"), replace(wheel, day=second))
        assert work.strategy_history(second) == (StrategyDay(second, "lotto"), replace(wheel, day=second))
    assert wheel.made == D("48.660001")


def test_the_rate_of_a_day_is_kept_or_not_known(store: Store):
    with store.begin() as work:
        work.add_equity(day(0, rate=0.0398))
        work.add_equity(day(1))
    with store.read() as work:
        assert [row.rate for row in work.equity_history()] == [0.0398, None]


def test_a_job_runs_once_for_each_due_time(store: Store):
    run = Run("R1", "digest", make.NOW, make.NOW)
    with store.begin() as work:
        assert work.add_run(run)
        assert not work.add_run(replace(run, id="R2"))
        assert work.add_run(replace(run, id="R3", due_at=make.NOW + HOUR, started_at=make.NOW + HOUR))
        assert work.end_run(run, RunState.DONE, make.NOW + HOUR, "sent")
    with store.read() as work:
        assert work.runs("digest", limit=1)[0].id == "R3"
        assert work.runs()[1] == replace(run, state=RunState.DONE, finished_at=make.NOW + HOUR, note="sent")


def test_a_run_is_ended_once_and_only_by_who_runs_it(store: Store):
    run = Run("R1", "digest", make.NOW, make.NOW, "one", 1)
    again = replace(run, holder="two", epoch=2, started_at=make.NOW + HOUR, note="again")
    with store.begin() as work:
        work.add_run(run)
        taken = work.take_up_run(again), work.unfinished_runs("digest")
        ended = [work.end_run(each, RunState.DONE, make.NOW + HOUR) for each in (run, again, again)]

    assert taken == (True, (again,))
    assert ended == [False, True, False]


def test_a_job_is_settled_up_to_a_time_and_runs_leave_that_alone(store: Store):
    with store.begin() as work:
        before = work.settled("digest")
        work.settle_job("digest", "at the close", make.NOW)
        work.add_run(Run("R1", "digest", make.NOW + HOUR, make.NOW, since=make.NOW))
        work.add_run(Run("R2", "backup", make.NOW, make.NOW))
    with store.read() as work:
        assert (before, work.settled("digest"), work.settled("backup")) == (None, make.NOW, None)
        assert work.runs("digest")[0].since == make.NOW


def test_the_lease_has_one_holder_until_it_expires(store: Store):
    with store.begin() as work:
        assert work.take_lease("desk", "one", make.NOW, make.NOW + HOUR) == Lease("desk", "one", 1, make.NOW + HOUR)
        assert work.take_lease("desk", "two", make.NOW + HOUR / 2, make.NOW + 2 * HOUR) is None
        taken = work.take_lease("desk", "two", make.NOW + HOUR, make.NOW + 2 * HOUR)
    assert taken == Lease("desk", "two", 2, make.NOW + 2 * HOUR)


def test_a_lost_lease_cannot_be_renewed(store: Store):
    with store.begin() as work:
        work.take_lease("desk", "one", make.NOW, make.NOW + HOUR)
        assert work.renew_lease("desk", "one", 1, make.NOW + 2 * HOUR)
        work.take_lease("desk", "two", make.NOW + 2 * HOUR, make.NOW + 3 * HOUR)
        assert not work.renew_lease("desk", "one", 1, make.NOW + 4 * HOUR)
        assert work.lease("desk") == Lease("desk", "two", 2, make.NOW + 3 * HOUR)


def test_equity_history_is_oldest_first_and_a_day_can_be_corrected(store: Store):
    with store.begin() as work:
        for number in range(3):
            work.add_equity(day(number))
        work.add_equity(day(2, equity=D("2.5"), liquidation=D(2)))
    with store.read() as work:
        assert work.equity_history(limit=2) == (day(1), day(2, equity=D("2.5"), liquidation=D(2)))


def test_the_highest_close_leaves_out_deposits_and_older_sessions(store: Store):
    with store.begin() as work:
        assert work.equity_peak() is None
        for number, (equity, flows) in enumerate(
            [("900", "0"), ("1200.50", "500"), ("1150.25", "500"), ("1100", "500")]
        ):
            work.add_equity(day(number, equity=D(equity), flows=D(flows)))
    with store.read() as work:
        assert work.equity_peak() == D("900")
        assert work.equity_peak(limit=3) == D("700.5")


def test_volatility_history_ends_before_the_day_asked_for(store: Store):
    with store.begin() as work:
        for number in range(4):
            work.add_iv("XYZ", seen(number, 0.30 + number / 100))
        work.add_iv("ABC", seen(0, 0.9))
    with store.read() as work:
        assert work.iv_history("XYZ", make.TODAY + timedelta(days=3), limit=2) == (seen(1, 0.31), seen(2, 0.32))


def test_a_reconstructed_volatility_gives_way_to_a_real_one_and_never_the_reverse(store: Store):
    with store.begin() as work:
        assert work.add_iv("XYZ", seen(0, 0.30, Kind.RECONSTRUCTED))
        assert work.add_iv("XYZ", seen(0, 0.31, Kind.RECONSTRUCTED))
        assert work.iv_seen(make.TODAY) == frozenset()
        assert work.add_iv("XYZ", seen(0, 0.40, Kind.INDICATIVE))
        assert work.add_iv("XYZ", seen(0, 0.41))
        assert not work.add_iv("XYZ", seen(0, 0.32, Kind.RECONSTRUCTED))
        assert not work.add_iv("XYZ", seen(0, 0.42, Kind.INDICATIVE))
        assert work.iv_seen(make.TODAY) == {"XYZ"}
    with store.read() as work:
        assert work.iv_history("XYZ", make.TODAY + timedelta(days=1)) == (seen(0, 0.41),)


@pytest.mark.parametrize(
    ("iv", "kind"),
    [(0.3, Kind.MODELLED), (0.3, Kind.PROXY), (0.0, Kind.REAL), (float("nan"), Kind.REAL), (float("inf"), Kind.REAL)],
)
def test_what_is_no_observed_volatility_is_not_kept(store: Store, iv: float, kind: Kind):
    with store.begin() as work, pytest.raises(DataInvalid, match="no volatility that was observed"):
        work.add_iv("XYZ", seen(0, iv, kind))


def test_limits_set_by_a_person_are_kept(store: Store):
    account = RiskLimits("L1", None, D("0.05"), None, D("0.08"), "ann", make.NOW)
    wheel = RiskLimits("L2", "wheel", D("0.02"), None, None, "ann", make.NOW + HOUR)
    with store.begin() as work:
        work.add_risk_limits(account)
        work.add_risk_limits(wheel)
    with store.read() as work:
        assert work.risk_limits() == (account, wheel)


def test_the_paper_journal_survives_and_overwrites(store: Store):
    journal = store.paper_journal()
    journal.write("order", "A1", "{1}")
    journal.write_many([("order", "A1", "{2}"), ("cash", "usd", "100")])
    assert store.paper_journal().read() == (("cash", "usd", "100"), ("order", "A1", "{2}"))
