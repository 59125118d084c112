"""What past reports did, the implied move of an expiry, and the sessions around a report."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from engine.model.instruments import Right
from engine.model.market import Bars, Chain, Earnings, ReportTime
from strategies import reports
from tests import make
from tests.make import TODAY, D

BEFORE, AFTER, UNKNOWN = ReportTime.BEFORE_OPEN, ReportTime.AFTER_CLOSE, ReportTime.UNKNOWN
FRIDAY, THURSDAY, WEDNESDAY = date(2026, 6, 12), date(2026, 6, 11), date(2026, 6, 10)
"""The last three sessions before Monday 15 June 2026."""


def closes(*last: float) -> Bars:
    """Bars whose latest closes are these."""
    return make.bars([*[100.0] * 250, *last])


def past(bars: Bars, *told: Earnings, count: int = 8) -> reports.PastReports:
    found = reports.past(make.snapshot(bars=bars, earnings=told), count)
    assert found is not None
    return found


def test_after_the_close_the_next_session_answers_and_before_the_open_the_same() -> None:
    bars = closes(100.0, 100.0, 110.0)
    assert past(bars, Earnings(THURSDAY, AFTER)).moves == pytest.approx((0.10,))
    assert past(bars, Earnings(FRIDAY, BEFORE)).moves == pytest.approx((0.10,))
    assert past(bars, Earnings(THURSDAY, BEFORE)).moves == pytest.approx((0.0,))


def test_a_move_is_signed_and_the_mean_is_of_its_size() -> None:
    told = (Earnings(TODAY - timedelta(days=93), AFTER), Earnings(THURSDAY, AFTER))
    bars = closes(100.0, 100.0, 80.0)
    up = int(np.searchsorted(bars.day, np.datetime64(told[0].day, "D"), side="right"))
    bars.close[up:] = np.where(bars.close[up:] == 100.0, 110.0, bars.close[up:])
    found = past(bars, *told)
    assert found.moves == pytest.approx((0.10, 80 / 110 - 1))
    assert found.mean_move == pytest.approx((0.10 + 30 / 110) / 2)
    assert found.reactions[-1].session == FRIDAY


def test_a_report_on_a_weekend_moves_the_session_after_it() -> None:
    saturday = date(2026, 6, 6)
    bars = closes(100.0, 120.0, 120.0, 120.0, 120.0, 120.0)
    for when in (BEFORE, AFTER):
        (reaction,) = past(bars, Earnings(saturday, when)).reactions
        assert (reaction.session, reaction.move) == (date(2026, 6, 8), pytest.approx(0.20))


def test_a_report_of_an_unknown_hour_is_left_out_and_counted() -> None:
    found = past(closes(100.0, 100.0, 110.0), Earnings(THURSDAY, UNKNOWN))
    assert (len(found), found.left_out, found.mean_move) == (0, 1, None)
    assert found.words == "no past report whose move is known"


def test_a_report_whose_session_is_not_over_is_no_past_report() -> None:
    bars = closes(100.0, 100.0, 110.0)
    for report in (Earnings(FRIDAY, AFTER), Earnings(TODAY, BEFORE), Earnings(TODAY, AFTER), make.earnings(60)):
        assert past(bars, report) == reports.PastReports()


def test_only_the_latest_reports_count_and_the_left_out_are_among_them() -> None:
    told = tuple(Earnings(TODAY - timedelta(days=4 + 91 * back), AFTER) for back in range(3))
    bars = closes(100.0, 100.0, 110.0)
    assert len(past(bars, *told)) == 3
    assert past(bars, *told, count=1).moves == pytest.approx((0.10,))
    latest_unknown = (replace(told[0], when=UNKNOWN), *told[1:])
    found = past(bars, *latest_unknown, count=2)
    assert (found.moves, found.left_out) == ((0.0,), 1)
    assert found.words == "0.00 % on average over 1 reports, 1 left out"


def test_two_days_named_for_one_report_are_one_report_if_one_of_them_is_confirmed() -> None:
    bars = closes(100.0, 100.0, 110.0)
    doubted = (Earnings(WEDNESDAY, AFTER), Earnings(THURSDAY, AFTER))
    assert past(bars, *doubted) == reports.PastReports((), 1)
    settled = past(bars, doubted[0], replace(doubted[1], confirmed=True))
    assert (settled.moves, settled.left_out) == (pytest.approx((0.10,)), 0)


def test_a_hole_in_the_bars_is_no_move() -> None:
    days = [*make.weekdays(60, date(2026, 6, 1)), THURSDAY, FRIDAY]
    bars = make.bars([*[100.0] * 60, 150.0, 150.0], days=days)
    assert past(bars, Earnings(date(2026, 5, 29), AFTER)) == reports.PastReports((), 1)
    assert past(bars, Earnings(date(2026, 6, 10), AFTER)) == reports.PastReports((), 1)


def test_a_report_before_the_first_bar_is_left_out() -> None:
    found = past(closes(100.0), Earnings(TODAY - timedelta(days=900), AFTER))
    assert found == reports.PastReports((), 1)


def test_later_bars_change_no_earlier_move() -> None:
    bars = closes(100.0, 100.0, 110.0)
    told = Earnings(THURSDAY, AFTER)
    longer = replace(
        make.snapshot(bars=make.bars([*bars.close, 300.0, 10.0], before=date(2026, 6, 17)), earnings=(told,)),
        today=date(2026, 6, 17),
    )
    assert reports.past(longer, 8) == past(bars, told)


def test_without_a_source_of_reports_nothing_is_known() -> None:
    assert reports.past(make.snapshot(earnings=None), 8) is None


CALLS = make.rows("60: 3.1932/3.14/3.24/0.5272; 66: 1.1260/1.08/1.18/0.2545", {60: 1.8, 66: 1.77})
PUTS = make.rows("54: 0.9720/0.92/1.02/-0.1995; 60: 3.1801/3.13/3.23/-0.4728", {54: 1.84, 60: 1.8})
CHAIN = make.chain(puts=PUTS, calls=CALLS, spot=60, dte=2)
EXPIRY = TODAY + timedelta(days=2)


def test_the_implied_move_is_the_straddle_at_the_money_over_the_spot() -> None:
    found = reports.straddle(CHAIN, EXPIRY, D(60))
    assert found is not None
    assert (found.price, found.call.option.strike) == (D("6.37"), D(60))
    assert found.move == pytest.approx(0.1062, abs=5e-5)


def test_of_two_strikes_as_near_the_lower_one_is_taken() -> None:
    strikes = np.array([59.0, 61.0, 59.0, 61.0])
    level = replace(CHAIN, strike=strikes)
    found = reports.straddle(level, EXPIRY, D(60))
    assert found is not None
    assert found.call.option.strike == D(59)


def test_a_strike_without_both_sides_is_passed_over_and_one_too_far_is_none() -> None:
    one_sided = replace(CHAIN, bid=np.where((CHAIN.strike == 60) & CHAIN.is_call, 0.0, CHAIN.bid))
    assert reports.straddle(one_sided, EXPIRY, D(60)) is None
    assert reports.straddle(CHAIN, EXPIRY, D("63.15")) is not None
    assert reports.straddle(CHAIN, EXPIRY, D("63.16")) is None
    assert reports.straddle(CHAIN, EXPIRY + timedelta(days=7), D(60)) is None


WEEK = tuple(date(2026, 6, day) for day in (15, 16, 17, 18, 22))
"""Monday to Thursday and the Monday after: Friday 19 June 2026 is a holiday."""


@pytest.mark.parametrize(
    ("report", "before", "after"),
    [
        (Earnings(date(2026, 6, 16), BEFORE), date(2026, 6, 15), date(2026, 6, 16)),
        (Earnings(date(2026, 6, 16), AFTER), date(2026, 6, 16), date(2026, 6, 17)),
        (Earnings(date(2026, 6, 16), UNKNOWN), date(2026, 6, 15), date(2026, 6, 17)),
        (Earnings(date(2026, 6, 18), AFTER), date(2026, 6, 18), date(2026, 6, 22)),
        (Earnings(date(2026, 6, 20), BEFORE), date(2026, 6, 18), date(2026, 6, 22)),
        (Earnings(date(2026, 6, 15), BEFORE), None, date(2026, 6, 15)),
        (Earnings(date(2026, 6, 22), AFTER), date(2026, 6, 22), None),
    ],
)
def test_the_sessions_around_a_report(report: Earnings, before: date | None, after: date | None) -> None:
    assert (reports.session_before(WEEK, report), reports.session_after(WEEK, report)) == (before, after)
    assert reports.expiry_after(WEEK, report) == after


def quoted_at_random(seed: int) -> Chain:
    """Two expiries around 60 in strikes of up to four decimals, some one-sided, crossed or listed twice."""
    rng = np.random.default_rng(seed)
    both = make.join(CHAIN, make.chain(puts=PUTS, calls=CALLS, spot=60, dte=9))
    rows = both.take(rng.integers(0, len(both), 60))
    strike = np.round(rng.normal(60, 2.5, 60), rng.integers(0, 5))
    bid = rng.choice([0.0, np.nan, 1.0, 2.0], 60, p=[0.1, 0.1, 0.6, 0.2])
    return replace(rows, strike=strike, is_call=rng.random(60) < 0.5, bid=bid, ask=np.full(60, 1.5))


@pytest.mark.parametrize("seed", range(20))
def test_the_straddle_is_the_one_a_look_at_every_contract_finds(seed: int) -> None:
    chain, spot = quoted_at_random(seed), D("60.0150")
    rows = [row for row in chain.where(expiry=EXPIRY).contracts() if abs(row.option.strike - spot) <= spot * D("0.05")]
    calls = {row.option.strike: row for row in rows if row.option.right is Right.CALL}
    puts = {row.option.strike: row for row in rows if row.option.right is Right.PUT}

    def nearness(strike: Decimal) -> tuple[Decimal, Decimal]:
        return abs(strike - spot), strike

    strike = min(calls.keys() & puts.keys(), key=nearness, default=None)
    found = reports.straddle(chain, EXPIRY, spot)
    assert (found and (found.call, found.put)) == (strike and (calls[strike], puts[strike]))
