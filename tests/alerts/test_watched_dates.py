"""What dates bring to what is held: late expiries, assignments, ex-dates and reports, told in time and over."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from engine.model.legs import Structure
from engine.model.market import Dividend, Earnings, ReportTime
from tests import make
from tests.alerts.watched import (
    CALL,
    ENDS,
    LOOSE,
    PUT,
    SHARE,
    at,
    close,
    position,
    put,
    shares,
    sold_call,
    watched,
)

D = Decimal


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
        "P00001: XYZ 17 Jul 26 45 call is 3.00 in the money with 0.04 a share of time value left. If it is "
        "assigned, the shares go at 45,000.00."
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
