"""The wheel of worked example 1 as it is told: every turn with its cash, fees and net basis, and what comes next."""

from decimal import Decimal

import pytest

from engine import activities, wheel
from engine.errors import NotFound
from engine.model.legs import Leg, Structure
from engine.model.orders import ActivityKind, Purpose
from tests import make
from tests.desk import World, make_world
from tests.engine.test_identity import Life

D = Decimal
PUT, CALL = make.put(44), make.call(48)


def trade(life: Life, id: str, structure: Structure, leg: Leg, price: str, purpose: Purpose = Purpose.ENTRY) -> None:
    world = life.world
    with world.store.begin() as work:
        position = work.find_position(id) or make.position(
            id=id, campaign="P1", approval_id=None, structure=structure, unit=(leg,), collateral=D(8800)
        )
        work.save_position(position)
    life.trade(position, purpose, 2, 1, D(price))
    life.reconcile()


def assigned(life: Life) -> None:
    trade(life, "P1", Structure.SHORT_PUT, Leg(PUT, -1), "1.03")
    life.happen(ActivityKind.ASSIGNMENT, PUT, -2)


def turned(world: World) -> wheel.Wheel:
    return wheel.campaigns(world.desk, "XYZ")[0]


def told(found: wheel.Wheel) -> list[tuple[str, str, str, str]]:
    return [
        (s.words, f"{s.cash:+.2f}", f"{s.fees:.2f}", "" if s.basis is None else f"{s.basis:.2f}") for s in found.steps
    ]


def test_example_1_from_put_to_called_away_makes_1232_before_fees_in_one_win() -> None:
    life = Life(make_world())
    assigned(life)
    trade(life, "P3", Structure.COVERED_CALL, Leg(CALL, -1), "1.13")
    life.happen(ActivityKind.ASSIGNMENT, CALL, -2)

    found = turned(life.world)

    assert told(found) == [
        ("sell 44p", "+206.00", "2.00", ""),
        ("assigned", "-8800.00", "0.00", "42.97"),
        ("sell 48c", "+226.00", "2.00", "41.84"),
        ("called", "+9600.00", "0.00", ""),
    ]
    assert (found.turn, found.pnl, found.fees, found.is_closed) == (wheel.Turn.CASH, D("1232.00"), D("4.00"), True)
    assert found.next == "The next scan may sell a put again."
    with life.world.store.read() as work:
        (campaign,) = work.campaigns("wheel")
    assert campaign.pnl == D("1228.00")


def test_each_turn_says_where_it_stands_and_what_comes_next() -> None:
    life = Life(make_world())
    trade(life, "P1", Structure.SHORT_PUT, Leg(PUT, -1), "1.03")
    put = turned(life.world)
    life.happen(ActivityKind.ASSIGNMENT, PUT, -2)
    shares = turned(life.world)
    trade(life, "P3", Structure.COVERED_CALL, Leg(CALL, -1), "1.13")
    call = turned(life.world)

    assert (put.turn, put.basis) == (wheel.Turn.SHORT_PUT, None)
    assert "the shares are taken at 44" in put.next
    assert (shares.turn, f"{shares.basis:.2f}") == (wheel.Turn.SHARES, "42.97")
    assert shares.next == "The next scan may sell a call on the shares, at 42.97 or above."
    assert (call.turn, f"{call.basis:.2f}") == (wheel.Turn.SHORT_CALL, "41.84")
    assert "the shares are called away at 48" in call.next


def test_a_dividend_is_profit_of_the_campaign_and_leaves_the_basis() -> None:
    life = Life(make_world())
    assigned(life)
    life.happen(ActivityKind.DIVIDEND, make.share(), 200, amount=D(60))
    life.world.market.set_quote(make.share(), "42.49", "42.51")

    found = turned(life.world)

    assert (f"{found.basis:.2f}", found.dividends, found.pnl) == ("42.97", D(60), D("-34.00"))


def test_half_an_assignment_turns_half_of_the_wheel() -> None:
    life = Life(make_world())
    trade(life, "P1", Structure.SHORT_PUT, Leg(PUT, -1), "1.03")
    life.happen(ActivityKind.ASSIGNMENT, PUT, -1)

    found = turned(life.world)

    assert found.turn is wheel.Turn.SHARES
    assert [(step.words, step.shares) for step in found.steps] == [("sell 44p", 0), ("assigned", 100)]


def test_an_expired_put_ends_the_turn_with_its_premium() -> None:
    life = Life(make_world())
    trade(life, "P1", Structure.SHORT_PUT, Leg(PUT, -1), "1.03")
    life.happen(ActivityKind.EXPIRY, PUT, -2)

    found = turned(life.world)

    assert ([step.words for step in found.steps], found.pnl) == (["sell 44p", "expired"], D("206.00"))


def test_a_split_restates_the_basis_and_not_the_profit() -> None:
    life = Life(make_world())
    assigned(life)
    life.happen(ActivityKind.SPLIT, make.share(), ratio=D(2))
    life.world.market.set_quote(make.share(), "21.48", "21.49")

    found = turned(life.world)

    assert (found.steps[-1].words, found.steps[-1].shares, found.basis) == ("split 2", 400, D("21.485"))
    assert found.pnl == D(0)


def test_without_a_price_the_result_is_not_known_rather_than_made_up() -> None:
    life = Life(make_world())
    assigned(life)
    life.world.market.drop_quote(make.share())

    assert turned(life.world).pnl is None


def test_a_name_that_never_turned_is_said_so() -> None:
    with pytest.raises(NotFound, match="No wheel has turned in XYZ yet"):
        wheel.campaigns(make_world().desk, "XYZ")


def test_settling_again_tells_nothing_twice() -> None:
    life = Life(make_world())
    assigned(life)
    before = told(turned(life.world))

    activities.settle(life.world.desk)

    assert told(turned(life.world)) == before


def test_what_is_left_over_of_a_turn_is_named_and_the_wheel_is_not_called_closed() -> None:
    life = Life(make_world())
    trade(life, "P1", Structure.LONG_PUT, Leg(PUT, 1), "0.50")

    found = turned(life.world)

    assert (found.next, found.is_closed) == ("P1 is left over: close it.", False)
