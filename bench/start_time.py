"""How long `wsb --help` takes, beside an interpreter that does nothing and one that imports typer.

Measured: the wall time of the whole process, as a person at the prompt waits for it. Floor: `python -c pass` of the
same interpreter. Peer: the same interpreter importing typer, which the command line could have been written with. We
hold ourselves to 0.2 s. `python -m bench.start_time [ROUNDS]`
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

ROUNDS = 15
WARM_UP = 2
WSB = Path(sys.executable).with_name("wsb")
SUBJECT = "wsb --help"
FLOOR = "python -c pass"
PEER = 'python -c "import typer"'


def commands() -> dict[str, tuple[str, ...]]:
    """What is timed, by name."""
    wsb = (str(WSB),) if WSB.exists() else (sys.executable, "-m", "bot")
    return {
        SUBJECT: (*wsb, "--help"),
        FLOOR: (sys.executable, "-c", "pass"),
        PEER: (sys.executable, "-c", "import typer"),
    }


def timed(command: tuple[str, ...]) -> float:
    """Seconds from the start of a process to its end."""
    start = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def main() -> None:
    """Measure in turn and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    times: dict[str, list[float]] = {name: [] for name in commands()}
    for _ in range(WARM_UP + rounds):
        for name, command in commands().items():
            times[name].append(timed(command))
    typical = {name: median(taken[WARM_UP:]) for name, taken in times.items()}
    for name, seconds in typical.items():
        print(f"{name}: {seconds * 1000:.0f} ms")
    print(f"ratio to the floor: {typical[SUBJECT] / typical[FLOOR]:.2f}")
    print(f"ratio to importing typer: {typical[SUBJECT] / typical[PEER]:.2f} ({rounds} rounds)")


if __name__ == "__main__":
    main()
