"""The desk of `chat_desk` as `wsb run --standby` begins it: it waits while another process leads.

`python -m tests.journeys.standby_desk CONFIG QUOTES CLOCK`; the rest comes from the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bot import service
from bot.console.output import note
from bot.console.replay import load_config
from bot.console.run import served, when_free
from bot.signs import Signs
from engine.errors import DeskError
from tests.journeys.chat_desk import FileClock, OneName


def main() -> int:
    """Serve from the time on at which nobody else does, until the process is ended; the exit code."""
    config_file, quotes, clock = map(Path, sys.argv[1:])
    now = FileClock(clock)
    config = load_config(config_file, os.environ)
    signs = Signs.of(config.metrics)
    begun = when_free(config, signs, now)
    if begun is None:
        return 0
    with begun as store:
        try:
            asyncio.run(served(service.live(config, store, OneName(quotes, now), note, now), signs))
        except DeskError as problem:
            sys.stderr.write(f"wsb: {problem}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
