"""As much of the Bot API as these tests need, on loopback: chats that take and keep messages, faults on order.

https://core.telegram.org/bots/api. It keeps no rates and checks no HTML.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import web

TOKEN = "123456:TOKEN"
POLL = 0.3
"""Seconds a request for updates is held open at most."""
GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
RIGHTS = (
    "is_member", "can_send_messages", "can_change_info", "can_invite_users", "can_pin_messages", "can_manage_topics",
    "can_send_audios", "can_send_documents", "can_send_photos", "can_send_videos", "can_send_video_notes",
    "can_send_voice_notes", "can_send_polls", "can_send_other_messages", "can_add_web_page_previews", "can_edit_tag",
    "can_react_to_messages",
)  # fmt: skip


class Refusal(Exception):
    """What the API answers when it does not do something."""

    def __init__(self, status: int, description: str, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"ok": False, "error_code": status, "description": description}
        if parameters:
            self.body["parameters"] = dict(parameters)


@dataclass
class Shown:
    """A message as it stands in a chat."""

    chat: str
    id: int
    text: str
    kind: str
    keyboard: list[list[dict[str, str]]]
    topic: str | None = None
    reply_to: int | None = None
    silent: bool = False
    force: bool = False

    @property
    def body(self) -> dict[str, Any]:
        kind = "private" if int(self.chat) > 0 else "supergroup"
        return {"message_id": self.id, "date": 1, "chat": {"id": int(self.chat), "type": kind}}


@dataclass
class FakeTelegram:
    """The server. `updates` is what a program that asks gets next; `calls` is everything else it was asked."""

    updates: list[dict[str, Any]] = field(default_factory=list)
    shown: dict[tuple[str, int], Shown] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: list[tuple[str, Refusal]] = field(default_factory=list)
    webhook: str = ""
    membership: str = "member"
    offset: int = 0
    ids: count[int] = field(default_factory=lambda: count(100))
    numbers: count[int] = field(default_factory=lambda: count(1000))
    url: str = ""

    async def start(self) -> None:
        app = web.Application(client_max_size=50_000_000)
        app.router.add_post("/{bot}/{method}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def fail(self, method: str, status: int, description: str, **parameters: Any) -> None:
        """Refuse the next call of `method`."""
        self.faults.append((method, Refusal(status, description, parameters)))

    async def _handle(self, request: web.Request) -> web.Response:
        given = {key: value if isinstance(value, str) else "(file)" for key, value in (await request.post()).items()}
        try:
            if request.match_info["bot"] != f"bot{TOKEN}":
                raise Refusal(404, "Not Found")
            result = await self._answer(request.match_info["method"], given)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        return web.json_response({"ok": True, "result": result})

    async def _answer(self, method: str, given: dict[str, str]) -> Any:
        for fault in self.faults:
            if fault[0] == method:
                self.faults.remove(fault)
                raise fault[1]
        if method == "getUpdates":
            return await self._get_updates(int(given.get("offset", 0)), float(given.get("timeout", 0)))
        self.calls.append((method, given))
        answer = getattr(self, f"_{method}", None)
        return answer(given) if answer is not None else True

    async def _get_updates(self, offset: int, timeout: float) -> list[dict[str, Any]]:
        if self.webhook:
            raise Refusal(409, "Conflict: can't use getUpdates method while webhook is active")
        self.offset = offset
        self.updates = [
            each for each in self.updates if not isinstance(each["update_id"], int) or each["update_id"] >= offset
        ]
        end = time.monotonic() + min(timeout, POLL)
        while not self.updates and time.monotonic() < end:
            await asyncio.sleep(0.01)
        found, self.updates = self.updates[:100], [each for each in self.updates if isinstance(each["update_id"], int)]
        return found

    def _getMe(self, given: dict[str, str]) -> Any:
        return {"id": 1, "is_bot": True, "first_name": "desk", "username": "desk_bot"}

    def _sendMessage(self, given: dict[str, str]) -> Any:
        return self._put(given, given["text"], "text").body

    def _sendPhoto(self, given: dict[str, str]) -> Any:
        return self._put(given, given.get("caption", ""), "photo").body

    def _sendMediaGroup(self, given: dict[str, str]) -> Any:
        return [self._put(given, each.get("caption", ""), "photo").body for each in json.loads(given["media"])]

    def _put(self, given: dict[str, str], text: str, kind: str) -> Shown:
        markup = json.loads(given.get("reply_markup", "{}"))
        made = Shown(
            given["chat_id"], next(self.ids), text, kind, markup.get("inline_keyboard", []),
            given.get("message_thread_id"), json.loads(given.get("reply_parameters", "{}")).get("message_id"),
            given.get("disable_notification") == "true", markup.get("force_reply", False),
        )  # fmt: skip
        self.shown[made.chat, made.id] = made
        return made

    def _found(self, given: dict[str, str], what: str) -> Shown:
        try:
            return self.shown[given["chat_id"], int(given["message_id"])]
        except KeyError:
            raise Refusal(400, f"Bad Request: message to {what} not found") from None

    def _deleteMessage(self, given: dict[str, str]) -> Any:
        found = self._found(given, "delete")
        del self.shown[found.chat, found.id]
        return True

    def _editMessageText(self, given: dict[str, str]) -> Any:
        found = self._found(given, "edit")
        if found.kind != "text":
            raise Refusal(400, "Bad Request: there is no text in the message to edit")
        return self._edited(found, given, given["text"])

    def _editMessageMedia(self, given: dict[str, str]) -> Any:
        found = self._found(given, "edit")
        found.kind = "photo"
        return self._edited(found, given, json.loads(given["media"]).get("caption", ""))

    def _editMessageReplyMarkup(self, given: dict[str, str]) -> Any:
        found = self._found(given, "edit")
        return self._edited(found, given, found.text)

    def _edited(self, found: Shown, given: dict[str, str], text: str) -> Any:
        keyboard = json.loads(given.get("reply_markup", "{}")).get("inline_keyboard", [])
        if (found.text, found.keyboard) == (text, keyboard) and found.kind == "text":
            raise Refusal(400, "Bad Request: message is not modified: it is exactly the same")
        found.text, found.keyboard = text, keyboard
        return found.body

    def _deleteWebhook(self, given: dict[str, str]) -> Any:
        self.webhook = ""
        return True

    def _getWebhookInfo(self, given: dict[str, str]) -> Any:
        return {"url": self.webhook, "has_custom_certificate": False, "pending_update_count": len(self.updates)}

    def _getChat(self, given: dict[str, str]) -> Any:
        kind = "private" if int(given["chat_id"]) > 0 else "supergroup"
        gifts = dict.fromkeys(GIFTS, False)
        return {"id": int(given["chat_id"]), "type": kind, "title": "Desk", "accent_color_id": 1,
                "max_reaction_count": 1, "accepted_gift_types": gifts}  # fmt: skip

    def _getChatMember(self, given: dict[str, str]) -> Any:
        member = {"status": self.membership, "user": self._getMe(given), "until_date": 0}
        return {**member, **dict.fromkeys(RIGHTS, False)} if self.membership == "restricted" else member
