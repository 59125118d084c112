"""Put and call credit spreads on the broad market, an iron condor where it has no trend.

The rules and the choices behind them: docs/strategies.md, "spx_credit_spreads".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from math import isfinite
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from engine import indicators
from engine.exposures import INDEX, INDEX_STRATEGY
from engine.model.book import Position
from engine.model.instruments import INDEX_ROOTS, Instrument, Right
from engine.model.legs import ExitPlan, Structure
from engine.model.market import Bars, Chain, Floats, MarketSnapshot, Quote
from engine.model.trade import Context, Exit, Found, Needs, RiskLevel, Signal, Step, Strategy, Verdict
from engine.sessions import NEW_YORK
from strategies import contracts, funnel, prices, verticals
from strategies.funnel import TIMELESS, Case, all_passed, percent, step, unknown, walk
from strategies.params import check, number
from strategies.verticals import EXACT, Package, Pairs

NAME = INDEX_STRATEGY
INDICES = frozenset(INDEX_ROOTS.values())
LEVEL_AGE = timedelta(minutes=20)
"""An index level is published with fifteen minutes of delay where it is free; an older one is not of now."""
TREND_MEMORY = 250
"""Sessions the ADX is computed over: its averages have forgotten their start by then."""
SHARES = 100


@dataclass(frozen=True, slots=True)
class Params:
    """`[strategies.spx_credit_spreads]`. Fractions are decimals, days are calendar days unless said."""

    ordered: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("exit_dte", "min_dte", "dte", "max_dte"),
        ("intraday_from", "intraday_until"),
        ("min_delta", "delta", "max_delta"),
        ("min_delta", "condor_delta"),
    )

    intraday: int = number(0, 0, 1, "1 sells spreads of the coming days and closes them the same day, 0 monthly ones")
    average_sessions: int = number(50, 2, 250, "sessions of the average that decides the side")
    adx_sessions: int = number(14, 2, 100, "sessions of the ADX")
    trend_adx: float = number(20.0, 0.0, 100.0, "ADX below which only an iron condor is sold")
    max_vix: float = number(30.0, 0.0, 500.0, "largest VIX")
    min_iv_rank: float = number(30.0, 0.0, 100.0, "smallest IV rank")
    min_iv_ratio: float = number(1.10, 0.0, 10.0, "smallest IV / realised volatility, where there is no IV rank")
    volatility_sessions: int = number(20, 10, 250, "sessions of that realised volatility")
    min_dte: int = number(28, 1, 365, "shortest monthly spread, days")
    dte: int = number(37, 1, 365, "monthly spread aimed at, days")
    max_dte: int = number(45, 1, 365, "longest monthly spread, days")
    intraday_dte: int = number(3, 0, 30, "longest intraday spread, days; the nearest expiry is taken")
    intraday_from: float = number(10.0, 9.5, 16.0, "first hour of intraday entries, New York")
    intraday_until: float = number(13.0, 9.5, 16.0, "last hour of intraday entries, New York")
    width: float = number(5.0, 0.5, 100.0, "width on SPY, dollars; on the others scaled to their price")
    width_slack: float = number(0.35, 0.0, 1.0, "how far listed strikes may miss that width, share of it")
    min_delta: float = number(0.10, 0.01, 0.99, "smallest |delta| of an option sold")
    delta: float = number(0.20, 0.01, 0.99, "|delta| aimed at")
    max_delta: float = number(0.30, 0.01, 0.99, "largest |delta| of an option sold")
    condor_delta: float = number(0.20, 0.01, 0.99, "largest |delta| of an option sold in a condor")
    min_credit_share: float = number(0.15, 0.0, 1.0, "smallest credit, share of the width")
    min_credit: float = number(0.15, 0.0, 100.0, "smallest credit less the fees of both ways, dollars a share")
    min_bid: float = number(0.05, 0.0, 10.0, "the bid of each leg must be above this, dollars")
    max_short_spread: float = number(0.10, 0.0, 1.0, "largest spread of an option sold, share of its mid")
    max_wing_spread: float = number(0.15, 0.0, 1.0, "largest spread of an option bought, share of its mid")
    min_open_interest: int = number(100, 0, 1_000_000, "smallest open interest of each leg, or else volume")
    min_contract_volume: int = number(10, 0, 1_000_000, "smallest volume of each leg today, or else open interest")
    profit_target: float = number(0.50, 0.01, 1.0, "share of the credit at which a monthly spread is bought back")
    intraday_target: float = number(0.25, 0.01, 1.0, "share of the credit at which an intraday one is bought back")
    stop_multiple: float = number(3.0, 1.01, 100.0, "cost to close at which it is bought back, times the credit")
    stop_width: float = number(0.80, 0.01, 1.0, "or cost to close, share of the width, where that is less")
    exit_dte: int = number(21, 0, 365, "days left at which a monthly spread is closed")
    close_minutes: int = number(75, 1, 390, "minutes before the close at which an intraday spread is closed")

    def __post_init__(self) -> None:
        check(self)

    @property
    def days(self) -> tuple[int, int, int]:
        """(shortest, aimed at, longest) days to expiry of the variant in force."""
        return (0, 0, self.intraday_dte) if self.intraday else (self.min_dte, self.dte, self.max_dte)

    @property
    def target(self) -> float:
        """Share of the credit at which the variant in force takes its profit."""
        return self.intraday_target if self.intraday else self.profit_target


IndexCase = Case[Params]

SCREENED = ("history", "ADX", "side")
"""The rules `screen` applies, by the words of their steps."""


def select(universe: tuple[str, ...], owned: tuple[Position, ...], params: Params) -> tuple[str, ...]:
    """The broad indices and their funds, whatever else the desk looks at."""
    del universe, owned, params
    return tuple(sorted(INDEX))


def entry_hours(params: Params) -> tuple[str, str] | None:
    """When intraday spreads are sold; monthly ones have the session's own hours."""
    return (_clock(params.intraday_from), _clock(params.intraday_until)) if params.intraday else None


