"""Every strategy of the catalogue over 500 names with 1,000 contracts each, beside one pass over what it must read.

Measured: `find` of each strategy on every name, and `detail` (Greeks under early exercise) of what fires, with chains,
bars, 15-minute bars, reports, news and facts in memory as a scan gives them; `index_baseline`, a report that looks
back, is no scan. First on one core, then over two forked workers that send everything they found back. The desk scans
in one process; the workers say what a second core would bring.

Mixture, by place in the list: one name in twenty fires (the worked examples of tests/strategies; their own rows are
kept, and each expiry is filled up to a tenth of the chain, contracts that may be traded); nine in twenty ask for the
same chain where nobody has an open contract or a trade, so that they fail at one of its last rules; a quarter fail at
a rule on the name or its daily bars, and a quarter at the last cheap rule before the chain (a halt, a bar without
volume, a score). The counts are taken, and both ways compared, before the clock starts. Times are processor time, so
that a neighbour on the machine is not measured; the wait by the clock over both workers stands beside them.

Floor, in the same run and alternating: the calls into the libraries that this needs, one pass of NumPy over the columns
of each chain asked for, and QuantLib on each leg of the spreads that fired. We hold ourselves to about 3 s on two cores
for 0.5 M contracts of each strategy, and to no more than growth with the contracts.
`python -m bench.ten_strategies [ROUNDS]`
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np

from engine import pricing
from engine.model.market import Chain, Fundamentals, MarketSnapshot
from engine.model.trade import Context, Found, Strategy
from strategies import CATALOGUE
from tests import make
from tests.strategies import (
    cases,
    days,
    protection,
    test_leaps,
    test_lotto,
    test_momentum_weeklies,
    test_swing,
    test_wsb_dip,
    verticals,
)

NAMES = 500
SIZES = (1_000, 4_000)
EXPIRIES = 10
ROUNDS = 3
WORKERS = 2
FIRES, ASKS = 20, 2
"""One name in so many fires, one in so many asks for its chain."""
AIM = 3.0
HALF_SPREAD = 0.01
"""Of the mid, of the contracts a chain is filled with."""
SPAN = 0.4
"""Their strikes reach so far either side of the spot."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One strategy with the name of its worked example, its near misses before the chain, and what the desk knows."""

    strategy: Strategy
    fires: MarketSnapshot
    misses: tuple[MarketSnapshot, MarketSnapshot]
    context: Context


def wheel() -> Workload:
    misses = cases.wheel_name(bars=make.bars(cases.swinging(), volume=999_999.0)), cases.wheel_name(halted=True)
    return Workload(CATALOGUE["wheel"], cases.wheel_name(), misses, make.context())


def debit_spreads() -> Workload:
    paying = {"dividends": ((make.TODAY + timedelta(days=20), 0.25),)}
    fires = verticals.bull(chain=make.join(verticals.bull_chain(31, **paying), verticals.bull_chain(**paying)))
    misses = verticals.bull(bars=make.bars(verticals.rising(fast=93.0))), verticals.bull(halted=True)
    return Workload(CATALOGUE["debit_spreads"], fires, misses, make.context(next_sessions=verticals.SESSIONS))


def spx_credit_spreads() -> Workload:
    misses = verticals.index(bars=verticals.waves()[-40:]), verticals.index(halted=True)
    return Workload(CATALOGUE["spx_credit_spreads"], verticals.index(), misses, verticals.index_context())


def momentum_weeklies() -> Workload:
    quiet = days.reversal_bars(np.full(len(days.reversal()), 50.0))
    misses = days.momentum_name(bars=make.bars([51.0] * 60, volume=999_999.0)), days.momentum_name(quiet)
    return Workload(CATALOGUE["momentum_weeklies"], days.momentum_name(), misses, test_momentum_weeklies.context())


def earnings_protection() -> Workload:
    misses = protection.name(earnings=(make.earnings(60),)), protection.name(halted=True)
    return Workload(CATALOGUE["earnings_protection"], protection.name(), misses, protection.context())


