"""The risk of everything held, from the book and live prices: the numbers behind /stress, /greeks and /risk.

Nothing is decided or stored here. What has no price, no history or no beta is named in the answer and in none of its
sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from engine import bounds, hazards, quoted, risk, sensitivities, shortfall, standing, stress
from engine.aftermath import FALL
from engine.desk import Desk
from engine.errors import DataError, NotFound
from engine.exposures import Exposure
from engine.hazards import Assignment, Expiring, Liquidity, Share
from engine.model.book import Book, Position
from engine.model.instruments import INDEX_ROOTS, Instrument, Option, Stock
from engine.model.market import Contract, Earnings, Floats, MarketSnapshot, Quote
from engine.sensitivities import Beta, Sensitivity
from engine.shortfall import Shortfall
from engine.standing import Marks
from engine.stress import Holdings, Leg, StressGrid, Underlying

INDICES = frozenset(INDEX_ROOTS.values())


@dataclass(frozen=True, slots=True, eq=False)
class Stressed:
    """What everything held makes in the scenarios.

    Attributes:
        by_position: dollars of each position in the worst scenario, the largest loss first.
        market_fall: made when SPY falls by 5 % and each name by its beta times that, None when no beta is known.
        no_beta: names left out of it.
        bad_day: VaR and shortfall, None where nothing held has enough history.
        unpriced: legs left out of everything. at_exercise_value: held to what they are in the money.
    """

    grid: StressGrid
    by_position: tuple[tuple[str, str, float], ...]
    market_fall: float | None
    no_beta: tuple[str, ...]
    bad_day: Shortfall | None
    no_history: tuple[str, ...]
    unpriced: tuple[Leg, ...]
    at_exercise_value: tuple[Leg, ...]
    american: int
    stale: tuple[Instrument, ...]


@dataclass(frozen=True, slots=True)
class Greeked:
    """Greeks by position and in all. `betas`: by name, those that are known; `no_beta`: the others."""

    each: tuple[Sensitivity, ...]
    total: Sensitivity
    betas: Mapping[str, Beta]
    no_beta: tuple[str, ...]
    unpriced: tuple[Leg, ...]
    stale: tuple[Instrument, ...]


@dataclass(frozen=True, slots=True)
class Exposed:
    """Where the exposure is, working entries included; `groups`: names that move as one."""

    by_name: tuple[Share, ...]
    by_sector: tuple[Share, ...]
    by_expiry: tuple[Share, ...]
    by_strategy: tuple[Share, ...]
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Endangered:
    """What may happen to what is held. `reports`: next ones by held name; `no_report`: names without a known one."""

    liquidity: tuple[Liquidity, ...]
    assignments: tuple[Assignment, ...]
    expiring: tuple[Expiring, ...]
    reports: tuple[tuple[str, Earnings], ...]
    no_report: tuple[str, ...]
    no_spot: tuple[str, ...]


def stressed(desk: Desk) -> Stressed:
    """The scenarios of everything held, VaR and shortfall."""
    book, marks = _marked(desk)
    rows = held(desk, book, marks)
    names = sorted(set(rows.tickers))
    standing.ensure_returns(desk, names)
    betas = standing.betas(desk, names)
    cells = stress.cells(rows)
    grid = stress.summed(cells)
    fallen = stress.market_fall(rows, {name: each.value for name, each in betas.items()}, float(FALL))
    bad_day, no_history = _bad_day(desk, rows)
    return Stressed(
        grid=grid,
        by_position=_worst_positions(rows, cells, grid),
        market_fall=None if np.isnan(fallen).all() and len(rows) else float(np.nansum(fallen)),
        no_beta=tuple(name for name in names if name not in betas),
        bad_day=bad_day,
        no_history=no_history,
        unpriced=rows.unpriced,
        at_exercise_value=rows.at_exercise_value,
        american=int(rows.is_american.sum()),
        stale=tuple(marks.stale),
    )


def _worst_positions(rows: Holdings, cells: Floats, grid: StressGrid) -> tuple[tuple[str, str, float], ...]:
    """(position, ticker, dollars) in the scenario that loses most, the largest loss first."""
    worst = grid.worst[0]
    place = stress.SPOTS.index(worst.spot), stress.VOLS.index(worst.vol), stress.DAYS.index(worst.days)
    sums: dict[tuple[str, str], float] = {}
    for leg, made in zip(rows.legs, cells[:, *place].tolist(), strict=True):
        key = leg.position, leg.instrument.underlying
        sums[key] = sums.get(key, 0.0) + made
    return tuple((id, ticker, made) for (id, ticker), made in sorted(sums.items(), key=lambda row: (row[1], row[0])))


def _bad_day(desk: Desk, rows: Holdings) -> tuple[Shortfall | None, tuple[str, ...]]:
    """VaR and shortfall with the names that are left out of them."""
    known = desk.year.known(desk.today).returns
    names = sorted(set(rows.tickers))
    missing = np.full(shortfall.SESSIONS, np.nan)
    days = shortfall.scenarios(
        {name: known.get(name, missing)[-shortfall.SESSIONS :] for name in names},
        {name: moves for name in names if (moves := _volatility_moves(desk, name)) is not None},
    )
    return shortfall.shortfall(rows, days), days.left_out


def _volatility_moves(desk: Desk, ticker: str) -> Floats | None:
    """Relative changes of a name's stored volatility over the sessions of the returns; None where nothing is stored."""
    snapshot = _snapshot(desk, ticker)
    if snapshot is None or not snapshot.iv_history:
        return None
    last = desk.sessions.previous(desk.today)
    days = desk.sessions.between(desk.sessions.previous(desk.today, shortfall.SESSIONS + 1), last)
    by_day = {seen.day: seen.iv for seen in snapshot.iv_history}
    level = np.array([by_day.get(day, np.nan) for day in days])
    moves: Floats = level[1:] / level[:-1] - 1
    return moves


