"""From an event to the message people see: where it stands, in whose words, how loud; never an older over a newer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import numpy as np
import pytest

from alerts import outbox
from alerts.outbox import Undeliverable
from alerts.routes import Channels, Topic, routes
from bot import deliver
from bot.announce import card_for
from bot.bulkheads import finish
from bot.cards.digests import Beyond, digest_card
from bot.command import Room
from bot.deliver import Postman
from bot.dispatch import dispatch
from bot.message import PLAIN, Card, Manner, MessageRef, Request, Table, Tone, as_text
from bot.people import People, Role, User
from bot.personal import compact
from bot.platforms.base import MessageGone, Platform
from bot.preferences import Preferences, save
from engine import benchmark, digests, leadership
from engine.model.events import Event, EventKind, Severity
from engine.model.market import Bars, Source
from engine.model.records import EquityDay
from engine.sessions import NEW_YORK
from tests import make
from tests.bot.rooms import Visit, visit
from tests.desk import propose

CHAT = "chat:5"
BEN = "chat:77"
"""A chat that is one person's: his identity there."""
PEOPLE = People((User("ann", Role.ADMIN, ("web:ann", "chat:1")), User("ben", Role.TRADER, (BEN,))))


@dataclass
class Chat:
    """A platform that keeps what it was told to do; the messages in `gone` were deleted by somebody."""

    name: str = "chat"
    posted: list[tuple[str, Card, Manner]] = field(default_factory=list)
    edited: list[tuple[str, Card]] = field(default_factory=list)
    hurried: list[bool] = field(default_factory=list)
    """Whether each of them was urgent."""
    gone: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    numbers: Any = field(default_factory=lambda: count(1))

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        if chat in self.refuses:
            raise Undeliverable("the bot was blocked")
        self.posted.append((chat, card, manner))
        return MessageRef(self.name, chat, f"m{next(self.numbers)}")

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        if ref.message in self.gone:
            raise MessageGone("deleted")
        self.edited.append((ref.message, card))
        self.hurried.append(manner.urgent)

    def titles(self, chat: str = "5") -> list[str]:
        return [card.title for where, card, _ in self.posted if where == chat]


@dataclass
class Scene:
    """A desk, its chats and the outbox between them."""

    here: Visit
    room: Room
    chat: Chat
    others: dict[str, Platform]
    destinations: tuple[str, ...]

    def pump(self) -> None:
        desk, channels = self.room.desk, Channels(self.destinations, {})
        postman = Postman(self.room, {"chat": self.chat, **self.others})
        route = lambda event: routes(event, channels)  # noqa: E731
        finish(outbox.pump(desk.store, desk.now, route, postman, postman.lost))

    def tell(self, kind: EventKind, subject: str = "desk", severity: Severity = Severity.INFO, **more: Any) -> Event:
        """Let something happen and deliver it."""
        desk = self.room.desk
        event = replace(desk.event(kind, subject, {"words": "So it is."}, severity), **more)
        with desk.store.begin() as work:
            work.add_event(event)
        self.pump()
        return event

    def prefers(self, name: str, wishes: Preferences) -> None:
        with self.room.desk.store.begin() as work:
            save(work, name, wishes, name, self.room.desk.now())

    def version(self, key: str, chat: str = "5") -> int | None:
        with self.room.desk.store.read() as work:
            return next((ref.version for ref in work.refs(key) if ref.chat == chat), None)


def scene(*destinations: str, **others: Platform) -> Scene:
    here = visit()
    room = replace(here.room, people=PEOPLE)
    return Scene(here, room, Chat(), others, destinations or (CHAT,))


def proposed(at: Scene) -> str:
    """The id of a proposal whose card stands in the chat."""
    approval = propose(at.here.world)
    at.tell(EventKind.APPROVAL_REQUESTED, approval.id, correlation=approval.id)
    return approval.id


def act(at: Scene, text: str, identity: str = "chat:1", chat: str = "5") -> Card:
    """What somebody is answered who acts in a chat."""
    source = f"test:{next(at.here.sources)}"
    return finish(dispatch(at.room, Request(identity, text, source=source, chat=chat))).cards[0]


class Killed(BaseException):
    """The process ends here."""


class Dying(Chat):
    """A chat that takes one message, and then the process is gone before that is noted."""

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        ref = await super().post(chat, card, manner)
        if ref.message == "m1":
            raise Killed
        return ref


