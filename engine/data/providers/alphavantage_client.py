"""How Alpha Vantage is asked, and what it means when it answers with a sentence.

Everything is GET /query?function=... (https://www.alphavantage.co/documentation/), and everything is answered with 200:
a key it does not know, a plan that does not cover the question, an allowance that is used up and an unknown ticker all
come as a JSON object with the sentence under `Information`, `Note`, `Error Message` or `message`, also in place of CSV.
The sentences are not documented; they are told apart by the words below, and never quoted, for some name the key.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from engine.data.budget import Allowance, Budget
from engine.data.providers.fields import Row
from engine.data.providers.reader import LONGEST_PAUSE, TIMEOUTS, UNKNOWN_PAUSE, Reader, invalid
from engine.data.providers.trouble import NotEntitled, Refused, Throttled, Unauthorised, Unreachable
from engine.errors import DataError, NotFound
from engine.transport import Timeouts

NAME = "alphavantage"
URL = "https://www.alphavantage.co"
FREE = (Allowance(1, 1.0), Allowance(5, 60.0), Allowance(25, 86_400.0))
"""A free key: 25 requests a day (https://www.alphavantage.co/support/), and by its own sentences one a second."""
SENTENCES = ("Information", "Note", "Error Message", "message")
NOT_GIVEN = ("", "None", "-", "null")


class Client:
    """Alpha Vantage's functions as rows, with what is not given as None. Safe to share between threads."""

    def __init__(
        self,
        key: str,
        clock: Callable[[], datetime],
        *,
        url: str = "",
        allowances: Sequence[Allowance] = FREE,
        timeouts: Timeouts = TIMEOUTS,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = Budget(NAME, *allowances, tick=tick)
        self._reader = Reader(NAME, url or URL, self.budget, clock, secrets={"apikey": key}, timeouts=timeouts)

    def object(self, function: str, **params: str) -> Row:
        """The JSON object that answers; an empty one is how it says that it does not know the ticker.

        Raises:
            As `Reader.json`, and whatever the sentence in its place stands for.
        """
        answer = self._reader.json("/query", {"function": function, **params})
        if not isinstance(answer, Mapping):
            raise invalid(NAME, function, answer)
        self._listen(function, answer)
        return without_blanks(answer)

    def table(self, function: str, columns: Sequence[str], **params: str) -> list[Row]:
        """The rows of the CSV that answers, which has these columns among others.

        Raises:
            As `object`.
        """
        text = self._reader.text("/query", {"function": function, "datatype": "csv", **params}).strip()
        if text.startswith("{"):
            self._listen(function, _object(function, text))
            return []
        reader = csv.DictReader(io.StringIO(text))
        if not set(columns) <= set(reader.fieldnames or ()):
            raise invalid(NAME, f"{function} columns", text[:60])
        rows = list(reader)
        if len(rows) == 1 and _is_sentence(rows[0]):
            self._pause(UNKNOWN_PAUSE)
            raise Throttled(f"Alpha Vantage sent a note in place of rows ({function}).", UNKNOWN_PAUSE)
        return [without_blanks(row) for row in rows]

    def close(self) -> None:
        self._reader.close()

    def _listen(self, function: str, answer: Row) -> None:
        """Raise what a sentence in `answer` stands for."""
        said = [str(answer[name]) for name in SENTENCES if name in answer]
        if not said:
            return
        trouble = trouble_of(function, " ".join(said))
        if isinstance(trouble, Throttled):
            self._pause(trouble.after)
        raise trouble

    def _pause(self, seconds: float) -> None:
        self.budget.pause(seconds)


def trouble_of(function: str, sentence: str) -> DataError | NotFound:
    """What one of its sentences stands for.

    The plan comes first, for its sentences name the rates of other plans; the pace comes before the day, for its
    sentence names the day's limit too.
    """
    said = sentence.lower()
    if "premium endpoint" in said.partition("unlock")[0] or "premium feature" in said or "entitle" in said:
        return NotEntitled(f"Alpha Vantage does not give this under this key ({function}).")
    if "invalid or missing" in said or "demo purposes" in said:
        return Unauthorised("Alpha Vantage does not accept the key.")
    if "per second" in said or "sparingly" in said:
        return Throttled("Alpha Vantage was asked too fast; it can be asked again in 2 s.", 2.0)
    if "per minute" in said:
        return Throttled("Alpha Vantage was asked too often; it can be asked again in a minute.", 60.0)
    if "per day" in said or "rate limit" in said:
        return Throttled("Alpha Vantage answers no more questions under this key today.", LONGEST_PAUSE)
    if "no articles" in said or "no data" in said or "invalid api call" in said or "invalid inputs" in said:
        return NotFound(f"Alpha Vantage has nothing on this ({function}).")
    return Refused(f"Alpha Vantage refused the question ({function}).")


def without_blanks(row: Row) -> Row:
    """The row with None for "None", "-" and "": fundamentals are full of them (see `OVERVIEW` in its documentation)."""
    return {name: None if value in NOT_GIVEN else value for name, value in row.items()}


def _object(function: str, text: str) -> Row:
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise Unreachable(f"Alpha Vantage sent something that is neither a table nor JSON ({function}).") from error
    if isinstance(answer, Mapping):
        return answer
    raise invalid(NAME, function, answer)


def _is_sentence(row: Row) -> bool:
    """Whether the row is the start of "Information", a letter to a column: a sentence that was cut up as if rows."""
    letters = [value for value in row.values() if isinstance(value, str)]
    spelt = "".join(letters)
    return all(len(letter) == 1 for letter in letters) and any(name.startswith(spelt) for name in SENTENCES)
