"""How the wheel ends its positions: the plan armed at the fill, and what it does or asks near expiry."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from engine import payoff
from engine.model.book import Position
from engine.model.instruments import Instrument, Option, Stock
from engine.model.legs import ExitPlan, Structure
from engine.model.market import MarketSnapshot, Quote
from engine.model.trade import Exit, RollRules, Signal
from engine.percent import as_percent
from strategies.wheel.params import Params

ZERO = Decimal(0)


def exits(signal: Signal, params: Params) -> ExitPlan:
    """The exit plan of a put or call sold at the signal's limit."""
    credit = -signal.limit
    target = signal.limit * (1 - Decimal(str(params.profit_target)))
    basis = signal.outlook.shares_at
    if basis is None:
        basis = signal.options[0].strike - credit
    stop = stop_of(basis, params)
    is_put = signal.structure is Structure.SHORT_PUT
    late = (
        f"From {params.assignment_dte} days on it is held: assignment is taken, the cash is set aside."
        if is_put
        else "In the money at expiry the shares are called away."
    )
    return ExitPlan(
        target=target,
        stop_spot=stop,
        words=(
            f"Buy back at {-target:.2f} or less ({as_percent(params.profit_target)} of the premium).",
            f"From {params.review_dte} days on a winner is closed; otherwise you are asked.",
            late,
            f"Stop: closed when {signal.ticker} is at or below {stop:.2f}, "
            f"{as_percent(params.share_stop)} under the net basis of {basis:.2f}.",
        ),
    )


def stop_of(basis: Decimal, params: Params) -> Decimal:
    """The price of the shares at which put, call and shares are given up."""
    return (basis * (1 - Decimal(str(params.share_stop)))).quantize(Decimal("0.0001"))


def exits_for_shares(basis: Decimal, params: Params) -> ExitPlan:
    """The exit plan of shares that came by assignment at `basis` dollars a share, net of the put's premium."""
    stop = stop_of(basis, params)
    alert = basis * (1 - Decimal(str(params.share_alert)))
    return ExitPlan(
        stop_spot=stop,
        words=(
            "Calls are sold on the shares until they are called away.",
            f"At {alert:.2f} ({as_percent(params.share_alert)} under the net basis of {basis:.2f}) you are asked.",
            f"Stop: an open call, then the shares, are closed at or below {stop:.2f} "
            f"({as_percent(params.share_stop)} under).",
        ),
    )


def rolls(position: Position, params: Params) -> RollRules:
    """Puts and calls are rolled to the days their entries aim at, for a net credit only."""
    is_put = position.structure is Structure.SHORT_PUT
    return RollRules(dte=params.put_dte if is_put else params.call_dte, credit_only=True)


def manage(
    position: Position, snapshot: MarketSnapshot, quotes: Mapping[Instrument, Quote], params: Params
) -> tuple[Exit, ...]:
    """Exits beyond the armed plan: winners and questions near expiry, a put without cash, shares that have fallen."""
    prices = {each: quote.mid for each, quote in quotes.items() if quote.is_two_sided}
    if position.structure is Structure.SHARES:
        return _ask_about_shares(position, prices, params)
    expiries = [leg.instrument.expiry for leg in position.unit if isinstance(leg.instrument, Option)]
    dte = (min(expiries) - snapshot.today).days if expiries else 0
    if not expiries or dte > params.review_dte:
        return ()
    value = position.package(prices)
    if value is not None and is_winner(position, value):
        return (Exit(f"{params.review_dte} DTE winner", f"{dte} days left and {_gain(position, value)} a share ahead"),)
    if dte > params.assignment_dte:
        return (_question(position, dte, params),)
    if position.structure is Structure.SHORT_PUT and not is_secured(position):
        return (Exit(f"{params.assignment_dte} DTE", f"{dte} days left and no cash is set aside for assignment"),)
    return ()


def _gain(position: Position, value: Decimal) -> str:
    return f"{value - (position.entry or ZERO):.2f}"


def is_winner(position: Position, value: Decimal) -> bool:
    """Whether closing at `value` makes money after fees, those of closing taken as those of opening."""
    if position.entry is None or not position.opened_units:
        return False
    multiplier = payoff.multiplier(position.unit)
    fees = 2 * position.fees / position.opened_units
    return (value - position.entry) * multiplier > fees


def is_secured(position: Position) -> bool:
    """Whether the cash set aside at entry pays for assignment on every contract."""
    needed = sum(
        leg.instrument.strike * leg.instrument.multiplier * -leg.ratio
        for leg in position.unit
        if isinstance(leg.instrument, Option)
    )
    return position.collateral >= needed * position.opened_units


def _question(position: Position, dte: int, params: Params) -> Exit:
    is_put = position.structure is Structure.SHORT_PUT
    roll = "out, or out and down, never to a higher strike" if is_put else "out, or out and up"
    default = "it is held and assignment taken" if is_put else "it is held and the shares may be called away"
    words = (
        f"{dte} days left and not a winner. Close it, or roll it {roll}, for a net credit only. Unanswered, {default}."
    )
    return Exit(f"{params.review_dte} DTE", words, ask=True)


def _ask_about_shares(position: Position, prices: Mapping[Instrument, Decimal], params: Params) -> tuple[Exit, ...]:
    price, basis = prices.get(Stock(position.ticker)), position.entry
    if price is None or basis is None or price > basis * (1 - Decimal(str(params.share_alert))):
        return ()
    fall = float(price / basis) - 1
    words = (
        f"{position.ticker} at {price:.2f} is {as_percent(fall, '+.1')} from the net basis of {basis:.2f}. "
        f"Sell the shares, or hold; at {stop_of(basis, params):.2f} they are sold."
    )
    return (Exit("shares fell", words, ask=True),)