@pytest.mark.parametrize("kind", [EventKind.APPROVAL_REQUESTED, EventKind.HALTED])
def test_a_kill_makes_one_duplicate_with_the_same_reference_and_buttons(kind: EventKind) -> None:
    at = scene()
    at.chat = Dying()
    id = propose(at.here.world).id
    with pytest.raises(Killed):
        at.tell(kind, id, correlation=id)

    at.pump()
    at.pump()

    (_, first, _), (_, second, _) = at.chat.posted
    assert (first.footer, first.buttons) == (second.footer, second.buttons)
    assert first.footer


def test_every_posted_card_has_a_reference() -> None:
    at = scene()
    id = proposed(at)
    halted = at.tell(EventKind.HALTED)

    assert [card.footer for _, card, _ in at.chat.posted] == [f"{id}, version 1", halted.id]


def test_an_older_version_is_not_drawn_over_a_newer_one_that_a_tap_drew() -> None:
    at = scene()
    id = proposed(at)
    ref, drawn = MessageRef("chat", "5", "m1"), []

    async def put(card: Card) -> None:
        drawn.append(card.version)

    versions = [finish(deliver.draw(at.room, ref, Card("x", key=f"approval:{id}", version=v), put)) for v in (7, 3, 7)]

    # 7 and 3 are below the version the outbox noted when it posted the proposal.
    assert (versions, drawn) == ([False, False, False], [])
    new = Card("y", key=f"approval:{id}", version=10**9)
    assert finish(deliver.draw(at.room, ref, new, put))
    at.tell(EventKind.APPROVAL_CHANGED, id, correlation=id)
    assert (drawn, at.chat.edited, at.version(f"approval:{id}")) == ([10**9], [], 10**9)


def test_a_tap_and_the_outbox_that_draw_at_once_take_turns() -> None:
    at = scene()
    id = proposed(at)
    ref, base, shown = MessageRef("chat", "5", "m1"), 10**9, []

    async def story() -> None:
        began, goes_on = asyncio.Event(), asyncio.Event()

        async def slow(card: Card) -> None:
            began.set()
            await goes_on.wait()
            shown.append(card.version)

        async def quick(card: Card) -> None:
            shown.append(card.version)

        def card(version: int) -> Card:
            return Card("x", key=f"approval:{id}", version=version)

        first = asyncio.create_task(deliver.draw(at.room, ref, card(base + 1), slow))
        await began.wait()
        newer = asyncio.create_task(deliver.draw(at.room, ref, card(base + 3), quick))
        older = asyncio.create_task(deliver.draw(at.room, ref, card(base + 2), quick))
        goes_on.set()
        assert await asyncio.gather(first, newer, older) == [True, True, False]

    asyncio.run(story())

    assert shown == [base + 1, base + 3]


def test_a_card_whose_message_was_deleted_is_posted_anew_and_edited_there_from_then_on() -> None:
    at = scene()
    id = proposed(at)
    at.chat.gone.add("m1")

    finish(dispatch(at.room, Request("chat:1", action=f"reject:{id}.1", source="s1", chat="9")))
    at.pump()

    with at.room.desk.store.read() as work:
        (ref,) = work.refs(f"approval:{id}")
    assert (len(at.chat.posted), ref.message) == (2, "m2")
    assert at.chat.posted[1][1].title.endswith("(rejected)")


def test_an_adapter_that_drew_a_card_in_place_notes_it_and_the_outbox_does_not_draw_it_again() -> None:
    at = scene()
    id = proposed(at)
    answer = finish(dispatch(at.room, Request("chat:1", action=f"reject:{id}.1", source="s1", chat="5"))).cards[0]

    noted = finish(deliver.remember(at.room, answer, MessageRef("chat", "5", "m1")))
    at.pump()

    assert (noted, at.chat.edited, len(at.chat.posted)) == (True, [], 1)


def test_later_cards_of_a_trade_come_under_its_proposal_where_that_stands() -> None:
    at = scene(CHAT, "chat:6")
    approval = propose(at.here.world)
    with at.room.desk.store.begin() as work:
        work.save_ref(f"approval:{approval.id}", "chat", "5", "m0", 1)

    at.tell(EventKind.EXPIRY_WARNING, "P00009", correlation=approval.id)

    assert [(where, manner.under) for where, _, manner in at.chat.posted] == [
        ("5", MessageRef("chat", "5", "m0")),
        ("6", None),
    ]


def test_what_is_drawn_again_goes_first_when_its_event_is_urgent_whatever_its_colour() -> None:
    at = scene()
    id = propose(at.here.world).id
    with at.room.desk.store.begin() as work:
        work.save_ref(f"approval:{id}", "chat", "5", "m1", 0)

    at.tell(EventKind.APPROVAL_REQUESTED, id, Severity.URGENT, correlation=id)

    assert at.chat.hurried == [True]
    assert at.chat.edited[0][1].tone is not Tone.BAD


