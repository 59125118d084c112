"""What a plan does not cover is not asked again for an hour."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from engine.data.providers.entitlements import Entitlements
from engine.data.providers.port import Offer
from engine.data.providers.trouble import NotEntitled, Unreachable
from engine.errors import NotFound
from engine.model.market import Kind

KINDS = {Offer.NEWS: Kind.REAL, Offer.SPLITS: Kind.DELAYED}


@dataclass
class Tick:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def _deny(granted: Entitlements, offer: Offer, about: str = "") -> None:
    with pytest.raises(NotEntitled), granted.using(offer, about):
        raise NotEntitled("402")


def test_a_denial_closes_its_offer_for_an_hour_and_no_other():
    tick = Tick()
    granted = Entitlements("acme", KINDS, tick)
    _deny(granted, Offer.NEWS)
    assert granted.offers == {Offer.SPLITS: Kind.DELAYED}
    with pytest.raises(NotEntitled, match=r"acme denied news under these keys; it is asked again in 60 min\."):
        granted.using(Offer.NEWS).__enter__()
    tick.seconds = 3600.0
    assert granted.offers == KINDS


def test_a_denial_of_one_ticker_closes_that_ticker_alone():
    granted = Entitlements("acme", KINDS, Tick())
    _deny(granted, Offer.NEWS, "TSM")
    assert granted.offers == KINDS
    with pytest.raises(NotEntitled, match="news of TSM"):
        granted.using(Offer.NEWS, "TSM").__enter__()
    with granted.using(Offer.NEWS, "AAPL"):
        pass


def test_three_tickers_denied_in_a_row_close_the_offer_and_an_answer_in_between_does_not():
    granted = Entitlements("acme", KINDS, Tick())
    for ticker in ("A", "B"):
        _deny(granted, Offer.NEWS, ticker)
    with granted.using(Offer.NEWS, "C"):
        pass
    for ticker in ("D", "E"):
        _deny(granted, Offer.NEWS, ticker)
    assert Offer.NEWS in granted.offers
    _deny(granted, Offer.NEWS, "F")
    assert Offer.NEWS not in granted.offers


def test_another_trouble_closes_nothing():
    granted = Entitlements("acme", KINDS, Tick())
    with pytest.raises(Unreachable), granted.using(Offer.NEWS):
        raise Unreachable("no answer")
    assert granted.offers == KINDS


def _answer(ticker: str) -> str:
    if ticker == "DENIED":
        raise NotEntitled("402")
    if ticker == "NOBODY":
        raise NotFound("404")
    return ticker.lower()


def test_of_several_tickers_the_denied_and_the_unknown_are_left_out():
    granted = Entitlements("acme", KINDS, Tick())
    assert granted.each(Offer.NEWS, ["DENIED", "A", "NOBODY", "A"], _answer) == {"A": "a"}
    with pytest.raises(NotFound):
        granted.each(Offer.NEWS, ["NOBODY"], _answer)
    with pytest.raises(NotEntitled):
        granted.each(Offer.NEWS, ["DENIED"], _answer)
    assert granted.each(Offer.NEWS, [], _answer) == {}


def test_a_provider_that_falls_silent_is_not_asked_about_the_rest():
    asked: list[str] = []

    def ask(ticker: str) -> str:
        asked.append(ticker)
        if ticker == "B":
            raise Unreachable("no answer")
        return ticker.lower()

    granted = Entitlements("acme", KINDS, Tick())
    assert granted.each(Offer.NEWS, ["A", "B", "C"], ask) == {"A": "a"}
    assert asked == ["A", "B"]
    with pytest.raises(Unreachable):
        granted.each(Offer.NEWS, ["B", "C"], ask)
