"""From the bytes of Alpaca's answers about 5,000 contracts to a chain with our volatilities and Greeks.

Measured: JSON pages of 1,000 snapshots -> `raw_chain` -> `build` (contracts filtered and sorted, open interest joined,
forwards by parity, volatility and five Greeks, comparison with the provider's). The answers are generated with every
field that the schema has, and held against Alpaca's document before the clock starts where it is there. Floor, in the
same run on the same bytes: `json.loads` alone. Wanted: 5,000 contracts in about 60 ms, at most 3 x the floor, and four
times the contracts in at most five times the time. `python -m bench.live_chain [ROUNDS]`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from engine.data.chain_build import Built, Market, Spot, build
from engine.data.providers.alpaca_option_columns import listings, raw_chain
from engine.data.providers.port import Listings
from engine.data.term_rates import TermRates
from engine.model.market import Source
from engine.sessions import Sessions
from tests.standins.alpaca_data import specification
from tests.standins.alpaca_option_data import OptionWorld

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
TODAY = date(2026, 11, 20)
SIZES = (1_250, 2_500, 5_000, 10_000)
AIMED_AT = 5_000
AIM, AIM_OF_FLOOR, AIM_OF_GROWTH = 0.060, 3.0, 5.0
ROUNDS = 15
PAGE = 1_000
STRIKES = 125
"""Of each expiry, with a call and a put each."""
PATH = "/v1beta1/options/snapshots/SPY"
SPY, ALPACA = 600.0, Source("alpaca")
MARKET = Market(
    NOW, Sessions(), Spot(SPY, NOW, ALPACA), TermRates(TODAY, (0.1, 1.0, 2.0), (0.04, 0.038, 0.036), ALPACA)
)


def world(contracts: int) -> OptionWorld:
    """So many contracts of one index fund, on Fridays, a dollar apart around its price."""
    made = OptionWorld(NOW)
    strikes = SPY + np.arange(STRIKES) - STRIKES // 2
    for week in range(1, contracts // (2 * STRIKES) + 1):
        made.list("SPY", TODAY + timedelta(weeks=week), strikes.tolist(), spot=SPY, iv=0.18, half_spread=0.01)
    return made


def pages(made: OptionWorld) -> list[bytes]:
    """The answers about them, as bytes."""
    symbols = list(made.snapshots)
    starts = range(0, len(symbols), PAGE)
    answers = [
        {
            "snapshots": {symbol: made.snapshots[symbol] for symbol in symbols[start : start + PAGE]},
            "next_page_token": None if start + PAGE >= len(symbols) else str(start + PAGE),
        }
        for start in starts
    ]
    return [json.dumps(answer, separators=(",", ":")).encode() for answer in answers]


def chain(bodies: list[bytes], listed: Listings) -> Built:
    """What is measured."""
    snapshots: dict[str, Any] = {}
    for body in bodies:
        snapshots |= json.loads(body)["snapshots"]
    return build(raw_chain("SPY", snapshots, ALPACA, NOW), MARKET, listed)


def floor(bodies: list[bytes]) -> None:
    """What no reader of JSON can do without."""
    for body in bodies:
        json.loads(body)


def check(bodies: list[bytes], built: Built, contracts: int) -> None:
    """The answers keep to the schema, and the chain is right: nothing else is worth a clock."""
    document = specification("market-data-api.json")
    wrong = [] if document is None else document.answer("GET", PATH, 200, json.loads(bodies[0]))
    if wrong:
        raise SystemExit(f"The generated answer breaks the schema: {wrong[0]}")
    known = np.isfinite(built.chain.iv)
    off = float(np.median(np.abs(built.chain.iv[known] - 0.18)))
    is_right = len(built.chain) == contracts and known.mean() > 0.8 and off < 1e-3
    if not is_right or not np.isfinite(built.chain.open_interest).all():
        raise SystemExit(f"The chain is wrong: {len(built.chain)} rows, {known.mean():.0%} known, {off:.4f} off.")


def seconds(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return median(times)


def measured(contracts: int, rounds: int) -> tuple[float, float]:
    """Seconds of ours and of the floor for so many contracts; prints a line about them."""
    made = world(contracts)
    bodies, listed = pages(made), listings("SPY", list(made.contracts.values()), ALPACA)
    check(bodies, chain(bodies, listed), contracts)
    ours, least = seconds(lambda: chain(bodies, listed), rounds), seconds(lambda: floor(bodies), rounds)
    print(
        f"{contracts:6,} contracts, {sum(map(len, bodies)) / 1e6:4.1f} MB  {ours * 1e3:7.1f} ms"
        f"   json.loads {least * 1e3:6.1f} ms   ratio {ours / least:.2f}"
    )
    return ours, least


def main(rounds: int) -> None:
    found = {contracts: measured(contracts, rounds) for contracts in SIZES}
    ours, least = found[AIMED_AT]
    growth = found[SIZES[-1]][0] / found[SIZES[1]][0]
    print(f"  {AIMED_AT:,} contracts in {ours * 1e3:.0f} ms (aim: about {AIM * 1e3:.0f})")
    print(f"  {ours / least:.2f} x the floor (aim: at most {AIM_OF_FLOOR:.0f} x)")
    print(f"  four times the contracts take {growth:.1f} x the time (aim: at most {AIM_OF_GROWTH:.0f} x)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
