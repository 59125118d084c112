"""What every provider's adapter owes the desk, whatever it is asked and however its server behaves.

A test module runs the suite on its adapter by giving a fixture `world` and importing the tests:

    from tests.contracts.provider import *  # noqa: F403 - the suite is the module's content

    @pytest.fixture
    def world() -> Iterator[World]: ...

Adapters are made with short time-outs there (`QUICK`) and closed by the fixture. Those over a library of their own,
whose troubles look otherwise, leave out what cannot happen to them with a reason (`World.not_for`).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from engine.data.intraday_rows import regular_starts
from engine.data.providers.port import Offer, Provider
from engine.data.providers.trouble import NotEntitled, NotOffered, Throttled, Unauthorised, Unreachable
from engine.errors import DataError, DataInvalid, NotFound
from engine.model.market import IntradayBars
from engine.sessions import Sessions
from engine.transport import Timeouts
from tests.standins.provider_server import ProviderServer, Trouble

QUICK = Timeouts(connect=2.0, read=0.5, retrying=4.0)
LONGEST = 4.0
"""Seconds any question may take against a silent server with these time-outs."""


@dataclass(frozen=True, slots=True)
class World:
    """An adapter and its server.

    Attributes:
        asks: one question for each offer: name -> call. `unknown`: the same about a ticker nobody knows, where asking
            for one ticker has to say NotFound.
        key: the secret that must never be seen in a message or a log ("" without one).
        wrong: (path pattern, body) of answers with wrong types; the questions must say DataInvalid or leave rows out.
        not_for: troubles that cannot happen to this adapter -> the reason.
    """

    provider: Provider
    server: ProviderServer
    asks: Mapping[Offer, Callable[[Provider], object]]
    unknown: Mapping[Offer, Callable[[Provider], object]] = field(default_factory=dict)
    key: str = ""
    wrong: tuple[object, ...] = ({}, [], None, 7, "text", {"error": "x"}, [[1, 2], "x"])
    not_for: Mapping[str, str] = field(default_factory=dict)


def _skip(world: World, trouble: str) -> None:
    if trouble in world.not_for:
        pytest.skip(world.not_for[trouble])


def test_there_is_a_question_for_every_offer(world: World):
    assert set(world.asks) == set(world.provider.offers)
    assert world.provider.name
    assert world.provider.allowances


def test_what_is_offered_is_answered(world: World):
    for offer, ask in world.asks.items():
        assert ask(world.provider) is not None, offer


def test_intraday_bars_are_of_regular_sessions_in_order_and_of_one_feed(world: World):
    if Offer.INTRADAY not in world.asks:
        return
    sessions = Sessions()
    found = world.asks[Offer.INTRADAY](world.provider)
    assert isinstance(found, dict)
    assert found
    for ticker, bars in found.items():
        assert isinstance(bars, IntradayBars)
        assert (bars.ticker, bars.minutes) == (ticker, 15)
        assert {len(getattr(bars, name)) for name in bars.COLUMNS} == {len(bars)}
        assert (np.diff(bars.day.astype(np.int64) * 1440 + bars.start) > 0).all()
        places = zip(bars.day.tolist(), bars.start.tolist(), strict=True)
        assert all(start in regular_starts(day, 15, sessions) for day, start in places)
        assert (bars.high >= np.maximum(bars.open, bars.close)).all()
        assert (bars.low <= np.minimum(bars.open, bars.close)).all()
        assert (bars.low > 0).all()
        assert bars.source.name.startswith(world.provider.name)


def test_what_is_not_offered_says_so(world: World):
    for offer in set(Offer) - set(world.provider.offers):
        method = getattr(world.provider, offer)
        takes = method.__func__.__code__.co_argcount - 1
        with pytest.raises(NotOffered, match=world.provider.name):
            method(*[()] * takes)


def test_an_unknown_ticker_is_not_found(world: World):
    for offer, ask in world.unknown.items():
        with pytest.raises(NotFound):
            ask(world.provider)
        assert offer in world.provider.offers


EXPECTED: dict[str, tuple[type[Exception], ...]] = {
    "401": (Unauthorised,),
    "402": (NotEntitled,),
    "403": (NotEntitled, Unauthorised),
    "429": (Throttled,),
    "429 after 7 s": (Throttled,),
    "500": (Unreachable,),
    "503": (Unreachable,),
    "html": (Unreachable, DataInvalid),
    "truncated": (Unreachable, DataInvalid),
    "half json": (Unreachable, DataInvalid),
    "redirect": (Unreachable,),
    "nothing": (Unreachable, DataInvalid),
    "silence": (Unreachable,),
}


@pytest.mark.parametrize("trouble", EXPECTED)
def test_a_server_in_trouble_is_told_apart(world: World, trouble: str, caplog: pytest.LogCaptureFixture):
    _skip(world, trouble)
    caplog.set_level(logging.DEBUG)
    world.server.fail(trouble)
    ask = next(iter(world.asks.values()))
    started = time.monotonic()
    with pytest.raises(EXPECTED[trouble]) as caught:
        ask(world.provider)
    assert time.monotonic() - started < LONGEST
    if trouble == "429 after 7 s":
        assert isinstance(caught.value, Throttled)
        assert 6 <= caught.value.after <= 8
    if world.key:
        assert world.key not in str(caught.value)
        assert world.key not in caplog.text


def test_after_trouble_comes_an_answer(world: World):
    _skip(world, "500")
    world.server.fail("500")
    ask = next(iter(world.asks.values()))
    with pytest.raises(Unreachable):
        ask(world.provider)
    world.server.heal()
    assert ask(world.provider) is not None


def test_a_429_is_not_asked_again_before_its_time(world: World):
    _skip(world, "429 after 7 s")
    world.server.fail("429 after 7 s")
    ask = next(iter(world.asks.values()))
    with pytest.raises(Throttled):
        ask(world.provider)
    before = len(world.server.asked)
    with pytest.raises(Throttled):
        ask(world.provider)
    assert len(world.server.asked) == before


def test_answers_of_the_wrong_shape_never_break_anything_else(world: World):
    _skip(world, "wrong")
    for body in world.wrong:
        world.server.fail(Trouble(200, body))
        for ask in world.asks.values():
            _harmless(ask, world.provider)


def _harmless(ask: Callable[[Provider], object], provider: Provider) -> None:
    """An answer without numbers, or one of the errors that are expected: anything else fails the test."""
    with contextlib.suppress(DataError, NotFound):
        ask(provider)
