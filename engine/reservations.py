"""What working entries take of the limits, worked out once for each of them, not again for every proposal beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from engine.exposures import Exposure, plan_exposure
from engine.model.book import ZERO
from engine.model.orders import Ticket
from engine.model.trade import TradePlan

Version = tuple[str, int]
"""An approval's id and version: what was shown under it never changes."""


def ticket_exposure(ticket: Ticket, plan: TradePlan) -> Exposure:
    """What the unfilled part of a working opening order may still add."""
    whole = plan_exposure(plan)
    share = Decimal(ticket.left) / plan.quantity if plan.quantity else ZERO
    return replace(
        whole,
        counted=whole.counted * share,
        collateral=whole.collateral * share,
        max_loss=None if whole.max_loss is None else whole.max_loss * share,
        delta=None if whole.delta is None else whole.delta * share,
        pays=whole.pays * share,
        market_fall=None if whole.market_fall is None else whole.market_fall * share,
        short_puts=whole.short_puts * ticket.left // plan.quantity if plan.quantity else 0,
        source=ticket.id,
    )


class Reservations:
    """The exposures of the entries that were worked when it was asked last. Safe to share between threads."""

    def __init__(self) -> None:
        self._known: Mapping[tuple[str, Version, int], Exposure] = {}

    def of(
        self, tickets: Sequence[Ticket], plans: Callable[[list[Version]], Mapping[Version, TradePlan]]
    ) -> tuple[Exposure, ...]:
        """The exposure of what is left of each entry; `plans` reads the plans of those that are new or have filled."""
        known = self._known
        keys = [(ticket.id, _version(ticket), ticket.left) for ticket in tickets]
        new = [ticket for ticket, key in zip(tickets, keys, strict=True) if key not in known]
        read = plans([_version(ticket) for ticket in new]) if new else {}
        fresh = {
            (ticket.id, _version(ticket), ticket.left): ticket_exposure(ticket, read[_version(ticket)])
            for ticket in new
        }
        now = {key: fresh[key] if key in fresh else known[key] for key in keys}
        self._known = now
        return tuple(now.values())


def _version(ticket: Ticket) -> Version:
    return ticket.approval_id or "", ticket.version
