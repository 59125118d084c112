"""A loopback server that speaks Alpaca's trading API, for tests and for trying the desk without an account.

In a test:  `with AlpacaStandin(exchange) as server: AlpacaBroker("key", "secret", url_override=server.url)`.
As a program:  `python -m tests.standins.alpaca --port 0 --now 2026-11-23T10:00:00-05:00` prints its address as one line
of JSON and runs until its standard input ends. There, `POST /standin/NAME` with a JSON object of arguments turns the
account (see `CONTROLS`) and `GET /standin/state` tells what was received.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.shared import SHARED
from tests.standins import alpaca_events, alpaca_json, alpaca_rules
from tests.standins.alpaca_exchange import Exchange
from tests.standins.alpaca_rules import Refusal
from tests.standins.alpaca_server import Answer, Routes
from tests.standins.alpaca_stream import AlpacaStream
from tests.standins.openapi import OpenApi

KEY, SECRET = "PKSTANDIN", "standin-secret"
SPECIFICATION = SHARED / "specs" / "trading-api.json"
HTML = "<html><head><title>Bad gateway</title></head><body><h1>502</h1></body></html>"

FAULTS = {
    "429": "refused for its rate, nothing done",
    "500": "internal error, nothing done",
    "504": "gateway time-out, nothing done",
    "html": "502 with a page of HTML, nothing done",
    "html-ok": "200 with a page of HTML, nothing done",
    "html-404": "404 with a page of HTML, nothing done",
    "redirect": "302 elsewhere, nothing done",
    "silence": "never answered, nothing done",
    "cut": "connection closed, nothing done",
    "done-504": "done, then a gateway time-out",
    "done-cut": "done, then the connection closed without an answer",
    "done-slow": "done, then answered after `hold` seconds",
}
"""What can go wrong with one request -> what it means."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as received."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class _Fault:
    """What goes wrong with the next `left` requests of a method whose path begins with `path`."""

    kind: str
    method: str | None
    left: int
    path: str = ""
    answer: Answer | None = None
    opening: bool = False

    def concerns(self, method: str, path: str, body: Any) -> bool:
        """Whether a request goes wrong; a path that ends in `?` means that very path, `opening` orders that open."""
        if self.opening and "_to_open" not in json.dumps(body):
            return False
        is_there = path == self.path[:-1] if self.path.endswith("?") else path.startswith(self.path)
        return self.method in (None, method) and is_there


@dataclass(slots=True)
class Journal:
    """What the server saw and did wrong; filled by the handler threads."""

    requests: list[Seen] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def sent(self, method: str, path: str = "") -> list[Seen]:
        """The requests of one method whose path starts with `path`."""
        return [seen for seen in self.requests if seen.method == method and seen.path.startswith(path)]


