"""The report on the account and its strategies: closes kept and bars of funds become numbers; what is missing is said.

The worked example is lived through here: its returns become closes, its benchmark the bars of a fund.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from math import cos, prod, sin
from typing import Any

import numpy as np
import pytest

from engine import baseline
from engine.baseline import Baseline, Standing
from engine.model.book import PositionStatus, Posting, PostingKind
from engine.model.market import Bars, Dividend
from engine.model.records import EquityDay, StrategyDay
from engine.model.reports import Alone, Beside, NotEnough, Report
from engine.sessions import Sessions
from strategies import CATALOGUE, index_baseline
from tests import make
from tests.desk import World, make_world

D = make.D
SESSIONS = Sessions()
RATE = 0.04
REPORT = index_baseline.REPORT


def days(count: int) -> tuple[date, ...]:
    """So many sessions, the last one on the last Friday before the builders' Monday."""
    return SESSIONS.between(SESSIONS.previous(make.TODAY, count), SESSIONS.previous(make.TODAY))


def example(count: int) -> tuple[list[float], list[float]]:
    market = [0.0004 + 0.010 * sin(1.3 * t) for t in range(1, count + 1)]
    return [0.0002 + 0.6 * m + 0.003 * cos(0.7 * t) for t, m in enumerate(market, start=1)], market


def closes(returns: Sequence[float], start: float = 100_000.0) -> list[Decimal]:
    """Equity from 100,000 on, a return after the other; one more than there are returns."""
    return [D(f"{each:.6f}") for each in start * np.cumprod([1.0, *(1 + each for each in returns)])]


def kept_day(day: date, equity: Decimal, **more: Any) -> EquityDay:
    zero = D(0)
    at = SESSIONS.close(day) + timedelta(minutes=15)
    row = EquityDay(day, at, equity, equity, zero, equity - 100_000, zero, zero, zero, zero, rate=RATE)
    return replace(row, **more)


def desk_with(rows: Sequence[EquityDay], results: Sequence[StrategyDay] = (), **more: Any) -> World:
    made = make_world(strategies=dict(CATALOGUE), **more)
    with made.store.begin() as work:
        for row in rows:
            work.add_equity(row)
        for line in results:
            work.add_strategy_day(line)
    return made


def fund(made: World, name: str, when: Sequence[date], returns: Sequence[float], **more: Any) -> Bars:
    """Bars of a fund whose prices make these returns, known with its (no) dividends."""
    level = np.cumprod([200.0, *(1 + each for each in returns)])
    bars = Bars(name, np.array(when, "datetime64[D]"), level, level, level, level, level, make.SOURCE)
    made.market.set_snapshot(make.snapshot(name, bars=bars, **more))
    return bars


def lived(count: int = 60, rows: Sequence[EquityDay] | None = None, **more: Any) -> World:
    """The worked example over `count` sessions: the opening balance, then a close a day; SPY beside it."""
    own, market = example(count)
    when = days(count)
    found = rows or [kept_day(day, equity) for day, equity in zip(when, closes(own)[1:], strict=True)]
    made = desk_with(found, more.pop("results", ()), **more)
    fund(made, "SPY", (SESSIONS.previous(when[0]), *when), market)
    return made


def told(made: World, report: Report = REPORT) -> Baseline:
    return baseline.baseline(made.desk, report, np.random.default_rng(baseline.SEED))


def account(made: World, report: Report = REPORT) -> Standing:
    found = told(made, report).account
    assert found is not None
    return found


def alone(standing: Standing) -> Alone:
    assert isinstance(standing.measured.alone, Alone)
    return standing.measured.alone


def beside(standing: Standing, name: str = "SPY") -> Beside:
    found = dict(standing.measured.beside)[name]
    assert isinstance(found, Beside)
    return found


def strategy(made: World, name: str = "wheel") -> Standing:
    return next(each for each in told(made).strategies if each.name == name)


def test_an_account_that_lived_the_worked_example_is_told_its_numbers() -> None:
    found = account(lived())
    both = beside(found)
    numbers = (both.beta.value, both.alpha.value, alone(found).sharpe.value, alone(found).sortino.value,
               alone(found).drawdown, both.information.value, found.cumulative, both.benchmark,
               alone(found).positive)  # fmt: skip
    assert numbers == pytest.approx((0.6088, 0.0087, 1.0857, 1.6337, -0.0148, -0.7062, 0.0291, 0.0380, 0.55), abs=6e-5)
    assert (alone(found).days, both.days, both.without) == (60, 60, 0)


