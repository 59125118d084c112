"""What expires in the coming week and what happens if nobody does anything; and what needs attention before it does.

Each position is told once a day from seven days before its expiry on, each warning once for its cause; both are
remembered in the database, so that a restart repeats nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import structlog

from engine import quoted, triggers
from engine.desk import Desk
from engine.errors import DataError, NotFound
from engine.model.book import ZERO, Book, Position
from engine.model.events import Event, EventKind, Severity
from engine.model.instruments import Instrument, Option, Right, Stock
from engine.model.legs import Structure
from engine.model.market import Quote
from engine.model.orders import Purpose
from engine.percent import as_percent

log = structlog.get_logger()

AHEAD = 7
"""Calendar days."""

TOLD = "agenda:"
"""Setting of a position: the day on which its expiry was last told."""
WARNED = "warned:"
"""Setting of a position and a cause: when it was warned of it."""
LEAST_EXERCISED = Decimal("0.01")
"""Options this far in the money are exercised by themselves (OCC rule 805)."""
LIQUIDATION = "15:15"
"""New York time from which Alpaca sells long options whose exercise the account cannot carry."""


@dataclass(frozen=True, slots=True)
class Item:
    """One position that expires soon.

    Attributes:
        session: its last trading day. days: calendar days until then. inside: dollars a share by which its nearest
            option is in the money, negative out of it, None without a price of the underlying.
        words: what happens if nobody does anything.
    """

    position: Position
    session: date
    days: int
    inside: Decimal | None
    spot: Decimal | None
    words: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about one position that a person should know before it happens; told once for its cause."""

    position: Position
    cause: str
    words: str


def items(desk: Desk) -> tuple[Item, ...]:
    """Every position that expires within a week, soonest first."""
    with desk.store.read() as work:
        book = work.book()
    due = [(last, position) for position in book.positions.values() if (last := last_session(desk, position))]
    near = sorted(((day, p) for day, p in due if (day - desk.today).days <= AHEAD), key=lambda x: (x[0], x[1].id))
    quotes = quoted.known(desk, (Stock(ticker) for ticker in sorted({p.ticker for _, p in near})))
    return tuple(_item(desk, book, position, day, quotes) for day, position in near)


def last_session(desk: Desk, position: Position) -> date | None:
    """The first day on which an option of the position trades for the last time; None for shares."""
    return min((desk.sessions.last_trade(option.root, option.expiry) for option in _options(position)), default=None)


def _item(desk: Desk, book: Book, position: Position, session: date, quotes: Mapping[Instrument, Quote]) -> Item:
    quote = quotes.get(Stock(position.ticker))
    spot = quote.mid if quote is not None and quote.is_two_sided else None
    inside = None if spot is None else max((inside_by(option, spot) for option in _options(position)), default=None)
    days = (session - desk.today).days
    return Item(position, session, days, inside, spot, _if_nothing(desk, book, position, session, inside))


def _options(position: Position) -> tuple[Option, ...]:
    return tuple(item for item in position.instruments if isinstance(item, Option))


def inside_by(option: Option, spot: Decimal) -> Decimal:
    """Dollars a share in the money, negative out of it."""
    return spot - option.strike if option.right is Right.CALL else option.strike - spot


def cutoff(desk: Desk, session: date) -> str:
    """New York time by which what is not held to expiry is closed on its last day."""
    at = triggers.EARLY_CUTOFF if desk.sessions.is_early(session) else triggers.EXPIRY_CUTOFF
    return f"{at:%H:%M}"


def _if_nothing(desk: Desk, book: Book, position: Position, session: date, inside: Decimal | None) -> str:
    """What happens without anybody's doing, as sentences."""
    close_on = position.exits.close_on
    if close_on is not None and close_on <= session:
        return f"The desk closes it on {close_on:%d %b}, its time exit."
    if position.structure is Structure.SHORT_PUT:
        return _put_words(book, position, inside)
    if position.structure is Structure.COVERED_CALL:
        return _call_words(position, inside)
    return f"The desk closes it at {cutoff(desk, session)} ET on {session:%d %b}, as a whole."


