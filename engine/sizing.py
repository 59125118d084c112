"""How much: from a signal to a trade plan, the smallest of every cap; and the Kelly fraction of closed campaigns.

Every cap is shown with its number (`TradePlan.sizing`). Zero units is a legal answer and its caps say why.
The rules and their sources: docs/strategies.md, "Sizing".
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from math import inf, isfinite

from engine import calendars, payoff
from engine.errors import BadRequest
from engine.exposures import ON_SHARES
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.limits import Costs, Limits
from engine.model.trade import Campaign, Signal, Step, TradePlan, Verdict
from engine.percent import as_percent
from engine.risk import ALL_LEAPS, LEAPS, PUTS, RiskState, breaches, check, kind_cap

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Cap:
    """One bound on the size: `room` dollars to spend at `each` dollars a unit.

    `each` 0 does not bind; negative room is none. `limit` says where the room comes from.
    """

    rule: str
    limit: str
    room: Decimal
    each: Decimal

    @property
    def binds(self) -> bool:
        return self.each > 0

    @property
    def units(self) -> int:
        """Whole units that fit, at least 0. Only asked of a cap that binds."""
        return max(0, int((self.room / self.each).to_integral_value(ROUND_FLOOR)))

    def step(self) -> Step:
        """The cap as a step of the funnel: "10,000/4,400 = 2"; failed when nothing fits."""
        verdict = Verdict.PASSED if self.units else Verdict.FAILED
        return Step(self.rule, self.limit, f"{_dollars(self.room)}/{_dollars(self.each)} = {self.units}", verdict)


def _dollars(amount: Decimal) -> str:
    """Thousands with commas; cents only where there are some."""
    return f"{amount:,.0f}" if amount == amount.to_integral_value() else f"{amount:,.2f}"


def _percent(fraction: Decimal) -> str:
    return f"{(fraction * 100).normalize():f} %"


def size(signal: Signal, state: RiskState, limits: Limits, costs: Costs, at_most: int | None = None) -> TradePlan:
    """The signal with as many units as the caps allow, perhaps none.

    Args:
        state: equity, buying power, what is held and what working orders reserve.
        at_most: a bound set by a person (a card already halved), None for none.
    """
    bounds = [bound for bound in (signal.at_most, at_most) if bound is not None]
    loss = signal.outlook.max_loss
    if loss is None or (loss <= 0 and signal.structure not in ON_SHARES):
        found = "unlimited" if loss is None else "none: these prices cannot be right"
        return _plan(signal, 0, (Step("maximum loss", "a limited one", found),), limits, costs)
    if len(calendars.lasting(signal.legs)) < len(signal.legs):
        found = "an option bought ends before the one sold"
        return _plan(signal, 0, (Step("short legs", "covered to their end", found),), limits, costs)
    caps = [cap for cap in _caps(signal, loss, state, limits, costs) if cap.binds]
    steps = [cap.step() for cap in caps]
    if signal.at_most is not None:
        verdict = Verdict.PASSED if signal.at_most else Verdict.FAILED
        rule, limit = ("free shares", "100 for each contract") if signal.covers else ("at most", "bound of its own")
        steps.append(Step(rule, limit, f"{signal.at_most} contracts", verdict))
    if signal.at_risk is not None and signal.at_risk <= 0:
        steps.append(Step("Kelly", "> 0", f"{signal.at_risk:.4f}"))
        bounds.append(0)
    quantity = max(0, min([*(cap.units for cap in caps), *bounds], default=0))
    return _plan(signal, quantity, tuple(steps), limits, costs)


def _caps(signal: Signal, loss: Decimal, state: RiskState, limits: Limits, costs: Costs) -> tuple[Cap, ...]:
    """The caps of the signal's structure, the one that usually binds first."""
    money = _buying_power(signal, state, costs)
    if signal.structure in ON_SHARES:
        return (money,)
    if signal.structure is Structure.SHORT_PUT:
        return (*_put_caps(signal.outlook.collateral, state, limits), money)
    wall = _share("max position risk", limits.max_position_risk, state, loss)
    return (_trade_cap(signal, loss, state, limits), wall, *_leaps_total(signal, loss, state, limits), money)


def _share(rule: str, fraction: Decimal, state: RiskState, each: Decimal, used: Decimal = ZERO) -> Cap:
    limit = f"{_percent(fraction)} of equity" + (f", {_dollars(used)} used" if used else "")
    return Cap(rule, limit, fraction * state.equity - used, each)


def _put_caps(collateral: Decimal, state: RiskState, limits: Limits) -> tuple[Cap, ...]:
    """Strike x 100 against the position's wall, the cap on one put, and the cap on all puts and assigned shares."""
    used = PUTS.used(state)
    return (
        _share("max position risk", limits.max_position_risk, state, collateral),
        _share("put collateral", limits.put_collateral_each, state, collateral),
        _share("all puts and shares", limits.put_collateral_total, state, collateral, used),
    )


