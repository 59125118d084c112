"""What a position could be rolled into, from one chain: further out, and out with the strikes moved. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from engine import payoff
from engine.exposures import first_expiry
from engine.model.book import ZERO, Position
from engine.model.instruments import Option, Right
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import ApprovalRules
from engine.model.market import Chain, Contract, Kind
from engine.model.rolls import Candidate
from engine.model.trade import RollRules, Signal
from engine.protection import PackagePrice, band, to_cent

FURTHER = 30
"""Days further out where a strategy does not say."""
LEAST_BID = Decimal("0.05")
OUT = "out"
MOVABLE = frozenset(
    {Structure.SHORT_PUT, Structure.COVERED_CALL, Structure.LONG_CALL, Structure.LONG_PUT, Structure.CREDIT_SPREAD}
)
"""Structures whose strikes may move along: puts down, calls up. The others are rolled out only."""

Arm = Callable[[Signal], ExitPlan]


@dataclass(frozen=True, slots=True)
class Old:
    """The position that is rolled, and what its campaign has cost so far.

    Attributes:
        close: prices of closing one unit, as its buyer pays. carried: dollars per share that earlier options of the
            campaign made. shares: the position a call is written on, None for others.
    """

    position: Position
    close: PackagePrice
    carried: Decimal = ZERO
    shares: Position | None = None

    @property
    def entry(self) -> Decimal:
        return self.position.entry or ZERO

    @property
    def shares_at(self) -> Decimal | None:
        """What a share under the call cost, before the premiums of calls."""
        return None if self.shares is None else self.shares.cost / self.shares.units


def why_not(position: Position) -> str:
    """Why this position cannot be rolled at all, as a sentence; "" when it can."""
    options = [leg.instrument for leg in position.unit if isinstance(leg.instrument, Option)]
    if not position.is_open or not position.units:
        return f"{position.id} has nothing whole that could be rolled."
    if len(options) < len(position.unit) or len({option.expiry for option in options}) > 1:
        return f"{position.id} is {position.structure}: only options of one expiry are rolled."
    adjusted = [option for option in options if option.is_adjusted or option.multiplier != 100]
    return f"{adjusted[0]} is an adjusted contract: it can only be closed." if adjusted else ""


def default_rules(position: Position, today: date) -> RollRules:
    """A month further out; what brought a credit must bring one again."""
    expiry = first_expiry(position.instruments) or today
    return RollRules(dte=(expiry - today).days + FURTHER, credit_only=(position.entry or ZERO) < 0)


def candidates(
    old: Old, chain: Chain, roll: RollRules, rules: ApprovalRules, arm: Arm
) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """(ways to roll, why others are not offered). `arm` gives the exit plan of a signal."""
    expiry = _later(old.position, chain, roll)
    if expiry is None:
        return (), ("No later expiry is listed.",)
    rows = chain.where(expiry=expiry)
    found: list[Candidate] = []
    missing: list[str] = []
    straight = _rolled(old, rows, ZERO, OUT, arm)
    if isinstance(straight, str):
        missing.append(f"Out: {straight}")
    elif roll.credit_only and straight.net >= 0:
        missing.append(f"Out to {expiry:%d %b}: it would cost {straight.net:.2f}, and only a net credit is allowed.")
    else:
        found.append(straight)
    if old.position.structure in MOVABLE:
        moved = _best(list(_moved(old, rows, arm)), roll, rules)
        name = _direction(old.position)
        if moved is None:
            missing.append(
                f"{name.capitalize()}: no strike that fits" + (" brings a credit." if roll.credit_only else ".")
            )
        else:
            found.append(moved)
    return tuple(found), tuple(missing)


def _later(position: Position, chain: Chain, roll: RollRules) -> date | None:
    """The listed expiry after the position's own that is nearest the one aimed at; of equals the sooner."""
    now = first_expiry(leg.instrument for leg in position.unit)
    later = [day for day in chain.expiries if now is not None and day > now]
    aim = chain.today + timedelta(days=roll.dte)
    return min(later, key=lambda day: (abs((day - aim).days), day), default=None)


def _main(position: Position) -> Option:
    """The option a package is named after: the one sold, or the only one bought."""
    ordered = sorted(position.unit, key=lambda leg: leg.ratio)
    return next(leg.instrument for leg in ordered if isinstance(leg.instrument, Option))


def _direction(position: Position) -> str:
    return f"{OUT} and {'up' if _main(position).right is Right.CALL else 'down'}"


def _moved(old: Old, rows: Chain, arm: Arm) -> Iterator[Candidate]:
    """Every tradable package with its strikes moved the same way: puts down, calls up."""
    main = _main(old.position)
    up = main.right is Right.CALL
    for strike in sorted({row.option.strike for row in rows.contracts() if row.option.right is main.right}):
        shift = strike - main.strike
        if (shift > 0) is up and shift:
            made = _rolled(old, rows, shift, _direction(old.position), arm)
            if isinstance(made, Candidate):
                yield made


