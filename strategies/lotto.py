"""A lottery ticket on a report: one cheap weekly option beyond the implied move, all of whose premium may be lost.

The rules and the choices behind them: docs/strategies.md, "lotto".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from statistics import fmean
from typing import ClassVar

import numpy as np

from engine.model.book import ZERO, Position
from engine.model.instruments import Instrument, Right
from engine.model.legs import ExitPlan
from engine.model.market import Chain, Contract, Earnings, MarketSnapshot, Quote, ReportTime
from engine.model.trade import Context, Exit, Found, Needs, RiskLevel, Signal, Step, Strategy
from engine.percent import as_percent
from engine.sessions import NEW_YORK
from strategies import calls, contracts, funnel, names, reports
from strategies.contracts import Sieve
from strategies.funnel import Case, all_passed, percent, step, walk
from strategies.params import check, number
from strategies.reports import PastReports, Straddle

NAME = "lotto"
HOURS = ("15:00", "15:45")
"""First and last entry, New York."""
JUMP = "the probability is modelled: a jump on a report is not lognormal"


@dataclass(frozen=True, slots=True)
class Params:
    """`[strategies.lotto]`. Fractions are decimals, days are calendar days unless said."""

    ordered: ClassVar[tuple[tuple[str, ...], ...]] = (("min_reports", "past_reports"),)

    report_sessions: int = number(1, 0, 5, "sessions ahead within which the report has to be")
    past_reports: int = number(8, 1, 40, "past reports whose moves are compared")
    min_reports: int = number(4, 1, 40, "fewest of them whose move is known")
    max_expiry_wait: int = number(7, 0, 30, "longest wait from the report to the first expiry after it, days")
    min_open_interest: int = number(500, 0, 1_000_000, "smallest open interest")
    max_ask: float = number(2.0, 0.05, 100.0, "largest ask, dollars")
    min_bid: float = number(0.05, 0.0, 10.0, "the bid must be above this, dollars")
    max_spread: float = number(0.30, 0.0, 1.0, "largest spread, share of the mid")
    contracts: int = number(1, 1, 100, "most contracts of one trade")
    max_open: int = number(3, 1, 50, "positions open at once")
    week_premium: float = number(0.01, 0.0, 0.10, "most premium bought in a week, fraction of equity")
    day_loss: float = number(0.01, 0.0001, 0.10, "loss realised today from which nothing is bought, fraction of equity")
    profit_target: float = number(3.0, 0.01, 100.0, "gain at which it is sold, times the premium")
    stop_share: float = number(0.50, 0.01, 0.99, "loss at which it is sold, share of the premium")
    close_minutes: int = number(15, 1, 120, "minutes before the close of the session after the report: sold")

    def __post_init__(self) -> None:
        check(self)


LottoCase = Case[Params]


def find(snapshot: MarketSnapshot, context: Context, params: Params) -> Found:
    """The option to buy on this name's report, and every rule it was asked, with its number."""
    case = Case(snapshot, context, params)
    steps = walk(case, (_hours, _day_loss, _open_positions))
    if not all_passed(steps):
        return Found.nothing(*steps)
    report, asked = _report(case)
    steps += asked
    if report is None or not all_passed(steps):
        return Found.nothing(*steps)
    steps += (funnel.share_quote(case),)
    if not all_passed(steps):
        return Found.nothing(*steps)
    past, asked = _past(case)
    steps += asked
    if past is None or not all_passed(steps):
        return Found.nothing(*steps)
    return _found(case, report, past, steps)


def _found(case: LottoCase, report: Earnings, past: PastReports, steps: tuple[Step, ...]) -> Found:
    """What the options say, once everything cheaper has passed."""
    chain = case.snapshot.chain
    steps += (funnel.options(case, chain),)
    if chain is None or not all_passed(steps):
        return Found.nothing(*steps)
    rows, listed = _weekly(case, chain, report)
    steps += (listed,)
    if not listed.passed:
        return Found.nothing(*steps)
    straddle = reports.straddle(rows, contracts.expiry_of(rows), funnel.spot_price(case))
    steps += (_implied(straddle),)
    if straddle is None:
        return Found.nothing(*steps)
    odds = Odds(report, past, straddle, _sides(rows, straddle, past))
    steps += walk(case, (lambda _: _first_strikes(odds), lambda _: _paid_before(odds)))
    if not all_passed(steps):
        return Found.nothing(*steps)
    steps += _bought(case, rows, odds.best.contract)
    signals = (_signal(case, chain, odds),) if all_passed(steps) else ()
    return Found(signals, steps)


