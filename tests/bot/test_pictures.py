"""/chart, /payoff and a trade's own chart: what is drawn of a trade, and what the card says of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from bot import drawings
from bot.curves import LevelKind, PayoffCurve, PriceCurve
from bot.drawings import Trade
from bot.message import Card
from engine.errors import DataUnavailable
from engine.model.book import PositionLeg
from engine.model.instruments import Right, Stock
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import Chain
from tests import make, told
from tests.bot.rooms import Visit, visit
from tests.desk import propose

D = Decimal
PNG = b"\x89PNG"


def chain(iv: float = 0.4, spot: float = 48.0) -> Chain:
    """Puts and calls from 40 to 56 of two expiries at one volatility."""
    text = "; ".join(f"{strike}: 1.00 / 0.95 / 1.05 / -0.3" for strike in range(40, 57, 2))
    rows = make.rows(text, dict.fromkeys(range(40, 57, 2), iv))
    near, far = (make.chain(puts=rows, calls=rows, spot=spot, dte=dte) for dte in (35, 63))
    columns = {name: np.concatenate((getattr(near, name), getattr(far, name))) for name in Chain.COLUMNS}
    return replace(near, **columns)


def option(strike: int, right: Right = Right.CALL, dte: int = 35, ratio: int = 1) -> Leg:
    return Leg(make.option(strike, right, dte), ratio)


def trade(*legs: Leg, limit: str = "1.00", structure: Structure = Structure.LONG_CALL, **more: object) -> Trade:
    known: dict[str, object] = {"units": 1, "spot": 48.0, "exits": ExitPlan()} | more
    return Trade("P00001", "P00001: XYZ", "XYZ", structure, legs, D(limit), **known)  # type: ignore[arg-type]


def curve(one: Trade, known: Chain | None = None) -> PayoffCurve:
    return drawings.payoff_curve(one, chain() if known is None else known, None)


def test_a_spread_is_drawn_with_both_bounds_and_its_breakeven_in_sight():
    found = curve(trade(option(46), option(52, ratio=-1), limit="2.50", structure=Structure.DEBIT_SPREAD))

    assert found.breakevens == (48.5,)
    assert (found.profits.min(), found.profits.max()) == (-250.0, 350.0)
    assert found.told == "Max loss 250, max gain 350 dollars."
    assert found.spots[0] < 46 < 52 < found.spots[-1]
    assert found.today is not None
    assert found.profits.min() < found.today.min() < found.today.max() < found.profits.max()


def test_a_condor_has_two_breakevens_and_a_band_between_its_strikes():
    legs = (option(42, Right.PUT), option(44, Right.PUT, ratio=-1), option(52, ratio=-1), option(54))

    found = curve(trade(*legs, limit="-0.80", structure=Structure.IRON_CONDOR))

    assert found.breakevens == (43.2, 52.8)
    assert found.band is not None
    assert found.band.words == "±1σ by 20 Jul: 42.41–54.33 (IV 40 %)"


def test_a_long_call_tells_that_its_gain_has_no_limit():
    assert curve(trade(option(50), limit="1.20")).told == "Max loss 120, max gain unlimited dollars."


def test_a_calendar_is_drawn_at_its_first_expiry_by_the_model():
    legs = (option(48, ratio=-1), option(48, dte=63))

    found = curve(trade(*legs, limit="0.90", structure=Structure.CALENDAR))

    assert found.until == "at the first expiry 20 Jul 26, by the model"
    assert found.spots[found.profits.argmax()] == pytest.approx(48.0, abs=0.2)
    assert len(found.breakevens) == 2
    assert found.breakevens[0] < 48 < found.breakevens[1]
    assert found.told.startswith("Max loss 90, max gain about ")


def test_what_is_left_of_a_package_of_two_expiries_may_gain_without_limit():
    legs = (option(44, Right.PUT, ratio=-1), option(52, dte=63))

    assert curve(trade(*legs, limit="0.20", structure=Structure.DIAGONAL)).told.endswith("max gain unlimited dollars.")


def test_a_calendar_without_volatilities_is_not_guessed():
    legs = (option(48, ratio=-1), option(48, dte=63))
    blank = replace(chain(), iv=np.full(len(chain()), np.nan))

    with pytest.raises(DataUnavailable, match="end on different days and not all of them have a volatility"):
        curve(trade(*legs, structure=Structure.CALENDAR), blank)


def test_without_a_volatility_only_expiry_is_drawn_and_that_is_said():
    found = drawings.payoff_curve(trade(option(50)), None, None)

    assert found.today is None
    assert found.band is None
    assert found.told.endswith("No volatility is known for all its options: only expiry is drawn.")


def test_shares_have_no_expiry_and_nothing_is_missed():
    found = drawings.payoff_curve(
        trade(Leg(Stock("XYZ"), 1), limit="45", structure=Structure.SHARES, units=200), None, None
    )

    assert found.until == "at any time"
    assert float(np.interp(48.0, found.spots, found.profits)) == pytest.approx(600.0)
    assert found.told == "Max loss 9,000, max gain unlimited dollars."


def test_today_of_a_trade_at_its_fair_price_is_nothing():
    """The price of the chain's own row at its own volatility: no profit yet, whatever the units."""
    known = chain()
    fair = drawings.payoff_curve(trade(option(50), limit="0", units=3), known, None)
    worth = float(np.interp(48.0, fair.spots, fair.today)) / 300  # type: ignore[arg-type]

    found = drawings.payoff_curve(trade(option(50), limit=f"{worth:.4f}", units=3), known, None)

    assert float(np.interp(48.0, found.spots, found.today)) == pytest.approx(0.0, abs=0.05)  # type: ignore[arg-type]


