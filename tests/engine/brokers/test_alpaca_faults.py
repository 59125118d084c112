"""Whatever goes wrong between the desk and Alpaca: nothing is placed twice and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import stamina
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from engine.brokers.alpaca import AlpacaBroker
from engine.errors import BrokerUnavailable, ConfigError, OrderRejected, Refusal
from engine.model.orders import OrderStatus
from engine.transport import Timeouts
from tests import make
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange

NOTHING_DONE = ("429", "500", "504", "html", "html-404", "html-ok", "redirect", "silence", "cut")
DONE = ("done-504", "done-cut", "done-slow")


@pytest.fixture
def alpaca(standin: AlpacaStandin, exchange: Exchange) -> Iterator[AlpacaBroker]:
    """The adapter with little patience."""
    broker = AlpacaBroker(
        KEY, SECRET, url_override=standin.url, timeouts=Timeouts(connect=10.0, read=1.0, retrying=15.0)
    )
    with stamina.set_testing(True, attempts=3, cap=True):
        yield broker
    broker.close()


@pytest.mark.parametrize("fault", NOTHING_DONE)
def test_a_failed_submit_is_sent_once_and_can_be_sent_again(
    alpaca: AlpacaBroker, standin: AlpacaStandin, fault: str
) -> None:
    order = make.order()
    standin.fail_next(fault, method="POST")

    with pytest.raises(BrokerUnavailable):
        alpaca.submit(order)

    assert len(standin.journal.sent("POST", "/v2/orders")) == 1
    assert alpaca.find(order) is None
    assert alpaca.submit(order).status is OrderStatus.ACCEPTED
    assert [placed.client_order_id for placed in standin.exchange.orders] == ["A00001.1.1"]


@pytest.mark.parametrize("fault", DONE)
def test_an_order_whose_answer_was_lost_is_found_and_never_doubled(
    alpaca: AlpacaBroker, standin: AlpacaStandin, fault: str
) -> None:
    order = make.order(limit="-0.98")
    standin.fail_next(fault, method="POST")

    with pytest.raises(BrokerUnavailable):
        alpaca.submit(order)
    again = alpaca.submit(order)

    found = alpaca.find(order)
    assert found is not None
    assert (found.status, found.filled) == (OrderStatus.FILLED, 2)
    assert again.broker_id == found.broker_id
    assert [placed.client_order_id for placed in standin.exchange.orders] == ["A00001.1.1"]
    assert sum(fill.quantity for fill in alpaca.fills(make.NOW)) == -2


def test_one_order_sent_from_many_threads_at_once_is_placed_once(alpaca: AlpacaBroker, exchange: Exchange) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(alpaca.submit, [make.order()] * 8))

    assert len({answer.broker_id for answer in answers}) == 1
    assert len(exchange.orders) == 1


def test_the_client_library_alone_would_have_sent_the_order_four_times(standin: AlpacaStandin) -> None:
    """The control of the tests above: alpaca-py 0.44 repeats a POST after a 504."""
    client = TradingClient(KEY, SECRET, raw_data=True, url_override=standin.url)
    client._retry_wait = 0
    standin.fail_next("504", times=4)

    with pytest.raises(APIError):
        client.post("/orders", {})

    assert len(standin.journal.sent("POST")) == 4
    client._session.close()


@pytest.mark.parametrize("fault", NOTHING_DONE)
def test_a_read_is_tried_again_after_a_passing_failure(
    alpaca: AlpacaBroker, standin: AlpacaStandin, fault: str
) -> None:
    standin.fail_next(fault, method="GET")

    assert alpaca.account().number == "PA3STANDIN01"

    assert len(standin.journal.sent("GET")) == 2


@pytest.mark.parametrize("fault", ["429", "504", "html", "cut"])
def test_a_read_that_keeps_failing_says_so_after_three_tries(
    alpaca: AlpacaBroker, standin: AlpacaStandin, fault: str
) -> None:
    standin.fail_next(fault, times=10)

    with pytest.raises(BrokerUnavailable, match="Alpaca"):
        alpaca.holdings()

    assert len(standin.journal.sent("GET")) == 3


def test_a_page_not_found_on_the_way_does_not_mean_the_order_was_never_placed(
    alpaca: AlpacaBroker, standin: AlpacaStandin
) -> None:
    order = make.order()
    alpaca.submit(order)
    standin.fail_next("html-404", times=3, method="GET")

    with pytest.raises(BrokerUnavailable, match="404"):
        alpaca.find(order)


@pytest.mark.parametrize("fault", ["429", "504", "html", "silence", "cut"])
def test_a_failed_cancel_is_sent_once_and_leaves_the_order_working(
    alpaca: AlpacaBroker, standin: AlpacaStandin, fault: str
) -> None:
    order = alpaca.submit(make.order())
    standin.fail_next(fault, method="DELETE")

    with pytest.raises(BrokerUnavailable):
        alpaca.cancel(order)

    assert len(standin.journal.sent("DELETE")) == 1
    assert alpaca.open_orders() == ("A00001.1.1",)


def test_a_cancel_whose_answer_was_lost_shows_in_the_next_look(alpaca: AlpacaBroker, standin: AlpacaStandin) -> None:
    order = alpaca.submit(make.order())
    standin.fail_next("done-cut", method="DELETE")

    with pytest.raises(BrokerUnavailable):
        alpaca.cancel(order)

    found = alpaca.find(order)
    assert found is not None
    assert found.status is OrderStatus.CANCELED


def test_a_server_that_is_gone_is_unavailable(standin: AlpacaStandin, alpaca: AlpacaBroker) -> None:
    standin.stop()

    with pytest.raises(BrokerUnavailable, match="could not be reached"):
        alpaca.submit(make.order())


def test_wrong_keys_place_nothing_and_are_named_on_reads(standin: AlpacaStandin, exchange: Exchange) -> None:
    stranger = AlpacaBroker("PKOTHER", "wrong", url_override=standin.url)

    with pytest.raises(OrderRejected, match="forbidden") as refusal:
        stranger.submit(make.order())
    assert refusal.value.kind is Refusal.KEYS
    with pytest.raises(BrokerUnavailable, match="does not accept the keys"):
        stranger.account()
    with pytest.raises(BrokerUnavailable, match="does not accept the keys"):
        stranger.cancel(replace(make.order(), broker_id="61e69015"))
    with pytest.raises(BrokerUnavailable, match="does not accept the keys"):
        stranger.find(make.order())

    assert exchange.orders == []
    stranger.close()


def test_missing_keys_name_their_variables() -> None:
    with pytest.raises(ConfigError, match="ALPACA_SECRET_KEY"):
        AlpacaBroker("PK1", "")


@pytest.mark.parametrize(
    ("url", "paper"),
    [
        ("https://api.alpaca.markets", True),
        ("https://paper-api.alpaca.markets/v2", False),
        ("paper-api.alpaca.markets", True),
    ],
)
def test_an_address_of_the_other_kind_of_account_is_refused(url: str, paper: bool) -> None:
    with pytest.raises(ConfigError, match="ALPACA_TRADING_URL"):
        AlpacaBroker("PK1", "secret", paper=paper, url_override=url)


def test_an_address_may_end_in_the_version(standin: AlpacaStandin) -> None:
    broker = AlpacaBroker(KEY, SECRET, url_override=f"{standin.url}/v2/")

    assert broker.account().is_paper

    broker.close()


def test_a_proxy_of_the_environment_is_used(standin: AlpacaStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", standin.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    broker = AlpacaBroker(KEY, SECRET, url_override="http://alpaca.example")

    assert broker.account().number == "PA3STANDIN01"

    broker.close()
