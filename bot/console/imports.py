"""`wsb import`: an old JSON portfolio into the database, once, with a report of what came in and what did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bot import app
from bot.console.output import emit, say
from bot.console.replay import load_config
from engine.imports import ImportReport, import_portfolio


def import_file(file: Path, config_file: Path | None, environment: Mapping[str, str], as_json: bool) -> int:
    """The command; returns the exit code.

    Raises:
        BadRequest: the file or one of its rows cannot be read; nothing was written.
    """
    config = load_config(config_file, environment)
    with app.open_store(config.database.url, config.backup) as store:
        report = import_portfolio(store, file, app.system_clock(), app.TimedIds(app.system_clock, store))
    if as_json:
        emit(_report_json(report))
    else:
        say(_report_text(report))
    return 0


def _report_json(report: ImportReport) -> dict[str, object]:
    return {
        "file": report.name,
        "hash": report.hash,
        "at": report.at.isoformat(),
        "repeated": report.repeated,
        "imported": [{"id": row.id, "what": row.what, "words": row.words} for row in report.imported],
        "skipped": [{"place": row.place, "why": row.why.value} for row in report.skipped],
    }


def _report_text(report: ImportReport) -> str:
    if report.repeated:
        return f"{report.name} was imported before, on {report.at:%Y-%m-%d %H:%M} UTC; nothing was done now."
    kinds = Counter(row.what for row in report.imported)
    came = ", ".join(f"{number} {what}" for what, number in sorted(kinds.items())) or "nothing"
    lines = [f"{report.name}: imported {came}; skipped {len(report.skipped)}."]
    lines += [f"  {row.id}  {row.words}" for row in report.imported]
    lines += [f"  skipped {row.place}: {row.why.value}" for row in report.skipped]
    return "\n".join(lines)