# -- the trade's own chart


def charted(one: Trade) -> PriceCurve:
    """What is drawn of a trade in 40 rising sessions."""
    known = make.snapshot(bars=make.bars(np.linspace(45.0, 47.9, 40)))
    return drawings.price_curve(one, known, known.bars)


def of(kind: LevelKind, found: PriceCurve) -> list[float]:
    return [level.price for level in found.levels if level.kind is kind]


def test_strikes_and_breakeven_are_levels_and_the_option_s_own_exits_are_words():
    put = trade(option(44, Right.PUT, ratio=-1), limit="-1.03", structure=Structure.SHORT_PUT, exits=make.exits())

    found = charted(put)

    assert [(level.kind, level.words) for level in found.levels] == [
        (LevelKind.STRIKE, "44 put sold"), (LevelKind.BREAKEVEN, "BE 42.97"),
    ]  # fmt: skip
    assert found.told == "Of the option, a share: target 0.5150, stop 2.06. Expires Mon 20 Jul 26."


def test_stops_on_the_share_s_price_are_levels_whatever_is_held():
    plan = ExitPlan(stop_spot=D("44.50"), stop_spot_above=D("55"))

    found = charted(trade(option(50), exits=plan))

    assert of(LevelKind.STOP, found) == [55.0, 44.5]


def test_target_and_stop_of_shares_are_prices_of_the_share():
    plan = ExitPlan(target=D(52), stop=D(43))
    shares = trade(Leg(Stock("XYZ"), 1), limit="45", structure=Structure.SHARES, exits=plan)

    found = charted(shares)

    assert of(LevelKind.TARGET, found) == [52.0]
    assert of(LevelKind.STOP, found) == [43.0]
    assert found.told == ""


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (D("47.10"), "entry 12 Jun, share at 47.10"),
        (None, "entry 12 Jun, share at 47.90 (close)"),
        (D("190.00"), "entry 12 Jun, share at 47.90 (close)"),
    ],
    ids=["kept", "nobody kept it", "from before a split"],
)
def test_the_entry_stands_at_the_price_of_the_share_that_was_kept(kept: Decimal | None, words: str):
    began = (make.NOW - timedelta(days=3), kept)

    found = charted(trade(option(50), entry=began))

    assert found.entry is not None
    assert found.entry.words == words


def test_an_entry_before_the_bars_is_left_out():

    found = charted(trade(option(50), entry=(make.NOW - timedelta(days=300), None)))

    assert found.entry is None


def test_of_many_levels_the_nearest_are_named_and_stops_always():
    legs = tuple(option(strike) for strike in range(30, 70, 2))
    levels = (*drawings.strikes_of(legs), *drawings._exits(trade(exits=ExitPlan(stop_spot=D(20)))))

    found = drawings.nearest(levels, 48.0)

    assert len(found) == drawings.MOST_LEVELS
    assert found[-1].words == "stop 20.00"
    assert [level.price for level in found[:-1]] == [54.0, 52.0, 50.0, 48.0, 46.0, 44.0, 42.0, 40.0]


# -- on the desk


def desk(*lots: PositionLeg, known: Chain | None = None, **more: object) -> Visit:
    """A position in XYZ, everything known about the name."""
    here = visit()
    here.world.market.set_snapshot(told.snapshot(chain=known or chain()))
    with here.world.store.begin() as work:
        if lots:
            work.save_position(make.position(lots=lots, **({"entry": D("-1.03"), "approval_id": None} | more)))
    return here


def test_a_chart_shows_the_strikes_that_are_held_in_the_name():
    card = desk(make.held(make.put(), -2, "1.03")).card("/chart XYZ")

    assert ("Held", "44 put sold") in card.facts
    assert "strike 44 put sold; expiry Mon 20 Jul 26" in card.pictures[0].alt
    assert card.pictures[0].draw(True).startswith(PNG)


