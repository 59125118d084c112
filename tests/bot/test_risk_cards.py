"""/stress, /greeks and the views of /risk as they are asked: what they say, how wide they are, what is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from bot.message import Card, as_text
from engine import watch
from engine.model.instruments import Option, Right
from engine.model.legs import Leg
from tests import make
from tests.bot.rooms import Visit, visit
from tests.desk import propose
from tests.samples import several

D = Decimal
WIDEST = 36


def widths(card: Card) -> list[int]:
    found = []
    for table in card.tables:
        rows = (table.headers, *table.rows)
        columns = [max(len(row[place]) for row in rows) for place in range(len(table.headers))]
        found.append(sum(columns) + 2 * (len(columns) - 1))
    return found


def many(count: int = 40, quantity: int = -300) -> Visit:
    """A book large enough to make every column wide."""
    desk = visit()
    dice = np.random.default_rng(1)
    desk.world.market.set_bars(make.bars(600 * np.exp(np.cumsum(dice.normal(0, 0.01, 262))), "SPY"))
    with desk.world.store.begin() as work:
        for number in range(count):
            ticker = f"NAME{chr(65 + number // 26)}{chr(65 + number % 26)}"
            option = Option(ticker, make.TODAY + timedelta(days=4), Right.PUT, D(480))
            walk = np.exp(np.cumsum(dice.normal(0, 0.02, 262)))
            desk.world.market.set_snapshot(
                make.snapshot(ticker, 470, bars=make.bars(470 * walk / walk[-1], ticker), asof=make.NOW)
            )
            desk.world.market.set_quote(option, "14.00", "16.50")
            position = make.position(
                (Leg(option, -1),),
                (make.held(option, quantity, "9.00"),),
                id=f"P{number:05d}",
                campaign=f"C{number:05d}",
                ticker=ticker,
                approval_id=None,
                opened_units=-quantity,
                collateral=D(48_000) * -quantity,
            )
            work.save_position(position)
    return desk


@pytest.mark.parametrize("line", ["/stress", "/stress 7", "/greeks", "/risk exposure", "/risk hazards"])
def test_every_table_fits_a_phone_however_large_the_book(line: str) -> None:
    card = many().card(line)

    assert card.tables
    assert max(widths(card)) <= WIDEST, as_text(card)
    assert len(as_text(card)) < 3500


@pytest.mark.parametrize("line", ["/risk", "/stress", "/greeks", "/risk exposure", "/risk hazards"])
def test_an_empty_desk_has_an_answer(line: str) -> None:
    card = visit().card(line)

    assert card.title
    assert "nan" not in as_text(card)


def test_stress_shows_the_scenarios_of_the_day_that_is_asked() -> None:
    desk = several()

    today, week = desk.card("/stress"), desk.card("/stress 7")

    assert today.tables[0].headers == ("Spot", "IV -25 %", "IV 0 %", "IV +50 %")
    assert [row[0] for row in today.tables[0].rows][::5] == ["-20 %", "0 %", "+20 %"]
    assert today.tables[0].rows[5][2] == "0"
    assert week.tables[0].rows != today.tables[0].rows
    assert dict(today.facts)["Worst of 99"] == dict(week.facts)["Worst of 99"]
    assert today.title.startswith("Stress today: worst -")


def test_stress_says_what_is_in_none_of_its_numbers() -> None:
    desk = several()
    desk.world.market.drop_quote(make.put(44))

    lines = desk.card("/stress").lines

    assert any("Without a beta" in line and "NEW" in line for line in lines)
    assert any("Without 250 sessions" in line and "NEW" in line for line in lines)
    assert any("No usable price, left out: XYZ" in line for line in lines)


def test_stress_shows_the_error_of_its_grid() -> None:
    assert "grid off by" in dict(several().card("/stress").facts)["Full revaluation"]


def test_without_any_history_neither_var_nor_the_fall_of_spy_is_made_up() -> None:
    desk = several()
    desk.world.market.set_bars(make.bars([600.0] * 30, "SPY"))

    facts = dict(desk.card("/stress").facts)

    assert facts["SPY -5 %"].startswith("unknown")
    assert dict(desk.card("/greeks").facts)["In SPY"].startswith("unknown")


def test_greeks_adds_the_positions_up_and_states_the_beta() -> None:
    card = several().card("/greeks")

    rows = {row[0]: row for row in card.tables[0].rows}
    total = sum(int(row[1]) for row in rows.values())
    shown = int(dict(card.facts)["Delta"].partition(" ")[0].replace(",", ""))
    assert set(rows) == {"P00001", "P00002", "P00003"}
    assert abs(total - shown) <= 2
    assert rows["P00003"][1:] == ("+2000", "0", "0", "0")
    name, beta, days, _ = card.tables[1].rows[0]
    assert (name, days) == ("XYZ", "250")
    assert 1.1 < float(beta) < 1.5


def test_hazards_tells_who_may_be_assigned_and_what_the_shares_would_cost() -> None:
    card = several().card("/risk hazards")

    assert "P00002: may take 100 XYZ for 5,000.00: 2.00 in the money." in card.lines
    assert dict(card.facts)["Shares to take"] == "5,000.00"
    assert ("XYZ", "Tue 23 Jun", "close", "yes") in card.tables[0].rows


def test_exposure_tells_names_that_count_as_one_bet() -> None:
    card = several().card("/risk exposure")

    assert "Counted as one bet: NEW, XYZ." in card.lines
    assert [table.headers[0] for table in card.tables] == ["Name", "Sector", "Expiry", "Strategy"]
    assert ("XYZ", "14,100", "14.1 %") in card.tables[0].rows


def test_risk_has_the_fall_of_spy_that_the_watch_computed() -> None:
    desk = several()
    desk.world.market.set_quote(make.share("NEW"), "19.99", "20.01")

    before = dict(desk.card("/risk").facts)["SPY -5 %"]
    watch.look(desk.world.desk)

    assert before == "unknown"
    told = dict(desk.card("/risk").facts)["SPY -5 %"]
    stressed = dict(desk.card("/stress").facts)["SPY -5 %"]
    assert told.endswith(" without NEW")
    assert abs(int(told.partition(" ")[0].replace(",", "")) - int(stressed.partition(",")[0])) <= 1


def test_the_card_and_its_why_say_what_the_trade_does_to_the_account() -> None:
    after = "21 % of buying power (12 % now), 4 short puts (2 now), SPY -5 % = -1,840 (-900 now)"
    desk = visit()
    propose(desk.world, plan=replace(make.plan(), after=after))

    shown, why = desk.card(action="show:A00001"), desk.card(action="why:A00001")

    assert f"After this: {after}." in shown.lines
    assert f"After this: {after}." in why.lines
