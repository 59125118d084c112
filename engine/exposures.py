"""What positions, working orders and plans add to the account's risk: the numbers every limit adds up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from engine.model.book import ZERO, Book, Position
from engine.model.instruments import Instrument, Option
from engine.model.legs import Leg, Structure
from engine.model.orders import Purpose, Ticket
from engine.model.trade import TradePlan

DEFINED = frozenset(
    {
        Structure.CREDIT_SPREAD,
        Structure.DEBIT_SPREAD,
        Structure.IRON_CONDOR,
        Structure.CALENDAR,
        Structure.DIAGONAL,
    }
)
ON_SHARES = frozenset({Structure.COVERED_CALL})
"""Written on shares that are counted already."""
PROTECTION = "earnings_protection"
PROTECTIVE = frozenset({Structure.LONG_PUT, Structure.COLLAR, Structure.DIAGONAL})
"""What that strategy buys under shares that are held; a collar is its put, the call comes as a covered call."""
CREDIT = frozenset({Structure.CREDIT_SPREAD, Structure.IRON_CONDOR})
INDEX = frozenset({"SPX", "XSP", "SPY", "QQQ", "IWM"})
"""Summed as one underlying."""
INDEX_NAME = "INDEX"
INDEX_STRATEGY = "spx_credit_spreads"


def name_of(ticker: str) -> str:
    """The underlying the limits see: the broad indices and their funds are one.

    >>> name_of("SPY"), name_of("KO")
    ('INDEX', 'KO')
    """
    return INDEX_NAME if ticker in INDEX else ticker


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one position, working order or plan adds to the account's risk. Dollars, all positive but `delta`.

    Attributes:
        counted: dollars counted toward max_total_risk. collateral: cash set aside. max_loss: None is unlimited.
        delta: signed delta dollars (delta x spot x multiplier x quantity), None when it is not known.
        pays: cash that leaves when it fills (debit), for buying power.
        at_risk: fraction of equity its strategy wants at risk, in place of the cap of its kind; None has none.
        market_fall: signed dollars it makes when SPY falls by 5 %, None when it is not known.
        short_puts: cash-secured puts sold, contracts.
        source: id of the position or ticket it is of, "" for a plan.
        is_at_broker: the buying power that the broker told is already without it.
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
    at_risk: Decimal | None = None
    market_fall: Decimal | None = None
    short_puts: int = 0
    source: str = ""
    is_at_broker: bool = False

    @property
    def size(self) -> Decimal:
        """Dollars in one underlying: maximum loss for defined risk, else the larger of collateral and delta.

        What is written on shares, or bought to protect them, adds nothing: it takes delta off shares that are there
        already. What protection costs counts toward the total risk all the same.
        """
        if self.structure in ON_SHARES or self.is_protection:
            return ZERO
        if self.structure in DEFINED and self.max_loss is not None:
            return self.max_loss
        return max(self.collateral, abs(self.delta) if self.delta is not None else ZERO, self.counted)

    @property
    def loss(self) -> Decimal:
        """Maximum loss, or what is counted where that is unlimited."""
        return self.counted if self.max_loss is None else self.max_loss

    @property
    def name(self) -> str:
        return name_of(self.ticker)

    @property
    def is_protection(self) -> bool:
        """Whether it protects shares that are held."""
        return self.strategy == PROTECTION and self.structure in PROTECTIVE

    @property
    def is_index_spread(self) -> bool:
        return self.strategy == INDEX_STRATEGY or (self.structure in CREDIT and self.ticker in INDEX)


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
        at_risk=None if signal.at_risk is None else Decimal(str(signal.at_risk)),
        market_fall=plan.market_fall,
        short_puts=_puts(signal.structure, signal.legs, plan.quantity),
    )


def _puts(structure: Structure, legs: Iterable[Leg], units: int) -> int:
    """Contracts of cash-secured puts; those inside a spread are covered there."""
    return -sum(leg.ratio for leg in legs) * units if structure is Structure.SHORT_PUT else 0


def _plan_delta(plan: TradePlan) -> Decimal | None:
    greeks = plan.signal.outlook.greeks
    if greeks is None:
        return None
    multiplier = plan.signal.legs[0].instrument.multiplier
    return Decimal(f"{greeks.delta:.6f}") * plan.signal.spot * multiplier * plan.quantity


def position_exposure(position: Position, delta: Decimal | None = None, fall: Decimal | None = None) -> Exposure:
    """What an open position adds: its numbers at entry, scaled to what is still held.

    `delta`: signed delta dollars of one unit as they are now, None takes those of the entry. `fall`: what one unit
    makes when SPY falls by 5 %, None where that is not known.
    """
    share = Decimal(position.units) / position.opened_units if position.opened_units else Decimal(1)
    now = None if delta is None else delta * position.units
    fallen = None if fall is None else fall * position.units
    if position.structure is Structure.SHARES:
        return replace(_shares_exposure(position, now), market_fall=fallen)
    return Exposure(
        strategy=position.strategy,
        ticker=position.ticker,
        structure=position.structure,
        counted=position.risk * share,
        collateral=position.collateral * share,
        max_loss=None if position.max_loss is None else position.max_loss * share,
        expiry=first_expiry(position.instruments),
        delta=now if now is not None or position.delta is None else position.delta * share,
        market_fall=fallen,
        short_puts=_puts(position.structure, position.unit, position.units),
        source=position.id,
    )


def _shares_exposure(position: Position, delta: Decimal | None) -> Exposure:
    cost = abs(position.cost)
    return Exposure(
        strategy=position.strategy,
        ticker=position.ticker,
        structure=position.structure,
        counted=cost * Decimal("0.20"),
        collateral=cost,
        max_loss=cost,
        delta=cost if delta is None else delta,
        source=position.id,
    )


def is_entry(ticket: Ticket) -> bool:
    """Whether the ticket opens risk."""
    return ticket.purpose is Purpose.ENTRY


def calls_on(shares: Position, held: Iterable[Position]) -> tuple[Position, ...]:
    """The open calls written on these shares: of the same campaign, or of one that has no shares of its own."""
    same = [p for p in held if p.is_open and p.ticker == shares.ticker]
    elsewhere = {p.campaign for p in same if p.structure is Structure.SHARES} - {shares.campaign}
    return tuple(p for p in same if p.structure is Structure.COVERED_CALL and p.campaign not in elsewhere)


def is_call_to_come(put: Position, campaign: Iterable[Position]) -> bool:
    """Whether this is the put of a collar whose campaign has had no call yet."""
    if put.structure is not Structure.COLLAR or not put.is_open:
        return False
    return not any(p.structure is Structure.COVERED_CALL and p.campaign == put.campaign for p in campaign)


def held_exposures(
    book: Book, deltas: Mapping[str, Decimal] | None = None, falls: Mapping[str, Decimal] | None = None
) -> tuple[Exposure, ...]:
    """The exposures of all open positions; `deltas`, `falls`: of one unit now, by position, where known."""
    now, fallen = deltas or {}, falls or {}
    held = book.positions.values()
    return tuple(position_exposure(each, now.get(each.id), fallen.get(each.id)) for each in held)
