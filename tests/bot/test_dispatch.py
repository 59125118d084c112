"""The gate: who may, what was meant, once only, and every error in words."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from bot.command import Place
from engine import leadership, orders
from engine.model.events import EventKind
from engine.model.trade import ApprovalStatus
from engine.store.operations import LEASE
from tests import make
from tests.bot.rooms import Visit, visit
from tests.desk import Fault, propose, quote_all


def status(desk: Visit, approval_id: str = "A00001") -> ApprovalStatus:
    with desk.world.store.read() as work:
        return work.approval(approval_id).status


def proposed() -> Visit:
    desk = visit()
    propose(desk.world)
    return desk


def test_a_stranger_is_told_plainly_and_written_down() -> None:
    desk = visit()

    reply = desk.ask("/positions", who="discord:666")

    assert reply.error == "not allowed"
    assert "“discord:666” is not on this desk's list" in reply.cards[0].lines[0]
    (denied,) = desk.events(EventKind.DENIED)
    assert denied.subject == "discord:666"
    assert denied.data["raw"] == "/positions"


def test_a_display_name_or_another_platform_opens_nothing() -> None:
    desk = visit()

    assert [desk.ask("/help", who=who).error for who in ("ann", "telegram:1", "web:ANN", "")] == ["not allowed"] * 4


def test_a_viewer_may_look_and_not_act() -> None:
    desk = proposed()

    assert desk.card("/positions", who="web:vic").title == "No open positions"
    assert "/approve needs the role trader; vic is a viewer" in desk.told(action="approve:A00001.1", who="web:vic")
    assert status(desk) is ApprovalStatus.PENDING
    assert [event.data["raw"] for event in desk.events(EventKind.DENIED)] == ["approve:A00001.1"]


def test_a_trader_may_act_and_not_run_the_desk() -> None:
    desk = visit()

    assert "/halt needs the role admin; tom is a trader" in desk.told("/halt", who="web:tom")


def test_one_person_has_one_name_on_every_platform() -> None:
    desk = proposed()

    desk.card(action="approve:A00001.1", who="discord:1")

    assert "A00001 is already approved by ann" in desk.told(action="approve:A00001.1", who="web:tom")


def test_an_act_leaves_who_where_and_the_raw_words() -> None:
    desk = proposed()

    desk.ask(action="reject:A00001.1", who="discord:1", source="discord:update:77")

    (event,) = desk.events(EventKind.COMMAND)
    assert event.actor == "ann"
    assert (event.subject, event.correlation) == ("A00001.1", "A00001")
    assert event.data == {
        "raw": "reject:A00001.1",
        "command": "reject",
        "identity": "discord:1",
        "source": "discord:update:77",
        "chat": "",
    }


def test_a_look_leaves_no_trace() -> None:
    desk = visit()

    desk.card("/risk")

    assert desk.events() == ()


def test_the_same_update_twice_acts_once() -> None:
    desk = visit()

    first = desk.ask("/halt too wild", source="telegram:5")
    second = desk.ask("/halt too wild", source="telegram:5")

    assert first.cards[0].title == "Entries halted"
    assert second.cards == ()
    assert second.is_ok
    assert len(desk.events(EventKind.HALTED)) == 1


def test_two_taps_on_one_card_are_one_order() -> None:
    desk = proposed()

    desk.card(action="approve:A00001.1")
    told = desk.told(action="approve:A00001.1", who="web:tom")

    assert told == "A00001 is already approved by ann."
    assert desk.world.broker.posts == ["A00001.1.1"]


def test_the_answer_to_a_tap_takes_the_place_of_the_card_and_why_does_not() -> None:
    desk = proposed()

    assert desk.ask(action="why:A00001").place is Place.NEW
    assert desk.ask(action="approve:A00001.1").place is Place.SAME


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/postions", "“/postions” is not a command. Did you mean /positions?"),
        ("/quote XYY", "“XYY” is not a ticker the fake data knows. Did you mean XYZ?"),
        ("/quote 12345678", "“12345678” is not a ticker"),
        ("/scan weel", "“weel” is not a strategy here. Did you mean wheel?"),
        ("/chain XYZ rihgt=put", "/chain has no option “rihgt”. Did you mean right?"),
        ("/chain XYZ right=pot", "right: “pot” should be put or call. Did you mean put?"),
        ("/stop", "“/stop” is not a command. Did you mean /halt?"),
        ("/flatten", "“/flatten” is not a command. Did you mean /panic flatten?"),
        ("/panic flaten", "what: “flaten” should be freeze or flatten. Did you mean flatten?"),
        ("/pos", "“/pos” is not a command. Did you mean /position?"),
        ("/regret", "“/regret” is not a command. /help lists them all."),
        ("😀" * 200, f"“{'😀' * 40}…” is not a command."),
        ("/chain XYZ 2026-02-30", "expiry: “2026-02-30” is not a date: expected YYYY-MM-DD, today or friday."),
        ("/scan wheel XYZ,XYY", "“XYY” is not a ticker the fake data knows. Did you mean XYZ?"),
        ("/chain XYZ put 2026-02-30", "expiry: “2026-02-30” is not a date: expected YYYY-MM-DD, today or friday."),
        ("/chart XYZ many", "sessions: “many” is not a whole number. It is how many sessions."),
        ("/size half A00001", "“half” is not a proposal id: expected one such as A00004 or A00004.1."),
        ("/chart XYZ 4", "sessions: “4” is too small, the least is 5."),
        ("/chart XYZ 9999", "sessions: “9999” is too large, the most is 2000."),
        ("/quote", "/quote needs ticker: a ticker, such as AAPL. Usage: /quote TICKER"),
        ("/pnl now", "“now” is one word too many. Usage: /pnl"),
        ("/chain XYZ right=", "right= has no value"),
        ("/position P77", "There is no position “P77”. /positions lists them."),
        ("/cancel A00001.2", "There is no order “A00001.2”. /orders lists them."),
        ("/funnel wheel", "wheel has not been scanned yet; /scan wheel runs it."),
        ("why A00002", "There is no proposal A00002. Did you mean A00001? /proposals lists them."),
        ("/lock no-such", "“no-such” is neither desk, nor a strategy, nor a known ticker."),
        ("/setlimit daily_loss 300", "value: “300” is more than everything; write a share of equity: 2 % or 0.02."),
        ("/size A00001.1 5", "5 is not a smaller size: this proposal is for 2; say 1 or fewer."),
        ("revoke V99999", "There is no envelope V99999. /envelopes lists them."),
        ("choose R00001.1.0", "There is no R00001 here: ask anew from the card of the position"),
        ("approve A00001", "Say which version you have seen: A00001.1 is the latest of A00001."),
        ("approve what?", "“what?” is not a proposal id"),
        ("refresh /halt", "Refresh is a button under an answer: send the command itself again."),
        ("/help halted", "“halted” is not a command. Did you mean /halt?"),
        ("", "There is no command in that."),
        ("   ", "There is no command in that."),
    ],
)
def test_a_mistake_is_a_sentence_that_names_the_word_and_the_nearest(text: str, sentence: str) -> None:
    desk = proposed()
    desk.world.market.set_snapshot(make.snapshot())

    assert desk.told(text).startswith(sentence)


def test_words_are_read_by_position_or_by_name_in_any_case() -> None:
    desk = visit()
    desk.world.market.set_snapshot(make.snapshot())

    by_place, by_name = desk.card("/CHART xyz 20"), desk.card("chart@my_bot sessions=20 ticker=$xyz")

    assert by_place.title == by_name.title
    assert by_place.facts == by_name.facts


def test_free_text_is_taken_as_it_stands() -> None:
    desk = visit()

    desk.card('/halt earnings: "too wild" a=b')

    assert desk.events(EventKind.HALTED)[0].data["why"] == "earnings: too wild a=b"


def test_a_broker_that_does_not_answer_is_a_sentence() -> None:
    desk = proposed()
    desk.world.broker.faults.append(Fault.LOST_AFTER)

    card = desk.card(action="approve:A00001.1")

    assert "(order working)" in card.title
    assert status(desk) is ApprovalStatus.APPROVED


def test_a_bug_is_answered_with_a_reference_that_is_also_in_the_audit_trail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    desk = visit()
    broken: Any = None  # a source that breaks its promise
    desk.world.market.set_snapshot(replace(make.snapshot(), bars=broken))

    reply = desk.ask("/chart XYZ")

    assert reply.error == "broken"
    assert reply.cards[0].lines == (f"Something broke here (ref {reply.ref}).",)
    (event,) = desk.events(EventKind.ERROR)
    assert event.subject == reply.ref
    logged = capsys.readouterr()
    assert reply.ref in logged.out + logged.err
    assert "Traceback" in logged.out + logged.err


def test_refresh_draws_the_same_card_again_for_whoever_may_see_it() -> None:
    desk = visit()

    reply = desk.ask(action="refresh:/positions", who="web:vic")

    assert reply.place is Place.SAME
    assert reply.cards == (desk.card("/positions"),)


def test_half_and_one_ask_again_with_a_new_version() -> None:
    desk = proposed()

    card = desk.card(action="half:A00001.1", who="web:tom")

    assert card.version > 0
    assert card.footer == "A00001, version 2"
    assert "Size 2 → 1 by tom." in card.lines
    assert "has changed since that button was made" in desk.told(action="approve:A00001.1")
    assert desk.world.broker.posts == []


def test_a_moved_price_asks_again_on_the_same_card() -> None:
    desk = proposed()
    quote_all(desk.world, "0.91", "0.99")

    card = desk.card(action="approve:A00001.1")

    assert card.lines[0].startswith("The price moved")
    assert [button.action for button in card.buttons[0]] == ["approve:A00001.2", "reject:A00001.2"]


def test_halting_stops_the_tap_and_resuming_allows_it() -> None:
    desk = proposed()
    desk.card("/halt storm")

    assert "halted by ann: storm" in desk.told(action="approve:A00001.1")
    assert desk.events(EventKind.DENIED) == (), "a desk that says no is not somebody without the right"
    desk.card(action="resume:")
    assert "(order working)" in desk.card(action="approve:A00001.1").title


def test_a_payoff_tells_the_whole_loss_though_the_picture_shows_a_part() -> None:
    card = proposed().card("/payoff A00001")

    assert dict(card.facts) == {
        "Max loss": "8,594.00",
        "Max gain": "206.00",
        "Breakeven": "42.97",
        "Spot": "48.00",
        "Shown for": "40.09 to 50.88",
    }


def test_an_order_says_what_it_trades_and_a_closing_one_can_be_taken_back() -> None:
    desk = proposed()
    desk.card(action="approve:A00001.1")
    entry = desk.card("/orders")
    desk.world.broker.fill("A00001.1.1")
    desk.world.clock.advance(seconds=1)
    quote_all(desk.world)
    orders.reconcile(desk.world.desk)
    with desk.world.store.read() as work:
        (held,) = work.open_positions()

    closing = desk.card(f"/close {held.id}")

    assert entry.lines == ("A00001.1: sell 2 × XYZ 20 Jul 26 44 put, entry, 0 of 2 filled",)
    assert entry.tables[0].rows == (("A00001.1.1", "0/2 XYZ", "+1.03", "accepted"),)
    order = f"{held.id}.manual.1"
    assert closing.lines[0] == f"Order {order} is working: buy 2 × XYZ 20 Jul 26 44 put at debit 1.03 to begin with."
    assert [button.action for row in closing.buttons for button in row] == [f"cancel:{order}"]


def test_the_day_so_far_is_told_without_touching_the_evenings_card() -> None:
    card = visit().card("/digest")

    assert (card.title, card.key) == ("Digest Mon 15 Jun 26 so far", "")
    assert ("Equity", "100,000.00") in card.facts
    assert ("Positions", "none held") in card.facts


def test_a_week_of_one_session_has_no_best_day_and_no_picture_of_one_bar() -> None:
    card = visit().card("/digest week")

    assert [label for label, _ in card.facts if label in {"Best day", "Worst day"}] == []
    assert card.pictures == ()


def test_a_process_that_may_not_act_for_the_desk_answers_nothing_but_that() -> None:
    desk = proposed()
    store, clock = desk.world.store, desk.world.clock
    leadership.take(store, clock(), "here:1:0")
    store.term.good_until = store.term.clock()

    assert "has run out" in desk.told(action="approve:A00001.1")

    store.term.renewed(store.term.clock())
    with store.begin_unfenced() as work:
        work.take_lease(LEASE, "other:2:0", clock() + timedelta(hours=1), clock() + timedelta(hours=2))
    assert "Another process acts for this desk now" in desk.told(action="approve:A00001.1")
    assert status(desk) is ApprovalStatus.PENDING
    assert desk.world.broker.posts == []


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("", "Digest Mon 15 Jun 26 so far"),
        ("day", "Digest Mon 15 Jun 26 so far"),
        ("week", "Week of Mon 15 Jun 26 so far"),
        ("month", "June 2026 so far"),
        ("2026-06-12", "Digest Fri 12 Jun 26"),
        ("2026-w24", "Week of Mon 8 Jun 26"),
        ("2026-05", "May 2026"),
        ("today", "Digest Mon 15 Jun 26 so far"),
        ("Yesterday", "Digest Fri 12 Jun 26"),
        ("this week", "Week of Mon 15 Jun 26 so far"),
        ("Last week", "Week of Mon 8 Jun 26"),
        ("last  month", "May 2026"),
        ("friday", "Digest Fri 12 Jun 26"),
        ("thu", "Digest Thu 11 Jun 26"),
        ("monday", "Digest Mon 15 Jun 26 so far"),
        ("last monday", "Digest Mon 8 Jun 26"),
        ("12 jun", "Digest Fri 12 Jun 26"),
        ("June 12th, 2026", "Digest Fri 12 Jun 26"),
        ("Digest Fri 12 Jun 26".removeprefix("Digest "), "Digest Fri 12 Jun 26"),
        ("Week of Mon 8 Jun 26", "Week of Mon 8 Jun 26"),
        ("may", "May 2026"),
        ("dec", "December 2025"),
        ("May 2026", "May 2026"),
    ],
)
def test_any_day_week_or_month_is_told_when_it_is_asked_for(words: str, title: str) -> None:
    card = visit().card(f"/digest {words}".strip())

    assert (card.title, card.key) == (title, "")


def test_what_can_be_put_to_sleep_is_named_where_an_id_is_neither() -> None:
    assert "A00004.1, or N00012 of an alert." in visit().told("/snooze blah")


@pytest.mark.parametrize(
    "words",
    [
        "tomorrow",
        "2026-W60",
        "2026-13",
        "2026-02-30",
        "W25",
        "31 feb",
        "12 jun 26 x",
        "11/20",
        "last",
        "ma",
        "nov 99999999999",
    ],
)
def test_what_is_no_day_week_or_month_is_refused_with_what_there_is(words: str) -> None:
    told = visit().told(f"/digest {words}")

    assert told.startswith(f"“{words}” is no day, week or month: say today, yesterday, week, last week, month")
    assert "2026-W48" in told


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("saturday", "not a trading day"),
        ("2026-06-16", "its first session is 2026-06-16"),
        ("9999-12", "covers 1990 to 2100"),
    ],
)
def test_a_day_without_a_digest_is_said_to_be_so(words: str, answer: str) -> None:
    assert answer in visit().told(f"/digest {words}")


@pytest.mark.parametrize(("zone", "title"), [("America/New_York", "Fri 12 Jun 26"), ("Asia/Tokyo", "Mon 15 Jun 26")])
def test_yesterday_is_the_last_session_before_the_day_it_is_where_somebody_asks(zone: str, title: str) -> None:
    """Monday evening in New York is Tuesday morning in Tokyo."""
    desk = visit()
    desk.world.clock.set(desk.world.desk.sessions.at(date(2026, 6, 15), "18:00"))
    desk.card(f"/settings zone {zone}")

    assert desk.card("/digest yesterday").title.startswith(f"Digest {title}")


@pytest.mark.parametrize(("words", "again"), [("yesterday", "2026-06-12"), ("last week", "2026-W24"), ("", "day")])
def test_a_digest_is_refreshed_as_the_one_it_is_whenever_that_is(words: str, again: str) -> None:
    (button,) = (button for row in visit().card(f"/digest {words}".strip()).buttons for button in row)

    assert button.action == f"refresh:/digest {again}"
