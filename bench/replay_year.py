"""A quarter, or the year, of recorded days replayed with every strategy, beside opening the same folder.

Measured: `wsb replay` from 2019-01-02 to 2019-03-29 (with `year` to 2019-12-31) with all enabled strategies, a look
every quarter of an hour and every card approved, in a process of its own. Floor, in the same run: a process that opens
and checks the folder, which every replay must. We hold ourselves to about 1.2 s of processor time a session, which is
five minutes for the year, and to 1 GB. `python -m bench.replay_year [year [DATA]]`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.replay_days import OPEN, cost
from tests.shared import SHARED

FIRST, QUARTER, YEAR = "2019-01-02", "2019-03-29", "2019-12-31"
LOOKS = "WSB__SCHEDULE__TICK_MINUTES=15"


def main(last: str, data: str) -> None:
    """Measure and print."""
    if not Path(data).is_dir():
        print(f"not measured: there is no folder of recorded days at {data}")
        return
    floor = cost((sys.executable, "-c", OPEN, data))
    wanted = ("--data", data, "--from", FIRST, "--to", last, "--approve", "all", "--seed", "7", "--json")
    replay = cost(("env", LOOKS, sys.executable, "-m", "bot", "replay", *wanted))
    told = json.loads(replay.output)
    days, own = told["sessions"], replay.seconds - floor.seconds
    print(f"{days} sessions to {last}, {len(told['by_strategy'])} strategies, {told['proposals']} proposals")
    print(f"  {replay.seconds:.1f} s of processor time, {replay.megabytes:.0f} MB at its peak")
    print(f"  of that {own / days:.2f} s a session")
    print(f"floor: opening the folder: {floor.seconds:.1f} s, {floor.megabytes:.0f} MB")
    print(f"ratio: {replay.seconds / floor.seconds:.1f} in time, {replay.megabytes / floor.megabytes:.1f} in memory")


if __name__ == "__main__":
    main(YEAR if sys.argv[1:2] == ["year"] else QUARTER, sys.argv[2] if len(sys.argv) > 2 else str(SHARED / "data"))
