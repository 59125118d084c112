"""Texts without secrets: the configured ones wherever they stand, and what looks like one. Pure but for what it is
told.

Shapes of tokens: https://core.telegram.org/bots/api#authorizing-your-bot (`123456:ABC-DEF...`),
https://discord.com/developers/docs/reference#authentication, and for Alpaca's keys `PK...` (paper) and `AK...` (live),
https://docs.alpaca.markets/docs/authentication. Userinfo of an address: RFC 3986, section 3.2.1.
"""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
SHORTEST = 6
"""Characters of the shortest secret that is looked for: fewer stand in any text by chance."""
STEM = 8
"""Characters by which a secret that was cut off at the end of a text is known."""

_VALUE = r"[^\s\"'\\&,;)}\]<>]"
SHAPES = re.compile(
    r"(?P<telegram>(?<!\d)\d{6,12}(?::|%3[Aa])[A-Za-z0-9_-]{30,})"
    r"|(?P<discord>(?<![\w-])[A-Za-z0-9_-]{23,30}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,})"
    r"|(?P<alpaca>(?<![A-Z0-9])[PAC]K[A-Z0-9]{16,30}(?![A-Za-z0-9]))"
    rf"|(?P<header>(?i:(?:authorization|apca-api-key-id|apca-api-secret-key|x-api-key|x-[a-z]+-token)"
    rf"[\"'\\]*\s*[:=,]\s*[\"'\\]*(?:(?:bearer|basic|bot)\s+)?)){_VALUE}+"
    rf"|(?P<query>(?i:[?&](?:api_?key|access_token|token|key|secret|password|signature|sig)=)){_VALUE}+"
    rf"|(?P<named>(?i:(?:api_?key|token|secret|passw(?:or)?d)[\"'\\]*\s?=\s?[\"'\\]*)){_VALUE}{{6,}}"
    r"|(?P<userinfo>(?i:[a-z][a-z0-9+.-]{1,20}://)[^\s:/@\"'\\]*:)[^\s/\"'\\]+(?=@)",
    re.ASCII,
)
"""What is a secret by its looks; a group with what may stay comes before it."""
STAYS = ("header", "query", "named", "userinfo")


def packed(secret: str) -> frozenset[str]:
    """The letters of base64 that stand for a secret wherever it begins in what was packed (`user:secret`)."""
    found = set()
    for before in range(3):
        text = b64encode(bytes(before) + secret.encode()).decode().rstrip("=")
        whole = text[(0, 2, 3)[before] : len(text) - (1 if (before + len(secret.encode())) % 3 else 0)]
        found |= {whole, whole.replace("+", "-").replace("/", "_")}
    return frozenset(found)


def spellings(secret: str) -> frozenset[str]:
    """A secret as it is written in addresses, in JSON, in a Python literal and in base64 (basic auth)."""
    return frozenset(
        {
            secret,
            quote(secret, safe=""),
            quote(secret),
            quote_plus(secret),
            json.dumps(secret)[1:-1],
            repr(secret)[1:-1],
            json.dumps(repr(secret))[1:-1][1:-1],
            *packed(secret),
        }
    )


@dataclass(slots=True)
class Redactor:
    """What takes secrets out of texts. Safe to share between threads."""

    known: frozenset[str] = frozenset()
    _pattern: re.Pattern[str] | None = None
    _stems: tuple[tuple[str, str], ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, secrets: Iterable[str]) -> None:
        """Look for these too from now on."""
        with self._lock:
            fresh = {text for secret in secrets if len(secret) >= SHORTEST for text in spellings(secret)}
            self.known |= fresh
            longest_first = sorted(self.known, key=lambda text: (-len(text), text))
            self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if self.known else None
            self._stems = tuple((text[:STEM], text) for text in longest_first if len(text) > STEM)

    def clean(self, text: str) -> str:
        """The text without secrets; a text without any comes back as it is."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
            text = self._without_rest(text)
        return SHAPES.sub(_masked, text)

    def _without_rest(self, text: str) -> str:
        """The text without a secret that was cut off at its end."""
        for stem, secret in self._stems:
            at = text.rfind(stem)
            if at >= 0 and secret.startswith(text[at:]):
                return text[:at] + MASK
        return text


def _masked(found: re.Match[str]) -> str:
    kept = found.lastgroup
    return f"{found[kept]}{MASK}" if kept in STAYS else MASK


_OURS = Redactor()
"""The one of this process: logs, events and cards of all its desks go through it."""


def keep(secrets: Iterable[str]) -> None:
    """Take these out of every text from now on."""
    _OURS.keep(secrets)


def clean(text: str) -> str:
    """The text without secrets.

    >>> clean("GET https://api.example/q?symbol=KO&apikey=abc123 failed")
    'GET https://api.example/q?symbol=KO&apikey=[redacted] failed'
    """
    return _OURS.clean(text)


def cleaned(value: object) -> object:
    """A JSON-like value with every text in it cleaned."""
    match value:
        case str():
            return clean(value)
        case Mapping():
            return {key: cleaned(each) for key, each in value.items()}
        case list() | tuple():
            return [cleaned(each) for each in value]
    return value
