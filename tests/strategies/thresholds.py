"""Every number of a strategy moved, one at a time: does some test notice?

A number is moved in the source of its module, as an import of that source would see it, in a forked process that then
runs the strategy's own tests. `python -m tests.strategies.thresholds [STRATEGY ...]` prints what survived.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARE = 0.2
QUICKLY = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain")
"""Only whether the tests fail is asked: why is not shown, so no assertion has to be written out."""
WARM = ("hypothesis", "pandas", "pyarrow.parquet", "talib", "tests.desk", "tests.make", "tests.strategies.cases")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One default: where it stands (offsets of its text in the module's file) and what it is."""

    module: str
    path: Path
    name: str
    default: int | float
    line: int
    columns: tuple[int, int]

    def moved(self) -> tuple[int | float, ...]:
        """A fifth up and down; a whole number by one."""
        if isinstance(self.default, int):
            return (self.default + 1, self.default - 1)
        return (self.default * (1 + SHARE), self.default * (1 - SHARE))

    def source(self, value: int | float) -> str:
        """The module's text with another default."""
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        text = lines[self.line - 1].encode()
        lines[self.line - 1] = (text[: self.columns[0]] + repr(value).encode() + text[self.columns[1] :]).decode()
        return "".join(lines)


def thresholds(strategy: str) -> tuple[Threshold, ...]:
    """Every `number(default, ...)` of a strategy's parameters, in order."""
    file = ROOT / "strategies" / f"{strategy}.py"
    files = [file] if file.exists() else sorted((ROOT / "strategies" / strategy).glob("*.py"))
    return tuple(each for path in files for each in _in(path))


def _in(path: Path) -> Iterable[Threshold]:
    parts = path.relative_to(ROOT).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.value, ast.Call):
            continue
        if not isinstance(node.value.func, ast.Name) or node.value.func.id != "number":
            continue
        first, target = node.value.args[0], node.target
        assert isinstance(target, ast.Name)
        assert first.end_col_offset is not None
        columns = (first.col_offset, first.end_col_offset)
        yield Threshold(module, path, target.id, ast.literal_eval(first), first.lineno, columns)


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, with another text."""

    def __init__(self, threshold: Threshold, text: str) -> None:
        self._threshold = threshold
        self._text = text

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._threshold.module:
            return None
        is_package = self._threshold.path.name == "__init__.py"
        found = importlib.util.spec_from_file_location(
            name,
            self._threshold.path,
            loader=self,
            submodule_search_locations=[str(self._threshold.path.parent)] if is_package else None,
        )
        assert found is not None
        return found

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._text, str(self._threshold.path), "exec"), module.__dict__)


def is_noticed(threshold: Threshold, value: int | float, tests: Sequence[Path]) -> bool:
    """Whether the tests fail once the default is `value`. A value the parameters refuse is noticed too."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status) != 0
    code = 1
    try:
        sys.meta_path.insert(0, _Changed(threshold, threshold.source(value)))
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            code = int(pytest.main([*QUICKLY, *map(str, tests)]))
    finally:
        os._exit(code)


def tests_of(strategy: str) -> tuple[Path, ...]:
    """The strategy's own tests."""
    return tuple(sorted((ROOT / "tests" / "strategies").glob(f"test_{strategy}*.py")))


def survivors(strategy: str) -> tuple[tuple[Threshold, tuple[int | float, ...]], ...]:
    """The numbers that could be moved, one way or the other, without a test that fails; with the unnoticed values.

    Raises:
        AssertionError: the tests fail as things are: nothing can be said.
    """
    tests = tests_of(strategy)
    found = thresholds(strategy)
    assert tests
    assert found
    assert not is_noticed(found[0], found[0].default, tests), f"the tests of {strategy} fail already"
    unnoticed = ((each, tuple(value for value in each.moved() if not is_noticed(each, value, tests))) for each in found)
    return tuple((each, values) for each, values in unnoticed if values)


def _warm() -> None:
    """Load what every child would load for itself: the strategies' modules are not among it, they are read anew."""
    for name in WARM:
        importlib.import_module(name)
    assert not [name for name in sys.modules if name.partition(".")[0] == "strategies"]


def main() -> None:
    """Print the survivors of the strategies named, of all where none is."""
    _warm()
    names = sys.argv[1:] or [
        path.stem for path in sorted((ROOT / "strategies").iterdir()) if tests_of(path.stem) and thresholds(path.stem)
    ]
    for name in names:
        left = survivors(name)
        print(f"{name}: {len(thresholds(name))} numbers, {len(left)} with a move that no test notices", flush=True)
        for threshold, values in left:
            whole = " (either way)" if len(values) == len(threshold.moved()) else ""
            print(f"  {name}.{threshold.name} = {threshold.default}: {', '.join(map(str, values))}{whole}", flush=True)


def survivors_told(told: str) -> frozenset[str]:
    """The `strategy.number` of every line printed about one that can be moved either way."""
    return frozenset(line.split()[0] for line in told.splitlines() if line.endswith("(either way)"))


if __name__ == "__main__":
    main()
