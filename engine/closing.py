"""A person closes a position: at once with simulated money, with a second tap of the same person on live money."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine import exits
from engine.desk import Desk, Mode
from engine.errors import AlreadyDecided, NotAllowed
from engine.exits import Closing
from engine.model.orders import Ticket

ASKED = "closing:"
"""Setting of a position that a person wants to close: who, how many units, and when it was asked for."""

ANSWERED_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Question:
    """What the second tap would do, at the prices of now."""

    closing: Closing
    seconds: int


def close(desk: Desk, position_id: str, by: str, units: int | None = None) -> Ticket | Question:
    """The working order on paper; on live money the question that a second tap answers.

    Raises:
        As `exits.close`.
    """
    if desk.mode is not Mode.LIVE:
        return exits.close(desk, position_id, by, units)
    wanted = exits.preview(desk, position_id, units)
    text = json.dumps([by, wanted.units, desk.now().isoformat()])
    with desk.store.begin() as work:
        work.set_setting(f"{ASKED}{position_id}", text, by, desk.now())
    return Question(wanted, int(ANSWERED_WITHIN.total_seconds()))


def confirm(desk: Desk, position_id: str, by: str) -> Ticket:
    """The second tap: close what was asked for, once.

    Raises:
        AlreadyDecided: nothing was asked, it was answered, or its minute is over. NotAllowed: somebody else asked.
        As `exits.close`.
    """
    with desk.store.begin() as work:
        text = work.setting(f"{ASKED}{position_id}")
        if not text:
            raise AlreadyDecided(f"Nobody asked to close {position_id}, or that was answered: /close {position_id}.")
        asker, units, at = json.loads(text)
        if asker != by:
            raise NotAllowed(f"{asker} asked to close {position_id}; to close it yourself, use /close {position_id}.")
        work.set_setting(f"{ASKED}{position_id}", "", by, desk.now())
    if desk.now() - datetime.fromisoformat(at) > ANSWERED_WITHIN:
        raise AlreadyDecided(f"That was asked more than a minute ago; /close {position_id} asks again.")
    return exits.close(desk, position_id, by, units)
