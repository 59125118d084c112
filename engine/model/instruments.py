"""Instruments: shares and listed options, with OCC symbols both ways."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from engine.errors import BadRequest

TICKER = re.compile(r"[A-Z][A-Z0-9]{0,5}([./-][A-Z]{1,2})?")
OCC = re.compile(r"(?P<root>[A-Z][A-Z0-9.]{0,5}) *(?P<day>\d{6})(?P<right>[CP])(?P<strike>\d{8})")


class Right(StrEnum):
    """What the holder of an option may do: buy (call) or sell (put) the underlying."""

    CALL = "C"
    PUT = "P"


class Style(StrEnum):
    """When an option may be exercised."""

    AMERICAN = "american"
    EUROPEAN = "european"


INDEX_ROOTS = {
    "SPX": "SPX",
    "SPXW": "SPX",
    "XSP": "XSP",
    "NDX": "NDX",
    "NDXP": "NDX",
    "RUT": "RUT",
    "RUTW": "RUT",
    "VIX": "VIX",
    "VIXW": "VIX",
}
"""Option root -> index, for the cash-settled European classes (Cboe product pages)."""

AM_ROOTS = frozenset({"SPX", "NDX", "RUT", "VIX", "VIXW"})
"""Roots settled on the opening prices of the expiry day: they trade for the last time the session before (Cboe
product pages; SPXW, XSP, NDXP and RUTW settle on the close)."""


@dataclass(frozen=True, slots=True, order=True)
class Stock:
    """Shares of a company or fund. `ticker` is upper case."""

    ticker: str

    @property
    def symbol(self) -> str:
        return self.ticker

    @property
    def underlying(self) -> str:
        return self.ticker

    @property
    def multiplier(self) -> Literal[1]:
        """Shares per unit of quantity."""
        return 1

    def __str__(self) -> str:
        return self.ticker


@dataclass(frozen=True, slots=True, order=True)
class Option:
    """One listed option contract.

    `strike` is in dollars as listed (unadjusted), `multiplier` the shares behind one contract. `root` is the OCC
    root where it differs from the underlying (SPXW on SPX, AAPL1 after an adjustment).
    """

    underlying: str
    expiry: date
    right: Right
    strike: Decimal
    root: str = ""
    style: Style = Style.AMERICAN
    multiplier: int = 100

    def __post_init__(self) -> None:
        object.__setattr__(self, "strike", self.strike.normalize() + Decimal(0))
        if not self.root:
            object.__setattr__(self, "root", self.underlying)

    @property
    def symbol(self) -> str:
        """The OCC symbol without padding, as Alpaca spells it.

        >>> Option("AAPL", date(2026, 12, 18), Right.CALL, Decimal("187.5")).symbol
        'AAPL261218C00187500'
        """
        return f"{self.root}{self.expiry:%y%m%d}{self.right}{int(self.strike * 1000):08d}"

    @property
    def padded(self) -> str:
        """The 21-character OCC symbol, root padded to six (OCC symbology initiative, 2010).

        >>> Option("F", date(2026, 12, 18), Right.PUT, Decimal(12)).padded
        'F     261218P00012000'
        """
        return f"{self.root:<6}{self.symbol[len(self.root) :]}"

    @property
    def is_adjusted(self) -> bool:
        """Whether a corporate action changed the deliverable (root ends in a digit): close-only."""
        return self.root[-1].isdigit()

    @property
    def is_cash_settled(self) -> bool:
        return self.root in INDEX_ROOTS

    @property
    def is_am_settled(self) -> bool:
        """Whether it settles on the opening prices of its expiry day, after it has stopped trading."""
        return self.root in AM_ROOTS

    def dte(self, today: date) -> int:
        """Calendar days from `today` (New York) to expiry."""
        return (self.expiry - today).days

    def __str__(self) -> str:
        return (
            f"{self.underlying} {self.expiry:%d %b %y} {self.strike:f} {'call' if self.right is Right.CALL else 'put'}"
        )


Instrument = Stock | Option


def stock(ticker: str) -> Stock:
    """A `Stock` from user text: trimmed, upper-cased, a class of shares with a dot, and checked.

    Raises:
        BadRequest: the text is not a ticker.
    """
    text = ticker.strip().lstrip("$").upper()
    if not TICKER.fullmatch(text):
        raise BadRequest(f"“{ticker}” is not a ticker: expected one to six letters, such as AAPL.")
    return Stock(dotted(text))


def dotted(ticker: str) -> str:
    """The one spelling of a class of shares, which others write BRK-B and BRK/B; a preferred share (BAC-PB) stays.

    >>> dotted("BRK-B"), dotted("BRK/B"), dotted("BRK.B"), dotted("BAC-PB"), dotted("IBM")
    ('BRK.B', 'BRK.B', 'BRK.B', 'BAC-PB', 'IBM')
    """
    return f"{ticker[:-2]}.{ticker[-1]}" if ticker[-2:-1] in ("-", "/") else ticker


def option(symbol: str) -> Option:
    """An `Option` from an OCC symbol, padded or not.

    >>> option("F     261218P00012000") == option("F261218P00012000")
    True

    Raises:
        BadRequest: the text is not an OCC symbol.
    """
    match = OCC.fullmatch(symbol.strip().upper())
    if match is None:
        raise BadRequest(f"“{symbol}” is not an option symbol: expected one such as AAPL261218C00187500.")
    root, day = match["root"], match["day"]
    try:
        expiry = date(2000 + int(day[:2]), int(day[2:4]), int(day[4:]))
    except ValueError as error:
        raise BadRequest(f"“{symbol}” names no calendar day: {day}.") from error
    index = INDEX_ROOTS.get(root)
    return Option(
        underlying=index or root.rstrip("0123456789"),
        expiry=expiry,
        right=Right(match["right"]),
        strike=Decimal(int(match["strike"])) / 1000,
        root=root,
        style=Style.EUROPEAN if index else Style.AMERICAN,
    )


def instrument(symbol: str) -> Instrument:
    """The option or share that `symbol` names.

    Raises:
        BadRequest: neither.
    """
    text = symbol.strip()
    return option(text) if OCC.fullmatch(text.upper()) else stock(text)
