"""The desk's own running: scans, settings, the lease, daily equity, IV history, imports, paper journal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from math import inf

from sqlalchemy import bindparam, delete, func, or_, select, type_coerce, update

from engine.codec import dump, load
from engine.errors import DataInvalid, LeaseLost
from engine.model.leadership import Term
from engine.model.market import IvDay, Kind, Source
from engine.model.records import EquityDay, Lease, Setting, StrategyDay
from engine.model.trade import Scan, ScanOutcome
from engine.schema.tables import (
    adoptions,
    alerts,
    approvals,
    envelopes,
    equity_history,
    events,
    imports,
    iv_history,
    lease,
    limit_changes,
    locks,
    paper,
    positions,
    promotions,
    risk_limits,
    runs,
    scans,
    sequences,
    settings,
    strategy_history,
    trades,
    updates,
)
from engine.schema.types import Money
from engine.store.work import Queries

AT_A_TIME = 100
LEASE = "desk"
"""The name of the one lease: who acts for the desk of this database."""
_LAST_SCAN = (
    select(scans.c.body)
    .where(scans.c.strategy == bindparam("strategy_"))
    .order_by(scans.c.asof.desc(), scans.c.id.desc())
    .limit(1)
)
_SCANS = (
    select(scans.c.body)
    .where(scans.c.asof >= bindparam("since_"))
    .where(scans.c.asof < bindparam("until_"))
    .order_by(scans.c.asof, scans.c.id)
)
SETTING = select(settings.c.value).where(settings.c.name == bindparam("name_"))
_NAMED = select(settings.c.name, settings.c.value).where(settings.c.name.in_(bindparam("names_", expanding=True)))
_SETTINGS = select(settings).order_by(settings.c.name)
_EQUITY_COLUMNS = (
    "day", "at", "equity", "cash", "realised", "unrealised", "dividends", "interest", "flows", "fees", "liquidation",
    "rate",
)  # fmt: skip
_EQUITY = (
    select(*(equity_history.c[name] for name in _EQUITY_COLUMNS))
    .order_by(equity_history.c.day.desc())
    .limit(bindparam("limit_"))
)
_STRATEGY_COLUMNS = ("day", "strategy", "realised", "unrealised", "dividends", "fees")
_STRATEGY_DAYS = (
    select(*(strategy_history.c[name] for name in _STRATEGY_COLUMNS))
    .where(strategy_history.c.day >= bindparam("since_"))
    .order_by(strategy_history.c.day, strategy_history.c.strategy)
)
_MARKED = (
    select(func.count())
    .select_from(strategy_history)
    .where(strategy_history.c.strategy == bindparam("strategy_"))
    .where(or_(*(strategy_history.c[name] != Decimal(0) for name in ("realised", "unrealised", "dividends", "fees"))))
)
PEAK_SESSIONS = 260
PEAK = select(func.max(type_coerce(equity_history.c.equity - equity_history.c.flows, Money()))).where(
    equity_history.c.day.in_(
        select(equity_history.c.day).order_by(equity_history.c.day.desc()).limit(bindparam("limit_"))
    )
)
_PEAK_SINCE = PEAK.where(equity_history.c.at > bindparam("since_", type_=equity_history.c.at.type))
_IV = (
    select(iv_history.c.day, iv_history.c.iv, iv_history.c.source, iv_history.c.kind)
    .where(iv_history.c.ticker == bindparam("ticker_"))
    .where(iv_history.c.day < bindparam("before_"))
    .order_by(iv_history.c.day.desc())
    .limit(bindparam("limit_"))
)
IV_KINDS = (Kind.REAL, Kind.RECORDED, Kind.DELAYED, Kind.INDICATIVE, Kind.RECONSTRUCTED)
"""What a stored volatility may be, the most trusted first: a row gives way to one at least as much trusted, only."""
_REPLACE_IV = (
    update(iv_history)
    .where(iv_history.c.ticker == bindparam("ticker_"))
    .where(iv_history.c.day == bindparam("day_"))
    .where(iv_history.c.kind.in_(bindparam("kinds_", expanding=True)))
    .values(iv=bindparam("iv_"), source=bindparam("source_"), kind=bindparam("kind_"))
)
_IV_SEEN = (
    select(iv_history.c.ticker)
    .where(iv_history.c.day == bindparam("day_"))
    .where(iv_history.c.kind != Kind.RECONSTRUCTED.value)
)
_LEASE = select(lease.c.name, lease.c.holder, lease.c.epoch, lease.c.expires).where(lease.c.name == bindparam("name_"))
_TAKE = (
    update(lease)
    .where(lease.c.name == bindparam("name_"))
    .where(or_(lease.c.expires <= bindparam("now_"), lease.c.holder == bindparam("holder_")))
    .values(holder=bindparam("holder_"), epoch=lease.c.epoch + 1, expires=bindparam("until_"))
)
_RENEW = (
    update(lease)
    .where(lease.c.name == bindparam("name_"))
    .where(lease.c.holder == bindparam("holder_"))
    .where(lease.c.epoch == bindparam("epoch_"))
    .values(expires=bindparam("until_"))
)
_FREE = _RENEW.values(holder="")
_NAMED_BY_US = (
    approvals, positions, events, runs, alerts, scans, envelopes, locks, limit_changes, promotions, sequences,
    adoptions, risk_limits, trades,
)  # fmt: skip
"""Tables whose rows have ids of the desk's own making."""
_NEWEST_IDS = tuple(
    select(table.c.id)
    .where(table.c.id > bindparam("first_"))
    .where(table.c.id < bindparam("beyond_"))
    .where(func.length(table.c.id) == bindparam("length_"))
    .order_by(table.c.id.desc())
    .limit(1)
    for table in _NAMED_BY_US
)
_IMPORT = select(imports.c.body).where(imports.c.hash == bindparam("hash_"))
_PAPER = select(paper.c.kind, paper.c.key, paper.c.body).order_by(paper.c.kind, paper.c.key)
_CLEAR_PAPER = delete(paper)


