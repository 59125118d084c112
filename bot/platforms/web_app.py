"""The local page: a chat platform that needs no account, served on 127.0.0.1 with a WebSocket.

`start_web` gives a running `WebApp`; its `login_url` is printed for whoever started the desk. The token stands in the
URL's fragment, which a browser never sends, so it reaches no log; the page trades it for a session cookie.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bot import words
from bot.command import Pool, Room
from bot.message import PLAIN, Card, Manner, MessageRef
from bot.people import People
from bot.platforms import web_frames
from bot.platforms.web_access import HEADERS, Access
from bot.platforms.web_feed import DESK, Feed, Message
from bot.platforms.web_socket import Conversation, identity_of
from engine.errors import ConfigError, NotAllowed, NotFound

log = structlog.get_logger()

HOST = "127.0.0.1"
STATIC = Path(__file__).parent / "static"
FILES = {
    "/": ("index.html", "text/html"),
    "/app.css": ("app.css", "text/css"),
    "/app.js": ("app.js", "text/javascript"),
    "/card.js": ("card.js", "text/javascript"),
    "/feed.js": ("feed.js", "text/javascript"),
    "/completion.js": ("completion.js", "text/javascript"),
    "/connection.js": ("connection.js", "text/javascript"),
    "/form.js": ("form.js", "text/javascript"),
    "/waiting.js": ("waiting.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Everything that is served as a file: nothing else on this disk can be asked for."""

HEARTBEAT = 20.0
CLOSING = 2.0
"""Seconds a page gets to say goodbye."""
CLOCK_TICK = 1.0
MOST_PICTURES = 64

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebApp:
    """A `Platform` named "web". Chats: `desk`, which everybody sees, and one for each login name."""

    def __init__(self, room: Room, access: Access) -> None:
        self.room = room
        self.access = access
        self._feed = Feed(self._publish)
        self._open: dict[Conversation, str] = {}
        """The open pages and their sessions."""
        self._drawn: dict[tuple[str, bool], bytes] = {}
        self._runner: web.AppRunner | None = None
        self._ticking: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return "web"

    @property
    def url(self) -> str:
        """Where the page is: `http://127.0.0.1:8484`."""
        return self.access.origins[0]

    @property
    def tokens(self) -> dict[str, str]:
        """Login name -> token."""
        return dict(self.access.tokens)

    @property
    def pages(self) -> tuple[Conversation, ...]:
        """The pages that are open now."""
        return tuple(self._open)

    def is_asking(self, now: datetime) -> bool:
        """Whether a question on the page can still be answered at `now`."""
        return self._feed.is_asking(now)

    def login_url(self, name: str) -> str:
        """The address that logs `name` in when it is opened."""
        return f"{self.url}/#token={self.access.tokens[name]}"

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        """Put a card into `desk` or into one person's chat.

        Raises:
            NotFound: there is no such chat.
        """
        del manner  # the page makes no sound and shows a trade's cards by their key
        if chat != DESK and chat not in self.access.tokens:
            raise NotFound(f"The page has no chat “{chat}”.")
        return MessageRef(self.name, chat, self._feed.post(chat, card).id)

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        """Draw a message again; an older version than the one shown changes nothing."""
        del manner
        self._feed.edit(ref.message, ref.chat, card)

    async def start(self, listener: socket.socket) -> None:
        """Serve on a socket that is already bound."""
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        self._ticking = asyncio.create_task(self._tick())
        log.info("web.started", url=self.url)

    async def stop(self) -> None:
        """Say goodbye to every page, let what was asked finish, and free the port."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        conversations = self.pages
        await asyncio.gather(*(one.close() for one in conversations), return_exceptions=True)
        await asyncio.gather(*(one.finish() for one in conversations))
        if self._runner is not None:
            await self._runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=web_frames.LONGEST_FRAME)
        app.on_response_prepare.append(_add_headers)
        app.router.add_get("/session", self._session)
        app.router.add_post("/login", self._log_in)
        app.router.add_post("/logout", self._log_out)
        app.router.add_get("/socket", self._talk)
        app.router.add_get("/picture/{id}.png", self._picture)
        app.router.add_get("/metrics", _metrics)
        for path, (file, kind) in FILES.items():
            app.router.add_get(path, _file_handler(STATIC / file, kind))
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse foreign Hosts and Origins before anything is looked at; a bug is logged and told without details."""
        sends = request.method not in {"GET", "HEAD"} or request.path == "/socket"
        hosts, origins = request.headers.getall("Host", []), request.headers.getall("Origin", [None])
        refusal = self.access.refusal(",".join(hosts), origins[0], sends=sends)
        if refusal or len(origins) > 1:
            log.warning("web.refused", path=request.path, host=request.host[:100], why=refusal)
            return _sentence(403, refusal or "Requests from other pages are refused.")
        try:
            return await handler(request)
        except web.HTTPException as answer:
            return _sentence(answer.status, f"{answer.reason}.")
        except Exception as bug:
            log.error("web.broken", path=request.path, exc_info=bug)
            return _sentence(500, "Something broke here; the log has it.")

    def _name(self, request: web.Request) -> str:
        return self.access.name_of(request.cookies.get(self.access.cookie))

    async def _session(self, request: web.Request) -> web.StreamResponse:
        """Who is logged in; an empty name for nobody."""
        return web.json_response({"name": self._name(request)})

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        """Trade a token for a session."""
        token = await _token(request)
        if token is None:
            return _sentence(400, 'Send {"token": "..."} as JSON.')
        wait = self.access.wait()
        try:
            session = self.access.log_in(token)
        except NotAllowed as refusal:
            if wait:
                return _sentence(429, f"Too many wrong tokens. Try again in {wait} seconds.")
            log.warning("web.login.refused")
            return _sentence(401, str(refusal))
        answer = web.json_response({"name": self.access.name_of(session)})
        answer.set_cookie(self.access.cookie, session, httponly=True, samesite="Strict", path="/")
        return answer

    async def _log_out(self, request: web.Request) -> web.StreamResponse:
        """End the session, here and in every other page that uses it."""
        session = request.cookies.get(self.access.cookie, "")
        self.access.log_out(session)
        await asyncio.gather(*(page.close() for page, opened in self._open.items() if opened == session))
        answer = web.json_response({"name": ""})
        answer.del_cookie(self.access.cookie, path="/", httponly=True, samesite="Strict")
        return answer

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        """A picture of a card, drawn when it is first wanted, off the event loop."""
        name, picture_id = self._name(request), request.match_info["id"]
        if not name:
            return _sentence(401, "Log in first.")
        dark = request.query.get("theme") == "dark"
        png = self._drawn.get((picture_id, dark)) if self._feed.picture(name, picture_id) else None
        png = png or await self._draw(name, picture_id, dark)
        return (
            _sentence(404, "There is no such picture.")
            if png is None
            else web.Response(body=png, content_type="image/png")
        )

    async def _draw(self, name: str, picture_id: str, dark: bool) -> bytes | None:
        picture = self._feed.picture(name, picture_id)
        if picture is None:
            return None
        png = await self.room.run(Pool.DRAW, lambda: picture.draw(dark))
        while len(self._drawn) >= MOST_PICTURES:
            self._drawn.pop(next(iter(self._drawn)))
        self._drawn[picture_id, dark] = png
        return png

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket of one page: first the whole feed, then what changes."""
        name = self._name(request)
        if not name:
            return _sentence(401, "Log in first.")
        ws = web.WebSocketResponse(heartbeat=HEARTBEAT, timeout=CLOSING, max_msg_size=web_frames.LONGEST_FRAME)
        await ws.prepare(request)
        page = Conversation(ws, name, self.room, self._feed)
        self._greet(page)
        self._open[page] = request.cookies[self.access.cookie]
        try:
            await page.run()
        finally:
            await page.finish()
            self._open.pop(page, None)
        return ws

    def _greet(self, page: Conversation) -> None:
        page.send(web_frames.welcome(page.name, self.room.people.who(identity_of(page.name)).role.value))
        page.send(self._clock())
        page.send({"type": "feed", "messages": [message.as_json() for message in self._feed.recent(page.name)]})

    def _publish(self, message: Message) -> None:
        frame: web_frames.Frame = {"type": "message", "message": message.as_json()}
        for page in self.pages:
            if message.visible_to(page.name):
                page.send(frame)

    def _clock(self) -> web_frames.Frame:
        now = self.room.desk.now()
        return {"type": "clock", "now": now.isoformat(), "shown": words.moment(now), "banner": self.room.banner()}

    async def _tick(self) -> None:
        """Tell every page the desk's time: a countdown is never measured against another clock."""
        last: web_frames.Frame = {}
        while True:
            frame = self._clock()
            if frame != last:
                for page in self.pages:
                    page.send(frame)
            last = frame
            await asyncio.sleep(CLOCK_TICK)