def _best(made: Sequence[Candidate], roll: RollRules, rules: ApprovalRules) -> Candidate | None:
    """The furthest that still brings a credit when the price slips by its band, or the one nearest the delta wanted."""
    if roll.credit_only:
        paying = [each for each in made if each.net <= -band(each.signal, rules)]
        return max(paying, key=_distance, default=None)
    known = [each for each in made if each.signal.outlook.greeks is not None]
    return min(known, key=lambda each: abs(abs(_delta(each)) - roll.delta), default=None)


def _distance(each: Candidate) -> Decimal:
    strike = _strike(each.signal)
    return strike if each.signal.options[0].right is Right.CALL else -strike


def _strike(signal: Signal) -> Decimal:
    return min(signal.legs, key=lambda leg: leg.ratio).instrument.strike  # type: ignore[union-attr]


def _delta(each: Candidate) -> float:
    greeks = each.signal.outlook.greeks
    return greeks.delta if greeks is not None else float("nan")


def _rolled(old: Old, rows: Chain, shift: Decimal, name: str, arm: Arm) -> Candidate | str:
    """The candidate with the strikes moved by `shift`; why there is none, as words, otherwise."""
    picked: list[Contract] = []
    for leg in old.position.unit:
        contract = _contract(rows, leg, shift)
        if isinstance(contract, str):
            return contract
        picked.append(contract)
    legs = tuple(Leg(row.option, leg.ratio) for row, leg in zip(picked, old.position.unit, strict=True))
    signal = _signal(old, rows, legs, picked)
    signal = replace(signal, exits=arm(signal), reasons=(f"rolled {name} from {old.position.id}",))
    close = to_cent(old.close.mid)
    paid = old.entry + close + signal.limit - old.carried
    package, net = payoff.with_shares(legs, paid, old.shares_at)
    return Candidate(name, signal, close, payoff.breakevens(package, net))


def _contract(rows: Chain, leg: Leg, shift: Decimal) -> Contract | str:
    option = leg.instrument
    if not isinstance(option, Option):
        return f"{option} is no option"
    expiry = rows.expiry[0].astype(object) if len(rows) else option.expiry
    wanted = replace(option, expiry=expiry, strike=option.strike + shift)
    found = rows.find(wanted)
    if found is None:
        return f"{wanted} is not listed."
    if found.bid <= LEAST_BID or found.ask < found.bid:
        return f"{wanted} has no usable quote."
    return found


def _signal(old: Old, rows: Chain, legs: tuple[Leg, ...], picked: Sequence[Contract]) -> Signal:
    """The new position at mid, with the shares under a call at what they cost net of every premium so far."""
    position, spot = old.position, Decimal(f"{rows.spot:.4f}")
    limit = to_cent(_sum(row.mid * leg.ratio for row, leg in zip(picked, legs, strict=True)))
    natural = _sum((row.ask if leg.ratio > 0 else row.bid) * leg.ratio for row, leg in zip(picked, legs, strict=True))
    basis = old.shares_at
    if basis is not None:
        basis += old.entry + to_cent(old.close.mid) - old.carried
    expiry = picked[0].option.expiry
    rate, carry = rows.rate_to(expiry), rows.yield_to(expiry)
    outlook = payoff.outlook(legs, limit, picked, rows, rows.spot, rate, rows.today, carry, basis)
    return Signal(
        strategy=position.strategy,
        ticker=position.ticker,
        structure=position.structure,
        legs=legs,
        limit=limit,
        natural=natural,
        spot=spot,
        outlook=outlook,
        exits=ExitPlan(),
        asof=rows.asof,
        reasons=(),
        campaign=position.campaign,
        covers=None if old.shares is None else old.shares.id,
        at_most=position.units,
        data=str(rows.source),
        modelled=rows.source.kind is Kind.MODELLED,
    )


def _sum(parts: Iterable[Decimal]) -> Decimal:
    return sum(parts, ZERO)


def carried_exits(position: Position, signal: Signal) -> ExitPlan:
    """The exits of a rolled position whose strategy does not set them: those of the old one, in proportion to price."""
    plan, entry = position.exits, position.entry
    scale = signal.limit / entry if entry and entry * signal.limit > 0 else Decimal(1)
    old, new = first_expiry(leg.instrument for leg in position.unit), first_expiry(signal.options)
    close_on = plan.close_on + (new - old) if plan.close_on and old and new else plan.close_on
    return replace(
        plan,
        target=None if plan.target is None else plan.target * scale,
        stop=None if plan.stop is None else plan.stop * scale,
        close_on=close_on,
        words=("As before the roll, in proportion to the new price.",),
    )
