"""Cards of risk: scenarios, Greeks in dollars, where the exposure is, and what may happen to what is held."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import islice

from bot import words
from bot.message import Button, Card, Table, Tone
from engine.hazards import Assignment, Expiring, Liquidity, Share
from engine.model.instruments import Instrument, Right
from engine.model.market import Earnings, ReportTime
from engine.risk_report import Endangered, Exposed, Greeked, Stressed
from engine.sensitivities import Sensitivity
from engine.shortfall import Shortfall
from engine.stress import Cell, Leg, StressGrid

SHOWN = 6
"""Rows of a table of names: as many as a phone shows beside the rest."""
MILLION = 1e6
WHEN = {0: "today", 1: "in 1 day", 7: "in 7 days"}
HOURS = {ReportTime.BEFORE_OPEN: "open", ReportTime.AFTER_CLOSE: "close", ReportTime.UNKNOWN: "?"}


def stress_card(view: Stressed, days: int, banner: str) -> Card:
    """The scenarios of one day as a table, spots down and volatilities across, the worst of all days, and a bad day."""
    worst = view.grid.worst[0]
    facts = [
        ("Worst of 99", cell_words(worst)),
        ("SPY -5 %", f"{_known(view.market_fall)}, each name by its beta"),
        *_bad_day(view.bad_day),
    ]
    tables = [_scenarios(view.grid, days)]
    lost = tuple(row for row in view.by_position if row[2] < 0)[:SHOWN]
    if lost:
        rows = tuple((id, ticker, dollars(made)) for id, ticker, made in lost)
        tables.append(Table(("Id", "Name", "P&L"), rows, right=(2,), title="Who loses in the worst one"))
    return Card(
        f"Stress {WHEN[days]}: worst {dollars(min(view.grid.pnl[:, :, list(WHEN).index(days)].ravel().tolist()))}",
        Tone.NEUTRAL,
        lines=(*_stress_gaps(view), *left_out(view.unpriced), *_stale(view.stale)),
        facts=tuple(facts),
        tables=tuple(tables),
        buttons=(
            tuple(Button(WHEN[each].capitalize(), f"refresh:/stress {each}") for each in WHEN),
            (Button("Picture", f"heat:{days}"), Button("Greeks", "refresh:/greeks"), Button("Risk", "refresh:/risk")),
        ),
        footer="Spots down, volatility across. Every leg revalued; dollars against now.",
        banner=banner,
    )


def _known(amount: float | None) -> str:
    return words.UNKNOWN if amount is None else dollars(amount)


def dollars(amount: float) -> str:
    """Whole dollars with their sign; zero has none.

    >>> dollars(-1840.4), dollars(0.2)
    ('-1,840', '0')
    """
    return f"{amount:+,.0f}" if round(amount) else "0"


def move(fraction: float) -> str:
    """`-20 %`, `0 %`, `+50 %`."""
    return f"{fraction * 100:+.0f} %" if fraction else "0 %"


def cell_words(cell: Cell) -> str:
    """`-12,345: spot -20 %, IV +50 %, today`."""
    return f"{dollars(cell.pnl)}: spot {move(cell.spot)}, IV {move(cell.vol)}, {WHEN[cell.days]}"


def _scenarios(grid: StressGrid, days: int) -> Table:
    plane = grid.pnl[:, :, list(WHEN).index(days)]
    largest = float(abs(plane).max())
    rows = tuple(
        (move(float(spot)), *(narrow(float(made), largest) for made in row))
        for spot, row in zip(grid.spots, plane, strict=True)
    )
    return Table(("Spot", *(f"IV {move(float(vol))}" for vol in grid.vols)), rows, right=(0, 1, 2, 3))


def narrow(amount: float, largest: float) -> str:
    """Dollars as a column has room for them whose largest number is this: in thousands or millions where it has none.

    >>> narrow(-1840.4, 5e5), narrow(-1840400.0, 5e6), narrow(-1.065e8, 2e8)
    ('-1,840', '-1,840k', '-106.5M')
    """
    if largest < MILLION:
        return dollars(amount)
    return f"{dollars(amount / 1000)}k" if largest < 10 * MILLION else f"{amount / MILLION:+,.1f}M"


def _bad_day(found: Shortfall | None) -> tuple[tuple[str, str], ...]:
    if found is None:
        return (("VaR 95 %", "not known: not enough history"),)
    return (
        ("VaR 95 %", f"{found.var:,.0f} in a day ({words.count(found.sessions, 'session')})"),
        ("Shortfall 95 %", f"{found.shortfall:,.0f}; worst day {found.worst:,.0f}"),
        (
            "Full revaluation",
            f"{found.full_var:,.0f} and {found.full_shortfall:,.0f}; grid off by {found.error:,.2f} at most",
        ),
    )


def _stress_gaps(view: Stressed) -> Iterable[str]:
    if view.no_beta:
        yield f"Without a beta, left out of SPY -5 %: {_some(view.no_beta)}."
    if view.no_history:
        yield f"Without 250 sessions of history, left out of VaR: {_some(view.no_history)}."
    if view.bad_day is not None and not view.bad_day.vol_known:
        yield "Volatility stands still in VaR: none is stored."
    elif view.bad_day is not None and view.bad_day.vol_known < 1:
        known = words.percent(view.bad_day.vol_known, 0)
        yield f"Volatility moves in VaR where it is stored ({known} of the sessions), else it stands still."
    if view.american:
        yield f"{words.count(view.american, 'short leg')} priced with early exercise."
    if view.at_exercise_value:
        named = (str(leg.instrument) for leg in view.at_exercise_value)
        yield f"At exercise value, their prices hold no time value: {_some(named)}."


def left_out(legs: Iterable[Leg]) -> tuple[str, ...]:
    """What has no price to start from and is in none of the sums."""
    named = tuple(dict.fromkeys(str(leg.instrument) for leg in legs))
    return (f"No usable price, left out: {_some(named)}.",) if named else ()


def _stale(instruments: Iterable[Instrument]) -> tuple[str, ...]:
    named = tuple(str(item) for item in instruments)
    return (f"No quote now, last stored price: {_some(named)}.",) if named else ()


def _some(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    known = tuple(names)
    more = len(known) - SHOWN
    return ", ".join(known[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def greeks_card(view: Greeked, banner: str) -> Card:
    """Greeks of the account in dollars, by position, and the betas they are weighted with."""
    total = view.total
    facts = (
        ("Delta", f"{dollars(total.delta_dollars)} dollars ({total.delta:+,.1f} shares)"),
        ("Gamma", f"{dollars(total.gamma_dollars)} dollars of delta for 1 %"),
        ("Theta", f"{total.theta:+,.2f} a day"),
        ("Vega", f"{total.vega:+,.2f} a point"),
        ("In SPY", f"{_known(total.market_dollars)} dollars, weighted by beta"),
    )
    gaps = (f"Without a beta, left out of SPY dollars: {_some(view.no_beta)}.",) if view.no_beta else ()
    tables = (_by_position(view.each), _betas(view)) if view.each else ()
    return Card(
        "Greeks" if view.each else "Greeks: nothing held",
        lines=(*gaps, *left_out(view.unpriced), *_stale(view.stale), *_not_shown(len(view.each))),
        facts=facts,
        tables=tuple(table for table in tables if table.rows),
        buttons=((Button("Stress", "refresh:/stress"), Button("Risk", "refresh:/risk"), _again("/greeks")),),
        footer="Dollars of delta, of delta for 1 %, a day, a point. Beta: 250 daily returns at most, 60 at least.",
        banner=banner,
    )


def _again(line: str) -> Button:
    return Button("Refresh", f"refresh:{line}")


def _by_position(each: tuple[Sensitivity, ...]) -> Table:
    heaviest = sorted(each, key=lambda one: (-abs(one.delta_dollars), one.position))[: 2 * SHOWN]
    rows = tuple(
        (
            one.position,
            short(one.delta_dollars),
            short(one.gamma_dollars),
            short(one.theta),
            short(one.vega),
        )
        for one in heaviest
    )
    return Table(("Id", "Δ $", "Γ $", "Θ", "V"), rows, right=(1, 2, 3, 4))


def short(amount: float) -> str:
    """Dollars in at most five characters.

    >>> short(-215.4), short(12345.0), short(-2.5e6), short(0.1)
    ('-215', '+12k', '-2M', '0')
    """
    if abs(amount) >= MILLION:
        return f"{amount / MILLION:+.0f}M"
    return f"{amount / 1000:+.0f}k" if abs(amount) >= 9_999.5 else f"{amount:+.0f}" if round(amount) else "0"


def _not_shown(positions: int) -> tuple[str, ...]:
    more = positions - 2 * SHOWN
    return (f"{words.count(more, 'position')} with less delta not shown, but in the sums.",) if more > 0 else ()


def _betas(view: Greeked) -> Table:
    sums: dict[str, float] = {}
    for one in view.each:
        if one.market_dollars is not None:
            sums[one.ticker] = sums.get(one.ticker, 0.0) + one.market_dollars
    heaviest = sorted(sums, key=lambda ticker: (-abs(sums[ticker]), ticker))[:SHOWN]
    rows = tuple(
        (ticker, f"{view.betas[ticker].value:.2f}", str(view.betas[ticker].observations), dollars(sums[ticker]))
        for ticker in heaviest
    )
    return Table(("Name", "Beta", "Days", "SPY $"), rows, right=(1, 2, 3))


def exposure_card(view: Exposed, banner: str) -> Card:
    """Where the exposure is: by name, sector, expiry and strategy, and the names that move as one."""
    lines = [f"Counted as one bet: {', '.join(group)}." for group in view.groups[:SHOWN]]
    views = (
        ("Name", view.by_name),
        ("Sector", view.by_sector),
        ("Expiry", view.by_expiry),
        ("Strategy", view.by_strategy),
    )
    return Card(
        "Exposure" if view.by_name else "Exposure: nothing held or worked",
        lines=tuple(lines),
        tables=tuple(_shares(name, rows) for name, rows in views if rows),
        buttons=((Button("Risk", "refresh:/risk"), Button("Hazards", "refresh:/risk hazards")),),
        footer="Maximum loss of defined risk, else the larger of collateral and delta dollars; working entries too.",
        banner=banner,
    )


def _shares(name: str, rows: tuple[Share, ...]) -> Table:
    shown = tuple((row.name[:16], f"{row.dollars:,.0f}", words.percent(row.fraction)) for row in rows[:SHOWN])
    rest = rows[SHOWN:]
    if rest:
        amount, part = sum(row.dollars for row in rest), sum(row.fraction for row in rest)
        shown += ((f"{len(rest)} others", f"{amount:,.0f}", words.percent(part)),)
    return Table((name, "Dollars", "Equity"), shown, right=(1, 2))


def hazards_card(view: Endangered, banner: str) -> Card:
    """What may happen to what is held: assignment, expiry, reports, and what closing it would cost."""
    costs = [each.cost for each in view.liquidity if each.cost is not None]
    taken = sum((each.dollars for each in view.assignments if each.option.right is Right.PUT), Decimal(0))
    facts = [
        ("May be assigned", words.count(sum(each.contracts for each in view.assignments), "contract")),
        ("Shares to take", words.money(taken) if taken else "none"),
        ("Cost to close", f"{words.money(sum(costs, Decimal(0)))} below mid" if costs else "none or not known"),
    ]
    tables = (_expiries(view.expiring), _reports(view.reports), _thin(view.liquidity))
    return Card(
        "Hazards",
        Tone.WARNING if view.assignments else Tone.NEUTRAL,
        lines=(*(_assignment(each) for each in islice(view.assignments, SHOWN)), *_hazard_gaps(view)),
        facts=tuple(facts),
        tables=tuple(table for table in tables if table.rows),
        buttons=((Button("Risk", "refresh:/risk"), Button("Exposure", "refresh:/risk exposure")),),
        footer="Cost: half the spread of every leg. OI, Vol: our contracts' largest share of a leg's.",
        banner=banner,
    )


def _assignment(each: Assignment) -> str:
    way = "take" if each.option.right is Right.PUT else "deliver"
    shares = each.contracts * each.option.multiplier
    return f"{each.position.id}: may {way} {shares:,} {each.option.underlying} for {each.dollars:,.2f}: {each.why}."


def _hazard_gaps(view: Endangered) -> Iterable[str]:
    unquoted = tuple(str(item) for each in view.liquidity for item in each.unquoted)
    if unquoted:
        yield f"No two-sided quote: {_some(unquoted)}."
    if view.no_spot:
        yield f"No price, assignment not known: {_some(view.no_spot)}."
    if view.no_report:
        yield f"Next report not known: {_some(view.no_report)}."
    if len(view.assignments) > SHOWN:
        yield f"{len(view.assignments) - SHOWN} more may be assigned."


def _expiries(rows: tuple[Expiring, ...]) -> Table:
    shown = tuple(
        (f"{row.day:%a %d %b}", str(len(row.positions)), str(row.sold), f"{row.dollars:,.0f}") for row in rows
    )
    return Table(("Expires", "Pos", "Sold", "Strike $"), shown, right=(1, 2, 3))


def _reports(rows: tuple[tuple[str, Earnings], ...]) -> Table:
    shown = tuple(
        (ticker, f"{report.day:%a %d %b}", HOURS[report.when], "yes" if report.confirmed else "no")
        for ticker, report in rows[:SHOWN]
    )
    return Table(("Reports", "Day", "At", "Sure"), shown)


def _thin(rows: tuple[Liquidity, ...]) -> Table:
    """The positions that cost most to close."""
    costly = sorted(rows, key=lambda each: (-(each.cost or 0), each.position.id))[:SHOWN]
    shown = tuple(
        (
            each.position.id,
            "?" if each.cost is None else f"{each.cost:,.0f}",
            _share(each.of_interest),
            _share(each.of_volume),
        )
        for each in costly
    )
    return Table(("Id", "Cost", "OI", "Vol"), shown, right=(1, 2, 3))


def _share(fraction: float | None) -> str:
    """Of a leg's open interest or volume: `?` where that is not known, `all` where there is none."""
    if fraction is None:
        return "?"
    return "all" if fraction > 1 else f"{fraction * 100:.1f} %"
