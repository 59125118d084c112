"""From paper to live: a strategy opens positions with real money only after its promotion for that account is recorded.

Closing is never stopped by it: what is held has to get out.
"""

from __future__ import annotations

from dataclasses import replace

from engine.desk import Desk, Mode
from engine.errors import NotFound
from engine.model.events import Event, EventKind, Severity
from engine.model.records import Promotion
from engine.store import UnitOfWork


def why_not_live(desk: Desk, work: UnitOfWork, strategy: str) -> str:
    """Why the strategy may not open anything with this desk's money, "" when it may; paper money needs no promotion."""
    if desk.mode is not Mode.LIVE or work.promotion(strategy, desk.account) is not None:
        return ""
    return f"{strategy} has not been promoted to live money: it trades on paper only."


def record(desk: Desk, strategy: str, account: str, by: str, note: str = "") -> Promotion:
    """The strategy's promotion for `account`, made now; the one that is in force already where there is one.

    `desk` may be the paper desk whose results earned it: the account is the live one it is for.
    """
    with desk.store.begin() as work:
        standing = work.promotion(strategy, account)
        if standing is not None:
            return standing
        work.ensure_strategy(strategy, desk.now())
        promotion = Promotion(desk.new_id("M"), strategy, account, desk.now(), by, note)
        work.add_promotion(promotion)
        work.add_event(_changed(desk, promotion, by, f"{strategy} may trade live money in account {account}."))
    return promotion


def end(desk: Desk, strategy: str, account: str, by: str) -> Promotion:
    """The strategy's promotion for `account` as it ended now; what is open goes on to its own exits.

    Raises:
        NotFound: none is in force.
    """
    with desk.store.begin() as work:
        standing = work.promotion(strategy, account)
        if standing is None:
            raise NotFound(f"{strategy} is not promoted to live money in account {account}.")
        work.end_promotion(standing.id, desk.now())
        words = f"{strategy} opens nothing more with live money in account {account}."
        work.add_event(_changed(desk, standing, by, words))
    return replace(standing, ended_at=desk.now())


def _changed(desk: Desk, promotion: Promotion, by: str, words: str) -> Event:
    data = {"words": words, "by": by, "note": promotion.note}
    kind, severity = EventKind.STRATEGY_CHANGED, Severity.WARNING
    return desk.event(kind, promotion.strategy, data, severity, actor=by)
