"""The same idea in another size, at another price, strike or expiry: a new version, complete and checked again."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from engine import approvals, orders, scanning, variants
from engine.approvals import Outcome
from engine.errors import AlreadyDecided, BadRequest, DataInvalid, DataUnavailable, NotAllowed
from engine.model.instruments import Option
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import Limits
from engine.model.market import DatesAhead
from engine.model.orders import TicketStatus
from engine.model.trade import Approval, Working
from strategies import CATALOGUE
from tests import make
from tests.desk import World, make_world, propose, quote_all
from tests.strategies import cases

D = Decimal


def scanned(**more: Limits) -> tuple[World, Approval]:
    """The wheel example as the desk proposes it: sell two 44 puts at 1.03, 35 days out; 40 and 48 are listed too."""
    world = make_world(strategies=dict(CATALOGUE), **more)
    world.market.set_snapshot(cases.wheel_name())
    scanning.run(world.desk, "wheel", ["XYZ"])
    with world.store.read() as work:
        (approval,) = work.pending_approvals()
    return world, approval


def option_of(approval: Approval) -> Option:
    (option,) = approval.plan.signal.options
    return option


def test_the_lower_strike_is_a_new_version_with_its_own_numbers() -> None:
    world, shown = scanned()

    lower = variants.strike(world.desk, shown.id, 1, "ann", -1)

    signal, plan = lower.plan.signal, lower.plan
    assert (lower.version, lower.is_pending, option_of(lower)) == (2, True, make.put(40))
    assert (signal.limit, signal.natural) == (D("-0.33"), D("-0.28"))
    assert (plan.quantity, plan.collateral) == (2, D(8000))  # floor(10,000 / 4,000)
    assert (signal.outlook.max_loss, signal.outlook.breakevens) == (D("3967.00"), (D("39.6700"),))
    assert signal.outlook.greeks is not None
    assert signal.outlook.greeks.delta == pytest.approx(0.0923, abs=1e-4)
    assert signal.outlook.pop == pytest.approx(0.9, abs=0.05)
    assert (signal.exits.target, signal.exits.stop_spot) == (D("-0.165"), D("29.7525"))  # 75 % of 39.67
    assert lower.expires_at == world.clock() + timedelta(seconds=300)


def test_the_rules_a_chosen_contract_breaks_are_said_as_reasons_against() -> None:
    world, shown = scanned()

    signal = variants.strike(world.desk, shown.id, 1, "ann", -1).plan.signal

    assert "|delta| 0.09 of XYZ 20 Jul 26 40 put is outside 0.15 to 0.30" in signal.against
    assert any("40 put is 30.3 % of its mid, more than 10 %" in reason for reason in signal.against)
    assert "assignment would take 4,000.00 a contract" in signal.against
    assert signal.reasons[0].startswith("chosen by ann: XYZ 20 Jul 26 40 put, -0.09 delta")
    assert all(reason.startswith("First card: ") for reason in signal.reasons[1:])


def test_a_chosen_delta_is_not_refused_again_at_the_tap() -> None:
    world, shown = scanned()
    higher = variants.strike(world.desk, shown.id, 1, "ann", 1)  # the 48 put, |delta| 0.46 of 0.15 to 0.30

    decision = approvals.approve(world.desk, shown.id, 2, "ann")

    assert higher.plan.signal.delta_range == pytest.approx((0.15, 0.4613), abs=1e-4)
    assert decision.outcome is Outcome.SENT
    assert world.broker.sent[f"{shown.id}.2.1"].legs == (Leg(make.put(48), -1),)


def test_the_next_expiry_is_a_new_version_on_the_same_strike() -> None:
    world, shown = scanned()

    later = variants.expiry(world.desk, shown.id, 1, "ann", 1)

    assert option_of(later) == make.put(44, dte=60)
    assert later.plan.impact
    assert later.note == f"Chosen by ann: {make.put(44, dte=60)} at 1.03."


def test_a_size_that_another_strike_brings_with_it_is_said() -> None:
    world, shown = scanned(limits=Limits(put_collateral_each=D("0.085")))  # room for one 44 put or two 40 puts

    lower = variants.strike(world.desk, shown.id, 1, "ann", -1)

    assert lower.note == f"Chosen by ann: {make.put(40)} at 0.33; now 2 instead of 1."


def test_the_earlier_versions_are_kept_and_their_buttons_do_nothing() -> None:
    world, shown = scanned()
    variants.expiry(world.desk, shown.id, 1, "ann", 1)
    variants.strike(world.desk, shown.id, 2, "tom", 1)

    with pytest.raises(AlreadyDecided, match="has changed"):
        approvals.approve(world.desk, shown.id, 1, "ann")
    with pytest.raises(AlreadyDecided, match="has changed"):
        variants.strike(world.desk, shown.id, 2, "ann", 1)

    with world.store.read() as work:
        versions = work.approval_versions(shown.id)
    # a strike is chosen on the first card's expiry or on the one chosen since
    assert [option_of(version) for version in versions] == [
        make.put(44),
        make.put(44, dte=60),
        make.put(48, dte=60),
    ]
    assert world.broker.posts == []


@pytest.mark.parametrize(
    ("vary", "steps", "says"),
    [
        (variants.strike, 2, "no strike above that of XYZ 20 Jul 26 44 put"),
        (variants.strike, -2, "no strike below"),
        (variants.expiry, 2, "no later expiry than 20 Jul 26"),
        (variants.expiry, -2, "no sooner expiry"),
    ],
)
def test_where_the_chain_ends_a_sentence_says_so(vary, steps: int, says: str) -> None:  # type: ignore[no-untyped-def]
    world, shown = scanned()

    with pytest.raises(BadRequest, match=says):
        vary(world.desk, shown.id, 1, "ann", steps)

    with world.store.read() as work:
        assert work.approval(shown.id) == shown


def test_a_strike_that_the_other_expiry_does_not_list_is_said() -> None:
    world, shown = scanned()
    other = make.chain(puts=cases.WHEEL_PUTS[:1], spot=48, dte=60)
    world.market.set_snapshot(cases.wheel_name(chain=make.join(cases.put_chain(35), other)))

    with pytest.raises(BadRequest, match="14 Aug 26 44 put is not listed"):
        variants.expiry(world.desk, shown.id, 1, "ann", 1)


def test_a_contract_of_which_not_one_is_allowed_changes_nothing() -> None:
    world, shown = scanned()
    world.broker.cash = D(43_000)  # a 44 put reserves 4,400, more than 10 %
    world.clock.advance(31)

    world.market.set_snapshot(cases.wheel_name(asof=world.clock()))
    with pytest.raises(BadRequest, match=r"not even one is allowed: .*4,300/4,800"):
        variants.strike(world.desk, shown.id, 1, "ann", 1)


def test_what_breaks_a_limit_that_does_not_size_it_is_not_offered() -> None:
    world, shown = scanned()
    with world.store.begin() as work:
        held = make.held(make.put(44), -3, "1.03")
        work.save_position(make.position(lots=[held], approval_id=None, opened_units=3, collateral=D(13_200)))

    with pytest.raises(BadRequest, match=r"Not changed: risk in XYZ 13.2 % → 2\d.\d % \(limit 20.0 %\)"):
        variants.strike(world.desk, shown.id, 1, "ann", -1)


def test_without_a_chain_no_other_contract_can_be_chosen() -> None:
    world, shown = scanned()
    world.market.set_snapshot(cases.wheel_name(chain=None))

    with pytest.raises(DataUnavailable, match="no options of XYZ"):
        variants.strike(world.desk, shown.id, 1, "ann", 1)


def test_a_stale_quote_prices_no_variant() -> None:
    world, shown = scanned()
    world.clock.advance(6)

    with pytest.raises(DataInvalid, match="6 s old"):
        variants.strike(world.desk, shown.id, 1, "ann", 1)


def test_nothing_is_varied_outside_the_hours_for_entries() -> None:
    world = make_world()
    propose(world, expires_at=make.NOW + timedelta(days=1))
    world.clock.advance(hours=7)

    with pytest.raises(NotAllowed, match="closed"):
        variants.better_price(world.desk, "A00001", 1, "ann")


def test_a_strategy_that_sets_no_exits_for_another_contract_is_not_varied() -> None:
    world, shown = scanned()
    desk = replace(world.desk, strategies={"wheel": replace(CATALOGUE["wheel"], exits=None)})

    with pytest.raises(BadRequest, match="exits of its own contract only"):
        variants.strike(desk, shown.id, 1, "ann", 1)


def test_the_time_exit_moves_with_the_expiry() -> None:
    world = make_world(strategies=dict(CATALOGUE))
    chain = make.join(*(make.chain(calls=cases.DIP_CALLS, spot=108, dte=dte) for dte in (30, 37)))
    world.market.set_snapshot(cases.dip_name(chain=chain))
    signal = make.signal(
        strategy="wsb_dip", structure=Structure.LONG_CALL, legs=(Leg(make.call(113), 1),), limit=D("4.26"),
        spot=D(108), natural=D("4.31"), outlook=make.outlook(max_loss=D(426), max_gain=None, collateral=D(0)),
        exits=ExitPlan(close_on=make.TODAY + timedelta(days=22)),  # Tuesday 7 July, 8 days before expiry
        at_risk=0.01,
    )  # fmt: skip
    propose(world, plan=make.plan(signal, 2, counted_risk=D(852)))

    later = variants.expiry(world.desk, "A00001", 1, "ann", 1).plan

    assert later.signal.exits.close_on == make.TODAY + timedelta(days=29)
    assert (later.signal.exits.stop, later.quantity) == (D("2.130"), 2)


def test_an_expiry_whose_time_exit_would_be_today_is_not_offered() -> None:
    world = make_world(strategies=dict(CATALOGUE))
    chain = make.join(*(make.chain(calls=cases.DIP_CALLS, spot=108, dte=dte) for dte in (7, 30)))
    world.market.set_snapshot(cases.dip_name(chain=chain))
    signal = make.signal(
        strategy="wsb_dip", structure=Structure.LONG_CALL, legs=(Leg(make.call(113), 1),), limit=D("4.26"),
        spot=D(108), natural=D("4.31"), exits=ExitPlan(close_on=make.TODAY + timedelta(days=22)),
    )  # fmt: skip
    propose(world, plan=make.plan(signal, 2))

    with pytest.raises(BadRequest, match="its time exit would be 12 Jun"):
        variants.expiry(world.desk, "A00001", 1, "ann", -1)


def test_a_report_before_the_later_expiry_is_said() -> None:
    world, shown = scanned()
    report = make.TODAY + timedelta(days=50)
    signal = replace(shown.plan.signal, dates=DatesAhead(report, None))
    with world.store.begin() as work:
        work.revise(shown.id, 1, replace(shown.plan, signal=signal), shown.expires_at, "")

    against = variants.expiry(world.desk, shown.id, 2, "ann", 1).plan.signal.against

    assert "a report on 04 Aug comes before this expiry" in against


def spread_world() -> World:
    """Three SPY put spreads' worth of strikes, and a card that sells the 580/575 at 1.00."""
    world = make_world(strategies={"spx_credit_spreads": replace(CATALOGUE["wheel"], name="spx_credit_spreads")})
    rows = make.rows(
        "587: 6.8060/6.76/6.86/-0.3139; 580: 5.0514/5.00/5.10/-0.2462; 575: 4.0471/4.00/4.10/-0.2045; "
        "562: 2.2071/2.16/2.26/-0.1211",
        {587: 0.1685, 580: 0.1735, 575: 0.177, 562: 0.186},
    )
    chain = make.chain(puts=rows, spot=600, dte=38, underlying="SPY", dividend_yield=0.012)
    world.market.set_snapshot(make.snapshot("SPY", 600, chain))
    signal = make.signal(
        strategy="spx_credit_spreads", ticker="SPY", structure=Structure.CREDIT_SPREAD, legs=make.vertical(),
        limit=D("-1.00"), natural=D("-0.90"), spot=D(600), worst=D("-0.75"), delta_range=(0.10, 0.30),
        outlook=make.outlook(max_loss=D(400), max_gain=D(100), collateral=D(500)),
    )  # fmt: skip
    propose(world, plan=make.plan(signal, 4, counted_risk=D(1600)))
    return world


