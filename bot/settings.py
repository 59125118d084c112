"""The sections of the configuration that belong to the bot, with their defaults and ranges.

`[risk]`, `[approvals]` and `[costs]` are `engine.model.limits`; `[strategies.NAME]` are each strategy's own parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from alerts.rules.thresholds import Thresholds
from bot.people import People
from engine.errors import BadRequest
from engine.model.backups import BackupRules
from engine.model.economy import Economy
from engine.model.instruments import stock
from engine.model.limits import ApprovalRules, Costs, Limits
from engine.model.reports import Report
from engine.model.trade import Strategy
from engine.screening import Filters

Port = Annotated[int, Field(ge=0, le=65_535)]
Snowflake = Annotated[str, Field(pattern=r"^[0-9]{0,20}$")]
Chat = Annotated[str, Field(pattern=r"^(-?[0-9]{1,20}(/[0-9]{1,12})?)?$")]
Destination = Annotated[str, Field(pattern=r"^(web:\S+|discord:[0-9]{1,20}|telegram:-?[0-9]{1,20}(/[0-9]{1,12})?)$")]
Url = Annotated[str, Field(pattern=r"^((https?|wss?)://\S+)?$")]


def _share(text: str) -> str:
    """The one spelling of a ticker."""
    try:
        return stock(text).ticker
    except BadRequest as error:
        raise ValueError(str(error)) from None


Ticker = Annotated[str, AfterValidator(_share)]


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """`[desk]`. Money moves only with mode "live", live keys and `alpaca.account` together."""

    mode: Literal["paper", "live"] = "paper"
    broker: Literal["paper", "alpaca"] = "paper"
    universe: tuple[Ticker, ...] = ()
    """Tickers to scan; empty is everything a recording knows, and on live prices what `[universe]` screens out of
    all that is listed."""


@dataclass(frozen=True, slots=True)
class AlpacaSettings:
    """`[alpaca]`. Empty addresses are Alpaca's own; the keys come from the environment."""

    account: str = ""
    """The account number that live orders are allowed to touch."""
    trading_url: Url = ""
    data_url: Url = ""
    stream_url: Url = ""
    data_stream_url: Url = ""


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """`[discord]`: connected to when DISCORD_TOKEN is set. Ids are Discord's numbers, never names."""

    guild: Snowflake = ""
    """The one server the desk answers in."""
    channel: Snowflake = ""
    """Where cards go that have no channel of their own in `[alerts]`."""
    threads: bool = False
    """Whether a position's later cards go into a thread under its proposal."""
    api_url: Url = ""
    gateway_url: Url = ""


@dataclass(frozen=True, slots=True)
class TelegramSettings:
    """`[telegram]`: connected to when TELEGRAM_TOKEN is set. Chats are Telegram's numbers, groups negative ones."""

    chat: Chat = ""
    """Where cards go that have no channel of their own in `[alerts]`: a chat, or `chat/topic`."""
    groups: tuple[Chat, ...] = ()
    """Further groups in which listed people are answered; private chats always are."""
    max_age: Annotated[int, Field(ge=30, le=3600)] = 60
    """Seconds after which a command that acts is not carried out any more."""
    webhook_url: Url = ""
    """Empty asks Telegram for updates (polling); an https address has them sent there."""
    webhook_port: Port = 8443
    api_url: Url = ""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """`[web]`: the local page. It listens on 127.0.0.1 only."""

    port: Port = 8484
    """0 takes any free port."""