def _trade_cap(signal: Signal, loss: Decimal, state: RiskState, limits: Limits) -> Cap:
    """Maximum loss of one trade: what the strategy wants at risk, else the cap of its kind."""
    if signal.at_risk is not None:
        wanted = max(ZERO, Decimal(str(signal.at_risk)))
        return Cap("at risk", f"{_percent(round(wanted, 6))} of equity", wanted * state.equity, loss)
    name, fraction = kind_cap(signal.strategy, signal.structure, limits) or ("defined risk", limits.defined_risk)
    return _share(name, fraction, state, loss)


def _leaps_total(signal: Signal, loss: Decimal, state: RiskState, limits: Limits) -> tuple[Cap, ...]:
    if signal.strategy != LEAPS:
        return ()
    return (_share("all LEAPS", limits.leaps_total, state, loss, ALL_LEAPS.used(state)),)


def _buying_power(signal: Signal, state: RiskState, costs: Costs) -> Cap:
    """Free options buying power against collateral, debit and fees; a credit is not spent before it is received."""
    reserved = state.unsent
    each = signal.outlook.collateral + max(signal.limit, ZERO) * payoff.multiplier(signal.legs)
    limit = "free options buying power" + (f", {_dollars(reserved)} reserved" if reserved else "")
    return Cap("buying power", limit, state.buying_power - reserved, each + fees(signal.legs, 1, costs))


def fees(legs: Sequence[Leg], quantity: int, costs: Costs) -> Decimal:
    """Estimated dollars of one side: per contract and leg for options, per order for shares.

    >>> from datetime import date
    >>> from engine.model.instruments import Option, Right
    >>> fees((Leg(Option("X", date(2026, 12, 18), Right.PUT, Decimal(44)), -1),), 2, Costs())
    Decimal('2.00')
    """
    if not quantity:
        return ZERO
    contracts = sum(abs(leg.ratio) for leg in legs if leg.instrument.multiplier != 1)
    orders = sum(1 for leg in legs if leg.instrument.multiplier == 1)
    return costs.option_commission * contracts * quantity + costs.stock_commission * orders


def _plan(signal: Signal, quantity: int, steps: tuple[Step, ...], limits: Limits, costs: Costs) -> TradePlan:
    """Totals for `quantity` units. The binding caps are failed only where nothing fits."""
    unit = signal.outlook
    return TradePlan(
        signal=signal,
        quantity=quantity,
        max_loss=None if unit.max_loss is None else unit.max_loss * quantity,
        max_gain=None if unit.max_gain is None else unit.max_gain * quantity,
        collateral=unit.collateral * quantity,
        counted_risk=_counted(signal, limits) * quantity if quantity else ZERO,
        fees=fees(signal.legs, quantity, costs),
        sizing=steps,
    )


def _counted(signal: Signal, limits: Limits) -> Decimal:
    """Dollars one unit adds to the counted risk: nothing for what is written on shares already counted."""
    if signal.structure in ON_SHARES:
        return ZERO
    return payoff.counted_risk(signal.structure, signal.legs, signal.limit, signal.spot, limits.stress_move)


def resize(plan: TradePlan, quantity: int, costs: Costs) -> TradePlan:
    """The same plan for fewer units.

    Raises:
        BadRequest: not between 1 and the plan's own quantity.
    """
    if not 1 <= quantity <= plan.quantity:
        raise BadRequest(f"{quantity} is not a size this proposal allows: it is for at most {plan.quantity}.")

    def part(total: Decimal) -> Decimal:
        return total * quantity / plan.quantity

    return replace(
        plan,
        quantity=quantity,
        max_loss=None if plan.max_loss is None else part(plan.max_loss),
        max_gain=None if plan.max_gain is None else part(plan.max_gain),
        collateral=part(plan.collateral),
        counted_risk=part(plan.counted_risk),
        fees=fees(plan.signal.legs, quantity, costs),
        market_fall=None if plan.market_fall is None else part(plan.market_fall),
    )


def fitted(plan: TradePlan, state: RiskState, limits: Limits, costs: Costs) -> TradePlan:
    """The plan with as many of its units as the cap of its kind allows at its price, perhaps 0.

    A put's cap is on its strike and a covered call has none: those keep their size.
    """
    loss = plan.signal.outlook.max_loss
    if plan.signal.structure in {Structure.SHORT_PUT, *ON_SHARES} or loss is None or loss <= 0:
        return plan
    units = _trade_cap(plan.signal, loss, state, limits).units
    if units >= plan.quantity:
        return plan
    return resize(plan, units, costs) if units else replace(plan, quantity=0)