def _clock(hour: float) -> str:
    return f"{int(hour):02d}:{int(hour * 60) % 60:02d}"


def sessions_needed(params: Params) -> int:
    """Completed sessions without which the rules have no answer."""
    return max(params.average_sessions, 2 * params.adx_sessions, params.volatility_sessions + 1)


def screen(panel: Mapping[str, Bars], params: Params) -> Mapping[str, NDArray[np.bool_]]:
    """By ticker, (n,) whether history, ADX and side hold in each session, seen at its close."""
    return {ticker: _screened(bars, params) for ticker, bars in panel.items()}


def _screened(bars: Bars, params: Params) -> NDArray[np.bool_]:
    trend = prices.of_yesterday(indicators.adx(bars.high, bars.low, bars.close, params.adx_sessions))
    average = prices.of_yesterday(prices.averages(bars.close, params.average_sessions))
    has_history = np.arange(len(bars)) >= sessions_needed(params)
    has_side = (trend < params.trend_adx) | (bars.close > average) | (bars.close < average)
    return has_history & np.isfinite(trend) & np.isfinite(bars.close) & has_side


def _history(case: IndexCase) -> Step:
    return funnel.history(case, sessions_needed(case.params))


def adx(case: IndexCase) -> float:
    """The ADX of the completed sessions; NaN where their bars have a gap."""
    bars = case.snapshot.bars[-TREND_MEMORY:]
    return float(indicators.adx(bars.high, bars.low, bars.close, case.params.adx_sessions)[-1])


def _adx(case: IndexCase) -> Step:
    value = adx(case)
    limit = f"condor below {case.params.trend_adx:g}, else a side"
    return step("ADX", limit, f"{value:.2f}" if isfinite(value) else "no value", isfinite(value))


def sides(case: IndexCase) -> tuple[Right, ...]:
    """What is sold: both without a trend, puts above the average, calls below it."""
    if adx(case) < case.params.trend_adx:
        return (Right.PUT, Right.CALL)
    average = prices.average(case.snapshot.bars.close, case.params.average_sessions)
    if case.last is None or case.last == average or not isfinite(average):
        return ()
    return (Right.PUT,) if case.last > average else (Right.CALL,)


SIDES = {(Right.PUT, Right.CALL): "condor", (Right.PUT,): "puts", (Right.CALL,): "calls"}


def _side(case: IndexCase) -> Step:
    rule, limit = "side", f"puts above SMA{case.params.average_sessions}, calls below"
    if case.last is None:
        return Step(rule, limit, "no price today")
    average = prices.average(case.snapshot.bars.close, case.params.average_sessions)
    chosen = sides(case)
    return step(rule, limit, f"{SIDES.get(chosen, 'none')}: {case.last:.2f}, {average:.2f}", bool(chosen))


def _hours(case: IndexCase) -> Step:
    rule, hours = "entry hours", entry_hours(case.params)
    now = f"{case.snapshot.asof.astimezone(NEW_YORK):%H:%M:%S}"
    if hours is None:
        return Step(rule, "the session's own", now, Verdict.PASSED)
    return step(rule, f"{hours[0]} to {hours[1]}", now, f"{hours[0]}:00" <= now <= f"{hours[1]}:00")


