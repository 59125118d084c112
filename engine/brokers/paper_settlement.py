"""What happens at the paper exchange without an order: expiry, assignment, exercise, splits. Pure.

At expiry what is in the money by a cent at the official close is assigned (short) or exercised (long) into shares as
far as the account can pay for them or deliver them. The rest is settled in cash at its intrinsic value: a broker would
have sold it, or bought it in, before the close. In cash, too, settle index options, and a short option against a long
one of the same right, so that a spread that ends in the money is worth its width and brings no shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from engine import ledger
from engine.brokers.paper_account import Wallet, free
from engine.brokers.wire import intrinsic
from engine.model.book import ZERO
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.market import CENT
from engine.model.orders import ActivityKind


@dataclass(frozen=True, slots=True)
class Ended:
    """Contracts that went away: signed quantity as held; `amount` dollars where they were settled in cash."""

    kind: ActivityKind
    option: Option
    quantity: int
    amount: Decimal = ZERO


def expire(
    wallet: Wallet, options: Iterable[Option], closes: Mapping[str, Decimal]
) -> tuple[Wallet, tuple[Ended, ...]]:
    """The wallet after these held options have expired at the official closes, and what became of each.

    Shares come in before others are delivered.
    """
    held = {option: wallet.quantity(option) for option in options}
    values = {option: intrinsic(option, closes[option.underlying]) for option in held}
    inside = {option: quantity for option, quantity in held.items() if values[option] >= CENT}
    for option in held:
        wallet = wallet.dropped(option)
    ended = [Ended(ActivityKind.EXPIRY, option, held[option]) for option in sorted(held.keys() - inside.keys())]
    netted = _netted(inside)
    for option, quantity in sorted(inside.items(), key=_settlement_order):
        wallet, parts = _settle(wallet, option, quantity, netted.get(option, 0), values[option])
        ended.extend(parts)
    return wallet, tuple(ended)


def _netted(inside: Mapping[Option, int]) -> dict[Option, int]:
    """Contracts of each option that meet one of the other side: same underlying, right and size."""
    groups: dict[tuple[str, Right, int], list[Option]] = {}
    for option in sorted(inside):
        groups.setdefault((option.underlying, option.right, option.multiplier), []).append(option)
    netted: dict[Option, int] = {}
    for group in groups.values():
        longs = sum(max(0, inside[option]) for option in group)
        shorts = sum(max(0, -inside[option]) for option in group)
        left = {True: min(longs, shorts), False: min(longs, shorts)}
        for option in group:
            is_long = inside[option] > 0
            netted[option] = min(abs(inside[option]), left[is_long])
            left[is_long] -= netted[option]
    return netted


def _settlement_order(held: tuple[Option, int]) -> tuple[bool, str]:
    option, quantity = held
    return (not _brings_shares(option, quantity), option.symbol)


def _brings_shares(option: Option, quantity: int) -> bool:
    """Whether settlement buys shares (a short put, a long call)."""
    return (option.right is Right.CALL) == (quantity > 0)


def _settle(
    wallet: Wallet, option: Option, quantity: int, netted: int, value: Decimal
) -> tuple[Wallet, tuple[Ended, ...]]:
    sign = 1 if quantity > 0 else -1
    kind = ActivityKind.EXERCISE if quantity > 0 else ActivityKind.ASSIGNMENT
    in_shares = min(abs(quantity) - netted, deliverable(wallet, option, quantity)) * sign
    in_cash = quantity - in_shares
    amount = value * in_cash * option.multiplier
    wallet = exchanged(wallet, option, in_shares).paid(amount)
    parts = (Ended(kind, option, in_shares), Ended(kind, option, in_cash, amount))
    return wallet, tuple(part for part in parts if part.quantity)


def deliverable(wallet: Wallet, option: Option, quantity: int) -> int:
    """Contracts that the account can settle in shares: pay for them, or deliver them."""
    if option.is_cash_settled:
        return 0
    if _brings_shares(option, quantity):
        return max(0, int(free(wallet) // (option.strike * option.multiplier)))
    return max(0, wallet.quantity(Stock(option.underlying)) // option.multiplier)


def exchanged(wallet: Wallet, option: Option, quantity: int) -> Wallet:
    """The wallet after signed contracts became shares at the strike (the contracts themselves are gone already)."""
    shares = abs(quantity) * option.multiplier * (1 if _brings_shares(option, quantity) else -1)
    return wallet.traded(Stock(option.underlying), shares, option.strike)


def split(wallet: Wallet, ticker: str, ratio: Decimal) -> tuple[Wallet, Decimal]:
    """(the wallet restated for `ratio` new shares for each old one, the fraction of a share that is left over)."""
    left_over = ZERO
    for instrument in [held for held in wallet.holdings if held.underlying == ticker]:
        holding = wallet.holdings[instrument]
        after, quantity, fraction = ledger.split_holding(instrument, holding.quantity, ratio)
        price = _same_cost(holding.average, instrument, holding.quantity, after, quantity)
        wallet = wallet.dropped(instrument).moved(after, quantity, price)
        left_over += fraction
    return wallet, left_over


def _same_cost(price: Decimal, before: Instrument, old: int, after: Instrument, new: int) -> Decimal:
    return price * old * before.multiplier / (new * after.multiplier) if new else ZERO
