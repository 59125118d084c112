"""Assignments, expiries, dividends and flows: each applied once, the books in balance to the cent."""

from datetime import timedelta
from decimal import Decimal

from engine import activities, approvals, digests, orders, portfolio
from engine.model.book import PositionStatus
from engine.model.events import EventKind, Severity
from engine.model.legs import ExitPlan, Structure
from engine.model.orders import Activity, ActivityKind
from engine.model.trade import Needs, RiskLevel, Strategy
from tests import make
from tests.desk import World, close_day, make_world, propose, quote_all

D = Decimal
PUT = make.put()


def wheel() -> Strategy:
    """A strategy that only arms the stop of assigned shares."""
    return Strategy(
        "wheel",
        "Wheel",
        RiskLevel.LOW,
        None,
        Needs(),
        find=lambda *_: None,  # type: ignore[arg-type, return-value]
        manage=lambda *_: (),
        shares_exits=lambda basis, _: ExitPlan(stop_spot=basis * D("0.75"), words=("…",)),
    )


def short_puts(quantity: int = 2) -> World:
    world = make_world({"wheel": wheel()})
    propose(world)
    approvals.approve(world.desk, "A00001", 1, "ann")
    world.broker.fill("A00001.1.1", units=quantity)
    orders.reconcile(world.desk)
    return world


def happen(world: World, kind: ActivityKind, **more: object) -> None:
    world.clock.advance(60)
    values: dict[str, object] = {"id": f"act-{len(world.broker.happened)}", "kind": kind, "at": world.clock()}
    world.broker.happened.append(Activity(**(values | more)))  # type: ignore[arg-type]
    quote_all(world)
    activities.settle(world.desk)


def assigned(quantity: int = -2) -> World:
    world = short_puts()
    happen(world, ActivityKind.ASSIGNMENT, instrument=PUT, quantity=quantity)
    return world


def test_an_assigned_put_becomes_shares_at_the_strike_less_the_premium_with_a_stop() -> None:
    world = assigned()

    with world.store.read() as work:
        (shares,) = work.open_positions()
        totals = work.book().totals
    assert (shares.structure, shares.units, shares.entry) == (Structure.SHARES, 200, D("42.97"))
    assert shares.exits.stop_spot == D("42.97") * D("0.75")
    assert (totals.realised, totals.cash) == (D(0), D("91404.00"))


def test_half_an_assignment_leaves_the_other_contract_open() -> None:
    world = assigned(-1)

    with world.store.read() as work:
        held = {position.structure: position.units for position in work.open_positions()}
    assert held == {Structure.SHORT_PUT: 1, Structure.SHARES: 100}


def test_settling_twice_applies_an_activity_once() -> None:
    world = assigned()

    assert activities.settle(world.desk) == ()
    with world.store.read() as work:
        assert work.book().cash == D("91404.00")


def test_the_campaign_of_put_and_shares_is_one() -> None:
    world = assigned()

    with world.store.read() as work:
        (shares,) = work.open_positions()
        campaign = work.campaign(shares.campaign)
        assert work.campaigns("wheel") == ()
    assert sorted(position.status for position in campaign) == [PositionStatus.CLOSED, PositionStatus.OPEN]


def test_an_expired_put_keeps_its_whole_premium() -> None:
    world = short_puts()

    happen(world, ActivityKind.EXPIRY, instrument=PUT, quantity=-2)

    with world.store.read() as work:
        assert work.open_positions() == ()
        assert work.book().totals.realised == D("206.00")
        (campaign,) = work.campaigns("wheel")
    assert campaign.pnl == D("204.00")


def test_a_dividend_is_paid_to_the_shares() -> None:
    world = assigned()

    happen(world, ActivityKind.DIVIDEND, instrument=make.share(), quantity=200, amount=D(60))

    with world.store.read() as work:
        (shares,) = work.open_positions()
    assert shares.dividends == D(60)


def test_a_deposit_is_a_flow_and_not_a_profit() -> None:
    world = short_puts()

    happen(world, ActivityKind.DEPOSIT, amount=D(5000))

    view = portfolio.pnl(world.desk)
    assert (view.totals.flows, view.total) == (D(5000), D("-2.00"))


