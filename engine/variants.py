"""The same idea in another size, at another price, strike or expiry: each is a new version that asks again.

Nothing is sent here. Whatever is priced anew is priced from quotes of now, sized and checked against the limits again,
and gets the exits of its strategy; what the strategy itself would not have chosen is said as a reason against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from engine import approvals, bounds, calendars, checks, payoff, sizing, standing
from engine.checks import Seen
from engine.desk import Desk
from engine.errors import BadRequest, DataUnavailable
from engine.exposures import first_expiry
from engine.model.instruments import Option
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.market import CENT, Chain, Contract, Kind
from engine.model.trade import Approval, Outlook, Signal, Step, TradePlan, Verdict
from engine.percent import as_percent
from engine.protection import to_cent, width, worst_price

LEAST_INTEREST = 100
"""Open contracts below which, with fewer than `LEAST_VOLUME` traded today, a contract counts as illiquid."""
LEAST_VOLUME = 10
LEAST_BID = Decimal("0.05")
CHOSEN = "chosen by"
SCANNED = "First card: "
"""Stands before the reasons that were found for another contract."""


def resize(desk: Desk, approval_id: str, version: int, by: str, quantity: int) -> Approval:
    """A new pending version with `quantity` units; smaller only, for the card's risk check covered the larger.

    Raises:
        BadRequest: not between 1 and the card's quantity. AlreadyDecided: decided, expired or changed since.
        DataUnavailable: the account is not known, and so not what the new size does to the limits.
    """
    shown = _shown(desk, approval_id, version)
    most = shown.plan.quantity
    if not 1 <= quantity < most:
        smaller = f"say {most - 1} or fewer" if most > 1 else "there is none smaller"
        raise BadRequest(f"{quantity} is not a smaller size: this proposal is for {most}; {smaller}.")
    chosen = Step(f"{CHOSEN} {by}", f"of {most}", str(quantity), Verdict.PASSED)
    plan = sizing.resize(shown.plan, quantity, desk.costs)
    plan = replace(plan, sizing=(*plan.sizing, chosen))
    return _store(desk, shown, plan, f"Size {most} → {quantity} by {by}.", by, shown.expires_at)


def better_price(desk: Desk, approval_id: str, version: int, by: str) -> Approval:
    """A new version whose order asks for a quarter of the half-spread more than the mid, at least a tick.

    Tapped again it asks for a quarter more. Raises: as `own_price`.
    """
    shown = _shown(desk, approval_id, version)
    seen = _seen(desk, shown.plan.signal)
    start = seen.limit if shown.plan.signal.yours is None else min(seen.limit, shown.plan.signal.yours)
    step = max(CENT, to_cent(seen.price.half_spread / 4))
    return _at_price(desk, shown, seen, start - step, by)


def own_price(desk: Desk, approval_id: str, version: int, by: str, amount: Decimal) -> Approval:
    """A new version whose order never passes `amount` (dollars per share, positive: paid or received as the card is).

    Raises:
        BadRequest: no price at the tick, or worse than the card may go. AlreadyDecided: as `resize`.
        NotAllowed, DataUnavailable, DataInvalid: outside the hours for entries, or no quote to price it by.
    """
    shown = _shown(desk, approval_id, version)
    if amount <= 0 or amount != amount.quantize(CENT):
        raise BadRequest(f"{amount} is not a price: say dollars a share to the cent, such as 1.05.")
    wanted = -amount if shown.plan.signal.is_credit else amount
    return _at_price(desk, shown, _seen(desk, shown.plan.signal), wanted, by)


def _at_price(desk: Desk, shown: Approval, seen: Seen, wanted: Decimal, by: str) -> Approval:
    fresh = approvals.repriced(desk, shown.plan, seen)
    signal = fresh.signal
    if wanted == 0 or (wanted < 0) != signal.is_credit:
        raise BadRequest("There is no better price left to ask for.")
    edge = worst_price(replace(signal, yours=None), desk.rules)
    if wanted > edge:
        raise BadRequest(
            f"{abs(wanted):.2f} is past {abs(edge):.2f}, the worst this card may go to at the price of now."
        )
    plan = replace(fresh, signal=replace(signal, yours=wanted))
    return _store(
        desk, shown, plan, f"Your price {abs(wanted):.2f} or better, chosen by {by}.", by, approvals.life(desk, plan)
    )


def strike(desk: Desk, approval_id: str, version: int, by: str, steps: int) -> Approval:
    """A new version with every option `steps` listed strikes higher (lower when negative).

    Raises:
        BadRequest: no such strike, or the contract may not be traded at any size. Others: as `own_price`.
    """
    shown = _shown(desk, approval_id, version)
    chain = _chain(desk, shown)
    return _with_legs(desk, shown, chain, at_strike(chain, shown.plan.signal, steps), by)


def expiry(desk: Desk, approval_id: str, version: int, by: str, steps: int) -> Approval:
    """A new version with every option `steps` listed expiries later (sooner when negative), at the same strikes.

    Raises:
        BadRequest: no such expiry, or a strike is not listed there. Others: as `own_price`.
    """
    shown = _shown(desk, approval_id, version)
    chain = _chain(desk, shown)
    return _with_legs(desk, shown, chain, at_expiry(chain, shown.plan.signal, steps), by)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The contracts next to those of a card, None where there are none."""

    lower: tuple[Leg, ...] | None
    higher: tuple[Leg, ...] | None
    sooner: tuple[Leg, ...] | None
    later: tuple[Leg, ...] | None


