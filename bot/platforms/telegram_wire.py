"""The one door to Telegram's servers: every call goes through `Wire.do` and comes back as a result or an error of ours.

The token stands in the address of every request. So it may be in the text of any error of the library below: what
leaves this module is redacted, and carries no cause with it. The libraries log addresses too: they are silenced here.

What the errors say is the text of Telegram's own server, https://github.com/tdlib/telegram-bot-api (Client.cpp) and
https://github.com/tdlib/td (MessagesManager.cpp): the documentation lists the codes only.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import structlog
from telegram import Bot, error
from telegram.request import HTTPXRequest, RequestData

from alerts.outbox import Unanswered, Undeliverable
from bot.platforms.base import MessageGone, Refused
from bot.platforms.telegram_queue import Flooded
from engine import meters

log = structlog.get_logger()

T = TypeVar("T")
Raw = dict[str, Any]

SECRET = "(token)"
DEFAULT_URL = "https://api.telegram.org"
MOST_UPDATES = 100
ALLOWED = ("message", "callback_query", "my_chat_member")
"""What is asked for: edited messages and channel posts do not even arrive."""
UNKNOWN_TOKEN = (
    "Telegram does not know TELEGRAM_TOKEN: copy it from @BotFather once more. "
    "If telegram.api_url is set, see that it is the right address."
)
METHOD = re.compile(r"[a-z][A-Za-z]{2,39}")
"""The name of a method of the Bot API."""
EMPTY = b'{"ok":true,"result":[]}'

for _name in ("httpx", "httpcore", "telegram"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# python-telegram-bot 22 warns of every waiting time it names unless one chose the type of the next version.
os.environ.setdefault("PTB_TIMEDELTA", "true")


class Trouble(Exception):
    """Telegram did not do it. The text is redacted."""


class Unsent(Trouble):
    """There was no connection: nothing was done."""


class Unsure(Trouble, Unanswered):
    """No answer: it may have been done."""


class Contested(Trouble):
    """Somebody else gets this bot's updates (409)."""


class Moved(Trouble):
    """The group has become a supergroup, which has another number."""

    def __init__(self, chat: str) -> None:
        super().__init__(f"the group's number is {chat} now")
        self.chat = chat


class Unchanged(Trouble):
    """The message looks like that already."""


class TooOld(Trouble):
    """The tap cannot be acknowledged any more."""


class BadPhoto(Trouble):
    """Telegram does not take this picture."""


class OtherKind(MessageGone):
    """The message has a photo and no text, or the other way round."""


GONE = ("message to edit not found", "message can't be edited", "message_id_invalid", "message to delete not found")
OTHER_KIND = (
    "there is no text in the message",
    "there is no caption in the message",
    "there is no media in the message",
)
BAD_PHOTO = (
    "photo_",
    "image_process",
    "file is too big",
    "entity too large",
    "wrong type of the web page",
    "rights to send photos",
    "send_photos_forbidden",
    "send_media_forbidden",
)
"""The picture is not taken, or no picture is taken in this chat: the words still may be."""
TOO_OLD = ("query is too old", "query id is invalid")
UNREACHABLE = (
    "chat not found",
    "group chat was deactivated",
    "peer_id_invalid",
    "not enough rights",
    "have no rights",
    "chat_write_forbidden",
    "chat_restricted",
    "need administrator rights",
    "message thread not found",
    "topic_deleted",
    "topic_closed",
    "user not found",
)


class NotNow(error.NetworkError):
    """Another process acts for the desk, or may do so by now: nothing was sent."""


class Line(HTTPXRequest):
    """A connection on which nothing is begun any more once `may_act` says no.

    Its requests are counted and timed, by the name of the method that ends their address.
    """

    def __init__(self, may_act: Callable[[], bool], **more: Any) -> None:
        super().__init__(**more)
        self._may_act = may_act

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *rest: Any, **more: Any
    ) -> tuple[int, bytes]:
        if not self._may_act():
            raise NotNow("this process may not act for the desk now")
        name = url.rpartition("/")[2]
        with meters.request("telegram", name if METHOD.fullmatch(name) else "other"):
            return await super().do_request(url, method, request_data, *rest, **more)


class Ear(Line):
    """The connection on which updates are asked for. It keeps them unread: one that nobody can read must not come
    again for ever and hold up all that are behind it.
    """

    def __init__(self, may_act: Callable[[], bool]) -> None:
        super().__init__(may_act, connection_pool_size=1, read_timeout=5.0)
        self.heard = EMPTY

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *rest: Any, **more: Any
    ) -> tuple[int, bytes]:
        code, payload = await super().do_request(url, method, request_data, *rest, **more)
        if code != 200:
            return code, payload
        self.heard = payload
        return code, EMPTY

    def take(self) -> list[Raw]:
        """What was heard since the last time."""
        payload, self.heard = self.heard, EMPTY
        return updates_in(payload)


