"""Whether a whole answer can be true, by itself and beside another source's."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from engine.data.panel import Answer
from engine.data.peers import bars_against, bars_trouble, chain_against, session_trouble, settled
from engine.data.providers.port import RawChain
from engine.model.market import Bar, Bars, Kind, Source, Split
from tests import make
from tests.chains import TODAY, strip, together

STRIKES = range(70, 131, 5)


ACME = Source("acme")


def chain(spot: float = 100.0, source: Source = ACME, **more: object) -> RawChain:
    soon, later = (TODAY + timedelta(days=days) for days in (14, 63))
    parts = (strip("XYZ", expiry, STRIKES, spot=spot, **more) for expiry in (soon, later))
    return replace(together(*parts), source=source)


def times(raw: RawChain, factor: float) -> RawChain:
    """The quotes of a chain times a factor, its spot as it is."""
    return replace(raw, bid=raw.bid * factor, ask=raw.ask * factor)


# The day so far


def day(open: float = 47, high: float = 49, low: float = 46, close: float = 48) -> Bar:
    return Bar(make.TODAY, open, high, low, close, 1000)


@pytest.mark.parametrize(
    ("session", "words"),
    [
        (day(), ""),
        (day(close=float("nan")), "has no prices"),
        (day(low=0), "has no prices"),
        (day(high=47.5), "contradict each other"),
        (day(low=47.5), "contradict each other"),
    ],
)
def test_a_day_has_prices_in_their_order(session: Bar, words: str):
    assert words in session_trouble(session, None)
    assert bool(words) == bool(session_trouble(session, None))


def test_the_last_price_is_near_the_quote():
    quote = make.quote(make.share(), 47.9, 48.1, source=Source("acme"))
    assert session_trouble(day(), quote) == ""
    tenfold = day(470, 490, 460, 480)
    assert session_trouble(tenfold, quote) == "The last price is 480.00, but acme quotes 48.00."


# Chains


def test_two_chains_of_one_moment_agree():
    assert chain_against(chain(), chain(source=Source("other"), half_spread=0.05)) == ""


@pytest.mark.parametrize("spot", [90.0, 97.0, 103.0, 115.0])
def test_a_delayed_chain_agrees_wherever_the_market_went(spot: float):
    late = chain(spot, Source("late", Kind.DELAYED))
    assert chain_against(chain(), late) == ""


@pytest.mark.parametrize("factor", [10, 100, 0.1])
@pytest.mark.parametrize("kind", [Kind.REAL, Kind.DELAYED])
def test_a_chain_off_by_a_decimal_point_is_told(factor: float, kind: Kind):
    words = chain_against(times(chain(), factor), chain(source=Source("other", kind)))
    assert words.startswith("acme and other differ ")
    assert "options of XYZ" in words


def test_spots_that_differ_are_told_with_both_numbers():
    words = chain_against(chain(), replace(chain(), spot=1000.0, source=Source("late", Kind.DELAYED)))
    assert words == "acme and late have XYZ at 100.00 and 1,000.00."


def test_a_chain_without_a_spot_is_compared_by_its_quotes():
    assert chain_against(replace(chain(), spot=float("nan")), chain(source=Source("other"))) == ""


def test_chains_without_contracts_in_common_say_nothing():
    other = strip("XYZ", TODAY + timedelta(days=28), STRIKES)
    assert chain_against(chain(), times(other, 100)) == ""


# Histories

CLOSES = np.round(100 * np.cumprod(1 + 0.01 * np.sin(np.arange(250))), 2)


def bars(closes: object = CLOSES, name: str = "acme") -> Bars:
    return replace(make.bars(np.asarray(closes)), source=Source(name))


def test_histories_that_agree_say_nothing():
    assert bars_against(bars(), bars(CLOSES * 1.001, "other")) == ""


def test_a_split_that_one_source_has_not_adjusted_is_told_with_day_and_both_numbers():
    unadjusted = CLOSES.copy()
    unadjusted[:100] *= 4
    words = bars_against(bars(unadjusted), bars(name="other"))
    day = bars().day[int(np.argmax(unadjusted[:100] / CLOSES[:100]))].astype(object)
    assert f"100 of 250 closes of XYZ, on {day:%d %b %Y}: acme {unadjusted[0]:,.2f}, other {CLOSES[0]:,.2f}" in words


def test_dividends_taken_out_of_one_history_are_told():
    assert "closes of XYZ" in bars_against(bars(CLOSES * np.linspace(0.93, 1.0, 250)), bars(name="other"))


def test_one_close_off_by_a_decimal_point_is_told():
    wrong = CLOSES.copy()
    wrong[7] *= 10
    assert f"{wrong[7]:,.2f}" in bars_against(bars(wrong), bars(name="other"))


def test_a_few_closes_off_by_little_are_how_exchanges_differ():
    wrong = CLOSES.copy()
    wrong[[7, 80]] *= 1.04
    assert bars_against(bars(wrong), bars(name="other")) == ""


def test_histories_with_few_days_in_common_say_nothing():
    assert bars_against(bars()[:200], bars(CLOSES * 4, "other")[195:]) == ""


@pytest.mark.parametrize("ratio", ["4", "0.125", "1.5"])
def test_a_known_split_that_is_still_in_the_history_is_told(ratio: str):
    day = bars().day[100].astype(object)
    split = Split(day, Decimal(ratio))
    unadjusted = CLOSES.copy()
    unadjusted[:100] *= float(ratio)
    assert bars_trouble(bars(), [split], make.TODAY, CLOSES[-1]) == ""
    assert f"({ratio}:1)" in bars_trouble(bars(unadjusted), [split], make.TODAY, CLOSES[-1])


def test_a_split_of_this_morning_that_is_not_yet_in_the_history_is_told():
    split = Split(make.TODAY, Decimal(4))
    assert "(4:1)" in bars_trouble(bars(CLOSES), [split], make.TODAY, CLOSES[-1] / 4)
    assert bars_trouble(bars(CLOSES / 4), [split], make.TODAY, CLOSES[-1] / 4) == ""
    assert bars_trouble(bars(CLOSES), [split], make.TODAY, float("nan")) == ""
    assert bars_trouble(bars(CLOSES), [split], date(2026, 6, 12), CLOSES[-1] / 4) == ""


def test_splits_outside_the_history_and_spin_offs_say_nothing():
    splits = [Split(date(1999, 1, 4), Decimal(2)), Split(date(2050, 1, 4), Decimal(2))]
    splits += [Split(bars().day[row].astype(object), Decimal("1.04")) for row in range(1, 250)]
    assert bars_trouble(bars(), splits, make.TODAY, CLOSES[-1]) == ""


# Which one is taken


def numbers(*given: float) -> list[Answer[float]]:
    return [Answer(f"p{place}", Kind.REAL, value) for place, value in enumerate(given)]


def negative(value: float) -> str:
    return f"{value:g} is negative." if value < 0 else ""


def apart(one: float, other: float) -> str:
    return f"{one:g} is not {other:g}." if one != other else ""


@pytest.mark.parametrize(
    ("given", "taken", "dropped"),
    [
        ((), None, []),
        ((1,), 1, []),
        ((1, 1), 1, []),
        ((1, 2), None, []),
        ((2, 1, 1), 1, ["p0"]),
        ((1, 2, 1), 1, ["p1"]),
        ((1, 2, 3), None, ["p0", "p1", "p2"]),
        ((-1, 1), 1, ["p0"]),
        ((-1,), None, ["p0"]),
        ((-1, 1, 2), None, ["p0"]),
    ],
)
def test_the_first_that_nothing_speaks_against_is_taken(
    given: tuple[float, ...], taken: float | None, dropped: list[str]
):
    found = settled(numbers(*given), negative, apart)
    assert (None if found.answer is None else found.answer.value) == taken
    assert [name for name, _ in found.dropped] == dropped
    assert bool(found.words) == (len(set(given)) > 1 or bool(dropped))
