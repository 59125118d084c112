"""The numbers of the dip, each exactly at its limit and a hair beyond, by the name of the rule that says so."""

from math import sqrt
from typing import Any

import numpy as np
import pytest

from engine.model.market import Chain
from engine.model.trade import Found
from strategies import wsb_dip
from tests import make
from tests.strategies import cases

PARAMS = wsb_dip.Params()
SESSIONS = tuple(day.astype(object) for day in np.busday_offset(np.datetime64(make.TODAY, "D"), np.arange(30)))


def found(desk: dict[str, Any] | None = None, **more: Any) -> Found:
    defaults: dict[str, Any] = {"market": cases.spy(), "firing": 0.01, "next_sessions": SESSIONS}
    return wsb_dip.find(cases.dip_name(**more), make.context(**(defaults | (desk or {}))), PARAMS)


def step_of(rule: str, chain: Chain) -> tuple[str, bool]:
    """(value, whether it holds) of one rule on contracts."""
    return cases.asked(found(chain=chain), rule)


@pytest.mark.parametrize(
    ("listed", "taken", "holds"),
    [
        ((20,), "20 days", False),
        ((21,), "21 days", True),
        ((45,), "45 days", True),
        ((46,), "46 days", False),
        ((27, 32), "32 days", True),
        ((28, 33), "28 days", True),
    ],
)
def test_the_call_nearest_thirty_in_21_to_45_days_is_taken(listed: tuple[int, ...], taken: str, holds: bool) -> None:
    assert step_of("expiry", make.join(*map(cases.dip_chain, listed))) == (taken, holds)


@pytest.mark.parametrize(
    ("interest", "volume", "holds"), [(100, 0, True), (0, 10, True), (99, 9, False), (99, 10, True), (100, 9, True)]
)
def test_a_call_needs_100_open_or_10_traded(interest: int, volume: int, holds: bool) -> None:
    chain = cases.changed(cases.dip_chain(), 113, open_interest=interest, volume=volume)
    assert step_of("open interest or volume", chain) == (f"{interest}, {volume} traded", holds)


@pytest.mark.parametrize(("bid", "ask", "holds"), [(0.05, 0.054, False), (0.06, 0.065, True)])
def test_a_bid_has_to_be_above_five_cents(bid: float, ask: float, holds: bool) -> None:
    chain = cases.changed(cases.dip_chain(), 113, bid=bid, ask=ask)
    assert step_of("bid", chain) == (f"{bid:.2f}/{ask:.2f}", holds)


@pytest.mark.parametrize(("bid", "ask", "holds"), [(3.70, 4.30, True), (3.69, 4.31, False)])
def test_a_bought_call_may_have_a_spread_of_fifteen_percent(bid: float, ask: float, holds: bool) -> None:
    chain = cases.changed(cases.dip_chain(), 113, bid=bid, ask=ask)
    assert step_of("spread", chain) == (f"{(ask - bid) / 4:.2%}".replace("%", " % of mid"), holds)


def test_thirty_closed_campaigns_are_enough_for_kelly() -> None:
    (signal,) = found({"campaigns": make.campaigns(14, 1.05, 16, 0.50)}).signals
    p = 14 / 30
    full = p - (1 - p) / (1.05 / 0.50)
    assert signal.at_risk == pytest.approx(min(0.02, full * 0.25))
    assert signal.at_risk == 0.02


def test_above_sixty_percent_volatility_the_fraction_shrinks_in_its_proportion() -> None:
    """Over thirty sessions: the one before them moved by a tenth and is not among them."""
    closes = cases.ran(volatility=1.20)
    closes[:-31] = [price * 1.1 for price in closes[:-31]]
    (signal,) = found({"campaigns": make.campaigns(14, 1.05, 26, 0.50)}, bars=make.bars(closes)).signals
    realised = float(np.diff(np.log(closes[-31:])).std(ddof=1)) * sqrt(252)
    p = 14 / 40
    full = p - (1 - p) / (1.05 / 0.50)
    assert 0.75 < realised < 1.50
    assert signal.at_risk == pytest.approx(full * 0.25 * 0.60 / realised)


def test_at_sixty_percent_volatility_the_fraction_is_whole() -> None:
    closes = cases.ran(volatility=0.68)
    realised = float(np.diff(np.log(closes[-31:])).std(ddof=1)) * sqrt(252)
    (signal,) = found({"campaigns": make.campaigns(14, 1.05, 26, 0.50)}, bars=make.bars(closes)).signals
    p = 14 / 40
    assert 0.48 < realised <= 0.60
    assert signal.at_risk == pytest.approx((p - (1 - p) / (1.05 / 0.50)) * 0.25)
