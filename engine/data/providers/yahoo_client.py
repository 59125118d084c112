"""Questions to Yahoo, one at a time on a thread of their own: what goes wrong is one of the troubles, never another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import stamina
import structlog

from engine.data.budget import Budget
from engine.data.providers.fields import Row
from engine.data.providers.reader import invalid, trouble_of
from engine.data.providers.trouble import Throttled, Unauthorised, Unreachable
from engine.data.providers.worker import Worker
from engine.errors import NotFound
from engine.transport import Timeouts

if TYPE_CHECKING:
    from engine.data.providers.yahoo_http import Answer, Connection

log = structlog.get_logger()

NAME = "yahoo"
GRACE = 3.0
"""Seconds beyond its own deadline after which a call of yfinance hangs."""
NO_DATA = "Data doesn't exist for startDate"
"""What the chart says (400) about a time before the first or after the last price; no failure."""


class YahooClient:
    """GET on Yahoo under one budget. Safe to share between threads.

    A question takes at most `timeouts.retrying` seconds, cookies and crumb included: those two are not counted in the
    budget, they are asked for once and again after a 401. `folder`: where yfinance may write.
    """

    def __init__(
        self, url: str, folder: Path, budget: Budget, clock: Callable[[], datetime], timeouts: Timeouts
    ) -> None:
        self._budget = budget
        self._clock = clock
        self._seconds = timeouts.retrying

        def connect() -> Connection:
            from engine.data.providers.yahoo_http import Connection

            return Connection(url, folder, timeouts.read)

        self._worker = Worker(NAME, connect)
        self._retrying = stamina.RetryingCaller(
            attempts=2, timeout=timeouts.retrying, wait_initial=0.2, wait_max=1.0, wait_jitter=0.2
        ).on(_may_pass)

    def results(self, path: str, params: Mapping[str, str], root: str) -> list[Row]:
        """The rows of `root.result`; none where there is no answer to give.

        Raises:
            NotFound: Yahoo does not know what was named. Throttled, NotEntitled, Refused, Unreachable: see there.
            DataInvalid: not the shape of such an answer.
        """
        answer = self.json(path, params)
        section = answer.get(root) or answer.get("finance")
        if not isinstance(section, dict):
            raise invalid(NAME, root, section)
        if error := section.get("error"):
            if NO_DATA in str(error):
                return []
            raise _told(path, error)
        rows = section.get("result")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise invalid(NAME, f"{root}.result", rows)
        return rows

    def json(self, path: str, params: Mapping[str, str]) -> Row:
        """The answer to a read as an object.

        Raises:
            As `results`.
        """
        return self._retrying(self._json, path, params)

    def close(self) -> None:
        """End the thread and drop its connection."""
        self._worker.close()

    def _json(self, path: str, params: Mapping[str, str]) -> Row:
        answer = self._answer(path, params)
        try:
            body = json.loads(answer.text)
        except ValueError:
            raise Unreachable(f"{NAME} sent something that is no JSON ({path}).") from None
        if not isinstance(body, dict):
            raise invalid(NAME, path, body)
        return body

    def _answer(self, path: str, params: Mapping[str, str]) -> Answer:
        self._budget.take()
        seconds = self._seconds
        answer = self._worker.run(lambda connection: connection.get(path, params, seconds), seconds + GRACE)
        log.debug("provider.answer", provider=NAME, path=path, status=answer.status)
        if answer.status == 200 or (answer.status == 400 and NO_DATA in answer.text):
            return answer
        if 300 <= answer.status < 400:
            raise Unreachable(f"{NAME} sends elsewhere ({answer.status}, {path}).")
        trouble = trouble_of(NAME, path, answer.status, answer.headers, self._clock())
        log.warning("provider.trouble", provider=NAME, path=path, status=answer.status)
        if isinstance(trouble, Throttled):
            self._budget.pause(trouble.after)
        if isinstance(trouble, Unauthorised):
            # There are no keys: the cookies it gave a moment ago are refused, which passes.
            raise Unreachable(f"{NAME} does not accept its own cookies now (401, {path}).")
        raise trouble


def _may_pass(problem: Exception) -> bool:
    """Whether asking once more is worth it: not after a wait that used the time up."""
    return isinstance(problem, Unreachable) and type(problem) is Unreachable


def _told(path: str, error: object) -> Exception:
    """An error inside an answer: {"code": "Not Found", "description": "..."}."""
    code = error.get("code") if isinstance(error, dict) else None
    if code == "Not Found":
        return NotFound(f"{NAME} does not know this ({path}).")
    return Unreachable(f"{NAME} cannot answer now ({path}: {str(code)[:40]}).")
