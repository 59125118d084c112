"""From a compared way to the card: the signal with its reasons, the table, what is given up, and what it cannot say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.model.legs import ExitPlan, Leg
from engine.model.market import Contract
from engine.model.trade import NOT_APPLICABLE, Signal, Step
from engine.percent import as_percent
from strategies.earnings_protection.exits import exits
from strategies.earnings_protection.params import NAME
from strategies.earnings_protection.rules import Due, Loss, ProtectionCase
from strategies.earnings_protection.ways import STRUCTURES, Candidate, Comparison, Ground, Way, sold
from strategies.funnel import step
from strategies.proposals import proposal

NO_ODDS = f"{NOT_APPLICABLE}: protection is no bet, and neither Kelly nor odds size it"
NO_ODDS_APART = f"{NOT_APPLICABLE}: a report moves the shares at once, which no such model knows"
PROTECTING = "protection"
"""The name of the choice between the ways that protect: one of them is proposed."""
TEN_THOUSAND = Decimal(10_000)
FULL = {
    Way.PUT: "protective put",
    Way.COLLAR: "collar",
    Way.DEEP: "deep in-the-money put",
    Way.DIAGONAL: "put diagonal",
    Way.CALENDAR: "calendar",
}


@dataclass(frozen=True, slots=True)
class Brief:
    """Everything the cards of one name are written from. `standing`: the words of the IV rule."""

    case: ProtectionCase
    ground: Ground
    loss: Loss
    due: Due
    standing: str
    compared: Comparison


def signals(brief: Brief) -> tuple[Signal, ...]:
    """The ways that protect, best first, as alternatives; then the calendar, apart."""
    found = [_protection(brief, each, place) for place, each in enumerate(brief.compared.ranked)]
    calendar = brief.compared.calendar
    if found and calendar is not None and calendar.flat > 0:
        found.append(_calendar(brief, calendar, len(found)))
    return tuple(found)


def _protection(brief: Brief, way: Candidate, place: int) -> Signal:
    """The collar's first order is its put alone; every other way is one order."""
    legs, rows = (way.legs[:1], way.rows[:1]) if way.way is Way.COLLAR else (way.legs, way.rows)
    signal = _bare(brief, way, legs, rows, -float(place))
    return replace(
        signal,
        outlook=replace(signal.outlook, pop=None, pop_method=NO_ODDS),
        reasons=tuple(_reasons(brief, way)),
        against=tuple(_against(brief, way)),
        alternatives=PROTECTING,
    )


def _calendar(brief: Brief, way: Candidate, place: int) -> Signal:
    signal = _bare(brief, way, way.legs, way.rows, -float(place))
    front = brief.ground.front
    return replace(
        signal,
        outlook=replace(signal.outlook, pop=None, pop_method=NO_ODDS_APART),
        reasons=(
            "Volatility trade, not protection.",
            f"It sells the first expiry after the report, {front:%d %b}, and keeps the later one.",
            f"If the shares stay it makes {way.flat:,.2f}, {brief.ground.scenario.words}",
        ),
        against=(f"A fall of {as_percent(brief.loss.move, '.1')} brings {way.fall:,.2f}, a rise {way.rise:,.2f}.",),
    )


def _bare(brief: Brief, way: Candidate, legs: tuple[Leg, ...], rows: tuple[Contract, ...], rank: float) -> Signal:
    case, chain = brief.case, brief.ground.chain
    pairs = tuple(zip(legs, rows, strict=True))
    limit = sum((row.limit * leg.ratio for leg, row in pairs), Decimal(0))
    signal = proposal(
        case,
        chain,
        NAME,
        STRUCTURES[way.way],
        legs,
        rows,
        limit,
        exits=ExitPlan(close_on=brief.ground.scenario.day),
        rank=rank,
        at_most=way.units,
        table=table(brief.compared, brief.loss.move),
    )
    return replace(signal, exits=exits(signal, case.params))


