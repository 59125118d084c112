"""A look at the desk gives what is known, and never fails for what is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts import gathering
from alerts.rules import RULES
from engine import standing
from engine.errors import BrokerUnavailable, DataUnavailable
from engine.model.instruments import Instrument
from engine.model.legs import Structure
from engine.model.market import MarketSnapshot, Quote
from tests import make
from tests.alerts.watched import (
    CALL,
    ENDS,
    LOOSE,
    PUT,
    SHARE,
    position,
    put,
    shares,
    sold_call,
    watched,
)
from tests.desk import make_world
from tests.fakes import FakeMarket

D = Decimal


class Mute(FakeMarket):
    """A market that answers nothing."""

    def quotes(self, instruments: Any) -> Mapping[Instrument, Quote]:
        raise DataUnavailable("no answer")

    def snapshot(self, ticker: str) -> MarketSnapshot:
        raise DataUnavailable("no answer")


def test_a_market_that_does_not_answer_at_all_has_stale_prices() -> None:
    it = watched(shares(), limits=LOOSE)
    desk = replace(it.world.desk, market=Mute(it.world.clock))
    it.world.clock.advance(minutes=5)

    facts = gathering.gather(desk)

    assert facts.quotes == (("XYZ", None),)
    assert facts.uses is None


INDEX = make.option(5_800, underlying="SPX", root="SPXW")


def test_an_index_has_no_shares_whose_quote_could_be_old() -> None:
    it = watched(ITEMS["index"])

    assert gathering.gather(it.world.desk).quotes == ()


ITEMS = {
    "shares": shares(),
    "put": put(),
    "call": replace(sold_call(), id="P00003"),
    "broken": replace(put(), id="P00004", legs=()),
    "new": replace(put(), id="P00005", entry=None, opened_units=0),
    "ending": position(ENDS, 4, "3.10", Structure.LONG_CALL, id="P00006"),
    "index": position(INDEX, -1, "9", Structure.CREDIT_SPREAD, id="P00007", ticker="SPX"),
}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    held=st.sets(st.sampled_from(sorted(ITEMS))),
    quoted=st.dictionaries(st.sampled_from([SHARE, PUT, CALL, ENDS]), st.tuples(st.integers(0, 9), st.integers(0, 9))),
    knows_name=st.booleans(),
    is_heard=st.booleans(),
    is_mute=st.booleans(),
    has_books=st.booleans(),
    hours=st.integers(0, 80),
)
def test_a_look_never_fails_whatever_is_there(
    held: set[str],
    quoted: dict[Instrument, tuple[int, int]],
    knows_name: bool,
    is_heard: bool,
    is_mute: bool,
    has_books: bool,
    hours: int,
) -> None:
    world = make_world(deposit=100_000 if has_books else None)
    world.market.drop_quote(SHARE)
    with world.store.begin() as work:
        for name in held:
            work.save_position(ITEMS[name])
    if knows_name:
        world.market.set_snapshot(make.snapshot(earnings=None, dividends=None))
    world.clock.advance(hours=hours)
    for item, (bid, ask) in quoted.items():
        world.market.put_quote(make.quote(item, bid, ask, world.clock()))
    world.broker.is_mute = not is_heard
    if is_heard:
        standing.refresh_account(world.desk)
    else:
        with pytest.raises(BrokerUnavailable):
            standing.refresh_account(world.desk)
    desk = replace(world.desk, market=Mute(world.clock)) if is_mute else world.desk

    facts = gathering.gather(desk)

    assert all(finding.words for rule in RULES for finding in rule.read(facts))