def test_a_chart_of_a_name_that_is_not_held_has_no_levels():
    card = desk().card("/chart XYZ 20")

    assert [name for name, _ in card.facts] == ["Low / high", "Change", "Source"]
    assert "21 sessions" in card.pictures[0].alt


@pytest.mark.parametrize("line", ["/chart XYZ iv", "/chart XYZ show=iv", "/chart XYZ 60 iv"])
def test_a_chart_of_volatility_tells_where_it_stands(line: str):
    card = desk().card(line)

    assert card.title == "XYZ IV 40.0 %"
    assert ("In its year", "Rank 90, percentile 78 (252 sessions, 40 % reconstructed)") in card.facts
    assert card.pictures[0].alt.endswith("100 sessions reconstructed from past trades")
    assert card.pictures[0].draw(False).startswith(PNG)


def test_too_few_sessions_of_volatility_are_drawn_and_said_to_be_insufficient():
    here = visit()
    here.world.market.set_snapshot(told.snapshot(chain=chain(), iv_history=told.history(12, 4)))

    card = here.card("/chart XYZ iv")

    assert ("In its year", "Insufficient: 12 of 60 sessions") in card.facts
    assert card.pictures[0].draw(True).startswith(PNG)


def test_a_name_without_any_volatility_says_so():
    here = visit()
    here.world.market.set_snapshot(told.snapshot(chain=None, iv_history=None))

    assert "No implied volatility of XYZ is stored, and there is none now" in here.told("/chart XYZ iv")


def test_stored_volatility_is_drawn_where_there_is_none_now():
    here = visit()
    here.world.market.set_snapshot(told.snapshot(chain=None))

    card = here.card("/chart XYZ iv")

    assert card.title == "XYZ IV unknown"
    assert "None now" in card.pictures[0].alt
    assert ", last 2" in card.pictures[0].alt


def facts(card: Card) -> dict[str, str]:
    return dict(card.facts)


def test_a_position_s_payoff_tells_of_today_and_of_the_likely_move():
    card = desk(make.held(make.put(), -2, "1.03")).card("/payoff P00001")

    assert facts(card)["Today"].endswith(", by the model")
    assert facts(card)["Likely"].startswith("±1σ by 20 Jul: ")
    assert card.buttons[0][0].action == "levels:P00001"
    assert card.pictures[0].draw(True).startswith(PNG)


def test_a_covered_call_is_drawn_with_its_shares():
    here = desk(make.held(make.call(50, 35), -1, "1.00"), legs=(Leg(make.call(50, 35), -1),),
                structure=Structure.COVERED_CALL)  # fmt: skip
    shares = make.position(
        (Leg(Stock("XYZ"), 1),), (make.held(Stock("XYZ"), 100, 45),), id="P00002", structure=Structure.SHARES,
        entry=D(45), approval_id=None,
    )  # fmt: skip
    alone = here.card("/payoff P00001")
    with here.world.store.begin() as work:
        work.save_position(shares)

    together = here.card("/payoff P00001")

    assert facts(alone)["Max loss"] == "unlimited"
    assert "The shares under it are not in the books: the option is drawn alone." in alone.lines
    assert "With its shares, bought at 45.00." in together.lines
    assert here.card(action="levels:P00001").lines[1].startswith("Of the option, a share: target ")
    assert facts(together)["Max loss"] != "unlimited"
    assert facts(together)["Max gain"] == "603.00"


def test_a_payoff_without_quotes_of_the_options_says_why_today_is_missing():
    here = visit()
    propose(here.world)

    card = here.card("/payoff A00001")

    assert "XYZ is not known here." in card.lines
    assert "Today" not in facts(card)
    assert "only expiry is drawn" in card.pictures[0].alt


def test_a_proposal_of_which_there_is_no_quote_now_is_drawn_at_its_own_spot():
    here = visit()
    propose(here.world)
    here.world.market.drop_quote(Stock("XYZ"))

    assert "; at the proposal 48.00, " in here.card("/payoff A00001").pictures[0].alt


def test_a_trade_s_chart_has_its_entry_and_the_way_back_to_the_payoff():
    here = desk(make.held(make.put(), -2, "1.03"))

    card = here.card(action="levels:P00001")

    assert card.title == "Chart of P00001"
    assert facts(card)["Entry"] == "15 Jun, share at 48.20 (close)"
    assert facts(card)["Levels"] == "strike 44 put sold, breakeven 42.97"
    assert [button.action for button in card.buttons[0]] == ["payoff:P00001"]
    assert card.pictures[0].draw(False).startswith(PNG)
