"""What speaks for or against trading a name now: halts, and what other sources say of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TradingStatus:
    """Whether a name may trade now. `since` is when that began, None when it has traded all day.

    `is_market_wide`: the halt is (or, resumed, was) the whole market's (a circuit breaker).
    """

    ticker: str
    is_halted: bool = False
    since: datetime | None = None
    is_market_wide: bool = False


@dataclass(frozen=True, slots=True)
class Opinion:
    """What other sources say of the numbers that a trade would rest on; empty where nobody compares them.

    Attributes:
        against: a sentence for each contradiction, with both numbers: there is no entry on such numbers.
        alone: what only one source tells ("past prices", "options"): shown on the card.
    """

    against: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What stands on the card of an entry that nothing speaks against."""
        return (f"One source only: {', '.join(self.alone)}.",) if self.alone else ()
