"""What expires soon is told once a day, what needs attention once for its cause; restarts repeat nothing."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from engine import agenda, exits
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.instruments import Instrument, option
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Dividend
from tests import make
from tests.desk import World, make_world

D = Decimal
FRIDAY = make.TODAY + timedelta(days=4)
"""19 June 2026 is a holiday: what bears its date trades for the last time on Thursday."""
FRIDAY_PUT = make.put(44, dte=4)


def hold(
    world: World,
    what: Instrument,
    quantity: int,
    structure: Structure,
    id: str = "P00001",
    unit: tuple[Leg, ...] = (),
    exits: ExitPlan | None = None,
) -> Position:
    legs = unit or (Leg(what, 1 if quantity > 0 else -1),)
    held = make.position(
        id=id,
        approval_id=None,
        structure=structure,
        unit=legs,
        lots=tuple(make.held(leg.instrument, leg.ratio * abs(quantity), "1.00") for leg in legs),
        opened_units=abs(quantity),
        exits=exits or ExitPlan(),
    )
    with world.store.begin() as work:
        work.save_position(held)
    return held


def spot(world: World, price: str) -> None:
    middle = D(price)
    world.market.set_quote(make.share(), middle - D("0.01"), middle + D("0.01"))


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ("40", "10.0 % in the money. Held for assignment: 8,800.00 needed, cash covers it."),
        ("48", "8.3 % out of the money. It expires worthless; in the money it would take 8,800.00, cash covers it."),
    ],
)
def test_a_put_near_its_expiry_is_told_with_the_cash_it_takes(price: str, words: str) -> None:
    world = make_world()
    hold(world, FRIDAY_PUT, -2, Structure.SHORT_PUT)
    spot(world, price)

    agenda.run(world.desk)

    (event,) = world.events(EventKind.EXPIRY_AGENDA)
    assert event.data["lines"] == [f"P00001: -2 × XYZ 19 Jun 26 44 put, expires in 3 days, {words}"]


@pytest.mark.parametrize(("root", "days"), [("SPXW", 3), ("SPX", 2)])
def test_what_settles_on_the_open_is_due_the_session_before(root: str, days: int) -> None:
    world = make_world()
    hold(world, option(f"{root}260619P05800000"), -1, Structure.SHORT_PUT)

    (item,) = agenda.items(world.desk)

    assert item.days == days


def test_the_cash_of_other_puts_is_not_counted_twice() -> None:
    world = make_world()
    hold(world, FRIDAY_PUT, -20, Structure.SHORT_PUT)
    hold(world, make.put(40, dte=30), -5, Structure.SHORT_PUT, "P00002")
    spot(world, "40")

    (item,) = agenda.items(world.desk)

    assert item.words == "Held for assignment: 88,000.00 needed, cash is short of it by 8,000.00."


def test_it_is_told_once_a_session_whatever_happens_and_again_the_next_day() -> None:
    world = make_world()
    hold(world, FRIDAY_PUT, -2, Structure.SHORT_PUT)

    for _ in range(3):
        agenda.run(world.desk)
    world.clock.advance(days=1)
    spot(world, "48")
    agenda.run(world.desk)

    assert len(world.events(EventKind.EXPIRY_AGENDA)) == 2


def test_a_position_that_is_new_today_is_told_by_itself() -> None:
    world = make_world()
    hold(world, FRIDAY_PUT, -2, Structure.SHORT_PUT)
    agenda.run(world.desk)
    hold(world, make.put(46, dte=4), -1, Structure.SHORT_PUT, "P00002")

    agenda.run(world.desk)

    assert [event.data["positions"] for event in world.events(EventKind.EXPIRY_AGENDA)] == [["P00001"], ["P00002"]]


def test_seven_days_are_near_and_eight_are_not() -> None:
    world = make_world()
    hold(world, make.put(44, dte=7), -1, Structure.SHORT_PUT)
    hold(world, make.put(44, dte=8), -1, Structure.SHORT_PUT, "P00002")

    assert [item.position.id for item in agenda.items(world.desk)] == ["P00001"]


def test_nothing_is_told_outside_the_session() -> None:
    world = make_world()
    hold(world, FRIDAY_PUT, -2, Structure.SHORT_PUT)
    world.clock.advance(hours=8)

    assert agenda.run(world.desk) == ()


def spread(expiry: date) -> tuple[Leg, ...]:
    return (Leg(make.put(44, expiry=expiry), -1), Leg(make.put(40, expiry=expiry), 1))


def test_a_spread_is_closed_as_a_whole_at_three_and_the_agenda_says_so() -> None:
    world = make_world()
    hold(world, FRIDAY_PUT, 1, Structure.CREDIT_SPREAD, unit=spread(FRIDAY))

    (item,) = agenda.items(world.desk)

    assert item.words == "The desk closes it at 15:00 ET on 18 Jun, as a whole."


def test_what_is_dated_on_a_holiday_is_closed_on_the_session_before() -> None:
    world = make_world()
    legs = spread(FRIDAY)
    hold(world, legs[0].instrument, 1, Structure.CREDIT_SPREAD, unit=legs)
    world.clock.set(datetime(2026, 6, 18, 19, 1, tzinfo=UTC))
    spot(world, "44.50")
    world.market.set_quote(legs[0].instrument, "0.20", "0.24")
    world.market.set_quote(legs[1].instrument, "0.02", "0.04")

    exits.supervise(world.desk)

    assert world.broker.posts == ["P00001.expiry.1.1"]


def test_on_the_early_close_after_thanksgiving_a_spread_is_closed_whole_from_noon() -> None:
    """The naive way waits for 15:00 on a day that ends at 13:00, and takes two assignments home."""
    world = make_world()
    early = date(2026, 11, 27)
    legs = spread(early)
    hold(world, legs[0].instrument, 1, Structure.CREDIT_SPREAD, unit=legs)
    for clock, orders in ((datetime(2026, 11, 27, 16, 59, tzinfo=UTC), 0), (datetime(2026, 11, 27, 17, tzinfo=UTC), 1)):
        world.clock.set(clock)
        spot(world, "44.50")
        world.market.set_quote(legs[0].instrument, "0.20", "0.24")
        world.market.set_quote(legs[1].instrument, "0.02", "0.04")
        assert agenda.items(world.desk)[0].words == "The desk closes it at 12:00 ET on 27 Nov, as a whole."
        exits.supervise(world.desk)
        assert len(world.broker.posts) == orders
    (sent,) = world.broker.sent.values()
    assert [leg.ratio for leg in sent.legs] == [1, -1]


def covered_call(world: World, mid: str) -> None:
    call = make.call(44, dte=18)
    hold(world, call, -2, Structure.COVERED_CALL)
    world.market.set_quote(call, D(mid) - D("0.02"), D(mid) + D("0.02"))
    dividends = (Dividend(make.TODAY + timedelta(days=1), D("0.30")),)
    world.market.set_snapshot(make.snapshot(spot=48, dividends=dividends))


@pytest.mark.parametrize(("mid", "warned"), [("4.20", True), ("4.29", True), ("4.31", False), ("5.00", False)])
def test_a_call_whose_time_value_is_less_than_tomorrows_dividend_is_warned_of_once(mid: str, warned: bool) -> None:
    world = make_world()
    covered_call(world, mid)

    agenda.run(world.desk)
    agenda.run(world.desk)

    found = [event.data["cause"] for event in world.events(EventKind.EXPIRY_WARNING)]
    assert found == (["ex-dividend 2026-06-16"] if warned else [])


def test_a_time_value_that_nobody_knows_counts_as_too_small() -> None:
    world = make_world()
    covered_call(world, "5.00")
    world.market.drop_quote(make.call(44, dte=18))

    (event,) = agenda.run(world.desk)

    assert "its time value is not known" in str(event.data["words"])


def test_a_dividend_of_another_day_or_a_call_out_of_the_money_is_no_warning() -> None:
    world = make_world()
    covered_call(world, "4.20")
    world.market.set_snapshot(make.snapshot(spot=48, dividends=(Dividend(make.TODAY + timedelta(days=2), D("0.30")),)))
    assert agenda.run(world.desk) == ()

    covered_call(world, "0.20")
    spot(world, "43.90")
    assert agenda.run(world.desk) == ()


def on_friday(world: World, price: str) -> None:
    world.clock.set(datetime(2026, 6, 18, 15, tzinfo=UTC))
    spot(world, price)


THURSDAY_PUT, THURSDAY_CALL = make.put(44, dte=3), make.call(44, dte=3)


@pytest.mark.parametrize(("price", "warned"), [("43.80", 1), ("44.20", 1), ("43.70", 0), ("44.30", 0)])
def test_a_spot_near_a_short_strike_on_its_last_day_is_a_pin(price: str, warned: int) -> None:
    world = make_world()
    hold(world, THURSDAY_PUT, -2, Structure.SHORT_PUT)
    on_friday(world, price)

    agenda.run(world.desk)
    agenda.run(world.desk)

    found = world.events(EventKind.EXPIRY_WARNING)
    assert [str(event.data["cause"]) for event in found] == ["pin 44 2026-06-18"] * warned


@pytest.mark.parametrize(
    ("quantity", "words"),
    [
        (1, "it takes 4,400.00 for 100 shares, which the cash covers. The desk closes it at 15:00 ET, before that."),
        (
            30,
            "it takes 132,000.00 for 3000 shares, 32,000.00 more than the cash: the broker would sell it from about "
            "15:15 ET. The desk closes it at 15:00 ET, before that.",
        ),
    ],
)
def test_a_long_call_that_would_exercise_itself_is_told_with_the_cash_it_takes(quantity: int, words: str) -> None:
    world = make_world()
    hold(world, THURSDAY_CALL, quantity, Structure.LONG_CALL)
    on_friday(world, "44.50")

    agenda.run(world.desk)

    (event,) = world.events(EventKind.EXPIRY_WARNING)
    assert str(event.data["words"]).endswith(words)


def test_a_long_put_delivers_shares_that_are_held_or_not() -> None:
    world = make_world()
    hold(world, THURSDAY_PUT, 1, Structure.LONG_PUT)
    on_friday(world, "43")

    (event,) = [event for event in agenda.run(world.desk) if event.kind is EventKind.EXPIRY_WARNING]

    assert "it delivers 100 shares, 100 more than are held: the broker would sell it" in str(event.data["words"])


def test_a_position_that_is_being_closed_is_not_warned_of() -> None:
    world = make_world()
    hold(world, THURSDAY_PUT, -2, Structure.SHORT_PUT)
    on_friday(world, "44.05")
    world.market.set_quote(THURSDAY_PUT, "0.20", "0.24")
    exits.close(world.desk, "P00001", "ann")

    agenda.run(world.desk)

    assert world.events(EventKind.EXPIRY_WARNING) == []
