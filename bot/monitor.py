"""`/metrics`, `/healthz`, `/readyz` for programs: a small server on a thread of its own.

It shares nothing with the platforms and the loops: one that hangs is told about here, and whoever asks here holds up
nobody. Numbers of the database are waited for two seconds; without them the rest is shown, with `wsb_scrape_error`.
A request has to name this machine as its Host, or an address, or a configured name: a web site that has its own name
point here (DNS rebinding) is refused. Nobody logs in: what is shown tells of no person, key or account number.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from alerts import health
from alerts.health import Health
from alerts.metrics import EXITS, DeskMetrics, Vitals, process_metrics
from bot.platforms.web_access import HEADERS
from bot.runtime import Runtime
from bot.settings import MetricsSettings
from engine import activities, meters
from engine.desk import Desk
from engine.ports import SourceState

log = structlog.get_logger()

T = TypeVar("T")

WITHIN = 2.0
"""Seconds a scrape waits for the database."""
AGAIN = 2.0
"""Seconds until a port that is taken is tried again: it may be the process this one stands by for."""
MOST = 100
"""Connections at a time, and about as many just made: who opens more closes the oldest, so that nobody takes the files
the desk needs."""
HERE = frozenset({"localhost"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Bounded(Generic[T]):
    """A look at something that may hang, on a thread of its own; one at a time, whoever asks meanwhile shares it."""

    def __init__(self, look: Callable[[], T], name: str) -> None:
        self._look = look
        self._name = name
        self._now: Future[T] | None = None

    async def get(self, seconds: float) -> T:
        """What it says, or raises.

        Raises:
            TimeoutError: not in time; it goes on, and is not begun a second time.
        """
        if self._now is None or self._now.done():
            self._now = Future()
            self._now.set_running_or_notify_cancel()
            threading.Thread(target=self._run, args=(self._now,), name=self._name, daemon=True).start()
        return await asyncio.wait_for(asyncio.wrap_future(self._now), seconds)

    def _run(self, told: Future[T]) -> None:
        try:
            told.set_result(self._look())
        except Exception as problem:  # noqa: BLE001 - whoever asked is told
            told.set_exception(problem)


@dataclass(slots=True)
class Pulse:
    """When an event loop last answered (monotonic seconds)."""

    beat: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since."""
        return time.monotonic() - self.beat


class Stage(Enum):
    """How far a process is: it stands by, does not act yet (or any more), acts for the desk."""

    WAITS = auto()
    BEGINS = auto()
    ACTS = auto()


class Seen(Protocol):
    """A process as it is seen from outside; only `have_begun` and `numbers` may wait for the database."""

    @property
    def pulse(self) -> Pulse:
        """When its event loop last answered."""

    @property
    def stage(self) -> Stage:
        """How far it is."""

    @property
    def alive(self) -> Health:
        """Whether it has to be started anew."""

    def have_begun(self) -> bool:
        """Whether the books are open."""

    def ready(self, have_begun: bool | None) -> Health:
        """Whether its desk can trade. `have_begun` is None where the database gave no answer."""

    def numbers(self, settings: MetricsSettings) -> Callable[[], tuple[Metric, ...]]:
        """What reads the desk's numbers."""

    def about(self, failed: tuple[str, ...]) -> tuple[Metric, ...]:
        """How the process does. `failed` names the parts of the answer that could not be read."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The process of a desk as it is watched from outside."""

    desk: Desk
    runtime: Runtime
    pulse: Pulse = field(default_factory=Pulse)
    platforms: Callable[[], tuple[tuple[str, bool], ...]] = tuple
    sources: Callable[[], tuple[SourceState, ...]] = tuple
    vitals: Vitals = field(default_factory=Vitals)

    @property
    def stage(self) -> Stage:
        """How far it is."""
        return Stage.ACTS if self.runtime.is_running else Stage.BEGINS

    @property
    def alive(self) -> Health:
        """Whether the process has to be started anew."""
        ages = [beat.age for beat in self.runtime.beats if beat.name == EXITS]
        return health.liveness(self.pulse.age, ages[0] if ages and self.runtime.is_running else None)

    def have_begun(self) -> bool:
        """Whether the books are open; asks the database."""
        with self.desk.store.read() as work:
            return activities.have_begun(work)

    def ready(self, have_begun: bool | None) -> Health:
        """Whether the desk can trade. `have_begun` is None where the database gave no answer."""
        is_here = self.desk.broker.name == "paper"
        return health.readiness(
            (
                health.lease(self.vitals.acts()),
                health.database(have_begun is not None),
                health.books(bool(have_begun)),
                *self.alive.parts,
                health.broker(is_here, meters.BROKER.age),
                health.platforms(self.platforms()),
                health.data((state.name, state.is_up) for state in self.sources()),
            )
        )

    def numbers(self, settings: MetricsSettings) -> Callable[[], tuple[Metric, ...]]:
        """What reads the desk's numbers."""
        return DeskMetrics(self.desk, self.vitals, money=settings.shows_money).read

    def about(self, failed: tuple[str, ...]) -> tuple[Metric, ...]:
        """How the process does. `failed` names the parts of the answer that could not be read."""
        return process_metrics(self.desk.term, self.desk.now(), self.vitals, failed)


