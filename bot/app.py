"""The composition root: the one place that reads the clock, makes ids and chooses adapters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alerts.jobs import Job
from alerts.runner import Runner as JobRunner
from alerts.scheduler import Scheduler
from bot import parts
from bot.absent import AbsentMarket
from bot.bulkheads import inline
from bot.channels import chats_of
from bot.command import Room, Runner
from bot.jobs import Heart, desk_jobs
from bot.loops import BOOKING, Desks, works
from bot.people import People
from bot.platforms.base import Front
from bot.runtime import Runtime, Step, Troubles
from bot.serve import Feed
from bot.settings import Config
from engine import activities, backup, restore
from engine.abilities import AbilityMemory
from engine.brokers.alpaca_stream import TradeStream
from engine.brokers.paper import PaperBroker
from engine.data.beforehand import Beforehand
from engine.data.budget import Urgency, asking
from engine.data.demo import demo_folder
from engine.data.folder import RecordedFolder
from engine.data.live import LiveMarket
from engine.data.recorder import Recorder
from engine.data.recording_market import RecordingMarket
from engine.data.replay import ReplayMarket
from engine.desk import Desk, Mode
from engine.errors import ConfigError
from engine.model.backups import BackupRules
from engine.model.book import Posting, PostingKind
from engine.model.economy import Economy
from engine.model.limits import ApprovalRules, Costs, Limits
from engine.model.reports import Report
from engine.model.trade import Strategy, Unknown
from engine.ports import Broker, MarketData, PastTrades, SourceState
from engine.schema import REVISIONS
from engine.sessions import Sessions
from engine.store import Store
from engine.transport import Timeouts
from strategies import REPORTS

if TYPE_CHECKING:
    from engine.brokers.alpaca import AlpacaBroker

QUICK = (2.0, 5.0, 5.0)
"""Seconds to connect to the broker, to wait for an answer and to repeat a read, where a stop may be waiting."""

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
Folder = RecordedFolder
"""Recorded days, as every replay takes them."""

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def system_clock() -> datetime:
    """The time now, aware UTC."""
    return datetime.now(UTC)


class ReplayClock:
    """A clock that shows what it was set to and never goes back."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def __call__(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        """Move on to `now`; an earlier time is ignored."""
        self._now = max(self._now, now)


class CountedIds:
    """`A00001`, `A00002`, `E00000001` ...: the same run gives the same ids.

    `generation` counts the runs that wrote to the same database before, so that no id comes twice.
    """

    def __init__(self, generation: int = 0) -> None:
        self._generation = str(generation) if generation else ""
        self._counters: dict[str, count[int]] = {}
        self._lock = threading.Lock()

    def __call__(self, prefix: str) -> str:
        with self._lock:
            number = next(self._counters.setdefault(prefix, count(1)))
        width = 8 if prefix == "E" else 5
        return f"{prefix}{self._generation}{number:0{width}d}"


class TimedIds:
    """Ids that sort by the time they were made: `P0K3ZQ4M`, one alphabet digit for five bits.

    Events count milliseconds, everything else tenths of a second; a burst of them runs ahead of the clock. They never
    repeat: within one process they are counted, and with every lease that it takes it goes on after the newest that
    the `store` knows. Books that were restored have ids `after` all that were given.
    """

    def __init__(self, now: Callable[[], datetime], store: Store, after: datetime | None = None) -> None:
        self._now = now
        self._store = store
        self._after = after or EPOCH
        self._last: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        """By prefix, under which lease the store was asked."""
        self._lock = threading.Lock()

    def __call__(self, prefix: str) -> str:
        unit, width = (1, 8) if prefix == "E" else (100, 7)
        with self._lock:
            epoch = self._store.term.epoch
            if self._epochs.get(prefix) != epoch:
                self._last[prefix] = max(self._newest(prefix, width), self._last.get(prefix, 0))
                self._epochs[prefix] = epoch
            ticks = int((max(self._now(), self._after) - EPOCH).total_seconds() * 1000) // unit
            self._last[prefix] = max(ticks, self._last[prefix] + 1)
            return prefix + _base32(self._last[prefix], width)

    def _newest(self, prefix: str, width: int) -> int:
        """The number of the newest id in the store, 0 where there is none of this form."""
        with self._store.read() as work:
            digits = work.newest_id(prefix, width).removeprefix(prefix)
        number = 0
        for digit in digits:
            number = number * 32 + CROCKFORD.index(digit)
        return number


def _base32(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(CROCKFORD[digit])
    return "".join(reversed(digits))


@dataclass(frozen=True, slots=True)
class ReplayDesk:
    """A desk on recorded days, with the clock and the exchange that the day loop moves."""

    desk: Desk
    clock: ReplayClock
    market: ReplayMarket
    broker: PaperBroker


@dataclass(frozen=True, slots=True)
class Settings:
    """What of the configuration a desk needs; the defaults are the product's."""

    limits: Limits = field(default_factory=Limits)
    rules: ApprovalRules = field(default_factory=ApprovalRules)
    costs: Costs = field(default_factory=Costs)
    universe: tuple[str, ...] = ()
    economy: Economy = field(default_factory=Economy)
    reports: Mapping[str, Report] = field(default_factory=lambda: REPORTS)