def _put_words(book: Book, position: Position, inside: Decimal | None) -> str:
    """`Held for assignment: 8,800.00 needed, cash covers it.`"""
    needed = strikes(position)
    others = sum((strikes(p) for p in book.positions.values() if p.id != position.id and _is_put(p)), ZERO)
    free = book.cash - others
    cash = "cash covers it" if free >= needed else f"cash is short of it by {needed - free:,.2f}"
    if inside is None:
        return f"In the money it is held for assignment: {needed:,.2f} needed, {cash}."
    if inside >= LEAST_EXERCISED:
        return f"Held for assignment: {needed:,.2f} needed, {cash}."
    return f"It expires worthless; in the money it would take {needed:,.2f}, {cash}."


def _is_put(position: Position) -> bool:
    return position.structure is Structure.SHORT_PUT


def strikes(position: Position) -> Decimal:
    """Dollars that assignment on every contract of a put takes."""
    held = (leg for leg in position.legs if isinstance(leg.instrument, Option) and leg.quantity < 0)
    return sum((-leg.quantity * leg.instrument.strike * leg.instrument.multiplier for leg in held), ZERO)  # type: ignore[union-attr]


def _call_words(position: Position, inside: Decimal | None) -> str:
    option, shares = _options(position)[0], position.units * _options(position)[0].multiplier
    if inside is None:
        return f"In the money the {shares} shares are called away at {option.strike:f}."
    if inside >= LEAST_EXERCISED:
        return f"The {shares} shares are called away at {option.strike:f}."
    return f"It expires worthless and the {shares} shares stay."


def run(desk: Desk) -> tuple[Event, ...]:
    """Tell what expires within a week, each position once a session, and warn of what comes before; the events."""
    if not desk.sessions.is_open(desk.now()):
        return ()
    due = items(desk)
    with desk.store.read() as work:
        told = work.settings_named(f"{TOLD}{item.position.id}" for item in due)
        closing = {ticket.position_id for ticket in work.open_tickets() if ticket.purpose is Purpose.EXIT}
    today = desk.today.isoformat()
    news = tuple(item for item in due if told.get(f"{TOLD}{item.position.id}") != today)
    found = [event for event in (_tell(desk, news),) if event is not None]
    for warned in (one for one in warnings(desk, due) if one.position.id not in closing):
        event = _warn(desk, warned)
        found += [event] if event is not None else []
    return tuple(found)


def _tell(desk: Desk, news: tuple[Item, ...]) -> Event | None:
    """One event for everything that was not told today."""
    if not news:
        return None
    data = {"lines": [line(item) for item in news], "positions": [item.position.id for item in news]}
    event = desk.event(EventKind.EXPIRY_AGENDA, desk.today.isoformat(), data)
    with desk.store.begin() as work:
        for item in news:
            work.set_setting(f"{TOLD}{item.position.id}", desk.today.isoformat(), "desk", desk.now())
        work.add_event(event)
    return event


def line(item: Item) -> str:
    """The position, when it expires, where it stands, and what happens: one paragraph of a card."""
    position = item.position
    legs = " / ".join(f"{leg.quantity:+d} × {leg.instrument}" for leg in position.legs if leg.quantity)
    when = {0: "today", 1: "tomorrow"}.get(item.days, f"in {item.days} days")
    return f"{position.id}: {legs}, expires {when}, {_money_words(item)}. {item.words}"


def _money_words(item: Item) -> str:
    if item.inside is None or not item.spot:
        return "no price of the shares now"
    share = abs(item.inside) / item.spot
    return f"{as_percent(share, '.1')} {'in' if item.inside > 0 else 'out of'} the money"


def _warn(desk: Desk, warned: Warned) -> Event | None:
    """The warning as an event; None when it was given before."""
    name = f"{WARNED}{warned.position.id}:{warned.cause}"
    position = warned.position
    data = {"words": warned.words, "ticker": position.ticker, "strategy": position.strategy, "cause": warned.cause}
    with desk.store.begin() as work:
        if work.setting(name) or not work.position(position.id).is_open:
            return None
        work.set_setting(name, desk.now().isoformat(), "desk", desk.now())
        event = desk.event(EventKind.EXPIRY_WARNING, position.id, data, Severity.WARNING, position.story)
        work.add_event(event)
    return event


def warnings(desk: Desk, due: tuple[Item, ...]) -> Iterator[Warned]:
    """Ex-dates, pins and exercises that somebody should look at now."""
    yield from _ex_dividends(desk)
    for item in due:
        if item.session == desk.today and item.inside is not None and item.spot is not None:
            yield from _pins(desk, item)
            yield from _exercises(desk, item)


