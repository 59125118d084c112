"""Shares over their report, from chat to Alpaca's wire and back: the put, its fill, the call, its fill, both ends.

Monday 15 June 2026: 200 shares at 100 are held, the report comes on Thursday after the close. Friday is a holiday, so
the session after it is Monday 22 June.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from bot.bulkheads import finish, inline
from bot.command import Reply, Room
from bot.dispatch import dispatch
from bot.message import Card, Request, as_text
from bot.people import People, Role, User
from engine import collars, exits, orders, scanning
from engine.model.book import Position
from engine.model.instruments import Instrument
from engine.model.legs import ExitPlan, Structure
from engine.model.trade import Approval
from strategies import CATALOGUE, configured
from tests import make
from tests.engine.exit_cases import SHARE, shares
from tests.make import D
from tests.strategies import cases, protection
from tests.wire import WireWorld, trading_world

UPDATES = count(1)
PEOPLE = People((User("ann", Role.TRADER, ("web:ann",)),))
PUT, CALL = make.put(95, dte=9), make.call(110, dte=9)
PRICES: dict[Instrument, tuple[str, str]] = {PUT: ("4.53", "4.63"), CALL: ("3.05", "3.15")}
MONDAY_AFTER = datetime(2026, 6, 22, 13, 40, tzinfo=UTC)
"""09:40 in New York."""


@contextmanager
def world(*more: Position, free_loss: float = 0.02) -> Iterator[WireWorld]:
    """The shares on both sides. Beyond 2 % of equity the collar is the best way, beyond 1 % the deep put."""
    strategies = {**CATALOGUE, **configured({"earnings_protection": {"free_loss": free_loss}})}
    held = shares(ExitPlan(stop_spot=D(60)), 200, price=90)
    with trading_world(held, *more, strategies=strategies) as wire:
        market(wire)
        yield wire


def market(wire: WireWorld) -> None:
    """The name as the example has it, at the time of now, with the quotes the exchange trades at."""
    now = wire.clock()
    wire.market.set_snapshot(replace(protection.name(asof=now), asof=now))
    for item, (bid, ask) in PRICES.items():
        wire.quote(item, bid, ask)
    wire.quote(SHARE, "99.99", "100.01")


def say(wire: WireWorld, text: str = "", action: str = "") -> Reply:
    """One update from ann's chat through the gate, and its answer."""
    room = Room(wire.desk, PEOPLE, inline, lambda: "PAPER")
    return finish(dispatch(room, Request("web:ann", text, action, f"web:{next(UPDATES)}")))


def shown(reply: Reply) -> str:
    assert reply.is_ok, reply.error
    return "\n".join(as_text(card) for card in reply.cards if isinstance(card, Card))


def pending(wire: WireWorld) -> list[Approval]:
    with wire.store.read() as work:
        return list(work.pending_approvals())


def the(wire: WireWorld, structure: Structure) -> Position:
    with wire.store.read() as work:
        every = [*work.open_positions(), *work.positions_of("earnings_protection", "XYZ")]
    return next(position for position in every if position.structure is structure)


def only(wire: WireWorld, structure: Structure) -> Approval:
    (found,) = [each for each in pending(wire) if each.plan.signal.structure is structure]
    return found


def bought_put(wire: WireWorld) -> None:
    """The scan, the tap and the fill of the put."""
    scanning.run(wire.desk, "earnings_protection")
    card = only(wire, Structure.COLLAR)
    assert say(wire, action=f"approve:{card.key}").is_ok
    fill(wire, PUT, "4.48", "4.58")


def fill(wire: WireWorld, item: Instrument, bid: str, ask: str) -> None:
    """Somebody trades at the card's price: the exchange fills the order, the desk books it."""
    wire.quote(item, bid, ask)
    for _ in range(2):
        wire.clock.advance(1)
        orders.reconcile(wire.desk)
    market(wire)


def sold_call(wire: WireWorld) -> None:
    collars.advance(wire.desk)
    card = only(wire, Structure.COVERED_CALL)
    assert say(wire, action=f"approve:{card.key}").is_ok
    fill(wire, CALL, "3.10", "3.20")


def bodies(wire: WireWorld) -> list[tuple[str, str, str, str]]:
    """(contract, side, intent, quantity) of every order the account was asked for, repeats of a ladder once."""
    sent = [(b["symbol"], b["side"], b["position_intent"], b["qty"]) for b in wire.posted if "symbol" in b]
    return list(dict.fromkeys(sent))