def _quote(case: IndexCase) -> Step:
    """A usable quote of the shares; an index has none, its options say where it stands."""
    if case.snapshot.ticker not in INDICES:
        return funnel.share_quote(case)
    return step("quote of the shares", "trading, two-sided, ≤ 60 s old", "an index has none", not case.snapshot.halted)


def level(case: IndexCase, symbol: str) -> float | None:
    """The value of an index of now; None where nobody knows it, or only an older one."""
    found = case.context.levels.get(symbol)
    if found is None or not isfinite(found.value):
        return None
    is_current = found.source.kind in TIMELESS or case.snapshot.asof - found.at <= LEVEL_AGE
    return found.value if is_current else None


def _vix(case: IndexCase) -> Step:
    rule, limit = "VIX", f"≤ {case.params.max_vix:g}"
    value = level(case, "VIX")
    if value is None:
        return unknown(rule, limit, case.context)
    return step(rule, limit, f"{value:.2f}", value <= case.params.max_vix)


def _vix_term(case: IndexCase) -> Step:
    rule, limit = "VIX term structure", "VIX not above VIX3M"
    near, far = level(case, "VIX"), level(case, "VIX3M")
    if near is None or far is None:
        return unknown(rule, limit, case.context)
    return step(rule, limit, f"{near:.2f}, {far:.2f}", near <= far)


def width_aimed(case: IndexCase) -> float | None:
    """The width on SPY scaled to the price of this name; None without both prices."""
    if case.snapshot.ticker == "SPY":
        return case.params.width
    market = case.context.market
    spy = Case(market, case.context, case.params).last if market is not None else None
    return None if not spy or case.last is None else case.params.width * case.last / spy


def _scale(case: IndexCase) -> Step:
    """The price of SPY is there to scale the width by."""
    rule, limit, value = "width aimed at", f"{case.params.width:g} on SPY, scaled to price", width_aimed(case)
    return Step(rule, limit, "no price of SPY") if value is None else step(rule, limit, f"{value:.2f}", True)


RULES: tuple[Callable[[IndexCase], Step], ...] = (
    _history,
    _adx,
    _side,
    _hours,
    _quote,
    verticals.not_held,
    _vix,
    _vix_term,
    _scale,
)


def find(snapshot: MarketSnapshot, context: Context, params: Params) -> Found:
    """The credit spread or condor of one index or fund."""
    case = Case(snapshot, context, params)
    steps = walk(case, RULES)
    if not all_passed(steps):
        return Found((), steps)
    chain = snapshot.chain
    steps += (funnel.options(case, chain),)
    if chain is None or not all_passed(steps):
        return Found((), steps)
    steps += (_iv(case, chain),)
    if not all_passed(steps):
        return Found((), steps)
    package, verdicts = _pick(case, chain)
    steps += verdicts
    if package is None:
        return Found((), steps)
    steps += _listed(case)
    return Found((_signal(case, chain, package),) if all_passed(steps) else (), steps)


def _iv(case: IndexCase, chain: Chain) -> Step:
    params = case.params
    rank, ratio = verticals.at_least(params.min_iv_rank), verticals.at_least(params.min_iv_ratio)
    return verticals.iv_level(case, chain, rank, ratio, params.volatility_sessions)


def _listed(case: IndexCase) -> tuple[Step, ...]:
    """Options on indices are for looking at until the broker is known to take orders in them."""
    if case.snapshot.ticker not in INDICES:
        return ()
    rule, limit = "orders in index options", "listed at the broker"
    known = case.context.lists_indices
    return (step(rule, limit, "listed" if known else "not listed: analysis only", known),)


def _pick(case: IndexCase, chain: Chain) -> tuple[Package | None, tuple[Step, ...]]:
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
    package, more = _best(case, combined(found))
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


def _highest_delta(case: IndexCase) -> float:
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
    delta = contracts.delta_between(params.min_delta, _highest_delta(case))
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
    limit = f"{wanted:.2f} ± {case.params.width_slack:.0%}"
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


