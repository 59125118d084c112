"""Updates read with distrust: what is missing or of another type makes nothing happen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.platforms.telegram_updates import Membership, Migrated, Pressed, Said, read

ANN = {"id": 45, "is_bot": False, "first_name": "Ann"}
PRIVATE = {"id": 45, "type": "private"}
FORUM = {"id": -1001, "type": "supergroup", "is_forum": True}


def message(**more: Any) -> dict[str, Any]:
    return {"message_id": 9, "date": 1_781_532_000, "chat": PRIVATE, "from": ANN, "text": "/risk", **more}


def update(**more: Any) -> dict[str, Any]:
    return {"update_id": 1, **more}


def said(**more: Any) -> Said:
    found = read(update(message=message(**more)))
    assert isinstance(found, Said)
    return found


def test_a_message_is_read() -> None:
    found = said()

    assert (found.update, found.message, found.text) == (1, "9", "/risk")
    assert (found.where.chat, found.where.is_private, found.who.identity) == ("45", True, "telegram:45")
    assert found.at == datetime.fromtimestamp(1_781_532_000, UTC)


@pytest.mark.parametrize("bad", ["\udfff", "\x00"])
def test_what_no_database_keeps_is_replaced(bad: str) -> None:
    assert said(text=f"/note a{bad}b").text == "/note a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("kind", ["edited_message", "channel_post", "edited_channel_post", "business_message"])
def test_what_is_no_new_message_does_nothing(kind: str) -> None:
    assert read(update(**{kind: message()})) is None


def test_whoever_writes_as_a_group_is_not_the_person_named() -> None:
    found = said(chat=FORUM, sender_chat=FORUM, **{"from": {"id": 1087968824, "is_bot": True, "first_name": "Group"}})

    assert found.who.is_hidden
    assert found.who.identity == "telegram-chat:-1001"


def test_what_opens_a_topic_is_not_what_is_answered() -> None:
    topic = {"chat": FORUM, "message_thread_id": 7, "is_topic_message": True}

    plain = said(**topic, reply_to_message={"message_id": 7})
    answer = said(**topic, reply_to_message={"message_id": 8})

    assert (plain.where.topic, plain.reply_to) == (7, "")
    assert answer.reply_to == "8"


@pytest.mark.parametrize("key", ["forward_origin", "via_bot"])
def test_what_somebody_passes_on_is_known(key: str) -> None:
    assert said(**{key: {"id": 3}}).is_passed_on


def test_a_press_is_read_with_its_keyboard() -> None:
    shown = {
        "inline_keyboard": [
            [{"text": "Approve", "callback_data": "tok", "style": "success"}, {"text": "Site", "url": "https://x"}]
        ]
    }
    query = {"id": "q", "from": ANN, "data": "tok", "message": message(reply_markup=shown)}

    found = read(update(callback_query=query))

    assert isinstance(found, Pressed)
    assert (found.query, found.data, found.message, found.keyboard) == (
        "q",
        "tok",
        "9",
        ((("Approve", "tok", "success"),),),
    )


def test_a_press_without_a_message_does_nothing() -> None:
    assert read(update(callback_query={"id": "q", "from": ANN, "data": "tok", "inline_message_id": "x"})) is None


def test_a_group_that_moves_is_read() -> None:
    moved = message(chat={"id": -5, "type": "group"}, migrate_to_chat_id=-1005)

    assert read(update(message=moved)) == Migrated(1, "-5", "-1005")


def test_a_change_of_membership_is_read() -> None:
    found = read(
        update(my_chat_member={"chat": PRIVATE, "from": ANN, "date": 1, "new_chat_member": {"status": "kicked"}})
    )

    assert isinstance(found, Membership)
    assert found.status == "kicked"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["message_id", "date", "chat", "from", "text", "reply_to_message", "sender_chat", "data", "message", "id",
     "reply_markup", "migrate_to_chat_id", "message_thread_id", "is_topic_message"]
)  # fmt: skip


@given(st.sampled_from(["message", "callback_query", "my_chat_member"]), st.dictionaries(KEYS, JUNK), JUNK)
def test_no_update_breaks_the_reading(kind: str, body: dict[str, Any], number: Any) -> None:
    whole = {**message(), "id": "q", "data": "t", "message": message()}

    for raw in ({"update_id": number, kind: body}, {"update_id": 1, kind: {**whole, **body}}):
        found = read(raw)
        assert found is None or isinstance(found, Said | Pressed | Migrated | Membership)