class AlpacaStandin:
    """The server. Requests and answers are held to the official schemas where those are at hand."""

    def __init__(self, exchange: Exchange, port: int = 0, hold: float = 30.0) -> None:
        self.exchange = exchange
        self.journal = Journal()
        self.hold = hold
        self.stopping = threading.Event()
        self.schemas = OpenApi(SPECIFICATION) if SPECIFICATION.exists() else None
        self.faults: deque[_Fault] = deque()
        self.lock = threading.Lock()
        self.routes = Routes(exchange)
        self._server = _Server(("127.0.0.1", port), _Handler, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Its address, for ALPACA_TRADING_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> AlpacaStandin:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server and cut every connection."""
        self.stopping.set()
        self._server.shutdown()
        self._server.cut_all()
        self._server.server_close()
        self._thread.join()

    def fail_next(self, kind: str, times: int = 1, method: str | None = None, path: str = "") -> None:
        """Let the next `times` requests (of `method`, to a `path`) go wrong in the way `kind` names, see `FAULTS`."""
        if kind not in FAULTS:
            raise ValueError(f"no such fault: {kind}")
        with self.lock:
            self.faults.append(_Fault(kind, method, times, path))

    def hang_openings(self, times: int) -> None:
        """Never answer the next `times` orders that open something (until `hold` seconds are over)."""
        with self.lock:
            self.faults.append(_Fault("silence", "POST", times, "/v2/orders", opening=True))

    def refuse_next(
        self, status: int, code: int, message: str, times: int = 1, method: str = "POST", **more: Any
    ) -> None:
        """Answer the next `times` requests with a refusal in Alpaca's form; nothing is done."""
        answer = Answer(status, {"code": code, "message": message, **more})
        with self.lock:
            self.faults.append(_Fault("refused", method, times, answer=answer))

    def recover(self) -> None:
        """Let everything go right again."""
        with self.lock:
            self.faults.clear()

    def take_fault(self, method: str, path: str, body: Any) -> _Fault | None:
        """The fault of this request, None for none."""
        with self.lock:
            fault = next((fault for fault in self.faults if fault.concerns(method, path, body)), None)
            if fault is not None:
                fault.left -= 1
                if not fault.left:
                    self.faults.remove(fault)
            return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], standin: AlpacaStandin) -> None:
        self.standin = standin
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut_all(self) -> None:
        """Wake every handler that waits for a next request."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the other side was quicker
                self._open.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.standin.journal.violations.append(f"the stand-in itself failed: {error!r}")


class _Handler(BaseHTTPRequestHandler):
    """One connection. Head and body go out in one piece: two would wait 40 ms for each other's acknowledgement."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the journal has it."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        standin = self.server.standin
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if len(raw) < length:  # whoever was sending died in the middle: no request was made
            self.close_connection = True
            return
        body = json.loads(raw) if raw else None
        if path.startswith("/standin/"):
            self._reply(control(standin, path.removeprefix("/standin/"), body or {}))
            return
        standin.journal.requests.append(Seen(self.command, path, query, body))
        fault = standin.take_fault(self.command, path, body)
        if fault is not None and fault.answer is not None:
            self._reply(fault.answer)
            return
        if fault is not None and not fault.kind.startswith("done-"):
            self._fail(fault.kind)
            return
        answer = self._answer(path, query, body)
        self._after(answer, fault.kind if fault is not None else "")

    def _answer(self, path: str, query: Mapping[str, str], body: Any) -> Answer:
        standin = self.server.standin
        try:
            self._check_keys()
            answer = standin.routes.answer(self.command, path, query, body)
        except Refusal as refusal:
            answer = Answer(refusal.status, refusal.body)
        if standin.schemas is not None and answer.status != 401:
            standin.journal.violations += standin.schemas.request(self.command, path, query, body)
            standin.journal.violations += standin.schemas.answer(self.command, path, answer.status, answer.body)
        return answer

    def _check_keys(self) -> None:
        key, secret = self.headers.get("APCA-API-KEY-ID"), self.headers.get("APCA-API-SECRET-KEY")
        if not key or not secret:
            raise alpaca_rules.unauthorized()
        if (key, secret) != (KEY, SECRET):
            raise alpaca_rules.forbidden()

    def _fail(self, fault: str) -> None:
        words = {"code": alpaca_rules.TOO_MANY, "message": "rate limit exceeded"}
        match fault:
            case "429":
                self._reply(Answer(429, words))
            case "500":
                self._reply(Answer(500, {"code": 50010000, "message": "internal server error occurred"}))
            case "504":
                self._reply(Answer(504, {"message": "gateway timeout"}))
            case "html" | "html-ok" | "html-404":
                self._reply(Answer({"html": 502, "html-ok": 200, "html-404": 404}[fault], HTML))
            case "redirect":
                self._reply(Answer(302, None, location="https://127.0.0.1/elsewhere"))
            case "silence":
                self.server.standin.stopping.wait(self.server.standin.hold)
                self.close_connection = True
            case _:
                self.close_connection = True

    def _after(self, answer: Answer, fault: str) -> None:
        match fault:
            case "done-504":
                self._reply(Answer(504, HTML), answer.then)
            case "done-cut":
                answer.then()
                self.close_connection = True
            case "done-slow":
                answer.then()
                self.server.standin.stopping.wait(self.server.standin.hold)
                self._reply(answer, answer.then)
            case _:
                self._reply(answer, answer.then)

    def _reply(self, answer: Answer, then: Callable[[], None] = lambda: None) -> None:
        is_page = isinstance(answer.body, str)
        text = "" if answer.body is None else answer.body if is_page else json.dumps(answer.body)
        payload = text.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/html" if is_page else "application/json; charset=utf-8")
        if answer.location:
            self.send_header("Location", answer.location)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)
        then()
        self.wfile.flush()


