"""How old something is, in words."""

from __future__ import annotations


def age(seconds: float) -> str:
    """How old something is: `0 s`, `4 min`, `3 h`, `2 days`.

    >>> age(0.4), age(250), age(7200), age(200000)
    ('0 s', '4 min', '2 h', '2 days')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
