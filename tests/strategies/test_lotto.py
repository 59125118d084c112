"""The lottery ticket on a report: the worked example, every near miss by its rule, the exits on each side."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from engine import pricing, sizing, triggers
from engine.exits import supervise
from engine.model.legs import Leg, Structure
from engine.model.limits import Costs, Limits
from engine.model.market import Chain, Earnings, Kind, MarketSnapshot, ReportTime, Source
from engine.model.trade import Campaign, Context, Found, Signal
from engine.risk import RiskState
from strategies import lotto
from tests import make
from tests.desk import make_world
from tests.make import TODAY, D
from tests.strategies import cases
from tests.strategies.cases import signal_of

PARAMS = lotto.Params()
BEFORE, AFTER, UNKNOWN = ReportTime.BEFORE_OPEN, ReportTime.AFTER_CLOSE, ReportTime.UNKNOWN
MOVES = (0.18, -0.09, 0.22, -0.06, 0.11, -0.14, 0.07, 0.25)
NOW = datetime(2026, 6, 15, 19, 10, tzinfo=UTC)
"""15:10 in New York, two days before the options of the example expire."""
TOMORROW = TODAY + timedelta(days=1)

CALLS = make.rows(
    "60: 3.1932/3.14/3.24/0.5272; 66: 1.1260/1.08/1.18/0.2545; 67: 0.9213/0.87/0.97/0.2184; "
    "68: 0.7480/0.70/0.80/0.1857",
    {60: 1.8, 66: 1.77, 67: 1.765, 68: 1.76},
)
PUTS = make.rows(
    "52: 0.5914/0.54/0.64/-0.1335; 53: 0.7638/0.71/0.81/-0.1645; 54: 0.9720/0.92/1.02/-0.1995; "
    "60: 3.1801/3.13/3.23/-0.4728",
    {52: 1.86, 53: 1.85, 54: 1.84, 60: 1.8},
)


def weekly(dte: int = 2, **more: Any) -> Chain:
    return make.chain(puts=PUTS, calls=CALLS, spot=60, dte=dte, asof=NOW, **more)


def changed(strike: float = 67, **columns: float) -> Chain:
    """The example's chain with the call at one strike changed (puts and calls share the strike of 60 alone)."""
    return cases.changed(weekly(), strike, **columns)


def name(moves: tuple[float, ...] = MOVES, report: Earnings | None = None, **more: Any) -> MarketSnapshot:
    """The name of the example: nine reports behind it, of which the first does not count, one after today's close."""
    bars, told = cases.reported((0.9, *moves) if len(moves) == len(MOVES) else moves)
    ahead = report or Earnings(TODAY, AFTER, confirmed=True, sources=("finnhub", "yahoo"))
    defaults: dict[str, Any] = {
        "spot": 60,
        "bars": bars,
        "earnings": (*told, ahead),
        "chain": weekly(),
        "asof": NOW,
    }
    return make.snapshot(**(defaults | more))


def find(snapshot: MarketSnapshot, context: Context | None = None, params: lotto.Params = PARAMS) -> Found:
    return lotto.find(snapshot, context or make.context(), params)


def test_the_worked_example_buys_one_67_call() -> None:
    signal = signal_of(find(name()))
    assert signal.legs == (Leg(make.call(67, dte=2), 1),)
    assert (signal.limit, signal.natural, signal.spot) == (D("0.92"), D("0.97"), D(60))
    assert (signal.structure, signal.at_most, signal.max_spread) == (Structure.LONG_CALL, 1, 0.30)
    unit = signal.outlook
    assert (unit.max_loss, unit.max_gain, unit.breakevens) == (D(92), None, (D("67.92"),))
    assert unit.pop == pytest.approx(0.1551, abs=0.0001)
    assert unit.greeks is not None
    greeks = (unit.greeks.delta, unit.greeks.gamma, unit.greeks.theta, unit.greeks.vega)
    assert greeks == pytest.approx((0.2184, 0.0376, -0.5792, 0.0131), abs=0.0001)


def test_its_card_tells_the_odds_the_moves_and_that_the_whole_premium_is_the_risk() -> None:
    signal = signal_of(find(name()))
    assert signal.reasons == (
        "reports 15 Jun 2026 after close, told by finnhub and yahoo",
        "mean past payoff over premium: 53 put 0.2303, 67 call 2.4457",
        "implied move 10.62 %; past moves 14.00 % on average over 8 reports",
        "+0.22 delta, 176 % implied volatility",
    )
    assert signal.against == (
        "risk = whole premium, 92.00 a contract: a stop cannot hold through the gap after the report",
        "the probability is modelled: a jump on a report is not lognormal",
    )
    assert signal.rank == pytest.approx(2.4457, abs=0.0001)


