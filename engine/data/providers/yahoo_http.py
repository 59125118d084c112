"""Yahoo over yfinance's own client: its cookies and its crumb; where requests go and how long they take is ours.

Importing this takes a second (yfinance brings pandas, a browser's TLS and more): on the first question, not before.
Only `yfinance.data.YfData` is used (yfinance 1.7, data.py). What is built on it there keeps answers for the life of the
process (`cache_get`: news, past prices and statements never change again) and turns failures into empty tables.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import structlog
import yfinance
from curl_cffi import requests
from yfinance.data import YfData

from engine.data.providers.trouble import Refused, Unreachable
from engine.data.providers.worker import Silent
from engine.errors import DeskError

logging.getLogger("yfinance").setLevel(logging.CRITICAL)
"""Below that it writes addresses with the crumb in them."""

log = structlog.get_logger()

ASIDE = frozenset({"fc.yahoo.com", "guce.yahoo.com", "consent.yahoo.com"})
"""Hosts that only hand out cookies (yfinance 1.7, data.py: `_get_cookie_basic`, `_get_cookie_csrf`)."""
CRUMB = "/v1/test/getcrumb"
DATA = "https://query2.finance.yahoo.com"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of Yahoo, whatever it says."""

    status: int
    headers: Mapping[str, str]
    text: str


class _Final(Exception):
    """An answer that yfinance would ask for again with other cookies: that helps with 401 and nothing else."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class _Session(requests.Session[requests.Response]):
    """A browser's connection that goes to Yahoo, or in place of it to `url`, and nowhere else.

    `until`: the monotonic second by which every request has ended. `throttled`: the Retry-After of a crumb that was
    refused with 429 since `begin`; yfinance goes on without a crumb then, which is refused with 401.
    """

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(impersonate="chrome")
        self._instead = urlsplit(url) if url else None
        self._seconds = seconds
        self._until = 0.0
        self.throttled: Mapping[str, str] | None = None

    def begin(self, seconds: float) -> None:
        """A new question that may take so long, with all that it needs."""
        self._until = time.monotonic() + seconds
        self.throttled = None

    def request(  # type: ignore[override]  # the options pass through as they came
        self, method: Any, url: str, **options: Any
    ) -> requests.Response:
        left = self._until - time.monotonic()
        if left <= 0:
            raise Silent("yahoo did not answer in time.")
        parts = urlsplit(url)
        is_aside = parts.hostname in ASIDE or parts.path == CRUMB
        # A third of what is left for a cookie, so that the question itself has its turn.
        options["timeout"] = min(self._seconds, left / 3 if is_aside else left)
        options["allow_redirects"] = is_aside
        response = super().request(method, self._address(url), **options)
        if is_aside and response.status_code == 429:
            self.throttled = _headers(response)
        if not is_aside and response.status_code >= 400 and response.status_code != 401:
            raise _Final(response)
        return response

    def _address(self, url: str) -> str:
        parts = urlsplit(url)
        if not (parts.hostname or "").endswith(".yahoo.com"):
            raise Refused(f"yfinance asked for {parts.hostname}, which is not Yahoo.")
        if self._instead is None:
            return url
        path = self._instead.path.rstrip("/") + parts.path
        return urlunsplit((self._instead.scheme, self._instead.netloc, path, parts.query, ""))


class _Client(YfData):  # type: ignore[misc]
    """yfinance's client, its cookies in memory only: on disk they are pickled, in one file for the whole process."""

    def _load_cookie_curlCffi(self) -> bool:
        return False

    def _save_cookie_curlCffi(self) -> bool:
        # What is found on disk again is what keeps it from fetching a cookie for every question.
        self._cookie = True
        return True


class Connection:
    """One session with Yahoo; used on the thread that made it."""

    def __init__(self, url: str, folder: Path, seconds: float) -> None:
        # Whatever else yfinance should want to write goes there, not to the user's own folder.
        yfinance.set_tz_cache_location(str(folder))
        self._session = _Session(url, seconds)
        # Not `_Client(...)`: its metaclass makes one for the whole process.
        self._client = type.__call__(_Client, session=self._session)

    def get(self, path: str, params: Mapping[str, str], seconds: float) -> Answer:
        """The answer to a read within `seconds`, whatever its status.

        Raises:
            Unreachable: no answer.
        """
        self._session.begin(seconds)
        try:
            response = self._client.get(DATA + path, params=dict(params), timeout=seconds)
        except _Final as final:
            response = final.response
        except requests.exceptions.Timeout:
            raise Silent(f"yahoo did not answer in time ({path}).") from None
        except requests.exceptions.RequestException as error:
            # Not `from error`: its text has the address with the crumb in it.
            raise Unreachable(f"yahoo did not answer ({path}: {type(error).__name__}).") from None
        except DeskError:
            raise
        except Exception as error:  # noqa: BLE001 - yfinance reads pages on its way to a crumb; what breaks it says nothing
            log.warning("provider.library", provider="yahoo", path=path, reason=type(error).__name__)
            raise Unreachable(f"yahoo could not be asked ({path}: {type(error).__name__}).") from None
        if response.status_code == 401 and self._session.throttled is not None:
            return Answer(429, self._session.throttled, "")
        return Answer(response.status_code, _headers(response), response.text)

    def close(self) -> None:
        """Drop the connection; on the thread that made it."""
        self._session.close()


def _headers(response: requests.Response) -> Mapping[str, str]:
    return {name.title(): value for name, value in response.headers.items() if value is not None}
