"""Resident memory of `wsb run` in Discord and Telegram at once, after a minute.

Measured: VmRSS of the process as Linux says it, 60 seconds after both platforms are connected to servers on loopback;
the practice on recorded prices, for live data come later. Floor, in the same run: the same interpreter with numpy,
discord.py and python-telegram-bot imported, which it cannot do without. We hold ourselves to 250 MB.
`python -m bench.chat_memory [SECONDS]`
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from threading import Event

from bench.demo_memory import IDLE, measured, resident
from tests.journeys.chats import chats

PRACTICE = '[data]\nsource = "recorded"\nspeed = 600'
BARE = "import sys, numpy, discord, telegram; print('ready', file=sys.stderr, flush=True); sys.stdin.read()"


def connected(idle: float) -> float:
    """Megabytes of a practice that has been in both chats for `idle` seconds."""
    with tempfile.TemporaryDirectory() as folder, chats(Path(folder)) as here:
        process = here.start("bot", "run", "--config", here.configure(PRACTICE))
        Event().wait(idle)
        megabytes = resident(process.pid)
        code, _ = here.end(process)
        if code:
            raise RuntimeError(f"wsb run ended with exit code {code}:\n{here.log()}")
        return megabytes


def main() -> None:
    """Measure and print."""
    if not Path("/proc/self/status").exists():
        print("not measured: the memory of a process is read from /proc, which this system does not have")
        return
    idle = float(sys.argv[1]) if len(sys.argv) > 1 else IDLE
    floor = measured((sys.executable, "-W", "ignore", "-c", BARE), "ready", 1.0)
    desk = connected(idle)
    print(f"wsb run, {idle:.0f} s after both platforms connected: {desk:.0f} MB")
    print(f"floor: python with numpy, discord.py and python-telegram-bot: {floor:.0f} MB")
    print(f"ratio: {desk / floor:.2f}")


if __name__ == "__main__":
    main()
