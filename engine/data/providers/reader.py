"""The one HTTP client of the providers that speak JSON or CSV: what goes wrong is one of the troubles, never another.

Only reads are sent. A read is repeated once while the trouble looks temporary; a 429 is never repeated, it pauses the
provider's budget (RFC 9110 section 10.2.3: Retry-After in seconds or as a date).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import requests
import stamina
import structlog

from engine.data.budget import Budget
from engine.data.providers.trouble import NotEntitled, Refused, Throttled, Unauthorised, Unreachable
from engine.errors import DataError, DataInvalid, NotFound
from engine.transport import Timeouts, prepare

log = structlog.get_logger()

TIMEOUTS = Timeouts(connect=3.0, read=8.0, retrying=12.0)
UNKNOWN_PAUSE = 60.0
"""Seconds without questions after a 429 that names none."""
LONGEST_PAUSE = 3600.0
Params = Mapping[str, str]


class Reader:
    """GET on one provider under one budget. Safe to share between threads.

    `secrets` are parameters added to every request (`apikey`); they and the headers are never logged or quoted.
    `clock` tells aware UTC, for a Retry-After that is a date.
    """

    def __init__(
        self,
        provider: str,
        url: str,
        budget: Budget,
        clock: Callable[[], datetime],
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Params | None = None,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self.provider = provider
        self._url = url.rstrip("/")
        self._budget = budget
        self._clock = clock
        self._secrets = dict(secrets or {})
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": "wallstreetbots", **(headers or {})})
        prepare(self._session, self._url + "/", timeouts)
        self._retrying = stamina.RetryingCaller(
            attempts=2, timeout=timeouts.retrying, wait_initial=0.2, wait_max=1.0, wait_jitter=0.2
        ).on(Unreachable)

    def json(self, path: str, params: Params | None = None) -> Any:
        """The parsed answer to a read.

        Raises:
            NotFound: 404. Unauthorised, NotEntitled, Throttled, Refused, Unreachable: see there.
        """
        return self._retrying(self._json, path, params or {})

    def text(self, path: str, params: Params | None = None) -> str:
        """The answer to a read as text (CSV).

        Raises:
            As `json`.
        """
        return self._retrying(self._text, path, params or {})

    def xml(self, path: str, params: Params | None = None) -> Element:
        """The root of the answer to a read that is XML.

        Raises:
            As `json`.
        """
        return self._retrying(self._xml, path, params or {})

    def close(self) -> None:
        """Drop the kept-alive connections."""
        self._session.close()

    def _json(self, path: str, params: Params) -> Any:
        response = self._answer(path, params)
        try:
            # Not response.json(): with simplejson installed that refuses NaN, which some providers write for "none".
            return json.loads(response.content)
        except (ValueError, RecursionError) as error:
            raise Unreachable(f"{self.provider} sent something that is no JSON ({path}).") from error

    def _text(self, path: str, params: Params) -> str:
        text = self._answer(path, params).text
        if text.lstrip()[:1] == "<":
            raise Unreachable(f"{self.provider} sent a web page in place of data ({path}).")
        return text

    def _xml(self, path: str, params: Params) -> Element:
        content = self._answer(path, params).content
        # A feed declares no entities: what does is a page, or is meant to fill the memory.
        if b"<!DOCTYPE" not in content and b"<!ENTITY" not in content:
            try:
                root = ElementTree.fromstring(content)
            except ElementTree.ParseError:
                pass
            else:
                if root.tag != "html":
                    return root
        raise Unreachable(f"{self.provider} sent something that is no XML ({path}).")

    def _answer(self, path: str, params: Params) -> requests.Response:
        self._budget.take()
        started = time.monotonic()
        try:
            response = self._session.get(self._url + path, params={**params, **self._secrets})
        except requests.RequestException as error:
            # Not `from error`: its text has the address with the key in it.
            log.warning("provider.no_answer", provider=self.provider, path=path, reason=type(error).__name__)
            raise Unreachable(f"{self.provider} did not answer ({path}: {type(error).__name__}).") from None
        seconds = round(time.monotonic() - started, 3)
        log.debug("provider.answer", provider=self.provider, path=path, status=response.status_code, seconds=seconds)
        if response.status_code != 200:
            self.fail(path, response.status_code, response.headers)
        return response

    def fail(self, path: str, status: int, headers: Mapping[str, str]) -> None:
        """Raise the trouble that `status` stands for, and pause the budget where it says so."""
        trouble = trouble_of(self.provider, path, status, headers, self._clock())
        log.warning("provider.trouble", provider=self.provider, path=path, status=status)
        if isinstance(trouble, Throttled):
            self._budget.pause(trouble.after)
        raise trouble


def trouble_of(
    provider: str, path: str, status: int, headers: Mapping[str, str], now: datetime
) -> DataError | NotFound:
    """The trouble an HTTP status other than 200 stands for."""
    if status == 401:
        return Unauthorised(f"{provider} does not accept the keys (401).")
    if status in (402, 403):
        return NotEntitled(f"{provider} does not give this under these keys ({status}, {path}).")
    if status == 404:
        return NotFound(f"{provider} does not know this ({path}).")
    if status == 429:
        after = retry_after(headers.get("Retry-After"), now)
        return Throttled(f"{provider} was asked too often (429); it can be asked again in {after:.0f} s.", after)
    if status >= 500 or status in (408, 425):
        return Unreachable(f"{provider} cannot answer now ({status}, {path}).")
    return Refused(f"{provider} refused the question ({status}, {path}).")


def retry_after(value: str | None, now: datetime) -> float:
    """Seconds a Retry-After asks for, at most an hour; a minute where there is none or it makes no sense.

    >>> retry_after("7", datetime(2026, 11, 27, tzinfo=UTC)), retry_after(None, datetime(2026, 11, 27, tzinfo=UTC))
    (7.0, 60.0)
    >>> retry_after("Fri, 27 Nov 2026 00:00:30 GMT", datetime(2026, 11, 27, tzinfo=UTC))
    30.0
    """
    text = (value or "").strip()
    if text.isdecimal():
        return min(float(text), LONGEST_PAUSE)
    try:
        seconds = (parsedate_to_datetime(text).astimezone(UTC) - now).total_seconds()
    except ValueError:
        return UNKNOWN_PAUSE
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def invalid(provider: str, field: str, value: object) -> DataInvalid:
    """An answer that cannot be what it should be: names provider, field and value (cut short)."""
    shown = repr(value)
    return DataInvalid(
        f"{provider} sent {field} = {shown if len(shown) <= 60 else shown[:57] + '...'}, which makes no sense."
    )
