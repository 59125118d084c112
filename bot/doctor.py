"""What a doctor says about one part of the desk: for `wsb check`, the start of the bot and /setup."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: `state` is ok, warn or fail; `words` name the setting and what to do about it."""

    part: str
    state: str
    words: str