class _Asked:
    """What is seen now, with the looks at it that may hang."""

    def __init__(self, seen: Seen, settings: MetricsSettings) -> None:
        self.seen = seen
        self.numbers = Bounded(seen.numbers(settings), "scrape")
        self.begun = Bounded(seen.have_begun, "readiness")


class Monitor:
    """The server. `at` is where it listens, None while its port is taken."""

    def __init__(self, settings: MetricsSettings, seen: Seen, again: float = AGAIN) -> None:
        self._settings = settings
        self._asked = _Asked(seen, settings)
        self._again = again
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._started = threading.Event()
        self.at: tuple[str, int] | None = None

    def watch(self, seen: Seen) -> None:
        """Tell of `seen` from the next request on: at the same port a process that stood by becomes one that leads."""
        self._asked = _Asked(seen, self._settings)

    def start(self, seconds: float = 5.0) -> None:
        """Listen; returns when it does, or when its port is taken: then it is tried again and again."""
        self._thread.start()
        self._started.wait(seconds)

    def stop(self, seconds: float = 1.0) -> None:
        """Stop listening."""
        loop, ending = self._loop, self._ending
        if loop is not None and ending is not None and not loop.is_closed():
            loop.call_soon_threadsafe(ending.set)
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as bug:  # nobody waits for this thread: the desk goes on without it
            log.error("monitor.broken", exc_info=bug)
        self._started.set()

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        server: asyncio.Server | None = None
        try:
            server = await self._listen(runner)
            await self._ending.wait()
        finally:
            if server is not None:
                server.close()
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server | None:
        """Begin to listen, sooner or later; None where the end came first."""
        settings, is_told = self._settings, False
        while self._ending is not None and not self._ending.is_set():
            try:
                listener = _bound(settings.host, settings.port)
            except OSError as problem:
                if not is_told:
                    log.warning("monitor.port_taken", host=settings.host, port=settings.port, problem=str(problem))
                is_told = True
                self._started.set()
                await _passed(self._ending, self._again)
                continue
            server = await asyncio.get_running_loop().create_server(lambda: _admitted(runner), sock=listener)
            host, port = listener.getsockname()[:2]
            self.at = host, port
            log.info("monitor.started", host=host, port=port, money=settings.shows_money)
            self._started.set()
            return server
        return None

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse foreign Hosts; a bug is logged and told without details."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or not is_ours(hosts[0], self._settings.names):
            return _answer(403, {"error": "This server answers to its own names only; [metrics] names has them."})
        try:
            answer = await handler(request)
        except web.HTTPException as refusal:
            answer = _answer(refusal.status, {"error": f"{refusal.reason}."})
        except Exception as bug:
            log.error("monitor.request_broken", path=request.path, exc_info=bug)
            answer = _answer(500, {"error": "Something broke here; the log has it."})
        answer.headers.update(HEADERS)
        return answer

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        del request
        asked = self._asked
        failed: tuple[str, ...] = ()
        found: tuple[Metric, ...] = ()
        try:
            found = await asked.numbers.get(WITHIN)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the rest is shown
            log.warning("monitor.scrape_failed", problem=repr(problem))
            failed = ("database",)
        body = generate_latest() + exposed((*found, *asked.seen.about(failed)))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        del request
        found = self._asked.seen.alive
        return _answer(found.status, found.as_json())

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        del request
        asked = self._asked
        begun: bool | None = None
        try:
            begun = await asked.begun.get(WITHIN)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the database is not well
            log.warning("monitor.database_silent", problem=repr(problem))
        found = asked.seen.ready(begun)
        return _answer(found.status, found.as_json())


class _Found(Collector):
    """Metrics that were made already."""

    def __init__(self, metrics: tuple[Metric, ...]) -> None:
        self._metrics = metrics

    def collect(self) -> tuple[Metric, ...]:
        return self._metrics

    def describe(self) -> tuple[Metric, ...]:
        """Nothing: there is nobody to clash with."""
        return ()


def exposed(metrics: tuple[Metric, ...]) -> bytes:
    """The metrics in Prometheus' text format; those without a value are left out."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Found(tuple(metric for metric in metrics if metric.samples)))
    return generate_latest(registry)


def is_ours(host: str, names: tuple[str, ...]) -> bool:
    """Whether a Host is an address, this machine or one of `names`. No address is anybody's to point elsewhere.

    >>> [is_ours(host, ("wsb",)) for host in ("127.0.0.1:9464", "[::1]:9464", "wsb:9464", "evil.example:9464")]
    [True, True, True, False]
    """
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.lower() in HERE or name.lower() in names
    return True


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        OSError: somebody else does.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()  # until then two may be bound to one port, and the second of them fails later
    except OSError:
        listener.close()
        raise
    return listener


def _admitted(runner: web.AppRunner) -> asyncio.Protocol:
    """What answers on one more connection."""
    server = runner.server
    if server is None:
        raise RuntimeError("The server has to be set up before it listens.")
    for oldest in server.connections[: 1 - MOST]:
        oldest.force_close()
    return server()


async def _passed(ending: asyncio.Event, seconds: float) -> None:
    """Wait so many seconds, or until the end."""
    try:
        await asyncio.wait_for(ending.wait(), seconds)
    except TimeoutError:
        return


def _answer(status: int, body: dict[str, object]) -> web.Response:
    return web.json_response(body, status=status)