def _ex_dividends(desk: Desk) -> Iterator[Warned]:
    """Short calls in the money whose time value tomorrow's dividend exceeds: their holders will exercise tonight."""
    with desk.store.read() as work:
        held = work.open_positions()
    for position in held:
        for option in _short_calls(position):
            try:
                found = _ex_dividend(desk, position, option)
            except (DataError, NotFound) as problem:
                log.warning("agenda.no_dividends", position=position.id, problem=str(problem))
                continue
            if found is not None:
                yield found


def _short_calls(position: Position) -> tuple[Option, ...]:
    held = {leg.instrument: leg.quantity for leg in position.legs}
    return tuple(option for option in _options(position) if option.right is Right.CALL and held[option] < 0)


def _ex_dividend(desk: Desk, position: Position, option: Option) -> Warned | None:
    quotes = desk.market.quotes([option, Stock(position.ticker)])
    share = quotes.get(Stock(position.ticker))
    if share is None or not share.is_two_sided or share.mid <= option.strike:
        return None
    following = desk.sessions.next(desk.today)
    known = desk.market.snapshot(position.ticker).dividends or ()
    due = next((each for each in known if desk.today < each.ex_date <= following), None)
    value = time_value(option, quotes.get(option), share.mid)
    if due is None or (value is not None and due.amount <= value):
        return None
    left = "its time value is not known" if value is None else f"its time value is {value:.2f}"
    words = (
        f"{option} is in the money, {left}, and {due.amount:f} a share goes ex on {due.ex_date:%d %b}: expect it to be "
        f"assigned tonight. Whoever is short then delivers the shares and misses the dividend."
    )
    return Warned(position, f"ex-dividend {due.ex_date}", words)


def time_value(option: Option, quote: Quote | None, spot: Decimal) -> Decimal | None:
    """Dollars a share beyond intrinsic, at least 0; None without a two-sided quote."""
    if quote is None or not quote.is_two_sided:
        return None
    return max(quote.mid - max(inside_by(option, spot), ZERO), ZERO)


def _pins(desk: Desk, item: Item) -> Iterator[Warned]:
    """Short strikes the underlying is near to on the last day: assignment is a coin's toss, and told only next day."""
    spot = item.spot or ZERO
    for leg in item.position.legs:
        option = leg.instrument
        if isinstance(option, Option) and leg.quantity < 0 and abs(spot / option.strike - 1) <= desk.rules.pin_band:
            words = (
                f"{item.position.ticker} at {spot:.2f} is within {as_percent(desk.rules.pin_band, '.1')} of the short "
                f"{option.strike:f} strike on its last day: whether it is assigned may be known only tomorrow. "
                f"Close it or roll it to be sure."
            )
            yield Warned(item.position, f"pin {option.strike:f} {item.session}", words)


def _exercises(desk: Desk, item: Item) -> Iterator[Warned]:
    """Long options that would be exercised by themselves tonight, with what that takes."""
    with desk.store.read() as work:
        cash = work.totals().cash
        shares = sum(_shares(position) for position in work.open_positions(ticker=item.position.ticker))
    for leg in item.position.legs:
        option = leg.instrument
        if not isinstance(option, Option) or leg.quantity <= 0 or option.is_cash_settled:
            continue
        if inside_by(option, item.spot or ZERO) < LEAST_EXERCISED:
            continue
        closes = f"The desk closes it at {cutoff(desk, item.session)} ET"
        takes = _takes(option, leg.quantity, cash, shares)
        words = f"{option} is in the money on its last day: exercised, {takes}. {closes}, before that."
        yield Warned(item.position, f"exercise {option.symbol}", words)


def _shares(position: Position) -> int:
    return sum(leg.quantity for leg in position.legs if isinstance(leg.instrument, Stock))


def _takes(option: Option, contracts: int, cash: Decimal, shares: int) -> str:
    """What exercising takes, and whether it is there; what is not, the broker sells."""
    needed, dollars = contracts * option.multiplier, contracts * option.multiplier * option.strike
    sold = f"the broker would sell it from about {LIQUIDATION} ET"
    if option.right is Right.CALL:
        enough = "which the cash covers" if cash >= dollars else f"{dollars - cash:,.2f} more than the cash: {sold}"
        return f"it takes {dollars:,.2f} for {needed} shares, {enough}"
    enough = "which are held" if shares >= needed else f"{needed - max(shares, 0)} more than are held: {sold}"
    return f"it delivers {needed} shares, {enough}"
