"""How long a chain of 5,000 contracts takes from quotes to volatility and five Greeks, beside a loop over vollib.

Run `python -m bench.chain_analytics`. Both work on the same modelled chain in the same run, each giving the best of its
repetitions; the answers are compared as well. Aim: at least 80 x the loop. Nothing is asserted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import numpy as np
from vollib.black_scholes_merton.greeks import analytical
from vollib.black_scholes_merton.implied_volatility import implied_volatility

from engine import pricing
from engine.data.model_chain import modelled_chain
from engine.model.instruments import Style
from engine.model.market import Chain

CONTRACTS = 5_000
AIM = 80
TODAY = date(2026, 11, 20)
GREEKS = ("delta", "gamma", "theta", "vega", "rho")
Row = tuple[float, ...]
T = TypeVar("T")


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


def best(work: Callable[[], T], times: int) -> tuple[float, T]:
    """The shortest of so many runs in seconds, and the result."""
    shortest, result = float("inf"), work()
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest, result


def main() -> None:
    chain = quotes()
    ours, columns = best(lambda: pricing.complete(chain), 50)
    loop, rows = best(lambda: with_vollib(chain), 3)
    difference = np.abs(np.array(rows) - np.column_stack([getattr(columns, name) for name in ("iv", *GREEKS)])).max()
    print(f"chain of {len(chain):,} contracts, quotes to IV and five Greeks ({pricing.preferred_kernel().name})")
    print(f"  engine.pricing.complete  {ours * 1e3:9.2f} ms   {len(chain) / ours / 1e6:5.2f} million contracts/s")
    print(f"  vollib, one by one       {loop * 1e3:9.2f} ms")
    print(f"  ratio {loop / ours:.0f} x (aim: at least {AIM} x); largest difference {difference:.1e}")


if __name__ == "__main__":
    main()
