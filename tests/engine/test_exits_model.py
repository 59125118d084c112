"""When the model speaks: it confirms a single breach, and it decides when no usable quote is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from engine import exits, modelled
from engine.errors import DataUnavailable
from engine.model.events import EventKind, Severity
from engine.model.instruments import Instrument, Option, Right, Style
from engine.model.legs import ExitPlan, Leg
from engine.model.market import Quote
from strategies import CATALOGUE
from tests import make
from tests.desk import World
from tests.engine.exit_cases import (
    CALL,
    SHARE,
    calls,
    held,
    holding,
    look,
    on_a_file,
    quote,
    quote_shares,
    restarted,
)
from tests.fakes import FakeMarket

D = Decimal


def calm(**more: object) -> World:
    """The four calls after a good quote of 1.75/1.85 with the shares at 80."""
    world = holding(**more)
    assert look(world, "1.75", "1.85") == ()
    return world


def silent(world: World, seconds: int, spot: make.Money, bid: str = "0.10", ask: str = "6.00") -> list[str]:
    """What exits start in so many seconds of wide option quotes, one look every ten."""
    started: list[str] = []
    for _ in range(0, seconds, 10):
        started += [ticket.id for ticket in look(world, bid, ask, spot=spot)]
    return started


def test_one_breach_fires_when_the_model_at_the_live_spot_is_ten_percent_beyond() -> None:
    world = calm()

    (ticket,) = look(world, "1.00", "1.10", seconds=1, spot=77)

    assert (ticket.reason, ticket.limit) == ("stop", D("-1.05"))
    (begun,) = world.events(EventKind.EXIT_STARTED)
    assert "by the model" in str(begun.data["words"])


def test_one_breach_waits_for_a_second_when_the_model_does_not_agree() -> None:
    world = calm()

    assert look(world, "1.00", "1.10", seconds=1, spot=80) == ()
    assert look(world, "1.00", "1.10", seconds=9, spot=80) == ()
    assert [ticket.reason for ticket in look(world, "1.00", "1.10", seconds=1, spot=80)] == ["stop"]


def test_the_breaching_quote_itself_gives_the_model_no_volatility_to_agree_with() -> None:
    world = calm()

    for second in range(9):
        assert look(world, "1.00", "1.10", seconds=1, spot=80) == (), second


def test_a_quote_that_breaches_the_stop_is_not_a_good_one_however_old_the_last_good_one_is() -> None:
    world = calm()
    look(world, "1.00", "1.10", seconds=60, spot=80)

    assert look(world, "0.98", "1.08", seconds=1, spot=80) == ()


def test_a_model_that_is_nine_percent_beyond_is_not_enough() -> None:
    world = calm()
    with world.store.read() as work:
        (position,) = work.open_positions()
        known = modelled.good_quotes(work, [position])
    spot = next(D(s) / 100 for s in range(8000, 7500, -1) if _worth(world, D(s) / 100, known) <= D("1.45"))

    assert D("1.4175") < _worth(world, spot, known) <= D("1.5750")
    assert look(world, "1.50", "1.60", seconds=1, spot=spot) == ()


def _worth(world: World, spot: Decimal, known: dict[str, modelled.GoodQuote]) -> Decimal:
    found = modelled.value(world.desk, calls(), spot, known)
    assert found is not None
    return found.value


def test_the_model_gives_back_the_good_quote_while_the_shares_stand_still() -> None:
    world = calm()
    with world.store.read() as work:
        known = modelled.good_quotes(work, work.open_positions())

    assert abs(_worth(world, D(80), known) - D("1.80")) < D("0.0005")


@pytest.mark.parametrize(("right", "style"), [(Right.PUT, Style.AMERICAN), (Right.PUT, Style.EUROPEAN)])
def test_puts_of_both_styles_give_their_quote_back_too_with_rate_and_dividends(right: Right, style: Style) -> None:
    option = make.option(84, right, 30, style=style)
    plan = ExitPlan(stop=D("1.00"))
    world = holding(held("P00001", option, 1, "5.00", plan))
    world.market.set_snapshot(make.snapshot("XYZ", 80, dividends=(make.dividend(10, "0.80"),), rate=0.05))
    world.clock.advance(1)
    world.market.set_quote(option, "5.10", "5.20")
    quote_shares(world, 80)
    exits.supervise(world.desk)
    with world.store.read() as work:
        (position,) = work.open_positions()
        known = modelled.good_quotes(work, [position])

    found = modelled.value(world.desk, position, D(80), known)

    assert found is not None
    assert abs(found.value - D("5.15")) < D("0.001")


def test_after_a_minute_without_a_usable_quote_the_model_fires_the_stop_and_says_so() -> None:
    world = calm()

    assert silent(world, 60, spot=76) == []
    assert silent(world, 10, spot=76) == ["P00001.stop.1"]

    (stale,) = world.events(EventKind.DATA_STALE)
    assert stale.severity is Severity.URGENT
    assert "the model decides" in str(stale.data["words"])
    (begun,) = world.events(EventKind.EXIT_STARTED)
    assert "by the model" in str(begun.data["words"])


def test_the_first_price_of_an_exit_by_the_model_is_the_models_and_not_the_middle_of_a_wide_quote() -> None:
    world = calm()
    silent(world, 70, spot=76)

    first = world.broker.sent["P00001.stop.1.1"]

    assert first.limit is not None
    assert D("0.40") < -first.limit < D("0.80")  # the wide quote's own middle is 3.05


def test_the_model_fires_where_the_option_has_no_quote_at_all() -> None:
    world = calm()
    world.market.drop_quote(CALL)
    started = []
    for _ in range(8):
        world.clock.advance(10)
        quote_shares(world, 76)
        started += exits.supervise(world.desk)

    assert [ticket.reason for ticket in started] == ["stop"]


def test_a_model_above_the_stop_leaves_the_position_alone_and_a_person_is_told() -> None:
    world = calm()

    assert silent(world, 300, spot=80) == []

    (stale,) = world.events(EventKind.DATA_STALE)
    assert "It is worth 1.8" in str(stale.data["words"])


def test_without_a_good_volatility_or_a_price_of_the_shares_the_alert_says_that_nothing_can_fire() -> None:
    world = holding()
    world.market.drop_quote(SHARE)
    for _ in range(8):
        world.clock.advance(10)
        world.market.set_quote(CALL, "0.10", "6.00")
        assert exits.supervise(world.desk) == ()

    (stale,) = world.events(EventKind.DATA_STALE)
    assert "cannot fire" in str(stale.data["words"])


def test_a_single_glimpse_of_low_shares_does_not_make_the_model_fire() -> None:
    world = calm()
    silent(world, 60, spot=80)

    assert silent(world, 10, spot=70) == []
    assert silent(world, 30, spot=80) == []


def test_a_wide_quote_between_two_breaches_does_not_take_the_first_one_back() -> None:
    world = calm()
    look(world, "1.50", "1.60")
    look(world, "1.20", "1.90", seconds=5)

    assert [ticket.reason for ticket in look(world, "1.50", "1.60", seconds=5)] == ["stop"]


def test_the_volatility_of_yesterday_is_no_good_volatility() -> None:
    world = calm()
    world.clock.advance(days=1)
    quote_shares(world, 76)
    with world.store.read() as work:
        (position,) = work.open_positions()
        known = modelled.good_quotes(work, [position])

    assert modelled.value(world.desk, position, D(76), known) is None


def test_silence_and_volatility_outlive_a_restart(tmp_path: Path) -> None:
    world = on_a_file(tmp_path, calls())
    look(world, "1.75", "1.85")
    silent(world, 30, spot=76)

    world = restarted(world, tmp_path)

    assert silent(world, 40, spot=76) == ["P00001.stop.1"]


class Outage(FakeMarket):
    """A market that does not answer."""

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        raise DataUnavailable("the feed is down")


def test_a_breach_by_the_model_from_before_a_stop_of_the_desk_does_not_count_after_it(tmp_path: Path) -> None:
    world = on_a_file(tmp_path, calls())
    look(world, "1.75", "1.85")
    silent(world, 10, spot=76)

    world = restarted(world, tmp_path)

    assert look(world, "0.10", "6.00", seconds=1800, spot=76) == ()
    assert [ticket.reason for ticket in look(world, "0.10", "6.00", spot=76)] == ["stop"]


def test_an_outage_of_the_market_data_begins_the_silence_and_breaks_nothing() -> None:
    world = calm()
    deaf = replace(world.desk, market=Outage(world.clock))

    for _ in range(8):
        world.clock.advance(10)
        assert exits.supervise(deaf) == ()

    assert len(world.events(EventKind.DATA_STALE)) == 1


def test_a_time_exit_waits_for_no_volatility_and_no_delta() -> None:
    world = holding(calls(ExitPlan(stop=D("0.10"), close_on=make.TODAY)))
    world.market.drop_quote(SHARE)  # no spot: neither volatility nor delta can be known
    world.clock.advance(1)
    world.market.set_quote(CALL, "0.30", "6.00")

    assert [ticket.reason for ticket in exits.supervise(world.desk)] == ["time"]


def test_a_time_exit_without_any_quote_is_an_alarm_that_does_not_storm() -> None:
    world = holding(calls(ExitPlan(close_on=make.TODAY)))
    world.market.drop_quote(CALL)

    for _ in range(120):
        world.clock.advance(1)
        assert exits.supervise(world.desk) == ()

    alarms = world.events(EventKind.EXIT_FAILED)
    assert [event.data["count"] for event in alarms] == [1, 2, 3, 4]  # at once, after 15, 30 and 60 s more
    assert len({event.data["alarm"] for event in alarms}) == 1


def test_shares_inside_a_package_count_at_the_live_price() -> None:
    world = calm()
    with world.store.read() as work:
        known = modelled.good_quotes(work, [calls()])
    position = make.position((Leg(SHARE, 1), Leg(CALL, -1)))

    found = modelled.value(world.desk, position, D(80), known)

    assert found is not None
    assert abs(found.value - D("78.20")) < D("0.001")


def test_a_contract_that_expires_in_minutes_is_worth_its_last_hours_and_not_a_day() -> None:
    option = Option("XYZ", make.TODAY, Right.CALL, D(80))
    world = holding(held("P00001", option, 1, "1.00", ExitPlan(stop=D("0.05"))))
    world.clock.advance(1)
    world.market.set_quote(option, "0.48", "0.52")
    quote_shares(world, 80)
    exits.supervise(world.desk)
    with world.store.read() as work:
        (position,) = work.open_positions()
        known = modelled.good_quotes(work, [position])
    world.clock.advance(hours=5, minutes=45)

    found = modelled.value(world.desk, position, D(80), known)

    assert found is not None
    assert D("0.05") < found.value < D("0.15")  # a quarter of an hour of the six that were left


def test_a_stale_share_price_is_no_live_price() -> None:
    world = calm()
    quote(world, "0.10", "6.00", spot=76)
    for _ in range(8):
        world.clock.advance(11)
        world.market.set_quote(CALL, "0.10", "6.00")
        assert exits.supervise(world.desk) == ()


def dipped(units: int) -> World:
    """Calls of the dip strategy after a good quote of 2.20/2.30 with the shares at 80."""
    position = replace(calls(ExitPlan(stop=D("1.00")), units), strategy="wsb_dip")
    world = holding(position, strategies={"wsb_dip": CATALOGUE["wsb_dip"]})
    world.market.set_snapshot(make.snapshot("XYZ", 80))
    look(world, "2.20", "2.30", spot=80)
    return world


def test_a_bad_print_does_not_pull_the_trailing_stop_up() -> None:
    world = dipped(units=1)

    look(world, "0.10", "20.00", spot=90)

    with world.store.read() as work:
        assert work.position("P00001").exits.stop == D("1.5750")  # 70 % of 2.25, the best good mark, and not of 10.05


def test_a_good_print_pulls_the_trailing_stop_up_to_seventy_percent_of_it() -> None:
    world = dipped(units=1)

    look(world, "10.60", "10.80", spot=90)

    with world.store.read() as work:
        assert work.position("P00001").exits.stop == D("7.4900")


@pytest.mark.parametrize(("spot", "sells"), [(90, True), (80, False)])
def test_a_delta_without_a_good_quote_is_taken_at_the_last_good_volatility_and_says_so(spot: int, sells: bool) -> None:
    world = dipped(units=4)

    started = look(world, "0.10", "20.00", spot=spot)

    assert [ticket.quantity for ticket in started] == ([2] if sells else [])
    words = [str(event.data["words"]) for event in world.events(EventKind.EXIT_STARTED)]
    assert [("last good volatility" in text) for text in words] == [True] * sells
