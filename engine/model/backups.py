"""Backups of the desk's database: what each is of, and how long which are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from engine.errors import ConfigError


class Occasion(StrEnum):
    """Why a backup was made."""

    DAILY = "daily"
    UPGRADE = "upgrade"
    """Right before a migration."""
    HAND = "hand"


@dataclass(frozen=True, slots=True)
class BackupRules:
    """`[backup]`: where backups go and how long they stay. The newest one always stays."""

    folder: str = ""
    """Empty is the folder `backups` beside a SQLite database, or in the working folder for PostgreSQL."""
    keep_days: int = 14
    """Of how many of the latest days that have backups every one stays."""
    keep_weeks: int = 8
    """Of how many of the latest weeks that have backups the last one stays."""
    keep_upgrades: int = 5
    """How many of those made before a migration stay, however old."""

    def __post_init__(self) -> None:
        for name in ("keep_days", "keep_weeks", "keep_upgrades"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)} should be at least 1.")


@dataclass(frozen=True, slots=True)
class Backup:
    """One finished backup: a file of its own, whole and checked."""

    file: Path
    at: datetime
    revision: str
    occasion: Occasion
    size: int
    """Bytes."""
