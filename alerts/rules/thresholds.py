"""The bounds of the alert rules that a person may want to set: `[alerts.thresholds]`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When an alert begins; each is over again a good way back from there, so that it does not flap.

    Attributes:
        limit_near: share of a limit that is used. drawdown: share of `risk.drawdown_halt` that is lost.
        margin: share of equity that the broker's maintenance margin may take.
        delta_drift: fraction of equity by which prices alone may have changed the account's delta dollars since this
            morning. vega_drift: the same of what one point of volatility makes.
        stop_near, target_near: share of the way from entry that is left.
        time_value: dollars a share of time value left, at which a short option in the money is exercised any evening.
        ex_dividend_sessions: how many sessions ahead an ex-date is looked at.
        stale_seconds: age of the share quote of a held name. stale_names: fraction of them that are older.
        broker_seconds: silence of the broker. rejects: refusals by it in a quarter of an hour.
        error_rate: errors of an hour over what was done in it; `errors`: at least so many.
        exits_seconds: since the last finished look at the exits. undelivered_minutes: how long a message waits.
        disk_gb: free where the database is, 10^9 bytes. skew_seconds: clock against the broker's.
        commit_seconds: one small transaction. backup_hours: since the last backup.
    """

    limit_near: float = 0.90
    drawdown: float = 0.75
    margin: float = 0.85
    delta_drift: float = 0.10
    vega_drift: float = 0.002
    stop_near: float = 0.15
    target_near: float = 0.10
    time_value: float = 0.05
    ex_dividend_sessions: int = 5
    stale_seconds: int = 60
    stale_names: float = 0.5
    broker_seconds: int = 120
    rejects: int = 3
    error_rate: float = 0.01
    errors: int = 3
    exits_seconds: int = 30
    undelivered_minutes: int = 10
    disk_gb: float = 1.0
    skew_seconds: float = 1.0
    commit_seconds: float = 1.0
    backup_hours: int = 36

    FRACTIONS: ClassVar = ("limit_near", "drawdown", "margin", "stop_near", "target_near", "stale_names", "error_rate")

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value <= 0:
                raise ValueError(f"{item.name} = {value} should be above 0.")
            if item.name in self.FRACTIONS and value > 1:
                raise ValueError(f"{item.name} = {value} should be a fraction up to 1.")


def back(fires: float, by: float) -> float:
    """Where an alert that begins at `fires` is over: `by` below it, but never more than half of the way to nothing.

    >>> back(0.75, 0.25), back(0.3, 0.25)
    (0.5, 0.15)
    """
    return max(fires - by, fires / 2)