@dataclass(frozen=True, slots=True)
class DataSettings:
    """`[data]`: a folder of recorded days for `wsb ask`, live providers, and their addresses.

    A live provider is asked when it needs no key or its key is in the environment.
    """

    folder: str = ""
    date: str = ""
    """The day of the folder to answer from (YYYY-MM-DD), its last one when empty."""
    source: Literal["", "live", "recorded"] = ""
    """Where prices come from while the desk runs; "recorded" is practice on the days of the folder, or the demo."""
    stock_feed: Literal["", "iex", "delayed_sip", "sip"] = ""
    """Alpaca's feed of share prices; empty is the best the keys give."""
    option_feed: Literal["", "indicative", "opra"] = ""
    """Alpaca's feed of option prices; empty is the best the keys give."""
    yahoo: bool = True
    """Whether Yahoo is asked (unofficial, for personal use; never for the price of an order)."""
    cboe: bool = False
    """Whether Cboe's delayed option quotes are asked (undocumented, for personal use)."""
    stocktwits: bool = False
    universe_size: Annotated[int, Field(ge=1, le=2000)] = 100
    """Most names that are scanned while `[desk] universe` names none."""
    cache: str = ""
    """The folder where answers are kept over restarts; empty is `wallstreetbots` in the user's cache folder."""
    record: str = ""
    """The folder where every snapshot a decision used is recorded; empty records none."""
    start: str = ""
    """The first recorded day of the practice (YYYY-MM-DD), when empty the folder's first (2009-02-03 of the demo's)."""
    speed: Annotated[float, Field(gt=0, le=100_000)] = 1.0
    """Market seconds in one real second of the practice while no card waits."""
    yahoo_url: Url = ""
    massive_url: Url = ""
    alphavantage_url: Url = ""
    finnhub_url: Url = ""
    fmp_url: Url = ""
    cboe_url: Url = ""
    newsapi_url: Url = ""
    stocktwits_url: Url = ""
    treasury_url: Url = ""


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """`[schedule]`: exchange time. Strategies bring their own scan times."""

    tick_minutes: Annotated[int, Field(ge=1, le=60)] = 30
    """How often positions are marked and exits judged when nothing is working."""


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """`[alerts]`: which cards go where. A destination is `discord:CHANNEL`, `telegram:CHAT`, `telegram:CHAT/TOPIC`,
    `web:desk` or `web:NAME`.
    """

    default: tuple[Destination, ...] = ()
    """What has no channel of its own; empty is the channel of every platform that is connected."""
    warning: tuple[Destination, ...] = ()
    """Where warnings and urgent cards go in addition."""
    urgent: tuple[Destination, ...] = ()
    """Where urgent cards go in addition."""
    channels: Mapping[str, tuple[Destination, ...]] = field(default_factory=dict)
    """By topic (`proposals`, `digest`) or kind of event (`filled`); a kind goes before its topic."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """When each alert begins."""

    @property
    def by_key(self) -> tuple[tuple[str, tuple[Destination, ...]], ...]:
        """Every list of destinations with the key it stands under."""
        lists = {name: getattr(self, name) for name in ("default", "warning", "urgent")}
        lists |= {f"channels.{name}": found for name, found in self.channels.items()}
        return tuple((f"alerts.{name}", found) for name, found in lists.items())


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """`[database]`."""

    url: str = "sqlite:///wallstreetbots.db"


@dataclass(frozen=True, slots=True)
class LoggingSettings:
    """`[logging]`: to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """`[metrics]`: what programs that watch the desk are told, at `/metrics`, `/healthz` and `/readyz`."""

    enabled: bool = True
    host: Annotated[str, Field(pattern=r"^[0-9A-Za-z.:-]{1,253}$")] = "127.0.0.1"
    """The address it listens on; another than this machine's own lets others look, who need not log in."""
    port: Port = 9464
    """0 takes any free port; one that is taken is tried again and again, and the desk runs meanwhile."""
    names: tuple[Annotated[str, Field(pattern=r"^[0-9a-z.-]{1,253}$")], ...] = ()
    """Names under which it is asked, beside localhost and addresses: in a container the name of its service."""
    money: Literal["local", "always", "never"] = "local"
    """Whether equity and P&L are shown; "local" only while nobody else can look."""

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine can look."""
        return self.host in {"127.0.0.1", "::1", "localhost"}

    @property
    def shows_money(self) -> bool:
        """Whether dollars are shown."""
        return self.money == "always" or (self.money == "local" and self.is_local)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the desk was told, checked.

    `strategies` and `reports` are the enabled ones with the configured parameters; `secrets` holds what the
    environment gave, by its variable's name.
    """

    desk: DeskSettings = field(default_factory=DeskSettings)
    alpaca: AlpacaSettings = field(default_factory=AlpacaSettings)
    discord: DiscordSettings = field(default_factory=DiscordSettings)
    telegram: TelegramSettings = field(default_factory=TelegramSettings)
    web: WebSettings = field(default_factory=WebSettings)
    data: DataSettings = field(default_factory=DataSettings)
    risk: Limits = field(default_factory=Limits)
    approvals: ApprovalRules = field(default_factory=ApprovalRules)
    costs: Costs = field(default_factory=Costs)
    events: Economy = field(default_factory=Economy)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    universe: Filters = field(default_factory=Filters)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    backup: BackupRules = field(default_factory=BackupRules)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    people: People = field(default_factory=People)
    strategies: Mapping[str, Strategy] = field(default_factory=dict)
    reports: Mapping[str, Report] = field(default_factory=dict)
    secrets: Mapping[str, SecretStr] = field(default_factory=dict)

    @property
    def has_discord(self) -> bool:
        """Whether the desk is in Discord."""
        return self.connects("discord")

    @property
    def has_telegram(self) -> bool:
        """Whether the desk is in Telegram."""
        return self.connects("telegram")

    def connects(self, platform: str) -> bool:
        """Whether a platform is connected to: the page always is, the others where their token is set."""
        return platform == "web" or f"{platform.upper()}_TOKEN" in self.secrets

    @property
    def is_live(self) -> bool:
        """Whether real money may move: the mode says so, the keys are there and the account is pinned."""
        keys = {"ALPACA_API_KEY", "ALPACA_SECRET_KEY"} <= self.secrets.keys()
        return self.desk.mode == "live" and self.desk.broker == "alpaca" and keys and bool(self.alpaca.account)
