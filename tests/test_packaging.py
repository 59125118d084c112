"""What is installed and published: locks that hold what pyproject.toml asks for, a wheel with all four packages."""

from __future__ import annotations

import re
import tomllib
import zipfile
from pathlib import Path

import hatchling.build
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
RUNTIME = [*PROJECT["project"]["dependencies"], *EXTRAS["demo"], *EXTRAS["postgres"], *EXTRAS["test"], *GROUPS["build"]]
ASKED_FOR = {
    "requirements.lock": RUNTIME,
    "requirements-dev.lock": [*RUNTIME, *EXTRAS["dev"]],
    "requirements-uv.lock": GROUPS["uv"],
}


def locked(lock: str) -> dict[str, list[str]]:
    """Package -> its exact versions in `lock` (more than one where interpreters differ)."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


@pytest.mark.parametrize("lock", ASKED_FOR)
def test_lock_holds_what_the_project_asks_for(lock: str):
    versions = locked(lock)
    wishes = [Requirement(wish) for wish in ASKED_FOR[lock]]

    unmet = [
        str(wish)
        for wish in wishes
        if not any(map(wish.specifier.contains, versions.get(canonicalize_name(wish.name), [])))
    ]

    assert unmet == [], "run `make lock`"


@pytest.mark.parametrize("lock", ASKED_FOR)
def test_every_locked_package_carries_hashes(lock: str):
    blocks = re.split(r"^(?=[\w.-]+==)", (ROOT / lock).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]

    assert blocks
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", ASKED_FOR)
def test_lock_names_no_address_and_no_folder(lock: str):
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()

    assert [
        line for line in lines if re.search(r"://|^-(i|f|e)\b|^--(index|extra-index|find-links)| @ |\./", line)
    ] == []


def test_tools_share_every_version_with_the_rest():
    runtime, everything = locked("requirements.lock"), locked("requirements-dev.lock")

    assert {name: everything.get(name) for name in runtime} == runtime


def test_wheel_holds_every_file_of_the_four_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)

    wheel = zipfile.ZipFile(tmp_path / hatchling.build.build_wheel(str(tmp_path)))

    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == {path for package in ("alerts", "bot", "engine", "strategies") for path in files_of(package)}


def files_of(package: str) -> set[str]:
    """Every file below `package`, page assets and migrations included, but for what Python leaves behind."""
    paths = (path.relative_to(ROOT) for path in (ROOT / package).rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if "__pycache__" not in path.parts}
