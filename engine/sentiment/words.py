"""What the scorer sees of a headline: its words, and the numbered buckets that they fall into.

Training and scoring read a text through this file alone, so that they can never see two different things.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

from engine.sentiment.lexicon import NEGATIVE, POSITIVE

BUCKETS = 1 << 16
MAX_CHARS = 1_000
"""What follows is not read: five times the longest headline of the training data."""
GRAMS = (3, 4, 5)
MOST_SIGNS = 3

_TOKEN = re.compile(
    r"""(?P<url>https?://\S+)
    | (?P<cashtag>\$[a-z][a-z.]{0,6}\b)
    | (?P<percent>[+-]?\d[\d.,]*\s?%)
    | (?P<money>[$€£]\d[\d.,]*)
    | (?P<number>\d[\d.,]*)
    | (?P<word>[a-z]+(?:'[a-z]+)?)
    | (?P<mark>[?!:])""",
    re.VERBOSE,
)
_ACCENTS = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets of a text, each once: of its words and pairs of words, of their parts, of the lexicon's signs."""

    words: frozenset[int]
    parts: frozenset[int]
    signs: frozenset[int]


def words(text: str) -> list[str]:
    """Lower-case words in order; a number, a sum, a percentage and a cashtag become the name of their kind.

    Letters of other scripts than Latin are passed over: the scorer was taught English.

    >>> words("$ACME - Acme’s sales up +3.5%, beats by $0.12")
    ['<cashtag>', "acme's", 'sales', 'up', '<percent+>', 'beats', 'by', '<money>']
    """
    plain = text[:MAX_CHARS]
    if not plain.isascii():
        plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", plain.replace("’", "'")))[:MAX_CHARS]
    return [word for match in _TOKEN.finditer(plain.lower()) if (word := _word(match))]


def _word(match: re.Match[str]) -> str:
    found = match[0]
    match match.lastgroup:
        case "word" | "mark":
            return found
        case "url":
            return ""
        case "percent":
            return f"<percent{found[0]}>" if found[0] in "+-" else "<percent>"
        case kind:
            return f"<{kind}>"


def buckets(text: str) -> Buckets:
    """The buckets of a text. A text without a readable word has none but the signs' own."""
    found = words(text)
    pairs = map(" ".join, pairwise(found))
    return Buckets(
        frozenset(_hashed("w", found) | _hashed("p", pairs)),
        frozenset(_hashed("c", _parts(found))),
        frozenset(_hashed("s", _signs(found))),
    )


def _hashed(kind: str, features: Iterable[str]) -> set[int]:
    """CRC-32 and not `hash()`: the same bucket in every process."""
    return {crc32((kind + feature).encode()) % BUCKETS for feature in features}


def _parts(found: Iterable[str]) -> set[str]:
    """Runs of 3 to 5 letters, the word's ends marked: "downgraded" and "downgrades" share most of theirs."""
    marked = {f"<{word}>" for word in found}
    return {word[at : at + size] for word in marked for size in GRAMS for at in range(len(word) - size + 1)}


def _signs(found: Iterable[str]) -> tuple[str, str, str]:
    """How many words of good and of bad news, and of which there are more."""
    good = sum(word in POSITIVE for word in found)
    bad = sum(word in NEGATIVE for word in found)
    more = "good" if good > bad else "bad" if bad > good else "even"
    return f"good {min(good, MOST_SIGNS)}", f"bad {min(bad, MOST_SIGNS)}", more
