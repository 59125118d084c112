"""The rate to each expiry: the Treasury's curve while it is fresh, a proxy that says so otherwise."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from engine.data.providers.port import Curve
from engine.data.rates import Rates
from engine.data.term_rates import TermRates, term_rates, zero_rate
from engine.model.market import Kind, Source

TODAY = date(2026, 11, 27)
YIELDS = {1 / 12: 0.0380, 0.25: 0.0375, 1.0: 0.0360, 2.0: 0.0350, 10.0: 0.0410}


def curve(day: date = TODAY - timedelta(days=2)) -> Curve:
    return Curve(day, YIELDS, Source("treasury", Kind.REAL))


def found(today: date = TODAY, given: Curve | None = None, policy: Rates | None = None) -> TermRates:
    rates = term_rates(given, today, policy)
    assert rates is not None
    return rates


def test_a_fresh_curve_is_read_at_every_maturity():
    rates = found(given=curve())
    assert rates.source == Source("treasury of 2026-11-25", Kind.REAL)
    assert rates.at(1.0).value == pytest.approx(2 * np.log(1.018))
    assert rates.at(1.5).value == pytest.approx(np.log(1.018) + np.log(1.0175))
    assert rates.to(np.array([0.0, 40.0])) == pytest.approx([zero_rate(0.038, 1 / 12), zero_rate(0.041, 10.0)])


def test_maturities_may_come_in_any_order():
    mixed = Curve(TODAY, dict(reversed(YIELDS.items())), Source("treasury", Kind.REAL))
    assert found(given=mixed).years == tuple(sorted(YIELDS))


def test_a_curve_of_ten_days_ago_is_fresh_and_one_of_eleven_is_a_proxy_with_its_date():
    assert found(given=curve(TODAY - timedelta(days=10))).source.kind is Kind.REAL
    stale = found(given=curve(TODAY - timedelta(days=11)))
    assert stale.source == Source("treasury of 2026-11-16", Kind.PROXY)
    assert stale.at(2.0).value == pytest.approx(zero_rate(0.035, 2.0))


def test_a_policy_rate_newer_than_a_stale_curve_takes_its_place():
    policy = Rates(policy=((date(2026, 11, 20), 0.03),), policy_name="policy")
    rates = found(given=curve(date(2026, 10, 1)), policy=policy)
    assert rates.source == Source("policy of 2026-11-20", Kind.PROXY)


def test_without_a_curve_the_policy_rate_stands_in_with_its_date():
    rates = found(policy=Rates(policy=((date(2025, 12, 10), 0.0375),), policy_name="federal funds target"))
    assert str(rates.source) == "federal funds target of 2025-12-10 (proxy)"
    assert rates.to(np.array([0.1, 2.0])) == pytest.approx(4 * np.log1p(0.0375 / 4))


@pytest.mark.parametrize("odd", [curve(TODAY + timedelta(days=1)), Curve(TODAY, {}, Source("treasury"))])
def test_a_curve_of_tomorrow_or_without_yields_is_none(odd: Curve):
    assert found(given=odd).source.kind is Kind.PROXY


def test_where_nothing_is_known_nothing_is_said():
    assert term_rates(None, date(1990, 1, 1)) is None