def settings_of(config: Config) -> Settings:
    """The part of the configuration that every desk shares."""
    return Settings(config.risk, config.approvals, config.costs, config.desk.universe, config.events, config.reports)


def build_practice_desk(config: Config, folder: Folder, start: datetime, store: Store) -> ReplayDesk:
    """A replay desk whose clock stands at `start` and whose ids never come twice, however often it is started."""
    day = Sessions().today(start)
    made = build_replay_desk(folder, day, config.strategies, store, settings_of(config))
    made.clock.set(start)
    return replace(made, desk=replace(made.desk, new_id=TimedIds(system_clock, store)))


def build_replay_desk(
    folder: Folder,
    start: date,
    strategies: Mapping[str, Strategy],
    store: Store,
    settings: Settings | None = None,
    at: datetime | None = None,
) -> ReplayDesk:
    """A desk at the opening bell of `start` (or the next session), or `at` an instant, with the paper exchange on
    recorded prices.

    With a store that has a history the account, its orders and the ids go on where they ended.
    """
    chosen = settings or Settings()
    sessions = Sessions()
    clock = ReplayClock(at or sessions.open(sessions.upcoming(start, 1)[0]))
    market = ReplayMarket(folder, clock, sessions, chosen.universe)
    journal = store.paper_journal()
    broker = PaperBroker(market, clock, sessions, chosen.costs, chosen.limits.account_size, journal, market)
    desk = Desk(
        store=store,
        market=market,
        broker=broker,
        now=clock,
        new_id=CountedIds(_next_generation(store, clock())),
        sessions=sessions,
        strategies=strategies,
        limits=chosen.limits,
        rules=chosen.rules,
        costs=chosen.costs,
        mode=Mode.REPLAY,
        unknown=Unknown.SKIP,
        universe=chosen.universe,
        economy=chosen.economy,
        reports=chosen.reports,
    )
    open_books(desk, chosen.limits.account_size)
    return ReplayDesk(desk, clock, market, broker)


def build_recorded_desk(config: Config, folder: Folder, at: datetime, store: Store) -> ReplayDesk:
    """The desk of the configuration at an instant at which live prices were recorded.

    The recording holds all that was known then: an unknown input rejects, as it did. Of the configured names those
    that were asked about that day are there. Nothing is held, and the account is one of the configured size.
    """
    day = Sessions().today(at)
    asked = folder.recordings.tickers(day)
    names = tuple(ticker for ticker in config.desk.universe if ticker in asked)
    settings = replace(settings_of(config), universe=())
    made = build_replay_desk(folder, day, config.strategies, store, settings, at)
    desk = replace(made.desk, mode=mode_of(config), unknown=Unknown.REJECT, universe=names)
    return replace(made, desk=desk)


def _next_generation(store: Store, now: datetime) -> int:
    with store.begin() as work:
        generation = int(work.setting("generation") or -1) + 1
        work.set_setting("generation", str(generation), "desk", now)
    return generation


def open_books(desk: Desk, cash: Decimal | None) -> None:
    """Post the opening balance once, and write down which strategies there are.

    None where the account is at a broker: its own cash is the opening balance, posted when it is first asked for it.
    """
    now = desk.now()
    with desk.store.begin() as work:
        if cash is not None:
            work.add_postings((Posting(activities.START, PostingKind.START, now, cash),))
        for name, strategy in desk.strategies.items():
            work.know_strategy(name, strategy.risk_level, now)


def build_desk(
    config: Config, store: Store, source: MarketData | None = None, clock: Callable[[], datetime] = system_clock
) -> Desk:
    """The desk of the configuration; without a `source` of live data its market knows nothing and says so.

    A source that tells closes, dividends and splits too is believed by the exchange inside this program.
    """
    sessions = Sessions()
    market = source or AbsentMarket()
    broker = _broker(config, market, sessions, store, clock)
    desk = Desk(
        store=store,
        market=market,
        broker=broker,
        now=clock,
        new_id=TimedIds(clock, store, restore.ids_after(store)),
        sessions=sessions,
        strategies=config.strategies,
        limits=config.risk,
        rules=config.approvals,
        costs=config.costs,
        mode=mode_of(config),
        universe=config.desk.universe,
        economy=config.events,
        reports=config.reports,
        account=config.alpaca.account if config.desk.broker == "alpaca" else "",
    )
    open_books(desk, config.risk.account_size if config.desk.broker == "paper" else None)
    return desk


