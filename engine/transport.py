"""HTTP that never waits for ever: the transport under every client of a broker or a provider of data."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter

logging.getLogger("urllib3").setLevel(logging.WARNING)
"""Below that it writes whole addresses, and some providers want their key in the address."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, to wait for each part of an answer, and to go on repeating a read."""

    connect: float = 3.0
    read: float = 10.0
    retrying: float = 15.0


class TimedAdapter(HTTPAdapter):
    """A transport that never waits for ever, never repeats and never follows a redirect."""

    def __init__(self, timeouts: Timeouts) -> None:
        super().__init__(max_retries=0)
        self._limits = (timeouts.connect, timeouts.read)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        response = super().send(request, stream, timeout or self._limits, verify, cert, proxies)
        if 300 <= response.status_code < 400:
            response.close()
            raise requests.TooManyRedirects(f"redirected ({response.status_code})", response=response)
        return response


def prepare(session: requests.Session, url: str, timeouts: Timeouts) -> None:
    """Give the session this transport, and read proxies and certificates of the environment once, not per request."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, TimedAdapter(timeouts))
    found = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies, session.verify, session.trust_env = found["proxies"], found["verify"], False
