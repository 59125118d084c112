"""What a package of instruments is: its legs, its name and the plan for closing it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from engine.model.instruments import Instrument


@dataclass(frozen=True, slots=True)
class Leg:
    """One instrument of a package. `ratio` is signed units of it per package: +1 buys, -1 sells."""

    instrument: Instrument
    ratio: int


class Structure(StrEnum):
    """What the package is called."""

    SHORT_PUT = "cash-secured put"
    COVERED_CALL = "covered call"
    LONG_CALL = "long call"
    LONG_PUT = "long put"
    DEBIT_SPREAD = "debit spread"
    CREDIT_SPREAD = "credit spread"
    IRON_CONDOR = "iron condor"
    COLLAR = "collar"
    CALENDAR = "calendar"
    DIAGONAL = "diagonal"
    SHARES = "shares"


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """When the position is closed without being asked again. Armed in the transaction of the first fill.

    Package value = sum over legs of ratio x mid, per share, signed as held: a long call is worth +2.25, a short put
    -1.03. Both kinds of position then read alike: a profit is a higher value.

    Attributes:
        target: close when the package value is at or above this.
        stop: close when the package value is at or below this (`engine.protection` says which quotes count).
        stop_spot: close when the underlying is at or below this (above, for `stop_spot_above`).
        close_on: close in this session (time exit), whatever the price; anything still held later, as soon as possible.
        before_close: minutes before the closing bell of `close_on` from which it is closed, on early closes too; None
            is from 09:35.
        stop_before_close: minutes before each closing bell in which `stop` is judged (a stop on a daily close); None is
            all day.
        trading_hours: close once so many hours of regular sessions have passed since the position was opened.
        words: the plan as sentences for the card.
    """

    target: Decimal | None = None
    stop: Decimal | None = None
    stop_spot: Decimal | None = None
    stop_spot_above: Decimal | None = None
    close_on: date | None = None
    before_close: int | None = None
    trading_hours: float | None = None
    stop_before_close: int | None = None
    words: tuple[str, ...] = ()

    @property
    def has_stop(self) -> bool:
        return self.stop is not None or self.stop_spot is not None or self.stop_spot_above is not None