def test_a_collar_goes_from_the_card_to_the_wire_and_ends_the_session_after_the_report_call_first() -> None:
    with world() as wire:
        bought_put(wire)
        put = the(wire, Structure.COLLAR)
        assert (put.units, put.exits.close_on) == (2, MONDAY_AFTER.date())
        assert bodies(wire) == [(PUT.symbol, "buy", "buy_to_open", "2")]
        assert "call to come" in shown(say(wire, "/positions"))
        assert f"Collar half done: put {put.id} held, call to come" in shown(say(wire, f"/position {put.id}"))

        sold_call(wire)
        call = the(wire, Structure.COVERED_CALL)
        assert (call.units, call.campaign) == (2, put.campaign)
        assert bodies(wire)[1:] == [(CALL.symbol, "sell", "sell_to_open", "2")]
        assert "call to come" not in shown(say(wire, "/positions"))

        ended = ends(wire)

        assert ended == [
            (CALL.symbol, "buy", "buy_to_close", "2"),
            (PUT.symbol, "sell", "sell_to_close", "2"),
        ]
        assert [wire.exchange.held(each.symbol) for each in (PUT, CALL, SHARE)] == [0, 0, 200]
        with wire.store.read() as work:
            (left,) = work.open_positions()
        assert (left.structure, left.units) == (Structure.SHARES, 200)


def ends(wire: WireWorld) -> list[tuple[str, str, str, str]]:
    """Monday after the report: what the exits send, looked at every fifteen seconds."""
    before = len(bodies(wire))
    wire.clock.advance((MONDAY_AFTER - wire.clock()).total_seconds())
    for _ in range(14):
        wire.clock.advance(15)
        wire.quote(PUT, "1.90", "2.00")
        wire.quote(CALL, "0.60", "0.64")
        wire.quote(SHARE, "96.99", "97.01")
        orders.reconcile(wire.desk)
        exits.supervise(wire.desk)
        orders.work(wire.desk)
    return bodies(wire)[before:]


def test_the_card_compares_the_ways_and_says_why_there_are_no_odds() -> None:
    with world() as wire:
        scanning.run(wire.desk, "earnings_protection")
        card = only(wire, Structure.COLLAR)
        text = shown(say(wire, action=f"show:{card.id}"))
        lines = text.splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("Way"))
        assert [line.split()[0] for line in lines[start + 1 : start + 5]] == ["collar", "deep", "put", "calendar"]
        assert max(map(len, lines[start : start + 5])) <= 36
        assert "does not apply: protection is no bet, and neither Kelly nor odds size it" in text
        assert "Against: Premium 1.5 % of the position, above 1 %" in text


def test_where_the_better_way_is_over_its_cap_the_next_one_is_proposed_and_says_so() -> None:
    with world(free_loss=0.01) as wire:
        scanning.run(wire.desk, "earnings_protection")
        against = only(wire, Structure.COLLAR).plan.signal.against
        too_dear = "Better, but not possible: long premium 1,000/1,719 = 0 (long put 115), needs 1 % of equity"
        assert {"Covers 83 % of the need only", too_dear} <= set(against)
        whynot = shown(say(wire, "/whynot XYZ earnings_protection"))
        assert "long premium: 1,000/1,719 = 0 (long put 115) (needs 1 % of equity)" in whynot
        assert "need: 2,752.00 (13.76 % of 200 shares) (needs loss > 1.00 % of equity (1,000.00))" in whynot


def test_until_the_put_has_filled_no_call_is_offered() -> None:
    with world() as wire:
        wire.exchange.matching = False
        scanning.run(wire.desk, "earnings_protection")
        card = only(wire, Structure.COLLAR)
        say(wire, action=f"approve:{card.key}")
        collars.advance(wire.desk)
        assert [each for each in pending(wire) if each.plan.signal.structure is Structure.COVERED_CALL] == []


def test_a_call_that_was_let_pass_is_not_offered_again_by_itself_and_the_put_ends_alone() -> None:
    with world() as wire:
        bought_put(wire)
        collars.advance(wire.desk)
        card = only(wire, Structure.COVERED_CALL)
        say(wire, action=f"reject:{card.key}")
        wire.clock.advance(600)
        market(wire)
        assert collars.advance(wire.desk) == ()
        assert "call to come, offered once" in shown(say(wire, "/positions"))
        assert ends(wire) == [(PUT.symbol, "sell", "sell_to_close", "2")]


def test_a_desk_that_dies_between_the_two_orders_offers_the_call_after_its_restart() -> None:
    """Nothing but the store is left of the first desk."""
    with world() as wire:
        bought_put(wire)
        again = replace(wire.desk, new_id=lambda kind: f"{kind}9{next(UPDATES):04d}")
        assert collars.advance(again) == (the(wire, Structure.COLLAR).id,)
        assert only(wire, Structure.COVERED_CALL).plan.signal.covers == "P00002"
        assert collars.advance(again) == ()