def test_after_the_gap_of_the_example_the_stop_would_find_nothing_left_to_sell() -> None:
    left = float(pricing.value(60.60, 67, 1 / 365, 0.04, 0.60, True)[0])
    signal = signal_of(find(name()))
    assert left == pytest.approx(0.0004, abs=0.00005)
    assert signal.exits.stop is not None
    assert left < float(signal.exits.stop)
    assert signal.outlook.max_loss == D(92)
    assert "risk = whole premium, 92.00" in signal.against[0]


def test_an_implied_move_above_the_mean_actual_one_speaks_against_it() -> None:
    calm = tuple(move * 0.75 for move in MOVES)
    signal = signal_of(find(name(calm)))
    assert signal.against[1] == "the implied move 10.62 % is above the mean actual one, 10.50 %"


def test_where_puts_have_paid_more_the_put_is_bought() -> None:
    signal = signal_of(find(name(tuple(-move for move in MOVES))))
    assert (signal.legs, signal.structure) == ((Leg(make.put(53, dte=2), 1),), Structure.LONG_PUT)
    assert signal.outlook.max_loss == D(76)


def test_one_contract_is_bought_where_the_cap_would_allow_five() -> None:
    plan = sizing.size(signal_of(find(name())), RiskState(D(100_000), D(100_000)), Limits(), Costs())
    assert (plan.quantity, plan.max_loss) == (1, D(92))
    told = {step.rule: step.value for step in plan.sizing}
    assert (told["lotto"], told["at most"]) == ("500/92 = 5", "1 contracts")


def test_a_premium_of_501_is_more_than_half_a_percent_and_sized_at_nothing() -> None:
    dear = changed(bid=4.96, ask=5.06)
    signal = signal_of(find(name(chain=dear), params=replace(PARAMS, max_ask=10.0)))
    plan = sizing.size(signal, RiskState(D(100_000), D(100_000)), Limits(), Costs())
    assert (plan.quantity, plan.sizing[0].value, plan.sizing[0].passed) == (0, "500/501 = 0", False)


def test_the_example_is_armed_for_tomorrow_a_quarter_of_an_hour_before_the_close() -> None:
    exits = signal_of(find(name())).exits
    assert (exits.target, exits.stop) == (D("3.68"), D("0.4600"))
    assert (exits.close_on, exits.before_close) == (TOMORROW, 15)
    assert exits.words == (
        "Sell at 3.68 or more (+300 %).",
        "Stop: sold at 0.46 or less (50 % of the premium lost); through a gap at less.",
        "Sold on Tue 16 Jun, 15 minutes before the close.",
    )


@pytest.mark.parametrize(
    ("report", "session"),
    [
        (Earnings(TOMORROW, BEFORE, confirmed=True), TOMORROW),
        (Earnings(TOMORROW, AFTER, confirmed=True), TODAY + timedelta(days=2)),
    ],
)
def test_the_session_after_the_report_is_the_first_that_trades_knowing_it(report: Earnings, session: date) -> None:
    assert signal_of(find(name(report=report))).exits.close_on == session


def test_a_moved_limit_moves_target_and_stop_and_keeps_the_session() -> None:
    signal = signal_of(find(name()))
    exits = lotto.exits(replace(signal, limit=D("1.00")), PARAMS)
    assert (exits.target, exits.stop, exits.close_on) == (D("4.00"), D("0.50"), TOMORROW)
    assert exits.before_close == 15


def test_every_rule_is_listed_in_order() -> None:
    assert [step.rule for step in find(name()).steps] == [
        "entry hours", "realised today", "open positions", "report", "report confirmed", "report's hour",
        "quote of the shares", "past reports", "options", "weekly options", "implied move", "first strikes beyond it",
        "past payoff", "ask", "bid", "spread", "open interest", "implied volatility", "premium of the week",
    ]  # fmt: skip


def closed(pnl: str, at: datetime = NOW - timedelta(hours=1), stake: str = "0", opened: datetime = NOW) -> Campaign:
    return Campaign("lotto", "AAA", at, D(pnl), -1.0, opened, D(stake))