async def start_web(room: Room, people: People, port: int = 0) -> WebApp:
    """A running page with one login token for every `web:NAME` among the people's ids; port 0 takes any free one.

    Raises:
        ConfigError: the port is in use, or nobody has an id on the page.
    """
    names = [identity.partition(":")[2] for identity in people.by_identity if identity.startswith("web:")]
    names = [name for name in names if name]
    if not names:
        raise ConfigError('Nobody may use the page: give a user an id such as "web:ann".')
    if DESK in names:
        raise ConfigError('"web:desk" cannot be a person\'s id: desk is the chat that everybody sees.')
    listener = _bind(port)
    app = WebApp(room, Access(names, listener.getsockname()[1], time.monotonic))
    await app.start(listener)
    return app


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"Port {port} on {HOST} cannot be used ({error.strerror}). Choose another, or 0.") from error
    return listener


async def _add_headers(request: web.Request, answer: web.StreamResponse) -> None:
    del request
    answer.headers.update(HEADERS)


async def _metrics(request: web.Request) -> web.StreamResponse:
    """Counters for Prometheus, which cannot log in; they tell of providers and requests, never of money or people."""
    del request
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _sentence(status: int, words: str) -> web.Response:
    return web.json_response({"error": words}, status=status)


async def _token(request: web.Request) -> str | None:
    if request.content_type != "application/json":
        return None
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        return None
    token = body.get("token") if isinstance(body, dict) else None
    return token if isinstance(token, str) else None


def _file_handler(path: Path, kind: str) -> Handler:
    """The file as it is on disk when it is asked for; the small files of a local page need no cache."""

    async def serve(request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(body=path.read_bytes(), content_type=kind, charset="utf-8")

    return serve
