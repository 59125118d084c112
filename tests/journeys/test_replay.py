"""The whole journey over recorded days: scan, card, tap, order, fill, exit, digest; the same inputs, the same bytes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from bot import app
from bot.bulkheads import finish
from bot.console.replay import ReplayOptions, load_config, make_journey, run_days
from bot.message import PLAIN, Card, Manner, MessageRef, as_text
from bot.replay import Journey
from bot.summary import Json, summary
from engine import audit
from engine.data.series import Series
from engine.model.book import PostingKind
from engine.model.events import EventKind
from engine.model.instruments import Instrument
from engine.model.orders import Purpose
from engine.model.trade import Approval, ApprovalStatus
from engine.store import Store

QUIET = {"WSB__LOGGING__LEVEL": "error"}
START, END = date(2009, 2, 3), date(2009, 3, 6)


@cache
def prices() -> app.Folder:
    return app.demo_prices()


def replayed(
    approve: Literal["all", "none"] = "all",
    seed: int = 7,
    folder: app.Folder | None = None,
    days: tuple[date, date] = (START, END),
) -> tuple[Json, Store]:
    """The summary of a replay of the demo's prices (or `folder`) and the store it leaves."""
    store = Store.memory()
    options = ReplayOptions(folder or prices(), *days, approve, seed)
    return run_days(load_config(None, QUIET), options, store), store


@cache
def journey() -> Journey:
    """A month in which puts are sold and bought back: lived through once for all the tests that only read."""
    made = make_journey(load_config(None, QUIET), ReplayOptions(prices(), START, END, "all", 7), Store.memory())
    finish(made.run(made.made.desk.sessions.between(START, END)))
    return made


def month() -> tuple[Json, Store]:
    """The summary and the store of that month."""
    desk = journey().made.desk
    return summary(desk), desk.store


NINE_DAYS = (START, date(2009, 2, 13))


@cache
def nine_days() -> tuple[Json, Store]:
    """The first of them, lived through once for all that compare another life with it."""
    return replayed(days=NINE_DAYS)


def every_event(store: Store) -> list[object]:
    with store.read() as work:
        return list(work.events(limit=1_000_000))


def decimal(body: Json, key: str) -> Decimal:
    return Decimal(str(body[key]))


def test_a_month_runs_through_every_station_without_an_error() -> None:
    body, _ = month()

    assert body["errors"] == 0
    assert body["approved"] == body["proposals"]
    assert all(int(str(body[key])) > 0 for key in ("proposals", "orders", "fills", "exits"))
    assert body["digests"] == body["sessions"] == 23


def test_the_equity_change_is_its_parts_to_the_cent() -> None:
    body, _ = month()

    parts = sum(
        decimal(body, key) for key in ("realised_pnl", "unrealised_pnl", "dividends", "interest", "cash_flows")
    ) - decimal(body, "fees")
    assert abs(decimal(body, "equity_end") - decimal(body, "equity_start") - parts) < Decimal("0.01")


def test_money_is_text_with_two_to_four_decimals_and_counts_are_whole() -> None:
    body, _ = month()

    for key, value in body.items():
        if key.endswith(("pnl", "start", "end", "drawdown", "fees", "flows")) or key in {"dividends", "interest"}:
            assert isinstance(value, str)
            assert 2 <= len(value.partition(".")[2]) <= 4, key
        elif key not in {"not_checked", "by_strategy", "baseline", "audit_head"}:
            assert type(value) is int, key


def test_the_books_and_the_exchange_agree_on_cash_and_holdings() -> None:
    body, store = month()
    with store.read() as work:
        postings, book = work.postings(), work.book()

    fees = -sum(posting.cash for posting in postings if posting.kind is PostingKind.FEE)
    assert fees == decimal(body, "fees")
    assert book.cash == sum(posting.cash for posting in postings)
    assert book.cash == journey().made.broker.account().cash
    ours = Counter[Instrument]()
    for position in book.positions.values():
        ours.update({leg.instrument: leg.quantity for leg in position.legs})
    assert {item: quantity for item, quantity in ours.items() if quantity} == {
        holding.instrument: holding.quantity for holding in journey().made.broker.holdings()
    }


def test_the_same_inputs_give_the_same_events_cards_and_summary() -> None:
    (first, one), (second, two) = nine_days(), replayed(days=NINE_DAYS)

    assert json.dumps(first) == json.dumps(second)
    assert every_event(one) == every_event(two)


def test_another_seed_changes_nothing_when_everything_is_approved() -> None:
    days = (START, date(2009, 2, 6))

    assert replayed(seed=1, days=days)[0] == replayed(seed=2, days=days)[0]


def test_without_approval_there_is_no_order_and_cards_are_rejected_or_expire() -> None:
    body, store = replayed("none", days=(START, date(2009, 2, 20)))

    assert (body["orders"], body["fills"], body["positions"]) == (0, 0, 0)
    assert int(str(body["rejected"])) > 0
    assert int(str(body["expired"])) > 0
    assert body["equity_end"] == body["equity_start"]
    with store.read() as work:
        cards = work.approvals(limit=1000)
    late = [a for a in cards if a.status is ApprovalStatus.EXPIRED]
    assert all(a.decided_at is not None and a.decided_at >= a.expires_at for a in late)
    assert all((a.decided_at - a.expires_at).total_seconds() <= 1 for a in late if a.decided_at)


