"""Old JSON portfolios: read whole or not at all, written once however often they are imported.

The schema is described in docs/import.md. Every open position comes in without a stop, says so in its exit plan, and
one warning event tells everybody that it needs to be adopted or closed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

from engine.codec import dump, load
from engine.errors import BadRequest
from engine.imports.fields import Row
from engine.imports.rows import Ended, Left, Opened, Skip, position_of, rejected, shares_behind, trade_of
from engine.model.book import ZERO, Position, Posting, PostingKind
from engine.model.events import Event, EventKind, Severity
from engine.model.legs import Structure
from engine.model.records import Trade
from engine.store import Store, UnitOfWork

__all__ = ["ImportReport", "Imported", "Skip", "Skipped", "import_portfolio"]

POSITIONS = ("positions", "holdings", "open_positions")
TRADES = ("trades", "history", "trade_history", "closed_positions")
WRITTEN = ("last_updated", "last_update", "updated_at", "saved_at")

Outcome = Opened | Ended | Left


@dataclass(frozen=True, slots=True)
class Imported:
    """One thing that came in: its id in the desk, what it is, in words."""

    id: str
    what: str
    words: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """One row that did not, where it stands and why."""

    place: str
    why: Skip


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. `repeated`: this very content was imported before (`at`), and nothing was done now."""

    name: str
    hash: str
    at: datetime
    imported: tuple[Imported, ...]
    skipped: tuple[Skipped, ...]
    repeated: bool = False


def import_portfolio(
    store: Store, source: Path | bytes, now: datetime, new_id: Callable[[str], str], name: str = ""
) -> ImportReport:
    """Bring an old portfolio in, in one transaction, and say what came in and what did not.

    `source` is the file, or its bytes (then `name` is what the report calls it).

    Raises:
        BadRequest: the file cannot be read, or one of its rows cannot: the message names file, row and key, and
            nothing was written.
    """
    title, content = (name or "the portfolio", source) if isinstance(source, bytes) else (source.name, _bytes(source))
    digest = hashlib.sha256(content).hexdigest()
    with store.begin() as work:
        before = work.find_import(digest)
        if before is not None:
            return replace(load(ImportReport, before), repeated=True)
        outcomes = _covered(_outcomes(title, content, now))
        report = _write(work, ImportReport(title, digest, now, (), ()), outcomes)
        work.add_import(digest, title, now, dump(report))
        work.add_event(_event(new_id("E"), report))
    return report


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}.") from error


def _outcomes(title: str, content: bytes, now: datetime) -> list[tuple[Row, Outcome]]:
    """Every row with what it means.

    Raises:
        BadRequest: as `import_portfolio`.
    """
    document = _document(title, content)
    written = _written(title, document, now)
    found: list[tuple[Row, Outcome]] = []
    for row in _rows(title, document, POSITIONS):
        found.append((row, position_of(row, now, written)))
    found.extend((row, trade_of(row)) for row in _rows(title, document, TRADES))
    if not found and not any(key in document for key in (*POSITIONS, *TRADES)):
        raise BadRequest(f"{title}: found neither “positions” nor “trades”: not a portfolio. Nothing was imported.")
    if "cash" in document:
        found.append((Row(f"{title}: cash", {}), Left(f"{title}: cash", Skip.CASH)))
    return found