def test_the_equity_identity_holds_through_put_shares_dividend_and_deposit() -> None:
    world = assigned()
    happen(world, ActivityKind.DIVIDEND, instrument=make.share(), quantity=200, amount=D(60))
    happen(world, ActivityKind.DEPOSIT, amount=D(5000))
    quote_all(world, spot="42.50")

    view = portfolio.pnl(world.desk)

    assert view.unrealised == D("-94.00")
    assert view.equity == D(100_000) + 206 - 2 - 8800 + 60 + 5000 + 8500
    assert view.gap == 0


def test_an_activity_that_matches_nothing_raises_an_urgent_alert_with_both_sides() -> None:
    world = short_puts(1)

    happen(world, ActivityKind.ASSIGNMENT, instrument=PUT, quantity=-3)

    with world.store.read() as work:
        (alert,) = [event for event in work.events() if event.kind is EventKind.POSITION_MISMATCH]
    assert alert.severity is Severity.URGENT
    assert "-2" in str(alert.data["broker"])


def test_a_split_changes_quantities_and_not_the_profit() -> None:
    world = short_puts()
    before = portfolio.pnl(world.desk).unrealised
    happen(world, ActivityKind.SPLIT, instrument=make.share(), ratio=D(4))
    split_put = make.put("11")
    world.market.set_quote(split_put, "0.245", "0.27")

    view = portfolio.pnl(world.desk)

    with world.store.read() as work:
        (position,) = work.open_positions()
    assert (position.units, position.entry) == (8, D("-0.2575"))
    assert view.unrealised == before


def test_the_close_of_the_day_is_the_base_of_tomorrows_profit() -> None:
    world = short_puts()
    close_day(world.desk)
    world.clock.advance(days=1)
    quote_all(world, "0.88", "0.98")

    view = portfolio.pnl(world.desk)

    assert view.day == D("20.00")


def test_a_deposit_between_two_closes_is_not_in_the_days_profit() -> None:
    world = short_puts()
    close_day(world.desk)
    world.clock.advance(days=1)
    happen(world, ActivityKind.DEPOSIT, amount=D(5000))

    assert portfolio.pnl(world.desk).day == D(0)


def test_a_position_without_a_quote_is_valued_at_its_last_close_and_says_so() -> None:
    world = short_puts()
    close_day(world.desk)
    at = world.clock()
    world.clock.advance(hours=1)
    world.market.drop_quote(PUT)

    (view,) = portfolio.positions(world.desk)

    assert (view.unrealised, view.stale_at) == (D(0), at)


def test_the_digest_counts_what_the_day_brought() -> None:
    world = short_puts()
    happen(world, ActivityKind.EXPIRY, instrument=PUT, quantity=-2)
    world.clock.advance(timedelta(minutes=1).total_seconds())

    digest = digests.digest(world.desk)

    assert digest.happened.proposals == {"approved": 1}
    assert [ended.reason for ended in digest.happened.ended] == ["expired"]
    assert digest.happened.premium == D("206.00")
    assert digest.parts is not None
    assert (digest.parts.total, digest.total) == (D("204.00"), D("204.00"))


def test_a_premium_booked_after_the_day_has_ended_is_the_next_one_s() -> None:
    world = make_world({"wheel": wheel()})
    propose(world)
    approvals.approve(world.desk, "A00001", 1, "ann")
    close = world.desk.sessions.close(world.desk.today)
    world.clock.set(close - timedelta(seconds=1))
    world.broker.fill("A00001.1.1", units=2)
    world.clock.set(close + timedelta(minutes=15))
    close_day(world.desk)
    world.clock.advance(60)
    orders.reconcile(world.desk)

    world.clock.set(world.desk.sessions.open(world.desk.sessions.next(world.desk.today)) + timedelta(minutes=1))
    quote_all(world)
    digest = digests.digest(world.desk)

    assert (len(digest.happened.opened), digest.happened.premium) == (1, D("206.00"))


def test_on_the_first_day_profit_is_counted_from_the_opening_of_the_account() -> None:
    world = short_puts()
    quote_all(world, "0.88", "0.98")

    view = portfolio.pnl(world.desk)

    assert (view.day, view.week, view.month) == (D("18.00"), D("18.00"), D("18.00"))
