"""The live desk as `wsb run` puts it together on `[data] source = "live"`, in a process of its own, on a clock of a
test.

`python -m tests.journeys.live_desk CONFIG CLOCK`; keys and addresses of every provider come from the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bot import app, service, sources
from bot.console.replay import load_config
from bot.console.run import served, teller
from bot.signs import Signs
from tests.journeys.chat_desk import FileClock


def main() -> None:
    """Serve until the process is ended."""
    config_file, clock = map(Path, sys.argv[1:])
    now = FileClock(clock)
    config = load_config(config_file, os.environ)
    with app.open_store(config.database.url) as store:
        market = sources.build_live_market(config, store, now)
        signs = Signs.of(config.metrics)
        try:
            asyncio.run(served(service.live(config, store, market, teller(config), now, market.past()), signs))
        finally:
            market.close()


if __name__ == "__main__":
    main()