def test_a_spread_moves_as_a_whole_and_its_bound_with_its_width() -> None:
    world = spread_world()

    lower = variants.strike(world.desk, "A00001", 1, "ann", -1).plan.signal

    assert [(leg.instrument.strike, leg.ratio) for leg in lower.legs if isinstance(leg.instrument, Option)] == [
        (D(575), -1),
        (D(562), 1),
    ]
    assert (lower.limit, lower.outlook.max_loss) == (D("-1.84"), D("1116.00"))  # width 13
    assert lower.worst == D("-0.75") * 13 / 5
    assert all("|delta|" not in reason for reason in lower.against)  # 0.2045, the short leg's


def test_better_price_asks_a_quarter_of_the_half_spread_more_and_is_never_passed() -> None:
    world = make_world()
    propose(world)

    better = variants.better_price(world.desk, "A00001", 1, "ann")

    assert (better.version, better.plan.signal.limit, better.plan.signal.yours) == (2, D("-1.03"), D("-1.04"))
    approvals.approve(world.desk, "A00001", 2, "ann")
    for _ in range(5):
        world.clock.advance(15)
        quote_all(world)
        orders.work(world.desk)
    assert {order.limit for order in world.broker.sent.values()} == {D("-1.04")}
    with world.store.read() as work:
        assert work.ticket("A00001.2").status is TicketStatus.CLOSED


