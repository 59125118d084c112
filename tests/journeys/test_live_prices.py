"""From live prices to the broker's wire and back: every provider, both chats and the broker are on loopback."""

from __future__ import annotations

import re
import socket
from datetime import datetime, timedelta
from decimal import Decimal
from math import erf, log, sqrt
from pathlib import Path
from urllib.request import urlopen

from engine.percent import as_percent
from engine.sessions import NEW_YORK
from tests import make
from tests.journeys.chats import SOON
from tests.journeys.live_chats import ALPACA, BEFORE_SCAN, LiveChats, live_chats
from tests.journeys.live_world import EXPIRIES, INTEREST, IV, TICKER, Wires

PUT = make.put(44, expiry=EXPIRIES[1])
DAYS = 32
QUOTES = "/v1beta1/options/quotes/latest"


def test_a_put_found_on_live_prices_is_sold_and_bought_back_at_its_target(tmp_path: Path) -> None:
    with live_chats(tmp_path) as here:
        chats, desk = here.chats, here.start()
        card, photo = chats.until_both("XYZ 44 put?")
        the_card_says_what_the_wire_says(here, card.text)
        why = chats.discord.press(chats.ann, card, "Why").result()
        bid, ask = here.wires.sides(PUT)
        assert f"bid: {bid}/{ask} (needs" in why.text
        assert f"open interest: {INTEREST} (needs" in why.text

        here.wires.alpaca.asked.clear()
        chats.telegram.press_data(chats.bob, photo, photo.data("Approve")).answered(within=SOON).get()
        chats.until_both("(order working)")
        assert was_requoted(here.wires)
        (order,) = here.sent("sell_to_open")
        assert (order["symbol"], order["qty"], order["side"]) == (PUT.symbol, "2", "sell")
        assert Decimal(order["limit_price"]) == (bid + ask) / 2

        here.broker.exchange.fill(order["client_order_id"], 2)
        chats.until_both("(filled)")
        shown = chats.discord.slash(chats.ann, "positions", chats.channel).result()
        assert "XYZ    -2  0.90   -4" in shown.text, "sold at the bid of 0.88, marked at the middle of 0.90"

        here.move(54.0)
        chats.until("the closing order at the wire", lambda: here.sent("buy_to_close"))
        closing = here.sent("buy_to_close")[0]
        assert (closing["symbol"], closing["qty"], closing["side"]) == (PUT.symbol, "2", "buy")
        assert Decimal(closing["limit_price"]) == sum(here.wires.sides(PUT)) / 2 < Decimal("0.45")
        here.broker.exchange.fill(here.sent("buy_to_close")[-1]["client_order_id"], 2)
        chats.until_both("(closed)")
        assert chats.end(desk)[0] == 0
        here.assert_valid()


def test_the_exchange_inside_this_program_trades_on_live_prices(tmp_path: Path) -> None:
    with live_chats(tmp_path, "paper") as here:
        chats, desk = here.chats, here.start()
        card, _ = chats.until_both("XYZ 44 put?")
        chats.discord.press(chats.ann, card, "Approve")
        chats.until_both("(order working)")
        here.move(47.8)
        chats.until_both("(filled)")
        here.move(54.0)
        chats.until("the exit works", lambda: "target, 0 of 2 filled" in orders_card(here))
        here.clock.set(here.clock() + timedelta(seconds=16))
        chats.until_both("(closed)")
        assert chats.end(desk)[0] == 0
        assert here.sent() == []
        here.assert_valid()


def test_yahoo_alone_is_for_looking_and_a_tap_is_refused_in_words(tmp_path: Path) -> None:
    with live_chats(tmp_path, "paper") as here:
        chats, first = here.chats, here.start()
        card, _ = chats.until_both("XYZ 44 put?")
        chats.until_noted()
        chats.end(first)

        here.more, here.wires.delay = dict.fromkeys(ALPACA, ""), timedelta(seconds=3)
        second = here.start()
        refused = chats.discord.press(chats.ann, card, "Approve").result()
        assert "No quote for XYZ" in refused.text
        chats.discord.press(chats.ann, card, "Reject").result()
        chats.discord.slash(chats.ann, "scan", chats.channel, strategy="wheel").result()
        chats.until("the scan is told", lambda: chats.on_discord("Scan wheel: 0 proposals"))
        assert "prices fit for orders" in chats.on_discord("Scan wheel: 0 proposals")[-1].text
        assert not chats.on_discord("(order working)")
        assert chats.end(second)[0] == 0
        assert here.sent() == []


