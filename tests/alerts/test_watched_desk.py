"""A desk that watches itself: something happens to it, its alert fires; it is put right, and the alert is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from alerts.facts import Front, Loop, Process
from engine import alarms, holdings
from engine.model.book import Posting, PostingKind
from engine.model.events import EventKind, Severity
from engine.model.legs import Structure
from engine.model.records import Run, RunState
from engine.ports import SourceState
from tests import make
from tests.alerts.watched import (
    CALL,
    LOOSE,
    PUT,
    SHARE,
    Watch,
    close,
    position,
    put,
    shares,
    watched,
)
from tests.custodian import kept
from tests.desk import Fault, propose, tap

D = Decimal


def test_a_calm_desk_has_no_alert() -> None:
    it = watched(shares(), put(id="P00002"), mids={PUT: "1.03"}, limits=LOOSE)

    assert it.look(minutes=15) == set()


# The account.


def test_total_risk_near_its_limit_and_crossed_and_back() -> None:
    """1,000 shares count 9,600; with 17,000 of something else that is 26.6 % of 100,000."""
    far = make.call(90)
    other = position(far, 2, "1.03", Structure.LONG_CALL, id="P00002", risk=D(17_000))
    it = watched(shares(), other, mids={far: "1.03"}, limits=replace(LOOSE, drawdown_halt=D(1)))
    assert it.look() == set()

    it.mids[SHARE] = "46"
    first = it.look(minutes=2)
    near, words = it.look(minutes=1), it.words("limit_near", "total risk")
    it.mids[SHARE] = "36"
    soon = it.look(minutes=2)
    crossed, said = it.look(minutes=1), it.words("limit_crossed", "total risk")
    it.mids[SHARE] = "60"
    after = it.look(minutes=1)

    assert (first, near) == (set(), {"limit_near"})
    assert (soon, crossed, after) == ({"limit_near"}, {"limit_crossed"}, set())
    assert words == "Total risk is 27.1 %, 90 % of its limit of 30.0 %."
    assert said == "Total risk is 30.2 %, 101 % of its limit of 30.0 %."


def test_a_crossed_limit_makes_one_sound_until_nobody_answers() -> None:
    far = make.call(90)
    other = position(far, 2, "1.03", Structure.LONG_CALL, id="P00002", risk=D(31_000))
    it = watched(other, mids={far: "1.03"}, limits=LOOSE)

    it.look(minutes=10)
    told = it.sounds
    it.look(minutes=10)

    assert told == [EventKind.RISK_BREACHED]
    assert it.sounds == [EventKind.RISK_BREACHED, EventKind.ALERT_ESCALATED]


def test_a_crossed_limit_is_heard_at_once_also_at_night() -> None:
    far = make.call(90)
    other = position(far, 2, "1.03", Structure.LONG_CALL, id="P00002", risk=D(31_000))
    it = watched(other, mids={far: "1.03"}, limits=LOOSE)

    it.look(minutes=1)

    assert [event.severity for event in it.world.events(EventKind.RISK_BREACHED)] == [Severity.URGENT]


def test_a_drawdown_is_told_before_it_halts_the_desk() -> None:
    it = watched(shares(), limits=LOOSE)

    it.mids[SHARE] = "40"
    fallen, words = it.look(minutes=3), it.words("drawdown")
    it.mids[SHARE] = "44"
    after = it.look(minutes=1)

    assert (fallen, after) == ({"drawdown"}, set())
    assert words == "The account is 8.0 % below its peak. At 10.0 % entries halt until an admin resumes."


def test_a_drawdown_that_jumps_past_its_limit_makes_one_sound() -> None:
    it = watched(shares(), limits=LOOSE)

    it.mids[SHARE] = "37"
    fallen = it.look(minutes=5)

    assert "drawdown" in fallen
    assert it.sounds == [EventKind.RISK_BREACHED]


def test_puts_that_the_cash_does_not_cover_any_more_are_told() -> None:
    it = watched(put(), mids={PUT: "1.03"})
    with it.world.store.begin() as work:
        work.add_postings((Posting("out", PostingKind.FLOW, make.NOW, D(-92_000)),))

    soon, short = it.look(minutes=1), it.look(minutes=2)
    close(it)
    after = it.look(minutes=1)

    assert "margin" not in soon
    assert "margin" in short
    assert "margin" not in after


def test_a_delta_that_prices_moved_is_told_and_one_that_was_traded_is_not() -> None:
    it = watched(shares(), position(CALL, 20, "4.00", Structure.LONG_CALL, id="P00002"), limits=LOOSE)
    it.mids[CALL] = "4.00"
    assert it.look() == set()

    it.mids |= {SHARE: "51.50", CALL: "7.20"}
    moved, words = it.look(minutes=11), it.words("delta_drift")
    it.mids |= {SHARE: "48", CALL: "4.00"}
    back = it.look(minutes=11)
    with it.world.store.begin() as work:
        work.save_position(position(SHARE, 500, "48", Structure.SHARES, id="P00003"))
        work.add_postings((Posting("more", PostingKind.TRADE, make.NOW, D(-24_000)),))
    traded = it.look(minutes=11)

    assert "delta_drift" in moved
    assert words.startswith("Prices alone have moved the account's delta by +")
    assert (back, traded) == (set(), set())


def test_a_vega_that_prices_moved_is_told() -> None:
    far = make.call(60, dte=400)
    it = watched(position(far, 60, "1.00", Structure.LONG_CALL), limits=LOOSE, mids={far: "1.00"})
    assert it.look() == set()

    it.mids |= {SHARE: "58", far: "4.50"}
    moved = it.look(minutes=11)
    it.mids |= {SHARE: "48", far: "1.00"}
    back = it.look(minutes=11)

    assert "vega_drift" in moved
    assert "vega_drift" not in back


# Positions.


def test_a_stop_that_is_near_and_far_again() -> None:
    it = watched(put(), mids={PUT: "1.03"})
    assert it.look() == set()

    it.mids[PUT] = "1.95"
    near, words = it.look(minutes=1), it.words("stop_near")
    it.mids[PUT] = "1.50"
    after = it.look(minutes=1)

    assert (near, after) == ({"stop_near"}, set())
    assert words == (
        "P00001 (-2 × XYZ 20 Jul 26 44 put): worth -1.95 a share, stop at -2.06; 11 % of the way to the stop is left."
    )


def test_a_target_that_is_near_and_far_again() -> None:
    it = watched(put(), mids={PUT: "0.55"})

    near, words = it.look(minutes=1), it.words("target_near")
    it.mids[PUT] = "0.80"
    after = it.look(minutes=1)

    assert (near, after) == ({"target_near"}, set())
    assert "worth -0.55 a share, target at -0.52" in words


def test_an_exit_that_fails_is_an_alert_beside_its_alarm_and_is_heard_when_nobody_answers() -> None:
    it = watched(put())
    desk = it.world.desk
    with desk.store.begin() as work:
        alarms.tell(desk, work, put(), "order P00001.stop.1: refused")
        alarms.tell(desk, work, put(), "the order is lost", alarms.Trouble.NET)
    told = len(it.sounds)

    first, alert = it.look(), it.open[0]
    it.look(minutes=6)
    heard = it.sounds[told:]
    with desk.store.begin() as work:
        alarms.over(desk, work, put(), "It is closed.")

    assert (first, it.look(minutes=1)) == ({"exit_failed"}, set())
    assert alert.told_by.startswith("E")
    assert alert.words == "An exit of XYZ (P00001) has failed once: order P00001.stop.1: refused."
    assert heard == [EventKind.ALERT_ESCALATED] * 4


def test_a_stop_near_is_over_when_its_position_is_gone() -> None:
    it = watched(put(), mids={PUT: "1.95"})
    assert it.look() == {"stop_near"}

    close(it)

    assert it.look(minutes=1) == set()


def test_a_price_that_is_gone_leaves_an_alert_as_it_is() -> None:
    it = watched(put(), mids={PUT: "1.95"})
    assert it.look() == {"stop_near"}

    del it.mids[PUT]
    it.world.market.drop_quote(PUT)

    assert it.look(minutes=1) == {"stop_near"}


# Prices and the broker.


def test_prices_that_are_not_renewed_are_told_after_a_minute_more() -> None:
    it = watched(shares(), limits=LOOSE)
    it.look()

    it.mids.clear()
    soon, late = it.look(minutes=2), it.look(minutes=1)
    words = it.words("data_stale")
    it.mids[SHARE] = "48"
    after = it.look(minutes=1)

    assert (soon, late, after) == (set(), {"data_stale"}, set())
    assert words == "1 of 1 held names (100 %) have no quote younger than 60 s: XYZ (3 min)."


def test_a_provider_that_is_down_and_up_again() -> None:
    it = watched()
    down = SourceState("yahoo", (), is_up=False, trouble="HTTP 429", since=it.world.clock())
    it.world.market.states = (down,)

    soon, late, words = it.look(minutes=2), it.look(minutes=1), it.words("provider_down")
    it.world.market.states = (replace(down, is_up=True, answered_at=it.world.clock()),)
    after = it.look(minutes=1)

    assert (soon, late, after) == (set(), {"provider_down"}, set())
    assert words == "yahoo is down for 3 min: HTTP 429"


def test_a_broker_that_is_silent_and_heard_again() -> None:
    it = watched()
    it.look()

    it.is_broker_heard = False
    down, words = it.look(minutes=2), it.words("broker_down")
    it.is_broker_heard = True
    after = it.look(minutes=1)

    assert (down, after) == ({"broker_down"}, set())
    assert words == "The broker told the account last 2 min ago."


def test_a_broker_that_refuses_one_order_after_another() -> None:
    it = watched()
    it.world.broker.faults = [Fault.REFUSE] * 3
    for number in range(1, 4):
        propose(it.world, id=f"A0000{number}")
        it.world.market.set_quote(PUT, "0.98", "1.08")
        tap(it.world, f"A0000{number}")

    refusing, words = it.look(), it.words("broker_rejects")
    after = it.look(minutes=16)

    assert ("broker_rejects" in refusing, "broker_rejects" in after) == (True, False)
    assert words.startswith("The broker refused 3 orders in a quarter of an hour. The last one: ")


def test_a_difference_to_the_broker_that_stays_and_is_settled() -> None:
    desk = kept()
    it = Watch(desk.world)
    desk.broker.move(SHARE, 200, 44)
    holdings.reconcile(desk.world.desk)

    told, sounds, words = it.look(), it.sounds, it.words("position_mismatch")
    it.look(minutes=10)
    unanswered = it.sounds
    desk.broker.move(SHARE, 0)
    holdings.reconcile(desk.world.desk)
    after = it.look(minutes=1)

    assert (told, after) == ({"position_mismatch"}, set())
    assert sounds == [EventKind.POSITION_MISMATCH, EventKind.ADOPTION_ASKED]
    assert unanswered == [*sounds, EventKind.ALERT_ESCALATED]
    assert words.startswith("XYZ: the broker has ")


# The process.


@pytest.mark.parametrize(
    ("rule", "bad", "good", "words"),
    [
        (
            "exits_stalled",
            Process(loops=(Loop("exits", 45.0), Loop("exit orders", 0.1))),
            Process(loops=(Loop("exits", 0.4), Loop("exit orders", 0.1))),
            "The loop “exits” finished its last look 45 s ago.",
        ),
        (
            "disk",
            Process(disk_free=200_000_000),
            Process(disk_free=9_000_000_000),
            "0.20 GB are free where the database is; 1 GB should be.",
        ),
        (
            "clock_skew",
            Process(skew=-4.2, skew_at=make.NOW),
            Process(skew=0.01, skew_at=make.NOW),
            "This machine's clock is 4.2 s behind the broker's.",
        ),
        (
            "database_slow",
            Process(commit_seconds=2.5),
            Process(commit_seconds=0.01),
            "A small transaction took 2.50 s.",
        ),
        (
            "platform_down",
            Process(fronts=(Front("discord", False, "no gateway"),)),
            Process(fronts=(Front("discord", True, "connected"),)),
            "Discord is not reached: no gateway",
        ),
        (
            "backup_old",
            Process(backup=make.NOW - timedelta(days=2)),
            Process(backup=make.NOW),
            "The last backup is old: 48 h.",
        ),
    ],
)
def test_trouble_of_the_process_is_told_and_its_end(rule: str, bad: Process, good: Process, words: str) -> None:
    it = watched()
    it.process = bad
    told = it.look(minutes=11)
    said = it.words(rule)
    it.process = good
    after = it.look(minutes=1)

    assert (told, after) == ({rule}, set())
    assert said == words


def test_a_job_that_was_missed_and_is_done_the_next_time() -> None:
    it = watched()
    due = make.NOW - timedelta(minutes=30)
    with it.world.store.begin() as work:
        work.add_run(Run("R1", "digest", due, make.NOW, state=RunState.MISSED, note="the desk was down"))

    missed, words = it.look(minutes=3), it.words("job_missed")
    with it.world.store.begin() as work:
        begun = Run("R2", "digest", it.world.clock(), it.world.clock(), state=RunState.RUNNING)
        work.add_run(begun)
    running = it.look(minutes=1)
    with it.world.store.begin() as work:
        work.end_run(begun, RunState.DONE, it.world.clock())
    after = it.look(minutes=1)

    assert (missed, running, after) == ({"job_missed"}, {"job_missed"}, set())
    assert words == "digest, due Mon 15 Jun 09:30 ET, was missed: the desk was down"


def test_a_job_that_failed_and_is_done_the_next_time() -> None:
    it = watched()
    with it.world.store.begin() as work:
        work.add_run(Run("R1", "stress", make.NOW, make.NOW, state=RunState.FAILED, note="no price"))

    failed, words = it.look(minutes=3), it.words("job_failed")
    with it.world.store.begin() as work:
        work.add_run(Run("R2", "stress", it.world.clock(), it.world.clock(), state=RunState.DONE))
    after = it.look(minutes=1)

    assert (failed, after) == ({"job_failed"}, set())
    assert words == "stress, due Mon 15 Jun 10:00 ET, failed: no price"


def test_errors_beyond_the_service_level_and_an_hour_without_any() -> None:
    it = watched()
    desk = it.world.desk
    with it.world.store.begin() as work:
        work.add_events(desk.event(EventKind.COMMAND, "/risk", {}) for _ in range(97))
        work.add_events(desk.event(EventKind.ERROR, "books: account", {}, Severity.URGENT) for _ in range(3))

    many, words = it.look(), it.words("error_rate")
    after = it.look(minutes=61)

    assert (many, after) == ({"error_rate"}, set())
    assert words == "3 errors in 100 acts of the last hour, 3.00 %."


def test_a_message_that_does_not_get_through_and_then_does() -> None:
    it = watched()
    event = it.world.desk.event(EventKind.NOTE, "x", {})
    with it.world.store.begin() as work:
        work.add_event(event)
        work.enqueue(event.id, "telegram:5", 0, "event:x")

    stuck, words = it.look(minutes=10), it.words("undelivered")
    with it.world.store.begin() as work:
        work.mark_sent([f"{event.id}:telegram:5:0"], "7", it.world.clock())
    after = it.look(minutes=1)

    assert (stuck, after) == ({"undelivered"}, set())
    assert words == "1 message waits for telegram:5, the oldest for 10 min."


def test_messages_for_a_platform_that_is_away_are_no_trouble_of_their_own() -> None:
    it = watched()
    event = it.world.desk.event(EventKind.NOTE, "x", {})
    with it.world.store.begin() as work:
        work.add_event(event)
        work.enqueue(event.id, "telegram:5", 0, "event:x")
    it.process = Process(fronts=(Front("telegram", False, "no answer"),))

    away = it.look(minutes=20)
    it.process = Process(fronts=(Front("telegram", True, "connected"),))
    back = it.look(minutes=1)

    assert (away, back) == ({"platform_down"}, {"undelivered"})