def _reasons(brief: Brief, way: Candidate) -> Iterator[str]:
    loss, need = brief.loss, brief.compared.need
    move = percent(loss.move)
    yield (
        f"A fall of {move} would cost {loss.dollars:,.2f} on {loss.shares} shares, {need:,.2f} of it beyond "
        f"{percent(brief.case.params.free_loss)} of equity"
    )
    covered = "all of it" if way.covers(need) else f"covers {as_percent(way.share_of(need))}"
    yield (
        f"{FULL[way.way].capitalize()}: protects {way.fall:,.2f} ({covered}), {way.fall / way.units:,.2f} a contract; "
        f"left to lose {loss.dollars - way.fall:,.2f}"
    )
    yield f"If the shares stay it costs {-way.flat:,.2f}: {way.cost:.4f} for each dollar protected"
    if way.way is Way.COLLAR:
        yield _two_orders(way)
    yield f"Report {brief.due.words}; {brief.standing}"
    yield f"Figures after the report are {brief.ground.scenario.words}"


def _two_orders(way: Candidate) -> str:
    call = sold(way)
    strike = "" if call is None else f"{call.strike:f} "
    premium = way.rows[1].limit
    return (
        f"Two orders: first this put; once it is filled the {strike}call (about {premium:.2f}) comes on its own card. "
        f"Net about {way.limit:.2f}"
    )


def _against(brief: Brief, way: Candidate) -> Iterator[str]:
    loss, params = brief.loss, brief.case.params
    rise = f"At a rise of {percent(loss.move)} it takes {-way.rise:,.2f} off what the shares gain"
    call = sold(way) if way.way is Way.COLLAR else None
    yield rise if call is None else f"{rise}; gains above {call.strike:f} are given up"
    share = float(way.limit / brief.ground.spot)
    if share > params.max_premium + 1e-9:
        yield f"Premium {percent(share)} of the position, above {percent(params.max_premium)}"
    if not way.covers(brief.compared.need):
        yield f"Covers {as_percent(way.share_of(brief.compared.need))} of the need only"
    if not brief.due.is_confirmed:
        who = ", ".join(sorted({source for report in brief.due.days for source in report.sources})) or "one source"
        yield f"The report's date is unconfirmed ({who})"
    if loss.usual is None:
        yield "No past report's move is known: the straddle alone says how far the shares may fall"
    for missing, why in brief.compared.missing:
        yield f"Not compared: {FULL[missing]}: {why}"


def percent(fraction: float) -> str:
    """`13.8 %`, `1 %`."""
    text = f"{fraction * 100:.1f}".removesuffix(".0")
    return f"{text} %"


def table(compared: Comparison, move: float) -> tuple[tuple[str, ...], ...]:
    """Headers and a row for each way, at most 36 columns wide: dollars unchanged, down, up, cost a dollar protected."""
    away = as_percent(move)
    rows = tuple(
        (each.way.value, _whole(each.flat), _whole(each.fall), _whole(each.rise), _cost(each))
        for each in compared.shown
    )
    return (("Way", "Flat", f"-{away}", f"+{away}", "Cost"), *rows)


def _whole(dollars: Decimal) -> str:
    """`-9999`, from ten thousand on `-12k`: five columns."""
    return f"{dollars:.0f}" if abs(dollars) < TEN_THOUSAND else f"{dollars / 1000:.0f}k"


def _cost(each: Candidate) -> str:
    """Apart stands what does not protect."""
    return "apart" if each.way is Way.CALENDAR else f"{each.cost:.2f}"


def outcome(compared: Comparison) -> Step:
    """At least one way protects; each with its cost a dollar protected and how much of the need it covers."""
    words = [f"{each.way} {each.cost:.4f}, {as_percent(each.share_of(compared.need))}" for each in compared.ranked]
    why = [f"{way}: {reason}" for way, reason in compared.missing]
    return step("ways to protect", "≥ 1", "; ".join(words) or "; ".join(why), bool(compared.ranked))