def _document(title: str, content: bytes) -> dict[str, object]:
    """The file as an object; a bare list is its positions. Numbers are exact decimals."""
    try:
        parsed = json.loads(content, parse_float=Decimal, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise BadRequest(f"{title}: line {error.lineno}, column {error.colno} is not JSON: {error.msg}.") from error
    except ValueError as error:
        raise BadRequest(f"{title}: {error}. Nothing was imported.") from error
    if isinstance(parsed, list):
        return {"positions": parsed}
    if not isinstance(parsed, dict):
        raise BadRequest(f"{title}: expected an object with “positions”, found “{parsed}”. Nothing was imported.")
    return parsed


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def _written(title: str, document: dict[str, object], now: datetime) -> datetime:
    """When the file was written, by its own word; `now` when it does not say."""
    row = Row(title, document)
    return min(row.moment(WRITTEN), now) if row.key(WRITTEN) else now


def _rows(title: str, document: dict[str, object], names: tuple[str, ...]) -> Iterator[Row]:
    for name in names:
        entries = document.get(name, [])
        if not isinstance(entries, list):
            raise BadRequest(f"{title}: “{name}” is not a list. Nothing was imported.")
        for number, entry in enumerate(entries):
            place = f"{title}: {name}[{number}]"
            if not isinstance(entry, dict):
                raise rejected(place, entry)
            yield Row(place, entry)


def _covered(found: list[tuple[Row, Outcome]]) -> Iterator[Outcome]:
    """The outcomes with every sold call covered: by share rows, or by the shares its own row carries along."""
    shares = Counter[str]()
    for _, outcome in found:
        if isinstance(outcome, Opened) and outcome.position.structure is Structure.SHARES:
            shares[outcome.position.ticker] += outcome.position.opened_units
    alone = {ticker for ticker, count in shares.items() if count}
    for row, outcome in found:
        if not (isinstance(outcome, Opened) and outcome.position.structure is Structure.COVERED_CALL):
            yield outcome
            continue
        call = outcome.position
        behind = None if call.ticker in alone else _shares(row, call)
        if behind is not None:
            shares[call.ticker] += behind.opened_units
            yield Opened(row.place, behind)
        needed = call.opened_units * 100
        if shares[call.ticker] < needed:
            yield Left(row.place, Skip.UNCOVERED)
            continue
        shares[call.ticker] -= needed
        yield outcome


def _shares(row: Row, call: Position) -> Position | None:
    behind = shares_behind(row, call)
    if behind is None:
        return None
    outcome = position_of(behind, call.opened_at, call.opened_at)
    return outcome.position if isinstance(outcome, Opened) else None


def _write(work: UnitOfWork, report: ImportReport, outcomes: Iterable[Outcome]) -> ImportReport:
    imported: list[Imported] = []
    skipped: list[Skipped] = []
    seen = Counter[str]()
    for outcome in outcomes:
        match outcome:
            case Left(place, why):
                skipped.append(Skipped(place, why))
            case Opened(place, position):
                id = _numbered(position.id, seen)
                done = _add_position(work, replace(position, id=id, campaign=id), report)
                imported.append(done) if done else skipped.append(Skipped(place, Skip.KNOWN))
            case Ended(place, trade):
                kept = _add_trade(work, replace(trade, id=_numbered(trade.id, seen)), report)
                imported.append(kept) if kept else skipped.append(Skipped(place, Skip.KNOWN))
    return replace(report, imported=tuple(imported), skipped=tuple(skipped))


def _numbered(id: str, seen: Counter[str]) -> str:
    """An id of its own for each row, when a file has several of the very same kind."""
    seen[id] += 1
    return id if seen[id] == 1 else f"{id}-{seen[id]}"


def _add_position(work: UnitOfWork, position: Position, report: ImportReport) -> Imported | None:
    """Write the position and the two lines that bring its cost into the books; None when it is there already."""
    if work.find_position(position.id) is not None:
        return None
    work.save_position(position, report.hash)
    brought = Posting(f"{position.id}:import", PostingKind.FLOW, report.at, position.cost, ZERO, position.id)
    paid = Posting(f"{position.id}:cost", PostingKind.TRADE, report.at, -position.cost, ZERO, position.id)
    work.add_postings((brought, replace(paid, strategy=position.strategy)))
    held = position.legs[0]
    return Imported(position.id, "position", f"{held.quantity:+d} {held.instrument} at {held.average:.2f}")


def _add_trade(work: UnitOfWork, trade: Trade, report: ImportReport) -> Imported | None:
    """Write the closed trade; None when it is there already."""
    if work.has_trade(trade.id):
        return None
    work.save_trade(trade, report.hash)
    return Imported(trade.id, "trade", f"{trade.ticker} {trade.trade_type}, {trade.pnl:+,.2f}")


def _words(count: int) -> str:
    if not count:
        return "No position was imported."
    noun = "position" if count == 1 else "positions"
    return f"{count} {noun} imported without a stop: adopt or close {'it' if count == 1 else 'them'}."


def _event(id: str, report: ImportReport) -> Event:
    held = [item.id for item in report.imported if item.what == "position"]
    data = {
        "name": report.name,
        "hash": report.hash,
        "positions": held,
        "trades": len(report.imported) - len(held),
        "skipped": len(report.skipped),
        "words": _words(len(held)),
    }
    severity = Severity.WARNING if held else Severity.INFO
    return Event(id, EventKind.IMPORTED, report.at, report.hash[:12], data, severity)