def greeks(desk: Desk) -> Greeked:
    """Greeks of every position and of all together."""
    book, marks = _marked(desk)
    rows = held(desk, book, marks)
    names = sorted(set(rows.tickers))
    standing.ensure_returns(desk, names)
    betas = standing.betas(desk, names)
    each = sensitivities.by_position(rows, betas)
    return Greeked(
        each=each,
        total=sensitivities.total(each),
        betas=betas,
        no_beta=tuple(name for name in names if name not in betas),
        unpriced=rows.unpriced,
        stale=tuple(marks.stale),
    )


def exposed(desk: Desk) -> Exposed:
    """Concentration of everything held and being worked."""
    standing.ensure_account(desk)
    standing.ensure_returns(desk, ())
    with desk.store.read() as work:
        state = standing.risk_state(desk, work, work.open_tickets())
        limits = bounds.limits_in_force(desk, work)
    sectors = {ticker: _sector(desk, ticker) for ticker in sorted({x.ticker for x in state.exposures})}

    def by(name: Callable[[Exposure], str]) -> tuple[Share, ...]:
        return hazards.concentration(state.exposures, state.equity, name)

    return Exposed(
        by_name=by(lambda x: x.name),
        by_sector=by(lambda x: sectors[x.ticker]),
        by_expiry=by(_expiry),
        by_strategy=by(lambda x: x.strategy),
        groups=risk.groups(state, limits),
    )


def _expiry(exposure: Exposure) -> str:
    return "no expiry" if exposure.expiry is None else f"{exposure.expiry:%d %b %y}"


def _sector(desk: Desk, ticker: str) -> str:
    snapshot = _snapshot(desk, ticker)
    try:
        facts = None if snapshot is None else snapshot.fundamentals
    except (DataError, NotFound):
        facts = None
    return (facts.sector if facts is not None else None) or "unknown"


def endangered(desk: Desk) -> Endangered:
    """Liquidity, assignment, expiry and reports of everything held."""
    with desk.store.read() as work:
        book = work.book()
    positions = tuple(sorted(book.positions.values(), key=lambda position: (position.ticker, position.id)))
    names = sorted({position.ticker for position in positions})
    quotes = quoted.known(desk, {x for p in positions for x in p.instruments} | {Stock(name) for name in names})
    listed = _listed(desk, positions)
    snapshots = {name: _snapshot(desk, name) for name in names}
    spots = {name: _spot(quotes, name) for name in names}
    reports = {name: _report(snapshots[name], desk.today) for name in names}
    coming = [(name, report) for name, report in reports.items() if report is not None]
    return Endangered(
        liquidity=tuple(hazards.liquidity(position, quotes, listed) for position in positions),
        assignments=tuple(
            each
            for position in positions
            for each in hazards.assignments(
                position, spots[position.ticker], quotes, _ahead(snapshots[position.ticker]), desk.today
            )
        ),
        expiring=hazards.expiring(positions, desk.today),
        reports=tuple(sorted(coming, key=lambda row: (row[1].day, row[0]))),
        no_report=tuple(name for name, report in reports.items() if report is None),
        no_spot=tuple(name for name, spot in spots.items() if spot is None),
    )


