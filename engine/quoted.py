"""Quotes for those who go on without: what is left out has none, whatever the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

import structlog

from engine import checks
from engine.desk import Desk
from engine.errors import DataError
from engine.model.instruments import Instrument
from engine.model.market import Quote

log = structlog.get_logger()


def known(desk: Desk, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
    """The quotes there are now; none where the market does not answer."""
    wanted = tuple(dict.fromkeys(instruments))
    if not wanted:
        return {}
    try:
        return desk.market.quotes(wanted)
    except DataError as problem:
        log.debug("quotes.none", instruments=len(wanted), problem=str(problem))
        return {}


def why_unfit(desk: Desk, quotes: Mapping[Instrument, Quote]) -> str:
    """Why an order that opens something may not be priced on these, "" when it may: kind, age, a side that is missing.

    The price itself is bound elsewhere, by the card's.
    """
    oldest = timedelta(seconds=desk.rules.quote_age)
    for instrument, quote in quotes.items():
        if not checks.may_price(desk, quote.source.kind):
            return f"the quote of {instrument} is from {quote.source}"
        if not quote.is_two_sided:
            return f"the quote of {instrument} is one-sided"
        if quote.age(desk.now()) > oldest:
            return f"the quote of {instrument} is {quote.age(desk.now()).total_seconds():.0f} s old"
    return ""
