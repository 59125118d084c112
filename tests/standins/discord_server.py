"""A loopback Discord: the REST API and the gateway of one server ("guild"), for a bot that takes it for the real one.

The bot is pointed at it by `DISCORD_API_URL=server.api_url`, `DISCORD_GATEWAY_URL=server.gateway_url` and the token
`server.token`, in this process or another one. The server has a thread and loop of its own, so a test may be written
with or without asyncio: what a person does gives an `Asked`, which is awaited or asked for its `.result()`.

    with DiscordServer() as server:
        desk = server.add_channel("desk", 555)
        ann = server.member("ann", 123, roles=(server.role("traders", 456),))
        ...                                                # start the bot, then
        server.connected().result()                        # until it is on the gateway
        answer = server.slash(ann, "close", desk, position="P00003").result()
        answer.ack, answer.ack_seconds, answer.is_ephemeral, answer.text, answer.message.buttons
        card = desk.messages[-1]                           # as it looks now; card.history has what it was before
        press = await server.press(ann, card, "Approve")   # by label or custom id
        form = await server.submit(ann, press, {"Limit": "1.20"})       # `press` was answered with a modal
        names = await server.autocomplete(ann, "close", desk, "position", "P0")
        await server.forge(ann, card, "wsb:forged")        # a button that is not there
        await server.replay(press)                         # the very same interaction a second time
        await server.until(lambda: len(desk.messages) == 2)             # TimeoutError after `within` seconds

    server.fail("429", times=2, path="/channels/555/messages", seconds=0.2)   # see `FAULTS`
    server.refuse(MISSING_PERMISSIONS, method="PATCH")     # any `Refusal` of discord_rules
    server.limit("POST", "/channels/{channel}/messages", 5, 5.0); server.rates.refused
    server.deny(desk, "SEND_MESSAGES"); server.allow(desk, "SEND_MESSAGES"); server.delete(card)
    server.hold_gateway(); server.drop(); server.let_in()  # in between, events are missed; told on RESUME
    server.drop(); server.reconnect(); server.invalidate(); server.close_gateway(4000); server.gateway.resumable = False
    server.down(); server.up()                             # nobody answers, then the same port again
    server.assert_valid()                                  # nothing unknown was asked, nothing against the schemas

An answer is complete when the person is not waiting any more, or after `within` seconds: then `ack` is None (the
application "did not respond") or the answer is the one deferred. It goes on filling while more arrives.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from typing import Any, Generic, TypeVar

from aiohttp import web

from bot.app import system_clock
from tests.shared import SHARED
from tests.standins import discord_interactions as interactions
from tests.standins import discord_rules as rules
from tests.standins.discord_faults import FAULTS, Fault, Faults, Limit, Rates
from tests.standins.discord_gateway import Gateway
from tests.standins.discord_interactions import Interaction, Interactions
from tests.standins.discord_messages import Post
from tests.standins.discord_rest import BASE, Answer, Request, Rest, read_body
from tests.standins.discord_rules import Refusal
from tests.standins.discord_world import PERMISSIONS, Channel, Member, Message, Row, World
from tests.standins.openapi import OpenApi

TOKEN = "loopback.discord.token"
SPECIFICATION = SHARED / "specs" / "discord-openapi.json"
HTML = "<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"
NO_TOKEN = ("/interactions/", "/webhooks/", "/gateway")
"""Routes whose secret is in the path, or that have none."""

SWITCHES = ("wait", "with_response", "with_components")
BOOLEANS = {"0": "false", "1": "true"}
"""How discord.py writes a boolean in a query -> how the schemas have it; Discord takes both."""

T = TypeVar("T")


@cache
def schemas() -> OpenApi | None:
    """Discord's published schemas, None where they are not at hand."""
    return OpenApi(SPECIFICATION) if SPECIFICATION.exists() else None