class Operations(Queries):
    """Everything the desk remembers about its own running."""

    __slots__ = ()

    def add_scan(self, scan: Scan) -> None:
        """Keep the result of a scan: its funnel, plans and rejections."""
        self._upsert(scans, {"id": scan.id, "strategy": scan.strategy, "asof": scan.asof, "body": dump(scan)})

    def last_scan(self, strategy: str) -> Scan | None:
        """The strategy's latest scan, None before its first."""
        row = self._row(_LAST_SCAN, {"strategy_": strategy})
        return None if row is None else load(Scan, row[0])

    def scan_outcomes(self, since: datetime, until: datetime) -> tuple[ScanOutcome, ...]:
        """What came of the scans made at or after `since` and before `until`, oldest first.

        Read a few at a time: the steps of every name that are stored beside it fill gigabytes in a year.
        """
        params = {"since_": since, "until_": until}
        rows = self._connection.execute(_SCANS, params, execution_options={"yield_per": AT_A_TIME})
        return tuple(load(ScanOutcome, row[0]) for row in rows)

    def setting(self, name: str) -> str | None:
        """The value of a setting, None when it was never set."""
        row = self._row(SETTING, {"name_": name})
        return None if row is None else str(row[0])

    def settings_named(self, names: Iterable[str]) -> dict[str, str]:
        """The values of those of these settings that were ever set, by name."""
        wanted = tuple(names)
        return {row[0]: row[1] for row in self._rows(_NAMED, {"names_": wanted})} if wanted else {}

    def set_setting(self, name: str, value: str, by: str, at: datetime) -> None:
        """Set a durable setting."""
        self._upsert(settings, {"name": name, "value": value, "set_by": by, "set_at": at})

    def settings(self) -> tuple[Setting, ...]:
        """Every setting with who set it, by name."""
        return tuple(Setting(*row) for row in self._rows(_SETTINGS))

    def first_time(self, source: str, at: datetime | None = None) -> bool:
        """Whether this chat update ("telegram:81723") is seen for the first time; durable, once for each source."""
        return self._insert_new(updates, {"source": source, "seen_at": at})

    def take_lease(self, name: str, holder: str, now: datetime, until: datetime) -> Lease | None:
        """The lease, under a new epoch, if nobody else holds it; None while somebody does."""
        row = {"name": name, "holder": holder, "epoch": 1, "expires": until}
        params = {"name_": name, "holder_": holder, "now_": now, "until_": until}
        if self._insert_new(lease, row) or self._write(_TAKE, params):
            return self.lease(name)
        return None

    def renew_lease(self, name: str, holder: str, epoch: int, until: datetime) -> bool:
        """Whether the holder of this epoch still has it, and now until `until`."""
        return self._write(_RENEW, {"name_": name, "holder_": holder, "epoch_": epoch, "until_": until}) == 1

    def free_lease(self, name: str, holder: str, epoch: int, now: datetime) -> None:
        """Give a lease back that this holder has under this epoch; one that somebody else has stays theirs."""
        self._write(_FREE, {"name_": name, "holder_": holder, "epoch_": epoch, "until_": now})

    def require_term(self, term: Term) -> None:
        """Refuse to go on where another process acts for the desk. `Store.begin` asks it for every transaction.

        Only one transaction writes at a time, so that a lease cannot change hands before this one has committed.

        Raises:
            LeaseLost: the lease has another holder or epoch.
        """
        if not term.is_fenced:
            return
        held = self.lease(LEASE)
        if held is None or (held.holder, held.epoch) != (term.holder, term.epoch):
            raise LeaseLost("Another process acts for this desk now: nothing more is done here.")

    def lease(self, name: str) -> Lease | None:
        """Who holds it (perhaps no longer: see `expires`), None when nobody ever did."""
        row = self._row(_LEASE, {"name_": name})
        return None if row is None else Lease(*row)

    def add_equity(self, day: EquityDay) -> None:
        """Keep the account's numbers of one session; a second writing of the day corrects it."""
        self._upsert(equity_history, {name: getattr(day, name) for name in _EQUITY_COLUMNS})

    def equity_history(self, limit: int = 260) -> tuple[EquityDay, ...]:
        """The last `limit` sessions, oldest first."""
        return tuple(EquityDay(*row) for row in reversed(self._rows(_EQUITY, {"limit_": limit})))

    def add_strategy_day(self, day: StrategyDay) -> None:
        """Keep what a strategy has made up to the end of a session; a second writing of the day corrects it."""
        self._upsert(strategy_history, {name: getattr(day, name) for name in _STRATEGY_COLUMNS})

    def strategy_history(self, since: date) -> tuple[StrategyDay, ...]:
        """What each strategy had made at the end of every session from `since` on, oldest first."""
        return tuple(StrategyDay(*row) for row in self._rows(_STRATEGY_DAYS, {"since_": since}))

    def marked_days(self, strategy: str) -> int:
        """How many sessions have ended since the strategy first made or cost anything."""
        row = self._row(_MARKED, {"strategy_": strategy})
        return 0 if row is None else int(row[0])

    def equity_peak(self, limit: int = PEAK_SESSIONS, since: datetime | None = None) -> Decimal | None:
        """The highest close (after `since`) of the last `limit` sessions, deposits and withdrawals taken out.

        None before the first.
        """
        params = {"limit_": limit}
        row = self._row(PEAK, params) if since is None else self._row(_PEAK_SINCE, {**params, "since_": since})
        return None if row is None else row[0]

    def add_iv(self, ticker: str, seen: IvDay) -> bool:
        """Keep the implied volatility of one session; False where a more trusted one stands already.

        Raises:
            DataInvalid: it is no volatility, or of a kind that is no observation (modelled, proxy).
        """
        name, kind = seen.source.name, seen.source.kind
        if kind not in IV_KINDS or not 0.0 < seen.iv < inf:
            raise DataInvalid(f"{ticker}, {seen.day}: {seen.iv!r} ({kind}) is no volatility that was observed.")
        row = {"ticker": ticker, "day": seen.day, "iv": seen.iv, "source": name, "kind": kind.value}
        weaker = [each.value for each in IV_KINDS[IV_KINDS.index(kind) :]]
        return self._insert_new(iv_history, row) or bool(
            self._write(_REPLACE_IV, {f"{key}_": value for key, value in row.items()} | {"kinds_": weaker})
        )

    def iv_history(self, ticker: str, before: date, limit: int = 252) -> tuple[IvDay, ...]:
        """The last `limit` implied volatilities of sessions before `before`, oldest first."""
        rows = self._rows(_IV, {"ticker_": ticker, "before_": before, "limit_": limit})
        return tuple(IvDay(day, float(iv), Source(source, Kind(kind))) for day, iv, source, kind in reversed(rows))

    def iv_seen(self, day: date) -> frozenset[str]:
        """The tickers whose volatility of `day` was seen, not reconstructed."""
        return frozenset(row[0] for row in self._rows(_IV_SEEN, {"day_": day}))

    def newest_id(self, prefix: str, width: int) -> str:
        """The highest id of this letter and so many digits that anything has; "" where nothing has."""
        params = {"first_": prefix, "beyond_": chr(ord(prefix) + 1), "length_": 1 + width}
        found = (self._row(statement, params) for statement in _NEWEST_IDS)
        return max((str(row[0]) for row in found if row is not None), default="")

    def find_import(self, content_hash: str) -> str | None:
        """The stored report of an import of this very content, None when it was never imported."""
        row = self._row(_IMPORT, {"hash_": content_hash})
        return None if row is None else str(row[0])

    def add_import(self, content_hash: str, name: str, at: datetime, report: str) -> None:
        """Remember what an import did."""
        self._insert_new(imports, {"hash": content_hash, "name": name, "at": at, "body": report})

    def paper_rows(self) -> tuple[tuple[str, str, str], ...]:
        """The paper exchange's journal: (kind, key, body), by kind and key."""
        return tuple((row[0], row[1], row[2]) for row in self._rows(_PAPER))

    def write_paper(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Write journal rows, each over the one of the same kind and key."""
        for kind, key, body in rows:
            self._upsert(paper, {"kind": kind, "key": key, "body": body})

    def clear_paper(self) -> None:
        """Forget the paper exchange's journal (a new paper account)."""
        self._write(_CLEAR_PAPER)