@dataclass(slots=True)
class RunningClock:
    """A clock that starts at a given instant and goes on by itself, `speed` times as fast as ours."""

    start: datetime
    speed: float = 1.0
    zero: float = field(default_factory=time.monotonic)

    def __call__(self) -> datetime:
        return self.start + timedelta(seconds=(time.monotonic() - self.zero) * self.speed)


def _quote(standin: AlpacaStandin, symbol: str, bid: str, ask: str, size: int | None = None) -> None:
    standin.exchange.quote(symbol, Decimal(bid), Decimal(ask), size)


_SWITCHES = {"matching", "fills_at_limit", "slow_cancels", "fills_on_cancel", "option_stops", "option_gtc"}


def _set(standin: AlpacaStandin, **switches: bool) -> None:
    for name in switches.keys() & _SWITCHES:
        setattr(standin.exchange, name, switches[name])


class Controls:
    """What `POST /standin/NAME` may do."""

    table: ClassVar[Mapping[str, Callable[..., object]]] = {
        "quote": _quote,
        "set": _set,
        "fail": lambda standin, **what: standin.fail_next(**what),
        "hold": lambda standin, **what: standin.exchange.hold(**what),
        "fill": lambda standin, **what: standin.exchange.fill(**what),
        "close_day": lambda standin: standin.exchange.close_day(),
        "assign": lambda standin, **what: alpaca_events.assign(standin.exchange, **what),
        "exercise": lambda standin, **what: alpaca_events.exercise(standin.exchange, **what),
        "expire": lambda standin, **what: alpaca_events.expire(standin.exchange, **what),
        "dividend": lambda standin, **what: alpaca_events.dividend(standin.exchange, **what),
        "cash": lambda standin, **what: alpaca_events.cash(standin.exchange, **what),
    }


def control(standin: AlpacaStandin, name: str, arguments: Mapping[str, Any]) -> Answer:
    """Turn the account from outside the process, or tell its state."""
    if name == "state":
        journal = standin.journal
        requests = [
            {"method": s.method, "path": s.path, "query": dict(s.query), "body": s.body} for s in journal.requests
        ]
        orders = [alpaca_json.order(order) for order in standin.exchange.orders]
        return Answer(200, {"requests": requests, "violations": journal.violations, "orders": orders})
    if name not in Controls.table:
        return Answer(404, {"code": 0, "message": f"no such control: {name}"})
    Controls.table[name](standin, **arguments)
    return Answer(200, {})


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Alpaca's trading API, pretended on 127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--now", type=datetime.fromisoformat, default=datetime.fromisoformat("2026-11-23T10:00:00-05:00")
    )
    parser.add_argument("--cash", type=Decimal, default=Decimal(100_000))
    parser.add_argument("--no-schemas", action="store_true", help="do not hold anything to the schemas: it takes time")
    options = parser.parse_args(arguments)
    exchange = Exchange(RunningClock(options.now), options.cash)
    with AlpacaStandin(exchange, options.port) as standin, AlpacaStream(exchange, KEY, SECRET) as stream:
        if options.no_schemas:
            standin.schemas = None
        print(json.dumps({"url": standin.url, "stream": stream.url, "key": KEY, "secret": SECRET}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
