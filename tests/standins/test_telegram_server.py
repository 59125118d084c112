"""The stand-in for Telegram, met by an unmodified python-telegram-bot: what it does, and every refusal it knows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from telegram import (
    Bot,
    ForceReply,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    ReplyParameters,
    Update,
)
from telegram.error import (
    Conflict,
    InvalidToken,
)

from tests.standins.telegram_kit import HTML, Clock, connected, heard, keyboard, png, refused
from tests.standins.telegram_server import TelegramServer
from tests.standins.telegram_world import Person

# Polling


async def test_an_update_comes_again_until_a_later_offset_confirms_it(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    act = server.say(ann, "/risk")
    (first,), (again,) = await heard(bot), await heard(bot)
    assert first.update_id == again.update_id == act.update["update_id"]
    assert await bot.get_updates(offset=first.update_id + 1, timeout=0) == ()
    assert await act.taken(within=1)


async def test_a_long_poll_ends_when_something_is_said(server: TelegramServer, bot: Bot, ann: Person) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=20))
    await server.until(lambda: server.updates.is_polled, "no poll waits")
    server.say(ann, "hello")
    (update,) = await poll
    assert update.message is not None
    assert (update.message.text, update.message.chat.type) == ("hello", "private")


async def test_a_second_poll_ends_the_first_with_a_conflict(server: TelegramServer, bot: Bot) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=20))
    await server.until(lambda: server.updates.is_polled, "no poll waits")
    async with connected(server) as other:
        second = await other.get_updates(timeout=0)
    await refused(first, "terminated by other getUpdates request", Conflict)
    assert (second, server.updates.conflicts) == ((), 1)


async def test_no_update_is_polled_for_while_a_webhook_is_set(server: TelegramServer, bot: Bot) -> None:
    await bot.set_webhook("https://desk.example/telegram", secret_token="s3cret")
    await refused(bot.get_updates(timeout=0), "can't use getUpdates method while webhook is active", Conflict)
    assert (await bot.get_webhook_info()).url == "https://desk.example/telegram"
    await bot.delete_webhook()
    assert await bot.get_updates(timeout=0) == ()


async def test_a_webhook_gets_each_update_with_the_secret_until_it_takes_it(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    calls: list[tuple[str, str, int]] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.json()
        calls.append((request.path, request.headers["X-Telegram-Bot-Api-Secret-Token"], body["update_id"]))
        return web.Response(status=500 if len(calls) == 1 else 200)

    application = web.Application()
    application.router.add_post("/hook", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.updates.webhook_to = f"http://127.0.0.1:{runner.addresses[0][1]}"
    await bot.set_webhook("https://desk.example/hook", secret_token="s3cret")
    act = server.say(ann, "/risk")
    await act.taken()
    await runner.cleanup()
    assert calls == [("/hook", "s3cret", act.update["update_id"])] * 2


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://desk.example/", "HTTPS URL must be provided"), ("https://desk.example:99/", "only on ports 80, 88, 443")],
)
async def test_a_webhook_has_an_https_address_on_a_known_port(bot: Bot, url: str, words: str) -> None:
    await refused(bot.set_webhook(url), words)


async def test_only_the_kinds_that_were_asked_for_are_queued(server: TelegramServer, bot: Bot, ann: Person) -> None:
    await bot.get_updates(timeout=0, allowed_updates=["message"])
    said = server.say(ann, "/risk")
    assert said.message is not None
    server.edit(ann, said.message, "/halt")
    found = await heard(bot)
    assert [update.update_id for update in found] == [said.update["update_id"]]


async def test_an_edit_is_an_update_of_its_own_where_it_was_asked_for(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    said = server.say(ann, "/risk")
    assert said.message is not None
    server.edit(ann, said.message, "/halt")
    found = await heard(bot)
    assert [bool(update.edited_message) for update in found] == [False, True]


async def test_what_nobody_fetched_for_a_day_is_forgotten(
    server: TelegramServer, bot: Bot, ann: Person, clock: Clock
) -> None:
    server.say(ann, "/close P00003")
    clock.now += 23 * 3600
    late = server.say(ann, "/risk")
    clock.now += 2 * 3600
    assert [update.update_id for update in await heard(bot)] == [late.update["update_id"]]


async def test_limit_and_a_negative_offset_choose_among_what_waits(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    acts = [server.say(ann, f"/look {number}") for number in range(5)]
    numbers = [act.update["update_id"] for act in acts]
    assert [update.update_id for update in await heard(bot, limit=2)] == numbers[:2]
    assert [update.update_id for update in await heard(bot, offset=-1)] == numbers[-1:]
    assert [update.update_id for update in await heard(bot)] == numbers[-1:]


async def test_a_replayed_update_comes_again_after_it_was_confirmed(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    act = server.say(ann, "/risk")
    (first,) = await heard(bot)
    await bot.get_updates(offset=first.update_id + 1, timeout=0)
    server.replay(act)
    (again,) = await heard(bot, first.update_id + 1)
    assert again.to_dict() == first.to_dict()


async def test_a_wrong_token_is_unauthorized(server: TelegramServer) -> None:
    with pytest.raises(InvalidToken):
        async with connected(server, "123456:another-token"):
            pass


async def test_an_unknown_method_is_not_found_and_noted(server: TelegramServer, bot: Bot) -> None:
    await refused(bot.do_api_request("sendGreeting"), "not found", Exception)
    assert any("sendGreeting" in each for each in server.violations)


# Messages


async def test_a_message_is_shown_without_its_tags(server: TelegramServer, bot: Bot, ann: Person) -> None:
    message = await bot.send_message(
        ann.id, "<b>P&amp;L</b> \U0001f680 <code>1 &lt; 2</code>", HTML, reply_markup=keyboard("Yes", "No")
    )
    (shown,) = server.chat(ann).messages
    assert (shown.text, shown.labels) == ("P&L \U0001f680 1 < 2", [["Yes", "No"]])
    assert [message.parse_entity(each) for each in message.entities] == ["P&L", "1 < 2"]


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("a <p>b</p>", 'Unsupported start tag "p" at byte offset 2'),
        ("a < b > c", 'Unsupported start tag "" at byte offset 2'),
        ("<span>a</span>", 'Tag "span" must have class "tg-spoiler"'),
        ("<b>open", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("a</b>", "Unexpected end tag at byte offset 1"),
        ("a <b", "Unclosed start tag at byte offset 2"),
    ],
)
async def test_html_that_telegram_cannot_parse_is_refused(
    server: TelegramServer, bot: Bot, ann: Person, html: str, words: str
) -> None:
    await refused(bot.send_message(ann.id, html, HTML), f"can't parse entities: {words}")
    assert server.violations


async def test_a_text_is_measured_in_utf16_after_parsing(server: TelegramServer, bot: Bot, ann: Person) -> None:
    await bot.send_message(ann.id, "<b>" + "\U0001f680" * 2048 + "</b>", HTML)
    await refused(bot.send_message(ann.id, "\U0001f680" * 2048 + "a"), "message is too long")
    await refused(bot.send_message(ann.id, " <b> </b>\n", HTML), "message text is empty")


@pytest.mark.parametrize("data", ["", "x" * 65, "€" * 22])
async def test_callback_data_has_1_to_64_bytes(bot: Bot, ann: Person, data: str) -> None:
    markup = InlineKeyboardMarkup([[InlineKeyboardButton("Yes", callback_data=data)]])
    await refused(bot.send_message(ann.id, "hello", reply_markup=markup), "BUTTON_DATA_INVALID")


async def test_a_keyboard_has_a_text_on_each_button_and_at_most_a_hundred(bot: Bot, ann: Person) -> None:
    await refused(bot.send_message(ann.id, "hello", reply_markup=keyboard("")), "must be non-empty")
    rows = [[InlineKeyboardButton("x", callback_data="y")]] * 101
    await refused(
        bot.send_message(ann.id, "hello", reply_markup=InlineKeyboardMarkup(rows)), "reply markup is too long"
    )


async def test_an_answer_knows_what_it_answers(server: TelegramServer, bot: Bot, ann: Person) -> None:
    said = server.say(ann, "/risk").message
    assert said is not None
    message = await bot.send_message(ann.id, "fine", reply_parameters=ReplyParameters(said.id))
    assert message.reply_to_message is not None
    assert message.reply_to_message.text == "/risk"
    await refused(
        bot.send_message(ann.id, "fine", reply_parameters=ReplyParameters(999_999)), "message to be replied not found"
    )


async def test_edits_are_kept_and_the_same_once_more_is_not_modified(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    message = await bot.send_message(ann.id, "pending", reply_markup=keyboard("Yes"))
    await bot.edit_message_text("approved", ann.id, message.message_id)
    await refused(bot.edit_message_text("<i></i>approved", ann.id, message.message_id, parse_mode=HTML), "not modified")
    (shown,) = server.chat(ann).messages
    assert (shown.text, shown.labels, [look.text for look in shown.edits]) == ("approved", [], ["approved"])


async def test_only_what_is_there_and_the_bots_own_can_be_edited(server: TelegramServer, bot: Bot, ann: Person) -> None:
    said = server.say(ann, "/risk").message
    assert said is not None
    message = await bot.send_message(ann.id, "card")
    asked = await bot.send_message(ann.id, "price?", reply_markup=ForceReply())
    server.delete(server.chat(ann).sent[0])
    await refused(bot.edit_message_text("x", ann.id, message.message_id), "message to edit not found")
    await refused(bot.edit_message_text("x", ann.id, said.id), "message can't be edited")
    await refused(bot.edit_message_text("x", ann.id, asked.message_id), "message can't be edited")
    await refused(bot.delete_message(ann.id, message.message_id), "message to delete not found")


async def test_what_is_older_than_two_days_cannot_be_deleted(
    server: TelegramServer, bot: Bot, ann: Person, clock: Clock
) -> None:
    old, new = await bot.send_message(ann.id, "old"), await bot.send_message(ann.id, "new")
    assert await bot.delete_message(ann.id, new.message_id)
    clock.now += 49 * 3600
    await refused(bot.delete_message(ann.id, old.message_id), "message can't be deleted")
    assert [message.text for message in server.chat(ann).messages] == ["old"]


# Photos


async def test_a_photo_keeps_its_bytes_and_its_caption(server: TelegramServer, bot: Bot, ann: Person) -> None:
    message = await bot.send_photo(ann.id, png(), caption="<b>P&amp;L</b>", parse_mode=HTML, filename="pnl.png")
    (shown,) = server.chat(ann).messages
    assert shown.photo is not None
    assert (shown.text, shown.photo.content, shown.photo.name) == ("P&L", png(), "pnl.png")
    assert (message.photo[0].width, message.photo[0].height) == (40, 30)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (png(9000, 1001), "PHOTO_INVALID_DIMENSIONS"),
        (png(2100, 100), "PHOTO_INVALID_DIMENSIONS"),
        (png(size=10 * 1024 * 1024 + 1), "is too big for a photo"),
        (b"GIF89a and so on, and so on", "IMAGE_PROCESS_FAILED"),
    ],
)
async def test_what_is_no_good_photo_is_refused(bot: Bot, ann: Person, content: bytes, words: str) -> None:
    await refused(bot.send_photo(ann.id, content), words)


async def test_a_caption_has_at_most_1024_characters(bot: Bot, ann: Person) -> None:
    await bot.send_photo(ann.id, png(), caption="x" * 1024)
    await refused(bot.send_photo(ann.id, png(), caption="x" * 1025), "message caption is too long")


async def test_text_and_photo_are_edited_each_in_its_way(server: TelegramServer, bot: Bot, ann: Person) -> None:
    text, photo = await bot.send_message(ann.id, "text"), await bot.send_photo(ann.id, png(), caption="photo")
    await refused(bot.edit_message_text("x", ann.id, photo.message_id), "there is no text in the message to edit")
    await refused(
        bot.edit_message_caption(ann.id, text.message_id, caption="x"), "there is no caption in the message to edit"
    )
    await bot.edit_message_caption(ann.id, photo.message_id, caption="new", reply_markup=keyboard("Yes"))
    await bot.edit_message_media(InputMediaPhoto(png(50, 50), caption="newer"), ann.id, photo.message_id)
    await bot.edit_message_reply_markup(ann.id, photo.message_id, reply_markup=keyboard("No"))
    shown = server.chat(ann).sent[1]
    assert shown.photo is not None
    assert (shown.text, shown.photo.width, shown.labels) == ("newer", 50, [["No"]])


async def test_a_media_group_has_two_to_ten_items(server: TelegramServer, bot: Bot, ann: Person) -> None:
    sent = await bot.send_media_group(ann.id, [InputMediaPhoto(png(), caption="a"), InputMediaPhoto(png())])
    assert len({message.media_group_id for message in sent}) == 1
    await refused(bot.send_media_group(ann.id, [InputMediaPhoto(png())]), "2-10 items")
    await bot.send_document(ann.id, b"a,b\n1,2\n", filename="trades.csv")
    await bot.send_media_group(ann.id, [InputMediaDocument(b"a"), InputMediaDocument(b"b")])
    assert [bool(message.photo) for message in server.chat(ann).sent] == [True, True, False, False, False]


# Presses


async def press(server: TelegramServer, bot: Bot, ann: Person) -> tuple[Any, Update]:
    await bot.send_message(ann.id, "card", reply_markup=keyboard("Yes", "No"))
    act = server.press(ann, server.chat(ann).sent[-1], (0, 1))
    return act, (await heard(bot))[-1]


async def test_a_press_is_answered_once(server: TelegramServer, bot: Bot, ann: Person) -> None:
    act, update = await press(server, bot, ann)
    assert update.callback_query is not None
    assert update.callback_query.data == "t:No"
    await bot.answer_callback_query(update.callback_query.id, "Rejected.", show_alert=True)
    await refused(bot.answer_callback_query(update.callback_query.id), "query is too old")
    answer = await act.answered()
    assert (answer.text, answer.is_alert) == ("Rejected.", True)


async def test_a_press_cannot_be_answered_late(server: TelegramServer, bot: Bot, ann: Person, clock: Clock) -> None:
    _, update = await press(server, bot, ann)
    assert update.callback_query is not None
    clock.now += server.query_ttl + 1
    await refused(
        bot.answer_callback_query(update.callback_query.id), "response timeout expired or query ID is invalid"
    )


async def test_the_answer_to_a_press_has_at_most_200_characters(server: TelegramServer, bot: Bot, ann: Person) -> None:
    _, update = await press(server, bot, ann)
    assert update.callback_query is not None
    await refused(bot.answer_callback_query(update.callback_query.id, "x" * 201), "MESSAGE_TOO_LONG")


async def test_a_press_may_carry_any_data_and_its_message_may_be_gone(
    server: TelegramServer, bot: Bot, ann: Person
) -> None:
    await bot.send_message(ann.id, "card", reply_markup=keyboard("Yes"))
    shown = server.chat(ann).sent[0]
    server.delete(shown)
    server.press_data(server.person("eve"), shown, "approve:A00001")
    update = (await heard(bot))[-1]
    assert update.callback_query is not None
    assert update.callback_query.data == "approve:A00001"
    assert update.callback_query.message is not None
    assert not update.callback_query.message.is_accessible
