"""What the broker holds and the books do not: a person is asked, and what they say is done once.

Nobody answers: nothing happens, and it stays listed. What is asked about is looked at again when somebody answers; a
difference that has changed meanwhile is never booked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from engine import comparison, mending, outside, quoted, standing
from engine.comparison import CASH, CASH_TOLERANCE, Comparison
from engine.desk import Desk
from engine.errors import AlreadyDecided, NotAllowed
from engine.model.adoptions import Adoption, AdoptionKind, AdoptionStatus
from engine.model.book import ZERO, Holding, Position, Posting, PostingKind
from engine.model.events import Event, EventKind, Severity
from engine.model.instruments import Instrument, Stock
from engine.model.orders import Fill
from engine.packages import Package, packages
from engine.store import UnitOfWork

Settled = frozenset[str]
"""Keys of the differences that last: they were seen twice, or nothing is moving."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """A question that has no id yet."""

    kind: AdoptionKind
    ticker: str
    held: tuple[Holding, ...] = ()
    fills: tuple[Fill, ...] = ()
    amount: Decimal = ZERO
    can_adopt: bool = True
    can_ignore: bool = True


def ask(desk: Desk, found: Comparison, lasting: Settled, executions: tuple[Fill, ...]) -> tuple[Adoption, ...]:
    """Ask about every difference that lasts and can be settled here; questions whose difference is gone are withdrawn.

    Returns the new questions.
    """
    with desk.store.read() as work:
        positions = work.open_positions()
        waiting = work.adoptions(AdoptionStatus.ASKED)
    wishes = [_steady(wish, waiting) for wish in _wishes(found, lasting, executions, positions)]
    if not wishes and not waiting:
        return ()
    quotes = _quotes(desk, wishes)
    asked = []
    with desk.store.begin() as work:
        pending = {adoption.about: adoption for adoption in work.adoptions(AdoptionStatus.ASKED)}
        wanted = {question.about: question for question in (_question(desk, work, wish, quotes) for wish in wishes)}
        for about, adoption in pending.items():
            if about not in wanted and not _is_pending(adoption, found, lasting):
                _end(desk, work, adoption, AdoptionStatus.WITHDRAWN, "desk")
        for about, question in wanted.items():
            if about not in pending:
                asked.append(replace(question, id=desk.new_id("U")))
                work.add_adoption(asked[-1])
                work.add_event(_event(desk, asked[-1], EventKind.ADOPTION_ASKED))
    return tuple(asked)


def _steady(wish: _Wish, waiting: Iterable[Adoption]) -> _Wish:
    """Cash that moved by cents is the question that waits already."""
    amounts = [x.amount for x in waiting if x.kind is wish.kind and abs(x.amount - wish.amount) <= CASH_TOLERANCE]
    return replace(wish, amount=amounts[0]) if wish.kind is AdoptionKind.CASH and amounts else wish


def _is_pending(adoption: Adoption, found: Comparison, lasting: Settled) -> bool:
    """Whether its difference is there, but too young or too much in motion to say that it is another one."""
    keys = {CASH} if adoption.kind is AdoptionKind.CASH else {holding.instrument.symbol for holding in adoption.held}
    return any(difference.key in keys - lasting for difference in found.differences)


def _wishes(
    found: Comparison, lasting: Settled, executions: tuple[Fill, ...], positions: tuple[Position, ...]
) -> list[_Wish]:
    tickers = {item.underlying for item in found.excess if item.symbol in lasting}
    if CASH in lasting:
        tickers |= {fill.instrument.underlying for fill in executions}
    wishes = [wish for ticker in sorted(tickers) for wish in _of_name(ticker, found, lasting, executions, positions)]
    others = [key for key in lasting if key != CASH]
    is_awaited = found.expired or found.awaited
    if CASH in lasting and not others and not wishes and not is_awaited:
        wishes.append(_Wish(AdoptionKind.CASH, CASH, amount=found.cash, can_ignore=False))
    return wishes


def _of_name(
    ticker: str,
    found: Comparison,
    lasting: Settled,
    executions: tuple[Fill, ...],
    positions: tuple[Position, ...],
) -> list[_Wish]:
    """The questions about one underlying: what executions explain first, then what is simply there."""
    mine = [fill for fill in executions if fill.instrument.underlying == ticker]
    nets: Counter[Instrument] = Counter()
    for fill in mine:
        nets[fill.instrument] += fill.quantity
    young = {item for item in found.excess if item.symbol not in lasting}
    explained = {item for item, net in nets.items() if net == found.excess.get(item, 0)} - young
    wishes = []
    traded = tuple(fill for fill in mine if fill.instrument in explained)
    if traded and outside.plan(positions, traded).is_holdable:
        wishes.append(_traded(ticker, traded, found))
    else:
        explained = set()
    rest = [
        Holding(item, beyond, found.theirs[item].average)
        for item, beyond in sorted(found.excess.items(), key=lambda pair: pair[0].symbol)
        if item.underlying == ticker
        and item.symbol in lasting
        and _is_more(item, beyond, found)
        and item not in explained
    ]
    return wishes + [_held(package) for package in packages(rest, outside.free_shares(positions, ticker))]


def _is_more(item: Instrument, beyond: int, found: Comparison) -> bool:
    """Whether the broker holds more of it than the books, and not because of an assignment that is not reported yet."""
    return item in found.theirs and found.ours.get(item, 0) * beyond >= 0 and item not in found.awaited


def _traded(ticker: str, executions: tuple[Fill, ...], found: Comparison) -> _Wish:
    items = dict.fromkeys(fill.instrument for fill in executions)
    held = tuple(Holding(item, found.excess.get(item, 0), ZERO) for item in items)
    is_more = all(x.quantity * (found.ours.get(x.instrument, 0) or x.quantity) > 0 for x in held)
    return _Wish(AdoptionKind.TRADED, ticker, held, executions, can_ignore=is_more)


def _held(package: Package) -> _Wish:
    ticker = package.held[0].instrument.underlying
    return _Wish(AdoptionKind.HELD, ticker, package.held, can_adopt=bool(package.parts))


def _quotes(desk: Desk, wishes: Iterable[_Wish | Adoption]) -> outside.Quotes:
    """Quotes of what is asked about and of its underlyings; none when the market does not answer."""
    items = {item for wish in wishes for item in _instruments(wish)}
    wanted = sorted({*items, *(Stock(item.underlying) for item in items)}, key=lambda item: item.symbol)
    return quoted.known(desk, wanted)


def _instruments(wish: _Wish | Adoption) -> set[Instrument]:
    return {holding.instrument for holding in wish.held} | {fill.instrument for fill in wish.fills}


def _question(desk: Desk, work: UnitOfWork, wish: _Wish, quotes: outside.Quotes) -> Adoption:
    """The question, without an id yet, with what adopting would arm in words."""
    return Adoption(
        id="",
        kind=wish.kind,
        ticker=wish.ticker,
        status=AdoptionStatus.ASKED,
        created_at=desk.now(),
        held=wish.held,
        fills=wish.fills,
        amount=wish.amount,
        can_adopt=wish.can_adopt,
        can_ignore=wish.can_ignore,
        words=_words(desk, work, wish, quotes),
    )


def _words(desk: Desk, work: UnitOfWork, wish: _Wish, quotes: outside.Quotes) -> tuple[str, ...]:
    if wish.kind is AdoptionKind.CASH:
        return ("Booking it writes the difference down as a deposit or a withdrawal, not as profit or loss.",)
    if not wish.can_adopt:
        return ("The desk holds no uncovered short calls and no short shares: close it at the broker, or leave it.",)
    if wish.kind is AdoptionKind.HELD:
        return _plan_words(desk, packages(wish.held, outside.free_shares(work.open_positions(), wish.ticker)), quotes)
    booking = outside.plan(work.open_positions(), wish.fills)
    reduced = ", ".join(dict.fromkeys(position for position, _ in booking.closes))
    closes = (f"It closes (part of) {reduced} at these prices.",) if reduced else ()
    return closes + _plan_words(desk, tuple(package for package, _ in booking.opens), quotes)


def _plan_words(desk: Desk, found: tuple[Package, ...], quotes: outside.Quotes) -> tuple[str, ...]:
    lines = []
    for package in found:
        for part in package.parts:
            exits = " ".join(outside.exits_of(part, quotes, desk.today).words)
            lines.append(f"It becomes a {part.structure} of {part.units}. {exits}")
    return tuple(lines)


def _event(desk: Desk, adoption: Adoption, kind: EventKind, by: str = "desk") -> Event:
    data = {
        "kind": adoption.kind.value,
        "ticker": adoption.ticker,
        "status": adoption.status.value,
        "held": ", ".join(f"{holding.quantity:+d} × {holding.instrument}" for holding in adoption.held),
        "executions": ", ".join(fill.execution_id for fill in adoption.fills),
        "amount": str(adoption.amount) if adoption.amount else "",
        "positions": ", ".join(adoption.positions),
    }
    severity = Severity.WARNING if kind is EventKind.ADOPTION_ASKED else Severity.INFO
    return desk.event(kind, adoption.id, data, severity, adoption.id, by)


def _end(
    desk: Desk, work: UnitOfWork, adoption: Adoption, status: AdoptionStatus, by: str, positions: tuple[str, ...] = ()
) -> Adoption:
    ended = replace(adoption, status=status, decided_by=by, decided_at=desk.now(), positions=positions)
    work.save_adoption(ended)
    work.add_event(_event(desk, ended, EventKind.ADOPTION_DECIDED, by))
    return ended


def _asked(work: UnitOfWork, id: str) -> Adoption:
    """The question, still open.

    Raises:
        NotFound: there is none. AlreadyDecided: somebody was first, or it is gone.
    """
    adoption = work.adoption(id)
    if adoption.status is AdoptionStatus.WITHDRAWN:
        raise AlreadyDecided(f"{id} was withdrawn: the difference is gone or has another size.")
    if not adoption.is_open:
        raise AlreadyDecided(f"{id} was already {adoption.status} by {adoption.decided_by}.")
    return adoption


def adopt(desk: Desk, id: str, by: str) -> Adoption:
    """Bring the books to what the broker says, with exits armed in the same transaction.

    Raises:
        NotFound: no such question. AlreadyDecided: somebody was first, or the difference is not what it was.
        NotAllowed: the desk cannot hold it, or an order is working on it. BrokerUnavailable: the broker does not say.
    """
    with desk.store.read() as work:
        asked = _asked(work, id)
    if not asked.can_adopt:
        raise NotAllowed(f"{id} cannot be adopted: {asked.words[0]}")
    found = comparison.compare(desk)
    quotes = _quotes(desk, [asked])
    with desk.store.begin() as work:
        asked = _asked(work, id)
        _check(work, asked, found)
        positions = _booked(desk, work, asked, found, quotes)
        standing.forget_account(desk, work)
        ended = _end(desk, work, asked, AdoptionStatus.ADOPTED, by, tuple(position.id for position in positions))
    for position in positions:
        if position.is_open and not position.units:
            mending.mend(desk, position)
    return ended


def _booked(
    desk: Desk, work: UnitOfWork, asked: Adoption, found: Comparison, quotes: outside.Quotes
) -> tuple[Position, ...]:
    if asked.kind is AdoptionKind.CASH:
        work.add_postings((Posting(f"{asked.id}:cash", PostingKind.FLOW, desk.now(), found.cash),))
        return ()
    if asked.kind is AdoptionKind.TRADED:
        return outside.book(desk, work, asked.fills, quotes)
    free = outside.free_shares(work.open_positions(), asked.ticker)
    taken = tuple(replace(holding, average=found.theirs[holding.instrument].average) for holding in asked.held)
    return tuple(
        position for package in packages(taken, free) for position in outside.opened(desk, work, package, quotes)
    )


def _check(work: UnitOfWork, asked: Adoption, found: Comparison) -> None:
    """Nothing, when the difference is what was asked about and no order is working on it.

    Raises:
        AlreadyDecided, NotAllowed: as `adopt`.
    """
    changed = AlreadyDecided(f"{asked.id}: the difference is not what it was; nothing was changed.")
    if asked.kind is AdoptionKind.CASH:
        if found.is_moving:
            raise NotAllowed("Orders are working, so cash is in motion; try again when they have ended.")
        if abs(found.cash - asked.amount) > CASH_TOLERANCE:
            raise changed
        return
    working = {leg.instrument for ticket in work.open_tickets() if not ticket.is_net for leg in ticket.legs}
    excess = comparison.excess_of(work, found.theirs, comparison.held(work))
    for holding in asked.held:
        item, beyond = holding.instrument, excess.get(holding.instrument, 0)
        if item in working and asked.kind is AdoptionKind.HELD:
            raise NotAllowed(f"An order is working on {item}; try again when it has ended.")
        if asked.kind is AdoptionKind.TRADED and beyond != holding.quantity:
            raise changed
        if asked.kind is AdoptionKind.HELD and not _is_there(beyond, holding.quantity):
            raise changed


def _is_there(beyond: int, quantity: int) -> bool:
    """Whether what the broker holds beyond the books contains `quantity`."""
    return beyond * quantity > 0 and abs(beyond) >= abs(quantity)


def ignore(desk: Desk, id: str, by: str) -> Adoption:
    """Leave it alone: remembered with who, and not asked about again until the broker holds more of it.

    Raises:
        NotFound: no such question. AlreadyDecided: somebody was first. NotAllowed: it may not be left alone.
    """
    with desk.store.begin() as work:
        asked = _asked(work, id)
        if not asked.can_ignore:
            raise NotAllowed(
                f"{id} cannot be ignored: the books would stay wrong. Book it, or settle it at the broker."
            )
        return _end(desk, work, asked, AdoptionStatus.IGNORED, by)


def shrink(desk: Desk, theirs: Mapping[Instrument, Holding]) -> None:
    """Cut what is ignored down to what the broker still holds of it, so that buying it again is asked about."""
    with desk.store.read() as reading:
        kept, ours = reading.adoptions(AdoptionStatus.IGNORED), comparison.held(reading)
    if not kept:
        return
    left = {item: holding.quantity - ours.get(item, 0) for item, holding in theirs.items()}
    with desk.store.begin() as work:
        for adoption in kept:
            held = tuple(_still(holding, left) for holding in adoption.held)
            if held == adoption.held:
                continue
            rest = tuple(holding for holding in held if holding.quantity)
            status = AdoptionStatus.IGNORED if rest else AdoptionStatus.WITHDRAWN
            work.save_adoption(replace(adoption, held=rest or adoption.held, status=status))


def _still(holding: Holding, left: dict[Instrument, int]) -> Holding:
    """What is left of an ignored holding; takes it off `left`, so that two of one instrument do not share it."""
    beyond = left.get(holding.instrument, 0)
    quantity = 0
    if beyond * holding.quantity > 0:
        quantity = min(beyond, holding.quantity) if beyond > 0 else max(beyond, holding.quantity)
    left[holding.instrument] = beyond - quantity
    return replace(holding, quantity=quantity)
