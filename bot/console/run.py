"""`wsb run`: refuses, in this order, a bad configuration, a desk without an admin, and a desk without live data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot.config import require_admin
from bot.console.replay import load_config
from engine.errors import ConfigError

NO_SOURCE = (
    "No live data source is configured, so the bot has no prices to work with and does not start. "
    "`wsb demo` and `wsb replay --data DIR` run the whole journey on recorded prices."
)


def run(path: Path, environment: Mapping[str, str]) -> int:
    """The command; returns the exit code.

    Raises:
        ConfigError: the configuration is wrong, nobody is an admin, or there is no live data source.
    """
    require_admin(load_config(path, environment))
    raise ConfigError(NO_SOURCE)
