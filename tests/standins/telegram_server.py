"""A loopback Telegram Bot API for tests: real HTTP on 127.0.0.1, so that an unmodified bot in any process talks to it.

    with TelegramServer() as server:                     # a thread and an event loop of its own
        ann = server.person("ann", 45)                   # her private chat has her number
        desk = server.supergroup("Desk", ann, topics=("Options",))
        ... start the bot with TELEGRAM_API_URL=server.url, TELEGRAM_TOKEN=TOKEN ...
        card = server.say(ann, "/proposals").answer().get()      # waits; `await ....answer()` in an async test
        card.text, card.raw, card.labels, card.photo, card.edits # `card` changes while the bot edits it
        press = server.press(ann, card, "Approve")               # or (row, column); press_data(ann, card, "forged")
        press.answered().get().text                              # what answerCallbackQuery said
        press.shows("Approved").get()                            # a message, new or edited since, with these words
        server.chat(desk).messages                               # what people see there now
        server.assert_valid()                                    # every request kept to the Bot API and its limits

People: `person group supergroup channel`; what they do: `say` (`chat= reply_to= topic= at=`), `edit`, `press`,
`press_data`, `replay(act)`, `say_anonymously`, `say_as_channel`, `post`, `block unblock kick promote`, `migrate`,
`delete`, `push(raw_update)`. Each gives an `Act`: `answer() answers(n) change() shows(words) answered() taken()` are
things to wait for (`.get()` or `await`), with a deadline in seconds as `within`; `until(condition)` waits for anything.
The bot's requests: `requests`, `sent("sendMessage", chat)`; `violations` lists what a bot must not do.
Limits: `limits.is_on = True` (and `limits.clock`), `limits.refused` counts the 429s. Trouble: `fail(kind, ...)`,
`refuse(method, status, words)`, `down()` and `up()` on the same port. `query_ttl` is how long a press may be answered.
`has_privacy`: whether the bot hears only what is for it in groups.
Webhooks: `updates.webhook_to = "http://127.0.0.1:PORT"` is where the bot really listens.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from tests.shared import SHARED
from tests.standins.telegram_driver import Driver
from tests.standins.telegram_limits import Limits, too_many
from tests.standins.telegram_methods import Call, Methods
from tests.standins.telegram_rules import MAX_UPLOAD, Refusal
from tests.standins.telegram_spec import BotApi
from tests.standins.telegram_world import BOT, Chat, Person, unix_now

TOKEN = f"{BOT['id']}:STANDIN-not-a-real-token-000000000000"
SPECIFICATION = SHARED / "specs" / "telegram-api.json"

FAULTS = {
    "429": "too many requests, nothing done",
    "500": "internal error, nothing done",
    "502": "a page of HTML instead of an answer, nothing done",
    "reset": "connection reset, nothing done",
    "done-reset": "done, then the connection reset without an answer",
    "hang": "never answered, nothing done",
    "done-hang": "done, and never answered",
}
"""What can go wrong with one request -> what it means."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request of the bot and how it was answered; `status` is 0 where it was not."""

    method: str
    parameters: Mapping[str, str]
    files: Mapping[str, bytes] = field(repr=False)
    status: int
    description: str = ""
    at: float = 0.0

    @property
    def chat(self) -> str:
        return self.parameters.get("chat_id", "")


@dataclass(slots=True)
class _Fault:
    kind: str
    left: int
    methods: tuple[str, ...] = ()
    chat: str = ""
    seconds: float = 5.0
    refusal: Refusal | None = None

    def concerns(self, method: str, call: Call) -> bool:
        is_meant = method in self.methods if self.methods else method != "getUpdates"
        return is_meant and self.chat in ("", call.text("chat_id"))


