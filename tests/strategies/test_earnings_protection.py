"""Earnings protection: the worked example to the cent, each near miss by its rule, the ways and their contracts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from bot.message import Table, table_text
from engine import sizing
from engine.exposures import plan_exposure
from engine.model.legs import Leg, Structure
from engine.model.limits import Costs, Limits
from engine.model.market import Bars, Earnings, ReportTime
from engine.risk import RiskState
from strategies.earnings_protection import Params
from strategies.earnings_protection.ways import Candidate, Way, ranked
from tests import make
from tests.make import TODAY, D
from tests.strategies import cases
from tests.strategies.protection import (
    AT_2,
    CHAIN,
    FRONT,
    LATER,
    REPORT,
    SAID,
    SESSIONS,
    WITH_DIAGONAL,
    bought,
    context,
    find,
    name,
    ranked_days,
    reasons,
    report,
    shares,
    signals,
    today_iv,
    value,
    way,
)

# The worked example


TABLE = {
    # way: limit, unchanged, at -move, at +move, residual loss, cost per dollar
    "collar": ("1.48", "-223.71", "1458.32", "-1243.40", "1,293.68", "0.1534"),
    "deep in-the-money put": ("17.19", "-381.55", "2235.70", "-2313.14", "516.30", "0.1707"),
    "protective put": ("4.58", "-827.91", "838.32", "-915.92", "1,913.68", "0.9876"),
}


def test_the_table_of_the_example_to_the_cent_and_ranked() -> None:
    found = signals(find(params=AT_2))
    assert [signal.structure for signal in found] == [
        Structure.COLLAR,
        Structure.LONG_PUT,
        Structure.LONG_PUT,
        Structure.CALENDAR,
    ]
    for signal, (title, row) in zip(found, TABLE.items(), strict=False):
        limit, flat, fall, rise, residual, cost = row
        told = " | ".join((*signal.reasons, *signal.against))
        assert f"{title.capitalize()}: protects {float(fall):,.2f} (all of it)" in told
        assert f"left to lose {residual}" in told
        assert f"it costs {-float(flat):,.2f}: {cost} for each dollar protected" in told
        assert f"it takes {-float(rise):,.2f} off what the shares gain" in told
        assert title != "collar" or f"Net about {limit}" in told


def test_the_card_carries_the_compared_table_no_wider_than_a_phone() -> None:
    table = signals(find(params=AT_2))[0].table
    assert table == (
        ("Way", "Flat", "-14 %", "+14 %", "Cost"),
        ("collar", "-224", "1458", "-1243", "0.15"),
        ("deep put", "-382", "2236", "-2313", "0.17"),
        ("put", "-828", "838", "-916", "0.99"),
        ("calendar", "229", "35", "-82", "apart"),
    )
    assert width_of(table) <= 36


def width_of(table: tuple[tuple[str, ...], ...]) -> int:
    """As it is drawn: two columns between."""
    return max(len(line) for line in table_text(Table(table[0], table[1:])).splitlines())


def test_large_sums_still_fit_a_phone() -> None:
    table = signals(find(given=context(shares(20_000)), params=AT_2))[0].table
    assert table[1] == ("deep put", "-38k", "224k", "-231k", "0.17")
    assert width_of(table) <= 36


def test_the_widest_sums_before_thousands_are_told_fit_a_phone() -> None:
    table = signals(find(given=context(shares(800)), params=AT_2))[0].table
    assert table[1][2:4] == ("8943", "-9253")
    assert width_of(table) == 36


@pytest.mark.parametrize(
    ("params", "quantity", "need"),
    [(AT_2, 200, "752.00"), (SAID, 200, "1,752.00"), (SAID, 100, "376.00")],
)
def test_the_need_is_the_loss_beyond_what_equity_bears(params: Params, quantity: int, need: str) -> None:
    first = signals(find(given=context(shares(quantity)), params=params))[0]
    assert f"{need} of it beyond {params.free_loss * 100:g} % of equity" in first.reasons[0]


def test_a_hundred_shares_are_no_need_at_two_per_cent() -> None:
    found = find(given=context(shares(100)), params=AT_2)
    assert cases.failed_at(found) == ("need", "1,376.00 (13.76 % of 100 shares)")


def test_at_one_per_cent_only_the_deep_put_covers_and_the_collar_is_the_best_partial() -> None:
    deep, collar, put, _ = signals(find())
    assert deep.legs == (Leg(make.put(115, dte=37), 1),)
    assert "(all of it)" in deep.reasons[1]
    assert (collar.structure, put.structure) == (Structure.COLLAR, Structure.LONG_PUT)
    assert "(covers 83 %)" in collar.reasons[1]
    assert "Covers 83 % of the need only" in collar.against
    assert value(find(), "ways to protect").startswith("deep put 0.1707, 128 %; collar 0.1534, 83 %; put 0.9876, 48 %")


def test_the_first_order_of_a_collar_is_its_put_and_says_what_follows() -> None:
    collar = signals(find(params=AT_2))[0]
    assert collar.legs == (Leg(make.put(95, dte=9), 1),)
    assert (collar.limit, collar.natural, collar.at_most) == (D("4.58"), D("4.63"), 2)
    assert collar.outlook.max_loss == D("458.00")
    assert "once it is filled the 110 call (about 3.10) comes on its own card" in reasons(collar)
    assert "gains above 110 are given up" in collar.against[0]


def test_odds_and_kelly_do_not_apply_and_the_card_says_so() -> None:
    for signal in signals(find()):
        assert signal.outlook.pop is None
        assert signal.outlook.pop_method.startswith("does not apply: ")
        assert signal.at_risk is None
    assert "neither Kelly nor odds" in signals(find())[0].outlook.pop_method


def test_the_ways_are_alternatives_and_the_calendar_stands_apart() -> None:
    *ways, calendar = signals(find())
    assert {signal.alternatives for signal in ways} == {"protection"}
    assert calendar.alternatives == ""
    assert calendar.reasons[0] == "Volatility trade, not protection."
    assert calendar.legs == (Leg(make.put(95, dte=37), 1), Leg(make.put(95, dte=9), -1))
    assert (calendar.limit, calendar.outlook.max_loss) == (D("0.68"), D("68.00"))
    assert "If the shares stay it makes 228.78" in calendar.reasons[2]
    assert [signal.rank for signal in (*ways, calendar)] == [0.0, -1.0, -2.0, -3.0]


def test_sized_by_the_limits_the_deep_put_is_too_dear_and_the_collars_put_counts_its_debit() -> None:
    state = RiskState(D(100_000), D(100_000))
    deep, collar, *_ = (sizing.size(signal, state, Limits(), Costs()) for signal in signals(find()))
    assert (deep.quantity, deep.sizing[0].value) == (0, "1,000/1,719 = 0")
    assert (collar.quantity, collar.counted_risk, plan_exposure(collar).size) == (2, D("916.00"), D(0))


# The rules, each near miss by its own


NEAR_MISSES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "shares held": ({}, {"owned": (shares(99),)}, "99"),
    "report": ({"earnings": (report(8),)}, {}, "23 Jun 2026 after close, in 8 days"),
    "quote of the shares": ({"halted": True}, {}, "halted"),
}


@pytest.mark.parametrize("rule", NEAR_MISSES)
def test_a_near_miss_is_removed_by_its_rule_before_the_chain_is_asked_for(rule: str) -> None:
    snapshot, desk, expected = NEAR_MISSES[rule]
    found = find(name(load_chain=cases.forbidden, **snapshot), context(**desk))
    assert cases.failed_at(found) == (rule, expected)


def test_a_report_in_seven_days_is_protected_against() -> None:
    later = make.join(replace(FRONT, expiry=FRONT.expiry + 2), LATER)
    assert signals(find(name(earnings=(report(7),), chain=later)))


@pytest.mark.parametrize(("rank", "fires"), [(70.0, False), (70.5, True), (82.0, True)])
def test_the_iv_rank_must_be_above_seventy(rank: float, fires: bool) -> None:
    found = find(name(iv_history=ranked_days(rank)))
    assert value(found, "IV rank") == f"{rank:.2f}"
    assert bool(found.signals) is fires
    assert fires or cases.failed_at(found)[0] == "IV rank"


@pytest.mark.parametrize(("ratio", "fires"), [(1.299, False), (1.301, True), (1.6, True)])
def test_without_enough_days_the_front_must_be_far_above_the_later_one_and_that_is_said(
    ratio: float, fires: bool
) -> None:
    front = replace(FRONT, iv=np.full(len(FRONT), 0.61 * ratio))
    found = find(name(chain=make.join(front, LATER), iv_history=make.iv_days([0.4] * 59)))
    step = next(step for step in found.steps if step.rule == "IV rank")
    assert step.limit == "front/later IV ≥ 1.3 (rank insufficient: 59 of 60 sessions)"
    assert step.value == f"front/later {ratio:.4f}"
    assert bool(found.signals) is fires
    if fires:
        assert "front/later" in reasons(found.signals[0])


def test_a_rank_that_never_moved_is_no_rank() -> None:
    still = name(iv_history=make.iv_days([today_iv()] * 80))
    assert value(find(still), "IV rank").startswith("front/later 1.80")


def test_a_move_of_less_than_five_per_cent_on_two_hundred_shares_is_no_need() -> None:
    """EXAMPLES: 0.0499 on 200 shares. The straddle is 4.99 then, and no past report moved more."""
    bid = np.where(FRONT.is_call, 2.45, 2.44)
    money = FRONT.strike == 100
    quiet = replace(FRONT, bid=np.where(money, bid, FRONT.bid), ask=np.where(money, bid + 0.1, FRONT.ask))
    found = find(name(chain=make.join(quiet, LATER)))
    assert cases.failed_at(found) == ("need", "998.00 (4.99 % of 200 shares)")


def reported(moves: list[float]) -> tuple[Bars, tuple[Earnings, ...]]:
    """Bars in which every 60th session follows a report after the close and moves like this; and those reports."""
    closes = [100.0] * (60 * len(moves) + 30)
    days = make.weekdays(len(closes))
    past = []
    for place, move in enumerate(moves):
        row = 60 * place + 30
        past.append(Earnings(days[row - 1], ReportTime.AFTER_CLOSE, True))
        for later in range(row, len(closes)):
            closes[later] *= 1 + move
    return make.bars(closes, days=days), tuple(past)


@pytest.mark.parametrize(("past", "move"), [(0.09, "13.76"), (0.20, "20.00")])
def test_the_move_is_the_larger_of_what_options_imply_and_what_reports_did(past: float, move: str) -> None:
    bars, reports = reported([past, -past] * 4)
    found = find(name(bars=bars, earnings=(*reports, REPORT)))
    assert value(found, "need").endswith(f"({move} % of 200 shares)")
    assert not any("straddle alone" in line for line in found.signals[0].against)


def test_the_last_eight_reports_count_and_older_ones_do_not() -> None:
    bars, reports = reported([0.9, *([0.2, -0.2] * 4)])
    assert value(find(name(bars=bars, earnings=(*reports, REPORT))), "need").startswith("4,000.00")
    nine = replace(SAID, past_reports=9)
    assert not value(find(name(bars=bars, earnings=(*reports, REPORT)), params=nine), "need").startswith("4,000.00")
    bars, reports = reported([0.4, *([0.2, -0.2] * 3), 0.2])
    assert value(find(name(bars=bars, earnings=(*reports, REPORT))), "need").startswith("4,500.00")


def test_without_past_reports_the_straddle_alone_decides_and_that_is_said() -> None:
    assert any("the straddle alone says" in line for line in signals(find())[0].against)


def test_one_source_only_is_called_unconfirmed() -> None:
    first = signals(find(name(earnings=(report(3, confirmed=False),))))[0]
    assert "The report's date is unconfirmed (one)" in first.against
    assert "(unconfirmed)" in reasons(first)
    assert not any("unconfirmed" in line for line in signals(find())[0].against)


def test_where_sources_name_two_days_it_acts_before_the_first_and_holds_over_the_last() -> None:
    two = (report(3, confirmed=False), report(4, confirmed=False))
    first = signals(find(name(earnings=two)))[0]
    assert first.exits.close_on == TODAY + timedelta(days=7)
    assert value(find(name(earnings=two)), "time to act").startswith("18 Jun")


def test_a_third_source_does_not_outvote_two_that_agree() -> None:
    first = signals(find(name(earnings=(report(2, confirmed=False), report(3)))))[0]
    assert first.exits.close_on == TODAY + timedelta(days=4)
    assert not any("unconfirmed" in line for line in first.against)


@pytest.mark.parametrize(
    ("when", "days", "last", "after"),
    [
        (ReportTime.AFTER_CLOSE, 3, "18 Jun", date(2026, 6, 19)),
        (ReportTime.BEFORE_OPEN, 3, "17 Jun", date(2026, 6, 18)),
        (ReportTime.UNKNOWN, 3, "17 Jun", date(2026, 6, 19)),
        (ReportTime.AFTER_CLOSE, 4, "19 Jun", date(2026, 6, 22)),
        (ReportTime.BEFORE_OPEN, 7, "19 Jun", date(2026, 6, 22)),
    ],
)
def test_before_the_open_and_after_the_close_have_another_last_session_and_another_exit(
    when: ReportTime, days: int, last: str, after: date
) -> None:
    found = find(name(earnings=(report(days, when),)))
    assert value(found, "time to act").startswith(last)
    assert {signal.exits.close_on for signal in signals(found)} == {after}


@pytest.mark.parametrize(("hour", "minute", "fires"), [(19, 30, True), (19, 31, False)])
def test_on_the_last_session_it_acts_until_half_past_three(hour: int, minute: int, fires: bool) -> None:
    at = datetime(2026, 6, 15, hour, minute, tzinfo=UTC)
    today = name(earnings=(report(0),), asof=at)
    found = find(today)
    assert bool(found.signals) is fires
    assert fires or cases.failed_at(found) == ("time to act", "15 Jun, now 15 Jun 15:31")
    assert find(name(asof=at)).signals


@pytest.mark.parametrize("when", [ReportTime.UNKNOWN, ReportTime.BEFORE_OPEN])
def test_a_report_whose_last_session_is_over_is_left_alone(when: ReportTime) -> None:
    days = 0 if when is ReportTime.UNKNOWN else 1
    monday = find(name(earnings=(report(days, when),)), context(next_sessions=SESSIONS[days:]))
    assert cases.failed_at(monday) == ("time to act", "that session is over")


def test_no_known_report_rejects_live_and_is_not_checked_in_replay() -> None:
    assert cases.failed_at(find(name(earnings=None))) == ("report", "unknown")
    found = find(name(earnings=None), context(**cases.SKIP))
    assert cases.not_checked(found) == ["report"]
    assert not found.signals


def test_a_name_that_is_protected_is_not_protected_twice() -> None:
    put = bought(Structure.LONG_PUT)
    assert cases.failed_at(find(given=context(shares(), put))) == ("protection held", "P00009: long put")
    calendar = replace(put, structure=Structure.CALENDAR)
    assert signals(find(given=context(shares(), calendar)))


def test_the_first_expiry_is_one_that_trades_after_the_report() -> None:
    early = make.join(replace(FRONT, expiry=FRONT.expiry - 6), FRONT, LATER)
    assert signals(find(name(chain=early)))[1].legs[0].instrument.expiry == TODAY + timedelta(days=9)  # type: ignore[union-attr]
    assert cases.failed_at(find(name(chain=replace(FRONT, expiry=FRONT.expiry - 6))))[0] == "front expiry"


@pytest.mark.parametrize(("dte", "fires"), [(20, False), (21, True), (60, True), (61, False)])
def test_the_later_expiry_is_three_weeks_to_two_months_away(dte: int, fires: bool) -> None:
    found = find(name(chain=make.join(FRONT, replace(LATER, expiry=LATER.expiry + (dte - 37)))))
    assert bool(found.signals) is fires
    assert fires or cases.failed_at(found) == ("later expiry", f"{dte} days")


@pytest.mark.parametrize(("near", "far", "chosen"), [(36, 39, 36), (34, 39, 39), (35, 38, 38)])
def test_of_later_expiries_the_one_nearest_thirty_seven_days_is_taken(near: int, far: int, chosen: int) -> None:
    two = (replace(LATER, expiry=LATER.expiry + (dte - 37)) for dte in (near, far))
    assert value(find(name(chain=make.join(FRONT, *two))), "later expiry") == f"{chosen} days"


def test_without_a_straddle_at_the_money_there_is_no_signal() -> None:
    far = cases.changed(FRONT, 100, strike=88)
    assert cases.failed_at(find(name(chain=make.join(far, LATER)))) == ("implied move", "none")


# The ways


def test_the_diagonal_is_long_at_the_money_later_and_short_at_the_implied_move() -> None:
    found = find(name(chain=WITH_DIAGONAL))
    (diagonal,) = (signal for signal in signals(found) if signal.structure is Structure.DIAGONAL)
    assert diagonal.legs == (Leg(make.put(100, dte=37), 1), Leg(make.put(86, dte=9), -1))
    assert (diagonal.limit, diagonal.outlook.max_loss) == (D("5.47"), D("547.00"))
    assert diagonal.outlook.modelled.startswith("modelled on 24 Jun")
    assert diagonal.alternatives == "protection"
    assert way(CHAIN, "put diagonal") == (
        "Not compared: put diagonal: no strike near the 22 Jul 100.00 put: 95 is the nearest"
    )


@pytest.mark.parametrize(("strike", "listed"), [(98, True), (97, True), (96.9, False), (92, True), (91.9, False)])
def test_a_strike_is_at_most_three_per_cent_of_the_spot_from_the_one_aimed_at(strike: float, listed: bool) -> None:
    moved = make.join(cases.changed(FRONT, 95, strike=strike), LATER)
    expected = strike if strike <= 98 else 95
    words = way(moved, "protective put")
    assert (words == "") is (abs(expected - 95) <= 3)
    del listed


STRIKES = {"protective put": (95, "put"), "collar": (110, "call"), "deep in-the-money put": (115, "put")}


@pytest.mark.parametrize("which", STRIKES)
def test_each_way_aims_at_its_own_strike(which: str) -> None:
    """The strikes aimed at are 0.95, 1.10 and 1.15 of the spot: three dollars either side are near enough."""
    strike, right = STRIKES[which]
    part, other = (FRONT, LATER) if which != "deep in-the-money put" else (LATER, FRONT)
    for moved, near in ((strike - 3, True), (strike + 3, True), (strike - 3.1, False), (strike + 3.1, False)):
        words = way(make.join(cases.changed(part, strike, strike=moved), other), which)
        assert (words == "") is near, (moved, right, words)


ILLIQUID = {
    "bid": ({"bid": 0.05, "ask": 0.055}, "bid 0.05/0.06"),
    "open interest": ({"open_interest": 99, "volume": 9}, "open interest or volume 99, 9 traded"),
    "no volatility": ({"iv": np.nan}, "implied volatility no value"),
}


@pytest.mark.parametrize("what", ILLIQUID)
def test_a_contract_that_does_not_trade_takes_its_way_off_the_table(what: str) -> None:
    columns, words = ILLIQUID[what]
    thin = make.join(FRONT, cases.changed(LATER, 115, **columns))
    if what == "no volatility":
        thin = make.join(cases.changed(FRONT, 110, iv=np.nan), LATER)
        assert way(thin, "collar") == f"Not compared: collar: 110 call: {words}"
        return
    assert way(thin, "deep in-the-money put") == f"Not compared: deep in-the-money put: 115 put: {words}"


@pytest.mark.parametrize(
    ("which", "strike", "spread", "fits"),
    [("collar", 110, 0.099, True), ("collar", 110, 0.101, False), ("deep in-the-money put", 115, 0.149, True),
     ("deep in-the-money put", 115, 0.151, False)],
)  # fmt: skip
def test_spreads_may_be_a_tenth_of_what_is_sold_and_fifteen_per_cent_of_what_is_bought(
    which: str, strike: int, spread: float, fits: bool
) -> None:
    mid = 3.10 if strike == 110 else 17.19
    wide = {"bid": mid * (1 - spread / 2), "ask": mid * (1 + spread / 2)}
    chain = make.join(*(cases.changed(part, strike, **wide) for part in (FRONT, LATER)))
    assert (way(chain, which) == "") is fits


def test_enough_volume_stands_for_open_interest() -> None:
    for columns, fits in (({"open_interest": 99, "volume": 10}, True), ({"open_interest": 100, "volume": 0}, True)):
        assert (way(make.join(FRONT, cases.changed(LATER, 115, **columns)), "deep in-the-money put") == "") is fits


@pytest.mark.parametrize(("bid", "fits"), [(0.055, True), (0.045, False), (0.05, False)])
def test_the_bid_must_be_above_five_cents(bid: float, fits: bool) -> None:
    cheap = make.join(cases.changed(FRONT, 110, bid=bid, ask=bid + 0.001), LATER)
    assert (way(cheap, "collar") == "") is fits


def test_a_premium_over_one_per_cent_of_the_position_is_said_and_one_within_it_comes_first() -> None:
    assert "Premium 1.5 % of the position, above 1 %" in signals(find(params=AT_2))[0].against
    cheap, dear = made("1.00", "-90"), made("1.01", "-10")
    assert ranked((dear, cheap), D(50), D("1.00")) == (cheap, dear)
    assert ranked((dear, cheap), D(50), D("1.01")) == (dear, cheap)


@pytest.mark.parametrize(("bid", "said"), [("3.36", True), ("3.52", False), ("3.60", False)])
def test_the_share_of_the_premium_is_of_the_spot(bid: str, said: bool) -> None:
    """A collar at 1.17, 1.01 and 0.93 net, of a position at 100: 0.01 is the bound."""
    sold = {"bid": float(bid), "ask": float(bid) + 0.1}
    collar = next(
        signal
        for signal in signals(find(name(chain=make.join(cases.changed(FRONT, 110, **sold), LATER)), params=AT_2))
        if signal.structure is Structure.COLLAR
    )
    net = 4.58 - float(bid) - 0.05
    assert any("above 1 %" in line for line in collar.against) is (net > 1.0)
    del said


def made(limit: str, flat: str, fall: str = "100", which: Way = Way.PUT) -> Candidate:
    return Candidate(which, (), (), D(limit), 1, D(flat), D(fall), D(0))


def test_partial_ways_stand_behind_by_how_much_they_cover_and_what_protects_nothing_is_dropped() -> None:
    whole, much, little = made("9", "-90", "100"), made("1", "-9", "80"), made("1", "-1", "40")
    assert ranked((little, made("1", "5", "-3"), much, whole), D(100), D(1)) == (whole, much, little)


def test_a_collar_needs_shares_no_call_is_written_on() -> None:
    call = cases.short(make.call(110, dte=30), 1, id="P00003")
    words = way(CHAIN, "collar", given=context(shares(), call))
    assert words == "Not compared: collar: of 2 hundreds of shares only 1 are free for calls"
    expired = replace(call, ticker="OTHER")
    assert way(CHAIN, "collar", given=context(shares(), expired)) == ""


def test_shares_of_several_strategies_are_protected_together() -> None:
    other = shares(100, id="P00007", strategy="leaps", campaign="C00007")
    found = find(given=context(shares(100), other))
    assert value(found, "need") == "2,752.00 (13.76 % of 200 shares)"
    assert found.signals[0].at_most == 2


def test_only_whole_hundreds_can_be_protected_but_every_share_can_lose() -> None:
    found = find(given=context(shares(199)))
    assert value(found, "need") == "2,738.24 (13.76 % of 199 shares)"
    assert found.signals[0].at_most == 1
