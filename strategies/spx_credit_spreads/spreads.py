"""Which spread or condor of a chain is sold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.model.instruments import Right
from engine.model.market import Chain, Floats
from engine.model.trade import Step
from engine.percent import as_percent
from strategies import contracts, verticals
from strategies.funnel import all_passed, percent, step, unknown
from strategies.spx_credit_spreads.params import IndexCase
from strategies.spx_credit_spreads.rules import sides, width_aimed
from strategies.verticals import EXACT, Package, Pairs

SHARES = 100


def best(case: IndexCase, chain: Chain) -> tuple[Package | None, tuple[Step, ...]]:
    """(the spread or condor, steps); None when a rule left none."""
    rows, steps = _expiry(case, chain)
    found: list[Pairs] = []
    for right in sides(case):
        if not all_passed(steps):
            return None, steps
        pairs, more = _pairs(case, rows.where(right=right), right)
        found.append(pairs)
        steps += more
    if not all_passed(steps):
        return None, steps
    package, more = _nearest(case, combined(found))
    return package, (*steps, *more)


def _expiry(case: IndexCase, chain: Chain) -> tuple[Chain, tuple[Step, ...]]:
    """(the rows of the expiry nearest the aim, steps)."""
    low, aim, high = case.params.days
    steps: tuple[Step, ...] = ()
    if low == 0 and bool((chain.dte == 0).any()):
        steps = (_releases(case),)
        if not all_passed(steps):
            return chain, steps
        low = 1 if case.context.economy.on(case.snapshot.today) else 0
    rows, listed = contracts.expiry(chain, low, high, aim)
    return verticals.of_one_root(rows), (*steps, listed)


def _releases(case: IndexCase) -> Step:
    """What moves the market at a known hour today; then nothing is sold that expires today."""
    rule, limit = "economic releases", "none on the day of a 0DTE"
    told = case.context.economy.on(case.snapshot.today)
    if told is None:
        return unknown(rule, limit, case.context)
    words = ", ".join(told)
    return step(rule, limit, f"{words}: from tomorrow on" if told else "none", True)


def highest_delta(case: IndexCase) -> float:
    return case.params.condor_delta if len(sides(case)) > 1 else case.params.max_delta


def _pairs(case: IndexCase, rows: Chain, right: Right) -> tuple[Pairs, tuple[Step, ...]]:
    """(the spreads of one right about as wide as aimed at, steps)."""
    params, name = case.params, right.name.lower()
    empty = Pairs(rows, rows)
    if not len(rows):
        return empty, (Step(f"{name}s", "listed", "none"),)
    aim = contracts.delta_aim(params.delta)
    bid = contracts.bid_above(params.min_bid)
    traded = contracts.traded(params.min_open_interest, params.min_contract_volume)
    delta = contracts.delta_between(params.min_delta, highest_delta(case))
    shorts = (delta, bid, contracts.spread_within(params.max_short_spread), traded)
    sold, steps = contracts.sift(rows, (verticals.named(name, sieve) for sieve in shorts), aim, case.context)
    if not all_passed(steps):
        return empty, steps
    outer = _beyond(rows, sold)
    longs = (bid, contracts.spread_within(params.max_wing_spread), traded)
    if len(outer):
        outer, more = contracts.sift(outer, (verticals.named(f"{name} wing", s) for s in longs), aim, case.context)
        steps += more
    if not all_passed(steps):
        return empty, steps
    pairs, listed = _wide(case, name, sold, outer)
    return pairs, (*steps, listed)


def _beyond(rows: Chain, sold: Chain) -> Chain:
    """The rows farther out of the money than some sold one."""
    outward = 1.0 if bool(rows.is_call[0]) else -1.0
    return rows.take(rows.strike * outward > (sold.strike * outward).min())


def _wide(case: IndexCase, name: str, sold: Chain, bought: Chain) -> tuple[Pairs, Step]:
    """(the pairs as wide as aimed at, give or take what is listed; step)."""
    wanted = width_aimed(case) or 0.0
    pairs = verticals.winged(sold, bought, wanted)
    miss = np.abs(pairs.width - wanted)
    keep = miss <= case.params.width_slack * wanted + EXACT
    limit = f"{wanted:.2f} ± {as_percent(case.params.width_slack)}"
    told = verticals.verdict(keep, f"{name} width", limit, lambda pair: f"{pairs.width[pair]:g}", miss)
    return pairs.take(keep), told


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Packages to choose from, as columns of equal length n: one spread each, or a put and a call spread."""

    spreads: tuple[Pairs, ...]

    def take(self, rows: NDArray[np.bool_]) -> Candidates:
        """The chosen packages."""
        return Candidates(tuple(pairs.take(rows) for pairs in self.spreads))

    @property
    def credit(self) -> Floats:
        """(n,) dollars a share received at the mids."""
        total: Floats = np.sum([-pairs.limit for pairs in self.spreads], axis=0)
        return total

    @property
    def width(self) -> Floats:
        """(n,) dollars of the wider wing."""
        wider: Floats = np.max([pairs.width for pairs in self.spreads], axis=0)
        return wider

    def miss(self, delta: float) -> Floats:
        """(n,) how far the |delta| sold is from the one aimed at, summed over the sides."""
        total: Floats = np.sum([np.abs(np.abs(pairs.sold.delta) - delta) for pairs in self.spreads], axis=0)
        return total


def combined(found: list[Pairs]) -> Candidates:
    """Every put spread with every call spread, or the spreads of the one side as they are."""
    if len(found) == 1:
        return Candidates((found[0],))
    puts, calls = found
    first, second = np.indices((len(puts), len(calls))).reshape(2, -1)
    return Candidates((puts.take(first), calls.take(second)))


def round_trip(case: IndexCase, legs: int) -> float:
    """Commission in and out, dollars a share."""
    return float(case.context.option_fee) * 2 * legs / SHARES


def _nearest(case: IndexCase, candidates: Candidates) -> tuple[Package | None, tuple[Step, ...]]:
    """(the package nearest the |delta| aimed at that pays enough, steps)."""
    params = case.params
    credit, width = candidates.credit, candidates.width
    keep = credit >= params.min_credit_share * width - EXACT
    enough = verticals.verdict(
        keep,
        "credit",
        f"≥ {as_percent(params.min_credit_share)} of width",
        lambda row: f"{credit[row]:.2f}, {percent(float(credit[row] / width[row]))}",
        candidates.miss(params.delta),
    )
    if not enough.passed:
        return None, (enough,)
    candidates = candidates.take(keep)
    net = candidates.credit - round_trip(case, 2 * len(candidates.spreads))
    keep, miss = net >= params.min_credit - EXACT, candidates.miss(params.delta)
    limit = f"≥ {params.min_credit:.2f} a share"
    kept = verticals.verdict(keep, "credit less fees", limit, lambda row: f"{net[row]:.2f}", miss)
    if not kept.passed:
        return None, (enough, kept)
    best = int(np.where(keep, miss, np.inf).argmin())
    parts = [pairs.package(best) for pairs in candidates.spreads]
    return (parts[0] if len(parts) == 1 else parts[0].plus(parts[1])), (enough, kept)
