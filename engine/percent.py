"""Shares of something in words, the same way everywhere."""

from __future__ import annotations

from decimal import Decimal


def as_percent(fraction: float | Decimal, form: str = ".0") -> str:
    """A fraction as a percentage; `form` is that of a number: its digits, with a plus in front where it is wanted.

    >>> as_percent(0.124, ".1"), as_percent(0.031, "+.1"), as_percent(Decimal("0.5"))
    ('12.4 %', '+3.1 %', '50 %')
    """
    return f"{fraction:{form}%}".replace("%", " %")