def _listed(desk: Desk, positions: Iterable[Position]) -> dict[Instrument, Contract]:
    """The chain's rows of every option held, where their chains answer."""
    wanted: dict[str, set[Option]] = {}
    for position in positions:
        for item in position.instruments:
            if isinstance(item, Option):
                wanted.setdefault(item.underlying, set()).add(item)
    found: dict[Instrument, Contract] = {}
    for ticker, options in sorted(wanted.items()):
        try:
            chain = desk.market.chain(ticker)
        except (DataError, NotFound):
            continue
        rows = ((option, chain.find(option)) for option in options) if chain is not None else ()
        found |= {option: row for option, row in rows if row is not None}
    return found


def _spot(quotes: Mapping[Instrument, Quote], ticker: str) -> Decimal | None:
    quote = quotes.get(Stock(ticker))
    return quote.mid if quote is not None and quote.is_two_sided else None


def _ahead(snapshot: MarketSnapshot | None) -> list[tuple[date, Decimal]]:
    return [] if snapshot is None else [(each.ex_date, each.amount) for each in snapshot.dividends or ()]


def _report(snapshot: MarketSnapshot | None, today: date) -> Earnings | None:
    """The next report that is known."""
    try:
        reports = None if snapshot is None else snapshot.earnings
    except (DataError, NotFound):
        return None
    return min((each for each in reports or () if each.is_ahead(today)), key=lambda each: each.day, default=None)


def _snapshot(desk: Desk, ticker: str) -> MarketSnapshot | None:
    try:
        return desk.market.snapshot(ticker)
    except (DataError, NotFound):
        return None


def _marked(desk: Desk) -> tuple[Book, Marks]:
    with desk.store.read() as work:
        book = work.book()
        stored = standing.stored_marks(work)
    return book, standing.marks(desk, book, stored)


def held(desk: Desk, book: Book, marks: Marks) -> Holdings:
    """Every leg of the book as a row that can be revalued."""
    legs = [
        Leg(position.id, leg.instrument, leg.quantity, float(marks.prices.get(leg.instrument, Decimal("NaN"))))
        for position in sorted(book.positions.values(), key=lambda position: (position.ticker, position.id))
        for leg in position.legs
        if leg.quantity
    ]
    now = desk.now()
    close = desk.sessions.close(desk.today) if desk.sessions.is_session(desk.today) else None
    return stress.holdings(legs, _underlyings(desk, {x.instrument.underlying for x in legs}), desk.today, now, close)


def _underlyings(desk: Desk, tickers: set[str]) -> dict[str, Underlying]:
    """What the model needs of each name that has a price now."""
    quotes = quoted.known(desk, (Stock(ticker) for ticker in sorted(tickers)))
    spots = {ticker: float(spot) for ticker in tickers if (spot := _spot(quotes, ticker)) is not None}
    indices = (tickers & INDICES) - spots.keys()
    if indices:
        spots |= _levels(desk, indices)
    return {ticker: _underlying(desk, ticker, spot) for ticker, spot in sorted(spots.items())}


def _levels(desk: Desk, indices: Iterable[str]) -> dict[str, float]:
    try:
        return {symbol: level.value for symbol, level in desk.market.levels(*sorted(indices)).items()}
    except DataError:
        return {}


def _underlying(desk: Desk, ticker: str, spot: float) -> Underlying:
    """Without a snapshot neither interest nor dividends are assumed: the volatility of the mark stands for them."""
    snapshot = _snapshot(desk, ticker)
    if snapshot is None:
        return Underlying(spot)
    dividends = tuple((each.ex_date, float(each.amount)) for each in snapshot.dividends or ())
    return Underlying(spot, snapshot.rate, 0.0, dividends)


def falls(desk: Desk, book: Book, marks: Marks) -> dict[str, Decimal]:
    """Dollars one unit of each position makes when SPY falls by 5 %, by its id, where that is known."""
    rows = held(desk, book, marks)
    betas = standing.betas(desk, set(rows.tickers))
    made = stress.market_fall(rows, {name: each.value for name, each in betas.items()}, float(FALL))
    sums: dict[str, float] = {leg.position: float("nan") for leg in rows.unpriced}
    for leg, dollars in zip(rows.legs, made.tolist(), strict=True):
        sums[leg.position] = sums.get(leg.position, 0.0) + dollars
    units = {position.id: position.units for position in book.positions.values()}
    return {id: Decimal(f"{sums[id] / units[id]:.4f}") for id in sums if np.isfinite(sums[id]) and units.get(id)}