def _hours(case: LottoCase) -> Step:
    """In the hours of entry: asked first, for a scan at any other time needs nothing else."""
    return funnel.entry_hours(case, HOURS)


def _day_loss(case: LottoCase) -> Step:
    """What its own campaigns have realised today."""
    context = case.context
    pnl = sum((each.pnl for each in funnel.closed_today(context)), ZERO)
    made = float(pnl / context.equity) if context.equity > 0 else 0.0
    return step(
        "realised today", f"> {percent(-case.params.day_loss)} of equity", percent(made), made > -case.params.day_loss
    )


def _open_positions(case: LottoCase) -> Step:
    return funnel.open_positions(case, case.params.max_open)


def _report(case: LottoCase) -> tuple[Earnings | None, tuple[Step, ...]]:
    """(the report that is near, steps): confirmed, and its hour known, for the night it is held over depends on it."""
    n = case.params.report_sessions
    rule, limit = "report", f"within {n} session{'' if n == 1 else 's'}"
    report, near = names.next_report(case.snapshot), case.context.next_sessions[: n + 1]
    if report is None or len(near) <= n:
        return None, funnel.missing(rule, limit, case.context)
    words = names.report_words(report)
    steps = [step(rule, limit, words, report.day <= near[-1])]
    if steps[-1].passed:
        steps.append(step("report confirmed", "by two sources", words, report.confirmed))
    if steps[-1].passed:
        steps.append(step("report's hour", "known", words, report.when is not ReportTime.UNKNOWN))
    return report, tuple(steps)


def _past(case: LottoCase) -> tuple[PastReports | None, tuple[Step, ...]]:
    """(what past reports did, steps)."""
    rule, limit = "past reports", f"≥ {case.params.min_reports} of {case.params.past_reports} with a known move"
    found = reports.past(case.snapshot, case.params.past_reports)
    if found is None:
        return None, funnel.missing(rule, limit, case.context)
    return found, (step(rule, limit, str(len(found)), len(found) >= case.params.min_reports),)


def _weekly(case: LottoCase, chain: Chain, report: Earnings) -> tuple[Chain, Step]:
    """(rows of the first expiry after the report, step)."""
    wait = case.params.max_expiry_wait
    rule, limit = "weekly options", f"expiry after the report, ≤ {wait} days"
    expiry = reports.expiry_after(chain.expiries, report)
    if expiry is None:
        return chain, Step(rule, limit, "none")
    days = (expiry - report.day).days
    return chain.where(expiry=expiry), step(rule, limit, f"{days} days after it", days <= wait)


def _implied(straddle: Straddle | None) -> Step:
    value = "no straddle at the money" if straddle is None else percent(straddle.move)
    return step("implied move", "straddle quoted", value, straddle is not None)


@dataclass(frozen=True, slots=True)
class Side:
    """The first strike beyond the implied move on one side; `payoff`: mean past payoff over its premium."""

    contract: Contract
    payoff: float

    @property
    def name(self) -> str:
        """`67 call`."""
        option = self.contract.option
        return f"{option.strike:f} {'call' if option.right is Right.CALL else 'put'}"

    @property
    def words(self) -> str:
        """`67 call 2.4457`."""
        return f"{self.name} {self.payoff:.4f}"


@dataclass(frozen=True, slots=True)
class Odds:
    """What one report has done before, and what the options ask for the next time."""

    report: Earnings
    past: PastReports
    straddle: Straddle
    sides: tuple[Side, ...]

    @property
    def best(self) -> Side:
        """The side whose past payoffs were the higher multiple of its premium."""
        return max(self.sides, key=lambda side: side.payoff)

    @property
    def words(self) -> str:
        return ", ".join(side.words for side in self.sides)


