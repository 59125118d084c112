"""The error tree. The message of every `DeskError` is fit to show to a user."""


class DeskError(Exception):
    """Something a person can be told in one sentence."""


class NotFound(DeskError):
    """The thing that was named does not exist."""


class NotAllowed(DeskError):
    """This person may not do that."""


class BadRequest(DeskError):
    """The input cannot be understood; the message names it."""


class AlreadyDecided(DeskError):
    """Somebody was first; the message says who and what."""


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


class OrderRejected(BrokerError):
    """The broker refused; nothing was placed.

    `code` is the broker's own error code where it gave one (Alpaca: 40310000 ...).
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class ConfigError(DeskError):
    """The desk cannot open: the message names the key and what it should be."""
