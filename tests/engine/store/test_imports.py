"""Old JSON portfolios: read whole or not at all, brought in once."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadRequest
from engine.imports import ImportReport, Skip, import_portfolio
from engine.model.events import EventKind, Severity
from engine.model.instruments import Option, Right, Stock
from engine.model.legs import Structure
from engine.model.records import Trade
from engine.store import Store
from tests import make
from tests.fakes import ids

D = Decimal
NEW_ID = ids()
PUT: dict[str, Any] = {
    "ticker": "F",
    "position_type": "cash_secured_put",
    "contracts": 2,
    "shares": 0,
    "avg_cost": 0.0,
    "strike": 12,
    "expiry": "2026-07-17",
    "premium_collected": 0.31,
    "days_to_expiry": 32,
    "current_price": 12.6,
    "unrealized_pnl": 4.0,
    "status": "active",
}
SHARES: dict[str, Any] = {
    "ticker": "KO",
    "position_type": "assigned_shares",
    "shares": 100,
    "avg_cost": 58.4,
    "strike": None,
    "expiry": None,
    "premium_collected": 0.9,
    "status": "active",
}
LEAP: dict[str, Any] = {
    "ticker": "NVDA",
    "theme": "ai_revolution",
    "entry_date": "2025-11-03",
    "expiry_date": "2027-06-18",
    "strike": 500,
    "entry_premium": 81.25,
    "contracts": 1,
    "stop_loss_hit": False,
}
CLOSED: dict[str, Any] = {
    "ticker": "AMD",
    "type": "call",
    "strategy": "WSB Dip Bot",
    "quantity": 3,
    "strike": 105,
    "entry_price": 2.1,
    "exit_price": 4.0,
    "entry_date": "2026-01-08",
    "exit_date": "2026-01-10T15:30:00-05:00",
    "commission": 6,
}


def bring(store: Store, document: object, name: str = "wheel.json") -> ImportReport:
    """Import a document as if it were a file."""
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return import_portfolio(store, content, make.NOW, NEW_ID, name)


def positions(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"last_updated": "2026-06-12T16:05:00", "positions": list(rows), **more}


def test_the_wheel_s_portfolio_comes_in(store: Store):
    bring(store, positions(PUT, SHARES))
    with store.read() as work:
        put, shares = sorted(work.open_positions(), key=lambda x: x.ticker)
    assert put.legs[0].instrument == Option("F", date(2026, 7, 17), Right.PUT, D(12))
    assert (put.strategy, put.structure, put.legs[0].quantity) == ("wheel", Structure.SHORT_PUT, -2)
    assert (put.entry, put.cost, put.max_loss, put.collateral) == (D("-0.31"), D("-62"), D("2338"), D("2400"))
    assert (shares.legs[0].instrument, shares.cost, shares.units) == (Stock("KO"), D("5840"), 100)


def test_the_leaps_tracker_s_portfolio_comes_in(store: Store):
    bring(store, positions(LEAP), "leaps.json")
    with store.read() as work:
        (call,) = work.open_positions()
    assert (call.strategy, call.structure, call.max_loss) == ("leaps", Structure.LONG_CALL, D("8125"))
    assert call.opened_at == datetime(2025, 11, 3, 5, tzinfo=UTC)


def test_an_imported_position_has_no_stop_and_says_so(store: Store):
    report = bring(store, positions(PUT, LEAP))
    with store.read() as work:
        plans = [x.exits for x in work.open_positions()]
        (event,) = work.events(kinds=[EventKind.IMPORTED])
    assert not any(plan.has_stop for plan in plans)
    assert all("no stop armed" in plan.words[0] for plan in plans)
    assert event.data["words"] == "2 positions imported without a stop: adopt or close them."
    assert (event.severity, event.data["positions"]) == (Severity.WARNING, [x.id for x in report.imported])


def test_an_unknown_day_of_entry_is_said_to_be_unknown(store: Store):
    bring(store, positions(PUT))
    with store.read() as work:
        (put,) = work.open_positions()
    assert put.opened_at == datetime(2026, 6, 12, 20, 5, tzinfo=UTC)
    assert "day of entry is not in the file" in put.exits.words[1]


def test_cash_and_profit_do_not_change(store: Store):
    with store.begin() as work:
        work.add_postings((make.deposit(),))
    bring(store, positions(PUT, SHARES, LEAP))
    with store.read() as work:
        book = work.book()
    costs = {leg.instrument: leg.average for x in book.positions.values() for leg in x.legs}
    totals = book.totals
    assert totals.cash == D(100_000)
    assert book.equity(costs) == totals.start + totals.flows + totals.realised == D(100_000) + D(5840 - 62 + 8125)


def test_a_closed_trade_becomes_a_trade(store: Store):
    report = bring(store, {"trades": [CLOSED]})
    with store.read() as work:
        (trade,) = work.trades()
        assert work.totals().realised == 0
    assert report.imported[0].words == "AMD long call, +570.00"
    assert trade == Trade(
        id=trade.id,
        strategy="wsb_dip",
        ticker="AMD",
        trade_type="long call",
        quantity=3,
        entry_price=D("2.1"),
        exit_price=D(4),
        pnl=D(570),
        commission=D(6),
        dividends=D(0),
        opened_at=datetime(2026, 1, 8, 5, tzinfo=UTC),
        closed_at=datetime(2026, 1, 10, 20, 30, tzinfo=UTC),
        campaign=None,
        reason="imported",
    )


def test_a_sold_option_gains_when_it_is_bought_back_cheaper(store: Store):
    bring(store, {"history": [CLOSED | {"type": "put", "quantity": -3, "entry_price": 4, "exit_price": 1}]})
    with store.read() as work:
        assert work.trades()[0].pnl == D(900)


def test_a_result_in_the_file_is_taken_as_it_is(store: Store):
    bring(store, {"trades": [CLOSED | {"pnl": "-12.345678"}]})
    with store.read() as work:
        assert work.trades()[0].pnl == D("-12.345678")


def test_the_same_content_is_imported_once(store: Store):
    first = bring(store, positions(PUT, LEAP))
    again = bring(store, positions(PUT, LEAP))
    assert (first.repeated, again.repeated, again.imported) == (False, True, first.imported)
    with store.read() as work:
        assert len(work.open_positions()) == 2
        assert len(work.events()) == 1


def test_a_file_saved_again_brings_only_what_is_new(store: Store):
    bring(store, positions(PUT, trades=[CLOSED]))
    report = bring(store, positions(PUT | {"current_price": 13.1}, SHARES, trades=[CLOSED, CLOSED]))
    assert [x.words for x in report.imported] == ["+100 KO at 58.40", "AMD long call, +570.00"]
    assert [(x.place, x.why) for x in report.skipped] == [
        ("wheel.json: positions[0]", Skip.KNOWN),
        ("wheel.json: trades[0]", Skip.KNOWN),
    ]


def test_two_equal_rows_are_two_positions(store: Store):
    bring(store, positions(LEAP, LEAP))
    with store.read() as work:
        assert len(work.open_positions()) == 2


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (PUT | {"contracts": 0}, Skip.EMPTY),
        (PUT | {"expiry": "2026-06-12"}, Skip.EXPIRED),
        (PUT | {"status": "assigned"}, Skip.ENDED),
        (PUT | {"position_type": "covered_call"}, Skip.UNCOVERED),
    ],
)
def test_a_row_left_out_is_reported_with_its_reason(store: Store, row: dict[str, Any], why: Skip):
    report = bring(store, positions(SHARES, row))
    assert [(x.place, x.why) for x in report.skipped] == [("wheel.json: positions[1]", why)]
    with store.read() as work:
        assert [x.ticker for x in work.open_positions()] == ["KO"]


def test_cash_and_trades_still_open_are_left_out(store: Store):
    report = bring(store, {"cash": 1234.5, "trades": [{k: v for k, v in CLOSED.items() if k != "exit_date"}]})
    assert [x.why for x in report.skipped] == [Skip.STILL_OPEN, Skip.CASH]


def test_an_option_expiring_today_is_still_held(store: Store):
    assert bring(store, positions(PUT | {"expiry": "2026-06-15"})).skipped == ()


CALL = SHARES | {"position_type": "covered_call", "strike": 62, "expiry": "2026-07-17", "premium_collected": 0.55}


def test_a_covered_call_brings_the_shares_of_its_row(store: Store):
    bring(store, positions(CALL))
    with store.read() as work:
        held = {x.structure: x for x in work.open_positions()}
    assert held[Structure.SHARES].cost == D("5840")
    assert held[Structure.COVERED_CALL].legs[0].quantity == -1
    assert held[Structure.COVERED_CALL].max_loss == 0


def test_shares_listed_apart_are_not_brought_twice(store: Store):
    bring(store, positions(SHARES, CALL))
    with store.read() as work:
        assert sorted(x.structure for x in work.open_positions()) == [Structure.COVERED_CALL, Structure.SHARES]


def test_a_hundred_shares_cover_one_call(store: Store):
    report = bring(store, positions(SHARES, CALL, CALL | {"strike": 65}))
    assert [(x.place, x.why) for x in report.skipped] == [("wheel.json: positions[2]", Skip.UNCOVERED)]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ticker": "Ford Motor"}, "ticker: “Ford Motor” is not a ticker"),
        ({"ticker": None}, r"ticker: is missing \(or symbol, underlying\)"),
        ({"strike": "twelve"}, "strike: “twelve” is not a number"),
        ({"strike": True}, "strike: “True” is not a number"),
        ({"strike": -12}, "strike: -12 is not a price"),
        ({"strike": 12.00001}, "strike: 12.00001 is not a strike"),
        ({"strike": 0}, "strike: 0 is not a strike"),
        ({"expiry": "07/17/2026"}, "expiry: “07/17/2026” is not a date"),
        ({"expiry": None}, "expiry: is missing"),
        ({"contracts": 1.5}, "contracts: 1.5 is not a whole number"),
        ({"contracts": None, "shares": 150}, "shares: 150 shares are not whole contracts"),
        ({"premium_collected": [1]}, r"premium_collected: “\[1\]” is not a number"),
        ({"premium_collected": "NaN"}, "premium_collected: “NaN” is not a number"),
        ({"premium_collected": 1e30}, "premium_collected: .* is not a number the desk can hold"),
        ({"position_type": "strangle"}, "position_type: “strangle” is not a kind of position; known are .*csp"),
        ({"status": 7}, "status: “7” is not text"),
    ],
)
def test_an_unreadable_row_is_named_and_nothing_is_written(store: Store, change: dict[str, Any], complaint: str):
    with pytest.raises(BadRequest, match=rf"^wheel\.json: positions\[1\]\.{complaint}.*Nothing was imported"):
        bring(store, positions(SHARES, PUT | change))
    with store.read() as work:
        assert (work.open_positions(), work.events(), work.totals().flows) == ((), (), 0)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"exit_price": None}, r"trades\[0\]\.pnl: is missing"),
        ({"exit_date": "2025-01-01"}, r"trades\[0\]\.exit_date: 2025-01-01 is before the entry of 2026-01-08"),
        ({"commission": "six"}, r"trades\[0\]\.commission: “six” is not a number"),
    ],
)
def test_an_unreadable_trade_is_named(store: Store, change: dict[str, Any], complaint: str):
    with pytest.raises(BadRequest, match=complaint):
        bring(store, {"trades": [CLOSED | change]})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"positions": [}', r"wheel.json: line 1, column 16 is not JSON"),
        (b'{"positions": [NaN]}', "NaN is not a number"),
        (b'"hello"', "expected an object with “positions”"),
        (b"{}", "found neither “positions” nor “trades”"),
        (b'{"positions": 5}', "“positions” is not a list"),
        (b'{"positions": [5]}', r"positions\[0\]: “5” is not an object"),
        (b"\xff\xfe\xfa", "wheel.json"),
    ],
)
def test_a_file_that_is_no_portfolio_is_refused(store: Store, content: bytes, complaint: str):
    with pytest.raises(BadRequest, match=complaint):
        bring(store, content)


def test_a_bare_list_is_its_positions(store: Store):
    assert len(bring(store, [PUT, SHARES]).imported) == 2


def test_a_number_is_read_as_it_is_written(store: Store):
    bring(store, b'[{"ticker": "KO", "shares": 3, "avg_cost": 0.1234567890123456789}]')
    with store.read() as work:
        assert work.open_positions()[0].entry == D("0.1234567890123456789")


def test_a_file_on_disk_is_named_by_its_name(store: Store, tmp_path: Path):
    file = tmp_path / "old.json"
    file.write_text(json.dumps(positions(PUT | {"strike": "x"})), encoding="utf-8")
    with pytest.raises(BadRequest, match=r"^old\.json: positions\[0\]\.strike"):
        import_portfolio(store, file, make.NOW, ids())
    with pytest.raises(BadRequest, match=r"none\.json cannot be read: No such file"):
        import_portfolio(store, tmp_path / "none.json", make.NOW, ids())


def test_a_file_written_after_now_does_not_open_positions_in_the_future(store: Store):
    bring(store, positions(PUT) | {"last_updated": (make.NOW + timedelta(days=9)).isoformat()})
    with store.read() as work:
        assert work.open_positions()[0].opened_at == make.NOW


def test_the_example_of_the_documentation_comes_in(store: Store):
    page = (Path(__file__).parents[3] / "docs" / "import.md").read_text(encoding="utf-8")
    document = page.partition("```json\n")[2].partition("```")[0]
    report = import_portfolio(store, document.encode(), datetime(2024, 3, 18, 14, tzinfo=UTC), ids(), "example.json")
    assert [x.words for x in report.imported] == [
        "-2 F 19 Apr 24 12 put at 0.31",
        "+100 KO at 58.40",
        "+1 NVDA 20 Jun 25 500 call at 81.25",
        "AMD long call, +570.00",
    ]