def _sides(rows: Chain, straddle: Straddle, past: PastReports) -> tuple[Side, ...]:
    """Put and call, each with what the past moves from the spot of now would have paid; none without a quote."""
    wanted = {(Right.PUT, _beyond(rows, straddle, Right.PUT)), (Right.CALL, _beyond(rows, straddle, Right.CALL))}
    near = np.zeros(len(rows), dtype=bool)
    for right, strike in wanted:
        if strike is not None:
            near |= (rows.is_call == (right is Right.CALL)) & (np.abs(rows.strike - float(strike)) < reports.NEARLY)
    picked = (rows.row(int(row)) for row in np.flatnonzero(near & reports.quoted(rows)))
    exact = (row for row in picked if (row.option.right, row.option.strike) in wanted)
    return tuple(Side(row, _payoff(row, straddle.spot, past)) for row in exact if row.limit > 0)


def _beyond(rows: Chain, straddle: Straddle, right: Right) -> Decimal | None:
    """The first listed strike beyond the implied move, quoted or not; None when none is listed."""
    strikes = np.unique(rows.strike[rows.is_call == (right is Right.CALL)])
    if right is Right.CALL:
        above = straddle.spot + straddle.price
        exact = (Decimal(f"{strike:.4f}") for strike in strikes[strikes > float(above) - reports.NEARLY])
        return next((strike for strike in exact if strike > above), None)
    below = straddle.spot - straddle.price
    exact = (Decimal(f"{strike:.4f}") for strike in strikes[strikes < float(below) + reports.NEARLY][::-1])
    return next((strike for strike in exact if strike < below), None)


def _payoff(contract: Contract, spot: Decimal, past: PastReports) -> float:
    """Mean intrinsic value after each past move from `spot`, over the premium."""
    sign = 1 if contract.option.right is Right.CALL else -1
    strike, now = float(contract.option.strike), float(spot)
    paid = (max(sign * (now * (1 + move) - strike), 0.0) for move in past.moves)
    return fmean(paid) / float(contract.limit)


def _first_strikes(odds: Odds) -> Step:
    low, high = odds.straddle.spot - odds.straddle.price, odds.straddle.spot + odds.straddle.price
    value = ", ".join(side.name for side in odds.sides) or "none"
    return step("first strikes beyond it", f"< {low:.2f} and > {high:.2f}, quoted", value, len(odds.sides) == 2)


def _paid_before(odds: Odds) -> Step:
    return step("past payoff", "> 0 x the premium", odds.words, odds.best.payoff > 0)


def _bought(case: LottoCase, rows: Chain, contract: Contract) -> tuple[Step, ...]:
    """The rules on the contract, and on what it adds to the premiums of the week."""
    params, option = case.params, contract.option
    row = (rows.strike == float(option.strike)) & (rows.is_call == (option.right is Right.CALL))
    sieves = (
        _ask_within(params.max_ask),
        contracts.bid_above(params.min_bid),
        contracts.spread_within(params.max_spread),
        contracts.open_interest(params.min_open_interest),
        contracts.has_volatility(),
    )
    left, steps = contracts.sift(rows.take(row), sieves, contracts.strike_aim(float(option.strike)), case.context)
    return (*steps, _week_premium(case, contract.limit * option.multiplier)) if len(left) else steps


def _ask_within(most: float) -> Sieve:
    return Sieve(
        "ask",
        f"≤ {most:.2f}",
        lambda rows: rows.ask <= most + 1e-9,
        lambda rows, row: f"{rows.ask[row]:.2f}",
    )


def _week_premium(case: LottoCase, premium: Decimal) -> Step:
    """The premiums of this calendar week with one more contract's, against the week's allowance."""
    monday = case.snapshot.today - timedelta(days=case.snapshot.today.weekday())
    spent = bought_since(case.context, monday)
    most = Decimal(str(case.params.week_premium)) * case.context.equity
    limit = f"≤ {percent(case.params.week_premium)} of equity, {most:.2f}"
    return step("premium of the week", limit, f"{spent:.2f} + {premium:.2f}", spent + premium <= most)


def bought_since(context: Context, first: date) -> Decimal:
    """Dollars of premium of everything this strategy has opened since the day `first`, held or closed, and of what
    waits for an answer or a fill."""
    held = sum(
        (
            (each.entry or ZERO) * each.opened_units * each.unit[0].instrument.multiplier
            for each in context.held
            if each.opened_at.astimezone(NEW_YORK).date() >= first
        ),
        ZERO,
    )
    closed = sum(
        (
            each.stake or ZERO
            for each in context.campaigns
            if each.opened is not None and each.opened.astimezone(NEW_YORK).date() >= first
        ),
        ZERO,
    )
    waiting = sum((max(-plan.net_cash, ZERO) for plan in context.waiting), ZERO)
    return held + closed + waiting


