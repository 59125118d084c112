"""A provider of data on this machine: real HTTP on loopback, canned or made answers, and every kind of trouble."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Query = Mapping[str, str]
Answer = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
"""Status, body and headers, if any: text and bytes go out as they are, everything else as JSON."""
Route = Callable[..., Answer]
"""(query, **named groups of the path's pattern) -> answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the server does in place of answering, for the next `times` requests whose path matches `path`."""

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    """Promise more bytes than are sent, and hang up."""
    silence: bool = False
    """Say nothing until the server ends."""
    drip: float = 0.0
    """Seconds between two bytes of the body, 0 for all at once."""
    path: str = ".*"
    times: int = 1_000_000


TROUBLES = {
    "401": Trouble(401, {"message": "unauthorized"}),
    "402": Trouble(402, {"message": "payment required"}),
    "403": Trouble(403, {"message": "forbidden"}),
    "429": Trouble(429, {"message": "too many requests"}),
    "429 after 7 s": Trouble(429, {"message": "too many requests"}, {"Retry-After": "7"}),
    "500": Trouble(500, {"message": "internal error"}),
    "503": Trouble(503, "<html><body>Service Unavailable</body></html>"),
    "html": Trouble(200, "<html><body>Please log in</body></html>"),
    "truncated": Trouble(200, '{"quotes": {"AAPL": {"bp": 1', cut=True),
    "half json": Trouble(200, '{"quotes": {"AAPL": {"bp": 1'),
    "redirect": Trouble(302, "", {"Location": "http://127.0.0.1:9/elsewhere"}),
    "nothing": Trouble(200, ""),
    "silence": Trouble(silence=True),
}


class ProviderServer:
    """Routes by regular expression of the path; the first that matches answers, 404 otherwise."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._routes = [(re.compile(pattern), route) for pattern, route in routes.items()]
        self._troubles: list[Trouble] = []
        self._lock = threading.Lock()
        self.ended = threading.Event()
        self.asked: list[Asked] = []
        self.url = ""

    def fail(self, trouble: Trouble | str) -> None:
        """Be in trouble from now on, by name of `TROUBLES` or as told; `heal` ends it."""
        with self._lock:
            self._troubles = [TROUBLES[trouble] if isinstance(trouble, str) else trouble]

    def heal(self) -> None:
        with self._lock:
            self._troubles = []

    def trouble(self, path: str) -> Trouble | None:
        """What to do to this request in place of answering it."""
        with self._lock:
            for place, trouble in enumerate(self._troubles):
                if trouble.times > 0 and re.search(trouble.path, path):
                    self._troubles[place] = replace(trouble, times=trouble.times - 1)
                    return trouble
        return None

    def answer(self, path: str, query: Query) -> Answer:
        for pattern, route in self._routes:
            found = pattern.fullmatch(path)
            if found:
                return route(query, **found.groupdict())
        return 404, {"message": f"no such path {path}"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: ProviderServer

    def do_POST(self) -> None:
        """As a GET: what is sent along is read and not looked at."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.provider.asked.append(Asked(parts.path, query, dict(self.headers.items())))
        trouble = self.provider.trouble(parts.path)
        if trouble is None:
            status, body, *headers = self.provider.answer(parts.path, query)
            self._send(status, body, headers[0] if headers else {})
        elif trouble.silence:
            self.provider.ended.wait(60)
            self.close_connection = True
        else:
            more = 1000 if trouble.cut else 0
            self._send(trouble.status, trouble.body, trouble.headers, more, trouble.drip)

    def _send(self, status: int, body: Any, headers: Mapping[str, str], more: int = 0, drip: float = 0.0) -> None:
        payload = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload) + more))
        self.end_headers()
        try:
            self._write(payload, drip)
        except OSError:  # whoever asked has heard enough
            self.close_connection = True
        if more:
            self.close_connection = True

    def _write(self, payload: bytes, drip: float) -> None:
        if not drip:
            self.wfile.write(payload)
            return
        for byte in payload:
            self.wfile.write(bytes([byte]))
            if self.provider.ended.wait(drip):
                return

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error."""


@contextmanager
def serving(server: ProviderServer) -> Iterator[ProviderServer]:
    """The server on a free port of this machine, until the end of the block."""
    handler = type("Handler", (_Handler,), {"provider": server})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        http.shutdown()
        http.server_close()
        thread.join(5)
