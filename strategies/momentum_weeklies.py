"""The reversal within the day: a weekly call where a fall on heavy volume has lost its strength and the news is good.

The rules and the choices behind them: docs/strategies.md, "momentum_weeklies".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from engine import indicators
from engine.indicators import NO_ROW
from engine.model.book import Position
from engine.model.instruments import Instrument, Right
from engine.model.legs import ExitPlan
from engine.model.market import Bars, Chain, Contract, IntradayBars, MarketSnapshot, Quote
from engine.model.trade import Context, Exit, Found, Needs, RiskLevel, Signal, Step, Strategy, Verdict
from engine.percent import as_percent
from strategies import calls, contracts, funnel, intraday, names, prices
from strategies.contracts import Sieve
from strategies.funnel import Case, all_passed, percent, step, unknown, walk
from strategies.intraday import Traded
from strategies.params import check, number

NAME = "momentum_weeklies"
FRIDAY = 4
"""As `date.weekday` counts."""


@dataclass(frozen=True, slots=True)
class Params:
    """`[strategies.momentum_weeklies]`. Fractions are decimals; bars are of 15 minutes."""

    ordered: ClassVar[tuple[tuple[str, ...], ...]] = (("min_delta", "delta", "max_delta"),)

    volume_sessions: int = number(20, 5, 250, "sessions of the average daily volume")
    min_volume: int = number(1_000_000, 0, 1_000_000_000, "smallest average daily volume, shares")
    max_losses: int = number(2, 1, 50, "losing trades closed today after which nothing is opened")
    pivot_bars: int = number(2, 1, 10, "bars either side of a low, and until the second one is confirmed")
    within_bars: int = number(40, 5, 200, "bars before the confirming one in which both lows lie")
    rsi_bars: int = number(14, 2, 100, "bars of the RSI")
    max_rsi: float = number(30.0, 0.0, 100.0, "the RSI at the first low must be below this")
    usual_sessions: int = number(20, 5, 20, "sessions of the mean volume at a time of day")
    min_surge: float = number(3.0, 0.0, 100.0, "smallest volume of one of the three bars, times that mean")
    report_sessions: int = number(2, 0, 60, "sessions before and after a report without an entry")
    news_hours: int = number(24, 1, 168, "hours of news")
    min_articles: int = number(2, 1, 100, "fewest articles")
    min_positive: float = number(0.7, 0.0, 1.0, "the mean probability of positive must be above this")
    min_dte: int = number(2, 1, 14, "shortest call, days")
    min_delta: float = number(0.40, 0.01, 0.99, "smallest delta of the call")
    delta: float = number(0.45, 0.01, 0.99, "delta of the call aimed at")
    max_delta: float = number(0.50, 0.01, 0.99, "largest delta of the call")
    min_bid: float = number(0.05, 0.0, 10.0, "the bid must be above this, dollars")
    min_premium: float = number(0.50, 0.0, 100.0, "smallest premium, dollars a share")
    max_cost: float = number(0.06, 0.0, 1.0, "half of the spread and the commission, share of the premium")
    min_open_interest: int = number(100, 0, 1_000_000, "smallest open interest, or else volume")
    min_contract_volume: int = number(10, 0, 1_000_000, "smallest volume today, or else open interest")
    profit_target: float = number(0.50, 0.01, 10.0, "gain at which all is sold, share of the premium")
    stop_share: float = number(0.50, 0.01, 0.99, "loss at which all is sold, share of the premium")
    max_hours: float = number(4.0, 0.25, 65.0, "trading hours after which all is sold")
    exit_rsi: float = number(70.0, 0.0, 100.0, "all is sold with the RSI above this")

    def __post_init__(self) -> None:
        check(self)


MomentumCase = Case[Params]

SCREENED = ("history", "average volume")
"""The rules `screen` applies, by the words of their steps."""


def screen(panel: Mapping[str, Bars], params: Params) -> Mapping[str, NDArray[np.bool_]]:
    """By ticker, (n,) whether the average of the completed sessions before each one holds."""
    n, least = params.volume_sessions, params.min_volume
    return {ticker: prices.of_yesterday(prices.averages(bars.volume, n)) >= least for ticker, bars in panel.items()}


def _history(case: MomentumCase) -> Step:
    return funnel.history(case, case.params.volume_sessions)


def _volume(case: MomentumCase) -> Step:
    value = prices.average(case.snapshot.bars.volume, case.params.volume_sessions)
    return step("average volume", f"≥ {case.params.min_volume:,}", f"{value:,.0f}", value >= case.params.min_volume)


def _losses(case: MomentumCase) -> Step:
    most = case.params.max_losses
    lost = sum(each.pnl < 0 for each in funnel.closed_today(case.context))
    return step("losses today", f"< {most}", str(lost), lost < most)


DAILY_RULES = (_history, _volume, _losses)
"""What costs nothing, before the bars of the day are asked for."""


@dataclass(frozen=True, slots=True)
class Reversal:
    """A lower low of the price with a higher MACD: rows of both lows and of the bar that confirms them."""

    first: int
    second: int
    confirmed: int
    rsi: float

    @property
    def rows(self) -> tuple[int, int, int]:
        return self.first, self.second, self.confirmed


def reversal(bars: IntradayBars, params: Params) -> Reversal | None:
    """The reversal that the last bar confirms, its first low oversold where there is such a one; else None."""
    strength = indicators.rsi(bars.close, params.rsi_bars)
    line = indicators.macd(bars.close).line
    last = len(bars) - 1
    start = max(last - params.within_bars - params.pivot_bars, 0)  # nothing earlier can be the first low
    low, line, oversold = bars.low[start:], line[start:], strength[start:] < params.max_rsi
    for allowed in (oversold, None):
        found = indicators.divergence(low, line, params.pivot_bars, params.within_bars, allowed)
        if len(found) and found[-1] != NO_ROW:
            first = start + int(found[-1])
            return Reversal(first, last - params.pivot_bars, last, float(strength[first]))
    return None


def _pattern(case: MomentumCase, bars: IntradayBars, found: Reversal | None) -> Step:
    limit = f"lower low, higher MACD, within {case.params.within_bars} bars, confirmed by the last one"
    value = "none confirmed" if found is None else _lows(bars, found)
    return step("reversal", limit, value, found is not None)


def _lows(bars: IntradayBars, found: Reversal) -> str:
    lows = (f"{bars.low[row]:.2f} {intraday.clock(bars, row)}" for row in (found.first, found.second))
    return ", then ".join(lows)


def _oversold(case: MomentumCase, found: Reversal) -> Step:
    most = case.params.max_rsi
    value = "no value" if np.isnan(found.rsi) else f"{found.rsi:.2f}"
    return step("RSI at the first low", f"< {most:g}", value, found.rsi < most)


def _reports(case: MomentumCase) -> Step:
    """No report ahead within the sessions, and none just behind: its day, and as many sessions after it."""
    n, reports = case.params.report_sessions, case.snapshot.earnings or ()
    since = case.snapshot.bars.day[-n:][0].astype(object) if n else case.snapshot.today
    behind = [each for each in reports if since <= each.day and not each.is_ahead(case.snapshot.today)]
    if behind:
        latest = max(behind, key=lambda report: report.day)
        return Step("earnings", f"not within {n} sessions", names.report_words(latest))
    return names.no_report_within(case, n)


def _articles(case: MomentumCase) -> Step:
    params, news = case.params, case.snapshot.news
    rule, limit = "news", f"≥ {params.min_articles} articles in {params.news_hours} hours"
    if news is None or not news.sources:
        return unknown(rule, limit, case.context)
    count = news.count(params.news_hours)
    return step(rule, limit, str(count), count >= params.min_articles)


def _sentiment(case: MomentumCase) -> Step:
    params, news = case.params, case.snapshot.news
    rule, limit = "positive news", f"> {params.min_positive:.2f}"
    mean = news.positive(params.news_hours) if news is not None else None
    if mean is None:
        return unknown(rule, limit, case.context)
    return step(rule, limit, f"{mean:.4f}", mean > params.min_positive)


def find(snapshot: MarketSnapshot, context: Context, params: Params) -> Found:
    """The weekly call to buy on this name, and every rule it was asked, with its number."""
    case = Case(snapshot, context, params)
    steps = walk(case, DAILY_RULES)
    if not all_passed(steps):
        return Found.nothing(*steps)
    bars, told = intraday.loaded(case)
    steps += told
    if bars is None:
        return Found.nothing(*steps)
    found = reversal(bars, params)
    steps += (_pattern(case, bars, found),)
    if found is None:
        return Found.nothing(*steps)
    surge = intraday.busiest(bars, found.rows, params.usual_sessions)
    rules = (
        lambda case: _oversold(case, found),
        lambda case: intraday.volume_rule(case, surge, params.min_surge),
        _reports,
        _articles,
        _sentiment,
        funnel.share_quote,
    )
    steps += walk(case, rules)
    if not all_passed(steps):
        return Found.nothing(*steps)
    return _on_chain(case, bars, found, surge, steps)


def _on_chain(case: MomentumCase, bars: IntradayBars, found: Reversal, surge: Traded, steps: tuple[Step, ...]) -> Found:
    chain = case.snapshot.chain
    steps += (funnel.options(case, chain),)
    if chain is None or not all_passed(steps):
        return Found.nothing(*steps)
    contract, verdicts = _pick(case, chain)
    signals = () if contract is None else (_signal(case, chain, contract, bars, found, surge),)
    return Found(signals, steps + verdicts)


def _pick(case: MomentumCase, chain: Chain) -> tuple[Contract | None, tuple[Step, ...]]:
    """(the call nearest the delta aimed at, steps); None when a rule left none."""
    params = case.params
    weekly, listed = _weekly(case, chain.where(right=Right.CALL))
    if not listed.passed:
        return None, (listed,)
    aim = contracts.delta_aim(params.delta)
    sieves = (
        contracts.delta_between(params.min_delta, params.max_delta),
        contracts.bid_above(params.min_bid),
        _premium(params),
        _cost(case),
        contracts.traded(params.min_open_interest, params.min_contract_volume),
    )
    left, verdicts = contracts.sift(weekly, sieves, aim, case.context)
    return contracts.pick(left, aim), (listed, *verdicts)


def _weekly(case: MomentumCase, listed: Chain) -> tuple[Chain, Step]:
    """(the calls of this or next week's last session, step): the sooner that is listed and far enough away."""
    least = case.params.min_dte
    rule, limit = "expiry", f"this or next Friday, ≥ {least} days, a session before it"
    ends = week_ends(case.context)
    for end in ends:
        days = (end - case.context.today).days
        rows = listed.where(expiry=end)
        if days >= least and len(rows) and sessions_before(end, case.context):
            return rows, Step(rule, limit, f"{end:%d %b}, {days} days", Verdict.PASSED)
    looked = " and ".join(f"{end:%d %b}" for end in ends)
    nothing = listed.take(np.zeros(len(listed), dtype=bool))
    return nothing, Step(rule, limit, f"none on {looked}" if ends else "no sessions known")


def week_ends(context: Context) -> tuple[date, ...]:
    """The last session of this week and of the next: the weekly expiries, on a Thursday where Friday is a holiday."""
    ahead = context.next_sessions
    ends = {day.isocalendar()[:2]: day for day in ahead}
    weeks = [(context.today + timedelta(weeks=later)).isocalendar()[:2] for later in (0, 1)]
    known = [ends[week] for week in weeks if week in ends]
    return tuple(end for end in known if end < ahead[-1] or end.weekday() == FRIDAY)


def sessions_before(expiry: date, context: Context) -> tuple[date, ...]:
    """The sessions after today and before an expiry."""
    return tuple(day for day in context.next_sessions if context.today < day < expiry)


def _premium(params: Params) -> Sieve:
    return Sieve(
        "premium",
        f"≥ {params.min_premium:.2f}",
        lambda rows: rows.mid >= params.min_premium - 1e-9,
        lambda rows, row: f"{rows.mid[row]:.2f}",
    )


def commission(context: Context) -> float:
    """The commission of one side, dollars a share."""
    return float(context.option_fee) / 100


def _cost(case: MomentumCase) -> Sieve:
    """What one crossing costs: half of the spread, and the commission of one side."""
    fee, most = commission(case.context), case.params.max_cost

    def share(rows: Chain) -> NDArray[np.float64]:
        return ((rows.ask - rows.bid) / 2 + fee) / rows.mid

    return Sieve(
        "package cost",
        f"≤ {percent(most)} of premium",
        lambda rows: share(rows) <= most + 1e-9,
        lambda rows, row: percent(float(share(rows)[row])),
    )


def _signal(
    case: MomentumCase, chain: Chain, contract: Contract, bars: IntradayBars, found: Reversal, surge: Traded
) -> Signal:
    params = case.params
    day = sessions_before(contract.option.expiry, case.context)[-1]
    fee = commission(case.context) / float(contract.limit)
    signal = calls.bought(
        case,
        chain,
        contract,
        NAME,
        ExitPlan(close_on=day, trading_hours=params.max_hours),
        reasons=_reasons(case, contract, bars, found, surge),
        against=(
            "the whole premium can be lost",
            calls.rise_needed(case, contract),
            f"half of the spread and the commission are {as_percent(contract.spread_ratio / 2 + fee, '.1')} "
            "of the premium, each way",
        ),
        rank=surge.ratio,
        delta_range=(params.min_delta, params.max_delta),
        max_spread=2 * (params.max_cost - fee),
    )
    return replace(signal, exits=exits(signal, params))


def _reasons(
    case: MomentumCase, contract: Contract, bars: IntradayBars, found: Reversal, surge: Traded
) -> tuple[str, ...]:
    news = case.snapshot.news
    count = news.count(case.params.news_hours) if news else 0
    mean = (news.positive(case.params.news_hours) if news else None) or 0.0
    return (
        f"lows of {_lows(bars, found)}, the second with a higher MACD; RSI {found.rsi:.1f} at the first",
        f"volume {surge.words} of {bars.source}",
        f"{count} articles in {case.params.news_hours} hours, {as_percent(mean)} positive",
        f"{funnel.contract_words(contract)}, {contract.option.dte(case.snapshot.today)} days",
    )


def exits(signal: Signal, params: Params) -> ExitPlan:
    """The exit plan of a call bought at the signal's limit; its last day is kept."""
    target, stop = calls.bounds(signal.limit, params.profit_target, params.stop_share)
    day = signal.exits.close_on
    return ExitPlan(
        target=target,
        stop=stop,
        close_on=day,
        trading_hours=params.max_hours,
        words=(
            *calls.bound_words(target, stop, params.profit_target, params.stop_share),
            f"Sold after {params.max_hours:g} trading hours" + (f", at the latest on {day:%d %b}." if day else "."),
            f"Sold when the 15-minute RSI is above {params.exit_rsi:g}.",
        ),
    )


def manage(
    position: Position, snapshot: MarketSnapshot, quotes: Mapping[Instrument, Quote], params: Params
) -> tuple[Exit, ...]:
    """All of it once the RSI of the last bar is above its bound."""
    del position, quotes
    bars = intraday.latest(snapshot)
    strength = float("nan") if bars is None else intraday.rsi(bars, params.rsi_bars)
    if bars is None or not strength > params.exit_rsi:
        return ()
    return (Exit("RSI", f"RSI {strength:.1f} on {intraday.clock(bars)}, above {params.exit_rsi:g}"),)


STRATEGY = Strategy(
    name=NAME,
    title="Reversal within the day: weekly calls",
    risk_level=RiskLevel.MEDIUM,
    params=Params(),
    needs=Needs(earnings=True, every=300),
    find=find,
    manage=manage,
    screen=screen,
    exits=exits,
)
