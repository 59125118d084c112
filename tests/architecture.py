"""Reads the project's source and says where it breaks a rule: pure functions from parsed files to complaints."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

Layers = Mapping[str, tuple[str, ...]]
Complaints = list[str]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: who imports what, on which line, and whether it happens inside a function."""

    importer: str
    target: str
    line: int
    lazy: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: its dotted name, its path below the root, its text and its tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module


def read_modules(root: Path, packages: Iterable[str]) -> dict[str, Module]:
    """Every module below the `packages` of `root`, by dotted name; a package goes by its own name."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            module = _read(root, path)
            found[module.name] = module
    return found


def imports(module: Module, known: Mapping[str, Module]) -> tuple[Import, ...]:
    """What `module` imports, ours by the module that is meant (`from engine import risk` is `engine.risk`)."""
    return tuple(
        Import(module.name, target, node.lineno, lazy)
        for node, lazy in _import_nodes(module.tree, lazy=False)
        for target in _targets(module, node, known)
    )


def all_imports(modules: Mapping[str, Module]) -> tuple[Import, ...]:
    """What all `modules` import."""
    return tuple(found for module in modules.values() for found in imports(module, modules))


def layer_of(name: str, layers: Layers) -> str | None:
    """The layer whose longest entry is `name` or a package above it; None when no entry fits."""
    fits = [(len(entry), layer) for layer, entries in layers.items() for entry in entries if _within(name, entry)]
    return max(fits)[1] if fits else None


def unplaced(modules: Mapping[str, Module], layers: Layers) -> Complaints:
    """Modules that no layer names, so that a new one cannot slip past the import rule."""
    return [
        f"{name} is in no layer: add it to LAYERS in tests/test_architecture.py"
        for name, module in modules.items()
        if layer_of(name, layers) is None and not _is_bare_package(module)
    ]


def wrong_direction(found: Iterable[Import], layers: Layers, may_import: Mapping[str, tuple[str, ...]]) -> Complaints:
    """Imports among our own modules that the table of directions does not allow."""
    ours = tuple(entry.partition(".")[0] for entries in layers.values() for entry in entries)
    complaints = []
    for item in found:
        source, target = layer_of(item.importer, layers), layer_of(item.target, layers)
        if source is None or item.target.partition(".")[0] not in ours:
            continue
        if target not in may_import[source]:
            complaints.append(f"{item}: {source} may not import {target or 'what is in no layer'}")
    return complaints


def lazy_imports(found: Iterable[Import], allowed: Mapping[tuple[str, str], str]) -> Complaints:
    """Imports inside a function that the list of reasoned exceptions, keyed (importer, imported), does not name."""
    return [
        f"{item} inside a function: move it to the top, or give the reason in LAZY"
        for item in found
        if item.lazy and not any(item.importer == who and _within(item.target, what) for who, what in allowed)
    ]


def idle_exceptions(
    found: Iterable[Import], modules: Mapping[str, Module], allowed: Mapping[tuple[str, str], str]
) -> Complaints:
    """Exceptions for lazy imports that nothing needs any more."""
    lazy = [item for item in found if item.lazy]
    return [
        f"{who} no longer imports {what} inside a function: remove it from LAZY"
        for who, what in allowed
        if who in modules and not any(item.importer == who and _within(item.target, what) for item in lazy)
    ]


def past_the_door(found: Iterable[Import], doors: Mapping[str, tuple[str, ...]]) -> Complaints:
    """Imports of a library by a module that is not one of its doors."""
    return [
        f"{item}: only {', '.join(doors[library])} may"
        for item in found
        for library in doors
        if _within(item.target, library) and not any(_within(item.importer, door) for door in doors[library])
    ]


def cycles(found: Iterable[Import]) -> Complaints:
    """The first cycle of imports there is, lazy ones and those for type checkers included."""
    graph: dict[str, set[str]] = {}
    for item in found:
        graph.setdefault(item.importer, set()).add(item.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [f"import cycle: {' <- '.join(error.args[1])}"]
    return []


def long_files(modules: Mapping[str, Module], limit: int) -> Complaints:
    """Files of more than `limit` lines."""
    sizes = ((module.path, len(module.text.splitlines())) for module in modules.values())
    return [f"{path} has {lines} lines, more than {limit}: split it by idea" for path, lines in sizes if lines > limit]


def long_functions(modules: Mapping[str, Module], limit: int) -> Complaints:
    """Functions and methods of more than `limit` lines, docstring included."""
    return [
        f"{module.path}:{node.lineno} {node.name} has {_length(node)} lines, more than {limit}: split it"
        for module in modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, FUNCTIONS) and _length(node) > limit
    ]


def vague_classes(modules: Mapping[str, Module], words: Iterable[str]) -> Complaints:
    """Classes whose name contains one of `words` as a word: they say nothing about what the class is."""
    banned = set(words)
    return [
        f"{module.path}:{node.lineno} class {node.name}: name what it is"
        for module in modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and banned & set(re.findall(r"[A-Z][a-z0-9]*", node.name))
    ]


def forbidden_text(texts: Mapping[str, str], patterns: Mapping[str, str]) -> Complaints:
    """Lines of `texts` (by file name) that match one of `patterns`, a regular expression for each reason."""
    return [
        f"{name}:{number} {reason}: {line.strip()[:80]}"
        for name, text in texts.items()
        for reason, pattern in patterns.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if re.search(pattern, line)
    ]


def _read(root: Path, path: Path) -> Module:
    relative = path.relative_to(root)
    parts = relative.with_suffix("").parts
    text = path.read_text(encoding="utf-8")
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name, relative, text, ast.parse(text, filename=str(relative)))


def _import_nodes(node: ast.AST, *, lazy: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, lazy
        else:
            yield from _import_nodes(child, lazy=lazy or isinstance(child, (*FUNCTIONS, ast.Lambda)))


def _targets(module: Module, node: ast.Import | ast.ImportFrom, known: Mapping[str, Module]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    source = _absolute(module, node)
    names = (f"{source}.{alias.name}" for alias in node.names)
    yield from dict.fromkeys(name if name in known else source for name in names)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    is_package = module.path.name == "__init__.py"
    parts = module.name.split(".")
    above = parts[: len(parts) - node.level + is_package]
    return ".".join([*above, *([node.module] if node.module else [])])


def _within(name: str, entry: str) -> bool:
    return name == entry or name.startswith(f"{entry}.")


def _is_bare_package(module: Module) -> bool:
    statements = (node for node in module.tree.body if not isinstance(node, ast.Expr))
    return module.path.name == "__init__.py" and not any(statements)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
