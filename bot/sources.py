"""The live market of the configuration: which providers are asked, under which keys and addresses, in which order."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog

from bot.settings import Config
from bot.upkeep import LiveData
from engine import histories
from engine.data.diary import Diary
from engine.data.live import LiveMarket
from engine.data.panel import Panel
from engine.data.providers.alphavantage import AlphaVantage
from engine.data.providers.cboe import Cboe
from engine.data.providers.fmp import FinancialModelingPrep
from engine.data.providers.newsapi import NewsApi
from engine.data.providers.port import Provider
from engine.data.providers.stocktwits import StockTwits
from engine.data.providers.treasury import Treasury
from engine.data.shelf import Shelf
from engine.data.shelved import Shelved
from engine.data.universe import LiveUniverse
from engine.errors import ConfigError, DataUnavailable
from engine.sessions import Sessions
from engine.store import Store

if TYPE_CHECKING:
    from engine.data.providers.alpaca import AlpacaData

log = structlog.get_logger()

Clock = Callable[[], datetime]

OURS = "wallstreetbots"
"""The name of our folder in the user's cache folder."""
PRICES = frozenset({"alpaca", "massive", "yahoo"})
"""Who knows the prices of shares: without one of these there is no market."""
NOTHING = (
    'No live source of prices can be asked: [data] source = "live" needs ALPACA_API_KEY and ALPACA_SECRET_KEY in the '
    "environment, or [data] yahoo = true (for looking only)."
)


def build_live_market(config: Config, store: Store, clock: Clock) -> LiveMarket:
    """The market of every provider that is configured.

    Raises:
        ConfigError: none of them knows prices, or one is configured wrongly.
    """
    return build_live_data(config, store, clock).market


def build_live_data(config: Config, store: Store, clock: Clock) -> LiveData:
    """The same with its universe and what is kept of it on disk.

    Raises:
        ConfigError: none of them knows prices, or one is configured wrongly.
    """
    providers = tuple(providers_of(config, clock))
    if not any(provider.name in PRICES for provider in providers):
        for provider in providers:
            provider.close()
        raise ConfigError(NOTHING)
    log.info("data.providers", names=[provider.name for provider in providers])
    panel = Panel(providers, clock, rng=np.random.default_rng())
    folder, sessions, named = answers_folder(config), Sessions(), config.desk.universe
    shelf = Shelf(folder, clock)
    universe = None if named else LiveUniverse(panel, shelf, clock, config.universe, config.data.universe_size)
    market = LiveMarket(
        panel,
        clock,
        sessions,
        (lambda: named) if universe is None else universe.names,
        lambda ticker, day: histories.known(store, ticker, day),
        streams=tuple(stream for provider in providers for stream in provider.streams),
        shelf=Shelved(shelf, clock, sessions),
    )
    diaries = tuple(remembered(providers, folder / "requests", clock))
    return LiveData(market, panel, shelf, diaries, universe, named)


def remembered(providers: Iterable[Provider], folder: Path, clock: Clock) -> Iterator[Diary]:
    """Make allowances of an hour and more outlive this process; their diaries."""
    for provider in providers:
        for budget in provider.budgets:
            diary = Diary(folder, budget.provider, clock)
            if budget.remember(diary):
                yield diary


def answers_folder(config: Config) -> Path:
    """Where the answers of the configured providers are kept: those of other addresses and feeds are not theirs.

    Raises:
        ConfigError: the cache folder cannot be made.
    """
    data, alpaca = config.data, config.alpaca
    urls = [getattr(data, each.name) for each in fields(data) if each.name.endswith("_url")]
    said = [*urls, alpaca.trading_url, alpaca.data_url, data.stock_feed, data.option_feed]
    return cache_folder(config) / f"answers-{blake2b(json.dumps(said).encode(), digest_size=4).hexdigest()}"


def providers_of(config: Config, clock: Clock) -> Iterator[Provider]:
    """Every provider that is configured, the most important first.

    One whose library is not installed is left out with a word in the log.
    """
    for name, make in MAKERS.items():
        try:
            made = make(config, clock)
        except DataUnavailable as trouble:
            log.warning("data.left_out", provider=name, reason=str(trouble))
            continue
        if made is not None:
            yield made