def swing() -> Workload:
    misses = days.swing_name(bars=make.bars([78.9] * 60, swing=0.001)), days.swing_name(days.breakout_bars(volume=1e5))
    return Workload(CATALOGUE["swing"], days.swing_name(), misses, test_swing.context())


def wsb_dip() -> Workload:
    misses = cases.dip_name(spot=112), cases.dip_name(halted=True)
    return Workload(CATALOGUE["wsb_dip"], cases.dip_name(), misses, test_wsb_dip.context())


def leaps() -> Workload:
    """Ten themes of as many names; half of them grow and share the highest score, the others shrink."""
    tickers = [_ticker(place) for place in range(NAMES)]
    themes = {f"theme {first}": tuple(tickers[first::EXPIRIES]) for first in range(EXPIRIES)}
    rates = {ticker: -0.1 if place % ASKS else 0.3 for place, ticker in enumerate(tickers)}
    facts = {
        ticker: Fundamentals(revenue_growth=rate, earnings_growth=rate, margin_change=rate / 10)
        for ticker, rate in rates.items()
    }
    strategy = CATALOGUE["leaps"]
    own: Any = strategy.params
    configured = replace(strategy, params=replace(own, themes=themes))
    example = test_leaps.name()
    return Workload(configured, example, (example, example), test_leaps.context(facts=facts))


def lotto() -> Workload:
    misses = test_lotto.name(report=make.earnings(30)), test_lotto.name(test_lotto.MOVES[:3])
    return Workload(CATALOGUE["lotto"], test_lotto.name(), misses, make.context())


WORKLOADS: Mapping[str, Callable[[], Workload]] = {
    each.__name__: each
    for each in (
        wheel,
        debit_spreads,
        spx_credit_spreads,
        momentum_weeklies,
        earnings_protection,
        swing,
        wsb_dip,
        leaps,
        lotto,
    )
}


def _ticker(place: int) -> str:
    return f"N{place:03d}"


