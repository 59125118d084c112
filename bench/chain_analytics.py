"""From the quotes of 5,000 contracts to volatility and five Greeks as columns, beside a loop over vollib.

Measured: `pricing.complete`, as a scan calls it. Peer, in the same run on the same quotes: vollib's volatility and its
five Greeks, one contract after another. Both must give the same answers before the clock starts. We hold ourselves to
at least 80 x the loop. `python -m bench.chain_analytics [ROUNDS]`
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from statistics import median
from time import perf_counter

import numpy as np
from vollib.black_scholes_merton.greeks import analytical
from vollib.black_scholes_merton.implied_volatility import implied_volatility

from engine import pricing
from engine.data.model_chain import modelled_chain
from engine.model.instruments import Style
from engine.model.market import Chain

CONTRACTS = 5_000
AIM = 80
ROUNDS = 5
CALLS = 20
SAME = 1e-9
TODAY = date(2026, 11, 20)
GREEKS = ("delta", "gamma", "theta", "vega", "rho")
Row = tuple[float, ...]


def quotes() -> Chain:
    """The first 5,000 contracts with a bid above their exercise value, of an index fund: quotes and nothing else."""
    fridays = tuple(TODAY + timedelta(weeks=week) for week in range(1, 53))
    asof = datetime(2026, 11, 20, 15, tzinfo=UTC)
    chain = modelled_chain("SPY", asof, TODAY, 600.0, 0.18, fridays, 0.04, style=Style.EUROPEAN)
    years = pricing.years_left(chain.expiry, TODAY, asof)
    solvable = ~np.isnan(pricing.analyse(chain.bid, chain.ask, 600.0, chain.strike, years, 0.04, chain.is_call).iv)
    chain = chain.take(np.flatnonzero(solvable)[:CONTRACTS])
    unknown = np.full(len(chain), np.nan)
    return replace(chain, iv=unknown, delta=unknown, gamma=unknown, theta=unknown, vega=unknown, rho=unknown)


def with_vollib(chain: Chain) -> list[Row]:
    """Volatility and Greeks of every contract, one after another."""
    found = []
    days = chain.dte.tolist()
    rows = zip(chain.strike.tolist(), chain.is_call.tolist(), days, chain.bid.tolist(), chain.ask.tolist(), strict=True)
    for strike, is_call, dte, bid, ask in rows:
        flag, years = "c" if is_call else "p", dte / 365
        iv = implied_volatility((bid + ask) / 2, chain.spot, strike, years, chain.rate, 0.0, flag)
        terms = (flag, chain.spot, strike, years, chain.rate, iv, 0.0)
        found.append((iv, *(getattr(analytical, name)(*terms) for name in GREEKS)))
    return found


def seconds(work: Callable[[], object], calls: int) -> float:
    """The median time of so many calls."""
    times = []
    for _ in range(calls):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return median(times)


def difference(chain: Chain) -> float:
    """How far the two answers are apart at most, in the unit of each column. It warms both up, too."""
    ours = pricing.complete(chain)
    columns = np.column_stack([getattr(ours, name) for name in ("iv", *GREEKS)])
    return float(np.abs(columns - np.array(with_vollib(chain))).max())


def main(rounds: int) -> None:
    chain = quotes()
    apart = difference(chain)
    if not apart < SAME:
        raise SystemExit(f"The two answers differ by {apart:.1e}: there is nothing to compare.")
    pairs = [
        (seconds(lambda: pricing.complete(chain), CALLS), seconds(lambda: with_vollib(chain), 1)) for _ in range(rounds)
    ]
    ours, loop = (median(column) for column in zip(*pairs, strict=True))
    print(f"chain of {len(chain):,} contracts, quotes to volatility and five Greeks; answers {apart:.0e} apart")
    print(f"  pricing.complete ({pricing.preferred_kernel().name})  {ours * 1e3:8.2f} ms")
    print(f"  loop over vollib           {loop * 1e3:8.2f} ms")
    print(f"  ratio {loop / ours:.0f} x (aim: at least {AIM} x)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
