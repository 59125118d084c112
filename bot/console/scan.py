"""`wsb scan`: one strategy over recorded data, with sizes and the funnel; nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from bot import app, sources
from bot.cards.scans import scan_card
from bot.console.output import emit, note, say
from bot.console.replay import chosen, load_config
from bot.message import as_text
from bot.parse import nearest
from bot.settings import Config
from bot.summary import amount
from bot.timetable import timetable
from engine import scanning
from engine.errors import BadRequest, ConfigError, NotFound
from engine.model.instruments import Option, stock
from engine.model.legs import ExitPlan, Leg
from engine.model.market import Greeks
from engine.model.orders import intent
from engine.model.trade import Scan, TradePlan
from engine.sessions import Sessions
from engine.store import Store

Json = dict[str, object]

NO_SOURCE = (
    "No live data source is configured, so there is nothing to scan: "
    'name recorded days with --data DIR (and --date YYYY-MM-DD), or set [data] source = "live".'
)


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What the command line said."""

    strategy: str
    tickers: tuple[str, ...] = ()
    data: Path | None = None
    day: date | None = None
    config: Path | None = None
    at: str = ""
    """An instant of a recording of live prices; "" is its last one."""


def scan(said: ScanOptions, environment: Mapping[str, str], as_json: bool) -> int:
    """The command; returns the exit code.

    Raises:
        ConfigError: there is no data source.
    """
    config = load_config(said.config, environment)
    if said.strategy in config.reports:
        raise BadRequest(config.reports[said.strategy].words)
    config = replace(config, strategies=chosen(config, (said.strategy,)))
    path = said.data or (Path(config.data.folder) if config.data.folder else None)
    if path is None and config.data.source == "live":
        return _live(config, said, as_json)
    if path is None:
        raise ConfigError(NO_SOURCE)
    folder = app.open_folder(path)
    day = said.day or folder.last_day
    folder.check_day(day)
    if said.at or day in folder.recordings.days:
        made = app.build_recorded_desk(config, folder, _instant(folder, said, day), Store.memory())
    else:
        made = app.build_replay_desk(folder, day, config.strategies, Store.memory(), app.settings_of(config))
        _move_to_scan(made, said.strategy, day)
    result = scanning.preview(made.desk, said.strategy, _checked(made, said.tickers) or None)
    _tell(result, app.replay_banner(made.desk, "REPLAY")(), as_json)
    return 0


def _live(config: Config, said: ScanOptions, as_json: bool) -> int:
    """The scan at the prices of now, of the named tickers or the configured universe."""
    with app.kept_store(config.database.url) as kept, Store.memory() as store:
        data = sources.build_live_data(config, kept, app.system_clock)
        market = data.market
        try:
            tickers = tuple(stock(ticker).ticker for ticker in said.tickers)
            if not tickers:
                data.choose()
                note(f"Universe: {data.words}.")
            result = scanning.preview(app.build_desk(config, store, market), said.strategy, tickers or None)
        finally:
            market.close()
    _tell(result, app.live_banner(config), as_json)
    return 0


def _tell(result: Scan, banner: str, as_json: bool) -> None:
    if as_json:
        emit(scan_json(result))
    else:
        say(as_text(scan_card(result, banner)))


def _instant(folder: app.Folder, said: ScanOptions, day: date) -> datetime:
    """The instant of `--at`, or the last one recorded on `day`.

    Raises:
        BadRequest: it is no time, or no live prices were recorded by then.
    """
    sessions = Sessions()
    at = _spoken(said.at, day, sessions) if said.at else folder.recordings.last_instant(day)
    recorded = sessions.today(at) if at is not None else day
    if at is None or recorded not in folder.recordings.days:
        raise BadRequest(f"--at: no live prices were recorded on {recorded} in {folder.name}.")
    return at


