"""The ways to protect shares over a report, each with what it makes in the scenario: compared, ranked, apart.

Dollars are of the whole (every hundred shares protected), before fees, at mid prices rounded to the cent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

import numpy as np

from engine.model.instruments import Option, Right
from engine.model.legs import Leg, Structure
from engine.model.market import Chain, Contract
from engine.model.trade import Context
from strategies import contracts
from strategies.earnings_protection.crush import Crush, outcomes
from strategies.earnings_protection.params import Params
from strategies.funnel import all_passed

ZERO = Decimal(0)


class Way(StrEnum):
    """The ways by name, as the table shows them."""

    PUT = "put"
    COLLAR = "collar"
    DEEP = "deep put"
    DIAGONAL = "diagonal"
    CALENDAR = "calendar"


STRUCTURES = {
    Way.PUT: Structure.LONG_PUT,
    Way.COLLAR: Structure.COLLAR,
    Way.DEEP: Structure.LONG_PUT,
    Way.DIAGONAL: Structure.DIAGONAL,
    Way.CALENDAR: Structure.CALENDAR,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way with what it makes.

    Attributes:
        rows: the chain's row of each leg. limit: net debit a share at mid. units: hundreds of shares protected.
        flat, fall, rise: dollars with the shares unchanged, down and up by the move.
    """

    way: Way
    legs: tuple[Leg, ...]
    rows: tuple[Contract, ...]
    limit: Decimal
    units: int
    flat: Decimal
    fall: Decimal
    rise: Decimal

    @property
    def protects(self) -> bool:
        return self.fall > 0

    @property
    def cost(self) -> float:
        """Dollars lost with the shares unchanged for each dollar protected; infinite where nothing is."""
        return float(-self.flat / self.fall) if self.fall > 0 else float("inf")

    def covers(self, need: Decimal) -> bool:
        return self.fall >= need

    def share_of(self, need: Decimal) -> float:
        """How much of the need it covers, decimal."""
        return float(self.fall / need)


@dataclass(frozen=True, slots=True)
class Pick:
    """A leg that a way wants: strikes are aimed at, `ratio` as in `Leg`."""

    right: Right
    expiry: date
    strike: float
    ratio: int


@dataclass(frozen=True, slots=True)
class Ground:
    """What all ways stand on: the chain, its two expiries, the shares and the scenario.

    `free` are the hundreds of shares of one position that no call is written on.
    """

    chain: Chain
    front: date
    later: date
    spot: Decimal
    units: int
    free: int
    scenario: Crush


def picks(way: Way, ground: Ground, params: Params) -> tuple[Pick, ...]:
    """The legs of a way, bought ones first."""
    spot, front, later = float(ground.spot), ground.front, ground.later
    under = Pick(Right.PUT, front, params.put_ratio * spot, 1)
    match way:
        case Way.PUT:
            return (under,)
        case Way.COLLAR:
            return (under, Pick(Right.CALL, front, params.call_ratio * spot, -1))
        case Way.DEEP:
            return (Pick(Right.PUT, later, params.deep_ratio * spot, 1),)
        case Way.DIAGONAL:
            fallen = (1 - ground.scenario.move) * spot
            return (Pick(Right.PUT, later, spot, 1), Pick(Right.PUT, front, fallen, -1))
        case Way.CALENDAR:
            same = params.put_ratio * spot
            return (Pick(Right.PUT, later, same, 1), Pick(Right.PUT, front, same, -1))


