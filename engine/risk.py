"""What the account risks now, and what it would risk after one more trade: pure arithmetic over exposures.

Fractions are of equity. A check never changes anything: it answers with one `Check` per limit, the numbers before and
after, and whether the limit still holds (docs/strategies.md, "Limits").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from engine.model.book import ZERO, Book, Position
from engine.model.instruments import Instrument, Option
from engine.model.legs import Structure
from engine.model.limits import Limits
from engine.model.orders import Purpose, Ticket
from engine.model.trade import RiskLevel, TradePlan

PUT_OR_SHARES = frozenset({Structure.SHORT_PUT, Structure.SHARES, Structure.COVERED_CALL})
DEFINED = frozenset({Structure.CREDIT_SPREAD, Structure.DEBIT_SPREAD, Structure.IRON_CONDOR})
ON_SHARES = frozenset({Structure.COVERED_CALL, Structure.COLLAR})
"""Written on shares that are counted already."""
CASH_SECURED = frozenset({Structure.SHORT_PUT})
INDEX_STRATEGY = "spx_credit_spreads"


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one position, working order or plan adds to the account's risk. Dollars, all positive but `delta`.

    Attributes:
        counted: dollars counted toward max_total_risk. collateral: cash set aside. max_loss: None is unlimited.
        delta: signed delta dollars (delta x spot x multiplier x quantity), None when it is not known.
        pays: cash that leaves when it fills (debit), for buying power.
    """

    strategy: str
    ticker: str
    structure: Structure
    counted: Decimal
    collateral: Decimal
    max_loss: Decimal | None
    expiry: date | None = None
    delta: Decimal | None = None
    pays: Decimal = ZERO

    @property
    def size(self) -> Decimal:
        """Dollars in one underlying: maximum loss for defined risk, else the larger of collateral and delta."""
        if self.structure in DEFINED and self.max_loss is not None:
            return self.max_loss
        return max(self.collateral, abs(self.delta) if self.delta is not None else ZERO, self.counted)


@dataclass(frozen=True, slots=True)
class RiskState:
    """The account as the limits see it. `reserved` are exposures of orders that are still working."""

    equity: Decimal
    buying_power: Decimal
    held: tuple[Exposure, ...] = ()
    reserved: tuple[Exposure, ...] = ()
    day_pnl: Decimal = ZERO
    week_pnl: Decimal = ZERO
    drawdown: Decimal = ZERO
    levels: Mapping[str, RiskLevel] | None = None

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        return self.held + self.reserved

    def share(self, dollars: Decimal) -> Decimal:
        """Dollars as a fraction of equity; everything is too much of nothing."""
        return dollars / self.equity if self.equity > 0 else Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Check:
    """One limit before and after a trade. `before`, `after` and `limit` share a unit: dollars or a fraction."""

    name: str
    before: Decimal
    after: Decimal
    limit: Decimal
    holds: bool
    money: bool = False

    @property
    def words(self) -> str:
        """`total risk 12.0 % -> 18.4 % (limit 30.0 %)`."""
        if self.money:
            return f"{self.name} {self.before:,.0f} → {self.after:,.0f} (limit {self.limit:,.0f})"
        return f"{self.name} {self.before:.1%} → {self.after:.1%} (limit {self.limit:.1%})"


def first_expiry(instruments: Iterable[Instrument]) -> date | None:
    """The earliest option expiry among `instruments`."""
    return min((x.expiry for x in instruments if isinstance(x, Option)), default=None)


def plan_exposure(plan: TradePlan) -> Exposure:
    """What a plan would add."""
    signal = plan.signal
    return Exposure(
        strategy=signal.strategy,
        ticker=signal.ticker,
        structure=signal.structure,
        counted=plan.counted_risk,
        collateral=plan.collateral,
        max_loss=plan.max_loss,
        expiry=first_expiry(leg.instrument for leg in signal.legs),
        delta=_plan_delta(plan),
        pays=max(-plan.net_cash, ZERO) + plan.fees,
    )


def _plan_delta(plan: TradePlan) -> Decimal | None:
    greeks = plan.signal.outlook.greeks
    if greeks is None:
        return None
    multiplier = plan.signal.legs[0].instrument.multiplier
    return Decimal(f"{greeks.delta:.6f}") * plan.signal.spot * multiplier * plan.quantity


