"""Half a year of 149 real stocks as a process of its own: scans, cards, taps, fills, exits and digests, to the cent."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine import audit
from engine.data.folder import RecordedFolder
from engine.data.replay import ReplayMarket
from engine.model.events import EventKind, SealedEvent
from engine.model.orders import Purpose
from engine.model.trade import Approval
from engine.sessions import NEW_YORK, Sessions
from engine.store import Store
from tests.journeys.conftest import Replayed
from tests.journeys.paperwork import account_of
from tests.journeys.program import DATA, HALF_YEAR, THREE_WEEKS, Run, replay, wsb
from tests.shared import needs_shared

pytestmark = [needs_shared, pytest.mark.timeout(900)]

KEYS = (
    "sessions", "proposals", "approved", "rejected", "expired", "blocked", "orders", "fills", "partial_fills", "exits",
    "assignments", "digests", "alerts", "errors", "not_checked", "realised_pnl", "unrealised_pnl", "dividends",
    "interest", "cash_flows", "fees", "equity_start", "equity_end", "max_drawdown", "positions", "by_strategy",
    "baseline", "audit_head",
)  # fmt: skip
MONEY = (
    "realised_pnl", "unrealised_pnl", "dividends", "interest", "cash_flows", "fees", "equity_start", "equity_end",
    "max_drawdown",
)  # fmt: skip
EVERYTHING = 1_000_000
LAST_DAY = date(2019, 1, 11)
"""The altered folders differ from the recorded one after this day, the eighth of the three weeks."""


def money(run: Run, key: str) -> Decimal:
    return Decimal(run.body[key])


def test_standard_output_is_one_object_with_the_promised_keys(half_year: Replayed) -> None:
    body = half_year.run.body

    assert half_year.run.code == 0
    assert half_year.run.out.startswith("{\n")
    assert half_year.run.out.endswith("\n}\n")
    assert tuple(body) == KEYS
    assert tuple(body["by_strategy"]) == ("wheel", "wsb_dip")
    for line in body["by_strategy"].values():
        assert tuple(line) == ("signals", "proposals", "fills", "exits", "realised_pnl")


def test_counts_are_integers_and_money_is_text_with_two_to_four_decimals(half_year: Replayed) -> None:
    body = half_year.run.body

    assert all(re.fullmatch(r"-?\d+\.\d{2,4}", body[key]) for key in MONEY)
    others = (*MONEY, "not_checked", "by_strategy", "baseline", "audit_head")
    assert all(type(body[key]) is int for key in KEYS if key not in others)
    assert re.fullmatch("[0-9a-f]{64}", body["audit_head"])


def test_half_a_year_proposes_fills_and_exits_with_both_strategies_and_without_an_error(half_year: Replayed) -> None:
    body = half_year.run.body

    assert body["proposals"] >= 20
    assert body["fills"] >= 10
    assert body["errors"] == 0
    assert body["approved"] + body["blocked"] == body["proposals"]
    for line in body["by_strategy"].values():
        assert line["exits"] > 0
        assert line["fills"] > line["exits"] / 2
    assert sum(line["exits"] for line in body["by_strategy"].values()) == body["exits"]
    assert half_year.run.err == ""


def test_every_session_ends_with_one_digest_and_one_row_of_equity(half_year: Replayed) -> None:
    sessions = [day.isoformat() for day in Sessions().between(date(2019, 1, 2), date(2019, 6, 28))]
    with half_year.store.read() as work:
        digests = work.events(kinds=[EventKind.DIGEST_READY], limit=EVERYTHING)
        rows = work.equity_history(limit=EVERYTHING)

    assert len(sessions) == half_year.run.body["sessions"] == half_year.run.body["digests"] == 124
    assert [event.subject for event in digests] == sessions
    assert [row.day.isoformat() for row in rows] == sessions
    assert [event.data["equity"] for event in digests] == [str(row.equity) for row in rows]
    assert all(event.at.astimezone(NEW_YORK).strftime("%H:%M") == "16:15" for event in digests)


def test_the_equity_change_is_the_sum_of_its_parts_to_the_cent(half_year: Replayed) -> None:
    run = half_year.run
    parts = sum(money(run, key) for key in ("realised_pnl", "unrealised_pnl", "dividends", "interest", "cash_flows"))

    assert money(run, "equity_start") == Decimal(100_000)
    assert money(run, "equity_end") - money(run, "equity_start") == parts - money(run, "fees")
    by_strategy = run.body["by_strategy"].values()
    assert sum(Decimal(line["realised_pnl"]) for line in by_strategy) == money(run, "realised_pnl")


def test_the_account_can_be_counted_again_from_fills_and_assignments_alone(half_year: Replayed) -> None:
    with half_year.store.read() as work:
        fills = {
            p.id: work.fills(position_id=p.id) for p in (*work.positions_closed(EVERYTHING), *work.open_positions())
        }
        account = account_of(fills, work.activities(datetime.min.replace(tzinfo=NEW_YORK)))
        last = work.equity_history(limit=1)[-1]
    market = ReplayMarket(RecordedFolder.open(DATA), lambda: last.at, Sessions())
    marks = {held: quote.mid for held, quote in market.quotes(account.open).items()}

    run = half_year.run
    assert account.realised == money(run, "realised_pnl")
    assert account.fees == money(run, "fees")
    assert account.unrealised(marks) == money(run, "unrealised_pnl")
    assert Decimal(100_000) + account.cash == last.cash
    assert last.cash + account.value(marks) == money(run, "equity_end")
    assert sum(map(len, fills.values())) == run.body["fills"]


def test_every_exit_is_a_card_with_its_reason_and_no_position_is_left_without_a_plan(half_year: Replayed) -> None:
    with half_year.store.read() as work:
        positions = (*work.positions_closed(EVERYTHING), *work.open_positions())
        tickets = work.tickets(limit=EVERYTHING)
        started = {event.subject for event in work.events(kinds=[EventKind.EXIT_STARTED], limit=EVERYTHING)}

    exits = [ticket for ticket in tickets if ticket.purpose is Purpose.EXIT]
    assert {ticket.position_id for ticket in exits} == started
    assert {ticket.reason for ticket in exits} >= {"target", "stop", "21 DTE winner", "delta"}
    assert all(position.exits.has_stop for position in positions)
    assert all(position.close_reason for position in positions if not position.is_open)


def test_half_a_year_needs_less_than_a_gibibyte(half_year: Replayed) -> None:
    assert 0 < half_year.run.peak < 2**30


def test_the_chain_over_the_half_year_is_verified_by_another_process(half_year: Replayed, tmp_path: Path) -> None:
    checked = wsb("audit", "verify", "--json", cwd=tmp_path, DATABASE_URL=half_year.url)

    assert checked.code == 0
    assert (checked.body["ok"], checked.body["unsealed"]) == (True, 0)
    assert checked.body["head"] == half_year.run.body["audit_head"]


@pytest.fixture(scope="module")
def three_weeks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Store]:
    """Three weeks of the same, in a database of their own."""
    return kept(tmp_path_factory.mktemp("recorded"), PYTHONHASHSEED="1", TZ="America/New_York")


def kept(folder: Path, data: Path = DATA, **variables: str) -> tuple[Run, Store]:
    """A replay of the three weeks and its database."""
    url = f"sqlite:///{folder / 'desk.db'}"
    run = replay(THREE_WEEKS, "--db", url, cwd=folder, data=data, **variables)
    assert run.code == 0, run.err
    return run, Store.open(url)


def test_the_same_inputs_give_the_same_bytes(three_weeks: tuple[Run, Store], tmp_path: Path) -> None:
    """Neither the order of sets, nor the time zone of the machine, nor the place of the database shows."""
    again = replay(THREE_WEEKS, cwd=tmp_path, PYTHONHASHSEED="2", TZ="Asia/Tokyo")

    first, _ = three_weeks
    assert again.out == first.out
    assert first.body["fills"] > 0
    assert first.body["exits"] > 0


def test_unanswered_and_rejected_cards_place_no_order(tmp_path: Path) -> None:
    run = replay(THREE_WEEKS, "--approve", "none", cwd=tmp_path)

    body = run.body
    assert run.code == 0
    assert (body["orders"], body["fills"], body["positions"], body["approved"]) == (0, 0, 0, 0)
    assert body["rejected"] > 0
    assert body["expired"] > 0
    assert body["rejected"] + body["expired"] == body["proposals"] >= 20
    assert body["equity_end"] == body["equity_start"] == "100000.00"


def altered_folder(folder: Path, last: date) -> Path:
    """The recorded folder with another future after `last`: other prices, other volumes, every tenth name gone."""
    bars = pq.read_table(DATA / "daily_bars.parquet")
    late = np.array(bars.column("date").to_pylist()) > last
    columns = {name: bars.column(name) for name in bars.column_names}
    times = np.random.default_rng(3).uniform(0.4, 2.5, len(late))
    for name in ("open", "high", "low", "close", "adj_close"):
        columns[name] = pa.array(
            np.where(late, columns[name].to_numpy() * times, columns[name].to_numpy()), pa.float32()
        )
    columns["volume"] = pa.array(np.where(late, columns["volume"].to_numpy() * 3 + 1, columns["volume"].to_numpy()))
    codes = bars.column("ticker").combine_chunks().indices.to_numpy()
    table = pa.table(columns).filter(pa.array(~(late & (codes % 10 == 0))))
    folder.mkdir()
    for file in DATA.iterdir():
        if file.name != "daily_bars.parquet":
            (folder / file.name).symlink_to(file)
    pq.write_table(table, folder / "daily_bars.parquet")
    return folder


def until(store: Store, day: date) -> list[SealedEvent]:
    """Everything that happened up to the end of `day`, sealed."""
    with store.read() as work:
        return [sealed for sealed in work.sealed_events(limit=EVERYTHING) if sealed.event.at.date() <= day]


def proposed(store: Store, day: date) -> dict[str, Approval]:
    with store.read() as work:
        return {card.id: card for card in work.approvals(limit=EVERYTHING) if card.created_at.date() <= day}


def test_other_bars_after_a_day_change_nothing_up_to_it(three_weeks: tuple[Run, Store], tmp_path: Path) -> None:
    """Cards whole (legs, prices, sizes, reasons), every other event, and so the hash chain."""
    data = altered_folder(tmp_path / "data", LAST_DAY)

    other_run, other = kept(tmp_path, data)

    run, store = three_weeks
    assert len(proposed(store, LAST_DAY)) >= 10
    assert proposed(other, LAST_DAY) == proposed(store, LAST_DAY)
    assert until(other, LAST_DAY) == until(store, LAST_DAY)
    assert other_run.out != run.out, "the alteration reached nothing"
    other.close()


def test_every_reason_of_a_card_is_kept(three_weeks: tuple[Run, Store]) -> None:
    """What the comparison above compares is there: legs, prices, reasons for and against, and the exit plan."""
    _, store = three_weeks
    for card in proposed(store, LAST_DAY).values():
        signal = card.plan.signal
        assert signal.legs
        assert signal.reasons
        assert signal.exits.words
        assert "modelled" in signal.data


@pytest.mark.soak
def test_the_whole_half_year_twice_gives_the_same_bytes(half_year: Replayed, tmp_path: Path) -> None:
    again = replay(HALF_YEAR, cwd=tmp_path, PYTHONHASHSEED="2", TZ="Asia/Tokyo")

    assert again.out == half_year.run.out


@pytest.mark.soak
def test_half_a_year_without_approval_places_no_order(tmp_path: Path) -> None:
    body = replay(HALF_YEAR, "--approve", "none", cwd=tmp_path).body

    assert (body["orders"], body["fills"]) == (0, 0)
    assert min(body["rejected"], body["expired"]) > 0
    assert body["digests"] == 124


WINDOWS = (
    ("2005-01-03", "2005-12-30"),
    ("2008-07-01", "2009-03-31"),
    ("2014-03-03", "2014-09-30"),
    ("2015-06-01", "2016-03-31"),
    ("2020-01-02", "2020-12-31"),
    ("2021-01-04", "2021-12-31"),
)
"""A put held over a split, a crash, AAPL's 7:1 split, recorded contracts among modelled ones, another crash, and the
winter of GME and AMC."""


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("start", "end"), WINDOWS, ids=[start[:4] for start, _ in WINDOWS])
def test_hard_years_end_without_an_error_and_with_books_in_balance(start: str, end: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    window = ("--from", start, "--to", end, "--strategies", "wheel,wsb_dip", "--seed", "7")

    run = replay(window, "--db", url, cwd=tmp_path)

    body: dict[str, Any] = run.body
    assert run.code == body["errors"] == 0
    assert (
        body["digests"]
        == body["sessions"]
        == len(Sessions().between(date.fromisoformat(start), date.fromisoformat(end)))
    )
    assert min(line["exits"] for line in body["by_strategy"].values()) > 0
    with Store.open(url) as store:
        assert audit.verify(store).ok
