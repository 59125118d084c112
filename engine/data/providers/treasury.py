"""The US Treasury's daily par yield curve: a work of the US government, free, without a key.

The feed, its address and its parameters: home.treasury.gov/treasury-daily-interest-rate-xml-feed. The rates are par
yields on a bond-equivalent basis of prices at about 15:30 New York (home.treasury.gov/policy-issues/
financing-the-government/interest-rate-statistics/treasury-yield-curve-methodology), in percent. There is a row for each
day on which they are published: none at a weekend or on a holiday, and none yet in the file of a month that has begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from math import isfinite
from xml.etree.ElementTree import Element

from engine.data.budget import Allowance, Budget
from engine.data.providers.port import Curve, Offer, Provider
from engine.data.providers.reader import TIMEOUTS, Reader, invalid
from engine.errors import DataUnavailable, NotFound
from engine.model.market import Kind, Source
from engine.sessions import NEW_YORK
from engine.transport import Timeouts

URL = "https://home.treasury.gov"
FEED = "/resource-center/data-chart-center/interest-rates/pages/xml"
OUR_OWN = Allowance(30, 60.0)
"""The Treasury names no limit; a desk needs one answer a day."""
MATURITIES = {
    "BC_1MONTH": 1 / 12,
    "BC_1_5MONTH": 1.5 / 12,
    "BC_2MONTH": 2 / 12,
    "BC_3MONTH": 3 / 12,
    "BC_4MONTH": 4 / 12,
    "BC_6MONTH": 6 / 12,
    "BC_1YEAR": 1.0,
    "BC_2YEAR": 2.0,
    "BC_3YEAR": 3.0,
    "BC_5YEAR": 5.0,
    "BC_7YEAR": 7.0,
    "BC_10YEAR": 10.0,
    "BC_20YEAR": 20.0,
    "BC_30YEAR": 30.0,
}
"""Tag -> years. `BC_30YEARDISPLAY`, for the site's own tables, is none of them."""
LOWEST, HIGHEST = -5.0, 25.0
"""Percent: outside of it a number is no yield of the Treasury (of 1990 to 2017 the highest is 9.18)."""


class Treasury(Provider):
    """The latest curve of this month's file, or of last month's where this one has none yet."""

    name = "treasury"
    allowances = (OUR_OWN,)
    is_proven = False

    def __init__(self, clock: Callable[[], datetime], *, url: str = "", timeouts: Timeouts = TIMEOUTS) -> None:
        self._clock = clock
        self._reader = Reader(self.name, url or URL, Budget(self.name, *self.allowances), clock, timeouts=timeouts)

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return {Offer.CURVE: Kind.REAL}

    def curve(self) -> Curve:
        today = self._clock().astimezone(NEW_YORK).date()
        for month in (today, today.replace(day=1) - timedelta(days=1)):
            known = [curve for curve in self._month(month) if curve.day <= today]
            if known:
                return max(known, key=lambda curve: curve.day)
        raise DataUnavailable(f"The Treasury shows no yields for this month or the last one (asked on {today}).")

    def close(self) -> None:
        self._reader.close()

    def _month(self, month: date) -> tuple[Curve, ...]:
        params = {"data": "daily_treasury_yield_curve", "field_tdr_date_value_month": f"{month:%Y%m}"}
        try:
            feed = self._reader.xml(FEED, params)
        except NotFound:
            return ()
        if _tag(feed) not in ("feed", "pre"):
            raise invalid(self.name, "the feed's first tag", feed.tag)
        return tuple(self._curves(feed))

    def _curves(self, feed: Element) -> Iterator[Curve]:
        for row in feed.iterfind(".//{*}properties"):
            fields = {_tag(each): (each.text or "").strip() for each in row}
            yields = {
                years: self._percent(tag, fields[tag]) / 100 for tag, years in MATURITIES.items() if fields.get(tag)
            }
            # Holidays of some years have a row without a yield, or with zeros in all of it.
            if any(yields.values()):
                yield Curve(self._day(fields.get("NEW_DATE", "")), yields, Source(self.name, Kind.REAL))

    def _day(self, text: str) -> date:
        try:
            return datetime.fromisoformat(text).date()
        except ValueError as error:
            raise invalid(self.name, "NEW_DATE", text) from error

    def _percent(self, tag: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError as error:
            raise invalid(self.name, tag, text) from error
        if not (isfinite(value) and LOWEST <= value <= HIGHEST):
            raise invalid(self.name, tag, text)
        return value


def _tag(element: Element) -> str:
    """The tag without its namespace."""
    return element.tag.rpartition("}")[2]
