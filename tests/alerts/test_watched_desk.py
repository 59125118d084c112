"""A desk that watches itself: something happens to it, its alert fires; it is put right, and the alert is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts import alerting, gathering
from alerts.facts import Front, Loop, Process
from alerts.rules import RULES
from engine import holdings, standing, watch
from engine.errors import BrokerUnavailable, DataUnavailable
from engine.model.alerts import Alert
from engine.model.book import Position, PositionStatus, Posting, PostingKind
from engine.model.events import EventKind, Severity
from engine.model.instruments import Instrument
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import Limits
from engine.model.market import Dividend, Earnings, MarketSnapshot, Quote, ReportTime
from engine.model.records import Run, RunState
from engine.ports import SourceState
from tests import make
from tests.custodian import kept
from tests.desk import Fault, World, make_world, propose, tap
from tests.fakes import FakeMarket

D = Decimal
SHARE = make.share()
PUT = make.put(44)
CALL = make.call(45, dte=32)
ENDS = make.call(45, dte=0)
"""A call that expires on Monday, the day these desks stand on."""


@dataclass
class Watch:
    """A desk that is looked at every minute, its process, and its prices: the mids, quoted anew at every look."""

    world: World
    process: Process = field(default_factory=Process)
    mids: dict[Instrument, str] = field(default_factory=lambda: {SHARE: "48"})
    is_broker_heard: bool = True
    open: tuple[Alert, ...] = ()

    def look(self, minutes: int = 0) -> set[str]:
        """Look now, or every minute for so long; the rules that have an open alert then."""
        for _ in range(max(1, minutes)):
            self.world.clock.advance(60 if minutes else 0)
            for item, mid in self.mids.items():
                self.world.market.set_quote(item, D(mid) - D("0.01"), D(mid) + D("0.01"))
            if self.is_broker_heard:
                standing.refresh_account(self.world.desk)
            watch.look(self.world.desk)
            facts = gathering.gather(self.world.desk, lambda: self.process)
            self.open = alerting.look(self.world.desk, RULES, facts)
        return {alert.rule for alert in self.open}

    def words(self, rule: str, subject: str | None = None) -> str:
        """Those of the open alert of a rule."""
        return next(each.words for each in self.open if each.rule == rule and subject in (None, each.subject))

    @property
    def sounds(self) -> list[EventKind]:
        """What was told with a sound, in order."""
        return [event.kind for event in self.world.events(*EventKind) if event.severity is not Severity.INFO]


def position(item: Instrument, quantity: int, price: str, structure: Structure, **more: Any) -> Position:
    """One instrument held on its own."""
    sign = 1 if quantity > 0 else -1
    defaults: dict[str, Any] = {
        "id": "P00001",
        "approval_id": None,
        "structure": structure,
        "unit": (Leg(item, sign),),
        "lots": (make.held(item, quantity, price),),
        "entry": sign * D(price),
        "opened_units": abs(quantity),
        "exits": ExitPlan(),
    }
    return make.position(**(defaults | more))


def shares(**more: Any) -> Position:
    """1,000 shares bought at 48."""
    return position(SHARE, 1_000, "48", Structure.SHARES, **more)


def put(**more: Any) -> Position:
    """Two 44 puts sold at 1.03, out at 0.515 and 2.06."""
    plan = ExitPlan(target=D("-0.515"), stop=D("-2.06"))
    return position(PUT, -2, "1.03", Structure.SHORT_PUT, **({"exits": plan, "collateral": D(8_800)} | more))


def sold_call(item: Instrument = CALL) -> Position:
    return position(item, -10, "4.00", Structure.COVERED_CALL)


def watched(*held: Position, mids: Mapping[Instrument, str] | None = None, **more: Any) -> Watch:
    """A desk with 100,000 in all, that holds these at what was paid for them."""
    world = make_world(**more)
    with world.store.begin() as work:
        for one in held:
            work.save_position(one)
            work.add_postings((Posting(f"buy {one.id}", PostingKind.TRADE, make.NOW, -one.cost),))
    return Watch(world, mids={SHARE: "48"} | dict(mids or {}))


def close(it: Watch, id: str = "P00001") -> None:
    with it.world.store.begin() as work:
        ended = replace(work.position(id), status=PositionStatus.CLOSED, closed_at=it.world.clock(), legs=())
        work.save_position(ended)


LOOSE = Limits(one_underlying=D(9), put_collateral_total=D(9), daily_loss=D("0.9"), weekly_loss=D("0.9"))
"""Limits that leave the total risk and the drawdown to be passed alone."""


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
    near, words = it.look(minutes=1), it.words("limit_near", "total risk")
    it.mids[SHARE] = "36"
    soon = it.look(minutes=2)
    crossed, said = it.look(minutes=1), it.words("limit_crossed", "total risk")
    it.mids[SHARE] = "60"
    after = it.look(minutes=1)

    assert (near, soon, crossed, after) == ({"limit_near"}, {"limit_near"}, {"limit_crossed"}, set())
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

    short = it.look(minutes=1)
    close(it)
    after = it.look(minutes=1)

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


# Dates.


def at(it: Watch, hour: int, minute: int = 0, day: int = 15) -> None:
    """A time in New York on a day of June 2026."""
    it.world.clock.set(datetime(2026, 6, day, hour + 4, minute, tzinfo=UTC))


def test_what_should_have_been_closed_on_its_last_day_and_was_not() -> None:
    it = watched(position(ENDS, 4, "3.10", Structure.LONG_CALL), mids={ENDS: "3.10"})
    at(it, 15, 0)
    assert it.look() == set()

    at(it, 15, 2)
    late, words = it.look(), it.words("expiry")
    close(it)
    after = it.look(minutes=1)

    assert (late, after) == ({"expiry"}, set())
    assert "expires today, should be closed from 15:00 ET on and is still held 2 min later" in words


def test_what_is_left_to_expire_by_design_is_not_late() -> None:
    it = watched(position(make.put(44, dte=0), -1, "0.50", Structure.SHORT_PUT), mids={make.put(44, dte=0): "0.50"})
    at(it, 15, 30)

    assert it.look() == set()


def test_a_short_call_without_time_value_may_be_assigned() -> None:
    it = watched(sold_call(), mids={CALL: "3.04"}, limits=LOOSE)

    due, words = it.look(), it.words("assignment")
    it.mids[CALL] = "3.50"
    after = it.look(minutes=1)

    assert (due, after) == ({"assignment"}, set())
    assert words == (
        "P00001: XYZ 17 Jul 26 45 call is 3.00 in the money with 0.04 of time value left: it may be assigned any "
        "evening. Then the shares go at 45,000.00."
    )


def test_a_short_put_that_may_be_assigned_says_what_the_cash_lacks() -> None:
    it = watched(put(), position(make.put(40), -24, "1.00", Structure.SHORT_PUT, id="P00002"), limits=LOOSE)
    it.mids |= {SHARE: "40", PUT: "4.02", make.put(40): "2.00"}

    it.look()

    assert "it takes 8,800.00, 2,194.00 more than the cash" in it.words("assignment")


def test_a_dividend_worth_more_than_the_time_value_is_told_days_ahead() -> None:
    it = watched(sold_call(), mids={CALL: "3.20"}, limits=LOOSE)
    ex_date = make.TODAY + timedelta(days=3)
    it.world.market.set_snapshot(make.snapshot(dividends=(Dividend(ex_date, D("0.30")),)))

    due, words = it.look(), it.words("ex_dividend")
    it.mids[CALL] = "3.60"
    after = it.look(minutes=1)

    assert (due, after) == ({"ex_dividend"}, set())
    assert "0.30 a share goes ex on 18 Jun, and XYZ 17 Jul 26 45 call has 0.20 of time value left" in words


def test_a_report_is_told_the_evening_before_and_half_an_hour_before_the_last_close() -> None:
    it = watched(shares(), limits=LOOSE)
    report = Earnings(make.TODAY + timedelta(days=1), ReportTime.AFTER_CLOSE, confirmed=True)
    it.world.market.set_snapshot(make.snapshot(earnings=(report,)))
    at(it, 15, 59)
    assert it.look() == set()

    def subjects() -> set[str]:
        it.look()
        return {alert.subject for alert in it.open if alert.rule == "earnings"}

    at(it, 16, 0)
    evening = subjects()
    at(it, 15, 30, day=16)
    last = subjects()
    at(it, 16, 0, day=16)
    after = subjects()

    assert (evening, last, after) == ({"XYZ"}, {"XYZ", "XYZ last chance"}, set())


def test_a_report_before_the_open_is_told_two_evenings_before() -> None:
    it = watched(shares(), limits=LOOSE)
    report = Earnings(make.TODAY + timedelta(days=1), ReportTime.BEFORE_OPEN, confirmed=True)
    it.world.market.set_snapshot(make.snapshot(earnings=(report,)))

    assert it.look() == {"earnings"}
    assert it.words("earnings", "XYZ") == "XYZ reports on Tue 16 Jun, before open; 1 position is held in it."


def test_what_is_held_for_a_report_alone_is_not_warned_of_it() -> None:
    it = watched(shares(strategy="lotto"), limits=LOOSE)
    report = Earnings(make.TODAY, ReportTime.AFTER_CLOSE, confirmed=True)
    it.world.market.set_snapshot(make.snapshot(earnings=(report,)))

    assert it.look() == set()


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


def test_a_market_that_does_not_answer_at_all_has_stale_prices() -> None:
    it = watched(shares(), limits=LOOSE)
    desk = replace(it.world.desk, market=Mute(it.world.clock))
    it.world.clock.advance(minutes=5)

    facts = gathering.gather(desk)

    assert facts.quotes == (("XYZ", None),)
    assert facts.uses is None


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
    assert words == "The broker has not told the account for 2 min."


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
            "The loop “exits” has not finished a look for 45 s: stops and targets wait for it.",
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
        work.add_run(Run("R2", "digest", it.world.clock(), it.world.clock(), state=RunState.RUNNING))
    running = it.look(minutes=1)
    with it.world.store.begin() as work:
        work.finish_run("R2", RunState.DONE, it.world.clock())
    after = it.look(minutes=1)

    assert (missed, running, after) == ({"job_missed"}, {"job_missed"}, set())
    assert words == "digest, due Mon 15 Jun 09:30 ET, was missed: the desk was down"


def test_a_job_that_failed_and_is_done_the_next_time() -> None:
    it = watched()
    with it.world.store.begin() as work:
        work.add_run(Run("R1", "stress", make.NOW, make.NOW))
        work.finish_run("R1", RunState.FAILED, make.NOW, "no price")

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
        work.add_events(desk.event(EventKind.ERROR, "books: account", {}) for _ in range(3))

    many, words = it.look(), it.words("error_rate")
    after = it.look(minutes=61)

    assert (many, after) == ({"error_rate"}, set())
    assert words == "3 errors in 97 acts of the last hour, 3.09 %."


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


# Whatever is known.


class Mute(FakeMarket):
    """A market that answers nothing."""

    def quotes(self, instruments: Any) -> Mapping[Instrument, Quote]:
        raise DataUnavailable("no answer")

    def snapshot(self, ticker: str) -> MarketSnapshot:
        raise DataUnavailable("no answer")


ITEMS = {
    "shares": shares(),
    "put": put(),
    "call": replace(sold_call(), id="P00003"),
    "broken": replace(put(), id="P00004", legs=()),
    "new": replace(put(), id="P00005", entry=None, opened_units=0),
    "ending": position(ENDS, 4, "3.10", Structure.LONG_CALL, id="P00006"),
    "index": position(make.option(5_800, underlying="SPX", root="SPXW"), -1, "9", Structure.CREDIT_SPREAD, id="P00007"),
}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    held=st.sets(st.sampled_from(sorted(ITEMS))),
    quoted=st.dictionaries(st.sampled_from([SHARE, PUT, CALL, ENDS]), st.tuples(st.integers(0, 9), st.integers(0, 9))),
    knows_name=st.booleans(),
    is_heard=st.booleans(),
    is_mute=st.booleans(),
    has_books=st.booleans(),
    hours=st.integers(0, 80),
)
def test_a_look_never_fails_whatever_is_there(
    held: set[str],
    quoted: dict[Instrument, tuple[int, int]],
    knows_name: bool,
    is_heard: bool,
    is_mute: bool,
    has_books: bool,
    hours: int,
) -> None:
    world = make_world(deposit=100_000 if has_books else None)
    world.market.drop_quote(SHARE)
    with world.store.begin() as work:
        for name in held:
            work.save_position(ITEMS[name])
    if knows_name:
        world.market.set_snapshot(make.snapshot(earnings=None, dividends=None))
    world.clock.advance(hours=hours)
    for item, (bid, ask) in quoted.items():
        world.market.put_quote(make.quote(item, bid, ask, world.clock()))
    world.broker.is_mute = not is_heard
    if is_heard:
        standing.refresh_account(world.desk)
    else:
        with pytest.raises(BrokerUnavailable):
            standing.refresh_account(world.desk)
    desk = replace(world.desk, market=Mute(world.clock)) if is_mute else world.desk

    facts = gathering.gather(desk)

    assert all(finding.words for rule in RULES for finding in rule.read(facts))