def _signal(case: LottoCase, chain: Chain, odds: Odds) -> Signal:
    day = reports.session_after(case.context.next_sessions, odds.report)
    signal = calls.bought(
        case,
        chain,
        odds.best.contract,
        NAME,
        ExitPlan(close_on=day, before_close=case.params.close_minutes),
        reasons=_reasons(odds),
        against=tuple(_against(odds)),
        rank=odds.best.payoff,
        at_most=case.params.contracts,
        max_spread=case.params.max_spread,
    )
    return replace(signal, exits=exits(signal, case.params))


def _reasons(odds: Odds) -> tuple[str, ...]:
    told = " and ".join(odds.report.sources) or "two sources"
    return (
        f"reports {names.report_words(odds.report)}, told by {told}",
        f"mean past payoff over premium: {odds.words}",
        f"implied move {percent(odds.straddle.move)}; past moves {odds.past.words}",
        funnel.contract_words(odds.best.contract),
    )


def _against(odds: Odds) -> Iterator[str]:
    """What speaks against it, as far as the numbers know."""
    contract, mean = odds.best.contract, odds.past.mean_move
    premium = contract.limit * contract.option.multiplier
    yield f"risk = whole premium, {premium:.2f} a contract: a stop cannot hold through the gap after the report"
    if mean is not None and odds.straddle.move > mean:
        yield f"the implied move {percent(odds.straddle.move)} is above the mean actual one, {percent(mean)}"
    yield JUMP


def exits(signal: Signal, params: Params) -> ExitPlan:
    """The exit plan of an option bought at the signal's limit; its session is kept."""
    target = signal.limit * (1 + Decimal(str(params.profit_target)))
    stop = signal.limit * (1 - Decimal(str(params.stop_share)))
    day, expiry = signal.exits.close_on, signal.options[0].expiry
    when = "in the session after the report" if day is None else f"on {day:%a %d %b}"
    last = "by 15:00, for it expires that day" if day == expiry else f"{params.close_minutes} minutes before the close"
    return replace(
        signal.exits,
        target=target,
        stop=stop,
        words=(
            f"Sell at {target:.2f} or more (+{as_percent(params.profit_target)}).",
            f"Stop: sold at {stop:.2f} or less ({as_percent(params.stop_share)} of the premium lost); "
            "through a gap at less.",
            f"Sold {when}, {last}.",
        ),
    )


def manage(
    position: Position, snapshot: MarketSnapshot, quotes: Mapping[Instrument, Quote], params: Params
) -> tuple[Exit, ...]:
    """Nothing of its own: target, stop, session and expiry day are the plan's."""
    del position, snapshot, quotes, params
    return ()


def choose(
    signals: tuple[Signal, ...], context: Context, params: Params
) -> tuple[tuple[Signal, ...], Mapping[str, Step]]:
    """The best by past payoff over premium, as many positions and contracts as the week's premium pays for."""
    most = Decimal(str(params.week_premium)) * context.equity
    spent = bought_since(context, context.today - timedelta(days=context.today.weekday()))
    room = max(0, params.max_open - context.places)
    kept: list[Signal] = []
    dropped: dict[str, Step] = {}
    for place, signal in enumerate(sorted(signals, key=lambda each: (-each.rank, each.ticker)), start=1):
        premium = signal.limit * 100
        paid_for = min(params.contracts, int((most - spent) / premium))
        if len(kept) >= room:
            dropped[signal.ticker] = Step("rank of the day", f"best {room}", f"{place} of {len(signals)}")
        elif paid_for < 1:
            words = f"{spent:.2f} + {premium:.2f}"
            dropped[signal.ticker] = Step("premium of the week", f"≤ {percent(params.week_premium)} of equity", words)
        else:
            kept.append(replace(signal, at_most=paid_for))
            spent += premium * paid_for
    return tuple(kept), dropped


STRATEGY = Strategy(
    name=NAME,
    title="Lottery ticket on a report: one option beyond the implied move",
    risk_level=RiskLevel.HIGH,
    params=Params(),
    needs=Needs(earnings=True, times=("15:05", "15:20", "15:35")),
    find=find,
    manage=manage,
    choose=choose,
    exits=exits,
    entry_hours=HOURS,
)