class TelegramServer(Driver):
    """The server, and the people behind it. Use it as a context manager, or `start` and `stop`."""

    def __init__(self, token: str = TOKEN, now: Callable[[], float] = unix_now) -> None:
        super().__init__(now)
        self.token = token
        self.limits = Limits()
        self.methods = Methods(self.world, self.updates, self.limits)
        self.requests: list[Sent] = []
        self.violations: list[str] = []
        self.schemas = BotApi(SPECIFICATION) if SPECIFICATION.exists() else None
        self.port = 0
        self._faults: deque[_Fault] = deque()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None
        self._door: socket.socket | None = None
        self._delivery: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Its address, for TELEGRAM_API_URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def query_ttl(self) -> float:
        """Seconds a press may be answered for."""
        return self.methods.query_ttl

    @query_ttl.setter
    def query_ttl(self, seconds: float) -> None:
        self.methods.query_ttl = seconds

    def start(self) -> Self:
        """Listen from now on."""
        self._thread.start()
        self._do(self._up())
        return self

    def stop(self) -> None:
        """End the server and cut every connection."""
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def down(self) -> None:
        """Nobody listens any more, and every connection is cut; what people do meanwhile waits for the bot."""
        self._do(self._down())

    def up(self) -> None:
        """Listen again, on the same port."""
        self._do(self._up())

    def fail(self, kind: str, times: int = 1, *methods: str, chat: int | str = "", seconds: float = 5) -> None:
        """Let the next `times` requests of these methods (any but getUpdates) into a chat (any) go wrong, see `FAULTS`;
        `seconds` is the time to wait of a 429.
        """
        if kind not in FAULTS:
            raise ValueError(f"no such fault: {kind}")
        with self.world.lock:
            self._faults.append(_Fault(kind, times, methods, str(chat), seconds))

    def refuse(self, method: str, status: int, description: str) -> None:
        """Refuse the next request of this method in these words, nothing done."""
        with self.world.lock:
            self._faults.append(_Fault("refused", 1, (method,), refusal=Refusal(status, description)))

    def recover(self) -> None:
        """Let everything go right again."""
        with self.world.lock:
            self._faults.clear()

    def sent(self, method: str, chat: int | Chat | Person | None = None) -> list[Sent]:
        """The requests of one method, into one chat."""
        number = chat.id if isinstance(chat, Chat | Person) else chat
        with self.world.lock:
            found = [each for each in self.requests if each.method == method]
        return [each for each in found if number is None or each.chat == str(number)]

    def assert_valid(self) -> None:
        """Fail where the bot did what Telegram does not take, or this server does not know."""
        assert not self.violations, "\n".join(self.violations)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _up(self) -> None:
        application = web.Application(client_max_size=MAX_UPLOAD + 1024 * 1024)
        application.router.add_route("*", "/bot{token}/{method}", self._serve)
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        self._door = socket.create_server(("127.0.0.1", self.port))
        self.port = self._door.getsockname()[1]
        await web.SockSite(self._runner, self._door).start()
        if self._delivery is None:
            self._delivery = asyncio.ensure_future(self.updates.deliver())

    async def _down(self) -> None:
        runner, self._runner = self._runner, None
        if runner is None or self._door is None:
            return
        self._loop.remove_reader(self._door)
        await _turn()  # asyncio leaks what it has let in but not set up yet when the site is stopped
        for site in list(runner.sites):
            await site.stop()
        if runner.server is not None:
            for connection in list(runner.server.connections):
                if connection.transport is not None:
                    connection.transport.abort()
        await runner.cleanup()

    async def _stop(self) -> None:
        await self._down()
        if self._delivery is not None:
            self._delivery.cancel()
            await asyncio.gather(self._delivery, return_exceptions=True)
        await _turn()  # what was cut is closed
        await self._loop.shutdown_asyncgens()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        method, token = request.match_info["method"], request.match_info["token"]
        if token != self.token:
            is_token = re.fullmatch(r"\d+:[\w-]+", token) is not None
            return _refused(Refusal(401, "Unauthorized") if is_token else Refusal(404, "Not Found"))
        call = await _call(request)
        fault = self._take_fault(method, call)
        if fault is not None and not fault.kind.startswith("done-"):
            self._note(method, call, 0, fault.kind)
            return await self._fail(request, fault)
        answer = await self._result(method, call)
        if fault is None:
            return answer
        return await self._fail(request, fault)

    def _take_fault(self, method: str, call: Call) -> _Fault | None:
        with self.world.lock:
            fault = next((fault for fault in self._faults if fault.concerns(method, call)), None)
            if fault is not None:
                fault.left -= 1
                if not fault.left:
                    self._faults.remove(fault)
            return fault

    async def _fail(self, request: web.Request, fault: _Fault) -> web.StreamResponse:
        if fault.refusal is not None:
            return _refused(fault.refusal)
        match fault.kind:
            case "429":
                return _refused(too_many(fault.seconds))
            case "500":
                return _refused(Refusal(500, "Internal Server Error"))
            case "502":
                return web.Response(status=502, text="<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")
            case "hang" | "done-hang":
                await asyncio.Event().wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _result(self, method: str, call: Call) -> web.StreamResponse:
        try:
            if method == "getUpdates":
                self._check(method, call)
                result: Any = await self.methods.get_updates(call)
                self._note(method, call, 200)
                return web.json_response({"ok": True, "result": result})
            with self.world.lock:
                result = self._run(method, call)
        except Refusal as refusal:
            self._note(method, call, refusal.status, refusal.description)
            if refusal.is_mistake:
                self._violation(f"{method}: {refusal.description}: {dict(call.parameters)!r:.400}")
            return _refused(refusal)
        self._note(method, call, 200)
        return web.json_response({"ok": True, "result": result})

    def _run(self, method: str, call: Call) -> Any:
        self._check(method, call)
        work = self.methods.table.get(method)
        if work is None:
            raise Refusal(404, "Not Found", is_mistake=True)
        result = work(call)
        if self.schemas is not None:
            self._violations(f"the stand-in itself: {each}" for each in self.schemas.answer(method, result))
        return result

    def _check(self, method: str, call: Call) -> None:
        if self.schemas is not None:
            self._violations(self.schemas.request(method, call.parameters, call.files))

    def _violation(self, words: str) -> None:
        self._violations((words,))

    def _violations(self, found: Iterable[str]) -> None:
        with self.world.lock:
            self.violations.extend(found)

    def _note(self, method: str, call: Call, status: int, description: str = "") -> None:
        files = {name: content for name, (_, content) in call.files.items()}
        with self.world.lock:
            self.requests.append(Sent(method, call.parameters, files, status, description, self.world.now()))
            self.world.tell()


async def _turn() -> None:
    """Let the loop finish what it has begun: a connection takes it three rounds from the socket to its protocol."""
    for _ in range(5):
        await asyncio.sleep(0)


async def _call(request: web.Request) -> Call:
    """The parameters of a request: https://core.telegram.org/bots/api#making-requests"""
    parameters: dict[str, str] = dict(request.query)
    files: dict[str, tuple[str, bytes]] = {}
    if request.content_type == "application/json":
        for name, value in (await request.json()).items():
            parameters[name] = value if isinstance(value, str) else json.dumps(value)
        return Call(parameters, files)
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            files[name] = (value.filename, value.file.read())
            value.file.close()
        else:
            parameters[name] = str(value)
    return Call(parameters, files)


def _refused(refusal: Refusal) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": refusal.status, "description": refusal.description}
    if refusal.parameters:
        body["parameters"] = dict(refusal.parameters)
    return web.json_response(body, status=refusal.status)
