"""Modelled chains: listed shape, honest labels, no gross arbitrage, one price for chain and quote, fit as described."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import pricing
from engine.data.model_chain import SPREAD_LEVEL, expiries_of, modelled_chain, modelled_quotes
from engine.errors import DataInvalid
from engine.model.instruments import Option, Right, Style
from engine.model.market import Chain, Floats, Kind
from engine.sessions import Sessions
from tests.shared import SHARED, needs_shared

SESSIONS = Sessions()
TODAY = date(2019, 3, 20)
ASOF = datetime(2019, 3, 20, 14, tzinfo=UTC)
EXPIRIES = expiries_of(TODAY, SESSIONS, has_weeklies=True)

SITUATIONS = st.fixed_dictionaries(
    {
        "spot": st.floats(2.0, 2500.0),
        "volatility": st.floats(0.06, 1.5),
        "rate": st.floats(0.0, 0.08),
        "underlying": st.sampled_from(["XYZ", "SPY"]),
        "style": st.sampled_from([Style.AMERICAN, Style.EUROPEAN]),
        "dividends": st.sampled_from([(), ((date(2019, 5, 9), 0.004), (date(2019, 8, 8), 0.004))]),
    }
)


def chain(expiries: tuple[date, ...] = EXPIRIES, **changed: Any) -> Chain:
    """A chain on 138 dollars at 25 % seen at 10:00 on 20 March 2019; dividends are shares of the spot."""
    terms: dict[str, Any] = {"underlying": "XYZ", "spot": 138.0, "volatility": 0.25, "rate": 0.024} | changed
    paid = tuple((day, share * terms["spot"]) for day, share in terms.pop("dividends", ()))
    return modelled_chain(asof=ASOF, today=TODAY, expiries=expiries, dividends=paid, **terms)


def sides(whole: Chain, expiry: date, right: Right) -> tuple[Floats, Floats, Floats]:
    rows = whole.where(expiry=expiry, right=right)
    return rows.strike, rows.bid, rows.ask


@settings(max_examples=60)
@given(SITUATIONS)
def test_no_quote_is_crossed_or_negative_and_every_one_lies_on_a_cent(terms: dict[str, Any]) -> None:
    made = chain(**terms)
    assert (made.bid >= 0).all()
    assert (made.ask >= made.bid + 0.01 - 1e-9).all()
    for side in (made.bid, made.ask):
        assert np.abs(side * 100 - np.rint(side * 100)).max() < 1e-6
    assert np.isfinite([made.iv, made.delta, made.gamma, made.theta, made.vega, made.rho]).all()


@settings(max_examples=60)
@given(SITUATIONS)
def test_verticals_cannot_be_traded_for_a_sure_gain(terms: dict[str, Any]) -> None:
    made = chain(**terms)
    for expiry in made.expiries:
        for right in Right:
            strike, bid, ask = sides(made, expiry, right)
            near, far = (slice(None, -1), slice(1, None)) if right is Right.CALL else (slice(1, None), slice(None, -1))
            assert (bid[far] <= ask[near]).all()
            assert (bid[near] - ask[far] <= np.diff(strike) + 1e-9).all()


@settings(max_examples=60)
@given(SITUATIONS)
def test_mids_fall_with_the_strike_for_calls_and_rise_for_puts(terms: dict[str, Any]) -> None:
    made = chain(**terms)
    tick = 0.05  # each side may have been rounded by half a nickel
    for expiry in made.expiries:
        for right, sign in ((Right.CALL, 1), (Right.PUT, -1)):
            _, bid, ask = sides(made, expiry, right)
            assert (sign * np.diff((bid + ask) / 2) <= tick / 2 + 1e-9).all()


@settings(max_examples=30)
@given(SITUATIONS)
def test_butterflies_cannot_be_bought_for_less_than_nothing(terms: dict[str, Any]) -> None:
    made = chain(**terms)
    for expiry in made.expiries:
        for right in Right:
            strike, bid, ask = sides(made, expiry, right)
            left, right_gap = strike[1:-1] - strike[:-2], strike[2:] - strike[1:-1]
            inner = left / (left + right_gap)
            cost = (1 - inner) * ask[:-2] + inner * ask[2:] - bid[1:-1]
            assert (cost >= -0.01).all()


@settings(max_examples=40)
@given(SITUATIONS, st.integers(0, 10_000))
def test_a_quote_is_to_the_cent_what_the_chain_shows(terms: dict[str, Any], seed: int) -> None:
    made = chain(**terms)
    rows = np.random.default_rng(seed).choice(len(made), size=min(25, len(made)), replace=False)
    paid = tuple((day, share * terms["spot"]) for day, share in terms["dividends"])
    same = terms | {"dividends": paid}
    for row in rows.tolist():
        contract = made.row(row)
        (quote,) = modelled_quotes([contract.option], asof=ASOF, today=TODAY, **same)
        assert (quote.bid, quote.ask) == (contract.bid, contract.ask)


def test_quotes_asked_together_and_apart_are_the_same() -> None:
    options = [contract.option for contract in chain().contracts()][:200]
    terms: dict[str, Any] = {"underlying": "XYZ", "asof": ASOF, "today": TODAY, "spot": 138.0, "volatility": 0.25}
    together = modelled_quotes(options, rate=0.024, **terms)
    apart = tuple(modelled_quotes([option], rate=0.024, **terms)[0] for option in options)
    assert together == apart
    assert [quote.instrument for quote in together] == options


def test_the_same_input_gives_the_same_chain() -> None:
    one, other = chain(), chain()
    for name in Chain.COLUMNS:
        assert getattr(one, name).tolist() == pytest.approx(getattr(other, name).tolist(), abs=0, nan_ok=True)


def test_everything_says_modelled_and_what_is_not_known_is_not_there() -> None:
    made = chain()
    assert made.source.kind is Kind.MODELLED
    contract = next(made.contracts())
    assert (contract.open_interest, contract.volume, contract.bid_size, contract.ask_size) == (None, None, 0, 0)
    (quote,) = modelled_quotes([contract.option], "XYZ", ASOF, TODAY, spot=138.0, volatility=0.25, rate=0.024)
    assert quote.source.kind is Kind.MODELLED
    assert quote.at == ASOF


@pytest.mark.parametrize("volatility", [0.12, 0.35, 0.70])
@pytest.mark.parametrize("spot", [7.0, 48.0, 138.0, 600.0, 2000.0])
def test_strikes_reach_from_a_delta_of_095_to_005_on_every_expiry_beyond_a_week(spot: float, volatility: float) -> None:
    made = chain(spot=spot, volatility=volatility)
    for expiry in made.expiries:
        delta = made.where(expiry=expiry, right=Right.CALL).delta
        if (expiry - TODAY).days > 7 and spot >= 48:
            assert delta.max() > 0.95
            assert delta.min() < 0.05
        assert len(delta) >= 9


@pytest.mark.parametrize(
    ("underlying", "spot", "step"),
    [
        ("F", 9.0, 0.5),
        ("KO", 48.0, 1.0),
        ("IBM", 138.0, 2.5),
        ("MA", 420.0, 5.0),
        ("AZO", 1000.0, 10.0),
        ("SPY", 282.0, 1.0),
    ],
)
def test_strikes_near_the_money_stand_a_listed_step_apart(underlying: str, spot: float, step: float) -> None:
    made = chain(underlying=underlying, spot=spot)
    strikes = np.unique(made.where(expiry=date(2019, 5, 17)).strike)
    near = strikes[np.abs(strikes / spot - 1) < 0.10]
    assert set(np.diff(near)) == {step}
    assert (np.mod(strikes, step) == 0).all()


def test_every_strike_is_listed_as_a_call_and_a_put() -> None:
    made = chain()
    for expiry in made.expiries:
        calls, puts = (made.where(expiry=expiry, right=right).strike for right in Right)
        assert calls.tolist() == puts.tolist() == sorted(set(calls.tolist()))


def test_penny_classes_quote_cents_below_three_and_nickels_above() -> None:
    made = chain()
    for side in (made.bid, made.ask):
        cents = np.rint(side * 100).astype(int)
        assert (cents[side >= 3] % 5 == 0).all()
        assert (cents[side < 3] % 5 != 0).any()


def test_index_funds_quote_cents_everywhere_and_a_quarter_of_the_spread() -> None:
    fund, share = (chain(underlying=name, spot=282.0, volatility=0.12) for name in ("SPY", "XYZ"))
    assert (np.rint(fund.bid[fund.bid >= 3] * 100) % 5 != 0).any()
    row = {"right": Right.CALL, "expiry": date(2019, 6, 21)}
    near = [
        part.take(np.array([int(np.argmin(np.abs(part.delta - 0.5)))]))
        for part in (fund.where(**row), share.where(**row))
    ]
    assert near[0].spread_ratio[0] < 0.4 * near[1].spread_ratio[0]


def test_the_spread_grows_out_of_the_money_and_is_wider_on_weeklies() -> None:
    made = chain(spot=1000.0)
    monthly, weekly = (made.where(expiry=day, right=Right.PUT) for day in (date(2019, 5, 17), date(2019, 5, 10)))

    def share(rows: Chain, delta: float) -> float:
        return float(rows.spread_ratio[int(np.argmin(np.abs(rows.delta - delta)))])

    assert share(monthly, -0.10) > 1.5 * share(monthly, -0.25) > 1.5 * share(monthly, -0.45)
    assert share(monthly, -0.75) == pytest.approx(share(monthly, -0.50), rel=0.15)
    assert share(weekly, -0.45) == pytest.approx(share(monthly, -0.45) / 0.547, rel=0.15)
    assert share(monthly, -0.5) == pytest.approx(math.exp(SPREAD_LEVEL) * 0.547 * 0.94, rel=0.10)


def test_volatility_at_the_forward_is_the_realised_one_and_puts_below_carry_more() -> None:
    made = chain().where(expiry=date(2019, 9, 20), right=Right.PUT)
    forward = 138.0 * math.exp(0.024 * made.dte[0] / 365)
    assert np.interp(forward, made.strike, made.iv) == pytest.approx(0.25, abs=0.001)
    assert made.iv[0] > made.iv[-1] > 0.25


def test_volatility_solved_from_the_quotes_is_the_one_in_the_chain() -> None:
    made = chain(style=Style.EUROPEAN)
    unsolved = replace(made, iv=np.full(len(made), np.nan), delta=np.full(len(made), np.nan))
    tight = (made.vega > 0.05) & (np.abs(made.delta) < 0.8)
    solved = pricing.complete(unsolved)
    assert np.median(np.abs(solved.iv - made.iv)[tight]) < 0.002
    assert np.median(np.abs(solved.delta - made.delta)[tight]) < 0.002


def test_an_american_option_never_has_its_mid_below_exercise() -> None:
    made = chain(rate=0.08, volatility=0.15)
    exercise = np.where(made.is_call, 138.0 - made.strike, made.strike - 138.0)
    assert (made.mid >= exercise - 0.051).all()
    puts = chain(rate=0.08, volatility=0.15, style=Style.EUROPEAN).where(right=Right.PUT, expiry=date(2021, 1, 15))
    assert (puts.mid < puts.strike - 138.0 - 1.0).any()


def test_a_dividend_before_expiry_lowers_calls_and_raises_puts_by_about_its_worth() -> None:
    inside, none = chain(dividends=((date(2019, 5, 9), 0.01),)), chain()
    june = {"expiry": date(2019, 6, 21)}
    for right, sign in ((Right.CALL, -1), (Right.PUT, 1)):
        rows, base = inside.where(right=right, **june), none.where(right=right, **june)
        at = int(np.argmin(np.abs(base.strike - 137.5)))
        assert rows.mid[at] - base.mid[at] == pytest.approx(sign * 1.38 * abs(base.delta[at]), abs=0.08)
    april = {"expiry": date(2019, 4, 18)}
    assert inside.where(**april).bid.tolist() == none.where(**april).bid.tolist()


def test_on_the_last_day_time_runs_out_with_the_session() -> None:
    option = Option("XYZ", TODAY, Right.CALL, Decimal(138))
    asks = []
    for minutes in (0, 180, 350):
        at = ASOF + timedelta(minutes=minutes)
        (quote,) = modelled_quotes([option], "XYZ", at, TODAY, 138.0, 0.25, 0.024)
        asks.append(quote.ask)
    assert asks == sorted(asks, reverse=True)
    assert asks[0] > asks[-1]


def test_after_the_close_an_expiring_option_has_no_quote_and_an_expired_one_never() -> None:
    option, gone = (
        Option("XYZ", TODAY, Right.CALL, Decimal(130)),
        Option("XYZ", date(2019, 3, 15), Right.CALL, Decimal(130)),
    )
    evening = datetime(2019, 3, 20, 20, tzinfo=UTC)
    assert modelled_quotes([option, gone], "XYZ", evening, TODAY, 138.0, 0.25, 0.024) == ()
    noon = datetime(2019, 3, 20, 17, tzinfo=UTC)
    assert modelled_quotes([option], "XYZ", noon, TODAY, 138.0, 0.25, 0.024, close=noon) == ()
    assert len(modelled_quotes([option], "XYZ", noon, TODAY, 138.0, 0.25, 0.024)) == 1
    assert modelled_quotes([], "XYZ", noon, TODAY, 138.0, 0.25, 0.024) == ()


def test_an_option_too_cheap_for_a_bid_has_none() -> None:
    (quote,) = modelled_quotes(
        [Option("XYZ", date(2019, 3, 22), Right.CALL, Decimal(200))], "XYZ", ASOF, TODAY, 138.0, 0.25, 0.024
    )
    assert (quote.bid, quote.ask) == (Decimal("0.00"), Decimal("0.01"))


@pytest.mark.parametrize(
    "bad", [{"spot": math.nan}, {"spot": 0.0}, {"volatility": math.nan}, {"volatility": -0.2}, {"rate": math.inf}]
)
def test_a_missing_spot_or_volatility_is_refused_by_name(bad: dict[str, float]) -> None:
    with pytest.raises(DataInvalid, match=f"XYZ.*{next(iter(bad))}"):
        chain(**bad)


@pytest.mark.parametrize("volatility", [2.9, 5.96, 40.0], ids=["UPST 2022", "GME 2021", "broken data"])
def test_an_extreme_volatility_makes_no_endless_chain(volatility: float) -> None:
    leaps = (date(2021, 3, 19), date(2023, 1, 20))

    chain = modelled_chain(
        "GME", datetime(2021, 2, 25, 16, tzinfo=UTC), date(2021, 2, 25), 108.73, volatility, leaps, 0.0
    )

    assert 100 < len(chain) < 4000
    assert np.isfinite(chain.ask).all()
    assert chain.strike.max() <= 1000 * 108.73


def test_no_expiry_gives_an_empty_chain() -> None:
    assert len(chain(expiries=())) == 0


def test_expiries_are_third_fridays_moved_before_good_friday_and_januaries() -> None:
    listed = expiries_of(date(2019, 3, 20), SESSIONS, has_weeklies=False)
    assert listed[0] == date(2019, 4, 18)  # Good Friday was the 19th
    assert {date(2020, 1, 17), date(2021, 1, 15)} <= set(listed)
    assert all(day.weekday() == 4 for day in listed[1:])


def test_weeklies_add_the_next_eight_fridays_and_today_when_it_is_one() -> None:
    friday = date(2019, 4, 5)
    listed = expiries_of(friday, SESSIONS, has_weeklies=True)
    assert listed[:4] == (friday, date(2019, 4, 12), date(2019, 4, 18), date(2019, 4, 26))
    assert friday not in expiries_of(friday, SESSIONS, has_weeklies=False)


@given(st.dates(date(2005, 1, 3), date(2026, 12, 31)), st.booleans())
def test_every_expiry_is_a_session_not_in_the_past_and_a_leap_is_always_listed(today: date, has_weeklies: bool) -> None:
    listed = expiries_of(today, SESSIONS, has_weeklies)
    assert list(listed) == sorted(set(listed))
    assert all(day >= today and SESSIONS.is_session(day) for day in listed)
    assert any((day - today).days > 365 for day in listed)
    first = [day for day in listed if (day - today).days <= 100]
    assert all((b - a).days <= 36 for a, b in pairwise(first))


@pytest.fixture(scope="module")
def recorded() -> pd.DataFrame:
    """The contracts the spread was fitted on, with their own volatility and the deviation out of the money."""
    rows = pd.read_parquet(SHARED / "data" / "option_chains.parquet")
    rows = rows[rows["underlying"].isin(["AAPL", "GOOG", "IBM", "TWX", "NWSA"]) & (rows["quote_time"] != "2015")]
    expiry, today = pd.to_datetime(rows["expiry"].astype(str)), pd.to_datetime(rows["quote_time"]).dt.normalize()
    rows = rows.assign(day=today, expires=expiry, dte=(expiry - today).dt.days)
    rows = rows[~((rows["underlying"] == "AAPL") & (rows["day"] >= "2015"))]
    rows = rows[(rows["bid"] > 0.05) & (rows["ask"] > rows["bid"]) & (rows["dte"] > 0)]
    rows = rows[(rows["open_interest"] >= 100) | (rows["volume"] >= 10)]
    is_call = (rows["right"] == "C").to_numpy()
    spot, strike, years = rows["underlying_price"].to_numpy(), rows["strike"].to_numpy(), rows["dte"].to_numpy() / 365
    mid = ((rows["bid"] + rows["ask"]) / 2).to_numpy()
    rate = np.where(rows["underlying"] == "IBM", 0.04, 0.001)
    iv = pricing.implied_volatility(mid, spot, strike, years, rate, is_call)
    z = np.where(is_call, 1, -1) * np.log(strike / spot) / (iv * np.sqrt(years))
    rows = rows.assign(z=z, share=(rows["ask"] - rows["bid"]) / mid)
    return rows[rows["z"].abs() < 3]


@needs_shared
def test_the_spread_formula_describes_the_recorded_chains_as_the_docstring_says(recorded: pd.DataFrame) -> None:
    weekday, day = recorded["expires"].dt.day_of_week, recorded["expires"].dt.day
    monthly = weekday.isin([3, 4, 5]) & day.between(15, 22)
    formula = np.exp(-2.963 - 0.016 * np.log(recorded["dte"]) + 1.185 * recorded["z"].clip(lower=0))
    ratio = recorded["share"] / (formula * np.where(monthly, 0.547, 1.0))
    assert len(recorded) == pytest.approx(3224, abs=5)
    assert ratio.median() == pytest.approx(1.0, abs=0.15)
    assert (np.abs(np.log(ratio)) < math.log(2)).mean() == pytest.approx(0.69, abs=0.02)
    by_name = ratio.groupby(recorded["underlying"].astype(str)).median()
    assert by_name["AAPL"] == pytest.approx(0.7, abs=0.05)
    assert by_name["IBM"] == pytest.approx(2.2, abs=0.1)