def test_the_proposal_itself_comes_under_nothing() -> None:
    at = scene()
    proposed(at)

    assert at.chat.posted[0][2] == PLAIN


def quiet(at: Scene) -> Preferences:
    """Quiet hours around now."""
    here = at.room.desk.now().astimezone(NEW_YORK)
    return Preferences(NEW_YORK.key, (here - timedelta(hours=1)).time(), (here + timedelta(hours=1)).time())


def test_what_somebody_muted_is_not_sent_to_them_unless_it_is_urgent() -> None:
    at = scene(CHAT, BEN)
    at.prefers("ben", Preferences(muted=frozenset({Topic.DESK})))

    at.tell(EventKind.HALTED)
    at.tell(EventKind.DIVIDEND, "P00001")
    at.tell(EventKind.ERROR, "exits", Severity.URGENT)

    assert at.chat.titles("77") == ["Dividend: P00001", "URGENT: Something broke"]
    assert at.chat.titles() == ["Entries halted", "Dividend: P00001", "URGENT: Something broke"]
    with at.room.desk.store.read() as work:
        assert work.outbox_waiting() == 0


def test_quiet_hours_are_silent_for_that_person_alone_and_urgent_cards_make_a_sound() -> None:
    at = scene(CHAT, BEN)
    at.prefers("ben", quiet(at))

    at.tell(EventKind.DIVIDEND, "P00001")
    at.tell(EventKind.ERROR, "exits", Severity.URGENT)

    assert [(where, manner.silent) for where, _, manner in at.chat.posted] == [
        ("5", False),
        ("77", True),
        ("5", False),
        ("77", False),
    ]


def test_one_person_s_card_has_their_clock_and_length_and_a_shared_one_the_desk_s() -> None:
    at = scene(CHAT, BEN)
    at.prefers("ben", Preferences("Europe/Berlin", compact=True))
    proposed(at)

    shared, own = (as_text(card) for _, card, _ in at.chat.posted)

    assert " ET" in shared
    assert "Breakeven" in shared
    assert " CEST" in own
    assert " ET" not in own
    assert "Breakeven" not in own
    assert "Max loss" in own
    assert "[Approve]" in own


def test_an_edit_keeps_a_person_s_clock_and_length() -> None:
    at = scene(BEN)
    at.prefers("ben", Preferences("Asia/Dubai", compact=True))
    id = proposed(at)
    finish(dispatch(at.room, Request("chat:1", action=f"approve:{id}.1", source="s1", chat="5")))
    at.pump()

    posted, edited = as_text(at.chat.posted[0][1]), as_text(at.chat.edited[-1][1])

    assert "UTC+04" in posted
    assert ("Net Greeks" in posted, "Net Greeks" in edited, "Max loss" in edited) == (False, False, True)


@pytest.mark.parametrize(
    "text", ["/halt", "/lock desk", "/disable wheel", "/setlimit max_position_risk 1%"], ids=lambda t: t.split()[0]
)
def test_what_somebody_does_in_a_chat_is_told_there_once_and_in_the_others_too(text: str) -> None:
    at = scene(CHAT, "chat:6")
    answer = act(at, text)
    at.pump()
    before = (at.chat.titles("5"), len(at.chat.titles("6")))
    finish(deliver.remember(at.room, answer, MessageRef("chat", "5", "answer")))
    at.here.world.clock.advance(seconds=1)

    at.pump()

    assert before == ([], 1)
    assert (at.chat.titles("5"), len(at.chat.titles("6"))) == ([], 1)
    with at.room.desk.store.read() as work:
        assert work.outbox_waiting() == 0


def test_a_notice_whose_answer_never_came_is_posted_after_seconds() -> None:
    at = scene()
    act(at, "/halt")

    for _ in range(6):
        at.pump()
        at.here.world.clock.advance(seconds=1)

    assert at.chat.titles() == ["Entries halted"]


def test_what_somebody_did_elsewhere_waits_for_no_answer() -> None:
    at = scene()
    act(at, "/halt", "web:ann", "5")
    at.pump()

    assert at.chat.titles() == ["Entries halted"]


