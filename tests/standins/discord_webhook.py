"""A webhook of a Discord channel on this machine: what is posted there is kept, and held to Discord's schemas.

Executing a webhook: https://docs.discord.com/developers/resources/webhook#execute-webhook
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.standins.discord_server import schemas

PATH = "/webhooks/99/loopback-webhook-token"


@dataclass
class Webhook:
    """`url` is where a channel's messages are posted; `texts` are what people see there, `violations` what is wrong."""

    url: str = ""
    texts: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def post(self, path: str, body: dict[str, Any]) -> None:
        """Show a message: its text, and title and text of each embed, line by line."""
        known = schemas()
        if known is not None:
            self.violations += known.request("POST", path, {}, body)
        parts = [body.get("content")]
        for embed in body.get("embeds", ()):
            parts += [embed.get("title"), embed.get("description")]
        self.texts.append("\n".join(part for part in parts if part))


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A webhook that takes everything."""
    here = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            here.post(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here.url = f"http://127.0.0.1:{server.server_address[1]}{PATH}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield here
        finally:
            server.shutdown()
            thread.join()