def test_better_price_twice_asks_for_more_each_time() -> None:
    world = make_world()
    propose(world)
    variants.better_price(world.desk, "A00001", 1, "ann")

    again = variants.better_price(world.desk, "A00001", 2, "ann")

    assert again.plan.signal.yours == D("-1.05")


@pytest.mark.parametrize(("mid", "sent"), [(("0.98", "1.08"), "-1.10"), (("1.01", "1.11"), "-1.10")])
def test_a_persons_price_is_a_bound_and_the_band_is_measured_from_the_mid(mid: tuple[str, str], sent: str) -> None:
    world = make_world()
    propose(world, plan=make.plan(make.signal(working=Working.REST)))
    variants.own_price(world.desk, "A00001", 1, "ann", D("1.10"))
    quote_all(world, *mid)  # 1.06 is within two bands of the mid of 1.03, though 1.10 is not within one of it

    decision = approvals.approve(world.desk, "A00001", 2, "ann")

    assert decision.outcome is Outcome.SENT
    assert world.broker.sent["A00001.2.1"].limit == D(sent)


def test_a_mid_beyond_the_band_asks_again_and_keeps_the_persons_price() -> None:
    world = make_world()
    propose(world)
    variants.own_price(world.desk, "A00001", 1, "ann", D("1.05"))
    quote_all(world, "0.94", "1.02")

    decision = approvals.approve(world.desk, "A00001", 2, "ann")

    assert (decision.outcome, decision.approval.plan.signal.yours) == (Outcome.MOVED, D("-1.05"))


