"""A month of recorded days replayed: processor time and memory, beside opening the same folder and doing nothing.

Measured: `wsb replay` of the wheel and the dip strategy from 2019-01-02 to 2019-01-31 with every card approved, in a
process of its own. Floor, in the same run: a process that opens and checks the folder, which every replay must. The
half year to 2019-06-28 is six such months; we hold ourselves to about a minute for it and to 1 GB.
`python -m bench.replay_days [DATA [FROM [TO]]]`
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.shared import SHARED

FIRST, LAST = "2019-01-02", "2019-01-31"
OPEN = "import sys; from engine.data.folder import RecordedFolder; RecordedFolder.open(sys.argv[1])"
BYTES_A_KILOBYTE = 1024
"""What Linux counts the memory of a process in."""


class Cost(NamedTuple):
    """What a process took: seconds of processor time, megabytes at its peak, and what it wrote."""

    seconds: float
    megabytes: float
    output: str


def cost(command: tuple[str, ...]) -> Cost:
    """The cost of a command that has to succeed."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}")
        output.seek(0)
        return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * BYTES_A_KILOBYTE / 1e6, output.read())


def main() -> None:
    """Measure and print."""
    data, first, last = (*sys.argv[1:], *(str(SHARED / "data"), FIRST, LAST)[len(sys.argv) - 1 :])
    if not Path(data).is_dir():
        print(f"not measured: there is no folder of recorded days at {data}")
        return
    floor = cost((sys.executable, "-c", OPEN, data))
    wanted = ("--from", first, "--to", last, "--strategies", "wheel,wsb_dip", "--approve", "all", "--seed", "7")
    replay = cost((sys.executable, "-m", "bot", "replay", "--data", data, *wanted, "--json"))
    days = json.loads(replay.output)["sessions"]
    print(f"replay of {days} sessions: {replay.seconds:.1f} s of processor time, {replay.megabytes:.0f} MB at its peak")
    print(f"  of that {(replay.seconds - floor.seconds) / days * 1000:.0f} ms a session")
    print(f"floor: opening the folder: {floor.seconds:.1f} s, {floor.megabytes:.0f} MB")
    print(f"ratio: {replay.seconds / floor.seconds:.1f} in time, {replay.megabytes / floor.megabytes:.1f} in memory")


if __name__ == "__main__":
    main()
