"""Alpaca's trading API over HTTP: alpaca-py's client with limits of our own.

alpaca-py 0.44 sends without any time-out, sends POST again after a 429 or 504, and reads errors as JSON even when they
are a page of HTML. Here every request has a time-out, only a GET is ever repeated, and every failure is one of two:
`Refused` (the server said no; nothing happened) or `BrokerUnavailable` (nobody knows).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import requests
import stamina
import structlog
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

from engine import meters
from engine.errors import BrokerUnavailable
from engine.redaction import clean
from engine.transport import Timeouts, prepare

log = structlog.get_logger()

NAME = "alpaca"
"""The provider's name in what is measured."""
NO_VERDICT = frozenset({408, 425, 429})
"""Statuses below 500 that say nothing about the request itself (RFC 9110, RFC 6585)."""
DUPLICATE = re.compile(r"client[ _-]?order[ _-]?id must be unique", re.IGNORECASE)


class Temporary(BrokerUnavailable):
    """No answer, or one that a second try may improve."""


class Refused(Exception):
    """The server understood and said no. Never leaves the adapter."""

    def __init__(self, status: int, code: int | None, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{message} ({status})")
        self.status = status
        self.code = code
        self.message = message
        self.details = details or {}

    @property
    def is_duplicate(self) -> bool:
        """Whether an order with this client_order_id is already there (422, 40010001)."""
        return DUPLICATE.search(self.message) is not None

    @property
    def is_missing(self) -> bool:
        """Whether Alpaca itself, not something on the way, says there is no such thing (404, 40410000)."""
        return self.status == 404 and self.code is not None


class AlpacaHttp:
    """GET with retries, everything else without, JSON in and out. Safe to share between threads.

    Raises (every call):
        Refused: a status below 500 that is a verdict.
        BrokerUnavailable: anything else that is not an answer.
    """

    def __init__(self, key: str, secret: str, *, paper: bool, url: str | None, timeouts: Timeouts) -> None:
        self._client = TradingClient(key, secret, paper=paper, raw_data=True, url_override=url)
        self._client._retry = 0  # its own retries repeat a POST; there is no public switch for "none"
        prepare(self._client._session, self._client._base_url + "/", timeouts)
        self._retrying = stamina.RetryingCaller(
            attempts=3, timeout=timeouts.retrying, wait_initial=0.2, wait_max=2.0, wait_jitter=0.2
        ).on(Temporary)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The answer to a read, tried up to three times while the trouble looks temporary."""
        return self._retrying(_answer, "GET", path, lambda: self._client.get(path, dict(params or {})))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to exactly one POST."""
        return _answer("POST", path, lambda: self._client.post(path, dict(body)))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to exactly one PATCH."""
        return _answer("PATCH", path, lambda: self._client.patch(path, dict(body)))

    def delete(self, path: str) -> None:
        """Send exactly one DELETE."""
        _answer("DELETE", path, lambda: self._client.delete(path))

    def close(self) -> None:
        """Drop the kept-alive connections."""
        self._client._session.close()


def _answer(method: str, path: str, call: Callable[[], Any]) -> Any:
    try:
        with meters.request(NAME, meters.template(path)):
            answer = _asked(method, path, call)
    except Temporary:
        meters.BROKER.silent()
        raise
    except Refused:
        meters.BROKER.answered()
        raise
    meters.BROKER.answered()
    return answer


def _asked(method: str, path: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except APIError as error:
        raise _verdict(error, f"{method} {path}") from error
    except requests.Timeout as error:
        log.warning("alpaca.no_answer", request=f"{method} {path}", reason="timeout")
        raise Temporary(f"Alpaca did not answer in time ({method} {path}).") from error
    except requests.RequestException as error:
        log.warning("alpaca.no_answer", request=f"{method} {path}", reason=type(error).__name__)
        raise Temporary(f"Alpaca could not be reached or made no sense ({method} {path}).") from error


def _verdict(error: APIError, request: str) -> Refused | Temporary:
    """A refusal is Alpaca's own word, which is a JSON object; a page of HTML came from something on the way.

    Its words are kept with the order and told: a server or a proxy that echoes the request would have the keys in them.
    """
    status = error.status_code or 0
    details = _explained(str(error))
    code, message = _code(details), clean(str(details.get("message") or _one_line(str(error))))
    if not details or status >= 500 or status < 400 or status in NO_VERDICT:
        log.warning("alpaca.no_answer", request=request, status=status, code=code, message=message)
        return Temporary(f"Alpaca cannot answer now ({status}, {request}): {message}")
    log.info("alpaca.refused", request=request, status=status, code=code, message=message)
    return Refused(status, code, message, details)


def _explained(body: str) -> Mapping[str, Any]:
    """The JSON object of an error body, empty when it is something else: a page of HTML, nothing."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _code(details: Mapping[str, Any]) -> int | None:
    """The code, whether it is spelled as a number or as text."""
    code = str(details.get("code") or "")
    return int(code) if code.isdecimal() else None


def _one_line(body: str) -> str:
    text = " ".join(re.sub(r"<[^>]*>", " ", body).split())
    return text[:200] or "no explanation"
