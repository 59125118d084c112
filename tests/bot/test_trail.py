"""The audit trail in the chat: one trade's whole story from any of its ids, and what people note about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from bot.bulkheads import inline
from bot.cards.trail import LINES, sentence
from bot.command import Room
from bot.message import Card, as_text, table_text
from engine import activities, audit, exits, orders, scanning, trail
from engine.errors import NotFound
from engine.model.events import Event, EventKind, SealedEvent
from engine.model.legs import ExitPlan, Structure
from engine.model.market import MarketSnapshot
from engine.model.orders import Activity, ActivityKind
from engine.model.trade import Context, Found, Needs, RiskLevel, Step, Strategy, Verdict
from tests import make
from tests.bot.rooms import PEOPLE, Visit, visit
from tests.desk import make_world, propose, quote_all

PUT, CALL = make.put(), make.call(50)
PHONE = 36


def find(snapshot: MarketSnapshot, context: Context, params: object) -> Found:
    """Signals a 44 put; that is the whole strategy."""
    return Found((make.signal(asof=snapshot.asof),), (Step("price", "any", "48", Verdict.PASSED),))


WHEEL = Strategy(
    "wheel",
    "Wheel",
    RiskLevel.LOW,
    None,
    Needs(),
    find,
    lambda *_: (),
    shares_exits=lambda basis, _: ExitPlan(stop_spot=basis * make.D("0.75"), words=("…",)),
)


def desk_of_a_wheel() -> Visit:
    world = make_world({"wheel": WHEEL}, universe=("XYZ",))
    return Visit(world, Room(world.desk, PEOPLE, inline, lambda: "PAPER"), count(1))


def kinds(desk: Visit, word: str) -> list[EventKind]:
    """What happened to the trade `word`, in order, without checks, attempts and orders at the broker."""
    return [event.kind for event in told(desk, word)]


def told(desk: Visit, word: str) -> tuple[Event, ...]:
    with desk.world.store.read() as work:
        return tuple(sealed.event for sealed in trail.follow(work, word).events)


def about(desk: Visit, word: str) -> list[EventKind]:
    with desk.world.store.read() as work:
        return [event.kind for event in work.events_about(word)]


def in_order(wanted: list[EventKind], found: list[EventKind]) -> bool:
    """Whether everything wanted is found in this order, whatever else is between."""
    rest = iter(found)
    return all(kind in rest for kind in wanted)


def tick(desk: Visit, seconds: float = 1) -> None:
    desk.world.clock.advance(seconds)
    quote_all(desk.world)
    desk.world.market.set_quote(CALL, "0.98", "1.08")


def happen(desk: Visit, kind: ActivityKind, **more: object) -> None:
    tick(desk, 60)
    broker = desk.world.broker
    values: dict[str, object] = {"id": f"act-{len(broker.happened)}", "kind": kind, "at": desk.world.clock()}
    broker.happened.append(Activity(**(values | more)))  # type: ignore[arg-type]
    activities.settle(desk.world.desk)


def entered(desk: Visit) -> str:
    """From the scan to two short puts, one after the other; a stranger and a viewer tapped in vain."""
    desk.world.market.set_snapshot(make.snapshot("XYZ", 48))
    quote_all(desk.world)
    scanning.run(desk.world.desk, "wheel")
    with desk.world.store.read() as work:
        (approval,) = work.pending_approvals()
    desk.ask(action=f"approve:{approval.key}", who="discord:666")
    desk.ask(action=f"approve:{approval.key}", who="web:vic")
    desk.card(action=f"approve:{approval.key}", who="discord:1")
    desk.ask(action=f"approve:{approval.key}", who="web:tom")
    desk.world.broker.fill(f"{approval.key}.1", units=1)
    tick(desk)
    orders.reconcile(desk.world.desk)
    desk.world.broker.fill(f"{approval.key}.1")
    tick(desk)
    orders.reconcile(desk.world.desk)
    return approval.id


ENTRY = [
    EventKind.APPROVAL_REQUESTED,
    EventKind.DENIED,
    EventKind.DENIED,
    EventKind.COMMAND,
    EventKind.CHECKED,
    EventKind.APPROVAL_CHANGED,
    EventKind.ATTEMPTED,
    EventKind.COMMAND,
    EventKind.REFUSED,
    EventKind.FILLED,
    EventKind.FILLED,
]


def closed() -> tuple[Visit, str]:
    """A whole trade: entered, its stop touched, its closing order filled in two parts."""
    desk = desk_of_a_wheel()
    approval = entered(desk)
    with desk.world.store.read() as work:
        (position,) = work.open_positions()
    desk.card(f"/close {position.id}", who="web:tom")
    with desk.world.store.read() as work:
        (closing,) = work.open_tickets()
    for units in (1, None):
        desk.world.broker.fill(f"{closing.id}.1", units=units)
        tick(desk)
        orders.reconcile(desk.world.desk)
    return desk, approval


def test_the_events_of_one_approval_tell_the_whole_trade_in_order() -> None:
    desk, approval = closed()

    end = [
        EventKind.COMMAND,
        EventKind.EXIT_STARTED,
        EventKind.ATTEMPTED,
        EventKind.FILLED,
        EventKind.FILLED,
        EventKind.POSITION_CLOSED,
    ]
    found = about(desk, approval)
    assert in_order([*ENTRY, *end], found)
    assert kinds(desk, approval)[0] is EventKind.SCAN_FINISHED


def test_every_tap_has_its_person_its_place_and_what_came_of_it() -> None:
    desk, approval = closed()

    events = told(desk, approval)
    taps = [(e.kind, e.actor, e.data["identity"]) for e in events if "identity" in e.data]
    assert taps == [
        (EventKind.DENIED, "desk", "discord:666"),
        (EventKind.DENIED, "desk", "web:vic"),
        (EventKind.COMMAND, "ann", "discord:1"),
        (EventKind.COMMAND, "tom", "web:tom"),
        (EventKind.REFUSED, "tom", "web:tom"),
        (EventKind.COMMAND, "tom", "web:tom"),
    ]
    late = next(event for event in events if event.kind is EventKind.REFUSED)
    assert "already approved by ann" in str(late.data["why"])


@pytest.mark.parametrize("word", ["{approval}", "{approval}.1", "{approval}.1.1", "{position}", "{position}.manual.1"])
def test_any_id_of_a_trade_leads_to_the_same_story(word: str) -> None:
    desk, approval = closed()
    with desk.world.store.read() as work:
        position = work.positions_closed()[0].id
        last = work.events_about(position)[-1].id

    whole = told(desk, approval)

    assert told(desk, word.format(approval=approval, position=position).lower()) == whole
    assert told(desk, last) == whole


def called_away() -> tuple[Visit, str, str]:
    """Put, assignment, shares with a dividend, a covered call with a proposal of its own, called away."""
    desk = desk_of_a_wheel()
    first = entered(desk)
    happen(desk, ActivityKind.ASSIGNMENT, instrument=PUT, quantity=-2)
    happen(desk, ActivityKind.DIVIDEND, instrument=make.share(), quantity=200, amount=make.D(60))
    with desk.world.store.read() as work:
        (shares,) = work.open_positions()
    covered = make.signal(
        legs=(make.leg(CALL),),
        structure=Structure.COVERED_CALL,
        campaign=shares.campaign,
        covers=shares.id,
        asof=desk.world.clock(),
        outlook=make.outlook(collateral=make.D(0)),
    )
    second = propose(desk.world, id="A77777", plan=make.plan(covered), expires_at=desk.world.clock() + timedelta(300))
    refused = propose(desk.world, id="A77778", plan=make.plan(covered), expires_at=desk.world.clock() + timedelta(300))
    desk.card(action=f"reject:{refused.key}", who="web:tom")
    desk.card(action=f"approve:{second.key}", who="web:tom")
    desk.world.broker.fill(f"{second.key}.1")
    tick(desk)
    orders.reconcile(desk.world.desk)
    happen(desk, ActivityKind.ASSIGNMENT, instrument=CALL, quantity=-2)
    return desk, first, second.id


def test_a_campaign_is_one_story_over_all_its_proposals() -> None:
    desk, first, second = called_away()

    wanted = [
        EventKind.SCAN_FINISHED,
        *ENTRY,
        EventKind.ASSIGNED,
        EventKind.DIVIDEND,
        EventKind.COMMAND,
        EventKind.APPROVAL_CHANGED,
        EventKind.COMMAND,
        EventKind.APPROVAL_CHANGED,
        EventKind.ORDER_SENT,
        EventKind.FILLED,
        EventKind.CALLED_AWAY,
    ]
    whole = told(desk, first)
    assert in_order(wanted, [event.kind for event in whole])
    assert [e.kind for e in whole].count(EventKind.POSITION_CLOSED) == 3
    assert "A77778" in {event.subject for event in whole}
    assert told(desk, second) == whole
    with desk.world.store.read() as work:
        for position in work.positions_closed():
            assert told(desk, position.id) == whole
        assert not work.open_positions()


def test_another_trade_is_not_part_of_the_story() -> None:
    desk, first, _ = called_away()
    before = told(desk, first)
    other = propose(desk.world, id="A88888", expires_at=desk.world.clock() + timedelta(300))
    desk.card(action=f"reject:{other.key}")

    assert told(desk, first) == before
    assert {event.correlation for event in told(desk, other.id)} == {"A88888"}


def test_a_long_story_is_told_page_by_page() -> None:
    desk, first, _ = called_away()
    whole = told(desk, first)
    audit.seal(desk.world.store)

    card, lines = desk.card(f"/audit {first}"), 0
    assert card.lines[0] == "Mon 15 Jun 2026"
    assert "scan of wheel" in card.lines[1]
    for _ in range(9):
        lines += sum(line[2] == ":" for line in card.lines)
        more = [b for row in card.buttons for b in row if b.label == "More"]
        if not more:
            break
        assert len(more[0].action.encode()) <= 64
        card = desk.card(action=more[0].action)
    assert lines == len(whole)


def test_a_story_says_what_the_numbers_were() -> None:
    desk, approval = closed()

    text = everything(desk, approval)
    for words in (
        f"ann: “approve:{approval}.1” on discord (discord:1)",
        f"{approval} proposed: 2 XYZ at credit 1.03",
        f"order {approval}.1.1 is at the broker: 2 at credit 1.03",
        f"order {approval}.1.1 filled, 1 of 2 at credit 1.03",
        f"order {approval}.1.1 filled, 2 of 2 at credit 1.03",
        "asked for by tom",
        "ann: checked at the tap: mid credit 1.03, spot 48",
        "XYZ260720P00044000 0.98/1.08, 0.0 s old",
        "all hold",
        "closed (manual): realised",
        "denied: /approve needs the role trader; vic is a viewer.",
        f"tom: was told: {approval} is already approved by ann.",
    ):
        assert words in text, words


def everything(desk: Visit, word: str) -> str:
    """The text of every page of a story."""
    pages = -(-len(told(desk, word)) // LINES)
    return "\n".join(as_text(desk.card(f"/audit {word} {page}")) for page in range(1, pages + 1))


def facts(card: Card) -> dict[str, str]:
    return dict(card.facts)


def test_a_story_shows_its_places_in_the_chain_and_whether_they_hold() -> None:
    desk, approval = closed()
    card = desk.card(f"/audit {approval}")
    assert (facts(card)["Sealed"], facts(card)["Chain"]) == ("nothing yet", "nothing of it is sealed yet")

    audit.seal(desk.world.store)
    desk.card(f"/note {approval} after the seal")
    card = desk.card(f"/audit {approval}")
    with desk.world.store.read() as work:
        numbers = trail.follow(work, approval).sealed
    assert facts(card)["Sealed"] == f"{numbers[0]} to {numbers[-1]}, 1 not yet"
    assert facts(card)["Chain"] == "this stretch holds"


@pytest.mark.parametrize("change", ["actor = 'bob'", "data = '{'", "hash = 'x'"])
def test_a_story_from_a_chain_that_was_tampered_with_says_so(change: str) -> None:
    desk, approval = closed()
    desk.card("/halt lunch")
    audit.seal(desk.world.store)
    desk.card(f"/note {approval} the end")
    audit.seal(desk.world.store)
    with desk.world.store._writer.begin() as connection:
        (number,) = connection.exec_driver_sql("SELECT number FROM events WHERE kind = 'halted'").one()
        connection.exec_driver_sql(f"UPDATE events SET {change} WHERE kind = 'halted'")

    card = desk.card(f"/audit {approval}")

    assert f"Event {number}" in facts(card)["Chain"]


def test_the_latest_trades_and_the_head_of_the_chain() -> None:
    desk, approval = closed()
    audit.seal(desk.world.store)

    card = desk.card("/audit")

    assert facts(card)["Head"] == audit.head(desk.world.store).short
    assert card.tables[0].rows[0][:2] == (approval, "XYZ")
    assert max(map(len, table_text(card.tables[0]).splitlines())) <= PHONE
    assert desk.card(action=card.buttons[0][0].action).title == f"Story of {approval} (XYZ)"


def test_an_audit_of_nothing_says_so() -> None:
    desk = visit()

    assert desk.card("/audit").lines == ("Nothing has been traded yet.",)
    assert "There is no trade “A99999”" in desk.told("/audit A99999")


def test_an_event_of_no_trade_is_shown_alone() -> None:
    desk = visit()
    desk.card("/halt lunch")
    halted = desk.events(EventKind.HALTED)[0]

    assert told(desk, halted.id) == (halted,)


def test_a_note_about_a_trade_stands_in_its_story_and_on_its_position() -> None:
    desk, approval = closed()
    with desk.world.store.read() as work:
        position = work.positions_closed()[0].id

    desk.card(f"/note {position} sold too early; *next* time <wait>", who="web:tom")

    (note,) = desk.events(EventKind.NOTE)
    assert (note.actor, note.subject, note.correlation) == ("tom", position, approval)
    assert note.data == {"words": "sold too early; *next* time <wait>", "identity": "web:tom"}
    line = "sold too early; *next* time <wait>"
    assert f"note: {line}" in everything(desk, approval)
    assert any(line in shown and "Note of tom" in shown for shown in desk.card(f"/position {position}").lines)


def test_a_note_about_no_trade_is_kept_too() -> None:
    desk = visit()

    card = desk.card("/note CPI at 8:30, no entries before")

    (note,) = desk.events(EventKind.NOTE)
    assert (note.subject, note.correlation) == ("desk", "")
    assert card.lines == ("CPI at 8:30, no entries before",)


def test_what_stands_in_a_note_is_never_done() -> None:
    desk = visit()
    approval = propose(desk.world)

    desk.card(f"/note /approve {approval.key}", who="web:tom")
    desk.card(f"/note {approval.id} approve:{approval.key} /halt", who="web:tom")

    with desk.world.store.read() as work:
        assert work.approval(approval.id).is_pending
    assert desk.world.broker.posts == []
    assert desk.events(EventKind.HALTED) == ()


def test_a_note_is_bounded_plain_and_about_something_that_exists() -> None:
    desk = visit()
    approval = propose(desk.world)

    assert "at most 500 characters; this one has 501" in desk.told("/note " + "x" * 501)
    assert "nothing to note" in desk.told(f"/note {approval.id}")
    assert "There is no trade “A00009”" in desk.told("/note A00009 looks wrong")
    desk.card("/note a\u202eb\u0000c\tnew\nline")
    assert [note.data["words"] for note in desk.events(EventKind.NOTE)] == ["a b c new line"]


def test_a_viewer_reads_stories_and_writes_no_notes() -> None:
    desk = visit()
    propose(desk.world)

    assert desk.ask("/audit", who="web:vic").is_ok
    assert "needs the role trader" in desk.told("/note hello", who="web:vic")
    assert desk.events(EventKind.NOTE) == ()


@pytest.mark.parametrize("kind", list(EventKind), ids=str)
def test_every_kind_of_event_reads_as_a_sentence(kind: EventKind) -> None:
    bare = Event("V1", kind, make.NOW, "P00001", {})
    full = replace(bare, data={"words": "as agreed", "ticker": "XYZ", "quantity": 2, "limit": "-1.03", "code": None})

    for event in (bare, full):
        line = sentence(event)
        assert line
        assert "None" not in line
        assert "{" not in line


def test_the_trade_that_a_cancel_or_an_unfilled_order_belongs_to_is_found() -> None:
    desk = desk_of_a_wheel()
    approval = propose(desk.world)
    desk.card(action=f"approve:{approval.key}")
    desk.card(f"/cancel {approval.key}", who="web:tom")

    found = about(desk, approval.id)

    assert in_order([EventKind.COMMAND, EventKind.ORDER_SENT, EventKind.COMMAND, EventKind.ORDER_ENDED], found)


def test_a_trade_of_unknown_id_is_no_trade() -> None:
    desk = visit()

    with desk.world.store.read() as work:
        assert trail.thread(work, "P00099") == ""
        assert trail.named_in(work, "approve:A00099.1") == ""
        with pytest.raises(NotFound):
            trail.follow(work, "P00099")


def test_a_stop_and_its_closing_orders_belong_to_the_approval() -> None:
    desk = desk_of_a_wheel()
    approval = entered(desk)
    for _ in range(3):
        tick(desk, 20)
        quote_all(desk.world, "2.30", "2.40")
        exits.supervise(desk.world.desk)
    with desk.world.store.read() as work:
        (closing,) = work.open_tickets()
    desk.world.broker.expire(f"{closing.id}.1")
    orders.reconcile(desk.world.desk)

    with desk.world.store.read() as work:
        events = work.events_about(approval)
    assert in_order([EventKind.EXIT_STARTED, EventKind.ORDER_SENT], [event.kind for event in events])
    assert closing.id in {event.subject for event in events}


def test_a_story_that_spans_too_much_of_the_chain_leaves_the_check_to_the_command() -> None:
    desk = visit()
    first, last = (
        SealedEvent(Event(f"V{n}", EventKind.NOTE, make.NOW, "desk"), n, "x", "y") for n in (1, trail.LONGEST_WALK + 1)
    )

    with desk.world.store.read() as work:
        assert "wsb audit verify" in trail.check(work, trail.Trail("V1", (), (first, last)))


def test_an_order_without_a_limit_is_told_without_a_price() -> None:
    data = {"client_order_id": "P00001.net.1.1", "limit": "None", "quantity": 100}

    line = sentence(Event("V1", EventKind.ORDER_SENT, make.NOW, "P00001.net.1", data))

    assert line == "order P00001.net.1.1 is at the broker: 100"
