"""A scan's inputs of 500 underlyings: read from the disk of this machine, and asked of a server on it.

Measured in a process of its own for 125, 250 and 500 names: snapshots with 560 sessions of history and a chain of 960
contracts each, volatility and Greeks in it, all of it from the shelf as after a restart; then the most memory that
process ever held. Floor, in the same process: the same Parquet tables read without making anything of them. Beside it
stands what a chain costs that is not on the shelf: from its quotes to volatility and Greeks, and onto the shelf.

Then the requests a first scan of as many names costs at Alpaca (a stand-in on 127.0.0.1), and a second one.

We hold ourselves to 5 s and 1 GiB for 500 names, and to growth with the names. `python -m bench.universe [ROUNDS]`
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.data.chain_build import Market, build
from engine.data.live import LiveMarket
from engine.data.panel import Panel
from engine.data.providers.alpaca import AlpacaData
from engine.data.providers.alpaca_client import AlpacaClient
from engine.data.providers.port import Curve, Offer, Provider, RawChain
from engine.data.shelf import Shelf
from engine.data.shelved import Shelved
from engine.model.instruments import Stock
from engine.model.market import Bar, Bars, Kind, Quote, Source
from engine.sessions import Sessions
from tests.chains import NOW, TODAY, strip, together
from tests.standins.alpaca_data import AlpacaDataServer, AlpacaWorld
from tests.standins.provider_server import serving

SIZES = (125, 250, 500)
ROUNDS = 3
EXPIRIES = tuple(date(2026, 11, 27) + timedelta(weeks=week) for week in range(12))
STRIKES = tuple(float(strike) for strike in range(80, 120))
SESSIONS = 560
SOURCE = Source("made")
MIB = 1 << 20


def names(count: int) -> tuple[str, ...]:
    """`AAA`, `AAB` ..."""
    return tuple(f"{chr(65 + n // 676)}{chr(65 + n // 26 % 26)}{chr(65 + n % 26)}" for n in range(count))


def raw_chain(ticker: str, vol: float) -> RawChain:
    """The quotes of twelve weekly expiries, 40 strikes each."""
    return together(*(strip(ticker, expiry, STRIKES, iv=vol) for expiry in EXPIRIES))


def history(ticker: str, rng: np.random.Generator) -> Bars:
    """A random walk that ends at 100 dollars on the session before today."""
    days = np.array(Sessions().between(TODAY - timedelta(days=830), TODAY - timedelta(days=1)), dtype="datetime64[D]")
    days = days[-SESSIONS:]
    close = np.exp(np.cumsum(rng.normal(0, 0.015, len(days))))
    close = close / close[-1] * 100
    return Bars(ticker, days, close, close * 1.01, close * 0.99, close, np.full(len(days), 5e6), SOURCE)


class Quoter(Provider):
    """Quotes and the day so far of every name; what is on the shelf must not be asked for."""

    name = "made"

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return dict.fromkeys((Offer.QUOTES, Offer.SESSIONS, Offer.BARS, Offer.CHAIN, Offer.CURVE), Kind.REAL)

    def quotes(self, tickers: Sequence[str]) -> Mapping[str, Quote]:
        bid, ask, at = D("99.99"), D("100.01"), NOW - timedelta(seconds=1)
        return {ticker: Quote(Stock(ticker), bid, ask, at, SOURCE) for ticker in tickers}

    def sessions(self, tickers: Sequence[str]) -> Mapping[str, Bar]:
        return {ticker: Bar(TODAY, 100.0, 101.0, 99.0, 100.0, 1e6) for ticker in tickers}

    def curve(self) -> Curve:
        return Curve(TODAY - timedelta(days=1), {0.25: 0.04, 1.0: 0.038}, SOURCE)


def fill(folder: Path, count: int) -> float:
    """Put history and chains of so many names on the shelf; seconds a chain took from its quotes."""
    rng = np.random.default_rng(5)
    shelved = Shelved(Shelf(folder, lambda: NOW), lambda: NOW, Sessions())
    market = Market(NOW, Sessions(), None, None, ())
    took = []
    for ticker in names(count):
        raw = raw_chain(ticker, float(rng.uniform(0.25, 0.8)))
        start = perf_counter()
        shelved.put(Offer.CHAIN, ticker, build(raw, market), 0.0)
        took.append(perf_counter() - start)
        shelved.put(Offer.BARS, ticker, history(ticker, rng), 0.0)
    return median(took)


def read(folder: Path, universe: tuple[str, ...]) -> float:
    """Seconds for a snapshot with its chain of every name, from the shelf alone."""
    panel = Panel([Quoter()], lambda: NOW, rng=np.random.default_rng(1))
    shelved = Shelved(Shelf(folder, lambda: NOW), lambda: NOW, Sessions())
    market = LiveMarket(panel, lambda: NOW, Sessions(), lambda: universe, lambda ticker, day: None, shelf=shelved)
    start = perf_counter()
    seen = [market.snapshot(ticker) for ticker in universe]
    chains = [snapshot.chain for snapshot in seen]
    took = perf_counter() - start
    market.close()
    for snapshot, chain in zip(seen, chains, strict=True):
        if chain is None or len(chain) != 960 or len(snapshot.bars) != SESSIONS:
            raise SystemExit(f"{snapshot.ticker} is not whole: there is nothing to compare.")
        if np.isfinite(chain.iv).mean() < 0.8 or np.isfinite(chain.delta).mean() < 0.8:
            raise SystemExit(f"{snapshot.ticker} has too few volatilities: there is nothing to compare.")
    return took


def floor(folder: Path, universe: tuple[str, ...]) -> float:
    """Seconds for the same tables read and left at that."""
    start = perf_counter()
    for kind in (Offer.BARS, Offer.CHAIN):
        for ticker in universe:
            body = (folder / kind / f"{ticker}.kept").read_bytes().split(b"\n", 2)[2]
            pq.read_table(pa.BufferReader(body), use_threads=False)
    return perf_counter() - start


def child(folder: Path, count: int, rounds: int) -> None:
    """Measure in this process and print what came of it as JSON."""
    universe = names(count)
    read(folder, universe[:5])
    pairs = [(read(folder, universe), floor(folder, universe)) for _ in range(rounds)]
    ours, least = (median(column) for column in zip(*pairs, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ours": ours, "floor": least, "mib": peak}))


def from_disk(folder: Path, rounds: int) -> None:
    each = fill(folder, max(SIZES))
    size = sum(path.stat().st_size for path in folder.rglob("*.kept")) / MIB
    print(f"snapshots with {SESSIONS} sessions and a chain of 960 contracts each; {size:.0f} MiB on disk for 500 names")
    for count in SIZES:
        command = [sys.executable, "-m", "bench.universe", "--child", str(folder), str(count), str(rounds)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        ours, least = found["ours"], found["floor"]
        print(
            f"  {count:4} names  {ours:6.2f} s  {ours / count * 1e3:5.1f} ms each  "
            f"{ours / least:4.1f} x reading the tables alone  {found['mib']:5.0f} MiB at most"
        )
    print(f"  a chain that is not there: {each * 1e3:.1f} ms from its quotes to Greeks and onto the shelf")


def asked(market: LiveMarket, universe: Sequence[str], server: AlpacaDataServer) -> Counter[str]:
    """The requests of the snapshots of a scan, by path."""
    before = len(server.asked)
    for ticker in universe:
        market.snapshot(ticker)
    return Counter(each.path for each in server.asked[before:])


def over_the_wire(count: int) -> None:
    """How many requests the snapshots of a scan cost at Alpaca."""
    now = datetime(2026, 11, 30, 16, tzinfo=UTC)
    world = AlpacaWorld(now)
    universe = names(count)
    for ticker in universe:
        world.list(ticker, 100.0, sessions=SESSIONS)
        world.move(ticker, 100.0)
    with serving(AlpacaDataServer(world)) as server, TemporaryDirectory() as folder:
        if not isinstance(server, AlpacaDataServer):
            raise SystemExit("This is no stand-in of Alpaca.")
        for words in ("first scan", "after a restart"):
            client = AlpacaClient("key", "secret", lambda: now, data_url=server.url, trading_url=server.url)
            panel = Panel([AlpacaData(client, lambda: now)], lambda: now, rng=np.random.default_rng(1))
            shelved = Shelved(Shelf(Path(folder), lambda: now), lambda: now, Sessions())
            market = LiveMarket(
                panel, lambda: now, Sessions(), lambda: universe, lambda ticker, day: None, shelf=shelved
            )
            counts = asked(market, universe, server)
            market.close()
            print(f"  {words}: {counts.total()} requests for {count} names: {_said(counts)}")


def _said(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {path}" for path, number in sorted(counts.items()))


def main(rounds: int) -> None:
    with TemporaryDirectory() as folder:
        from_disk(Path(folder), rounds)
    over_the_wire(max(SIZES))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