def cache_folder(config: Config) -> Path:
    """Where answers are kept over restarts; made when it is not there.

    Raises:
        ConfigError: it cannot be made.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(config.data.cache) if config.data.cache else home / OURS
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"data.cache: the folder {folder} cannot be made: {error.strerror}.") from error
    return folder


def secret(config: Config, name: str) -> str:
    """A secret of the environment, "" where it is not set."""
    value = config.secrets.get(name)
    return "" if value is None else value.get_secret_value()


def _alpaca(config: Config, clock: Clock) -> Provider | None:
    has_keys = secret(config, "ALPACA_API_KEY") and secret(config, "ALPACA_SECRET_KEY")
    return alpaca_of(config, clock) if has_keys else None


def alpaca_of(config: Config, clock: Clock) -> AlpacaData:
    """Alpaca's market data under the keys of the environment."""
    # alpaca-py takes seconds and 60 MB to import: a desk without its keys never needs it.
    from engine.data.alpaca_ticks import OPTIONS, SHARES, AlpacaTicks
    from engine.data.providers.alpaca import AlpacaData
    from engine.data.providers.alpaca_client import AlpacaClient

    key, private = secret(config, "ALPACA_API_KEY"), secret(config, "ALPACA_SECRET_KEY")
    client = AlpacaClient(
        key,
        private,
        clock,
        paper=not config.is_live,
        data_url=config.alpaca.data_url,
        trading_url=config.alpaca.trading_url,
    )
    feeds, url = config.data, config.alpaca.data_stream_url
    shares = AlpacaTicks(SHARES, key, private, np.random.default_rng(), feed=feeds.stock_feed, url=url)
    options = AlpacaTicks(OPTIONS, key, private, np.random.default_rng(), feed=feeds.option_feed, url=url)
    return AlpacaData(
        client, clock, stock_feed=feeds.stock_feed, option_feed=feeds.option_feed, shares=shares, options=options
    )


def _massive(config: Config, clock: Clock) -> Provider | None:
    key = secret(config, "POLYGON_API_KEY")
    if not key:
        return None
    from engine.data.providers.massive import Massive

    return Massive(key, clock, url=config.data.massive_url)


def _yahoo(config: Config, clock: Clock) -> Provider | None:
    if not config.data.yahoo:
        return None
    # yfinance takes a second and pandas.
    from engine.data.providers.yahoo import YahooData

    return YahooData(clock, cache_folder(config) / "yahoo", config.data.yahoo_url)


def _finnhub(config: Config, clock: Clock) -> Provider | None:
    key = secret(config, "FINNHUB_API_KEY")
    if not key:
        return None
    from engine.data.providers.finnhub import Finnhub

    return Finnhub(key, clock, url=config.data.finnhub_url)


def _fmp(config: Config, clock: Clock) -> Provider | None:
    key = secret(config, "FMP_API_KEY")
    return FinancialModelingPrep(key, clock, url=config.data.fmp_url) if key else None


def _alphavantage(config: Config, clock: Clock) -> Provider | None:
    key = secret(config, "ALPHA_VANTAGE_API_KEY")
    return AlphaVantage(key, clock, url=config.data.alphavantage_url) if key else None


def _cboe(config: Config, clock: Clock) -> Provider | None:
    return Cboe(clock, url=config.data.cboe_url) if config.data.cboe else None


def _newsapi(config: Config, clock: Clock) -> Provider | None:
    key = secret(config, "NEWSAPI_API_KEY")
    return NewsApi(key, clock, url=config.data.newsapi_url) if key else None


def _stocktwits(config: Config, clock: Clock) -> Provider | None:
    return StockTwits(clock, url=config.data.stocktwits_url) if config.data.stocktwits else None


def _treasury(config: Config, clock: Clock) -> Provider | None:
    return Treasury(clock, url=config.data.treasury_url)


MAKERS: dict[str, Callable[[Config, Clock], Provider | None]] = {
    "alpaca": _alpaca,
    "massive": _massive,
    "yahoo": _yahoo,
    "finnhub": _finnhub,
    "fmp": _fmp,
    "alphavantage": _alphavantage,
    "cboe": _cboe,
    "treasury": _treasury,
    "newsapi": _newsapi,
    "stocktwits": _stocktwits,
}
"""By name, the most important first: among equals the earlier one is believed."""
