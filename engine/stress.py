"""What everything held would make or lose if spots, volatilities and the date moved: full revaluation, in columns.

Spot 0, ±1, ±3, ±5, ±10, ±20 % x volatility -25, 0, +50 % (relative) x 0, 1, 7 days ahead: 99 cells. The spot move is
the same for every underlying and is of the price with its dividend: an ex-date in between takes the dividend off, and
shares are paid it. Options are European with discrete dividends escrowed, never below their exercise value where they
may be exercised; short ones in the money, and short calls over an ex-date, are American. Options that have expired by
then are worth what they are in the money. The mark is the anchor: a volatility is the one at which the model gives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.model.instruments import Instrument, Option, Right, Style
from engine.model.market import Floats
from engine.pricing import american_values, implied_volatility, lattice_volatility, value, years_left

SPOTS = (-0.20, -0.10, -0.05, -0.03, -0.01, 0.0, 0.01, 0.03, 0.05, 0.10, 0.20)
VOLS = (-0.25, 0.0, 0.50)
DAYS = (0, 1, 7)
DAYS_A_YEAR = 365.0
LOWEST_MOVE = -0.99
"""No share falls by more, whatever its beta says."""

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]
COLUMNS = (
    "shares", "spot", "strike", "years", "rate", "dividend_yield", "iv", "base",
    "is_option", "is_call", "may_exercise", "is_american",
)  # fmt: skip

Payments = tuple[tuple[float, float], ...]
"""(years from now, dollars) of ex-dates."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One scenario: decimal moves of spot and volatility, calendar days ahead, and the dollars made in it."""

    spot: float
    vol: float
    days: int
    pnl: float


@dataclass(frozen=True, slots=True, eq=False)
class StressGrid:
    """Dollars made in every scenario: `pnl[i, j, k]` at `spots[i]`, `vols[j]`, `days[k]`; losses are negative.

    Attributes:
        spots: (11,) decimal moves of every underlying, ascending. vols: (3,) relative moves of every volatility.
        days: (3,) calendar days ahead. pnl: (11, 3, 3).
    """

    spots: Floats
    vols: Floats
    days: NDArray[np.int64]
    pnl: Floats

    def at(self, spot: float, vol: float, days: int) -> float:
        """Dollars made in one of its scenarios."""
        row, column = int(np.abs(self.spots - spot).argmin()), int(np.abs(self.vols - vol).argmin())
        return float(self.pnl[row, column, int(np.abs(self.days - days).argmin())])

    @property
    def worst(self) -> tuple[Cell, ...]:
        """Every scenario, the one that loses most first; of equal ones the smaller move."""
        cells = [
            Cell(float(spot), float(vol), int(days), float(self.pnl[i, j, k]))
            for i, spot in enumerate(self.spots)
            for j, vol in enumerate(self.vols)
            for k, days in enumerate(self.days)
        ]
        return tuple(sorted(cells, key=lambda cell: (cell.pnl, abs(cell.spot), abs(cell.vol), cell.days)))


