"""Updates on their way to the bot: polled for, or delivered to its webhook.

How they are confirmed, kept and filtered: https://core.telegram.org/bots/api#getting-updates
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

from tests.standins.telegram_rules import HAS_WEBHOOK, TWO_POLLS, Refusal, check_webhook
from tests.standins.telegram_world import Json, World

KEPT_FOR = 24 * 3600
LONGEST_POLL = 50.0
MOST = 100
NOT_BY_DEFAULT = ("chat_member", "message_reaction", "message_reaction_count")
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


@dataclass(slots=True)
class Waiting:
    """An update nobody has confirmed. `is_again`: it comes once more whatever the offset is."""

    update: Json
    at: float
    is_again: bool = False


@dataclass(slots=True)
class Webhook:
    """Where updates are delivered to."""

    url: str = ""
    secret: str = ""
    connections: int = 40
    failed_at: float | None = None
    problem: str = ""


@dataclass(slots=True)
class Updates:
    """The queue of one bot. All is done under the world's lock; polls run on the server's event loop."""

    world: World
    waiting: list[Waiting] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)
    """Numbers of updates the bot has confirmed."""
    allowed: tuple[str, ...] = ()
    webhook: Webhook = field(default_factory=Webhook)
    webhook_to: str = ""
    """Where the pretended Telegram really delivers: the address of the bot's own port, without a path."""
    conflicts: int = 0
    numbers: Any = field(default_factory=lambda: count(100_000_001))
    _polls: list[asyncio.Future[Refusal | None]] = field(default_factory=list)
    _new: list[Callable[[], None]] = field(default_factory=list)

    @property
    def is_polled(self) -> bool:
        """Whether somebody waits for updates just now."""
        return bool(self._polls)

    def wants(self, kind: str) -> bool:
        """Whether the bot asked for updates of this kind."""
        return kind in self.allowed if self.allowed else kind not in NOT_BY_DEFAULT

    def add(self, kind: str, content: Json) -> Json:
        """A new update; it is dropped where the bot did not ask for its kind."""
        with self.world.lock:
            update = self.numbered(kind, content)
            if self.wants(kind):
                self.push(update)
            return update

    def numbered(self, kind: str, content: Json) -> Json:
        """An update with the next number, queued nowhere."""
        return {"update_id": next(self.numbers), kind: content}

    def push(self, update: Json) -> None:
        """Queue an update as it is."""
        self._queue(Waiting(update, self.world.now()))

    def repeat(self, update: Json) -> None:
        """Queue an update that the bot has had already."""
        self._queue(Waiting(update, self.world.now(), is_again=True))

    def _queue(self, item: Waiting) -> None:
        with self.world.lock:
            self.waiting.append(item)
            for wake in self._new:
                wake()
            self.world.changed.notify_all()

    def drop_all(self) -> None:
        """Forget what waits."""
        with self.world.lock:
            self.waiting.clear()

    def confirm(self, offset: int) -> None:
        """Forget what is numbered below `offset`; a negative one keeps that many from the end."""
        with self.world.lock:
            if offset < 0:
                kept = self.waiting[offset:]
                self._forget([item for item in self.waiting if item not in kept])
            self._forget([item for item in self.waiting if not item.is_again and _number(item) < offset])
            old = self.world.now() - KEPT_FOR
            self.waiting = [item for item in self.waiting if item.at > old]

    def _forget(self, items: list[Waiting]) -> None:
        for item in items:
            self.waiting.remove(item)
            self.taken.add(_number(item))
        if items:
            self.world.changed.notify_all()

    def ready(self, offset: int, limit: int) -> list[Json]:
        """What a poll gets now."""
        with self.world.lock:
            if offset > 0:
                self.confirm(offset)
            found = self.waiting[:limit]
            again = [item for item in found if item.is_again]
            for item in again:  # from now on it is like any other
                item.is_again = False
            return [item.update for item in found]

    async def poll(self, offset: int, limit: int, timeout: float, allowed: list[str] | None) -> list[Json]:
        """`getUpdates`.

        Raises:
            Refusal: 409, a webhook is set or somebody else asks meanwhile.
        """
        if self.webhook.url:
            self.conflicts += 1
            raise Refusal(409, HAS_WEBHOOK)
        self._end_polls(Refusal(409, TWO_POLLS))
        if allowed is not None:
            self.allowed = tuple(allowed)
        self.confirm(offset)
        deadline = asyncio.get_running_loop().time() + min(timeout, LONGEST_POLL)
        while not (found := self.ready(offset, limit)):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await self._wait(left)
        return found

    async def _wait(self, seconds: float) -> None:
        """Until something is queued, the time is over or the poll is ended from elsewhere."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[Refusal | None] = loop.create_future()

        def wake() -> None:
            loop.call_soon_threadsafe(_wake, woken)

        with self.world.lock:
            self._polls.append(woken)
            self._new.append(wake)
            if self.waiting:  # it came since the last look
                wake()
        try:
            refusal = await asyncio.wait_for(woken, seconds)
        except TimeoutError:
            return
        finally:
            with self.world.lock:
                self._polls.remove(woken)
                self._new.remove(wake)
        if refusal is not None:
            self.conflicts += 1
            raise refusal

    def _end_polls(self, refusal: Refusal) -> None:
        for poll in self._polls:
            if not poll.done():
                poll.set_result(refusal)

    def set_webhook(self, url: str, secret: str, connections: int, allowed: list[str] | None) -> None:
        """Deliver from now on; an empty address ends it."""
        if url:
            check_webhook(url, secret)
        self._end_polls(Refusal(409, "Conflict: terminated by setWebhook request"))
        if allowed is not None:
            self.allowed = tuple(allowed)
        self.webhook = Webhook(url, secret, connections)

    @property
    def webhook_info(self) -> Json:
        hook = self.webhook
        found: Json = {
            "url": hook.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self.waiting),
            "max_connections": hook.connections,
        }
        if self.allowed:
            found["allowed_updates"] = list(self.allowed)
        if hook.failed_at is not None:
            found |= {"last_error_date": int(hook.failed_at), "last_error_message": hook.problem}
        return found

    async def deliver(self) -> None:
        """Bring what waits to the webhook, one by one in order, again and again until each was taken."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as client:
            while True:
                if self.webhook.url and self.webhook_to and self.waiting:
                    is_taken = await self._deliver_first(client)
                    await asyncio.sleep(0 if is_taken else 0.05)
                else:
                    await asyncio.sleep(0.01)

    async def _deliver_first(self, client: aiohttp.ClientSession) -> bool:
        hook, item = self.webhook, self.waiting[0]
        path = "/" + hook.url.removeprefix("https://").partition("/")[2]
        headers: Mapping[str, str] = {SECRET_HEADER: hook.secret} if hook.secret else {}
        try:
            async with client.post(self.webhook_to + path, json=item.update, headers=headers) as answer:
                if answer.status < 300:
                    with self.world.lock:
                        self._forget([item])
                    return True
                hook.problem = f"Wrong response from the webhook: {answer.status} {answer.reason}"
        except (aiohttp.ClientError, TimeoutError) as problem:
            hook.problem = f"Connection failed: {problem}"
        hook.failed_at = self.world.now()
        return False


def _wake(poll: asyncio.Future[Refusal | None]) -> None:
    if not poll.done():
        poll.set_result(None)


def _number(item: Waiting) -> int:
    number = item.update.get("update_id")
    return number if isinstance(number, int) else 0