def position_exposure(position: Position) -> Exposure:
    """What an open position adds: its numbers at entry, scaled to what is still held."""
    share = Decimal(position.units) / position.opened_units if position.opened_units else Decimal(1)
    if position.structure is Structure.SHARES:
        return _shares_exposure(position)
    return Exposure(
        strategy=position.strategy,
        ticker=position.ticker,
        structure=position.structure,
        counted=position.risk * share,
        collateral=position.collateral * share,
        max_loss=None if position.max_loss is None else position.max_loss * share,
        expiry=first_expiry(position.instruments),
        delta=None if position.delta is None else position.delta * share,
    )


def _shares_exposure(position: Position) -> Exposure:
    cost = max(position.cost, ZERO)
    return Exposure(
        strategy=position.strategy,
        ticker=position.ticker,
        structure=position.structure,
        counted=cost * Decimal("0.20"),
        collateral=cost,
        max_loss=cost,
        delta=cost,
    )


def ticket_exposure(ticket: Ticket, plan: TradePlan) -> Exposure:
    """What the unfilled part of a working opening order may still add."""
    whole = plan_exposure(plan)
    share = Decimal(ticket.left) / plan.quantity if plan.quantity else ZERO
    return Exposure(
        strategy=whole.strategy,
        ticker=whole.ticker,
        structure=whole.structure,
        counted=whole.counted * share,
        collateral=whole.collateral * share,
        max_loss=None if whole.max_loss is None else whole.max_loss * share,
        expiry=whole.expiry,
        delta=None if whole.delta is None else whole.delta * share,
        pays=whole.pays * share,
    )


def is_entry(ticket: Ticket) -> bool:
    """Whether the ticket opens risk."""
    return ticket.purpose is Purpose.ENTRY


def _total(
    exposures: Iterable[Exposure], of: Callable[[Exposure], Decimal], keep: Callable[[Exposure], bool]
) -> Decimal:
    return sum((of(exposure) for exposure in exposures if keep(exposure)), ZERO)


def _fraction(
    state: RiskState,
    name: str,
    add: Exposure,
    limit: Decimal,
    of: Callable[[Exposure], Decimal],
    keep: Callable[[Exposure], bool],
) -> Check:
    before = _total(state.exposures, of, keep)
    after = before + of(add)
    return Check(name, state.share(before), state.share(after), limit, state.share(after) <= limit)


def _counted(exposure: Exposure) -> Decimal:
    return exposure.counted


def _collateral(exposure: Exposure) -> Decimal:
    return exposure.collateral


def _size(exposure: Exposure) -> Decimal:
    return exposure.size


def impact(plan: TradePlan, state: RiskState, limits: Limits) -> tuple[str, ...]:
    """What the plan does to the limits it touches, as before/after sentences."""
    return tuple(found.words for found in check(plan, state, limits) if found.before != found.after)


def check(plan: TradePlan, state: RiskState, limits: Limits) -> tuple[Check, ...]:
    """Every limit that concerns this plan, with the numbers before and after it.

    An exposure that is already over a limit fails only where this plan adds to it.
    """
    add = plan_exposure(plan)
    checks = [
        _one_trade(add, state, limits),
        _fraction(state, "total risk", add, limits.max_total_risk, _counted, lambda _: True),
        _fraction(state, f"risk in {add.ticker}", add, limits.one_underlying, _size, lambda x: x.ticker == add.ticker),
        _buying_power(add, state),
        _loss("day's P&L", state.day_pnl, state, limits.daily_loss),
        _loss("week's P&L", state.week_pnl, state, limits.weekly_loss),
        Check("drawdown", state.drawdown, state.drawdown, limits.drawdown_halt, state.drawdown < limits.drawdown_halt),
    ]
    if add.structure is Structure.SHORT_PUT:
        checks.append(_put_collateral(add, state, limits))
    if add.strategy == INDEX_STRATEGY:
        checks += _index_spreads(add, state, limits)
    if (state.levels or {}).get(add.strategy) is RiskLevel.HIGH:
        name = f"{add.strategy} risk"
        checks.append(
            _fraction(state, name, add, limits.high_risk_strategy, _counted, lambda x: x.strategy == add.strategy)
        )
    return tuple(checks)