def mode_of(config: Config) -> Mode:
    """Live only where the configuration is live in every part."""
    return Mode.LIVE if config.is_live else Mode.PAPER


def _broker(
    config: Config, market: MarketData, sessions: Sessions, store: Store, clock: Callable[[], datetime]
) -> Broker:
    if config.desk.broker == "paper":
        cash = config.risk.account_size
        actions = market if isinstance(market, LiveMarket) else None
        return PaperBroker(market, clock, sessions, config.costs, cash, store.paper_journal(), actions)
    return alpaca_broker(config, store)


def sessions_of(config: Config, desk: Desk) -> Desks:
    """The desk through a broker session for each kind of work; the exchange inside this program has one for all.

    The watch over exits waits for nothing but the quotes of a live market.
    """
    watched = Beforehand(desk.market) if isinstance(desk.market, LiveMarket) else desk.market
    if config.desk.broker == "paper":
        return Desks(desk, replace(desk, market=watched), desk, desk, desk)

    def quick() -> Desk:
        return replace(desk, broker=protecting_broker(config, desk.store))

    books, exits = replace(desk, broker=alpaca_broker(config, desk.store)), replace(quick(), market=watched)
    return Desks(entries=desk, exits=exits, exit_orders=quick(), protecting=quick(), books=books)


def build_recorder(config: Config) -> Recorder | None:
    """What writes down the prices that decisions are made of, begun; None where `[data] record` names no folder.

    Raises:
        ConfigError: the folder cannot be made.
    """
    if not config.data.record:
        return None
    recorder = Recorder(Path(config.data.record))
    recorder.start()
    return recorder


@contextmanager
def recording(
    folder: Path, market: MarketData, clock: Callable[[], datetime] = system_clock
) -> Iterator[tuple[MarketData, Recorder]]:
    """The market with everything it answers inside written to `folder`, at every flush and at the end.

    Raises:
        ConfigError: the folder cannot be made.
    """
    recorder = Recorder(folder)
    yield RecordingMarket(market, recorder, clock), recorder
    recorder.flush()


def recorded(desks: Desks, recorder: Recorder) -> Desks:
    """The same, what scans and people see written down; the watch over exits, every second, is not."""

    def seen(desk: Desk) -> Desk:
        return replace(desk, market=RecordingMarket(desk.market, recorder, desk.now))

    return replace(desks, entries=seen(desks.entries), protecting=seen(desks.protecting))


def build_runtime(desks: Desks, past: PastTrades | None = None, upkeep: tuple[Step, ...] = ()) -> Runtime:
    """The loops of a live desk, not started yet; the exchange inside this program moves with the exits.

    `past` knows what options traded at before: the volatility of the year is computed from it. `upkeep` are the steps
    that keep the data.
    """
    broker = desks.exits.broker
    exchange = (("exchange", broker.advance),) if isinstance(broker, PaperBroker) else ()
    return Runtime(desks.books, works(desks, exchange, past, lambda: asking(Urgency.BACKGROUND), upkeep))


def build_scheduler(desks: Desks, runtime: Runtime, more: tuple[Job, ...] = ()) -> Scheduler:
    """What runs the jobs of a live desk, and `more`, not started yet; it also looks whether the loops still do."""
    troubles = Troubles(desks.books)
    listed = desk_jobs(desks, more=more, quietly=lambda: asking(Urgency.BACKGROUND))
    return Scheduler(JobRunner(desks.books, listed, troubles.tell), Heart(runtime, troubles))


def build_feeds(config: Config, runtime: Runtime, desks: Desks) -> tuple[Feed, ...]:
    """What wakes the loops from outside: Alpaca's stream of order updates, where orders go there.

    Raises:
        ConfigError: the stream's address belongs to the other kind of account.
    """
    if config.desk.broker == "paper":
        return ()
    key, secret = _alpaca_keys(config)
    stream = TradeStream(
        key,
        secret,
        lambda: runtime.wake(*BOOKING),
        np.random.default_rng(),
        paper=not config.is_live,
        url_override=config.alpaca.stream_url or None,
        connected=desks.reconnected.set,
    )
    return (stream,)


def sources_of(market: MarketData) -> Callable[[], tuple[SourceState, ...]]:
    """How the providers of a live market do."""
    return market.sources if isinstance(market, LiveMarket) else tuple


def market_feeds(market: MarketData) -> tuple[Feed, ...]:
    """What listens for the providers of a live market."""
    return market.streams if isinstance(market, LiveMarket) else ()


def build_live_room(config: Config, desks: Desks, runtime: Runtime, run: Runner) -> Room:
    """The room of a live desk: what protects has a session of its own, /health knows the loops."""
    return Room(
        desks.entries,
        config.people,
        run,
        lambda: live_banner(config),
        protecting=desks.protecting,
        max_age=float(config.telegram.max_age),
        parts=lambda: parts.loops(runtime),
        unhurried=lambda: asking(Urgency.BACKGROUND),
    )


