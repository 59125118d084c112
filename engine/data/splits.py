"""Split factors: between the share basis of recorded bars, of a day's prices and of a day's dividends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import prod

from engine.model.market import Dividend, Split

LARGEST_SHARE = 8
"""Split ratios are small fractions (3:2, 7:1, 1:8): a recorded one this close to such a fraction is that fraction."""
ROUNDING = 1e-5
SMALLEST = Decimal("0.0001")


def exact_ratio(recorded: Decimal) -> Decimal:
    """The ratio behind a vendor's rounded one; spin-off factors stay as recorded.

    >>> exact_ratio(Decimal("7.000007")), exact_ratio(Decimal("1.499999925")), exact_ratio(Decimal("1.04"))
    (Decimal('7'), Decimal('1.5'), Decimal('1.04'))
    """
    simple = Fraction(recorded).limit_denominator(LARGEST_SHARE)
    if simple and abs(recorded / simple.numerator * simple.denominator - 1) < ROUNDING:
        return Decimal(simple.numerator) / Decimal(simple.denominator)
    return recorded


def factor(splits: Iterable[Split], after: date, until: date) -> float:
    """New shares for each old one through the splits with after < ex-date <= until.

    >>> apple = (Split(date(2014, 6, 9), Decimal(7)), Split(date(2020, 8, 31), Decimal(4)))
    >>> factor(apple, date(2014, 6, 6), date(2024, 3, 8)), factor(apple, date(2014, 6, 9), date(2024, 3, 8))
    (28.0, 4.0)
    """
    return prod((float(split.ratio) for split in splits if after < split.ex_date <= until), start=1.0)


def on_basis_of(today: date, dividends: Iterable[Dividend], splits: tuple[Split, ...]) -> tuple[Dividend, ...]:
    """Dividends as paid -> dollars per share as shares count on `today`, rounded to 0.0001.

    >>> apple = (Split(date(2014, 6, 9), Decimal(7)),)
    >>> on_basis_of(date(2014, 6, 9), (Dividend(date(2014, 5, 8), Decimal("3.29")),), apple)[0].amount
    Decimal('0.4700')
    """
    return tuple(_rebased(dividend, splits, today) for dividend in dividends)


def _rebased(dividend: Dividend, splits: tuple[Split, ...], today: date) -> Dividend:
    ratios = [split.ratio for split in splits if dividend.ex_date < split.ex_date <= today]
    if not ratios:
        return dividend
    return replace(dividend, amount=(dividend.amount / prod(ratios, start=Decimal(1))).quantize(SMALLEST))