def test_fifty_nine_days_are_not_enough_and_what_was_made_is_told_all_the_same() -> None:
    found = account(lived(59))
    assert found.measured.alone == dict(found.measured.beside)["SPY"] == NotEnough(59, 60)
    assert found.cumulative == pytest.approx(prod(1 + each for each in example(59)[0]) - 1, abs=1e-9)


def test_without_a_close_there_is_nothing_to_report() -> None:
    found = told(make_world(strategies=dict(CATALOGUE)))
    assert (found.account, found.strategies) == (None, ())
    assert found.notes == ("No close has been kept yet: the report begins with the first one.",)


def test_the_first_day_counts_from_the_opening_balance() -> None:
    when = days(1)
    found = told(desk_with([kept_day(when[0], D(99_000))]))
    assert (found.since, found.until) == (SESSIONS.previous(when[0]), when[0])
    assert found.account is not None
    assert (found.account.made, found.account.cumulative) == (D(-1000), pytest.approx(-0.01))


def test_deposits_count_as_moved_before_the_open_and_are_no_gain() -> None:
    when = days(3)
    rows = [
        kept_day(when[0], D(101_000)),
        kept_day(when[1], D(110_445), flows=D(10_000)),
        kept_day(when[2], D(109_000), flows=D(5_000)),
    ]
    found = account(desk_with(rows))
    assert (found.made, round(found.cumulative, 4)) == (D("4000.00"), 0.0388)


def strategy_rows(when: Sequence[date], made: Sequence[Any], name: str = "wheel") -> list[StrategyDay]:
    return [StrategyDay(day, name, realised=D(each)) for day, each in zip(when, made, strict=True)]


def test_a_strategys_return_is_its_gain_over_the_accounts_equity_of_that_morning() -> None:
    when = days(3)
    rows = [
        kept_day(when[0], D(102_000)),
        kept_day(when[1], D(122_000), flows=D(20_000)),
        kept_day(when[2], D(121_000)),
    ]
    rows[2] = replace(rows[2], flows=D(20_000))
    found = strategy(desk_with(rows, strategy_rows(when, (500, 500, -110))))
    expected = (1 + 500 / 100_000) * (1 + 0 / 122_000) * (1 - 610 / 122_000) - 1
    assert found.cumulative == pytest.approx(expected, abs=1e-12)
    assert (found.made, found.since) == (D(-110), SESSIONS.previous(when[0]))


def test_a_strategy_is_measured_from_the_close_before_its_first_trade() -> None:
    when = days(70)
    rows = [kept_day(day, D(100_000)) for day in when]
    made = [0] * 8 + [100 + 7 * (number % 5) for number in range(62)]
    found = strategy(desk_with(rows, strategy_rows(when, made)))
    assert found.since == when[7]
    assert alone(found).days == 62


def test_a_strategy_that_never_traded_is_not_in_the_report() -> None:
    when = days(3)
    made = desk_with([kept_day(day, D(100_000)) for day in when], strategy_rows(when, (0, 0, 0)))
    assert told(made).strategies == ()


def test_what_a_strategy_had_made_before_its_days_were_kept_is_not_todays_gain() -> None:
    """A database from before: closes of the account for a week, of the strategies from Wednesday on."""
    when = days(5)
    rows = [kept_day(day, D(100_000)) for day in when]
    found = strategy(desk_with(rows, strategy_rows(when[2:], (5_000, 5_100, 5_050))))
    assert (found.made, found.since) == (D(50), when[2])
    assert found.cumulative == pytest.approx(1.001 * 0.9995 - 1)


def test_the_report_looks_back_over_so_many_sessions_and_no_more() -> None:
    report = replace(REPORT, params=index_baseline.Params(sessions=60))
    found = told(lived(75), report)
    assert (found.since, found.until) == (days(61)[0], days(1)[0])
    assert found.account is not None
    assert alone(found.account).days == 60
    assert alone(account(lived(75))).days == 75


def test_a_benchmark_that_is_not_known_is_missing_and_the_report_goes_on() -> None:
    found = told(lived())
    assert "QQQ is missing: No bars of QQQ here." in found.notes
    assert found.account is not None
    assert [name for name, _ in found.account.measured.beside] == ["SPY"]


def test_a_fund_whose_dividends_are_not_known_has_no_total_return() -> None:
    made = lived()
    when = (SESSIONS.previous(days(60)[0]), *days(60))
    fund(made, "SPY", when, example(60)[1], dividends=None)
    found = told(made)
    assert found.notes[0] == "SPY is missing: its dividends are not known, so its total return is not."


def test_dividends_of_the_fund_are_part_of_what_has_to_be_beaten() -> None:
    made = lived()
    when = (SESSIONS.previous(days(60)[0]), *days(60))
    bars = fund(made, "SPY", when, example(60)[1], dividends=(Dividend(when[30], D("1.5")),))
    with_one = (1 + 1.5 / bars.close[30]) * (bars.close[-1] / bars.close[0]) - 1
    assert beside(account(made)).benchmark == pytest.approx(with_one)