def test_everything_dead_is_told_in_the_chats_and_counted_and_is_over_by_itself(tmp_path: Path) -> None:
    port = free_port()
    web = f'[[users]]\nname = "eve"\nrole = "viewer"\nids = ["web:eve"]\n[web]\nport = {port}'
    with live_chats(tmp_path, "alpaca", web) as here:
        chats, desk = here.chats, here.start()
        card, _ = chats.until_both("XYZ 44 put?")
        chats.discord.press(chats.ann, card, "Approve")
        chats.until_both("(order working)")
        (order,) = here.sent("sell_to_open")
        here.broker.exchange.fill(order["client_order_id"], 2)
        chats.until_both("(filled)")
        assert is_up(port, "alpaca")

        for server in (here.wires.alpaca, here.wires.yahoo):
            server.fail("503")
        chats.until("the counter falls", lambda: not is_up(port, "alpaca"))
        here.move(30.0)
        here.clock.set(here.clock() + timedelta(seconds=70))
        chats.until_both("No usable quote for a minute")
        health = chats.discord.slash(chats.ann, "health", chats.channel).result()
        assert "Source alpaca** down" in health.text
        assert here.sent("buy_to_close") == []

        for server in (here.wires.alpaca, here.wires.yahoo):
            server.heal()
        chats.until("the counter rises", lambda: is_up(port, "alpaca"))
        here.clock.set(here.clock() + timedelta(seconds=11))
        chats.until("the stop's order at the wire", lambda: here.sent("buy_to_close"))
        assert chats.end(desk)[0] == 0
        here.assert_valid()


def orders_card(here: LiveChats) -> str:
    """What /orders says."""
    return here.chats.discord.slash(here.chats.ann, "orders", here.chats.channel).result().text


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def is_up(port: int, provider: str) -> bool:
    """What Prometheus is told of a provider."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        return f'wsb_provider_up{{provider="{provider}"}} 1.0' in page.read().decode()


def the_card_says_what_the_wire_says(here: LiveChats, text: str) -> None:
    """Limit, delta and volatility by our own arithmetic, from what the stand-in serves; source and age are told."""
    bid, ask = here.wires.sides(PUT)
    limit, paid = (bid + ask) / 2, (bid + ask) / 2 * 200
    assert f"credit {limit:.2f} ({paid:.2f} in)" in text
    assert f"Breakeven** {44 - limit:.2f}" in text
    assert f"{put_delta(48.0, 44.0, DAYS / 365, 0.038, IV):+.2f} delta, {as_percent(IV)} implied" in text
    assert "Spot** 48.00" in text
    priced = re.search(r"Data\*\* alpaca \(indicative\), 0 s; priced (\d\d:\d\d:\d\d)", text)
    assert priced is not None
    assert time_of(BEFORE_SCAN) <= priced[1] <= time_of(here.clock())


def time_of(moment: datetime) -> str:
    """The time of day in New York, as a card has it."""
    return f"{moment.astimezone(NEW_YORK):%H:%M:%S}"


def put_delta(spot: float, strike: float, years: float, rate: float, iv: float) -> float:
    """Black and Scholes, by hand: N(d1) - 1. No ex-date lies between the days."""
    d1 = (log(spot / strike) + (rate + iv * iv / 2) * years) / (iv * sqrt(years))
    return (1 + erf(d1 / sqrt(2))) / 2 - 1


def was_requoted(wires: Wires) -> bool:
    """Whether the contract and its shares were asked about."""
    asked = [(each.path, each.query.get("symbols", "")) for each in wires.alpaca.asked]
    return any(path == QUOTES and PUT.symbol in symbols for path, symbols in asked) and any(
        path == "/v2/stocks/quotes/latest" and TICKER in symbols for path, symbols in asked
    )