def _spoken(text: str, day: date, sessions: Sessions) -> datetime:
    """`10:05`, `10:05:30.25` (New York, on `day`) or `2026-11-27T10:05:30-05:00`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return sessions.at(day, text)
    if at.tzinfo is None:
        raise BadRequest(f"--at {text} has no time zone: write a New York time such as 10:05, or add one (+00:00).")
    return at.astimezone(UTC)


def _move_to_scan(made: app.ReplayDesk, strategy: str, day: date) -> None:
    """The strategy's first scan time of `day`.

    Raises:
        BadRequest: the market was closed that day.
    """
    desk = made.desk
    if not desk.sessions.is_session(day):
        raise BadRequest(f"{day} is not a trading session; the next is {desk.sessions.next(day)}.")
    moments = timetable(desk.sessions, day, desk.strategies, tick_minutes=30)
    made.clock.set(next(moment.at for moment in moments if strategy in moment.scans))
    made.broker.advance()


def _checked(made: app.ReplayDesk, tickers: tuple[str, ...]) -> tuple[str, ...]:
    known = made.market.universe()
    for ticker in tickers:
        if stock(ticker).ticker not in known:
            raise NotFound(f"“{ticker}” has no data on {made.desk.today}.{nearest(ticker, known)}")
    return tuple(stock(ticker).ticker for ticker in tickers)


def scan_json(result: Scan) -> Json:
    """The scan with the keys of the interface."""
    return {
        "asof": result.asof.isoformat(),
        "strategy": result.strategy,
        "universe": result.universe,
        "funnel": [
            {"rule": line.rule, "limit": line.limit, "removed": line.removed, "left": line.left}
            for line in result.funnel
        ],
        "not_checked": list(result.not_checked),
        "signals": [plan_json(plan) for plan in result.plans],
        "rejected": [
            {"ticker": row.ticker, "rule": row.rule, "value": row.value, "limit": row.limit} for row in result.rejected
        ],
    }


def plan_json(plan: TradePlan) -> Json:
    """One sized signal; money as text, unlimited as null."""
    signal, outlook = plan.signal, plan.signal.outlook
    return {
        "ticker": signal.ticker,
        "legs": [leg_json(leg, plan.quantity) for leg in signal.legs],
        "limit": amount(signal.limit),
        "quantity": plan.quantity,
        "max_loss": _maybe(plan.max_loss),
        "max_gain": _maybe(plan.max_gain),
        "breakevens": [amount(level) for level in outlook.breakevens],
        "pop": None if outlook.pop is None else round(outlook.pop, 4),
        "pop_method": outlook.pop_method,
        "greeks": _greeks(outlook.greeks),
        "collateral": amount(plan.collateral),
        "fees": amount(plan.fees),
        "reasons": list(signal.reasons),
        "against": list(signal.against),
        "exit_plan": _exits(signal.exits),
        "data": signal.data,
    }


def leg_json(leg: Leg, units: int) -> Json:
    """One leg with its contract spelled out; `quantity` is signed contracts or shares."""
    what = leg.instrument
    body: Json = {"symbol": what.symbol, "quantity": leg.ratio * units, "intent": intent(leg, opening=True).value}
    if isinstance(what, Option):
        body |= {
            "expiry": what.expiry.isoformat(),
            "strike": amount(what.strike),
            "right": "call" if what.right == "C" else "put",
        }
    return body


def _maybe(value: Decimal | None) -> str | None:
    return None if value is None else amount(value)


def _greeks(greeks: Greeks | None) -> Json | None:
    if greeks is None:
        return None
    return {name: round(getattr(greeks, name), 4) for name in ("delta", "gamma", "theta", "vega", "rho")}


def _exits(plan: ExitPlan) -> Json:
    return {
        "target": _maybe(plan.target),
        "stop": _maybe(plan.stop),
        "stop_spot": _maybe(plan.stop_spot),
        "close_on": plan.close_on.isoformat() if plan.close_on else None,
        "words": list(plan.words),
    }