def neighbours(desk: Desk, approval: Approval) -> Neighbours:
    """What `strike` and `expiry` one step away lead to.

    Raises:
        DataUnavailable: there is no chain right now.
    """
    chain, signal = _chain(desk, approval), approval.plan.signal
    return Neighbours(
        lower=_found(at_strike, chain, signal, -1),
        higher=_found(at_strike, chain, signal, 1),
        sooner=_found(at_expiry, chain, signal, -1),
        later=_found(at_expiry, chain, signal, 1),
    )


def _found(
    place: Callable[[Chain, Signal, int], tuple[Leg, ...]], chain: Chain, signal: Signal, steps: int
) -> tuple[Leg, ...] | None:
    try:
        return place(chain, signal, steps)
    except BadRequest:
        return None


def at_strike(chain: Chain, signal: Signal, steps: int) -> tuple[Leg, ...]:
    """The legs with each option moved `steps` listed strikes of its right, expiry and root.

    Raises:
        BadRequest: there is none.
    """
    return tuple(
        Leg(_moved(leg.instrument, chain, steps), leg.ratio) if isinstance(leg.instrument, Option) else leg
        for leg in signal.legs
    )


def _moved(option: Option, chain: Chain, steps: int) -> Option:
    listed = _of_root(chain.where(right=option.right, expiry=option.expiry), option)
    strikes = sorted({row.option.strike for row in map(listed.row, range(len(listed)))})
    if option.strike not in strikes:
        raise BadRequest(f"{option} is no longer listed.")
    place = strikes.index(option.strike) + steps
    if not 0 <= place < len(strikes):
        raise BadRequest(f"There is no strike {'above' if steps > 0 else 'below'} that of {option}.")
    return replace(option, strike=strikes[place])


def at_expiry(chain: Chain, signal: Signal, steps: int) -> tuple[Leg, ...]:
    """The legs with their options moved `steps` listed expiries, strikes unchanged.

    Raises:
        BadRequest: there is no such expiry, not all strikes are listed on it, or the options have several expiries.
    """
    if calendars.is_mixed(signal.legs):
        raise BadRequest("Its options expire on different days: their expiries are not moved.")
    first = signal.options[0]
    days = sorted(set(_of_root(chain.where(right=first.right), first).expiries))
    place = days.index(first.expiry) + steps if first.expiry in days else -1
    if not 0 <= place < len(days):
        raise BadRequest(
            f"{signal.ticker} has no {'later' if steps > 0 else 'sooner'} expiry than {first.expiry:%d %b %y}."
        )
    return tuple(_on(leg, days[place], chain) for leg in signal.legs)


def _on(leg: Leg, day: date, chain: Chain) -> Leg:
    if not isinstance(leg.instrument, Option):
        return leg
    option = replace(leg.instrument, expiry=day)
    if chain.find(option) is None:
        raise BadRequest(f"{option} is not listed.")
    return Leg(option, leg.ratio)


def _of_root(chain: Chain, option: Option) -> Chain:
    """The rows of the option's own class: an index has several."""
    return chain if chain.root is None else chain.take(np.asarray(chain.root == option.root))


def _shown(desk: Desk, approval_id: str, version: int) -> Approval:
    with desk.store.read() as reading:
        shown = approvals.pending(reading.approval(approval_id), version, desk.now())
    standing.ensure_account(desk)
    standing.ensure_returns(desk, [shown.plan.signal.ticker])
    return shown