def ticket(premium: str = "0.92", **more: Any) -> Any:
    """An open lotto position of another name, bought at `premium`."""
    option = make.call(67, dte=2, underlying="AAA")
    defaults: dict[str, Any] = {
        "strategy": "lotto",
        "ticker": "AAA",
        "structure": Structure.LONG_CALL,
        "legs": (Leg(option, 1),),
        "lots": (make.held(option, 1, premium),),
        "entry": D(premium),
        "opened_units": 1,
        "opened_at": NOW - timedelta(days=7),
    }
    return make.position(**(defaults | more))


DESK_MISSES: dict[str, tuple[dict[str, Any], str]] = {
    "realised today": ({"campaigns": (closed("-1000"),)}, "-1.00 %"),
    "open positions": ({"held": tuple(ticket(id=f"P0000{row}") for row in range(3))}, "3"),
}


@pytest.mark.parametrize("rule", DESK_MISSES)
def test_the_desk_removes_by_its_rule_before_a_report_is_asked_about(rule: str) -> None:
    changes, value = DESK_MISSES[rule]

    def asked() -> tuple[Earnings, ...]:
        raise AssertionError("the reports were asked for although a cheaper rule had failed")

    found = find(name(load_earnings=asked), make.context(**changes))
    assert cases.failed_at(found) == (rule, value)


@pytest.mark.parametrize(("second", "passes"), [(-1, False), (0, True), (45 * 60, True), (45 * 60 + 1, False)])
def test_it_enters_from_three_to_a_quarter_to_four_only(second: int, passes: bool) -> None:
    at = datetime(2026, 6, 15, 19, 0, tzinfo=UTC) + timedelta(seconds=second)
    found = find(name(asof=at, spot=None))
    assert found.steps[0].passed is passes
    assert (len(found.steps) == 1) is not passes


REPORT_MISSES: dict[str, tuple[Earnings, str]] = {
    "report": (Earnings(TODAY + timedelta(days=2), BEFORE, confirmed=True), "17 Jun 2026 before open"),
    "report confirmed": (Earnings(TODAY, AFTER), "15 Jun 2026 after close (unconfirmed)"),
    "report's hour": (Earnings(TODAY, UNKNOWN, confirmed=True), "15 Jun 2026"),
}


@pytest.mark.parametrize("rule", REPORT_MISSES)
def test_a_report_that_does_not_fit_removes_the_name_before_the_chain_is_asked_for(rule: str) -> None:
    report, value = REPORT_MISSES[rule]
    assert cases.failed_at(find(name(report=report, load_chain=cases.forbidden))) == (rule, value)


NAME_MISSES: dict[str, tuple[dict[str, Any], str]] = {
    "quote of the shares": ({"halted": True}, "halted"),
    "past reports": ({"moves": (0.2,) * 3}, "3"),
}


@pytest.mark.parametrize("rule", NAME_MISSES)
def test_a_near_miss_of_the_name_is_removed_by_its_rule(rule: str) -> None:
    changes, value = NAME_MISSES[rule]
    assert cases.failed_at(find(name(load_chain=cases.forbidden, **changes))) == (rule, value)


CHAIN_MISSES: dict[str, tuple[Any, str]] = {
    "options": (None, "none"),
    "weekly options": (weekly(dte=8), "8 days after it"),
    "implied move": (changed(60, bid=0.0), "no straddle at the money"),
    "first strikes beyond it": (changed(53, bid=0.0), "67 call"),
    "ask": (changed(bid=1.60, ask=2.01), "2.01"),
    "bid": (changed(bid=0.05, ask=0.06), "0.05/0.06"),
    "spread": (changed(bid=0.78, ask=1.06), "30.43 % of mid"),
    "open interest": (changed(open_interest=499), "499"),
    "implied volatility": (changed(iv=np.nan), "no value"),
}


@pytest.mark.parametrize("rule", CHAIN_MISSES)
def test_a_near_miss_in_the_chain_is_removed_by_its_rule(rule: str) -> None:
    chain, value = CHAIN_MISSES[rule]
    assert cases.failed_at(find(name(chain=chain))) == (rule, value)


def test_moves_that_never_went_beyond_the_implied_one_are_no_reason_to_buy() -> None:
    assert cases.failed_at(find(name((0.05,) * 8))) == ("past payoff", "53 put 0.0000, 67 call 0.0000")