def filled(example: Chain, contracts: int) -> Chain:
    """The example's rows with others around them: ten expiries, as many contracts of each, all of one source."""
    last = example.expiries[-1]
    ahead = tuple(last + timedelta(weeks=4 * month) for month in range(1, EXPIRIES + 1 - len(example.expiries)))
    parts = [_around(example, expiry, expiry, contracts // EXPIRIES) for expiry in example.expiries]
    parts += [_around(example, last, expiry, contracts // EXPIRIES) for expiry in ahead]
    return make.join(example, *parts)


def _around(example: Chain, known: Any, expiry: Any, count: int) -> Chain:
    """Contracts of one expiry at the mean volatility of a `known` one, without those the example lists."""
    own = example.where(expiry=known)
    listed = example.where(expiry=expiry)
    strikes = np.round(np.linspace(1 - SPAN, 1 + SPAN, count // 2 + len(listed)) * example.spot, 2)
    strikes = strikes[~np.isin(strikes, listed.strike)]
    strike = np.repeat(strikes, 2)[: count - len(listed)]
    is_call = np.tile([True, False], len(strikes))[: len(strike)]
    iv = np.full(len(strike), float(own.iv.mean()))
    years = (expiry - example.today).days / 365
    terms = (example.spot, strike, years, example.rate, iv, is_call, example.dividend_yield)
    mid, greeks = pricing.value(*terms), pricing.greeks(*terms)
    half = np.maximum(mid * HALF_SPREAD, 0.005)
    same = {name: np.full(len(strike), float(getattr(own, name)[0])) for name in ("open_interest", "volume")}
    return replace(
        example,
        expiry=np.full(len(strike), np.datetime64(expiry, "D")),
        strike=strike,
        is_call=is_call,
        bid=np.round(mid - half, 2),
        ask=np.round(mid + half, 2),
        bid_size=np.full(len(strike), np.nan),
        ask_size=np.full(len(strike), np.nan),
        iv=iv,
        **{name: getattr(greeks, name) for name in ("delta", "gamma", "theta", "vega", "rho")},
        **same,
    )


def names_of(work: Workload, contracts: int) -> tuple[MarketSnapshot, ...]:
    """500 names in the mixture, each with a chain of its own in memory."""
    example = work.fires.chain
    if example is None:
        raise ValueError(f"the example of {work.strategy.name} has no chain")
    chain = filled(example, contracts)
    fires = work.fires
    if fires.iv_history:
        fires = replace(fires, iv_history=_history(work, chain))
    thin = replace(chain, open_interest=np.zeros(len(chain)), volume=np.zeros(len(chain)))
    every = np.arange(len(chain))
    names = []
    for place in range(NAMES):
        snapshot, rows = (fires, thin) if place % ASKS == 0 else (work.misses[place // ASKS % ASKS], thin)
        rows = (chain if place % FIRES == 0 else rows).take(every)
        ticker = _ticker(place) if work.strategy.name == "leaps" else snapshot.ticker
        names.append(replace(snapshot, ticker=ticker, load_chain=lambda rows=rows: rows))
    return tuple(names)


def _history(work: Workload, chain: Chain) -> Any:
    """A year of volatilities among which that of the filled chain stands where the example's does."""
    match work.strategy.name:
        case "earnings_protection":
            return verticals.ranked(82.0, chain)
        case "wsb_dip":
            return make.iv_days((verticals.iv_of(chain),) * 20)
        case _:
            return verticals.ranked(45.0, chain)


def scan(work: Workload, names: tuple[MarketSnapshot, ...]) -> list[Found]:
    """What the strategy finds on every name, the signals with what only their cards show."""
    strategy = work.strategy
    found = [strategy.find(name, work.context, strategy.params) for name in names]
    if strategy.detail is None:
        return found
    detail = strategy.detail
    return [
        replace(each, signals=tuple(detail(signal, name) for signal in each.signals)) if each.signals else each
        for each, name in zip(found, names, strict=True)
    ]


def over_workers(work: Workload, names: tuple[MarketSnapshot, ...]) -> tuple[list[Found], float]:
    """The same, each of two forked workers taking its half of the names; and the processor time of the busier one."""
    forking = multiprocessing.get_context("fork")
    started, half = [], len(names) // WORKERS
    for first in range(WORKERS):
        here, there = forking.Pipe(duplex=False)
        worker = forking.Process(target=_send, args=(there, work, names[first * half : (first + 1) * half]))
        worker.start()
        there.close()
        started.append((here, worker))
    every: list[Found] = []
    busiest = 0.0
    for here, worker in started:
        found, took = here.recv()
        every += found
        busiest = max(busiest, took)
        worker.join()
    return every, busiest


def _send(there: Connection, work: Workload, names: tuple[MarketSnapshot, ...]) -> None:
    start = process_time()
    found = scan(work, names)
    there.send((found, process_time() - start))
    there.close()


def floor(chains: tuple[Chain, ...], spreads: list[tuple[Chain, Any]]) -> None:
    """One pass over the columns a rule on contracts reads of each chain, and each leg of the spreads by QuantLib."""
    for chain in chains:
        dte, size = chain.dte, np.abs(chain.delta)
        keep = (dte >= 30) & (dte <= 45) & chain.is_call & (size >= 0.2) & (size <= 0.6) & np.isfinite(chain.iv)
        keep &= (chain.bid > 0.05) & (chain.ask >= chain.bid) & ((chain.ask - chain.bid) <= 0.1 * chain.mid)
        keep &= (chain.open_interest >= 100) | (chain.volume >= 10)
        np.lexsort((chain.strike[keep], size[keep]))
    for chain, option in spreads:
        row = chain.find(option)
        if row is not None:
            pricing.exercisable(chain, row)


class Figures(NamedTuple):
    """Of one strategy at one size: counts, and seconds (each the median of the rounds).

    `one`, `two` and `floor` are processor time, `two` of the busier worker; `waited` is by the clock, forks included.
    """

    contracts: int
    asked: int
    fired: int
    one: float
    two: float
    waited: float
    floor: float


def measure(work: Workload, contracts: int, rounds: int) -> Figures:
    """The figures of one strategy."""
    names = names_of(work, contracts)
    asked, found = counted(work, names)
    if over_workers(work, names)[0] != found:
        raise SystemExit(f"{work.strategy.name}: the workers found something else; there is nothing to compare.")
    chains = tuple(chain for place in asked if (chain := names[place].chain) is not None)
    fired = [(name.chain, signal) for name, each in zip(names, found, strict=True) for signal in each.signals]
    spreads = [(chain, leg) for chain, signal in fired if chain and work.strategy.detail for leg in signal.options]
    floor(chains, spreads)
    times = []
    for _ in range(rounds):
        least, one = seconds(lambda: floor(chains, spreads)), seconds(lambda: scan(work, names))
        start = perf_counter()
        _, busiest = over_workers(work, names)
        times.append((one, busiest, perf_counter() - start, least))
    total = sum(len(chain) for name in names if (chain := name.chain) is not None)
    figures = (median(column) for column in zip(*times, strict=True))
    return Figures(total, len(asked), sum(bool(each.signals) for each in found), *figures)


def counted(work: Workload, names: tuple[MarketSnapshot, ...]) -> tuple[list[int], list[Found]]:
    """(which names asked for their chain, what was found); it warms up, too."""
    asked: set[int] = set()

    def watched(place: int, name: MarketSnapshot) -> MarketSnapshot:
        def load() -> Chain | None:
            asked.add(place)
            return name.load_chain()

        return replace(name, load_chain=load)

    found = scan(work, tuple(watched(place, name) for place, name in enumerate(names)))
    return sorted(asked), found


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = process_time()
    work()
    return process_time() - start


def reported(size: int, rounds: int) -> Iterator[Figures]:
    """The figures of every strategy, printed as they come."""
    print(f"{NAMES} names of {size:,} contracts; ms of processor time, and by the clock over two workers")
    print(f"  {'strategy':<20} {'asked':>5} {'fired':>5} {'one':>6} {'two':>6} {'clock':>6} {'floor':>6}")
    for name, made in WORKLOADS.items():
        got = measure(made(), size, rounds)
        times = " ".join(f"{value * 1e3:6.0f}" for value in (got.one, got.two, got.waited, got.floor))
        print(f"  {name:<20} {got.asked:>5} {got.fired:>5} {times}", flush=True)
        yield got


def summed(size: int, rounds: int) -> Figures:
    """All strategies together, printed."""
    rows = list(reported(size, rounds))
    total = Figures(*(sum(column) for column in zip(*rows, strict=True)))
    print(f"  {NAMES * len(rows):,} finds, {total.asked:,} asked for the chain, {total.fired} fired")
    for words, took in (("one core", total.one), ("the busier of two workers", total.two)):
        speed, ratio = total.contracts / took / 1e6, took / total.floor
        print(f"  {words}: {took:.2f} s, {speed:.1f} M contracts/s, ratio to the floor {ratio:.1f}")
    print(f"  by the clock over two workers: {total.waited:.2f} s")
    return total


def main(rounds: int) -> None:
    """Measure and print."""
    lacking = sorted(CATALOGUE.keys() - WORKLOADS.keys())
    if lacking:
        print(f"not measured, for there is no workload of it: {', '.join(lacking)}")
    few, many = (summed(size, rounds) for size in SIZES)
    print(f"four times the contracts take {many.one / few.one:.2f} x on one core, {many.two / few.two:.2f} x over two")
    print(f"aim: {AIM:g} s over two workers for {NAMES * SIZES[0]:,} contracts of each strategy; here {few.two:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
