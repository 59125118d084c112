"""`wsb check`: the doctor. One line for each part; a part that fails makes the exit code 1."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot import checkup
from bot.console.output import emit, say
from bot.console.replay import load_config
from bot.doctor import Finding
from engine.errors import ConfigError


def check(path: Path, environment: Mapping[str, str], as_json: bool) -> int:
    """The command; returns the exit code."""
    try:
        config = load_config(path, environment)
    except ConfigError as problem:
        return _tell((Finding("configuration", "fail", str(problem)),), as_json)
    enabled = ", ".join(config.strategies) or "no strategy"
    valid = Finding("configuration", "ok", f"{path} is valid; {enabled} enabled")
    return _tell((valid, *checkup.findings(config)), as_json)


def _tell(findings: tuple[Finding, ...], as_json: bool) -> int:
    failed = any(finding.state == "fail" for finding in findings)
    if as_json:
        rows = [{"part": f.part, "state": f.state, "words": f.words} for f in findings]
        emit({"ok": not failed, "checks": rows})
    else:
        for finding in findings:
            say(f"{finding.state:<5} {finding.part:<17} {finding.words}")
    return 1 if failed else 0