def _one_trade(add: Exposure, state: RiskState, limits: Limits) -> Check:
    if add.structure in ON_SHARES:
        return Check("risk of this trade", ZERO, ZERO, limits.max_position_risk, holds=True)
    weight = add.collateral if add.collateral else add.max_loss
    if weight is None:
        return Check("risk of this trade", ZERO, Decimal("Infinity"), limits.max_position_risk, holds=False)
    share = state.share(weight)
    return Check("risk of this trade", ZERO, share, limits.max_position_risk, share <= limits.max_position_risk)


def _buying_power(add: Exposure, state: RiskState) -> Check:
    reserved = sum((x.collateral + x.pays for x in state.reserved), ZERO)
    free = state.buying_power - reserved
    needed = add.collateral + add.pays
    return Check("options buying power", free, free - needed, ZERO, free >= needed, money=True)


def _loss(name: str, pnl: Decimal, state: RiskState, limit: Decimal) -> Check:
    share = state.share(pnl)
    return Check(name, share, share, -limit, share > -limit)


def _put_collateral(add: Exposure, state: RiskState, limits: Limits) -> Check:
    return _fraction(
        state,
        "puts and assigned shares",
        add,
        limits.put_collateral_total,
        _collateral,
        lambda x: x.structure in PUT_OR_SHARES,
    )


def _index_spreads(add: Exposure, state: RiskState, limits: Limits) -> tuple[Check, ...]:
    same = INDEX_STRATEGY
    return (
        _fraction(state, "index credit spreads", add, limits.index_spreads, _counted, lambda x: x.strategy == same),
        _fraction(
            state,
            f"index spreads of {add.expiry:%d %b}",
            add,
            limits.one_expiry,
            _counted,
            lambda x: x.strategy == same and x.expiry == add.expiry,
        ),
    )


def breaches(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The limits that do not hold."""
    return tuple(check for check in checks if not check.holds)


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of one limit is used, as fractions of equity."""

    name: str
    used: Decimal
    limit: Decimal

    @property
    def holds(self) -> bool:
        return self.used <= self.limit


def usage(state: RiskState, limits: Limits) -> tuple[LimitUse, ...]:
    """The account-wide limits now: total risk, puts and shares, the heaviest underlying, losses."""

    def total(of: Callable[[Exposure], Decimal], keep: Callable[[Exposure], bool]) -> Decimal:
        return state.share(_total(state.exposures, of, keep))

    names = sorted({exposure.ticker for exposure in state.exposures})
    by_name = {name: _total(state.exposures, _size, lambda x, name=name: x.ticker == name) for name in names}  # type: ignore[misc]
    heaviest = max(by_name, key=lambda name: by_name[name], default=None)
    lines = [
        LimitUse("total risk", total(_counted, lambda _: True), limits.max_total_risk),
        LimitUse(
            "puts and shares", total(_collateral, lambda x: x.structure in PUT_OR_SHARES), limits.put_collateral_total
        ),
    ]
    if heaviest is not None:
        lines.append(LimitUse(f"most in {heaviest}", state.share(by_name[heaviest]), limits.one_underlying))
    lines += [
        LimitUse("day's loss", max(-state.share(state.day_pnl), ZERO), limits.daily_loss),
        LimitUse("week's loss", max(-state.share(state.week_pnl), ZERO), limits.weekly_loss),
        LimitUse("drawdown", state.drawdown, limits.drawdown_halt),
    ]
    return tuple(lines)


def calls_on(shares: Position, held: Iterable[Position]) -> tuple[Position, ...]:
    """The open calls written on these shares: of the same campaign, or of one that has no shares of its own."""
    same = [p for p in held if p.is_open and p.ticker == shares.ticker]
    elsewhere = {p.campaign for p in same if p.structure is Structure.SHARES} - {shares.campaign}
    return tuple(p for p in same if p.structure is Structure.COVERED_CALL and p.campaign not in elsewhere)


def held_exposures(book: Book) -> tuple[Exposure, ...]:
    """The exposures of all open positions."""
    return tuple(position_exposure(position) for position in book.positions.values())
