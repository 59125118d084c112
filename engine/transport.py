"""HTTP that never waits for ever: the transport under every client of a broker or a provider of data."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

logging.getLogger("urllib3").setLevel(logging.WARNING)
"""Below that it writes whole addresses, and some providers want their key in the address."""

LARGEST = 64 * 2**20
"""Bytes an answer may have once it is unpacked. The largest known (all options on SPX in one) has about ten million."""
PART = 64 * 2**10
"""Bytes taken at once: what is packed a thousand times smaller unpacks to no more than this before it is counted."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, to wait for each part of an answer, and to go on repeating a read."""

    connect: float = 3.0
    read: float = 10.0
    retrying: float = 15.0

    @property
    def whole(self) -> float:
        """Seconds after which an answer that still comes, part by part, is given up."""
        return 3 * self.read


class TooLarge(requests.RequestException):
    """An answer of more bytes than any that makes sense."""


class TimedAdapter(HTTPAdapter):
    """A transport that never waits for ever, never repeats, never follows a redirect and never fills the memory."""

    def __init__(self, timeouts: Timeouts, largest: int = LARGEST) -> None:
        super().__init__(max_retries=0)
        self._limits = (timeouts.connect, timeouts.read)
        self._whole = timeouts.whole
        self._largest = largest

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        until = time.monotonic() + self._whole
        response = super().send(request, stream, timeout or self._limits, verify, cert, proxies)
        if 300 <= response.status_code < 400:
            response.close()
            raise requests.TooManyRedirects(f"redirected ({response.status_code})", response=response)
        try:
            # What requests would read by itself, in parts of which none may come too late and none be too much.
            response._content = self._body(response, until)
        except BaseException:
            response.close()
            raise
        response._content_consumed = True
        return response

    def _body(self, response: requests.Response, until: float) -> bytes:
        """The unpacked body.

        Raises:
            ReadTimeout: it is still coming when its time is over. TooLarge. ConnectionError: it breaks off.
        """
        body = bytearray()
        try:
            while part := response.raw.read1(PART, decode_content=True):
                body += part
                if len(body) > self._largest:
                    raise TooLarge(f"more than {self._largest:,} bytes")
                if time.monotonic() > until:
                    raise requests.ReadTimeout(f"still coming after {self._whole:g} s")
        except HTTPError as error:
            raise requests.ConnectionError(f"broke off: {type(error).__name__}") from error
        return bytes(body)


def prepare(session: requests.Session, url: str, timeouts: Timeouts, largest: int = LARGEST) -> None:
    """Give the session this transport, and read proxies and certificates of the environment once, not per request."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, TimedAdapter(timeouts, largest))
    found = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies, session.verify, session.trust_env = found["proxies"], found["verify"], False