@dataclass(frozen=True, slots=True)
class Underlying:
    """What the model needs of one name: dollars, continuous decimals a year, dividends as (ex-date, dollars)."""

    spot: float
    rate: float = 0.0
    dividend_yield: float = 0.0
    dividends: tuple[tuple[date, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Leg:
    """So many contracts or shares of one instrument in one position, at `mark` dollars a share now."""

    position: str
    instrument: Instrument
    quantity: int
    mark: float


@dataclass(frozen=True, slots=True, eq=False)
class Holdings:
    """What is held as columns of equal length n, ready to be revalued.

    Attributes:
        legs: the rows. shares: signed shares behind each. spot, strike: dollars; years: left, NaN for shares.
        iv: annualised decimal at which the model gives the mark; NaN for shares, and for options that trade at or
            below their exercise value, which are held to that. is_american: priced with early exercise.
        base: dollars a share by the model as things stand: the marks, to the precision of the volatilities.
        dividends: ex-dates up to the expiry of each row. unpriced: legs without a number to start from, left out.
    """

    legs: tuple[Leg, ...]
    shares: Floats
    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    dividend_yield: Floats
    iv: Floats
    base: Floats
    is_option: Mask
    is_call: Mask
    may_exercise: Mask
    is_american: Mask
    dividends: tuple[Payments, ...]
    unpriced: tuple[Leg, ...] = ()

    def __len__(self) -> int:
        return len(self.legs)

    @property
    def tickers(self) -> tuple[str, ...]:
        """The underlying of each row."""
        return tuple(leg.instrument.underlying for leg in self.legs)

    @property
    def at_exercise_value(self) -> tuple[Leg, ...]:
        """Options whose mark leaves no time value: they are revalued at what they are in the money."""
        rows = np.flatnonzero(self.is_option & np.isnan(self.iv))
        return tuple(self.legs[row] for row in rows)

    def take(self, chosen: Mask) -> Holdings:
        """The chosen rows."""
        places = np.flatnonzero(chosen)
        columns: dict[str, Any] = {name: getattr(self, name)[places] for name in COLUMNS}
        columns["legs"] = tuple(self.legs[place] for place in places)
        columns["dividends"] = tuple(self.dividends[place] for place in places)
        return replace(self, **columns)

    def due(self, days: float) -> tuple[Floats, Floats]:
        """(n,) dividends that will have gone ex in `days`, and the present value at that day of those after it."""
        now = days / DAYS_A_YEAR
        passed = [sum(amount for when, amount in row if when <= now) for row in self.dividends]
        ahead = [
            sum(amount * float(np.exp(-rate * (when - now))) for when, amount in row if when > now)
            for row, rate in zip(self.dividends, self.rate, strict=True)
        ]
        return np.array(passed, dtype=np.float64), np.array(ahead, dtype=np.float64)


def holdings(
    legs: Iterable[Leg],
    underlyings: Mapping[str, Underlying],
    today: date,
    asof: datetime,
    close: datetime | None = None,
) -> Holdings:
    """What is held as columns, each option with the volatility of its mark.

    A leg is left out (`Holdings.unpriced`) when its underlying has no price, its mark is missing or below zero, or an
    option out of the money is marked at a price that tells no volatility.

    Args:
        today: trading date in New York. asof: aware instant. close: when today's session ends, 16:00 unless told.
    """
    wanted = tuple(legs)
    known = [leg for leg in wanted if leg.instrument.underlying in underlyings and leg.mark >= 0]
    rows = _columns(known, underlyings, today, asof, close)
    rows.iv[:] = _volatilities(rows, _floats(leg.mark for leg in known))
    rows.base[:] = values(rows, rows.spot[:, None], rows.iv[:, None])[:, 0]
    has_none = rows.is_option & (rows.years > 0) & np.isnan(rows.iv) & (rows.base == 0)
    unpriced = tuple(leg for leg in wanted if leg.instrument.underlying not in underlyings or not leg.mark >= 0)
    return replace(rows.take(~has_none), unpriced=(*unpriced, *(known[row] for row in np.flatnonzero(has_none))))


def _columns(
    legs: list[Leg], underlyings: Mapping[str, Underlying], today: date, asof: datetime, close: datetime | None
) -> Holdings:
    names = [underlyings[leg.instrument.underlying] for leg in legs]
    options = [leg.instrument if isinstance(leg.instrument, Option) else None for leg in legs]
    is_option = np.array([option is not None for option in options], dtype=bool)
    expiry = np.array([today if option is None else option.expiry for option in options], dtype="datetime64[D]")
    years = np.where(is_option, np.nan_to_num(years_left(expiry, today, asof, close)), np.nan)
    spot = _floats(name.spot for name in names)
    strike = _floats(np.nan if option is None else float(option.strike) for option in options)
    is_call = np.array([option is not None and option.right is Right.CALL for option in options], dtype=bool)
    may_exercise = np.array([option is not None and option.style is Style.AMERICAN for option in options], dtype=bool)
    dividends = tuple(_payments(name, option, today) for name, option in zip(names, options, strict=True))
    shares = _floats(leg.quantity * leg.instrument.multiplier for leg in legs)
    inside = np.where(is_call, spot - strike, strike - spot) > 0
    is_over_ex_date = is_call & np.array([len(row) > 0 for row in dividends], dtype=bool)
    return Holdings(
        legs=tuple(legs),
        shares=shares,
        spot=spot,
        strike=strike,
        years=years,
        rate=_floats(name.rate for name in names),
        dividend_yield=_floats(name.dividend_yield for name in names),
        iv=np.full(len(legs), np.nan),
        base=np.full(len(legs), np.nan),
        is_option=is_option,
        is_call=is_call,
        may_exercise=may_exercise,
        is_american=may_exercise & (shares < 0) & (inside | is_over_ex_date),
        dividends=dividends,
    )


def _floats(numbers: Iterable[float]) -> Floats:
    return np.fromiter(numbers, dtype=np.float64)


def _payments(name: Underlying, option: Option | None, today: date) -> Payments:
    """The ex-dates up to an option's expiry; shares are paid theirs, which is what the fall of the price takes."""
    if option is None:
        return ()
    ahead = ((ex_date - today).days / DAYS_A_YEAR for ex_date, _ in name.dividends)
    return tuple(
        (when, amount)
        for when, (ex_date, amount) in zip(ahead, name.dividends, strict=True)
        if today < ex_date <= option.expiry
    )


def _volatilities(rows: Holdings, marks: Floats) -> Floats:
    """(n,) volatilities at which the model of each row gives its mark; NaN where there is none."""
    _, ahead = rows.due(0)
    found = implied_volatility(
        marks, rows.spot - ahead, rows.strike, rows.years, rows.rate, rows.is_call, rows.dividend_yield
    )
    for row in np.flatnonzero(rows.is_american):
        found[row] = lattice_volatility(
            float(marks[row]), float(rows.spot[row]), *_terms(rows, int(row)), rows.dividends[row]
        )
    return found


def _terms(rows: Holdings, row: int) -> tuple[float, float, float, bool, float]:
    """Strike, years, rate, right and yield of one row."""
    columns = (rows.strike[row], rows.years[row], rows.rate[row])
    strike, years, rate = (float(each) for each in columns)
    return strike, years, rate, bool(rows.is_call[row]), float(rows.dividend_yield[row])


def values(rows: Holdings, spots: Floats, ivs: Floats, days: float = 0) -> Floats:
    """(n, m) dollars a share of each row at m pairs of spot and volatility, `days` from now.

    `spots`, `ivs`: (n, m); the spots still carry the dividends that go ex until then.
    """
    passed, ahead = rows.due(days)
    fallen = spots - np.where(rows.is_option, passed, 0.0)[:, None]
    found = fallen.copy()
    years = np.maximum(rows.years - days / DAYS_A_YEAR, 0.0)
    options = np.flatnonzero(rows.is_option)
    plain = np.flatnonzero(rows.is_option & ~rows.is_american)
    found[options] = _intrinsic(rows, fallen)[options]
    if len(plain):
        european = _european(rows, plain, fallen[plain] - ahead[plain, None], ivs[plain], years[plain])
        floor = np.where(rows.may_exercise[plain, None] | np.isnan(european), found[plain], -np.inf)
        found[plain] = np.fmax(european, floor)
    for row in np.flatnonzero(rows.is_american & (years > 0) & np.isfinite(rows.iv)):
        strike, _, rate, is_call, carry = _terms(rows, int(row))
        left = tuple((when - days / DAYS_A_YEAR, amount) for when, amount in rows.dividends[row])
        american = american_values(fallen[row], strike, float(years[row]), rate, ivs[row], is_call, carry, left)
        found[row] = np.fmax(american, found[row])
    return found


def _intrinsic(rows: Holdings, spots: Floats) -> Floats:
    """(n, m) dollars a share in the money, 0 out of it; NaN for shares."""
    sign = np.where(rows.is_call, 1.0, -1.0)[:, None]
    return np.maximum(sign * (spots - rows.strike[:, None]), 0.0)


def _european(rows: Holdings, chosen: Places, spots: Floats, ivs: Floats, years: Floats) -> Floats:
    """(len(chosen), m) European values; NaN once expired."""
    n, m = spots.shape
    columns = (rows.strike[chosen], years, rows.rate[chosen], rows.is_call[chosen], rows.dividend_yield[chosen])
    strike, left, rate, is_call, carry = (np.repeat(column, m) for column in columns)
    return value(spots.ravel(), strike, left, rate, ivs.ravel(), is_call, carry).reshape(n, m)


def pnl(rows: Holdings, moves: Floats, vols: Floats, days: float = 0) -> Floats:
    """(n, m) dollars each row makes in m scenarios against now.

    `moves`, `vols`: (m,) or (n, m) decimal moves of the spot and, relative, of the volatility.
    """
    n = len(rows)
    shape = (n, np.broadcast_shapes(moves.shape[-1:], vols.shape[-1:])[0])
    spots = np.broadcast_to(rows.spot[:, None] * (1.0 + np.maximum(moves, LOWEST_MOVE)), shape)
    ivs = np.broadcast_to(rows.iv[:, None] * (1.0 + vols), shape)
    return rows.shares[:, None] * (values(rows, spots, ivs, days) - rows.base[:, None])


def cells(rows: Holdings) -> Floats:
    """(n, 11, 3, 3) dollars each row makes in every scenario."""
    moves, vols = (axis.ravel() for axis in np.meshgrid(SPOTS, VOLS, indexing="ij"))
    slices = [pnl(rows, moves, vols, days).reshape(len(rows), len(SPOTS), len(VOLS)) for days in DAYS]
    return np.stack(slices, axis=-1)


def grid(rows: Holdings) -> StressGrid:
    """The scenarios of everything held."""
    return summed(cells(rows))


def summed(each: Floats) -> StressGrid:
    """The scenarios of some rows of `cells` together."""
    return StressGrid(np.array(SPOTS), np.array(VOLS), np.array(DAYS, dtype=np.int64), each.sum(axis=0))


def market_fall(rows: Holdings, betas: Mapping[str, float], move: float) -> Floats:
    """(n,) dollars each row makes when the market moves by `move` and each name by its beta times that, at once.

    Volatilities stay where they are. A name without a beta is NaN: whoever adds up names it.
    """
    moves = _floats(betas.get(ticker, np.nan) * move for ticker in rows.tickers)
    found = pnl(rows, np.nan_to_num(moves)[:, None], np.zeros(1))[:, 0]
    return np.where(np.isnan(moves), np.nan, found)