def _best(case: IndexCase, candidates: Candidates) -> tuple[Package | None, tuple[Step, ...]]:
    """(the package nearest the |delta| aimed at that pays enough, steps)."""
    params = case.params
    credit, width = candidates.credit, candidates.width
    keep = credit >= params.min_credit_share * width - EXACT
    enough = verticals.verdict(
        keep,
        "credit",
        f"≥ {params.min_credit_share:.0%} of width",
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


def _signal(case: IndexCase, chain: Chain, package: Package) -> Signal:
    params = case.params
    is_condor = len(package.legs) > 2
    structure = Structure.IRON_CONDOR if is_condor else Structure.CREDIT_SPREAD
    signal = verticals.proposal(NAME, structure, case, chain, package)
    share = params.min_credit_share * float(verticals.width_of(signal.legs))
    least = max(share, params.min_credit + round_trip(case, len(signal.legs)))
    signal = replace(
        signal,
        exits=ExitPlan(close_on=_last_day(case, signal)),
        rank=float(-signal.limit / verticals.width_of(signal.legs)),
        worst=-Decimal(f"{least:.4f}"),
        delta_range=(params.min_delta, _highest_delta(case)),
        reasons=_reasons(case, package),
    )
    signal = replace(signal, exits=exits(signal, params))
    return replace(signal, against=tuple(_against(case, signal)))


def _last_day(case: IndexCase, signal: Signal) -> date:
    if case.params.intraday:
        return case.snapshot.today
    return verticals.last_day(signal.options[0].expiry, case.params.exit_dte, case.context.next_sessions)


def _reasons(case: IndexCase, package: Package) -> tuple[str, ...]:
    days = package.contracts[0].option.dte(case.snapshot.today)
    lines = [_side(case).value, f"ADX {adx(case):.1f}, {days} days"]
    vix = level(case, "VIX")
    if vix is not None:
        lines.append(f"VIX {vix:.2f}")
    lines += [
        f"sold {row.option.strike:f} {row.option.right.name.lower()}: {funnel.contract_words(row)}"
        for leg, row in zip(package.legs, package.contracts, strict=True)
        if leg.ratio < 0
    ]
    return tuple(lines)


def win_rates(signal: Signal) -> tuple[float, float]:
    """Shares of trades that must be won to lose nothing before fees: were every loss full, and with the exits held."""
    credit, stop, target = -signal.limit, signal.exits.stop, signal.exits.target
    full = verticals.width_of(signal.legs) - credit
    if stop is None or target is None:
        raise ValueError("a credit spread has a stop and a target")
    loss, gain = -stop - credit, credit + target
    return float(full / (full + credit)), float(loss / (loss + gain))


def _against(case: IndexCase, signal: Signal) -> Iterator[str]:
    """What speaks against it, as far as the numbers know."""
    loss = verticals.width_of(signal.legs) + signal.limit
    yield f"{loss:.2f} a share can be lost for {-signal.limit:.2f}"
    full, stopped = win_rates(signal)
    yield f"must be won {full:.0%} of the time if every loss were full, {stopped:.0%} if the exits hold"
    yield verticals.exercise_words(signal.options[0])


def exits(signal: Signal, params: Params) -> ExitPlan:
    """The exit plan of a package sold at the signal's limit; its last day is kept."""
    credit, width = -signal.limit, verticals.width_of(signal.legs)
    target = -credit * (1 - Decimal(str(params.target)))
    stop = -min(credit * Decimal(str(params.stop_multiple)), width * Decimal(str(params.stop_width)))
    day = signal.exits.close_on
    if params.intraday:
        when = f"Closed from {params.close_minutes} minutes before the close of the day it is sold."
    else:
        when = f"Closed {params.exit_dte} days before expiry" + (f", on {day:%d %b}." if day else ".")
    return ExitPlan(
        target=target,
        stop=stop,
        close_on=day,
        before_close=params.close_minutes if params.intraday else None,
        words=(
            f"Buy back at {-target:.2f} or less ({params.target:.0%} of the credit made).",
            f"Stop: bought back when that costs {-stop:.2f} or more.",
            when,
        ),
    )


def manage(
    position: Position, snapshot: MarketSnapshot, quotes: Mapping[Instrument, Quote], params: Params
) -> tuple[Exit, ...]:
    """An American spread is closed where its sold call would be assigned for the dividend of the next session."""
    del params
    return tuple(verticals.called_away(position, snapshot, quotes))[:1]


STRATEGY = Strategy(
    name=NAME,
    title="Credit spreads and condors on the broad market",
    risk_level=RiskLevel.LOW,
    params=Params(),
    needs=Needs(dividends=True, every=60, levels=("VIX", "VIX3M")),
    find=find,
    manage=manage,
    screen=screen,
    select=select,
    exits=exits,
    entry_hours=entry_hours,
)
