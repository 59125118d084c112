"""The stand-in for Telegram, met by an unmodified python-telegram-bot: chats, limits, trouble, and the people in it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeChat,
)
from telegram.error import (
    ChatMigrated,
    Forbidden,
    NetworkError,
    RetryAfter,
    TimedOut,
)

from tests.standins.telegram_kit import NOW, Clock, heard, keyboard, refused
from tests.standins.telegram_server import TelegramServer
from tests.standins.telegram_world import Person

# Chats


async def test_a_chat_that_is_not_there_is_not_found(bot: Bot) -> None:
    await refused(bot.send_message(77, "hello"), "chat not found")


async def test_a_bot_that_is_blocked_or_was_never_started_cannot_write(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    server.block(ann)
    await refused(bot.send_message(ann.id, "hello"), "bot was blocked by the user", Forbidden)
    server.unblock(ann)
    await bot.send_message(ann.id, "hello")
    shy = server.person("shy", standing="left")
    await refused(bot.send_message(shy.id, "hello"), "bot can't initiate conversation with a user", Forbidden)
    assert [update.my_chat_member.new_chat_member.status for update in await heard(bot) if update.my_chat_member] == [
        "kicked",
        "member",
    ]


@pytest.mark.parametrize("kind", ["group", "supergroup"])
async def test_a_bot_that_was_put_out_cannot_write(server: TelegramServer, bot: Bot, ann: Person, kind: str) -> None:
    desk = getattr(server, kind)("Desk", ann)
    server.kick(desk, ann)
    await refused(bot.send_message(desk.id, "hello"), f"bot was kicked from the {kind} chat", Forbidden)


async def test_a_bot_that_may_only_read_cannot_write_and_is_told_so(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    desk = server.supergroup("Desk", ann)
    desk.bot = "restricted"
    await refused(bot.send_message(desk.id, "hello"), "not enough rights to send text messages")
    assert (await bot.get_chat_member(desk.id, bot.id)).status == "restricted"
    server.assert_valid()


async def test_one_request_is_refused_in_the_words_it_is_told(server: TelegramServer, bot: Bot, ann: Person) -> None:
    server.refuse("sendMessage", 400, "Bad Request: CHAT_RESTRICTED")
    await refused(bot.send_message(ann.id, "hello"), "CHAT_RESTRICTED")
    await bot.send_message(ann.id, "hello again")
    assert [message.text for message in server.chat(ann).sent] == ["hello again"]


async def test_a_group_that_became_a_supergroup_tells_its_new_number(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    desk = server.group("Desk", ann)
    moved = server.migrate(desk)
    with pytest.raises(ChatMigrated) as caught:
        await bot.send_message(desk.id, "hello")
    assert caught.value.new_chat_id == moved.id
    await bot.send_message(moved.id, "hello")
    told = [update.message for update in await heard(bot) if update.message]
    assert [(message.migrate_to_chat_id, message.migrate_from_chat_id) for message in told] == [
        (moved.id, None),
        (None, desk.id),
    ]


async def test_a_topic_is_written_into_by_its_number(server: TelegramServer, bot: Bot, ann: Person) -> None:
    desk = server.supergroup("Desk", ann, topics=("Options",))
    (topic,) = desk.topics
    message = await bot.send_message(desk.id, "hello", message_thread_id=topic)
    assert (message.message_thread_id, message.is_topic_message) == (topic, True)
    await refused(bot.send_message(desk.id, "hello", message_thread_id=1), "message thread not found")
    await refused(bot.send_message(ann.id, "hello", message_thread_id=topic), "message thread not found")
    desk.topics[topic].is_closed = True
    await refused(bot.send_message(desk.id, "hello", message_thread_id=topic), "TOPIC_CLOSED")


async def test_a_message_in_a_topic_seems_to_answer_the_topics_beginning(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    desk = server.supergroup("Desk", ann, topics=("Options",))
    (topic,) = desk.topics
    server.say(ann, "/risk", desk, topic=topic)
    (update,) = await heard(bot)
    assert update.message is not None
    assert update.message.reply_to_message is not None
    assert update.message.reply_to_message.forum_topic_created is not None
    assert update.message.message_thread_id == topic


async def test_a_topic_is_opened_by_an_administrator(server: TelegramServer, bot: Bot, ann: Person) -> None:
    desk = server.supergroup("Desk", ann, topics=("Options",))
    await refused(bot.create_forum_topic(desk.id, "Exits"), "not enough rights")
    server.promote(desk, ann)
    topic = await bot.create_forum_topic(desk.id, "Exits")
    assert (await bot.send_message(desk.id, "x", message_thread_id=topic.message_thread_id)).is_topic_message


async def test_in_a_group_a_bot_hears_only_what_concerns_it(server: TelegramServer, bot: Bot, ann: Person) -> None:
    desk = server.group("Desk", ann)
    sent = await bot.send_message(desk.id, "card")
    for text in ("hello all", "/risk", "/risk@desk_bot", "/risk@other_bot", "ask @desk_bot"):
        server.say(ann, text, desk)
    server.say(ann, "two contracts", desk, reply_to=server.chat(desk).message(sent.message_id))
    texts = [update.message.text for update in await heard(bot) if update.message]
    assert texts == ["/risk", "/risk@desk_bot", "ask @desk_bot", "two contracts"]


async def test_who_hides_behind_a_chat_is_seen_as_telegram_shows_him(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    desk, news = server.supergroup("Desk", ann), server.channel("News")
    server.say_anonymously("/halt", desk)
    server.say_as_channel("/halt", desk, news)
    server.post("/halt", news)
    anonymous, named, posted = await heard(bot)
    assert anonymous.message is not None
    assert named.message is not None
    assert (anonymous.message.from_user.username, anonymous.message.sender_chat.id) == ("GroupAnonymousBot", desk.id)  # type: ignore[union-attr]
    assert (named.message.from_user.username, named.message.sender_chat.id) == ("Channel_Bot", news.id)  # type: ignore[union-attr]
    assert (posted.message, posted.effective_user) == (None, None)


async def test_what_was_said_while_the_bot_was_away_has_its_own_date(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    server.say(ann, "/close P00003", at=NOW - 3600)
    (update,) = await heard(bot)
    assert update.message is not None
    assert update.message.date.timestamp() == NOW - 3600


async def test_who_is_in_a_chat_can_be_asked(server: TelegramServer, bot: Bot, ann: Person) -> None:
    desk = server.supergroup("Desk", ann)
    desk.members[ann.id] = "creator"
    server.promote(desk, ann)
    assert (await bot.get_chat(desk.id)).title == "Desk"
    assert (await bot.get_chat_member(desk.id, ann.id)).status == "creator"
    assert {each.status for each in await bot.get_chat_administrators(desk.id)} == {"creator", "administrator"}
    await refused(bot.get_chat_member(desk.id, 999), "user not found")
    assert await bot.send_chat_action(desk.id, "typing")
    assert desk.actions == ["typing"]


async def test_a_command_menu_is_kept_by_scope(server: TelegramServer, bot: Bot, ann: Person) -> None:
    scope = BotCommandScopeChat(ann.id)
    await bot.set_my_commands([BotCommand("risk", "What is at stake")])
    await bot.set_my_commands([BotCommand("halt", "Stop entries")], scope)
    assert [command.command for command in await bot.get_my_commands()] == ["risk"]
    assert [command.command for command in await bot.get_my_commands(scope)] == ["halt"]
    await bot.delete_my_commands(scope)
    assert await bot.get_my_commands(scope) == ()
    await refused(bot.set_my_commands([("Not-OK", "x")]), "BOT_COMMAND_INVALID")
    await refused(bot.set_my_commands([("risk", "x" * 257)]), "BOT_COMMAND_DESCRIPTION_INVALID")
    await refused(bot.set_my_commands([(f"c{n}", "x") for n in range(101)]), "BOT_COMMANDS_TOO_MUCH")


# Limits and trouble


async def flood(bot: Bot, chat: int, times: int) -> int:
    """How many of `times` messages were taken before a 429."""
    for number in range(times):
        try:
            await bot.send_message(chat, f"message {number}")
        except RetryAfter:
            return number
    return times


async def test_a_chat_takes_one_message_a_second_after_a_short_burst(
    server: TelegramServer, bot: Bot, ann: Person, clock: Clock
) -> None:
    server.limits.clock, server.limits.is_on = clock, True
    assert await flood(bot, ann.id, 10) == 3
    with pytest.raises(RetryAfter) as caught:
        await bot.send_message(ann.id, "once more")
    assert caught.value.retry_after == timedelta(seconds=3)
    clock.now += 3
    assert await flood(bot, ann.id, 1) == 1
    assert server.limits.refused == 2


async def test_a_group_takes_twenty_messages_a_minute(
    server: TelegramServer, bot: Bot, ann: Person, clock: Clock
) -> None:
    server.limits.clock, server.limits.is_on = clock, True
    desk = server.group("Desk", ann)
    assert await flood(bot, desk.id, 25) == 20
    clock.now += 61
    assert await flood(bot, desk.id, 25) == 20


async def test_altogether_thirty_messages_a_second_are_taken(server: TelegramServer, bot: Bot, clock: Clock) -> None:
    server.limits.clock, server.limits.is_on = clock, True
    people = [server.person(f"p{number}") for number in range(35)]
    assert sum([await flood(bot, person.id, 1) for person in people]) == 30


async def test_a_well_behaved_bot_gets_no_429(server: TelegramServer, bot: Bot, ann: Person, clock: Clock) -> None:
    server.limits.clock, server.limits.is_on = clock, True
    for number in range(30):
        await bot.send_message(ann.id, f"message {number}")
        clock.now += 1
    assert server.limits.refused == 0


async def test_trouble_on_order(server: TelegramServer, bot: Bot, ann: Person) -> None:
    ben = server.person("ben")
    server.fail("429", 1, chat=ann.id, seconds=7)
    await bot.send_message(ben.id, "another chat")
    with pytest.raises(RetryAfter) as caught:
        await bot.send_message(ann.id, "hello")
    assert caught.value.retry_after == timedelta(seconds=7)
    for kind in ("500", "502", "reset"):
        server.fail(kind)
        await refused(bot.send_message(ann.id, "hello"), "", NetworkError)
    assert server.chat(ann).messages == []
    server.fail("done-reset")
    await refused(bot.send_message(ann.id, "hello"), "", NetworkError)
    assert len(server.chat(ann).messages) == 1
    server.fail("hang")
    await refused(bot.send_message(ann.id, "hello", read_timeout=0.1), "", TimedOut)


async def test_a_server_that_was_down_is_back_on_the_same_port_with_what_was_said_meanwhile(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=20))
    await server.until(lambda: server.updates.is_polled, "no poll waits")
    await asyncio.to_thread(server.down)
    await refused(poll, "", NetworkError)
    await refused(bot.send_message(ann.id, "hello"), "", NetworkError)
    server.say(ann, "/risk")
    await asyncio.to_thread(server.up)
    assert [update.message.text for update in await heard(bot) if update.message] == ["/risk"]


# The driver and the check against the published description


async def test_what_the_bot_does_after_an_act_can_be_waited_for(server: TelegramServer, bot: Bot, ann: Person) -> None:
    async def answer() -> None:
        (update,) = await heard(bot)
        message = await bot.send_message(ann.id, "working")
        await bot.edit_message_text("done", ann.id, message.message_id)
        await bot.get_updates(offset=update.update_id + 1, timeout=0)

    act = server.say(ann, "/scan")
    work = asyncio.create_task(answer())
    changed = await act.shows("done")
    assert (changed.text, (await act.answer()).id, (await act.change()).id) == ("done", changed.id, changed.id)
    assert await act.taken()
    await work


def test_what_does_not_happen_is_told_in_words(server: TelegramServer, ann: Person) -> None:
    act = server.say(ann, "/risk")
    with pytest.raises(AssertionError, match="no answer to update"):
        act.answer(within=0.01).get()


async def test_requests_are_held_to_the_published_description(server: TelegramServer, bot: Bot, ann: Person) -> None:
    if server.schemas is None:
        pytest.skip("needs the published description in a folder named shared beside this repository; it is not there")
    await bot.send_message(ann.id, "fine", reply_markup=keyboard("Yes"))
    server.assert_valid()
    await bot.send_message(ann.id, "x", api_kwargs={"colour": "red", "disable_notification": "loud"})
    assert server.violations == [
        "sendMessage: unknown parameter colour",
        "sendMessage.disable_notification: 'loud' is no Boolean",
    ]


async def test_every_update_keeps_to_the_published_description(server: TelegramServer, bot: Bot, ann: Person) -> None:
    if server.schemas is None:
        pytest.skip("needs the published description in a folder named shared beside this repository; it is not there")
    desk = server.supergroup("Desk", ann, topics=("Options",))
    await bot.send_message(ann.id, "card", reply_markup=keyboard("Yes"))
    acts = [server.say(ann, "/risk"), server.press(ann, server.chat(ann).sent[0], "Yes"), server.block(ann)]
    acts += [server.say(ann, "/risk", desk, topic=next(iter(desk.topics))), server.say_anonymously("/risk", desk)]
    acts += [server.post("news", server.channel("News"))]
    assert [each for act in acts for each in server.schemas.update(act.update)] == []