def within(plan: TradePlan, state: RiskState, limits: Limits, costs: Costs) -> TradePlan:
    """The plan with as many of its units as keep every limit, told beside its caps; as it is where not one does.

    More units never use less of a limit, so the largest size is found by halving.
    """
    if not breaches(check(plan, state, limits)):
        return plan

    def is_over(units: int) -> bool:
        return bool(breaches(check(resize(plan, units, costs), state, limits)))

    units = bisect_left(range(1, plan.quantity), True, key=is_over)
    if not units:
        return plan
    bound = breaches(check(resize(plan, units + 1, costs), state, limits))[0]
    told = Step(bound.name, f"limit {bound.unit.shown(bound.limit)}", f"{units} of {plan.quantity}", Verdict.PASSED)
    return replace(resize(plan, units, costs), sizing=(*plan.sizing, told))


def repriced(signal: Signal, limit: Decimal, natural: Decimal, spot: Decimal, exits: ExitPlan | None = None) -> Signal:
    """The signal at fresh prices: loss, gain and breakevens anew, probability and Greeks marked as the earlier ones.

    `exits`: the exit plan at the new limit (`Strategy.exits`); None keeps the one of the first card.
    """
    return replace(
        signal,
        limit=limit,
        natural=natural,
        spot=spot,
        outlook=payoff.moved(signal.outlook, signal.legs, limit),
        exits=exits or signal.exits,
    )


def reprice(
    plan: TradePlan,
    limit: Decimal,
    natural: Decimal,
    spot: Decimal,
    limits: Limits | None = None,
    exits: ExitPlan | None = None,
) -> TradePlan:
    """The plan at fresh prices, its size unchanged: whether that still fits is for the risk check to say.

    `limits` gives the stress of the counted risk (default limits when None); `exits` as in `repriced`.
    """
    signal = repriced(plan.signal, limit, natural, spot, exits)
    unit = signal.outlook
    counted = _counted(signal, limits or Limits()) if plan.quantity and unit.max_loss is not None else ZERO
    return replace(
        plan,
        signal=signal,
        max_loss=None if unit.max_loss is None else unit.max_loss * plan.quantity,
        max_gain=None if unit.max_gain is None else unit.max_gain * plan.quantity,
        counted_risk=counted * plan.quantity,
    )


@dataclass(frozen=True, slots=True)
class Kelly:
    """The fraction of equity to put at risk, and what it was computed from.

    Attributes:
        count, wins: closed campaigns and how many of them made money after fees.
        average_win, average_loss: mean multiple of the premium, both positive; 0 where there is none.
        full: f = p - (1 - p) / (average win / average loss), -inf without a win; None with too few campaigns.
        used: the fraction after share, volatility and cap; 0 means no trade.
    """

    count: int
    wins: int
    average_win: float
    average_loss: float
    full: float | None
    used: float

    @property
    def words(self) -> str:
        """`Kelly on 40 campaigns: 45 % won, +1.10 R against -0.48 R, f 0.2100, 2.00 % of equity used`."""
        used = f"{as_percent(self.used, '.2')} of equity used"
        if self.full is None:
            return f"{self.count} closed campaigns are too few for Kelly: {used}"
        return (
            f"Kelly on {self.count} campaigns: {as_percent(self.wins / self.count)} won, "
            f"+{self.average_win:.2f} R against -{self.average_loss:.2f} R, f {self.full:.4f}, {used}"
        )


def kelly(
    campaigns: Iterable[Campaign],
    scale: float = 1.0,
    minimum: int = 30,
    share: float = 0.25,
    cap: float = 0.02,
    start: float = 0.005,
) -> Kelly:
    """The Kelly fraction of equity at risk, from a strategy's own closed campaigns (Kelly 1956; Thorp 2006).

    Args:
        scale: multiplies the result (0.60 / realised volatility where that is less than 1).
        minimum: fewer campaigns than this give `start`. share: part of the full fraction taken. cap: never more.
    """
    results = [campaign.r for campaign in campaigns]
    wins = [r for r in results if r > 0]
    losses = [-r for r in results if r <= 0]
    win, loss = _mean(wins), _mean(losses)
    if len(results) < minimum:
        return Kelly(len(results), len(wins), win, loss, None, start)
    full = kelly_fraction(len(wins) / len(results), win, loss)
    used = min(cap, max(0.0, full * share * scale)) if isfinite(full) else 0.0
    return Kelly(len(results), len(wins), win, loss, full, used)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def kelly_fraction(p: float, average_win: float, average_loss: float) -> float:
    """f = p - (1 - p) / (average win / average loss): the fraction of equity at risk that grows fastest.

    -inf when nothing was ever won; p when nothing was ever lost.

    >>> round(kelly_fraction(0.45, 1.10, 0.48), 4)
    0.21
    """
    if average_win <= 0:
        return -inf
    return p - (1 - p) * average_loss / average_win