def test_no_strike_listed_beyond_the_move_is_no_signal() -> None:
    short = weekly().take(weekly().strike < 66.37)
    assert cases.failed_at(find(name(chain=short))) == ("first strikes beyond it", "53 put")


def test_a_strike_exactly_at_the_implied_move_is_not_beyond_it() -> None:
    at_the_bound = cases.changed(weekly(), 66, strike=66.37)
    assert signal_of(find(name(chain=at_the_bound))).options[0].strike == D(67)


def test_an_illiquid_first_strike_is_not_replaced_by_a_farther_one() -> None:
    assert cases.failed_at(find(name(chain=changed(open_interest=0))))[0] == "open interest"


def test_what_expires_before_the_report_is_no_ticket_on_it() -> None:
    today = replace(weekly(), expiry=np.full(8, np.datetime64(TODAY, "D")))
    both = make.join(today, weekly(dte=4))
    signal = signal_of(find(name(chain=both)))
    assert signal.options[0].expiry == TODAY + timedelta(days=4)


def test_the_edges_belong_to_the_windows() -> None:
    wide = changed(bid=0.85, ask=1.15)
    signal_of(find(name(chain=replace(wide, open_interest=np.full(8, 500.0)))))
    signal_of(find(name(chain=changed(bid=1.90, ask=2.00))))
    signal_of(find(name(chain=changed(bid=0.06, ask=0.08))))
    signal_of(find(name(chain=weekly(dte=7))))
    signal_of(find(name((0.2,) * 4)))
    signal_of(find(name(), make.context(campaigns=(closed("-999"),))))
    signal_of(find(name(), make.context(campaigns=(closed("-5000", NOW - timedelta(days=1)),))))
    signal_of(find(name(), make.context(held=(ticket(), ticket(id="P2")))))


MONDAY = datetime(2026, 6, 15, 4, 0, tzinfo=UTC)
"""Midnight in New York: the week begins."""


@pytest.mark.parametrize(
    ("held", "before", "passes"),
    [
        ((ticket("4.00", opened_at=MONDAY),), (closed("0", stake="508"),), True),
        ((ticket("4.00", opened_at=MONDAY),), (closed("0", stake="508.01"),), False),
        ((ticket("4.01", opened_at=MONDAY),), (closed("0", stake="508"),), False),
        ((ticket("4.01", opened_at=MONDAY - timedelta(seconds=1)),), (closed("0", stake="508"),), True),
        ((), (closed("0", stake="5000", opened=MONDAY - timedelta(seconds=1)),), True),
    ],
)
def test_one_percent_of_the_account_is_all_the_premium_of_a_week(held: Any, before: Any, passes: bool) -> None:
    found = find(name(), make.context(held=held, campaigns=before))
    last = cases.last_step(found)
    assert (last.rule, last.passed) == ("premium of the week", passes)
    assert last.limit == "≤ 1.00 % of equity, 1000.00"
    assert bool(found.signals) is passes


def test_without_a_source_of_reports_the_name_ends_and_replay_lists_it() -> None:
    for told in (None, ()):
        bare = name(earnings=told, load_chain=cases.forbidden)
        assert cases.failed_at(find(bare)) == ("report", "unknown")
        found = find(bare, make.context(**cases.SKIP))
        assert (found.signals, cases.not_checked(found)) == ((), ["report"])


def test_a_modelled_chain_marks_the_signal() -> None:
    modelled = replace(weekly(), source=Source("replay", Kind.MODELLED))
    assert signal_of(find(name(chain=modelled))).modelled


def bought(signal: Signal) -> Any:
    """The position that the signal becomes."""
    return ticket(
        ticker=signal.ticker,
        legs=signal.legs,
        lots=(make.held(signal.options[0], 1, signal.limit),),
        exits=signal.exits,
        opened_at=signal.asof,
        approval_id=None,
    )


@pytest.mark.parametrize(
    ("dte", "clock", "reason"),
    [
        (2, "15:44", ""),
        (2, "15:45", "time exit of 16 Jun"),
        (1, "14:59", ""),
        (1, "15:00", "expires today"),
    ],
)
def test_it_is_out_before_the_close_after_the_report_and_by_three_where_it_expires_that_day(
    dte: int, clock: str, reason: str
) -> None:
    signal = signal_of(find(name(chain=weekly(dte=dte))))
    world = make_world()
    world.clock.set(world.desk.sessions.at(TOMORROW, clock))
    due = triggers.time_exit(world.desk, bought(signal))
    assert ("" if due is None else due.words) == reason