def _seen(desk: Desk, signal: Signal) -> Seen:
    checks.check_open(desk, signal)
    return checks.prices(desk, signal)


def _chain(desk: Desk, approval: Approval) -> Chain:
    ticker = approval.plan.signal.ticker
    chain = desk.market.chain(ticker) if approval.plan.signal.options else None
    if chain is None:
        raise DataUnavailable(f"There are no options of {ticker} to choose from right now.")
    return chain


def _with_legs(desk: Desk, shown: Approval, chain: Chain, legs: tuple[Leg, ...], by: str) -> Approval:
    with desk.store.read() as reading:
        first = reading.approval_version(shown.id, 1).plan.signal
    bare = replace(first, legs=legs, yours=None, dates=shown.plan.signal.dates)
    signal = _signal(desk, first, bare, chain, by)
    with desk.store.read() as reading:
        state = standing.risk_state(desk, reading, reading.open_tickets())
        limits = bounds.limits_in_force(desk, reading)
    chosen = shown.plan.quantity if any(step.rule.startswith(CHOSEN) for step in shown.plan.sizing) else None
    plan = sizing.size(signal, state, limits, desk.costs, chosen)
    if not plan.quantity:
        why = "; ".join(f"{step.rule} {step.value} ({step.limit})" for step in plan.sizing if not step.passed)
        raise BadRequest(f"Not changed: not even one is allowed: {why or 'no room'}.")
    names = " / ".join(str(option) for option in signal.options)
    before = shown.plan.quantity
    size = f"; now {plan.quantity} instead of {before}" if plan.quantity != before else ""
    note = f"Chosen by {by}: {names} at {abs(signal.limit):.2f}{size}."
    return _store(desk, shown, plan, note, by, approvals.life(desk, plan))


def _signal(desk: Desk, first: Signal, bare: Signal, chain: Chain, by: str) -> Signal:
    """The signal of the first card for other contracts, complete: outlook, bounds, exits, reasons."""
    seen = _seen(desk, bare)
    limit = seen.limit
    if limit == 0 or (limit < 0) != first.is_credit:
        raise BadRequest(f"Not changed: there it would be {'paid' if limit > 0 else 'free or received'}.")
    rows = {option: chain.find(option) for option in bare.options}
    signal = replace(
        bare,
        limit=limit,
        natural=to_cent(seen.price.natural),
        spot=seen.spot,
        outlook=_outlook(desk, bare, chain, rows, seen),
        asof=desk.now(),
        worst=_worst(first, bare),
        reasons=(f"{CHOSEN} {by}: {_row_words(rows)}", *_marked(first.reasons)),
        data=f"{chain.source}, {max((desk.now() - chain.asof).total_seconds(), 0):.0f} s",
        modelled=chain.source.kind is Kind.MODELLED,
    )
    signal = replace(
        signal,
        against=(*_against(desk, first, signal, rows, seen), *_marked(first.against)),
        delta_range=_accepted(signal, rows),
    )
    return replace(signal, exits=_exits(desk, first, signal))


Rows = Mapping[Option, Contract | None]
"""The chain's row of every option of a package."""


def _outlook(desk: Desk, signal: Signal, chain: Chain, rows: Rows, seen: Seen) -> Outlook:
    contracts = [rows[leg.instrument] if isinstance(leg.instrument, Option) else None for leg in signal.legs]
    expiry = first_expiry(leg.instrument for leg in signal.legs)
    return payoff.outlook(
        signal.legs,
        seen.limit,
        contracts,
        chain,
        float(seen.spot),
        chain.rate if expiry is None else chain.rate_to(expiry),
        desk.today,
        chain.dividend_yield if expiry is None else chain.yield_to(expiry),
        signal.outlook.shares_at,
    )


def _worst(first: Signal, signal: Signal) -> Decimal | None:
    """A strategy's bound on a spread is a share of its width and follows it; one on a single contract was its own."""
    before, after = width(first.legs), width(signal.legs)
    return None if first.worst is None or not before or not after else first.worst * after / before


def _row_words(rows: Rows) -> str:
    return " / ".join(
        str(option)
        if row is None or row.delta is None or row.iv is None
        else f"{option}, {row.delta:+.2f} delta, {as_percent(row.iv)} implied volatility"
        for option, row in rows.items()
    )