def test_todays_close_waits_for_the_funds_close_and_is_counted_as_missing() -> None:
    """The account's close of today is kept; the fund's daily bar of today comes tomorrow."""
    when = (*days(61), make.TODAY)
    own, market = example(62)
    rows = [kept_day(day, equity) for day, equity in zip(when, closes(own)[1:], strict=True)]
    made = desk_with(rows)
    fund(made, "SPY", (SESSIONS.previous(when[0]), *when[:-1]), market[:-1])
    found = account(made)
    assert alone(found).days == 62
    assert (beside(found).days, beside(found).without) == (61, 1)


def test_a_rate_that_was_not_kept_is_that_of_now_and_said_so() -> None:
    own, _ = example(60)
    rows = [kept_day(day, equity) for day, equity in zip(days(60), closes(own)[1:], strict=True)]
    rows[7] = replace(rows[7], rate=None)
    made = lived(rows=rows)
    found = told(made)
    assert "Days whose interest rate was not kept: 1. That of now stands in (proxy)." in found.notes
    assert found.account is not None
    assert alone(found.account).sharpe.value == pytest.approx(1.0857, abs=6e-5)


def test_without_any_rate_nothing_is_said_of_ratios() -> None:
    own, _ = example(60)
    rows = [kept_day(day, equity, rate=None) for day, equity in zip(days(60), closes(own)[1:], strict=True)]
    found = told(desk_with(rows))
    assert "Days whose interest rate is not known: 60. They count in no ratio." in found.notes
    assert found.account is not None
    assert found.account.measured.alone == NotEnough(0, 60)
    assert found.account.cumulative == pytest.approx(0.0291, abs=6e-5)


def test_a_close_that_was_not_kept_is_part_of_the_next_return_and_said() -> None:
    own, market = example(62)
    when = days(62)
    rows = [kept_day(day, equity) for day, equity in zip(when, closes(own)[1:], strict=True) if day != when[20]]
    made = lived(62, rows=rows)
    found = told(made)
    assert "Sessions without a close kept: 1. The return after one is of all of them." in found.notes
    assert found.account is not None
    both = beside(found.account)
    assert (both.days, both.without) == (61, 0)
    assert both.benchmark == pytest.approx(prod(1 + each for each in market) - 1)
    rate = RATE / 252
    excess = [own[row] - rate for row in range(62) if row not in (20, 21)]
    excess.append((1 + own[20]) * (1 + own[21]) - 1 - 2 * rate)
    sharpe = np.mean(excess) / np.std(excess, ddof=1) * 252**0.5
    assert alone(found.account).sharpe.value == pytest.approx(sharpe, abs=1e-6)


def test_what_idle_cash_made_stands_apart_beside_what_riskless_money_made() -> None:
    when = days(3)
    rows = [kept_day(day, D(100_000), interest=D(10 * number), cash=D(50_000)) for number, day in enumerate(when)]
    idle = told(desk_with(rows)).idle
    assert idle is not None
    assert idle.interest == D(20)
    assert idle.made == pytest.approx((1 + 10 / 50_000) ** 2 - 1)
    assert idle.riskless == pytest.approx((1 + RATE / 252) ** 3 - 1)


def test_costs_and_campaigns_are_those_of_the_days_looked_back_on() -> None:
    when = days(4)
    rows = [kept_day(day, D(100_000), fees=D(3 * number)) for number, day in enumerate(when)]
    results = [StrategyDay(day, "wheel", D(20 * number), fees=D(3 * number)) for number, day in enumerate(when)]
    made = desk_with(rows, results)
    shut = {"status": PositionStatus.CLOSED, "closed_at": SESSIONS.close(when[1])}
    with made.store.begin() as work:
        work.add_approval(make.approval())
        work.add_postings((Posting("f", PostingKind.FEE, make.NOW, D(-9), strategy="wheel"),))
        for number, result in enumerate((30, -5, 12)):
            put = {"max_loss": D(100), "opened_units": 1, "entry": D("-1.03")}
            position = make.position(id=f"P{number}", campaign=f"C{number}", realised=D(result), **put, **shut)
            work.save_position(position)
    found = strategy(made)
    assert (found.campaigns, found.wins) == (3, pytest.approx(2 / 3))
    assert (found.fees, found.slippage) == (D(9), D(0))
    assert found.drag == pytest.approx(9 / 60)


def test_the_same_history_shows_the_same_intervals() -> None:
    assert told(lived()) == told(lived())
