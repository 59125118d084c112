"""Massive's bars of 15 minutes: of which hours, when they are over, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from engine.data.budget import Allowance, Urgency, asking
from engine.data.providers.massive import Massive
from engine.errors import DataInvalid, NotFound
from engine.model.market import Kind
from tests.contracts.provider import QUICK
from tests.standins.massive import GENERATED, KEY, MassiveServer
from tests.standins.provider_server import serving

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
"""Half an hour after the close of a half-day."""
WEDNESDAY, FRIDAY = date(2026, 11, 25), date(2026, 11, 27)
QUARTERS = "/v2/aggs/ticker/AAPL/range/15/minute/2026-11-25/2026-11-27"


@dataclass
class Bench:
    """A server and its clock."""

    server: MassiveServer
    now: datetime = NOW

    def provider(self, allowance: Allowance) -> Massive:
        return Massive(KEY, lambda: self.now, url=self.server.url, allowance=allowance, timeouts=QUICK)


@pytest.fixture
def bench() -> Iterator[Bench]:
    server = MassiveServer(GENERATED)
    with serving(server):
        yield Bench(server)


@pytest.fixture
def massive(bench: Bench) -> Iterator[Massive]:
    provider = bench.provider(Allowance(1000, 60.0))
    yield provider
    provider.close()


def test_intraday_bars_are_of_regular_sessions_by_the_exchanges_calendar(massive: Massive):
    bars = massive.intraday(["AAPL"], WEDNESDAY, 15)["AAPL"]
    assert bars.day.tolist() == [WEDNESDAY, WEDNESDAY, FRIDAY, FRIDAY]
    assert bars.start.tolist() == [570, 945, 570, 765]
    assert bars.close.tolist() == [260, 261, 262, 263]
    assert bars.volume.tolist() == [1000.5] * 4


@pytest.mark.parametrize(
    ("status", "kind", "last"), [("OK", Kind.REAL, "2026-11-27T18:01"), ("DELAYED", Kind.DELAYED, "2026-11-27T18:16")]
)
def test_a_bar_counts_when_it_is_over_where_it_comes_from(
    bench: Bench, massive: Massive, status: str, kind: Kind, last: str
):
    bench.server.answers[QUARTERS] = {**GENERATED[QUARTERS], "status": status}
    bench.now = datetime.fromisoformat(f"{last}:00+00:00")
    bars = massive.intraday(["AAPL"], WEDNESDAY, 15)["AAPL"]
    assert (bars.source.kind, len(bars)) == (kind, 4)
    bench.now -= timedelta(minutes=1)
    assert len(massive.intraday(["AAPL"], WEDNESDAY, 15)["AAPL"]) == 3


def test_intraday_bars_whose_newest_are_on_another_page_are_refused(bench: Bench, massive: Massive):
    bench.server.answers[QUARTERS] = {**GENERATED[QUARTERS], "next_url": "https://api.massive.com/v2/aggs/more"}
    with pytest.raises(DataInvalid, match="more than one page"):
        massive.intraday(["AAPL"], WEDNESDAY, 15)


def test_unadjusted_intraday_bars_are_refused(bench: Bench, massive: Massive):
    bench.server.answers[QUARTERS] = {**GENERATED[QUARTERS], "adjusted": False}
    with pytest.raises(DataInvalid, match="adjusted"):
        massive.intraday(["AAPL"], WEDNESDAY, 15)


def test_intraday_bars_are_asked_of_as_many_names_as_a_minute_has_requests(bench: Bench):
    free = bench.provider(Allowance(2, 60.0))
    with asking(Urgency.ORDER), pytest.raises(NotFound):
        free.intraday(["A", "B", "C"], WEDNESDAY, 15)
    free.close()
    assert len(bench.server.asked) == 2
