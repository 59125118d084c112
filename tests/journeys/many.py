"""Many `wsb` commands one after another in a process of their own: what takes time is paid for once.

Started with a JSON list of commands on standard input; answers with one of what each did.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bot.cli import main
from tests.journeys.program import Run, environment


@dataclass(frozen=True, slots=True)
class Command:
    """The words after `wsb`, the folder to stand in and the variables that are set besides the usual ones."""

    words: tuple[str, ...]
    cwd: str
    variables: Mapping[str, str] = field(default_factory=dict)


def run_all(commands: Iterable[Command]) -> list[Run]:
    """What each command did, in their order."""
    asked = json.dumps([asdict(command) for command in commands])
    program = [sys.executable, "-m", "tests.journeys.many"]
    done = subprocess.run(
        program, input=asked, env=environment(), capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, f"one of the commands ended the process:\n{done.stderr}"
    return [Run(*row) for row in json.loads(done.stdout)]


def _answer(command: Command) -> tuple[int, str, str]:
    os.chdir(command.cwd)
    os.environ.update(command.variables)
    code = 0
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main(command.words)
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            for name in command.variables:
                del os.environ[name]
            os.chdir(Path(__file__).parent)
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    json.dump([_answer(Command(**row)) for row in json.load(sys.stdin)], sys.stdout)