def _marked(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Reasons of the first card, told apart from those of the contracts that were chosen."""
    return tuple(f"{SCANNED}{reason}" for reason in reasons)


def _against(desk: Desk, first: Signal, signal: Signal, rows: Rows, seen: Seen) -> Iterator[str]:
    """Which rules the chosen contracts break, and what else speaks against them."""
    yield from _delta_words(signal, rows)
    yield from checks.wide_legs(desk, signal, seen.quotes)
    for option, row in rows.items():
        yield from _liquidity_words(option, row)
    last, before = max(o.expiry for o in signal.options), max(o.expiry for o in first.options)
    if signal.dates is not None:
        for what, day in (("a report", signal.dates.report), ("an ex-date", signal.dates.ex_date)):
            if day is not None and before < day <= last:
                yield f"{what} on {day:%d %b} comes before this expiry"
    for option in signal.options:
        if signal.structure is Structure.SHORT_PUT:
            yield f"assignment would take {option.strike * option.multiplier:,.2f} a contract"
        basis = signal.outlook.shares_at
        if signal.structure is Structure.COVERED_CALL and basis is not None and option.strike < basis:
            yield f"called away at {option.strike:.2f} the shares lose: they cost {basis:.2f} net"


def _delta_words(signal: Signal, rows: Rows) -> Iterator[str]:
    if signal.delta_range is None:
        return
    low, high = signal.delta_range
    for option, delta in _picked_deltas(signal, rows):
        if delta is None:
            yield f"the delta of {option} is not known"
        elif not low <= delta <= high:
            yield f"|delta| {delta:.2f} of {option} is outside {low:.2f} to {high:.2f}"


def _liquidity_words(option: Option, row: Contract | None) -> Iterator[str]:
    if row is None:
        return
    if row.bid <= LEAST_BID:
        yield f"the bid of {option} is {row.bid:.2f} only"
    interest, volume = row.open_interest, row.volume
    if interest is not None and volume is not None and interest < LEAST_INTEREST and volume < LEAST_VOLUME:
        yield f"{option}: {interest} open contracts, {volume} traded today"


def _picked_deltas(signal: Signal, rows: Rows) -> Iterator[tuple[Option, float | None]]:
    """|delta| of the legs the strategy picks by delta, None where it is not known."""
    for leg in checks.picked(signal):
        row = rows.get(leg.instrument) if isinstance(leg.instrument, Option) else None
        if isinstance(leg.instrument, Option):
            yield leg.instrument, None if row is None or row.delta is None else abs(row.delta)


def _accepted(signal: Signal, rows: Rows) -> tuple[float, float] | None:
    """The range of |delta| with what was chosen in it: a person's choice is not refused again at the tap."""
    if signal.delta_range is None:
        return None
    known = [delta for _, delta in _picked_deltas(signal, rows) if delta is not None]
    return min(signal.delta_range[0], *known), max(signal.delta_range[1], *known)


def _exits(desk: Desk, first: Signal, signal: Signal) -> ExitPlan:
    """The exits of the strategy for the chosen contracts; a trade without them is not offered."""
    strategy = desk.strategies.get(signal.strategy)
    if strategy is None or strategy.exits is None:
        raise BadRequest(f"Not changed: {signal.strategy} knows the exits of its own contract only.")
    moved = replace(first.exits, close_on=_last_day(desk, first, signal))
    return strategy.exits(replace(signal, exits=moved), strategy.params)


def _last_day(desk: Desk, first: Signal, signal: Signal) -> date | None:
    """The time exit, moved along with the expiry; one of today is counted from the entry and stays."""
    day = first.exits.close_on
    if day is None or day <= desk.today:
        return day
    day += signal.options[0].expiry - first.options[0].expiry
    day = day if desk.sessions.is_session(day) else desk.sessions.previous(day)
    if day <= desk.today:
        raise BadRequest(
            f"Not changed: its time exit would be {day:%d %b}, and nothing is opened to be closed at once."
        )
    return day


def _store(desk: Desk, shown: Approval, plan: TradePlan, note: str, by: str, until: datetime) -> Approval:
    """The plan as the next version, to be answered `until` then, if its limits hold."""
    with desk.store.begin() as work:
        approval = approvals.pending(work.approval(shown.id), shown.version, desk.now())
        reviewed = approvals.review(desk, work, plan)
        if reviewed.wrong:
            raise BadRequest(f"Not changed: {'; '.join(reviewed.wrong)}.")
        words = approvals.shrunk(plan, reviewed.plan, note)
        revised = work.revise(approval.id, approval.version, reviewed.plan, until, words)
        work.add_event(approvals.changed_event(desk, revised, by))
    return revised