def updates_in(payload: bytes) -> list[Raw]:
    """The updates of an answer.

    Raises:
        Trouble: it is no answer of Telegram's.
    """
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):
        raise Trouble("an answer that is not JSON") from None
    found = body.get("result") if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise Trouble("an answer without a list of updates")
    return [update for update in found if isinstance(update, dict)]


def always() -> bool:
    """A doctor asks whoever acts for the desk."""
    return True


class Wire:
    """A bot's connection; `bot` is python-telegram-bot's, to be used inside `do` only.

    `may_act`: whether this process acts for the desk, asked right before every request.
    """

    def __init__(self, token: str, api_url: str = "", may_act: Callable[[], bool] = always) -> None:
        self._token = token
        self._ear = Ear(may_act)
        url = (api_url or DEFAULT_URL).rstrip("/")
        if not token:
            raise Refused(UNKNOWN_TOKEN)
        self.bot = Bot(
            token,
            base_url=f"{url}/bot",
            base_file_url=f"{url}/file/bot",
            request=Line(may_act, connection_pool_size=32, read_timeout=10.0, pool_timeout=10.0),
            get_updates_request=self._ear,
        )
        self.name = ""
        """The bot's @name, known once it is connected."""
        self.id = ""

    async def open(self) -> None:
        """Connect and ask who we are.

        Raises:
            Refused: the token is not one of Telegram's.
        """
        await self.do(self.bot.initialize)
        self.name, self.id = self.bot.bot.username or "", str(self.bot.bot.id)

    async def close(self) -> None:
        """Let the connections go."""
        await self.bot.shutdown()

    async def updates(self, offset: int, seconds: int) -> list[Raw]:
        """What happened from update number `offset` on, as it came; waits for it so many seconds.

        Raises:
            Contested: another program asks too, or a webhook is set. Refused, Trouble.
        """
        await self.do(lambda: self.bot.get_updates(offset, MOST_UPDATES, seconds, ALLOWED))
        return self._ear.take()

    async def do(self, call: Callable[[], Awaitable[T]], what: str = "") -> T:
        """The result of one call of `bot`; `what` names the chat for whoever has to put it right.

        Raises:
            Refused, Flooded, Moved, MessageGone, Undeliverable, Unchanged, TooOld, Contested, Unsent, Unsure, Trouble.
        """
        try:
            return await call()
        except error.TelegramError as problem:
            found = self._ours(problem, what)
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            log.warning("telegram.answer_unreadable", problem=self.redacted(repr(problem)))
            found = Unsure("an answer that cannot be read")
        raise found

    def redacted(self, text: str) -> str:
        """The text without the token, in whatever case a library has put it."""
        return re.sub(re.escape(self._token), SECRET, text, flags=re.IGNORECASE)

    def _ours(self, problem: error.TelegramError, what: str) -> Exception:
        words = self.redacted(problem.message).partition(". Parsing the server response")[0]
        match problem:
            case error.InvalidToken():
                return Refused(UNKNOWN_TOKEN)
            case error.RetryAfter():
                seconds = problem.retry_after
                return Flooded(seconds if isinstance(seconds, int) else seconds.total_seconds())
            case error.ChatMigrated():
                return Moved(str(problem.new_chat_id))
            case error.Conflict():
                return Contested(words)
            case error.Forbidden():
                return Undeliverable(f"telegram:{what}: {words}")
            case error.BadRequest():
                return _bad(words, what)
            case NotNow():
                return Unsent(words)
            case error.TimedOut():
                return Unsent(words) if _never_left(problem) else Unsure("no answer in time")
            case error.NetworkError() if "entity too large" in words.lower():
                return BadPhoto(words)
            case error.NetworkError():
                return Unsent(words) if _never_left(problem) else Unsure(words)
        return Trouble(words)


def _never_left(problem: error.TelegramError) -> bool:
    return isinstance(problem.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _bad(words: str, what: str) -> Exception:
    """What a 400 means."""
    said = words.lower()

    def has(*signs: str) -> bool:
        return any(sign in said for sign in signs)

    if has("message is not modified"):
        return Unchanged(words)
    if has(*OTHER_KIND):
        return OtherKind(words)
    if has(*GONE):
        return MessageGone(words)
    if has(*TOO_OLD):
        return TooOld(words)
    if has(*BAD_PHOTO):
        return BadPhoto(words)
    if has(*UNREACHABLE):
        return Undeliverable(f"telegram:{what}: {words}")
    return Trouble(words)
