"""LEAPS on themes: the worked score and call, every near miss by its rule, the exits and the questions."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from engine import pricing, sizing
from engine.errors import ConfigError
from engine.exits import supervise
from engine.model.legs import Leg, Structure
from engine.model.limits import ApprovalRules, Costs, Limits
from engine.model.market import Chain, Fundamentals, Kind, MarketSnapshot, Source
from engine.model.trade import Context, Exit, Found, Signal
from engine.protection import band, lifetime
from engine.risk import RiskState
from strategies import leaps
from strategies.leaps.exits import part_of, review
from strategies.leaps.scores import ranks, scores
from strategies.params import configure
from tests import make
from tests.desk import World, make_world
from tests.make import D
from tests.strategies import cases
from tests.strategies.cases import signal_of

DAY = date(2026, 7, 1)
"""The first day of a quarter."""
NAMES = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")
PARAMS = replace(leaps.Params(), themes={"one": NAMES})
REVENUE = (0.42, 0.10, 0.25, 0.05, 0.31, -0.02)
EARNINGS = (0.55, 0.12, 0.20, 0.30, 0.08, -0.10)
MARGIN = (0.04, -0.01, 0.015, 0.005, 0.022, -0.02)
FACTS = {
    name: Fundamentals(revenue_growth=revenue, earnings_growth=earnings, margin_change=margin)
    for name, revenue, earnings, margin in zip(NAMES, REVENUE, EARNINGS, MARGIN, strict=True)
}
CALLS = make.rows(
    "150: 68.5464/68.50/68.60/0.8291; 170: 55.0991/55.05/55.15/0.7576; 200: 38.4489/38.40/38.50/0.6309",
    {150: 0.42, 170: 0.40, 200: 0.38},
)


def calls(dte: int = 468, **more: Any) -> Chain:
    return make.chain(calls=CALLS, spot=200, dte=dte, today=DAY, underlying="AAA", **more)


def changed(strike: float = 170, **columns: float) -> Chain:
    return cases.changed(calls(), strike, **columns)


def name(ticker: str = "AAA", **more: Any) -> MarketSnapshot:
    defaults: dict[str, Any] = {"spot": 200, "chain": calls(), "today": DAY}
    return make.snapshot(ticker, **(defaults | more))


def context(**more: Any) -> Context:
    defaults: dict[str, Any] = {"today": DAY, "facts": FACTS}
    return make.context(**(defaults | more))


def find(snapshot: MarketSnapshot | None = None, given: Context | None = None, params: Any = PARAMS) -> Found:
    return leaps.find(snapshot or name(), given or context(), params)


def test_the_scores_of_the_example_to_four_decimals() -> None:
    found = {name: round(score, 4) for name, score in scores(FACTS, PARAMS).items()}
    assert found == {"AAA": 100.0, "BBB": 36.0, "CCC": 60.0, "DDD": 42.0, "EEE": 62.0, "FFF": 0.0}


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    assert ranks([1.0, 2.0, 2.0, 5.0]) == (0.0, 50.0, 50.0, 100.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_rank_counts_what_is_below_and_half_of_what_is_equal(seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 12, 40).astype(float).tolist()
    counted = [100 * (sum(low < one for low in values) + (values.count(one) - 1) / 2) / 39 for one in values]
    assert list(ranks(values)) == counted


def test_facts_or_parameters_of_another_scan_are_compared_anew() -> None:
    better = {**FACTS, "FFF": Fundamentals(revenue_growth=1.0, earnings_growth=1.0, margin_change=0.1)}
    heavier = replace(PARAMS, revenue_weight=0.6, earnings_weight=0.0)
    found = [scores(facts, params)["FFF"] for facts, params in ((FACTS, PARAMS), (better, PARAMS), (FACTS, PARAMS))]
    assert found == [0.0, 100.0, 0.0]
    assert scores(FACTS, heavier)["DDD"] != scores(FACTS, PARAMS)["DDD"]


def test_with_several_themes_the_share_rank_is_not_the_revenue_rank() -> None:
    two = replace(PARAMS, themes={"one": ("AAA", "CCC", "EEE"), "two": ("BBB", "DDD", "FFF")})
    found = scores(FACTS, two)
    # shares: AAA .11, CCC -.06, EEE 0, BBB .05, DDD 0, FFF -.07 -> ranks 100, 20, 50, 80, 50, 0
    assert found["BBB"] == pytest.approx(0.3 * 40 + 0.3 * 40 + 0.2 * 20 + 0.2 * 80)
    assert found["EEE"] == pytest.approx(0.3 * 80 + 0.3 * 20 + 0.2 * 80 + 0.2 * 50)


@pytest.mark.parametrize("lacking", ["revenue_growth", "earnings_growth", "margin_change"])
def test_a_name_without_a_component_has_no_score_and_is_told_which(lacking: str) -> None:
    facts = {**FACTS, "AAA": replace(FACTS["AAA"], **{lacking: None})}
    found = find(given=context(facts=facts))
    assert cases.failed_at(found) == ("components of the score", f"unknown: {lacking.replace('_', ' ')}")
    assert "AAA" not in scores({**facts, "GGG": FACTS["BBB"]}, replace(PARAMS, themes={"one": (*NAMES, "GGG")}))


def test_in_replay_there_are_no_fundamentals_and_the_name_ends_as_not_checked() -> None:
    found = find(given=context(facts={}, **cases.SKIP))
    assert (found.signals, cases.not_checked(found)) == ((), ["components of the score"])


def test_the_worked_example_buys_one_170_call() -> None:
    signal = signal_of(find())
    assert signal.legs == (Leg(make.call(170, underlying="AAA", expiry=DAY + timedelta(days=468)), 1),)
    assert (signal.limit, signal.natural, signal.spot) == (D("55.10"), D("55.15"), D(200))
    assert (signal.structure, signal.delta_range, signal.rank) == (Structure.LONG_CALL, (0.70, 0.80), 100.0)
    unit = signal.outlook
    assert (unit.max_loss, unit.max_gain, unit.breakevens) == (D(5510), None, (D("225.10"),))
    assert unit.pop == pytest.approx(0.3554, abs=0.0001)
    assert unit.greeks is not None
    greeks = (unit.greeks.delta, unit.greeks.gamma, unit.greeks.theta, unit.greeks.vega)
    assert greeks == pytest.approx((0.7576, 0.0035, -0.0408, 0.7079), abs=0.0001)
    assert "25.10 a share of the price is time value, lost by expiry if the shares stand still" in signal.against


@pytest.mark.parametrize(("fraction", "units"), [("0.10", 1), ("0.06", 1), ("0.05", 0)])
def test_its_size_by_the_cap_of_one_trade(fraction: str, units: int) -> None:
    limits = Limits(leaps_each=D(fraction))
    plan = sizing.size(signal_of(find()), RiskState(D(100_000), D(100_000)), limits, Costs())
    assert plan.quantity == units


def test_its_card_lives_a_quarter_of_an_hour_and_may_slip_one_and_a_half_percent() -> None:
    signal = signal_of(find())
    assert lifetime(signal, DAY, ApprovalRules()) == timedelta(minutes=15)
    assert band(signal, ApprovalRules()) == D("0.8265")


def test_every_rule_is_listed_in_order() -> None:
    assert [step.rule for step in find().steps] == [
        "rebalance", "theme", "names compared", "score", "open positions", "names in its theme", "quote of the shares",
        "options", "expiry", "|delta|", "bid", "spread", "open interest or volume", "time value",
        "time value over dividends", "implied volatility",
    ]  # fmt: skip


def held(ticker: str = "ZZZ", units: int = 1, opened: int | None = None, **more: Any) -> Any:
    """A call held, bought at 55.10, 468 days before it expires."""
    option = make.call(170, underlying=ticker, expiry=DAY + timedelta(days=468))
    defaults: dict[str, Any] = {
        "id": f"P{ticker}",
        "strategy": "leaps",
        "ticker": ticker,
        "structure": Structure.LONG_CALL,
        "legs": (Leg(option, 1),),
        "lots": (make.held(option, units, "55.10"),),
        "entry": D("55.10"),
        "opened_units": opened or units,
        "exits": signal_of(find()).exits,
        "approval_id": None,
    }
    return make.position(**(defaults | more))


MISSES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "rebalance": ({"today": date(2026, 7, 11)}, {}, "11 Jul"),
    "theme": ({"ticker": "QQQ"}, {}, "none"),
    "open positions": ({}, {"held": tuple(held(f"Z{row}") for row in range(10))}, "10"),
    "names in its theme": ({}, {"held": tuple(held(ticker) for ticker in ("BBB", "CCC", "EEE"))}, "3"),
    "quote of the shares": ({"halted": True}, {}, "halted"),
}


@pytest.mark.parametrize("rule", MISSES)
def test_a_near_miss_is_removed_by_its_rule_before_the_chain_is_asked_for(rule: str) -> None:
    of_name, of_desk, value = MISSES[rule]
    found = find(name(load_chain=cases.forbidden, **of_name), context(**of_desk))
    assert cases.failed_at(found) == (rule, value)


def weighed(share: float) -> Any:
    """AAA first by revenue, last by all else: its score is 100 x the weight of revenue."""
    rest = (1 - share) / 2
    return replace(PARAMS, revenue_weight=share, earnings_weight=rest, margin_weight=rest, share_weight=0.0)


FIRST_AND_LAST = {**FACTS, "AAA": Fundamentals(revenue_growth=0.9, earnings_growth=-0.9, margin_change=-0.9)}


@pytest.mark.parametrize(("score", "passes"), [(0.6999, False), (0.70, True)])
def test_a_score_of_seventy_is_bought_and_one_just_below_is_not(score: float, passes: bool) -> None:
    found = find(given=context(facts=FIRST_AND_LAST), params=weighed(score))
    step = next(step for step in found.steps if step.rule == "score")
    assert (step.passed, step.value) == (passes, f"{score * 100:.4f}")


def test_ranks_among_too_few_names_are_none() -> None:
    few = {ticker: FACTS[ticker] for ticker in NAMES[:5]}
    assert cases.failed_at(find(given=context(facts=few))) == ("names compared", "5")


CHAIN_MISSES: dict[str, tuple[Any, str]] = {
    "options": (None, "none"),
    "expiry": (make.join(calls(459), calls(801)), "459 days"),
    "|delta|": (changed(delta=0.8010), "0.8010"),
    "bid": (changed(bid=0.05, ask=0.054), "0.05/0.05"),
    "spread": (changed(bid=52.3, ask=57.9), "10.16 % of mid"),
    "open interest or volume": (changed(open_interest=99, volume=9), "99, 9 traded"),
    "time value": (changed(bid=60.75, ask=60.85), "12.01 %"),
    "implied volatility": (changed(iv=np.nan), "no value"),
}


@pytest.mark.parametrize("rule", CHAIN_MISSES)
def test_a_near_miss_in_the_chain_is_removed_by_its_rule(rule: str) -> None:
    chain, value = CHAIN_MISSES[rule]
    assert cases.failed_at(find(name(chain=chain))) == (rule, value)


@pytest.mark.parametrize(("amount", "passes"), [("6.27", True), ("6.275", False), ("6.28", False)])
def test_the_time_value_exceeds_the_next_four_dividends(amount: str, passes: bool) -> None:
    found = find(name(dividends=cases.quarterly(amount)))
    step = next(step for step in found.steps if step.rule == "time value over dividends")
    assert (step.passed, step.value) == (passes, "25.1000")


def test_dividends_nobody_knows_are_no_reason_to_buy() -> None:
    assert cases.failed_at(find(name(dividends=None))) == ("dividends", "unknown")


def test_the_edges_belong_to_the_windows() -> None:
    signal_of(find(name(chain=calls(460))))
    signal_of(find(name(chain=calls(800))))
    signal_of(find(name(chain=changed(delta=0.80))))
    signal_of(find(name(chain=changed(delta=0.70))))
    assert cases.failed_at(find(name(chain=changed(delta=0.699))))[0] == "|delta|"
    signal_of(find(name(chain=changed(bid=52.35, ask=57.85))))
    signal_of(find(name(chain=changed(open_interest=100, volume=0))))
    signal_of(find(name(chain=changed(open_interest=0, volume=10))))
    signal_of(find(name(chain=changed(bid=60.70, ask=60.80))))
    penny = cases.changed(cases.changed(calls(), 170, strike=200.0), 200, bid=0.06, ask=0.066, delta=0.75)
    signal_of(find(name(chain=penny)))
    signal_of(find(name(today=date(2026, 7, 10), chain=replace(calls(480), today=date(2026, 7, 10)))))
    signal_of(find(given=context(held=tuple(held(f"Z{row}") for row in range(9)))))
    signal_of(find(given=context(held=(held("BBB"), held("CCC")))))


def test_of_several_expiries_the_one_nearest_the_aim_is_taken() -> None:
    for listed, taken in (
        ((468, 549), 549),
        ((468, 632), 468),
        ((468, 631), 631),
        ((500, 601), 500),
        ((499, 600), 600),
    ):
        both = make.join(calls(listed[0]), calls(listed[1]))
        expiry = signal_of(find(name(chain=both), params=replace(PARAMS, max_time_value=1.0))).options[0].expiry
        assert (expiry - DAY).days == taken


def test_the_strike_nearest_delta_three_quarters_is_taken() -> None:
    for deltas, strike in (((0.79, 0.72), 200), ((0.77, 0.72), 170), ((0.79, 0.70), 170), ((0.80, 0.71), 200)):
        chain = cases.changed(changed(delta=deltas[0]), 200, delta=deltas[1])
        assert (
            signal_of(find(name(chain=chain), params=replace(PARAMS, max_time_value=1.0))).options[0].strike == strike
        )


def test_it_is_armed_with_a_stop_at_the_close_and_a_last_day_and_keeps_both_when_the_limit_moves() -> None:
    signal = signal_of(find())
    assert (signal.exits.stop, signal.exits.stop_before_close, signal.exits.target) == (D("27.550"), 15, None)
    assert signal.exits.close_on == DAY + timedelta(days=438)
    moved = leaps.exits(replace(signal, limit=D("60.00")), PARAMS)
    assert (moved.stop, moved.close_on) == (D("30.00"), signal.exits.close_on)
    assert moved.words[0].startswith("At 120.00 and again at 180.00")


def test_the_stop_of_the_example_is_reached_a_month_later_at_161() -> None:
    worth = float(pricing.value(161.0918, 170, 438 / 365, 0.04, 0.40, True)[0])
    assert worth == pytest.approx(27.55, abs=0.0005)
    assert round(161.0918 / 200 - 1, 4) == -0.1945


def quoted(world: World, position: Any, mark: str) -> list[str]:
    """Two looks, ten seconds apart, at a position whose call is worth `mark`: the reasons of what was started."""
    option, started = position.unit[0].instrument, []
    world.market.set_quote(make.share(position.ticker), "160.99", "161.01")
    for _ in range(2):
        world.clock.advance(10)
        world.market.set_quote(option, D(mark) - D("0.05"), D(mark) + D("0.05"))
        started += supervise(world.desk)
    return [ticket.reason for ticket in started]


@pytest.mark.parametrize(
    ("clock", "mark", "reasons"),
    [
        ("11:00", "20.00", []),
        ("15:44:30", "27.55", []),
        ("15:45", "27.56", []),
        ("15:45", "27.55", ["stop"]),
    ],
)
def test_half_of_the_premium_lost_sells_at_the_close_and_not_within_the_day(
    clock: str, mark: str, reasons: list[str]
) -> None:
    world, position = make_world(), held()
    with world.store.begin() as work:
        work.save_position(position)
    world.clock.set(world.desk.sessions.at(DAY, clock))
    assert quoted(world, position, mark) == reasons


@pytest.mark.parametrize("days", [(436, []), (439, ["time"])])
def test_a_month_before_expiry_it_is_sold_if_nobody_has_answered(days: tuple[int, list[str]]) -> None:
    world, position = make_world(), held()
    with world.store.begin() as work:
        work.save_position(position)
    world.clock.set(world.desk.sessions.at(DAY + timedelta(days=days[0]), "11:00"))
    assert quoted(world, position, "60.00") == days[1]


def manage(position: Any, mark: str, days: int = 30, half: str = "0.05") -> tuple[Exit, ...]:
    option = position.unit[0].instrument
    quotes = {option: make.quote(option, D(mark) - D(half), D(mark) + D(half))}
    snapshot = make.snapshot(position.ticker, today=DAY + timedelta(days=days))
    return leaps.manage(position, snapshot, quotes, PARAMS)


@pytest.mark.parametrize(
    ("units", "opened", "mark", "sold"),
    [
        (6, 6, "110.19", None),
        (6, 6, "110.20", 2),
        (4, 6, "110.20", None),
        (3, 3, "110.20", 1),
        (2, 2, "110.20", 1),
        (5, 5, "110.20", 1),
        (4, 6, "165.29", None),
        (4, 6, "165.30", 1),
        (6, 6, "165.30", 3),
        (2, 3, "165.30", 1),
        (1, 3, "165.30", None),
    ],
)
def test_at_each_gain_a_third_of_three_or_more_is_sold_and_one_of_two(
    units: int, opened: int, mark: str, sold: int | None
) -> None:
    wishes = manage(held(units=units, opened=opened), mark)
    assert [(wish.reason, wish.units, wish.ask) for wish in wishes] == ([("gain", sold, False)] if sold else [])


@pytest.mark.parametrize(
    ("opened", "mark", "reason"),
    [(1, "110.19", None), (1, "110.20", "gain 100 %"), (1, "165.30", "gain 200 %"), (2, "165.30", "gain 200 %")],
)
def test_a_single_contract_is_asked_about_at_each_gain(opened: int, mark: str, reason: str | None) -> None:
    wishes = manage(held(units=1, opened=opened), mark)
    assert [(wish.reason, wish.ask) for wish in wishes] == ([(reason, True)] if reason else [])


def test_a_gain_on_a_wide_quote_is_none() -> None:
    assert manage(held(units=3), "120.00", half="5.9") != ()
    assert manage(held(units=3), "120.00", half="6.1") == ()
    assert leaps.manage(held(units=3), make.snapshot(today=DAY), {}, PARAMS) == ()


@pytest.mark.parametrize(("left", "asked"), [(91, False), (90, True)])
def test_from_ninety_days_left_a_roll_is_asked_about(left: int, asked: bool) -> None:
    wishes = manage(held(), "60.00", days=468 - left)
    assert [(wish.reason, wish.ask) for wish in wishes] == ([("roll", True)] if asked else [])


def test_it_rolls_to_a_call_of_the_aim_and_may_pay_for_it() -> None:
    rules = leaps.rolls(held(), PARAMS)
    assert (rules.dte, rules.credit_only, rules.delta) == (550, False, 0.75)


def test_part_of_a_holding() -> None:
    assert [part_of(units) for units in range(8)] == [0, 0, 1, 1, 1, 1, 2, 2]


def test_at_a_rebalance_a_held_name_below_fifty_is_asked_about_and_others_are_not() -> None:
    owned = tuple(held(ticker) for ticker in ("AAA", "DDD", "CCC", "GONE"))
    asked = review(context(held=owned), PARAMS)
    assert {id: (wish.reason, wish.ask) for id, wish in asked.items()} == {"PDDD": ("rebalance 2026 Q3", True)}
    assert asked["PDDD"].words.startswith("score 42.00, below 50")
    assert review(context(held=owned, today=date(2026, 7, 11)), PARAMS) == {}
    assert review(context(held=owned, today=date(2026, 6, 1)), PARAMS) == {}


@pytest.mark.parametrize(("share", "asked"), [(0.4999, 1), (0.50, 0)])
def test_a_score_of_fifty_is_kept(share: float, asked: int) -> None:
    assert len(review(context(held=(held("AAA"),), facts=FIRST_AND_LAST), weighed(share))) == asked


def proposal(ticker: str, rank: float) -> Signal:
    return make.signal(strategy="leaps", ticker=ticker, rank=rank)


def test_the_best_scores_are_kept_three_to_a_theme_and_ten_in_all() -> None:
    params = replace(PARAMS, themes={"one": ("AAA", "BBB", "CCC", "DDD"), "two": ("EEE", "FFF")})
    signals = tuple(proposal(ticker, 100 - place) for place, ticker in enumerate(NAMES))
    kept, dropped = leaps.choose(signals, context(held=(held("BBB"),)), params)
    assert [signal.ticker for signal in kept] == ["AAA", "BBB", "EEE", "FFF"]
    assert {ticker: (step.rule, step.value) for ticker, step in dropped.items()} == {
        "CCC": ("names in its theme", "3"), "DDD": ("names in its theme", "3"),
    }  # fmt: skip
    kept, dropped = leaps.choose(signals, context(held=tuple(held(f"Z{row}") for row in range(8))), params)
    assert [signal.ticker for signal in kept] == ["AAA", "BBB"]
    assert (dropped["CCC"].rule, dropped["CCC"].limit) == ("rank of the quarter", "best 2")


def test_it_looks_at_its_themes_and_what_it_holds_whatever_the_universe_is() -> None:
    owned = (held("ZZZ"), held("YYY", strategy="wheel"))
    assert leaps.select(("SPY",), owned, PARAMS) == (*NAMES, "ZZZ")


def test_a_theme_in_the_configuration_replaces_its_own_and_an_empty_one_leaves_it_out() -> None:
    made = configure(leaps.Params, "leaps", {"themes": {"ai": ["nvdl", "MSFT"], "space": "RKLB, ASTS", "fintech": []},
                                             "dte": 600})  # fmt: skip
    assert (made.themes["ai"], made.themes["space"], made.dte) == (("NVDL", "MSFT"), ("RKLB", "ASTS"), 600)
    assert ("fintech" in made.themes, made.themes["cloud"]) == (False, leaps.Params().themes["cloud"])


@pytest.mark.parametrize(
    ("themes", "words"),
    [
        ({"ai": ["not a ticker"]}, r"\[strategies.leaps\] themes.ai = NOT A TICKER: expected tickers such as NVDA"),
        ({"ai": 7}, r"themes.ai = 7: expected a list of tickers"),
        ({"ai": [7]}, r"themes.ai = \[7\]: expected a list of tickers"),
        ({"ai": ["CRM"]}, r"themes.cloud: CRM is in ai already"),
        (["CRM"], r"themes = \['CRM'\]: expected a section \[themes\]"),
        ({theme: [] for theme in leaps.Params().themes}, r"themes: expected at least one ticker"),
    ],
)
def test_a_wrong_theme_is_refused_by_its_key(themes: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        configure(leaps.Params, "leaps", {"themes": themes})


def test_a_modelled_chain_marks_the_signal() -> None:
    assert signal_of(find(name(chain=replace(calls(), source=Source("replay", Kind.MODELLED))))).modelled


def test_a_growth_that_is_no_number_is_missing_and_moves_nobody_elses_score() -> None:
    broken = Fundamentals(revenue_growth=float("nan"), earnings_growth=0.2, margin_change=0.0)
    params = replace(PARAMS, themes={"one": (*NAMES, "GGG")})

    assert scores({**FACTS, "GGG": broken}, params) == scores(FACTS, PARAMS)