def test_a_call_that_finds_no_quote_is_looked_for_again_after_five_minutes() -> None:
    with world() as wire:
        bought_put(wire)
        wide = cases.changed(protection.CHAIN, 110, bid=0.04)
        wire.market.set_snapshot(protection.name(asof=wire.clock(), chain=wide))
        put = the(wire, Structure.COLLAR)
        assert collars.advance(wire.desk) == (put.id,)
        assert collars.advance(wire.desk) == ()
        wire.clock.advance(299)
        assert collars.advance(wire.desk) == ()
        wire.clock.advance(1)
        market(wire)
        assert collars.advance(wire.desk) == (put.id,)
        assert only(wire, Structure.COVERED_CALL)


@pytest.mark.parametrize(
    ("hour", "minute", "looks"), [(13, 44, False), (13, 45, True), (19, 30, True), (19, 31, False)]
)
def test_the_call_is_looked_for_in_the_strategys_hours_only(hour: int, minute: int, looks: bool) -> None:
    with world() as wire:
        bought_put(wire)
        at = datetime(2026, 6, 16, hour, minute, tzinfo=UTC)
        wire.clock.advance((at - wire.clock()).total_seconds())
        assert bool(collars.advance(wire.desk)) is looks


def test_a_tap_after_half_past_three_buys_nothing() -> None:
    with world() as wire:
        scanning.run(wire.desk, "earnings_protection")
        card = only(wire, Structure.COLLAR)
        late = replace(card, expires_at=card.expires_at + timedelta(hours=8), id="A09999")
        with wire.store.begin() as work:
            work.add_approval(late)
        wire.clock.advance(5.6 * 3600)
        market(wire)
        reply = say(wire, action="approve:A09999.1")
        assert "enters from 09:45 to 15:30 only" in f"{reply.error} {reply.cards}"
        assert wire.posted == []


def test_where_a_call_is_written_on_the_shares_a_diagonal_goes_out_and_comes_back_as_one_order() -> None:
    """Alpaca takes the short put because the later one covers it in the same order."""
    written = cases.short(make.call(120, dte=30), 2, id="P00003", campaign="P00002", exits=ExitPlan(), approval_id=None)
    with world(written) as wire:
        wire.market.set_snapshot(protection.name(asof=wire.clock(), chain=protection.WITH_DIAGONAL))
        scanning.run(wire.desk, "earnings_protection")
        card = only(wire, Structure.DIAGONAL)
        text = shown(say(wire, action=f"show:{card.id}"))
        assert "(modelled on 24 Jun 26, each leg's volatility kept)" in text
        for row in protection.WITH_DIAGONAL.contracts():
            wire.quote(row.option, row.bid, row.ask)
        assert say(wire, action=f"approve:{card.key}").is_ok
        for item, (bid, ask) in {LONG: ("7.27", "7.37"), SHORT: ("1.90", "1.94")}.items():
            wire.quote(item, bid, ask)
        orders.reconcile(wire.desk)
        held = the(wire, Structure.DIAGONAL)
        assert (held.units, held.max_loss, held.risk) == (2, D("1094.00"), D("1094.00"))
        assert _legs(wire.posted[-1]) == [(LONG.symbol, "buy_to_open"), (SHORT.symbol, "sell_to_open")]

        wire.clock.advance((MONDAY_AFTER - wire.clock()).total_seconds())
        for item, (bid, ask) in {LONG: ("5.00", "5.10"), SHORT: ("0.30", "0.34")}.items():
            wire.quote(item, bid, ask)
        wire.quote(SHARE, "96.99", "97.01")
        exits.supervise(wire.desk)
        assert _legs(wire.posted[-1]) == [(LONG.symbol, "sell_to_close"), (SHORT.symbol, "buy_to_close")]
        assert wire.posted[-1]["order_class"] == "mleg"


LONG, SHORT = make.put(100, dte=37), make.put(86, dte=9)


def _legs(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(leg["symbol"], leg["position_intent"]) for leg in body["legs"]]


def test_closing_the_shares_closes_the_collars_call_first() -> None:
    """The call was written with the put's campaign, and stands on the shares all the same."""
    with world() as wire:
        bought_put(wire)
        sold_call(wire)
        for _ in range(8):
            wire.clock.advance(15)
            wire.quote(PUT, "36.0", "36.4")
            wire.quote(CALL, "0.02", "0.04")
            wire.quote(SHARE, "58.99", "59.01")
            orders.reconcile(wire.desk)
            exits.supervise(wire.desk)
            orders.work(wire.desk)
        sides = [(symbol, side) for symbol, side, _, _ in bodies(wire)[2:]]
        assert sides.index((CALL.symbol, "buy")) < sides.index((SHARE.symbol, "sell"))