def test_a_chat_that_blocked_the_bot_is_told_of_on_the_other_platforms_once_an_hour() -> None:
    other = Chat("web")
    at = scene(CHAT, "web:desk", web=other)
    at.chat.refuses.add("5")

    for _ in range(3):
        at.tell(EventKind.HALTED)
    at.pump()
    first = [title for title in other.titles("desk") if "Not delivered" in title]
    at.here.world.clock.advance(minutes=61)
    at.tell(EventKind.HALTED)
    at.pump()
    second = [title for title in other.titles("desk") if "Not delivered" in title]

    assert first == ["URGENT: Not delivered: chat:5"]
    assert len(second) == 2
    assert at.chat.posted == []


def test_where_nobody_takes_messages_the_notices_end() -> None:
    at = scene(CHAT, "web:desk", web=Chat("web", refuses={"desk"}))
    at.chat.refuses.add("5")

    at.tell(EventKind.HALTED)
    for _ in range(10):
        at.pump()

    assert len(at.here.events(EventKind.UNDELIVERED)) == 2


def test_a_question_whose_time_was_up_before_the_network_came_back_has_nothing_to_tap() -> None:
    at = scene()
    approval = propose(at.here.world)
    at.here.world.clock.advance(hours=3)
    at.tell(EventKind.APPROVAL_REQUESTED, approval.id, correlation=approval.id)

    (_, card, _) = at.chat.posted[0]

    assert card.title.endswith("(time is up)")
    assert card.buttons == ()


def test_a_short_card_keeps_what_it_is_the_money_and_what_to_do() -> None:
    table = Table(("Do", "Qty"), (("sell open", "2"),))
    facts = (("Max loss", "8,594.00"), ("P(profit)", "76 %"), ("Net Greeks", "Δ +0.2"))
    card = Card("wheel?", lines=("For: cheap", "Against: late", "Confirm by 10:00."), facts=facts, tables=(table,))

    short = compact(replace(card, banner="PAPER", key="approval:A1"))

    assert short.lines == ("Confirm by 10:00.",)
    assert short.facts == (("Max loss", "8,594.00"),)
    assert (short.title, short.banner, short.tables) == ("wheel?", "PAPER", (table,))


def equity(day: date, dollars: int) -> EquityDay:
    zero = Decimal(0)
    return EquityDay(day, make.NOW, Decimal(dollars), Decimal(dollars), zero, zero, zero, zero, zero, zero)


def test_a_digest_that_comes_days_late_tells_its_own_day() -> None:
    at = scene()
    days = [date(2026, 6, 10), date(2026, 6, 11), date(2026, 6, 12)]
    with at.room.desk.store.begin() as work:
        for number, day in enumerate(days):
            work.add_equity(equity(day, 100_000 + 500 * number))

    event = at.tell(EventKind.DIGEST_READY, "2026-06-11")
    card = at.chat.posted[0][1]

    assert card_for(at.room.desk, event, "digest:2026-06-11", "PAPER") is not None
    assert card.title == "Digest Thu 11 Jun 26"
    assert dict(card.facts)["Equity"] == "100,500.00"
    assert card.lines[0] == "Made +500.00 (+0.50 %)."
    assert card.pictures[0].alt.startswith("Equity from 100,000.00 on 2026-06-10 to 100,500.00 on 2026-06-11. ")


def test_the_digest_s_picture_has_the_index_beside_the_account_and_says_it_in_words() -> None:
    at = scene()
    days = (date(2026, 6, 10), date(2026, 6, 11), date(2026, 6, 12))
    history = tuple(equity(day, 100_000 + 500 * number) for number, day in enumerate(days))
    close = np.array([600.0, 606.0])
    column = np.array(days[:2], dtype="datetime64[D]")
    bars = Bars("SPY", column, close, close, close, close, close, Source("test", make.NOW))
    beyond = Beyond(history, benchmark.beside(history, bars, ()))

    (picture,) = digest_card(digests.digest(at.room.desk), "PAPER", beyond).pictures

    assert "to 101,000.00 on 2026-06-12; the same in SPY: 101,000.00. " in picture.alt
    assert picture.draw(True).startswith(b"\x89PNG")


def test_a_digest_without_a_history_says_so_and_has_no_picture() -> None:
    at = scene()

    card = digest_card(digests.digest(at.room.desk), "PAPER", Beyond())

    assert card.pictures == ()
    assert "The equity curve begins with the second close." in card.lines


def test_a_card_that_was_drawn_before_the_lease_ran_out_is_not_posted_and_not_lost() -> None:
    at = scene()
    store = at.here.world.store
    leadership.take(store, at.here.world.clock(), "here:1:0")
    store.term.good_until = store.term.clock()

    at.tell(EventKind.HALTED)

    assert at.chat.posted == []
    store.term.renewed(store.term.clock())
    at.here.world.clock.advance(2)
    at.pump()
    assert len(at.chat.posted) == 1
