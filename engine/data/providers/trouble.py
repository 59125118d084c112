"""What can go wrong with a provider: each kind asks for something else to be done about it."""

from __future__ import annotations

from engine.errors import DataUnavailable


class NotOffered(DataUnavailable):
    """This provider does not answer such questions, or is not entitled to under these keys."""


class Refused(DataUnavailable):
    """The provider said no (400, 422): asking the same again will not help."""


class Unauthorised(DataUnavailable):
    """It does not accept the keys (401): nothing of it can be had until they are changed."""


class NotEntitled(NotOffered):
    """It accepts the keys, but the subscription does not cover the question (402, 403)."""


class Throttled(DataUnavailable):
    """Asked too often: by its own word (429), or before asking, by our own count of its allowance.

    `after`: seconds to wait, as far as they are known.
    """

    def __init__(self, message: str, after: float = 60.0) -> None:
        super().__init__(message)
        self.after = after


class Unreachable(DataUnavailable):
    """No answer in time, or one that is no answer (5xx, cut off, a page of HTML): soon it may be otherwise."""
