"""The error tree. The message of every `DeskError` is fit to show to a user."""

from enum import StrEnum


class DeskError(Exception):
    """Something a person can be told in one sentence."""


class NotFound(DeskError):
    """The thing that was named does not exist."""


class NotAllowed(DeskError):
    """This person may not do that."""


class Denied(NotAllowed):
    """Nobody on the list, or not their role: written down as that."""


class BadRequest(DeskError):
    """The input cannot be understood; the message names it."""


class AlreadyDecided(DeskError):
    """Somebody was first; the message says who and what."""


class Canceled(DeskError):
    """The person who asked does not want the answer any more; nothing was changed."""


class DataError(DeskError):
    """Market data cannot be used."""


class DataUnavailable(DataError):
    """No answer now; a later try may succeed."""


class DataInvalid(DataError):
    """NaN, crossed, stale or malformed: do not go on with it."""


class BrokerError(DeskError):
    """The broker said no, or nothing."""


class BrokerUnavailable(BrokerError):
    """The outcome is unknown: ask again with `find`, never send again blindly."""


class Refusal(StrEnum):
    """Why a broker refuses an order: each asks for something else to be done about it."""

    HELD = "held"
    """Less may be closed than asked for: another open order holds it, or it is not there."""
    WASH_TRADE = "wash trade"
    """An open order on the other side of the same symbol."""
    UNCOVERED = "uncovered"
    """A short option would be left without cover inside the same order."""
    BUYING_POWER = "buying power"
    PRICE = "price"
    """Not a price of this class of contract: too many decimals, off its tick."""
    TIMING = "timing"
    """Not now, or not with this time in force: market hours."""
    ORDER_TYPE = "order type"
    """This broker does not take such orders: stops or good-till-canceled orders on options."""
    SUSPENDED = "suspended"
    """New orders are blocked by the account's own switch."""
    KEYS = "keys"
    DUPLICATE = "duplicate"
    """The id belongs to another order."""
    OVER = "over"
    """It cannot be canceled: it is not open any more, or being canceled already."""
    MISSING = "missing"
    """There is no such order."""
    MALFORMED = "malformed"
    OTHER = "other"


class OrderRejected(BrokerError):
    """The broker refused; nothing was placed.

    `code` is the broker's own error code where it gave one (Alpaca: 40310000 ...), `kind` what it means, `related`
    the broker's ids of the orders that are in the way, where it names them.
    """

    def __init__(
        self,
        message: str,
        code: int | None = None,
        kind: Refusal = Refusal.OTHER,
        related: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.kind = kind
        self.related = related


class ConfigError(DeskError):
    """The desk cannot open: the message names the key and what it should be."""


class BackupFailed(DeskError):
    """Nothing was backed up; the message says why and where it was to go."""


class LeaseLost(DeskError):
    """Another process acts for this desk now, or this one's right to has run out: nothing more may be done here."""
