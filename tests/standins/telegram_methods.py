"""The methods of the pretended Bot API: what each does to the world, and what it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.standins import telegram_rules as rules
from tests.standins.telegram_html import utf16
from tests.standins.telegram_limits import Limits
from tests.standins.telegram_rules import bad, mistake
from tests.standins.telegram_updates import MOST, Updates
from tests.standins.telegram_world import (
    BOT,
    TOPIC_COLOR,
    CallbackAnswer,
    Chat,
    Image,
    Json,
    Look,
    Message,
    Topic,
    World,
)


@dataclass(frozen=True, slots=True)
class Call:
    """The parameters of one request, and the uploaded files by the name of their part."""

    parameters: Mapping[str, str]
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.parameters.get(name, "")

    def number(self, name: str, default: int | None = None) -> int | None:
        try:
            return int(self.parameters[name])
        except KeyError:
            return default
        except ValueError:
            raise mistake(f"invalid {name} specified") from None

    def value(self, name: str, default: Any = None) -> Any:
        """A JSON value."""
        try:
            return json.loads(self.parameters[name])
        except KeyError:
            return default
        except ValueError:
            raise mistake(f"can't parse {name} JSON object") from None

    def is_set(self, name: str) -> bool:
        return self.text(name).lower() in ("true", "1")


class Methods:
    """What the Bot API does. Called on the server's loop, with the world's lock held (but for getUpdates)."""

    def __init__(self, world: World, updates: Updates, limits: Limits) -> None:
        self.world = world
        self.updates = updates
        self.limits = limits
        self.query_ttl = 60.0
        """Seconds a press may be answered for. Telegram does not say; people report up to a minute."""
        self.commands: dict[str, list[Json]] = {}
        """The command menus, by scope as JSON."""
        self.table: Mapping[str, Callable[[Call], Any]] = {
            "getMe": lambda call: BOT,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": lambda call: self.updates.webhook_info,
            "setMyCommands": self._set_commands,
            "getMyCommands": lambda call: self.commands.get(_scope(call), []),
            "deleteMyCommands": lambda call: self.commands.pop(_scope(call), []) is not None,
            "sendMessage": self._send_message,
            "sendPhoto": self._send_photo,
            "sendDocument": self._send_document,
            "sendMediaGroup": self._send_media_group,
            "sendChatAction": self._send_chat_action,
            "editMessageText": self._edit_text,
            "editMessageCaption": self._edit_caption,
            "editMessageReplyMarkup": self._edit_markup,
            "editMessageMedia": self._edit_media,
            "deleteMessage": self._delete_message,
            "answerCallbackQuery": self._answer_callback,
            "getChat": self._get_chat,
            "getChatMember": self._get_chat_member,
            "getChatAdministrators": self._get_administrators,
            "createForumTopic": self._create_topic,
        }

    def get_updates(self, call: Call) -> Awaitable[list[Json]]:
        limit = min(max(call.number("limit") or MOST, 1), MOST)
        return self.updates.poll(
            call.number("offset") or 0, limit, float(call.number("timeout") or 0), call.value("allowed_updates")
        )

    def _set_webhook(self, call: Call) -> bool:
        if call.is_set("drop_pending_updates"):
            self.updates.drop_all()
        self.updates.set_webhook(
            call.text("url"),
            call.text("secret_token"),
            call.number("max_connections") or 40,
            call.value("allowed_updates"),
        )
        return True

    def _delete_webhook(self, call: Call) -> bool:
        if call.is_set("drop_pending_updates"):
            self.updates.drop_all()
        if self.updates.webhook.url:
            self.updates.set_webhook("", "", 40, None)
        return True

    def _set_commands(self, call: Call) -> bool:
        commands = call.value("commands")
        rules.check_commands(commands)
        scope = call.value("scope", {})
        if "chat_id" in scope:
            self._chat(str(scope["chat_id"]))
        self.commands[_scope(call)] = commands
        return True

    def _chat(self, given: str) -> Chat:
        """The chat a call names."""
        if not given:
            raise mistake("chat_id is empty")
        if not re.fullmatch(r"-?\d+", given):
            raise bad("chat not found")
        chat = self.world.chats.get(int(given))
        if chat is None:
            raise bad("chat not found")
        return chat

    def _open_chat(self, call: Call, messages: int = 1) -> Chat:
        """The chat a call writes into, which has room for so many messages now."""
        chat = self._chat(call.text("chat_id"))
        rules.check_reachable(chat)
        rules.check_rights(chat)
        rules.check_thread(chat, call.number("message_thread_id"))
        self.limits.spend(chat, messages)
        return chat

    def _send(self, call: Call, look: Look, chat: Chat, **more: Any) -> Json:
        return self.world.add(
            chat,
            BOT,
            look,
            thread=call.number("message_thread_id"),
            reply_to=self._replied(call, chat),
            is_silent=call.is_set("disable_notification"),
            **more,
        ).json

    def _replied(self, call: Call, chat: Chat) -> Message | None:
        wanted = call.value("reply_parameters")
        if not wanted:
            return None
        found = chat.message(wanted["message_id"])
        if found is None and not wanted.get("allow_sending_without_reply"):
            raise bad("message to be replied not found")
        return found

    def _markup(self, call: Call) -> Json:
        markup = call.value("reply_markup", {})
        rules.check_markup(markup)
        return dict(markup)

    def _text(self, call: Call, too_long: str = "message is too long") -> Look:
        raw = call.text("text")
        text, entities = rules.formatted(raw, call.text("parse_mode"), call.value("entities", []))
        if utf16(text) > rules.MAX_TEXT:
            raise mistake(too_long)
        rules.check_text(text, entities)
        return Look(text, tuple(entities), self._markup(call), raw=raw)

    def _caption(self, given: Mapping[str, Any]) -> Look:
        raw = str(given.get("caption") or "")
        text, entities = rules.formatted(raw, str(given.get("parse_mode") or ""), given.get("caption_entities") or [])
        rules.check_caption(text, entities)
        return Look(text, tuple(entities), raw=raw)

    def _given_caption(self, call: Call) -> Look:
        given = {**call.parameters, "caption_entities": call.value("caption_entities", [])}
        return replace(self._caption(given), markup=self._markup(call))

    def _send_message(self, call: Call) -> Json:
        self._chat(call.text("chat_id"))
        look = self._text(call)
        return self._send(call, look, self._open_chat(call))

    def _upload(self, call: Call, part: str, given: str) -> tuple[str, bytes] | Image:
        """The file a call brings in `part`, attaches, or names by its id."""
        name = given.removeprefix("attach://") if given.startswith("attach://") else part
        if name in call.files:
            return call.files[name]
        if given in self.world.files:
            return self.world.files[given]
        raise mistake("wrong file identifier/HTTP URL specified" if given else f"there is no {part} in the request")

    def _photo(self, call: Call, part: str, given: str) -> Image:
        found = self._upload(call, part, given)
        if isinstance(found, Image):
            return found
        name, content = found
        return self.world.keep(content, name, *rules.check_photo(content))

    def _document(self, call: Call, part: str, given: str) -> Image:
        found = self._upload(call, part, given)
        return found if isinstance(found, Image) else self.world.keep(found[1], found[0])

    def _send_photo(self, call: Call) -> Json:
        self._chat(call.text("chat_id"))
        look = replace(self._given_caption(call), photo=self._photo(call, "photo", call.text("photo")))
        return self._send(call, look, self._open_chat(call))

    def _send_document(self, call: Call) -> Json:
        self._chat(call.text("chat_id"))
        look = replace(self._given_caption(call), document=self._document(call, "document", call.text("document")))
        return self._send(call, look, self._open_chat(call))

    def _send_media_group(self, call: Call) -> list[Json]:
        self._chat(call.text("chat_id"))
        media = call.value("media", [])
        if not isinstance(media, list) or not 2 <= len(media) <= 10:
            raise mistake("group send failed: a media group has 2-10 items")
        looks = [self._media(call, item) for item in media]
        chat = self._open_chat(call, len(media))
        album = str(next(self.world.ids))
        return [self._send(call, look, chat, album=album) for look in looks]

    def _media(self, call: Call, item: Any) -> Look:
        if not isinstance(item, dict):
            raise mistake("can't parse InputMedia: expected an Object")
        look, given = self._caption(item), str(item.get("media", ""))
        match item.get("type"):
            case "photo":
                return replace(look, photo=self._photo(call, "media", given))
            case "document":
                return replace(look, document=self._document(call, "media", given))
        raise mistake("can't parse InputMedia: type must be one of photo and document here")

    def _send_chat_action(self, call: Call) -> bool:
        chat = self._chat(call.text("chat_id"))
        rules.check_reachable(chat)
        chat.actions.append(call.text("action"))
        self.world.tell()
        return True

    def _editable(self, call: Call) -> Message:
        chat = self._chat(call.text("chat_id"))
        rules.check_reachable(chat)
        message = chat.message(call.number("message_id") or 0)
        if message is None:
            raise bad("message to edit not found")
        if not message.is_from_bot or "force_reply" in message.look.markup or "keyboard" in message.look.markup:
            raise bad("message can't be edited")
        return message

    def _change(self, message: Message, look: Look) -> Json:
        if look == message.look:
            raise bad(rules.NOT_MODIFIED)
        self.limits.spend(message.chat)
        self.world.change(message, look)
        return message.json

    def _edit_text(self, call: Call) -> Json:
        message, look = self._editable(call), self._text(call, "MESSAGE_TOO_LONG")
        if message.look.is_media:
            raise bad("there is no text in the message to edit")
        return self._change(message, look)

    def _edit_caption(self, call: Call) -> Json:
        message, look = self._editable(call), self._given_caption(call)
        if not message.look.is_media:
            raise bad("there is no caption in the message to edit")
        return self._change(message, replace(look, photo=message.look.photo, document=message.look.document))

    def _edit_markup(self, call: Call) -> Json:
        message = self._editable(call)
        return self._change(message, replace(message.look, markup=self._markup(call)))

    def _edit_media(self, call: Call) -> Json:
        message = self._editable(call)
        look = self._media(call, call.value("media", {}))
        return self._change(message, replace(look, markup=self._markup(call)))

    def _delete_message(self, call: Call) -> bool:
        chat = self._chat(call.text("chat_id"))
        rules.check_reachable(chat)
        message = chat.message(call.number("message_id") or 0)
        if message is None:
            raise bad("message to delete not found")
        is_too_old = self.world.now() - message.date > rules.DELETABLE_FOR
        may = message.is_from_bot or chat.type == "private" or chat.bot == "administrator"
        if is_too_old or not may:
            raise bad("message can't be deleted")
        message.is_deleted = True
        self.world.tell()
        return True

    def _answer_callback(self, call: Call) -> bool:
        query = self.world.queries.get(call.text("callback_query_id"))
        if len(call.text("text")) > rules.MAX_ANSWER:
            raise mistake("MESSAGE_TOO_LONG")
        if query is None or query.answers or self.world.now() - query.at > self.query_ttl:
            raise bad(rules.TOO_OLD)
        query.answers.append(CallbackAnswer(call.text("text"), call.is_set("show_alert")))
        self.world.tell()
        return True

    def _get_chat(self, call: Call) -> Json:
        chat = self._chat(call.text("chat_id"))
        rules.check_reachable(chat)
        gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
        return {
            **chat.json,
            "accent_color_id": 0,
            "max_reaction_count": 11,
            "accepted_gift_types": dict.fromkeys(gifts, False),
        } | ({} if chat.type == "private" else {"permissions": {"can_send_messages": True}})

    def _get_chat_member(self, call: Call) -> Json:
        chat = self._chat(call.text("chat_id"))
        rules.check_reachable(chat)
        found = member(self.world, chat, call.number("user_id") or 0)
        if found is None:
            raise bad("user not found")
        return found

    def _get_administrators(self, call: Call) -> list[Json]:
        chat = self._chat(call.text("chat_id"))
        rules.check_reachable(chat)
        if chat.type == "private":
            raise bad("there are no administrators in the private chat")
        everybody = [member(self.world, chat, number) for number in (BOT["id"], *chat.members)]
        return [each for each in everybody if each and each["status"] in ("creator", "administrator")]

    def _create_topic(self, call: Call) -> Json:
        chat = self._chat(call.text("chat_id"))
        rules.check_reachable(chat)
        if not chat.is_forum:
            raise bad("the chat is not a forum")
        if chat.bot != "administrator":
            raise bad("not enough rights to create a topic")
        topic = Topic(next(chat.numbers), call.text("name"))
        chat.topics[topic.id] = topic
        return {"message_thread_id": topic.id, "name": topic.name, "icon_color": TOPIC_COLOR}


def _scope(call: Call) -> str:
    scope = json.dumps(call.value("scope", {"type": "default"}), sort_keys=True)
    return f"{scope} {call.text('language_code')}".strip()


RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_pin_messages",
    "can_manage_topics",
)


RESTRICTED = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_react_to_messages",
    "can_edit_tag",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)


def member(world: World, chat: Chat, user: int) -> Json | None:
    """Somebody's standing in a chat, None for a number nobody has."""
    person = world.people.get(user)
    if user == BOT["id"]:
        return standing(BOT, chat.bot)
    if person is None:
        return None
    return standing(person.json, "member" if chat.id == user else chat.members.get(user, "left"))


def standing(who: Json, status: str) -> Json:
    """A ChatMember."""
    who = {name: value for name, value in who.items() if not name.startswith(("can_", "supports_"))}
    match status:
        case "creator":
            return {"status": status, "user": who, "is_anonymous": False}
        case "administrator":
            rights = dict.fromkeys(RIGHTS, True)
            return {"status": status, "user": who, "can_be_edited": False, "is_anonymous": False, **rights}
        case "restricted":
            rights = dict.fromkeys(RESTRICTED, False)
            return {"status": status, "user": who, "is_member": True, "until_date": 0, **rights}
        case "kicked":
            return {"status": status, "user": who, "until_date": 0}
    return {"status": status, "user": who}
