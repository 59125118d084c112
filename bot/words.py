"""Numbers and instruments in the words of a card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from engine.ages import age as age
from engine.model.instruments import Option, Right
from engine.model.legs import Leg
from engine.model.market import Greeks
from engine.sessions import NEW_YORK

UNLIMITED = "unlimited"
UNKNOWN = "unknown"
SIGNED_LIMIT = "Limit in dollars a share: + is received, - is paid."

_ZONE: ContextVar[ZoneInfo] = ContextVar("zone", default=NEW_YORK)


@contextmanager
def told_in(zone: str) -> Iterator[None]:
    """Tell clock times in the time zone of this IANA name while a card is drawn; New York's is the default.

    It holds for the thread it is entered in: enter it where the card is drawn, inside of `Room.run`.

    >>> from datetime import UTC
    >>> with told_in("Europe/Berlin"):
    ...     clock(datetime(2019, 1, 2, 15, 0, 5, tzinfo=UTC))
    '16:00:05 CET'
    """
    before = _ZONE.set(ZoneInfo(zone))
    try:
        yield
    finally:
        _ZONE.reset(before)


def money(amount: Decimal | None, none: str = UNKNOWN) -> str:
    """Dollars to the cent; a minus sign in front.

    >>> money(Decimal("-1234.5"))
    '-1,234.50'
    """
    return none if amount is None else f"{amount:,.2f}"


def gain(amount: Decimal | None) -> str:
    """Dollars with their sign always shown.

    >>> gain(Decimal("12.3")), gain(Decimal(0)), gain(None)
    ('+12.30', '0.00', 'unknown')
    """
    if amount is None:
        return UNKNOWN
    return f"{amount:+,.2f}" if amount.quantize(Decimal("0.01")) else "0.00"


def whole(amount: Decimal | None) -> str:
    """Dollars without cents, sign shown: for narrow tables.

    >>> whole(Decimal("-1234.5")), whole(None)
    ('-1,234', '?')
    """
    return "?" if amount is None else f"{amount:+,.0f}"


def price(amount: Decimal) -> str:
    """A price per share: two decimals, more only where it has them.

    >>> price(Decimal("1.5")), price(Decimal("0.0125"))
    ('1.50', '0.0125')
    """
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents:,}" if cents == amount else f"{amount.quantize(Decimal('0.0001')):,}"


def level(spot: float) -> str:
    """A price of the underlying that was computed, such as a breakeven.

    >>> level(14.575), level(42.97)
    ('14.5750', '42.97')
    """
    return price(Decimal(f"{spot:.4f}"))


def net(limit: Decimal) -> str:
    """A net price in words: what is paid is a debit, what is received a credit.

    >>> net(Decimal("-1.03")), net(Decimal("3.17")), net(Decimal(0))
    ('credit 1.03', 'debit 3.17', 'even')
    """
    if not limit:
        return "even"
    return f"{'credit' if limit < 0 else 'debit'} {price(abs(limit))}"


def signed_limit(limit: Decimal) -> str:
    """A net price for narrow tables: what is received has a plus, what is paid a minus; `SIGNED_LIMIT` says so.

    >>> signed_limit(Decimal("-1.03")), signed_limit(Decimal("3.17"))
    ('+1.03', '-3.17')
    """
    return ("+" if limit < 0 else "-") + price(abs(limit))


def percent(fraction: float | Decimal | None, digits: int = 1) -> str:
    """A fraction as a percentage.

    >>> percent(0.7652)
    '76.5 %'
    """
    return UNKNOWN if fraction is None else f"{float(fraction) * 100:.{digits}f} %"


def clock(at: datetime) -> str:
    """The time of day where it is told: in New York unless `told_in` says otherwise.

    >>> from datetime import UTC
    >>> clock(datetime(2019, 1, 2, 15, 0, 5, tzinfo=UTC))
    '10:00:05 ET'
    """
    return _told(at, "%H:%M:%S")


def moment(at: datetime) -> str:
    """The date and time where it is told."""
    return _told(at, "%Y-%m-%d %H:%M")


def soon(at: datetime, now: datetime) -> str:
    """The time of day where it is told, with the day where that is not today's: `15:30`, `Mon 15:30`, `3 Jul`.

    >>> from datetime import UTC, timedelta
    >>> now = datetime(2019, 1, 2, 15, 0, 5, tzinfo=UTC)
    >>> [soon(now + timedelta(days=days), now) for days in (0, 1, -9)]
    ['10:00', 'Thu 10:00', '24 Dec']
    """
    there, here = at.astimezone(_ZONE.get()), now.astimezone(_ZONE.get())
    if there.date() == here.date():
        return f"{there:%H:%M}"
    is_near = abs((there.date() - here.date()).days) < 7
    return f"{there:%a %H:%M}" if is_near else f"{there.day} {there:%b}"


def date_of(at: datetime) -> date:
    """The calendar date where it is told."""
    return at.astimezone(_ZONE.get()).date()


def zone(at: datetime) -> str:
    """The zone in which times are told: `ET`."""
    return _zone_name(at.astimezone(_ZONE.get()), _ZONE.get())


def day(on: date) -> str:
    """A date with its day of the week.

    >>> day(date(2026, 7, 3))
    'Fri 3 Jul 26'
    """
    return f"{on:%a} {on.day} {on:%b %y}"


def _told(at: datetime, form: str) -> str:
    zone = _ZONE.get()
    there = at.astimezone(zone)
    return f"{there:{form}} {_zone_name(there, zone)}"


def _zone_name(there: datetime, zone: ZoneInfo) -> str:
    """`ET` all year round, else the zone's own letters; zones without letters have their distance from UTC."""
    if zone.key == NEW_YORK.key:
        return "ET"
    letters = there.tzname() or ""
    return letters if letters.isalpha() else f"UTC{letters}"


def contract(option: Option) -> str:
    """Strike and right: `187.5 call`."""
    return f"{option.strike:f} {'call' if option.right is Right.CALL else 'put'}"


def leg_words(leg: Leg, units: int) -> str:
    """One leg of `units` packages: `sell 2 × KO 15 Feb 19 44 put`."""
    verb = "buy" if leg.ratio > 0 else "sell"
    return f"{verb} {abs(leg.ratio) * units} × {leg.instrument}"


def legs_words(legs: Iterable[Leg], units: int) -> str:
    """All legs, joined by a slash."""
    return " / ".join(leg_words(leg, units) for leg in legs)


def greeks_words(greeks: Greeks | None) -> str:
    """Net Greeks per share of one unit: `Δ +0.239 Γ -0.045 Θ +0.029 V -0.046`; no line ends inside one of them."""
    if greeks is None:
        return UNKNOWN
    parts = (("Δ", greeks.delta), ("Γ", greeks.gamma), ("Θ", greeks.theta), ("V", greeks.vega))
    return " ".join(f"{sign}\N{NO-BREAK SPACE}{_shown(value)}" for sign, value in parts)


def _shown(value: float) -> str:
    """Four decimals of a small number, two of one above a dollar or a delta of one."""
    if abs(value) >= 1:
        return f"{value:+,.2f}"
    rounded = round(value, 4)
    return f"{rounded:+.4f}" if rounded else "0.0000"


def count(number: int, one: str, many: str = "") -> str:
    """`1 fill`, `2 fills`.

    >>> count(1, "fill"), count(0, "entry", "entries")
    ('1 fill', '0 entries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
