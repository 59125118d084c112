"""The right of one process to act for a desk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.errors import LeaseLost
from engine.model.elapsed import elapsed

LEASE_FOR = timedelta(seconds=10)
"""How long a lease holds that is not renewed."""
OVER = float("-inf")


@dataclass(slots=True)
class Term:
    """Under which lease this process acts. It belongs to the store: every desk on it shares it.

    Attributes:
        holder: this process, as the lease names it; "" where no lease is taken (replay, one command), so that nothing
            is ever fenced off.
        epoch: of the lease it holds, 0 before it holds one. A lease with another epoch in the database means that
            somebody else acts now.
        good_until: when the lease runs out if it is not renewed, by `clock`: seconds that also pass while this process
            is stopped and while the machine sleeps.
        since: when it began to act, by the desk's clock.
    """

    holder: str = ""
    epoch: int = 0
    good_until: float = 0.0
    clock: Callable[[], float] = elapsed
    since: datetime | None = None

    @property
    def is_fenced(self) -> bool:
        """Whether acts are held against the lease in the database."""
        return bool(self.holder)

    @property
    def may_act(self) -> bool:
        """Whether nobody else can have begun to act by now, as far as this process can tell by itself."""
        return not self.is_fenced or self.clock() < self.good_until

    @property
    def is_over(self) -> bool:
        """Whether the lease was given back or lost, not only left without a renewal."""
        return self.good_until == OVER

    def begin(self, holder: str, epoch: int, asked: float, since: datetime | None = None) -> None:
        """Act under a lease that was asked for at `asked`, by `clock`."""
        self.epoch, self.since = epoch, since
        self.renewed(asked)
        self.holder = holder

    def renewed(self, asked: float) -> None:
        """The lease holds from when its renewal was asked for: whoever waits for its end sees it no earlier."""
        self.good_until = asked + LEASE_FOR.total_seconds()

    def end(self) -> None:
        """Act no more."""
        self.good_until = OVER

    def check(self) -> None:
        """Refuse what cannot be taken back, right before it: this process may have been stopped since it was begun.

        Raises:
            LeaseLost: the lease has run out.
        """
        if not self.may_act:
            raise LeaseLost("The right of this process to act has run out: nothing is done until it is renewed.")
