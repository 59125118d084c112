"""Where executions from outside go: nothing is lost, nothing is booked twice, nothing is closed that is not held."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from engine import outside
from engine.model.book import Position
from engine.model.instruments import Instrument
from engine.model.legs import Structure
from engine.model.orders import Fill
from tests import make

ITEMS: tuple[Instrument, ...] = (make.share(), make.call(52), make.put(44), make.put(40))
TRADES = st.lists(st.tuples(st.sampled_from(ITEMS), st.integers(-300, 300).filter(bool)), min_size=1, max_size=6)
HELD = st.lists(st.tuples(st.sampled_from(ITEMS), st.integers(-200, 200).filter(bool)), max_size=4)


def positions(held: list[tuple[Instrument, int]]) -> list[Position]:
    return [
        make.position(
            (make.leg(item, 1 if quantity > 0 else -1),),
            (make.held(item, quantity, 1),),
            id=f"P{number}",
            structure=Structure.SHARES if item == make.share() else Structure.LONG_CALL,
        )
        for number, (item, quantity) in enumerate(held)
    ]


def executions(trades: list[tuple[Instrument, int]]) -> list[Fill]:
    return [make.fill(item, quantity, 1, f"x{n}", 1) for n, (item, quantity) in enumerate(trades)]


@settings(deadline=None)
@given(held=HELD, trades=TRADES)
def test_every_unit_goes_to_one_place_under_an_id_of_its_own(
    held: list[tuple[Instrument, int]], trades: list[tuple[Instrument, int]]
) -> None:
    booking = outside.plan(positions(held), executions(trades))

    pieces = [piece for _, piece in booking.closes] + [piece for _, mine in booking.opens for piece in mine]
    total: Counter[Instrument] = Counter()
    for piece in pieces:
        total[piece.instrument] += piece.quantity
    wanted: Counter[Instrument] = Counter()
    for item, quantity in trades:
        wanted[item] += quantity
    assert {item: total[item] for item in ITEMS} == {item: wanted[item] for item in ITEMS}
    assert len({piece.execution_id for piece in pieces}) == len(pieces)
    assert {piece.execution_id.partition(outside.PIECE)[0] for piece in pieces} == {f"x{n}" for n in range(len(trades))}
    assert sum(piece.fee for piece in pieces) == len(trades)


@settings(deadline=None)
@given(held=HELD, trades=TRADES)
def test_no_position_is_closed_beyond_what_it_holds(
    held: list[tuple[Instrument, int]], trades: list[tuple[Instrument, int]]
) -> None:
    open_positions = positions(held)

    booking = outside.plan(open_positions, executions(trades))

    for position in open_positions:
        (leg,) = position.legs
        taken = sum(piece.quantity for id, piece in booking.closes if id == position.id)
        assert taken * leg.quantity <= 0
        assert abs(taken) <= abs(leg.quantity)


@settings(deadline=None)
@given(trades=TRADES)
def test_what_is_opened_is_what_its_package_says_it_holds(trades: list[tuple[Instrument, int]]) -> None:
    booking = outside.plan([], executions(trades))

    for package, mine in booking.opens:
        total: Counter[Instrument] = Counter()
        for piece in mine:
            total[piece.instrument] += piece.quantity
        if any(total.values()):
            assert dict(total) == {holding.instrument: holding.quantity for holding in package.held}
