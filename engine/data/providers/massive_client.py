"""Massive's questions: the paths and parameters of its own library (`massive`), over our transport.

The library's transport is not used. It forgets the status of a refusal (`BadResponse` has the body only), so that keys,
plans and allowances could not be told apart; it answers [] to what is no JSON (`massive/rest/base.py`), so that a
trouble would look like "nothing there"; it follows redirects, and goes through pages without an end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from engine.data.providers.fields import Fields
from engine.data.providers.reader import Reader, invalid
from engine.errors import DataInvalid

try:
    from massive import RESTClient
    from massive.rest.vX import VXClient

    class Library(RESTClient, VXClient):  # type: ignore[misc, unused-ignore]
        """All questions of the library, the experimental ones too."""

except ImportError:
    Library = object  # type: ignore[misc, assignment, unused-ignore]

NAME = "massive"
FIELDS = Fields(NAME)
SNAPSHOTS = ("/v2/snapshot", "/v3/snapshot")
MOST_PAGES = 100
"""Of at most 250 options each: the longest chains have about 15,000."""


class Client(Library):
    """The library's questions, answered with the parsed JSON, or with the rows of all its pages.

    `paid` reads snapshots, which are for paying users, and `free` the rest.
    """

    def __init__(self, free: Reader, paid: Reader) -> None:
        # Not super().__init__: it would open connections of its own.
        self._free = free
        self._paid = paid

    def _get(self, path: str, params: Mapping[str, Any] | None = None, **_: Any) -> Any:
        reader = self._paid if path.startswith(SNAPSHOTS) else self._free
        return reader.json(path, {name: str(value) for name, value in (params or {}).items()})

    def _paginate(self, path: str, params: Mapping[str, Any], result_key: str = "results", **_: Any) -> list[Any]:
        rows: list[Any] = []
        for _page in range(MOST_PAGES):
            answer = FIELDS.mapping("answer", self._get(path, params))
            if result_key not in answer and answer.get("status") not in ("OK", "DELAYED"):
                raise invalid(NAME, result_key, dict(answer))
            rows.extend(FIELDS.rows(result_key, answer.get(result_key) or []))
            following = urlsplit(FIELDS.text("next_url", answer.get("next_url")))
            if not following.path:
                return rows
            # Its host is not followed: the keys go to the address of the settings only.
            path, params = following.path, dict(parse_qsl(following.query))
        raise DataInvalid(f"massive sent more than {MOST_PAGES} pages ({path}).")
