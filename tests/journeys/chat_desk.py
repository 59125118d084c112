"""The live desk as `wsb run` puts it together, in a process of its own, on a market and a clock that a test sets.

`python -m tests.journeys.chat_desk CONFIG QUOTES CLOCK`; the rest comes from the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bot import app, service
from bot.console.output import note
from bot.console.replay import load_config
from bot.console.run import served
from bot.signs import Signs
from engine.errors import NotFound
from engine.model.market import MarketSnapshot
from engine.sessions import NEW_YORK
from tests import make
from tests.faults.desk_process import FileMarket
from tests.strategies import cases


@dataclass(frozen=True, slots=True)
class FileClock:
    """A clock that a test sets for every process that reads the same file; it runs as fast as ours."""

    file: Path

    def set(self, now: datetime) -> None:
        """It is `now`."""
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps([now.isoformat(), time.monotonic()]), encoding="utf-8")
        new.replace(self.file)

    def __call__(self) -> datetime:
        start, zero = json.loads(self.file.read_text(encoding="utf-8"))
        return datetime.fromisoformat(start) + timedelta(seconds=time.monotonic() - zero)


class OneName(FileMarket):
    """XYZ, in which the wheel finds a put to sell."""

    def __init__(self, file: Path, clock: FileClock) -> None:
        super().__init__(file, clock)
        self.set_bars(cases.wheel_name().bars)

    def universe(self) -> tuple[str, ...]:
        return (make.TICKER,)

    def snapshot(self, ticker: str) -> MarketSnapshot:
        if ticker != make.TICKER:
            raise NotFound(f"{ticker} is not known here.")
        now = self._clock()
        return cases.wheel_name(asof=now, today=now.astimezone(NEW_YORK).date())


def main() -> None:
    """Serve until the process is ended."""
    config_file, quotes, clock = map(Path, sys.argv[1:])
    now = FileClock(clock)
    config = load_config(config_file, os.environ)
    with app.open_store(config.database.url) as store:
        asyncio.run(served(service.live(config, store, OneName(quotes, now), note, now), Signs.of(config.metrics)))


if __name__ == "__main__":
    main()
