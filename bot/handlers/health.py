"""/health: whether each part answers, and how well the desk keeps its service levels."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts import levels
from alerts.latency import latencies
from bot import words
from bot.cards.health import Health, every_part, health_card, levels_card, unmeasured_card
from bot.command import Call
from bot.message import Card
from bot.parts import Part, sources
from engine import halts
from engine.desk import Mode
from engine.errors import BrokerError, DataError, NotFound
from engine.model.instruments import Stock

VIEWS = ("levels", "all")
LATELY = timedelta(hours=24)
"""Over how long the delivery of messages is told."""


def health(call: Call) -> Card:
    """What is wrong, the service levels, and what is well; or one of them in full."""
    view, banner = call.text("view"), call.room.banner()
    if view == "levels":
        return _levels(call)
    found = Health(_parts(call), _measured(call), _always(call), call.room.left_out)
    return every_part(found, banner) if view == "all" else health_card(found, banner)


def _measured(call: Call) -> levels.Levels | None:
    """The service levels; None on recorded days."""
    desk = call.desk
    if desk.mode is Mode.REPLAY:
        return None
    with desk.store.read() as work:
        return levels.measure(desk, work)


def _levels(call: Call) -> Card:
    desk = call.desk
    if desk.mode is Mode.REPLAY:
        return unmeasured_card(call.room.left_out, call.room.banner())
    with desk.store.read() as work:
        measured = levels.measure(desk, work)
        done = work.deliveries_since(desk.now() - LATELY)
    return levels_card(measured, latencies(done), call.room.banner())


def _parts(call: Call) -> tuple[Part, ...]:
    market = _market(call)  # asked before the sources tell how they do: they tell of this question too
    providers = sources(call.desk.market.sources(), call.desk.now())
    return (_broker(call), market, _universe(call), *providers, _store(call), *call.room.parts())


def _always(call: Call) -> tuple[tuple[str, str], ...]:
    desk, now = call.desk, call.desk.now()
    with desk.store.read() as work:
        standing = halts.current(work)
    entries = "allowed" if standing is None else standing.words
    market = "open" if desk.sessions.is_open(now) else "closed"
    return (("Entries", entries), ("Market", market), ("Desk time", _exact(now)))


def _exact(now: datetime) -> str:
    """The date and the time of day to the second, where it is told."""
    return f"{words.moment(now)[:10]} {words.clock(now)}"


def _broker(call: Call) -> Part:
    try:
        account = call.desk.broker.account()
    except BrokerError as problem:
        return "Broker", (False, str(problem))
    return "Broker", (not account.blocked, f"{call.desk.broker.name}, account {account.number}")


def _market(call: Call) -> Part:
    """The first name's quote: its age says whether the data is alive."""
    tickers = call.desk.tickers
    if not tickers:
        return "Data", (False, f"{call.desk.market.name} knows no names")
    share = Stock(tickers[0])
    try:
        quote = call.desk.market.quotes([share]).get(share)
    except DataError as problem:
        return "Data", (False, str(problem))
    if quote is None:
        return "Data", _without_quote(call, share)
    age = words.age((call.desk.now() - quote.at).total_seconds())
    return "Data", (True, f"{quote.source}, {share} {age} old")


def _without_quote(call: Call, share: Stock) -> tuple[bool, str]:
    """Whether that is in order, and why there is none: a price may be known that no order may rest on."""
    desk = call.desk
    is_closed = not desk.sessions.is_open(desk.now())
    try:
        spot = desk.market.snapshot(share.ticker).spot
    except (DataError, NotFound):
        spot = None
    if spot is None:
        return is_closed, f"{desk.market.name}: no quote of {share} now"
    age = words.age((desk.now() - spot.at).total_seconds())
    return is_closed, f"to look at only: {spot.source}, {share} {age} old; no order is priced on it"


def _universe(call: Call) -> Part:
    """The names that are scanned, and who named them."""
    desk = call.desk
    by = "[desk] universe" if desk.universe else desk.market.name
    return "Universe", (bool(desk.tickers), f"{words.count(len(desk.tickers), 'name')}, from {by}")


def _store(call: Call) -> Part:
    with call.desk.store.read() as work:
        open_orders, pending = len(work.open_orders()), len(work.pending_approvals())
    waiting = f"{words.count(open_orders, 'open order')}, {words.count(pending, 'proposal')} waiting"
    return "Database", (True, f"revision {call.desk.store.revision()}; {waiting}")
