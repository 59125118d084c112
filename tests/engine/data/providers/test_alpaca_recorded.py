"""The adapter on answers that were recorded from Alpaca's own service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal

from engine.data.providers.alpaca import AlpacaData
from engine.data.providers.alpaca_client import AlpacaClient
from engine.model.market import Dividend, Split
from tests.contracts.provider import QUICK
from tests.shared import needs_shared
from tests.standins.alpaca_data import recorded
from tests.standins.provider_server import serving

pytestmark = needs_shared


@contextmanager
def alpaca(*names: str, path: str, now: datetime, listed: Sequence[str] = ()) -> Iterator[AlpacaData]:
    with serving(recorded(*names, path=path, listed=listed)) as server:
        client = AlpacaClient("key", "secret", lambda: now, data_url=server.url, trading_url=server.url, timeouts=QUICK)
        yield AlpacaData(client, lambda: now)
        client.close()


def test_a_recorded_quote():
    now = datetime(2022, 3, 18, 14, 3, tzinfo=UTC)
    with alpaca("historical_stock_data/test_get_latest_quote", path="/v2/stocks/quotes/latest", now=now) as provider:
        quote = provider.quotes(["AAPL"])["AAPL"]
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (Decimal("161.1"), Decimal("161.11"), 2, 13)
    assert quote.at == datetime(2022, 3, 18, 14, 2, 43, 651613, tzinfo=UTC)


def test_a_recorded_empty_answer():
    now = datetime(2022, 3, 18, 14, 3, tzinfo=UTC)
    name = "historical_stock_data/test_get_latest_quote_multi_empty_response"
    with alpaca(name, path="/v2/stocks/quotes/latest", now=now) as provider:
        assert provider.quotes(["AAPL", "TSLA"]) == {}


def test_a_recorded_snapshot_is_of_its_own_day_only():
    name = "historical_stock_data/test_get_snapshot"
    with alpaca(name, path="/v2/stocks/snapshots", now=datetime(2022, 3, 18, 14, 34, tzinfo=UTC)) as provider:
        bar = provider.sessions(["AAPL"])["AAPL"]
    assert (bar.day, bar.open, bar.close, bar.volume) == (date(2022, 3, 18), 160.59, 161.1998, 31_749_988)
    with alpaca(name, path="/v2/stocks/snapshots", now=datetime(2022, 3, 21, 13, tzinfo=UTC)) as provider:
        assert provider.sessions(["AAPL", "TSLA"]) == {}


def test_recorded_bars_over_two_pages():
    names = ("historical_stock_data/test_get_bars", "historical_stock_data/test_multisymbol_get_bars")
    with alpaca(*names, path="/v2/stocks/bars", now=datetime(2022, 3, 10, tzinfo=UTC)) as provider:
        bars = provider.bars(["AAPL", "TSLA"], date(2022, 2, 1), date(2022, 3, 9))
    assert bars["AAPL"].day.tolist() == [date(2022, 2, 1), date(2022, 2, 2), date(2022, 3, 9)]
    assert bars["AAPL"].close.tolist() == [174.61, 175.84, 162.95]
    assert bars["TSLA"].volume.tolist() == [19_227_323]


def test_recorded_news_over_two_pages():
    names = ("historical_news_data/test_get_news", "historical_news_data/test_get_news_2")
    with alpaca(*names, path="/v1beta1/news", now=datetime(2024, 11, 8, tzinfo=UTC)) as provider:
        found = provider.news(["AAPL", "CWAN"], datetime(2024, 8, 1, tzinfo=UTC))
    assert [(each.id, each.publisher) for each in found] == [("41799100", "Benzinga"), ("40432158", "Source")]


def test_recorded_corporate_actions_over_two_pages():
    names = ("corporate_actions/test_get_corporate_actions", "corporate_actions/test_get_corporate_actions_2")
    tickers, start, end = ["FCF", "ZMTBY", "SRE", "MNTS", "JUPW", "MSBC"], date(2023, 1, 1), date(2024, 12, 31)
    everything: dict[str, tuple[object, ...]] = dict.fromkeys(tickers, ())
    path, now = "/v1/corporate-actions", datetime(2025, 1, 1, tzinfo=UTC)
    with alpaca(*names, path=path, now=now, listed=tickers) as provider:
        dividends = provider.dividends(tickers, start, end)
    with alpaca(*names, path=path, now=now, listed=tickers) as provider:
        splits = provider.splits(tickers, start, end)
    assert dividends == everything | {
        "FCF": (Dividend(date(2023, 5, 4), Decimal("0.125")),),
        "ZMTBY": (Dividend(date(2024, 8, 7), Decimal("0.086928")),),
    }
    assert splits == everything | {
        "SRE": (Split(date(2023, 8, 22), Decimal(2)),),
        "MNTS": (Split(date(2023, 8, 24), Decimal("0.02")),),
    }


def test_recorded_most_active_names():
    name = "screener/test_get_most_actives"
    with alpaca(name, path="/v1beta1/screener/stocks/most-actives", now=datetime(2023, 6, 23, tzinfo=UTC)) as provider:
        assert [(row.ticker, row.volume) for row in provider.screen()][:2] == [
            ("MULN", 58_614_890),
            ("PIK", 48_724_364),
        ]


def test_a_recorded_asset():
    with alpaca(
        "asset_routes/test_get_all_assets", path="/v2/assets", now=datetime(2025, 1, 1, tzinfo=UTC)
    ) as provider:
        asset = provider.assets()["AAPL"]
    assert (asset.name, asset.exchange, asset.is_tradable, asset.is_optionable) == (
        "Apple Inc. Common Stock",
        "NASDAQ",
        True,
        False,
    )