def test_a_price_inside_the_band_but_worse_than_the_mid_may_be_gone_to() -> None:
    world = make_world()
    propose(world)

    plan = variants.own_price(world.desk, "A00001", 1, "ann", D("1.01")).plan

    assert plan.signal.yours == D("-1.01")
    approvals.approve(world.desk, "A00001", 2, "ann")
    for _ in range(3):
        world.clock.advance(15)
        quote_all(world)
        orders.work(world.desk)
    assert [order.limit for order in world.broker.sent.values()] == [D("-1.03"), D("-1.02"), D("-1.01"), D("-1.01")]


@pytest.mark.parametrize(
    ("price", "says"),
    [("0.50", "past 0.99, the worst"), ("0", "not a price"), ("-1.03", "not a price"), ("1.005", "to the cent")],
)
def test_a_price_that_cannot_be_meant_changes_nothing(price: str, says: str) -> None:
    world = make_world()
    propose(world)

    with pytest.raises(BadRequest, match=says):
        variants.own_price(world.desk, "A00001", 1, "ann", D(price))

    with world.store.read() as work:
        assert work.approval("A00001").version == 1


def test_a_smaller_size_that_still_breaks_a_limit_is_refused_with_its_number() -> None:
    world = make_world()
    propose(world, plan=make.plan(quantity=10))  # ten reserve 44,000 of 100,000, five 22,000, two 8,800

    with pytest.raises(BadRequest, match=r"Not changed: risk of this trade 0.0 % → 22.0 % \(limit 10.0 %\)"):
        variants.resize(world.desk, "A00001", 1, "ann", 5)

    assert variants.resize(world.desk, "A00001", 1, "ann", 2).plan.quantity == 2


def test_a_size_chosen_by_a_person_stays_when_the_strike_changes() -> None:
    world, shown = scanned()
    variants.resize(world.desk, shown.id, 1, "ann", 1)

    assert variants.strike(world.desk, shown.id, 2, "ann", -1).plan.quantity == 1