def candidate(way: Way, ground: Ground, params: Params, context: Context) -> Candidate | str:
    """The way with real contracts, or why it is not offered, as words."""
    if way is Way.COLLAR and ground.free < ground.units:
        return f"of {ground.units} hundreds of shares only {ground.free} are free for calls"
    found: list[Contract] = []
    for wanted in picks(way, ground, params):
        row = contract_for(wanted, ground.chain, ground.spot, params, context)
        if isinstance(row, str):
            return row
        found.append(row)
    signs = [wanted.ratio for wanted in picks(way, ground, params)]
    legs = tuple(Leg(row.option, ratio) for row, ratio in zip(found, signs, strict=True))
    strikes = [row.option.strike for row in found]
    if way is Way.DIAGONAL and strikes[1] >= strikes[0]:
        return "no lower strike at the expected fall"
    if way is Way.CALENDAR and strikes[1] != strikes[0]:
        return f"{strikes[1]:f} is not listed for both expiries"
    limit = sum((row.limit * ratio for row, ratio in zip(found, signs, strict=True)), ZERO)
    made = outcomes(legs, limit, ground.chain, ground.scenario, ground.spot, ground.units)
    if made is None or limit <= 0:
        return "its quotes make no price" if made else "its value after the report cannot be modelled"
    return Candidate(way, legs, tuple(found), limit, ground.units, *made)


def contract_for(wanted: Pick, chain: Chain, spot: Decimal, params: Params, context: Context) -> Contract | str:
    """The listed contract nearest the strike wanted, if it is near enough and trades; else why not."""
    rows = chain.where(right=wanted.right, expiry=wanted.expiry)
    aim = contracts.strike_aim(wanted.strike)
    name = f"{wanted.expiry:%d %b} {wanted.strike:.2f} {'call' if wanted.right is Right.CALL else 'put'}"
    if not len(rows):
        return f"nothing like the {name} is listed"
    row = np.array([contracts.nearest(rows, aim)])
    strike = float(rows.strike[row[0]])
    if abs(strike - wanted.strike) > params.strike_slack * float(spot) + 1e-9:
        return f"no strike near the {name}: {strike:g} is the nearest"
    most = params.max_spread_bought if wanted.ratio > 0 else params.max_spread_sold
    sieves = (
        contracts.bid_above(params.min_bid),
        contracts.spread_within(most),
        contracts.traded(params.min_open_interest, params.min_contract_volume),
        contracts.has_volatility(),
    )
    left, steps = contracts.sift(rows.take(row), sieves, aim, context)
    if not all_passed(steps):
        return f"{strike:g} {'call' if wanted.right is Right.CALL else 'put'}: {steps[-1].rule} {steps[-1].value}"
    return left.row(0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every way compared.

    Attributes:
        need: dollars that must be protected. ranked: what protects, best first: those that cover the need by cost per
            dollar, then the others by how much they cover. calendar: apart, None where there is none worth offering.
        missing: why the other ways are not there, by way.
    """

    need: Decimal
    ranked: tuple[Candidate, ...]
    calendar: Candidate | None
    missing: tuple[tuple[Way, str], ...]

    @property
    def shown(self) -> tuple[Candidate, ...]:
        return (*self.ranked, *((self.calendar,) if self.calendar else ()))


def compare(ground: Ground, need: Decimal, params: Params, context: Context) -> Comparison:
    """All ways on this ground, ranked."""
    made = {way: candidate(way, ground, params, context) for way in Way}
    found = [each for way, each in made.items() if isinstance(each, Candidate) and way is not Way.CALENDAR]
    calendar = made[Way.CALENDAR]
    missing = tuple((way, why) for way, why in made.items() if isinstance(why, str))
    most = Decimal(str(params.max_premium)) * ground.spot
    return Comparison(need, ranked(found, need, most), calendar if isinstance(calendar, Candidate) else None, missing)


def ranked(found: Iterable[Candidate], need: Decimal, most: Decimal) -> tuple[Candidate, ...]:
    """What protects: those that cover the need first, and of them those whose premium is at most `most` a share."""

    def place(each: Candidate) -> tuple[bool, bool, float]:
        if each.covers(need):
            return False, each.limit > most, each.cost
        return True, False, -float(each.fall)

    return tuple(sorted((each for each in found if each.protects), key=place))


def sold(candidate: Candidate) -> Option | None:
    """The option a way sells, None where it only buys."""
    options = (leg.instrument for leg in candidate.legs if leg.ratio < 0)
    return next((option for option in options if isinstance(option, Option)), None)
