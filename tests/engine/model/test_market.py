"""Quotes, bars and columnar chains."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from engine.model.instruments import Option, Right, Style
from engine.model.market import NO_GREEKS, Chain, Greeks, Kind, Source
from tests import make

D = Decimal
IV = {40: 0.48, 44: 0.46, 48: 0.45}
PUTS = make.rows(
    "40: 0.3266 / 0.28 / 0.38 / -0.0923; 44: 1.0345 / 0.98 / 1.08 / -0.2392; 48: 2.5703 / 2.52 / 2.62 / -0.4613", IV
)
CALLS = make.rows(
    "44: 2.4274 / 2.38 / 2.48 / 0.4650; 48: 1.1279 / 1.08 / 1.18 / 0.2735; 52: 0.4964 / 0.45 / 0.55 / 0.1428",
    {44: 0.62, 48: 0.6, 52: 0.6},
)


def wheel_chain() -> Chain:
    """The puts of worked example 1 at 35 days (spot 48), its calls at 30 (spot 42.50)."""
    return make.join(make.chain(PUTS, dte=35), make.chain(calls=CALLS, dte=30, spot=42.5))


def test_the_greeks_of_the_builder_are_those_of_the_worked_examples() -> None:
    chain = make.chain(PUTS, dte=35)

    np.testing.assert_allclose(chain.delta, [row.delta for row in PUTS], atol=5e-5)
    picked = chain.find(make.put(44))
    assert picked is not None
    assert picked.greeks is not None
    assert [round(value, 4) for value in (picked.greeks.gamma, picked.greeks.theta, picked.greeks.vega)] == [
        0.0454,
        -0.0289,
        0.0461,
    ]


def test_a_quote_knows_its_middle_spread_and_age() -> None:
    quote = make.quote(make.put(), "0.98", "1.08")

    assert (quote.mid, quote.spread) == (D("1.03"), D("0.10"))
    assert quote.spread_ratio == pytest.approx(0.0971, abs=1e-4)
    assert quote.age(make.NOW + timedelta(seconds=7)) == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("bid", "ask", "two_sided"),
    [("0.98", "1.08", True), ("1", "1", True), ("0", "0.05", False), ("1.10", "1.00", False), ("0", "0", False)],
)
def test_a_quote_is_two_sided_with_a_bid_and_an_ask_not_below_it(bid: str, ask: str, two_sided: bool) -> None:
    assert make.quote(make.put(), bid, ask).is_two_sided is two_sided


def test_the_spread_of_nothing_is_infinite() -> None:
    assert make.quote(make.put(), "0", "0").spread_ratio == float("inf")


def test_a_source_says_how_far_it_may_be_trusted() -> None:
    assert str(Source("replay", Kind.MODELLED)) == "replay (modelled)"


def test_bars_before_a_day_leave_the_day_out() -> None:
    bars = make.bars([1.0, 2.0, 3.0])
    last = bars.day[-1].astype(object)

    assert list(bars.before(last).close) == [1.0, 2.0]
    assert list(bars.before(last + timedelta(days=1)).close) == [1.0, 2.0, 3.0]
    assert len(bars.before(date(2000, 1, 1))) == 0


def test_scaled_bars_keep_the_dollars_that_were_traded() -> None:
    bars = make.bars([10.0, 20.0], volume=1_000.0)

    halved = bars.scaled(0.5)

    assert list(halved.close) == [5.0, 10.0]
    np.testing.assert_allclose(halved.close * halved.volume, bars.close * bars.volume)
    assert list(bars.close) == [10.0, 20.0]


def test_one_bar_is_a_row_of_plain_numbers() -> None:
    bar = make.bars([10.0, 20.0]).bar(-1)

    assert (bar.day, bar.open, bar.close) == (date(2026, 6, 12), 10.0, 20.0)
    assert bar.high == pytest.approx(20.2)
    assert bar.low == pytest.approx(9.9)


def test_greeks_add_and_scale() -> None:
    one = Greeks(0.5, 0.05, -0.1, 0.2, 0.01)

    assert one.plus(one.times(-1)) == NO_GREEKS
    assert one.times(2).delta == 1.0


def test_a_chain_knows_its_middles_days_and_expiries() -> None:
    chain = wheel_chain()

    np.testing.assert_allclose(chain.mid, [0.33, 1.03, 2.57, 2.43, 1.13, 0.50])
    assert list(chain.dte) == [35, 35, 35, 30, 30, 30]
    assert chain.expiries == (make.TODAY + timedelta(days=30), make.TODAY + timedelta(days=35))
    assert len(chain) == 6


def test_a_spread_ratio_needs_a_bid() -> None:
    row = make.Row(40, 0.05, 0.0, 0.10, -0.01, 0.48)

    assert np.isnan(make.chain([row]).spread_ratio[0])
    assert make.chain(PUTS).spread_ratio[1] == pytest.approx(0.0971, abs=1e-4)


def test_a_chain_is_narrowed_by_every_condition_at_once() -> None:
    chain = wheel_chain()

    assert list(chain.where(right=Right.PUT).strike) == [40, 44, 48]
    assert list(chain.where(dte=(30, 34)).strike) == [44, 48, 52]
    assert list(chain.where(dte=(35, 45)).strike) == [40, 44, 48]
    assert list(chain.where(abs_delta=(0.15, 0.30)).strike) == [44, 48]
    assert list(chain.where(right=Right.PUT, abs_delta=(0.15, 0.30)).strike) == [44]
    assert list(chain.where(expiry=make.TODAY + timedelta(days=35)).strike) == [40, 44, 48]
    assert len(chain.where(right=Right.CALL, dte=(35, 45))) == 0


def test_both_ends_of_a_range_count() -> None:
    delta = float(make.chain(PUTS, dte=35).delta[1])

    assert list(make.chain(PUTS, dte=35).where(abs_delta=(-delta, -delta)).strike) == [44]


def test_a_row_is_a_contract_with_exact_money() -> None:
    contract = wheel_chain().find(make.put(44))

    assert contract is not None
    assert (contract.bid, contract.ask, contract.mid, contract.limit) == (D("0.98"), D("1.08"), D("1.03"), D("1.03"))
    assert (contract.open_interest, contract.volume, contract.bid_size) == (500, 100, 0)
    assert contract.iv == 0.46
    assert contract.delta == pytest.approx(-0.2392, abs=1e-4)


def test_what_is_not_known_of_a_row_is_none_and_never_zero() -> None:
    chain = make.chain(PUTS, open_interest=np.nan, volume=np.nan)
    chain.iv[1] = np.nan
    chain.gamma[1] = np.nan

    contract = chain.find(make.put(44))

    assert contract is not None
    assert (contract.open_interest, contract.volume, contract.iv) == (None, None, None)
    assert (contract.greeks, contract.delta) == (None, None)


def test_a_contract_that_is_not_listed_is_not_found() -> None:
    chain = wheel_chain()

    assert chain.find(make.put(45)) is None
    assert chain.find(make.call(44, dte=35)) is None
    assert chain.find(make.put(44, dte=36)) is None


def test_only_two_sided_rows_are_contracts() -> None:
    chain = make.chain(PUTS)
    chain.bid[0] = 0.0
    chain.bid[1], chain.ask[1] = 1.20, 1.10

    assert [contract.option.strike for contract in chain.contracts()] == [D(48)]


def test_roots_are_kept_apart() -> None:
    row = make.Row(5800, 30.0, 29.5, 30.5, -0.25, 0.17)
    roots = np.array(["SPX", "SPXW"], dtype=object)
    chain = make.chain([row, row], spot=6000.0, underlying="SPX", root=roots)
    weekly = Option("SPX", make.TODAY + timedelta(days=35), Right.PUT, D(5800), root="SPXW", style=Style.EUROPEAN)

    found = chain.find(weekly)

    assert found is not None
    assert found.option == weekly
    assert found.option.is_cash_settled


def test_taking_rows_takes_every_column() -> None:
    chain = wheel_chain().take(np.array([4, 1]))

    assert list(chain.strike) == [48, 44]
    assert [contract.option for contract in chain.contracts()] == [make.call(48), make.put(44)]


def test_a_snapshot_asks_for_its_chain_only_when_it_is_read() -> None:
    asked: list[str] = []

    def load() -> Chain:
        asked.append("chain")
        return wheel_chain()

    snapshot = make.snapshot(load_chain=load)
    assert asked == []

    assert snapshot.chain is not None
    assert asked == ["chain"]
    assert make.snapshot().chain is None
