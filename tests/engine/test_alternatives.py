"""Several signals of one name in a scan: alternatives become one proposal, a calendar stands apart."""

from __future__ import annotations

from engine import scanning
from engine.model.legs import Leg, Structure
from engine.model.market import MarketSnapshot
from engine.model.trade import ApprovalStatus, Context, Found, Needs, RiskLevel, Signal, Step, Strategy, Verdict
from tests import make
from tests.desk import World, make_world
from tests.make import D


def long_put(strike: int, price: str, rank: float, **more: object) -> Signal:
    return make.signal(
        strategy="test",
        ticker="AAA",
        structure=Structure.LONG_PUT,
        legs=(Leg(make.put(strike, underlying="AAA"), 1),),
        limit=D(price),
        natural=D(price),
        outlook=make.outlook(max_loss=D(price) * 100, collateral=D(0)),
        rank=rank,
        **more,
    )


def calendar() -> Signal:
    legs = (Leg(make.put(95, 37, underlying="AAA"), 1), Leg(make.put(95, 9, underlying="AAA"), -1))
    return make.signal(
        strategy="test",
        ticker="AAA",
        structure=Structure.CALENDAR,
        legs=legs,
        limit=D("0.68"),
        outlook=make.outlook(max_loss=D(68), collateral=D(0)),
        rank=-9.0,
    )


def scanned(*signals: Signal) -> World:
    """A scan of one name in which these were found."""

    def find(snapshot: MarketSnapshot, context: Context, params: object) -> Found:
        return Found(signals, (Step("found", "some", "some", Verdict.PASSED),))

    strategy = Strategy("test", "Test", RiskLevel.LOW, None, Needs(), find, lambda *_: ())
    world = make_world({"test": strategy}, universe=("AAA",))
    world.market.set_snapshot(make.snapshot("AAA", 100))
    scanning.run(world.desk, "test")
    return world


def proposed(world: World) -> list[Signal]:
    with world.store.read() as work:
        return [approval.plan.signal for approval in work.pending_approvals()]


DEAR = long_put(115, "17.19", 0.0, alternatives="ways")
CHEAP = long_put(95, "4.58", -1.0, alternatives="ways")
CHEAPER = long_put(90, "2.00", -2.0, alternatives="ways")


def test_of_alternatives_only_the_best_that_fits_is_proposed() -> None:
    world = scanned(long_put(96, "5.00", 1.0, alternatives="ways"), CHEAP, CHEAPER)

    assert [str(signal.options[0].strike) for signal in proposed(world)] == ["96"]


def test_one_that_is_too_dear_is_passed_over_and_the_next_says_why() -> None:
    world = scanned(DEAR, CHEAP, CHEAPER)

    (signal,) = proposed(world)
    assert signal.legs == CHEAP.legs
    assert signal.against[-1] == (
        "Better, but not possible: long premium 1,000/1,719 = 0 (long put 115), needs 1 % of equity"
    )


def test_a_name_that_got_a_proposal_is_not_among_the_rejected_and_its_steps_tell_the_one_passed_over() -> None:
    world = scanned(DEAR, CHEAP)

    with world.store.read() as work:
        scan = work.last_scan("test")
    assert scan is not None
    assert scan.rejected == ()
    assert [step.rule for step in scan.steps["AAA"]] == ["found", "long premium", "size and limits"]
    assert scan.steps["AAA"][1].value == "1,000/1,719 = 0 (long put 115)"


def test_where_none_fits_the_name_is_rejected_by_the_first() -> None:
    world = scanned(DEAR, long_put(114, "16.00", -1.0, alternatives="ways"))

    with world.store.read() as work:
        scan = work.last_scan("test")
    assert proposed(world) == []
    assert scan is not None
    assert (scan.rejected[0].rule, scan.rejected[0].value) == ("long premium", "1,000/1,719 = 0 (long put 115)")


def test_signals_that_are_no_alternatives_are_all_proposed() -> None:
    assert len(proposed(scanned(long_put(95, "4.58", 0.0), long_put(90, "2.00", -1.0)))) == 2


def test_a_calendar_that_waits_does_not_hold_up_the_rest_of_its_name_and_is_not_proposed_twice() -> None:
    world = scanned(CHEAP, calendar())
    assert [signal.structure for signal in proposed(world)] == [Structure.LONG_PUT, Structure.CALENDAR]
    with world.store.begin() as work:
        put = next(a for a in work.pending_approvals() if a.plan.signal.structure is Structure.LONG_PUT)
        work.decide(put.id, 1, ApprovalStatus.EXPIRED, "desk", world.clock())
    world.clock.advance(60 * 60)

    again = scanning.run(world.desk, "test")

    assert again is not None
    assert [plan.signal.structure for plan in again.plans] == [Structure.LONG_PUT]


def test_a_held_calendar_does_not_hold_up_protection_nor_a_put_a_calendar() -> None:
    held = make.position(calendar().legs, id="P00001", ticker="AAA", strategy="test", structure=Structure.CALENDAR)
    put = make.position(CHEAP.legs, id="P00002", ticker="AAA", strategy="test", structure=Structure.LONG_PUT)

    assert not scanning.is_held(CHEAP, (held,))
    assert scanning.is_held(CHEAP, (put,))
    assert scanning.is_held(calendar(), (held,))
    assert not scanning.is_held(calendar(), (put,))
