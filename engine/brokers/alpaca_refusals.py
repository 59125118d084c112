"""What Alpaca's refusals mean. Its codes are overloaded, so each is told by status, code and words together.

Sources: Alpaca's pages "Orders at Alpaca", "Options trading", "User protection"; its forum (threads 13441, 13817 and
16594); the examples of the OpenAPI document. Words that match nothing mean `OTHER`: nothing is done that was not
understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.brokers import wire
from engine.brokers.alpaca_http import Refused
from engine.errors import Refusal


@dataclass(frozen=True, slots=True)
class _Row:
    kind: Refusal
    words: re.Pattern[str]
    status: int | None = None
    code: int | None = None

    def applies(self, refused: Refused) -> bool:
        return (
            self.status in (None, refused.status)
            and self.code in (None, refused.code)
            and self.words.search(refused.message) is not None
        )


def _row(kind: Refusal, words: str, status: int | None = None, code: int | None = None) -> _Row:
    return _Row(kind, re.compile(words, re.IGNORECASE), status, code)


SUBMIT = (
    _row(Refusal.KEYS, "", status=401),
    _row(Refusal.KEYS, r"^forbidden\.?$|not authorized", status=403),
    _row(Refusal.HELD, r"insufficient qty", code=wire.FORBIDDEN),
    _row(Refusal.HELD, r"position intent mismatch"),
    _row(Refusal.WASH_TRADE, r"wash trade", code=wire.FORBIDDEN),
    _row(Refusal.UNCOVERED, r"uncovered", code=wire.FORBIDDEN),
    _row(Refusal.BUYING_POWER, r"insufficient .*(buying power|balance|funds|cash)", code=wire.FORBIDDEN),
    _row(Refusal.SUSPENDED, r"suspend", status=403),
    _row(Refusal.PRICE, r"sub-penny|pricing criteria|increment|tick size|decimal", status=422),
    _row(Refusal.ORDER_TYPE, r"time[_ ]in[_ ]force|order type|stop.*not supported", status=422),
    _row(Refusal.TIMING, r"market hours|market is (closed|not open)|extended hours", status=422),
)
"""Of `POST /v2/orders`, the first row that applies. A duplicate id is told apart before (`Refused.is_duplicate`)."""

CANCEL = (
    _row(Refusal.KEYS, "", status=401),
    _row(Refusal.KEYS, "", status=403),
    _row(Refusal.MISSING, "", status=404),
    _row(Refusal.OVER, "", status=422),
)
"""Of `DELETE /v2/orders/{id}`."""


def meaning(refused: Refused, rows: tuple[_Row, ...] = SUBMIT) -> Refusal:
    """What a refusal asks for."""
    return next((row.kind for row in rows if row.applies(refused)), Refusal.OTHER)


def names_time(refused: Refused) -> bool:
    """Whether it is the time in force that is not taken, not the type of the order."""
    return re.search(r"time[_ ]in[_ ]force", refused.message, re.IGNORECASE) is not None


def related(refused: Refused) -> tuple[str, ...]:
    """Alpaca's ids of the orders that are in the way, where it names them."""
    listed = refused.details.get("related_orders")
    found = [str(one) for one in listed if one] if isinstance(listed, list) else []
    existing = refused.details.get("existing_order_id")
    return tuple(dict.fromkeys([*found, *([str(existing)] if existing else [])]))
