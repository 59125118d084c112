"""`wsb record`: what is known of some names now, written to a folder that scans and replays read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot import app, sources
from bot.console.output import emit, note, say
from bot.console.replay import load_config
from bot.settings import Config
from engine.errors import ConfigError, DataError, NotFound
from engine.model.instruments import Stock, stock
from engine.model.market import MarketSnapshot
from engine.ports import MarketData
from engine.scanning import MARKET_TICKER

Json = dict[str, object]

NO_SOURCE = 'There is nothing to record: [data] source = "live" asks the providers whose keys are set.'
NO_FOLDER = "Name the folder to record to with --out DIR, or as [data] record in the configuration."
NO_NAMES = "Name the tickers to record, or set [desk] universe."


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What the command line said."""

    tickers: tuple[str, ...]
    config: Path
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What was found of one name; `trouble` says why there was nothing."""

    ticker: str
    bars: int = 0
    contracts: int = 0
    reports: int = 0
    headlines: int = 0
    price: str = ""
    source: str = ""
    trouble: str = ""


def record(said: RecordOptions, environment: Mapping[str, str], as_json: bool) -> int:
    """The command; returns the exit code: 1 when a name had no answer, or something could not be written.

    Raises:
        ConfigError: there is no live source, or no folder to write to.
    """
    config = load_config(said.config, environment)
    if config.data.source != "live":
        raise ConfigError(NO_SOURCE)
    tickers = _tickers(said, config)
    folder = said.out or (Path(config.data.record) if config.data.record else None)
    if folder is None:
        raise ConfigError(NO_FOLDER)
    with app.kept_store(config.database.url) as store:
        market = sources.build_live_market(config, store, app.system_clock)
        try:
            found, lost = recorded(market, tickers, folder)
        finally:
            market.close()
    _tell(found, lost, folder, as_json)
    return 1 if lost or any(row.trouble for row in found) else 0


def recorded(
    market: MarketData, tickers: tuple[str, ...], folder: Path, clock: Callable[[], datetime] = app.system_clock
) -> tuple[tuple[Stored, ...], int]:
    """What was stored of each name, and how many answers could not be written."""
    found = []
    with app.recording(folder, market, clock) as (noted, recorder):
        for ticker in tickers:
            found.append(_look(noted, ticker))
            recorder.flush()  # a whole market of chains would not fit into memory
    return tuple(found), recorder.lost


def _tickers(said: RecordOptions, config: Config) -> tuple[str, ...]:
    """The names, and the whole market behind them: rules compare with it.

    Raises:
        ConfigError: there is none.
    """
    names = tuple(stock(ticker).ticker for ticker in said.tickers) or config.desk.universe
    if not names:
        raise ConfigError(NO_NAMES)
    return tuple(dict.fromkeys((*names, MARKET_TICKER)))


def _look(market: MarketData, ticker: str) -> Stored:
    """Everything a rule may ask about one name, asked once."""
    try:
        snapshot = market.snapshot(ticker)
        market.quotes([Stock(ticker)])
        market.statuses([ticker])
        return _stored(snapshot)
    except (DataError, NotFound) as problem:
        return Stored(ticker, trouble=str(problem))


def _stored(snapshot: MarketSnapshot) -> Stored:
    chain, reports, news, spot = snapshot.chain, snapshot.earnings, snapshot.news, snapshot.spot
    snapshot.load_fundamentals()
    return Stored(
        ticker=snapshot.ticker,
        bars=len(snapshot.bars),
        contracts=0 if chain is None else len(chain),
        reports=len(reports or ()),
        headlines=0 if news is None else len(news.articles),
        price="" if spot is None else f"{spot.mid:.2f}",
        source="" if spot is None else str(spot.source),
    )


def _tell(found: tuple[Stored, ...], lost: int, folder: Path, as_json: bool) -> None:
    if as_json:
        emit(record_json(found, lost, folder, app.system_clock()))
        return
    for row in found:
        say(f"{row.ticker:<6} {row.trouble or _words(row)}")
    say(f"`wsb scan STRATEGY --data {folder}` looks at them again.")
    if lost:
        note(f"{lost:,} answers could not be written to {folder}.")


def _words(row: Stored) -> str:
    price = f"{row.price} from {row.source}" if row.price else "no price"
    counts = f"{row.bars:,} bars, {row.contracts:,} options, {row.reports:,} report dates, {row.headlines:,} headlines"
    return f"{price}; {counts}"


def record_json(found: tuple[Stored, ...], lost: int, folder: Path, at: datetime) -> Json:
    """What was stored and what was not."""
    names = ("ticker", "price", "source", "bars", "contracts", "reports", "headlines")
    return {
        "at": at.isoformat(),
        "folder": str(folder),
        "stored": [{name: getattr(row, name) for name in names} for row in found if not row.trouble],
        "failed": [{"ticker": row.ticker, "why": row.trouble} for row in found if row.trouble],
        "lost": lost,
    }
