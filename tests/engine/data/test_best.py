"""Which of several sources' quotes is taken, and that no single wrong one ever is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine.data.best import FOR_ORDERS, INDICES, NOTHING, OPTIONS, SHARES, SKEW, Rules, best_level, best_quote
from engine.data.panel import ENTITLEMENT
from engine.model.instruments import Instrument
from engine.model.market import Kind, Level, Quote, Source
from tests import make

NOW = make.NOW
XYZ = make.share()
PUT = make.put(strike=100)


def seen(
    name: str,
    mid: float,
    kind: Kind = Kind.REAL,
    age: float = 1.0,
    spread: float = 0.02,
    of: Instrument = XYZ,
) -> Quote:
    bid, ask = (Decimal(f"{mid + side * spread / 2:.4f}") for side in (-1, 1))
    return Quote(of, bid, ask, NOW - timedelta(seconds=age), Source(name, kind))


def taken(*quotes: Quote, rules: Rules = SHARES, for_orders: bool = True) -> str | None:
    """Whose quote is taken; the same in whatever order they come."""
    found = {
        best.quote.source.name if (best := best_quote(order, NOW, rules, for_orders=for_orders)).quote else None
        for order in permutations(quotes)
    }
    assert len(found) == 1
    return found.pop()


REAL, HINT, LATE = seen("real", 100), seen("hint", 100.1, Kind.INDICATIVE, 0), seen("late", 101, Kind.DELAYED, 900)


# Entitlement and freshness


def test_nothing_comes_of_nothing():
    assert best_quote([], NOW, SHARES, for_orders=True) == NOTHING


def test_the_best_entitled_source_wins_over_a_fresher_one():
    assert taken(LATE, HINT, REAL) == "real"
    assert taken(LATE, HINT) == "hint"


def test_of_equally_entitled_sources_the_freshest_wins():
    assert taken(seen("older", 100, age=9), seen("newer", 100.2, age=2)) == "newer"


def test_entitlement_knows_every_kind_and_the_real_one_is_first():
    assert set(ENTITLEMENT) == set(Kind)
    assert ENTITLEMENT[0] is Kind.REAL


@pytest.mark.parametrize("kind", sorted(set(Kind) - FOR_ORDERS))
def test_an_order_is_never_priced_on_what_is_not_of_now(kind: Kind):
    only = seen("only", 100, kind, 600)
    assert taken(only) is None
    assert taken(only, for_orders=False) == "only"
    assert "an order may be priced on" in best_quote([only], NOW, SHARES, for_orders=True).words


# What is no quote


@pytest.mark.parametrize(
    ("bid", "ask"), [("0", "100"), ("100", "0"), ("0", "0"), ("80", "100")], ids=["no bid", "no ask", "none", "wide"]
)
def test_a_quote_without_two_narrow_sides_never_wins_and_is_not_called_wrong(bid: str, ask: str):
    quote = make.quote(XYZ, bid, ask, at=NOW, source=Source("real"))
    best = best_quote([quote], NOW, SHARES, for_orders=False)
    assert best.quote is None
    assert best.dropped == ()
    assert taken(quote, HINT) == "hint"


@pytest.mark.parametrize(
    ("bid", "ask"), [("101", "100"), ("NaN", "100"), ("99", "NaN"), ("99", "Infinity"), ("-1", "1"), ("sNaN", "1")]
)
def test_a_crossed_quote_or_no_number_is_wrong(bid: str, ask: str):
    quote = Quote(XYZ, Decimal(bid), Decimal(ask), NOW, Source("real"))
    best = best_quote([quote, HINT], NOW, SHARES, for_orders=True)
    assert best.quote == HINT
    assert best.dropped == (quote,)
    assert "real sent" in best.words
    assert "XYZ" in best.words


def test_a_clock_a_little_ahead_is_no_matter_and_a_quote_of_the_future_is_wrong():
    ahead = replace(REAL, at=NOW + SKEW)
    assert taken(ahead) == "real"
    future = replace(REAL, at=NOW + SKEW + timedelta(seconds=1))
    assert best_quote([future], NOW, SHARES, for_orders=False).dropped == (future,)


def test_what_is_too_old_never_wins_and_contradicts_nobody():
    old = seen("old", 1000, age=61)
    assert taken(old) is None
    assert taken(old, HINT) == "hint"
    assert best_quote([old], NOW, SHARES, for_orders=True).dropped == ()


def test_a_delayed_quote_may_be_as_old_as_delays_are():
    assert taken(seen("late", 100, Kind.DELAYED, 16 * 60), for_orders=False) == "late"
    assert taken(seen("late", 100, Kind.DELAYED, 26 * 60), for_orders=False) is None


def test_a_cheap_option_may_be_wide():
    assert taken(seen("real", 0.03, spread=0.04, of=PUT), rules=OPTIONS) == "real"
    assert taken(seen("real", 12.5, spread=15, of=PUT), rules=OPTIONS) is None


# Contradiction


def test_two_that_contradict_each_other_are_no_quote_and_both_numbers_are_told():
    best = best_quote([REAL, seen("other", 1000)], NOW, SHARES, for_orders=True)
    assert best.quote is None
    assert best.dropped == ()
    assert "real 100.00" in best.words
    assert "other 1,000.00" in best.words


def test_one_of_three_that_the_others_contradict_is_left_out_and_counted():
    liar = seen("liar", 1000)
    best = best_quote([liar, HINT, LATE], NOW, SHARES, for_orders=True)
    assert best.quote == HINT
    assert best.dropped == (liar,)
    assert best.words == "XYZ: left out liar 1,000.00, far from hint 100.10, late 101.00."


def test_two_delayed_sources_against_the_only_one_an_order_may_be_priced_on_leave_none():
    liar = seen("liar", 1000)
    best = best_quote([liar, LATE, replace(LATE, source=Source("slow", Kind.DELAYED))], NOW, SHARES, for_orders=True)
    assert best.quote is None
    assert best.dropped == (liar,)


def test_a_delayed_quote_alone_vetoes_ten_times_the_price():
    assert taken(seen("real", 1010), LATE) is None
    assert taken(seen("real", 10.1), LATE) is None


@pytest.mark.parametrize("mid", [60, 85, 115, 170])
def test_a_market_that_runs_is_not_vetoed_by_what_it_was_a_quarter_of_an_hour_ago(mid: float):
    assert taken(seen("real", mid), LATE) == "real"


@pytest.mark.parametrize("ratio", [2, 3, 0.5, 0.1, 20, 100])
def test_a_split_that_one_source_has_missed_is_a_contradiction(ratio: float):
    assert taken(seen("real", 101 * ratio, spread=0.001), LATE) is None


def test_live_sources_of_one_moment_have_to_be_close():
    assert taken(REAL, seen("other", 101.9, age=2)) == "real"
    assert taken(REAL, seen("other", 103)) is None


def test_live_sources_of_two_moments_need_not_be():
    assert taken(REAL, seen("other", 103, age=40)) == "real"


def test_the_spread_explains_a_difference_and_that_of_a_wide_quote_does_not():
    assert taken(seen("real", 100, spread=4), seen("other", 103.5, age=2, spread=5)) == "real"
    assert taken(seen("real", 100), seen("other", 103.5, spread=7)) is None


def test_a_liar_between_two_honest_ones_is_not_taken_for_the_middle():
    honest, moved = seen("real", 100, age=0), seen("late", 110, Kind.DELAYED, 900)
    assert taken(honest, seen("liar", 103), moved) is None


def test_witnesses_that_contradict_each_other_veto_nobody_else():
    assert taken(REAL, seen("a", 60, Kind.DELAYED, 900), seen("b", 110, Kind.DELAYED, 900)) == "real"


def test_an_option_may_have_multiplied_with_a_small_move_of_its_underlying():
    before = seen("late", 0.10, Kind.DELAYED, 900, of=PUT)
    assert taken(seen("real", 0.90, of=PUT), before, rules=OPTIONS) == "real"
    assert taken(seen("real", 10.0, of=PUT), before, rules=OPTIONS) is None


def test_ten_times_the_price_of_an_option_is_no_quarter_of_an_hour():
    assert taken(seen("real", 32, of=PUT), seen("late", 3.2, Kind.DELAYED, 900, of=PUT), rules=OPTIONS) is None


def test_options_of_one_moment_differ_by_their_spreads_and_some_cents():
    wide = seen("other", 1.25, Kind.INDICATIVE, spread=0.5, of=PUT)
    assert taken(seen("real", 1.10, spread=0.1, of=PUT), wide, rules=OPTIONS) == "real"
    assert taken(seen("real", 2.10, spread=0.1, of=PUT), wide, rules=OPTIONS) is None


# Properties

PRICES = some.floats(min_value=1, max_value=2000)
KINDS = some.sampled_from([Kind.REAL, Kind.INDICATIVE, Kind.DELAYED])


@some.composite
def honest(draw: some.DrawFn, least: int = 0) -> list[Quote]:
    """Sources that saw one price: within half a per cent, each with an age its kind may have."""
    price = draw(PRICES)
    kinds = draw(some.lists(KINDS, min_size=least, max_size=5))
    return [
        seen(
            f"s{place}",
            price * draw(some.floats(min_value=0.998, max_value=1.002)),
            kind,
            draw(some.floats(min_value=600, max_value=1000) if kind is Kind.DELAYED else some.floats(0, 50)),
            spread=max(0.01, price * draw(some.floats(min_value=0, max_value=0.004))),
        )
        for place, kind in enumerate(kinds)
    ]


@some.composite
def anything(draw: some.DrawFn) -> Quote:
    number = some.decimals(min_value=-5, max_value=5000, places=2) | some.sampled_from(
        [Decimal("NaN"), Decimal("Infinity"), Decimal(0)]
    )
    at = NOW - timedelta(seconds=draw(some.floats(min_value=-100, max_value=5000)))
    source = Source(draw(some.sampled_from("abcde")), draw(some.sampled_from(Kind)))
    return Quote(XYZ, draw(number), draw(number), at, source)


RULES = some.sampled_from([SHARES, OPTIONS])


@given(some.lists(anything(), max_size=6), RULES, some.booleans())
def test_what_is_taken_was_given_and_makes_sense(quotes: Sequence[Quote], rules: Rules, for_orders: bool):
    best = best_quote(quotes, NOW, rules, for_orders=for_orders)
    if best.quote is None:
        return
    quote = best.quote
    assert any(quote is one for one in quotes)
    assert quote.is_two_sided
    assert quote.ask.is_finite()
    assert -SKEW <= NOW - quote.at <= rules.oldest_delayed
    assert quote.source.kind in FOR_ORDERS or not for_orders
    assert quote not in best.dropped


@given(some.lists(anything() | honest(1).map(lambda quotes: quotes[0]), max_size=6), some.randoms(), some.booleans())
def test_the_order_of_the_sources_does_not_matter(quotes: list[Quote], random, for_orders: bool):
    shuffled = list(quotes)
    random.shuffle(shuffled)
    ours, theirs = (best_quote(each, NOW, SHARES, for_orders=for_orders) for each in (quotes, shuffled))
    assert (ours.quote is None) == (theirs.quote is None)
    assert ours.quote is None or theirs.quote is None or _price(ours.quote) == _price(theirs.quote)
    assert len(ours.dropped) == len(theirs.dropped)


def _price(quote: Quote) -> tuple[object, ...]:
    return quote.bid, quote.ask, quote.at, quote.source


LIES = {
    "ten times": lambda quote: _times(quote, Decimal(10)),
    "a hundred times": lambda quote: _times(quote, Decimal(100)),
    "a tenth": lambda quote: _times(quote, Decimal("0.1")),
    "a hundredth": lambda quote: _times(quote, Decimal("0.01")),
    "no numbers": lambda quote: replace(quote, bid=Decimal("NaN"), ask=Decimal("NaN")),
    "half a number": lambda quote: replace(quote, ask=Decimal("NaN")),
    "nothing": lambda quote: replace(quote, bid=Decimal(0), ask=Decimal(0)),
    "one side": lambda quote: replace(quote, bid=Decimal(0)),
    "crossed": lambda quote: replace(quote, bid=quote.ask + 1),
    "ask ten times": lambda quote: replace(quote, ask=quote.ask * 10),
    "stale": lambda quote: _times(replace(quote, at=NOW - timedelta(hours=7)), Decimal("0.7")),
    "of tomorrow": lambda quote: _times(replace(quote, at=NOW + timedelta(days=1)), Decimal("1.3")),
}


def _times(quote: Quote, factor: Decimal) -> Quote:
    return replace(quote, bid=quote.bid * factor, ask=quote.ask * factor)


@settings(max_examples=300)
@given(honest(2), some.sampled_from(sorted(LIES)), some.data(), some.booleans())
def test_no_lie_of_a_single_source_moves_the_price(
    quotes: list[Quote], lie: str, data: some.DataObject, for_orders: bool
):
    place = data.draw(some.integers(0, len(quotes) - 1))
    told = [*quotes[:place], LIES[lie](quotes[place]), *quotes[place + 1 :]]
    best = best_quote(told, NOW, SHARES, for_orders=for_orders)
    others = [*quotes[:place], *quotes[place + 1 :]]
    assert best.quote is None or any(best.quote is one for one in others)


@given(honest(3), some.sampled_from(sorted(LIES)), some.data())
def test_with_three_sources_a_liar_takes_no_price_away(quotes: list[Quote], lie: str, data: some.DataObject):
    place = data.draw(some.integers(0, len(quotes) - 1))
    told = [*quotes[:place], LIES[lie](quotes[place]), *quotes[place + 1 :]]
    others = [*quotes[:place], *quotes[place + 1 :]]
    best = best_quote(told, NOW, SHARES, for_orders=False)
    assert best.quote == best_quote(others, NOW, SHARES, for_orders=False).quote
    assert best.quote is not None


@given(honest(1))
def test_honest_sources_always_have_a_quote_and_nobody_is_left_out(quotes: list[Quote]):
    best = best_quote(quotes, NOW, SHARES, for_orders=False)
    assert best.quote is not None
    assert (best.dropped, best.words) == ((), "")


# Index levels


def level(name: str, value: float, kind: Kind = Kind.REAL, age: float = 5) -> Level:
    return Level("VIX", value, NOW - timedelta(seconds=age), Source(name, kind))


def test_a_level_is_judged_like_a_quote():
    real, late = level("real", 20.1), level("late", 19.8, Kind.DELAYED, 900)
    assert best_level([late, real], NOW).level == real
    assert best_level([level("liar", 201), late], NOW).level is None
    found = best_level([level("liar", 201), real, late], NOW)
    assert found.level == real
    assert [one.source.name for one in found.dropped] == ["liar"]
    assert "left out liar 201.00" in found.words
    assert best_level([late], NOW).level == late


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_level_that_is_no_number_is_wrong(value: float):
    wrong = level("real", value)
    found = best_level([wrong], NOW, INDICES)
    assert found.level is None
    assert found.dropped == (wrong,)