class Asked(Generic[T]):
    """What will be known later: `await` it, or ask for its `result()` where there is no loop."""

    def __init__(self, future: Future[T]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.wrap_future(self._future).__await__()

    def result(self, within: float = 60.0) -> T:
        """Wait for it."""
        return self._future.result(within)


class DiscordServer:
    """The server. Its public methods may be called from any thread but its own."""

    def __init__(self, token: str = TOKEN, clock: Callable[[], Any] = system_clock) -> None:
        self.token = token
        self._holder = _bound(0)
        self.port: int = self._holder.getsockname()[1]
        self.world = World(clock)
        self.faults = Faults()
        self.rates = Rates(clock)
        self.post = Post(self.world, f"http://127.0.0.1:{self.port}")
        self.interactions = Interactions(self.world, self.post, self.world.bot.id)
        self.gateway = Gateway(self.world, token, self._pulse)
        self.gateway.url = self.gateway_url
        self.rest = Rest(self.world, self.post, self.interactions, self.gateway.dispatch, self.gateway_url)
        self.requests: list[Request] = []
        self.violations: list[str] = []
        self.schemas = schemas()
        self._waiters: set[asyncio.Event] = set()
        self._site: web.SockSite | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="loopback discord", daemon=True)

    @property
    def api_url(self) -> str:
        """For DISCORD_API_URL."""
        return f"http://127.0.0.1:{self.port}{BASE}"

    @property
    def gateway_url(self) -> str:
        """For DISCORD_GATEWAY_URL."""
        return f"ws://127.0.0.1:{self.port}/gateway"

    # the thread

    def __enter__(self) -> DiscordServer:
        self._thread.start()
        self._now(self._set_up())
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self._now(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._holder.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _set_up(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_get("/attachments/{channel}/{file}/{name}", self._download)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()

    async def _stop(self) -> None:
        await self._close()
        await self._runner.cleanup()
        unanswered = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unanswered:
            task.cancel()
        await asyncio.gather(*unanswered, return_exceptions=True)

    def _ask(self, work: Coroutine[Any, Any, T]) -> Asked[T]:
        return Asked(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _now(self, work: Coroutine[Any, Any, T]) -> T:
        return self._ask(work).result(10)

    def _pulse(self) -> None:
        for waiter in self._waiters:
            waiter.set()

    async def _until(self, condition: Callable[[], object], within: float) -> bool:
        """Whether it came true in time; looked at after everything that happens here."""
        ends = time.monotonic() + within
        changed = asyncio.Event()
        self._waiters.add(changed)
        try:
            while not condition():
                changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), min(0.05, max(0.0, ends - time.monotonic())))
                if time.monotonic() >= ends and not condition():
                    return False
            return True
        finally:
            self._waiters.discard(changed)

    # the wire

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        seen = await self._seen(request)
        self.requests.append(seen)
        fault = self.faults.take(seen.method, seen.path, seen.route)
        try:
            response = await self._respond(request, seen, fault)
        finally:
            self._pulse()
        if response is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # into the void
        seen.status = response.status
        return response

    async def _seen(self, request: web.Request) -> Request:
        path = request.path.removeprefix(BASE)
        route, _, parts = self.rest.find(request.method, path)
        try:
            body, uploads = await read_body(request)
        except Refusal:
            body, uploads = None, []
        return Request(request.method, path, route, dict(request.query), body, uploads, parts, at=time.monotonic())

    async def _respond(self, request: web.Request, seen: Request, fault: Fault | None) -> web.Response | None:
        """The answer; None: the connection is reset."""
        kind = fault.kind if fault is not None else ""
        if fault is not None and fault.refusal is not None:
            return self._refused(seen, fault.refusal)
        if fault is not None and kind in ("silence", "slow"):
            await asyncio.sleep(fault.seconds)
        if fault is not None and kind.startswith("429"):
            return _too_many(fault.seconds, "global" if kind == "429-global" else "user", {})
        if kind in ("cut", "silence"):
            return None
        if kind == "502":
            return web.Response(status=502, text=HTML, content_type="text/html")
        if kind in ("500", "503", "504"):
            return _json(int(kind), {"message": f"{kind}: error ordered", "code": 0}, {})
        response = await self._done(request, seen)
        if kind == "done-cut":
            return None
        return _json(500, {"message": "500: Internal Server Error", "code": 0}, {}) if kind == "done-500" else response

    async def _done(self, request: web.Request, seen: Request) -> web.Response:
        if not seen.path.startswith(NO_TOKEN) and request.headers.get("Authorization") != f"Bot {self.token}":
            return self._refused(seen, rules.UNAUTHORIZED)
        _, handler, _ = self.rest.find(seen.method, seen.path)
        if handler is None or not request.path.startswith(BASE):
            self.violations.append(f"unknown: {seen.method} {request.path}")
            return self._refused(seen, rules.UNKNOWN_ROUTE)
        major = next((seen.parts[name] for name in ("channel", "guild", "token") if name in seen.parts), "")
        verdict = self.rates.judge(seen.method, seen.route, major)
        if verdict.scope:
            return _too_many(verdict.retry_after, verdict.scope, verdict.headers)
        if seen.body is None:
            return self._refused(seen, rules.INVALID_JSON)
        self._check(seen)
        try:
            answer = await handler(seen)
        except Refusal as refusal:
            return self._refused(seen, refusal.with_traceback(None), verdict.headers)
        self._check_answer(seen, answer)
        return _json(answer.status, answer.body, verdict.headers)

    def _refused(self, seen: Request, refusal: Refusal, headers: Mapping[str, str] | None = None) -> web.Response:
        seen.code = refusal.code
        return _json(refusal.status, refusal.body, headers or {})

    def _check(self, seen: Request) -> None:
        if self.schemas is not None and seen.method in ("POST", "PUT", "PATCH"):
            query = {
                name: BOOLEANS.get(value, value) if name in SWITCHES else value for name, value in seen.query.items()
            }
            self.violations += self.schemas.request(seen.method, seen.path, query, seen.body)

    def _check_answer(self, seen: Request, answer: Answer) -> None:
        if self.schemas is not None:
            self.violations += self.schemas.answer(seen.method, seen.path, answer.status, answer.body)

    async def _download(self, request: web.Request) -> web.Response:
        for message in self.world.channels[int(request.match_info["channel"])].written:
            for file in message.files:
                if str(file.id) == request.match_info["file"]:
                    return web.Response(body=file.content)
        raise web.HTTPNotFound

    # who is there

    def member(self, name: str, member_id: int | None = None, roles: Iterable[int] = ()) -> Member:
        """Somebody who may use the bot."""
        return self.world.add_member(name, member_id, roles)

    def role(self, name: str, role_id: int | None = None) -> int:
        """A role; gives its id."""
        return self.world.add_role(name, role_id=role_id)

    def add_channel(self, name: str, channel_id: int | None = None) -> Channel:
        """A text channel; add them before the bot comes, it is told of them when it connects."""
        return self.world.add_channel(name, channel_id)

    def channel(self, channel_id: int) -> Channel:
        """A channel or thread."""
        return self.world.channels[channel_id]

    @property
    def threads(self) -> list[Channel]:
        """Every thread, oldest first."""
        return [channel for channel in self.world.channels.values() if channel.is_thread]

    def dms(self, member: Member) -> list[Message]:
        """What the bot wrote to somebody directly."""
        return self.world.direct(member).messages

    @property
    def commands(self) -> dict[str, Row]:
        """Registered slash commands by name, those of the server before global ones."""
        every = [*self.rest.commands.get("", []), *self.rest.commands.get(str(self.world.guild_id), [])]
        return {item["name"]: item for item in every}

    # what people do

    def connected(self, within: float = 10.0) -> Asked[None]:
        """Until the bot is on the gateway."""
        return self.until(lambda: self.gateway.connected, within)

    def until(self, condition: Callable[[], object], within: float = 10.0) -> Asked[None]:
        """Until a condition holds; TimeoutError when it does not in time."""
        return self._ask(self._wait(condition, within))

    async def _wait(self, condition: Callable[[], object], within: float) -> None:
        if not await self._until(condition, within):
            raise TimeoutError(f"not within {within} s; the last requests were {self.log()[-5:]}")

    def slash(
        self, member: Member, command: str, channel: Channel, within: float = 5.0, **values: Any
    ) -> Asked[Interaction]:
        """Somebody uses a slash command ("close", or "position show"); values are held to what was registered."""
        name, *path = command.split()
        data = interactions.command_data(self.world, self._command(name), path, values)
        return self.interact(interactions.COMMAND, member, channel, data, within=within)

    def autocomplete(
        self,
        member: Member,
        command: str,
        channel: Channel,
        option: str,
        typed: str,
        within: float = 5.0,
        **others: Any,
    ) -> Asked[Interaction]:
        """Somebody types into an option; `choices` of the answer are the suggestions."""
        name, *path = command.split()
        values = {**others, option: typed}
        data = interactions.command_data(self.world, self._command(name), path, values, focused=option)
        return self.interact(interactions.AUTOCOMPLETE, member, channel, data, within=within)

    def _command(self, name: str) -> Row:
        if name not in self.commands:
            raise LookupError(f"no command /{name} is registered; there are {sorted(self.commands)}")
        return self.commands[name]

    def press(
        self, member: Member, message: Message, name: str, values: Iterable[str] = (), within: float = 5.0
    ) -> Asked[Interaction]:
        """Somebody presses a button, or chooses `values` in a select, by custom id or label."""
        if message.is_deleted or (message.seen_by not in (None, member.id)):
            raise ValueError(f"{member.name} does not see this message")
        item = message.button(name)
        if item.get("disabled"):
            raise ValueError(f"the button {name!r} is disabled")
        return self.forge(member, message, item["custom_id"], values, within, item["type"])

    def forge(
        self,
        member: Member,
        message: Message,
        custom_id: str,
        values: Iterable[str] = (),
        within: float = 5.0,
        kind: int = rules.BUTTON,
    ) -> Asked[Interaction]:
        """A press of what is not on the message any more, or never was: the bot is told it were."""
        data: Row = {"component_type": kind, "custom_id": custom_id, "id": 1}
        if kind in rules.SELECTS:
            data["values"] = list(values)
        return self.interact(interactions.COMPONENT, member, message.channel, data, message, within)

    def submit(
        self, member: Member, asked: Interaction, values: Mapping[str, Any], within: float = 5.0
    ) -> Asked[Interaction]:
        """Somebody fills in the modal an interaction was answered with; values by label or custom id."""
        if asked.modal is None:
            raise ValueError(f"the interaction was answered with {asked.ack}, not with a modal")
        data = interactions.modal_data(asked.modal, values)
        return self.interact(interactions.MODAL, member, asked.channel, data, asked.source, within, asked)

    def interact(
        self,
        kind: int,
        member: Member,
        channel: Channel,
        data: Row,
        source: Message | None = None,
        within: float = 5.0,
        cause: Interaction | None = None,
    ) -> Asked[Interaction]:
        """Any interaction, whatever its data."""

        async def happen() -> Interaction:
            interaction = self.interactions.begin(kind, member, channel, data, source, cause)
            interaction.sessions = await self.gateway.dispatch("INTERACTION_CREATE", interaction.row)
            await self._until(lambda: interaction.is_answered, within)
            return interaction

        return self._ask(happen())

    def replay(self, interaction: Interaction) -> Asked[int]:
        """The gateway delivers the very same interaction again; gives to how many sessions."""
        return self.replay_row(interaction.row)

    def replay_row(self, row: Row) -> Asked[int]:
        """The gateway delivers an interaction as it is written here, whatever is in it."""
        return self._ask(self.gateway.dispatch("INTERACTION_CREATE", row))

    def delete(self, message: Message) -> None:
        """Somebody deletes a message of the bot."""
        self._now(self._delete(message))

    async def _delete(self, message: Message) -> None:
        message.is_deleted = True
        await self.rest.told("MESSAGE_DELETE", message)

    def deny(self, channel: Channel, *permissions: str) -> None:
        """Take permissions from the bot in a channel; it is told, as on Discord."""
        _, allowed, denied = channel.overwrites.get(self.world.bot.id, (1, 0, 0))
        for name in permissions:
            denied |= PERMISSIONS[name]
        channel.overwrites[self.world.bot.id] = (1, allowed, denied)
        self._now(self.gateway.dispatch("CHANNEL_UPDATE", self.world.channel_row(channel)))

    def allow(self, channel: Channel, *permissions: str) -> None:
        """Give permissions back."""
        _, allowed, denied = channel.overwrites.get(self.world.bot.id, (1, 0, 0))
        for name in permissions:
            denied &= ~PERMISSIONS[name]
        channel.overwrites[self.world.bot.id] = (1, allowed, denied)
        self._now(self.gateway.dispatch("CHANNEL_UPDATE", self.world.channel_row(channel)))

    # what goes wrong

    def fail(self, kind: str, times: int = 1, method: str | None = None, path: str = "", seconds: float = 0.1) -> None:
        """Let the next requests go wrong in the way `kind` names, see `FAULTS`."""
        if kind not in FAULTS:
            raise ValueError(f"no such fault: {kind}")
        self.faults.waiting.append(Fault(kind, times, method, path, seconds))

    def refuse(self, refusal: Refusal, times: int = 1, method: str | None = None, path: str = "") -> None:
        """Answer the next requests with a refusal; nothing is done."""
        self.faults.waiting.append(Fault("refused", times, method, path, refusal=refusal))

    def recover(self) -> None:
        """Let everything go right again."""
        self.faults.waiting.clear()

    def limit(self, method: str, route: str, count: int, seconds: float) -> None:
        """Hold a route to so many requests, for each channel by itself."""
        self.rates.routes[method, route] = Limit(count, seconds)

    def limit_all(self, count: int, seconds: float) -> None:
        """Hold everything but interactions to so many requests."""
        self.rates.overall = Limit(count, seconds)

    def drop(self) -> None:
        """Cut the gateway's sockets without a word; the session can be resumed unless `gateway.resumable` says no."""
        self._now(_soon(self.gateway.drop))

    def hold_gateway(self) -> None:
        """Whoever comes to the gateway waits at the door until `let_in`: events are missed meanwhile, not lost."""
        self.gateway.lets_in.clear()

    def let_in(self) -> None:
        """The gateway's door is open again."""
        self._now(_soon(self.gateway.lets_in.set))

    def reconnect(self) -> None:
        """The gateway asks the bot to come again."""
        self._now(self.gateway.ask_to_reconnect())

    def invalidate(self) -> None:
        """The gateway ends the session."""
        self._now(self.gateway.invalidate())

    def close_gateway(self, code: int) -> None:
        """The gateway closes with a code."""
        self._now(self.gateway.close(code))

    def down(self) -> None:
        """Connections are cut and new ones refused until `up`."""
        self._now(self._close())

    def up(self) -> None:
        """Answer (again), on the same port."""
        self._now(self._open())

    async def _open(self) -> None:
        listening = _bound(self.port)
        self._site = web.SockSite(self._runner, listening)
        await self._site.start()

    async def _close(self) -> None:
        if self._site is not None:
            await self._site.stop()
        self._site = None
        self.gateway.drop()
        for connection in list(self._runner.server.connections if self._runner.server else ()):
            if connection.transport is not None:
                connection.transport.abort()

    # what was seen

    def sent(self, method: str, path: str = "") -> list[Request]:
        """The requests of one method to a path (a beginning, or a route's own pattern)."""
        return [
            seen for seen in self.requests if Fault("", 1, method, path).concerns(seen.method, seen.path, seen.route)
        ]

    def log(self) -> list[str]:
        """Every request in a line."""
        return [f"{seen.method} {seen.path} -> {seen.status} {seen.code}" for seen in list(self.requests)]

    def assert_valid(self) -> None:
        """Nothing was asked that is not known here, and everything kept to the published schemas."""
        wrong = [*self.violations, *self.gateway.unknown]
        assert not wrong, "\n".join(wrong)


async def _soon(work: Callable[[], None]) -> None:
    work()


def _bound(port: int) -> socket.socket:
    """A socket of this machine that shares its port with one that only holds it."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _json(status: int, body: Any, headers: Mapping[str, str]) -> web.Response:
    if body is None:
        return web.Response(status=status, headers=headers)
    kind = {"Content-Type": "application/json"}
    return web.Response(status=status, body=json.dumps(body).encode(), headers={**headers, **kind})


def _too_many(seconds: float, scope: str, headers: Mapping[str, str]) -> web.Response:
    """429. discord.py believes it only with `Via`: without, it takes it for a ban by Cloudflare."""
    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": scope == "global"}
    more = {"Retry-After": str(seconds), "X-RateLimit-Scope": scope, "Via": "1.1 google"}
    return _json(429, body, {**headers, **more, **({"X-RateLimit-Global": "true"} if scope == "global" else {})})