def build_fronts(config: Config, room: Room, say: Callable[[str], None]) -> tuple[Front, ...]:
    """Every platform the configuration connects to; `say` tells whoever started the desk how people get in."""
    # A desk without one of them should not pay for it: each library takes tens of megabytes.
    fronts: list[Front] = []
    if any(identity.startswith("web:") for identity in config.people.by_identity):
        from bot.platforms.web_front import WebFront

        fronts.append(WebFront(room, config.web.port, say))
    if config.has_discord:
        from bot.platforms.discord_app import DiscordApp

        token = config.secrets["DISCORD_TOKEN"].get_secret_value()
        fronts.append(DiscordApp(room, config.discord, token, chats_of(config, "discord")))
    if config.has_telegram:
        from bot.platforms.telegram_app import TelegramApp

        token = config.secrets["TELEGRAM_TOKEN"].get_secret_value()
        fronts.append(TelegramApp(room, config.telegram, token, chats_of(config, "telegram")))
    return tuple(fronts)


def alpaca_broker(config: Config, store: Store | None = None) -> Broker:
    """Alpaca with the keys of the environment: the paper account unless the configuration is live in every part.

    `store` remembers what it was found to take.

    Raises:
        ConfigError: a key is missing, or the address belongs to the other kind of account.
    """
    return _alpaca(config, store)


def alpaca_clock(config: Config) -> datetime:
    """The time at Alpaca, aware UTC.

    Raises:
        BrokerUnavailable: it does not answer.
    """
    return _alpaca(config, None, QUICK).clock()


def protecting_broker(config: Config, store: Store) -> Broker:
    """The same for what protects: it does not wait long for an answer, for another stop may be behind it."""
    return _alpaca(config, store, QUICK)


def _alpaca(config: Config, store: Store | None, seconds: tuple[float, float, float] | None = None) -> AlpacaBroker:
    # alpaca-py takes seconds and 60 MB to import: a desk on the paper exchange never needs it.
    from engine.brokers.alpaca import AlpacaBroker

    key, secret = _alpaca_keys(config)
    kind = "alpaca-live" if config.is_live else "alpaca-paper"
    memory = AbilityMemory(store, system_clock, kind) if store is not None else None
    url = config.alpaca.trading_url or None
    timeouts = None if seconds is None else Timeouts(*seconds)
    return AlpacaBroker(key, secret, paper=not config.is_live, url_override=url, memory=memory, timeouts=timeouts)


def _alpaca_keys(config: Config) -> tuple[str, str]:
    values = [config.secrets.get(name) for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")]
    key, secret = (value.get_secret_value() if value is not None else "" for value in values)
    return key, secret


def replay_banner(desk: Desk, label: str) -> Callable[[], str]:
    """`REPLAY 2019-03-04, recorded prices`: on every card, so that nobody takes it for today."""
    return lambda: f"{label} {desk.today.isoformat()}, recorded prices"


def live_banner(config: Config) -> str:
    """`PAPER`, or `LIVE` with the account that real money is in."""
    return f"LIVE {config.alpaca.account}" if config.is_live else "PAPER"


def build_room(desk: Desk, people: People, banner: Callable[[], str], run: Runner = inline) -> Room:
    """The room in which commands about `desk` are given."""
    return Room(desk, people, run, banner)


def open_store(url: str | None, rules: BackupRules | None = None) -> Store:
    """The durable store at `url`, brought to this program's revision; a store in memory for None.

    Raises:
        BackupFailed: it has to be upgraded and cannot be backed up before: nothing was changed.
        ConfigError: it has to be upgraded and another process runs the desk on it, or it is newer than this program.
    """
    if url is None:
        return Store.memory()
    backup.bring_up(url, rules or BackupRules(), system_clock())
    return Store.open(url)


def waiting_store(url: str, rules: BackupRules) -> Store:
    """The store of a process that stands by: an older database stays as it is, for another may run the desk on it.

    Raises:
        ConfigError: it is newer than this program.
    """
    is_older = Store.revision_at(url) in REVISIONS[:-1]
    return Store.as_it_is(url) if is_older else open_store(url, rules)


def kept_store(url: str) -> Store:
    """The store at `url` as it is, to read what it knows; one in memory where none was made yet."""
    try:
        return Store.open(url)
    except ConfigError:
        return Store.memory()


def demo_prices() -> Folder:
    """The real daily prices that come with the package `bokeh-sampledata`."""
    return demo_folder()


def open_folder(path: Path) -> Folder:
    """The recorded days in the folder at `path`."""
    return RecordedFolder.open(path)