def test_the_card_of_what_expires_the_day_after_says_three_o_clock() -> None:
    exits = signal_of(find(name(chain=weekly(dte=1)))).exits
    assert exits.words[-1] == "Sold on Tue 16 Jun, by 15:00, for it expires that day."


@pytest.mark.parametrize(("mark", "reason"), [("3.67", None), ("3.68", "target"), ("0.47", None), ("0.46", "stop")])
def test_target_and_stop_fire_at_their_marks_by_themselves(mark: str, reason: str | None) -> None:
    signal = signal_of(find(name()))
    world = make_world()
    world.clock.set(world.desk.sessions.at(TOMORROW, "10:00"))
    position = bought(signal)
    with world.store.begin() as work:
        work.save_position(position)
    option, started = position.unit[0].instrument, []
    for _ in range(2):
        world.clock.advance(10)
        world.market.set_quote(option, D(mark) - D("0.01"), D(mark) + D("0.01"))
        started += supervise(world.desk)
    assert [ticket.reason for ticket in started] == ([] if reason is None else [reason])


def proposal(ticker: str, rank: float, limit: str = "0.92") -> Signal:
    return replace(signal_of(find(name())), ticker=ticker, rank=rank, limit=D(limit))


def test_the_best_paid_come_first_as_many_as_may_be_open() -> None:
    signals = tuple(proposal(ticker, rank) for ticker, rank in (("BBB", 2.0), ("CCC", 9.0), ("DDD", 3.0), ("EEE", 2.5)))
    kept, dropped = lotto.choose(signals, make.context(held=(ticket(),)), PARAMS)
    assert [signal.ticker for signal in kept] == ["CCC", "DDD"]
    assert {name: (step.rule, step.limit, step.value) for name, step in dropped.items()} == {
        "EEE": ("rank of the day", "best 2", "3 of 4"),
        "BBB": ("rank of the day", "best 2", "4 of 4"),
    }


def test_proposals_of_one_scan_share_the_premium_of_the_week() -> None:
    signals = (proposal("BBB", 3.0, "5.00"), proposal("CCC", 2.0, "5.01"), proposal("DDD", 1.0, "5.00"))
    kept, dropped = lotto.choose(signals, make.context(), PARAMS)
    assert [signal.ticker for signal in kept] == ["BBB", "DDD"]
    assert (dropped["CCC"].rule, dropped["CCC"].value) == ("premium of the week", "500.00 + 501.00")


def test_several_contracts_of_one_trade_share_the_premium_of_the_week_too() -> None:
    signals = (proposal("BBB", 3.0, "3.00"), proposal("CCC", 2.0, "2.00"), proposal("DDD", 1.0, "2.00"))
    kept, dropped = lotto.choose(signals, make.context(), replace(PARAMS, contracts=2))
    assert [(signal.ticker, signal.at_most) for signal in kept] == [("BBB", 2), ("CCC", 2)]
    assert dropped["DDD"].value == "1000.00 + 200.00"


def test_a_strike_on_the_implied_move_itself_is_not_beyond_it_and_one_a_hundredth_of_a_cent_on_is() -> None:
    # the straddle costs 6.37: the call has to be above 66.37, the put below 53.63
    exact = replace(weekly(), strike=np.array([52, 53.63, 54, 60, 60, 66, 66.37, 68.0]))
    just = replace(weekly(), strike=np.array([52, 53.6299, 54, 60, 60, 66, 66.3701, 68.0]))
    named = [
        next(step.value for step in find(name(chain=chain)).steps if step.rule == "first strikes beyond it")
        for chain in (exact, just)
    ]
    assert named == ["52 put, 68 call", "53.6299 put, 66.3701 call"]


def test_cards_that_wait_count_toward_the_open_ones_and_the_premium_of_the_week() -> None:
    """Two scans of one afternoon may not open more together than one may alone."""
    waiting = tuple(make.plan(make.signal(ticker=name, limit=D("3.00")), quantity=1) for name in ("AAA", "BBB", "CCC"))
    full = make.context(waiting=waiting)
    assert full.places == 3
    assert lotto.bought_since(full, make.TODAY) == D(900)
    assert lotto.choose((make.signal(ticker="DDD", limit=D("0.92")),), full, lotto.Params())[0] == ()

    one_held = make.context(waiting=waiting[:1], held=(make.position(ticker="AAA"),))
    assert (one_held.places, one_held.names) == (1, frozenset({"AAA"}))
