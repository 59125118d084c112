"""`wsb check`: the doctor. One line for each part; a part that fails makes the exit code 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bot import app
from bot.config import require_admin
from bot.console.output import emit, say
from bot.console.replay import load_config
from bot.doctor import Finding
from bot.settings import Config
from engine import gateway
from engine.errors import ConfigError, DeskError
from engine.store import Store


def check(path: Path, environment: Mapping[str, str], as_json: bool) -> int:
    """The command; returns the exit code."""
    try:
        config = load_config(path, environment)
    except ConfigError as problem:
        return _tell((Finding("configuration", "fail", str(problem)),), as_json)
    enabled = ", ".join(config.strategies) or "no strategy"
    findings = [Finding("configuration", "ok", f"{path} is valid; {enabled} enabled")]
    for part, look in PARTS.items():
        findings.append(_looked(part, look, config))
    return _tell(tuple(findings), as_json)


def _looked(part: str, look: Callable[[Config], tuple[str, str]], config: Config) -> Finding:
    try:
        state, words = look(config)
    except DeskError as problem:
        return Finding(part, "fail", str(problem))
    return Finding(part, state, words)


def _users(config: Config) -> tuple[str, str]:
    require_admin(config)
    return "ok", ", ".join(f"{user.name} ({user.role})" for user in config.people.users)


def _mode(config: Config) -> tuple[str, str]:
    if config.is_live:
        return "warn", f"LIVE: real money in account {config.alpaca.account}"
    return "ok", f"paper trading at the {config.desk.broker} broker"


def _keys(config: Config) -> tuple[str, str]:
    return "ok", ", ".join(sorted(config.secrets)) or "none set, none needed by this configuration"


def _broker(config: Config) -> tuple[str, str]:
    """The account answers, is the pinned one and may trade options."""
    if config.desk.broker == "paper":
        return "ok", f"paper exchange, {config.risk.account_size:,.2f} dollars, option level 3"
    account = app.alpaca_broker(config).account()
    wrong = gateway.why_wrong(app.mode_of(config), config.alpaca.account, account)
    if wrong:
        return "fail", wrong
    if account.blocked:
        return "fail", f"account {account.number} is blocked by the broker"
    state = "ok" if account.options_level >= 3 else "warn"
    return state, f"account {account.number}, option level {account.options_level}"


def _promotions(config: Config) -> tuple[str, str]:
    """Which strategies may open positions with real money."""
    if not config.is_live:
        return "ok", "none needed: no real money moves"
    with Store.open(config.database.url) as store, store.read() as work:
        live = [name for name in config.strategies if work.promotion(name, config.alpaca.account) is not None]
    kept = ", ".join(name for name in config.strategies if name not in live)
    held_back = f"; on paper only: {kept}" if kept else ""
    return "ok" if live else "warn", f"live: {', '.join(live) or 'no strategy'}{held_back}"


def _data(config: Config) -> tuple[str, str]:
    if not config.data.folder:
        return "fail", "no live data source is configured: `wsb run` cannot start; [data] folder serves `wsb ask`"
    folder = app.open_folder(Path(config.data.folder))
    days = folder.sessions
    return "warn", f"recorded days {days[0]} to {days[-1]} only: no live data source is configured"


def _database(config: Config) -> tuple[str, str]:
    with Store.open(config.database.url) as store:
        return "ok", f"revision {store.revision()}"


PARTS: Mapping[str, Callable[[Config], tuple[str, str]]] = {
    "users": _users,
    "mode": _mode,
    "keys": _keys,
    "broker": _broker,
    "promotions": _promotions,
    "data": _data,
    "database": _database,
}


def _tell(findings: tuple[Finding, ...], as_json: bool) -> int:
    failed = any(finding.state == "fail" for finding in findings)
    if as_json:
        rows = [{"part": f.part, "state": f.state, "words": f.words} for f in findings]
        emit({"ok": not failed, "checks": rows})
    else:
        for finding in findings:
            say(f"{finding.state:<5} {finding.part:<14} {finding.words}")
    return 1 if failed else 0