def test_every_proposal_was_tapped_by_the_simulated_person_through_the_gate() -> None:
    _, store = month()
    with store.read() as work:
        taps = work.events(kinds=[EventKind.COMMAND], limit=1000)
        approved = work.approvals(ApprovalStatus.APPROVED, limit=1000)

    assert {tap.data["identity"] for tap in taps} == {"replay:1"}
    assert {str(tap.data["raw"]) for tap in taps} >= {f"approve:{approval.key}" for approval in approved}
    assert all(approval.decided_by == "you" for approval in approved)


def test_a_tap_comes_seconds_after_the_card_and_an_exit_needs_none() -> None:
    _, store = month()
    with store.read() as work:
        approved = work.approvals(ApprovalStatus.APPROVED, limit=1000)
        exits = [ticket for ticket in work.tickets(limit=1000) if ticket.purpose is Purpose.EXIT]

    waits = {(a.decided_at - a.created_at).total_seconds() for a in approved if a.decided_at}
    assert waits
    assert all(0 < wait <= 60 for wait in waits)
    assert exits
    assert all(ticket.approval_id is None for ticket in exits)


def test_the_chain_over_everything_that_happened_holds() -> None:
    body, store = month()

    found = audit.verify(store)

    assert found.ok
    assert found.unsealed == 0
    assert found.head.hash == body["audit_head"]


class Reader:
    """A chat that keeps every card it was ever shown."""

    name = "replay"

    def __init__(self, journey: Journey) -> None:
        self.shown: list[Card] = []
        self._chat = journey.chat

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        self.shown.append(card)
        return await self._chat.post(chat, card, manner)

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        self.shown.append(card)
        await self._chat.edit(ref, card, manner)


def test_one_card_tells_a_trade_from_the_question_to_its_end() -> None:
    config = load_config(None, QUIET)
    made = make_journey(config, ReplayOptions(prices(), START, END, "all", 7), Store.memory())
    reader = Reader(made)
    read = replace(made, platforms={"replay": reader})
    finish(read.run(read.made.desk.sessions.between(START, date(2009, 2, 6))))

    first = [card for card in reader.shown if card.key == "approval:A00001"]
    states = [card.title.rpartition("(")[2].rstrip(")") if "(" in card.title else "asks" for card in first]
    assert list(dict.fromkeys(states)) == ["asks", "order working", "filled", "closed"]
    assert [card.version for card in first] == sorted({card.version for card in first})
    digests = [card for card in reader.shown if card.key.startswith("digest:")]
    days = [f"Digest {day} Feb 09" for day in ("Tue 3", "Wed 4", "Thu 5", "Fri 6")]
    assert [card.title for card in digests] == [*days, "Week of Mon 2 Feb 09"]
    assert [len(card.pictures) for card in digests[1:]] == [1, 1, 1, 1]
    assert all(card.banner.startswith("REPLAY 2009-02-0") for card in reader.shown)
    assert all("None" not in as_text(card) for card in reader.shown)


def cut(folder: app.Folder, day: date) -> app.Folder:
    """The folder with another future: every price after `day` doubled."""

    def altered(series: Series) -> Series:
        late = series.day > np.datetime64(day, "D")
        columns = {name: np.where(late, getattr(series, name) * 2, getattr(series, name)) for name in PRICES}
        return replace(series, **columns)

    return replace(folder, series={ticker: altered(series) for ticker, series in folder.series.items()})


PRICES = ("open", "high", "low", "close")


def proposed(store: Store) -> list[Approval]:
    with store.read() as work:
        return sorted(work.approvals(limit=1000), key=lambda approval: approval.id)


def test_altered_bars_after_a_day_change_nothing_proposed_up_to_that_day() -> None:
    last = date(2009, 2, 9)

    _, real = nine_days()
    _, other = replayed(folder=cut(prices(), last), days=NINE_DAYS)

    def until(store: Store) -> list[Approval]:
        return [a for a in proposed(store) if a.created_at.date() <= last]

    assert until(real)
    assert until(real) == until(other)


def test_a_run_kept_on_disk_is_the_same_as_one_in_memory(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.db'}"
    store = Store.create(url)
    options = ReplayOptions(prices(), START, date(2009, 2, 4), "all", 7)
    in_file = run_days(load_config(None, QUIET), options, store)
    in_memory = replayed(days=(START, date(2009, 2, 4)))[0]

    assert in_file == in_memory


def test_what_an_earlier_run_left_is_gone_on_with_under_new_ids(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'run.db'}"
    config = load_config(None, QUIET)
    store = Store.create(url)
    run_days(config, ReplayOptions(prices(), START, date(2009, 2, 4), "all", 7), store)
    with store.read() as work:
        held = {position.id: position.units for position in work.open_positions()}
    store.close()

    again = Store.open(url)
    body = run_days(config, ReplayOptions(prices(), date(2009, 2, 5), date(2009, 2, 10), "all", 7), again)

    assert held
    assert body["errors"] == 0
    assert body["sessions"] == 6
    with again.read() as work:
        assert all(work.position(position_id).opened_units == units for position_id, units in held.items())
    assert audit.verify(again).ok
