"""The parameters of the LEAPS strategy, `[strategies.leaps]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from strategies.params import check, groups, number

NAME = "leaps"

THEMES = {
    "ai": ("MSFT", "GOOGL", "META", "PLTR", "ORCL", "IBM"),
    "cloud": ("AMZN", "CRM", "NOW", "SNOW", "DDOG", "MDB"),
    "cybersecurity": ("CRWD", "PANW", "ZS", "FTNT", "OKTA", "NET"),
    "semiconductors": ("NVDA", "AMD", "AVGO", "QCOM", "MU", "AMAT"),
    "fintech": ("PYPL", "XYZ", "SOFI", "COIN", "AFRM", "HOOD"),
    "clean_energy": ("TSLA", "FSLR", "ENPH", "NEE", "RUN", "BE"),
}


@dataclass(frozen=True, slots=True)
class Params:
    """`[strategies.leaps]`. Fractions are decimals, days are calendar days."""

    ordered: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("exit_dte", "roll_dte", "min_dte", "dte", "max_dte"),
        ("min_delta", "delta", "max_delta"),
        ("sell_score", "min_score"),
    )

    themes: Mapping[str, tuple[str, ...]] = groups(THEMES, "theme and its tickers; each name has one theme")
    rebalance_days: int = number(10, 1, 31, "first days of January, April, July and October in which it rebalances")
    min_scored: int = number(6, 2, 1000, "fewest names with a score, for ranks to mean anything")
    revenue_weight: float = number(0.3, 0.0, 1.0, "weight of the rank of revenue growth")
    earnings_weight: float = number(0.3, 0.0, 1.0, "weight of the rank of earnings growth")
    margin_weight: float = number(0.2, 0.0, 1.0, "weight of the rank of the change of the margin")
    share_weight: float = number(0.2, 0.0, 1.0, "weight of the rank of revenue growth less its theme's median")
    min_score: float = number(70.0, 0.0, 100.0, "smallest score bought")
    sell_score: float = number(50.0, 0.0, 100.0, "score below which a held name is asked about at a rebalance")
    max_open: int = number(10, 1, 50, "positions open at once")
    names_per_theme: int = number(3, 1, 50, "names held or proposed in one theme")
    min_dte: int = number(460, 91, 1100, "shortest call, days")
    dte: int = number(550, 91, 1100, "call aimed at, days")
    max_dte: int = number(800, 91, 1100, "longest call, days")
    min_delta: float = number(0.70, 0.01, 0.99, "smallest delta")
    delta: float = number(0.75, 0.01, 0.99, "delta aimed at, and rolled up to")
    max_delta: float = number(0.80, 0.01, 0.99, "largest delta")
    max_spread: float = number(0.10, 0.0, 1.0, "largest spread, share of the mid")
    min_bid: float = number(0.05, 0.0, 10.0, "the bid must be above this, dollars")
    min_open_interest: int = number(100, 0, 1_000_000, "smallest open interest, or else volume")
    min_contract_volume: int = number(10, 0, 1_000_000, "smallest volume today, or else open interest")
    max_time_value: float = number(0.12, 0.0, 1.0, "largest time value a year, share of the spot")
    dividends: int = number(4, 0, 12, "coming dividends that the time value has to exceed")
    take_gain: float = number(1.0, 0.1, 10.0, "gain at which a part is sold, or a single one asked about")
    take_again: float = number(2.0, 0.1, 20.0, "gain at which the same is done again")
    stop_share: float = number(0.50, 0.01, 0.99, "loss at a close at which it is sold, share of the premium")
    stop_minutes: int = number(15, 1, 120, "minutes before the close from which the stop is judged")
    roll_dte: int = number(90, 1, 365, "days left from which a roll is asked about")
    exit_dte: int = number(30, 1, 365, "days left at which it is sold where nobody has answered")

    def __post_init__(self) -> None:
        check(self)

    @property
    def tickers(self) -> tuple[str, ...]:
        """The names of all themes, in their order."""
        return tuple(ticker for names in self.themes.values() for ticker in names)

    def theme_of(self, ticker: str) -> str | None:
        """The theme of a name, None where it is in none."""
        return next((theme for theme, names in self.themes.items() if ticker in names), None)
