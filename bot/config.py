"""The configuration: a TOML file under the environment, checked key by key before the desk opens.

Order of precedence, last wins: defaults, file, environment. Secrets come from the environment or a file it names
(`ALPACA_API_KEY`, `ALPACA_API_KEY_FILE`), never from the TOML file.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import SecretStr, TypeAdapter, ValidationError

from alerts.routes import TOPICS, Topic
from bot.people import People, Role, User
from bot.settings import Config
from engine.errors import ConfigError
from engine.model.events import EventKind
from engine.model.limits import COUNTS, FRACTIONS, ApprovalRules, Costs, Limits
from engine.model.reports import Report
from engine.model.trade import Strategy
from strategies import configured, configured_reports

T = TypeVar("T")
Table = dict[str, Any]

SECRETS = (
    "ALPACA_API_KEY",
    "ALPACA_SECRET_KEY",
    "DISCORD_TOKEN",
    "TELEGRAM_TOKEN",
    "POLYGON_API_KEY",
    "ALPHA_VANTAGE_API_KEY",
    "FINNHUB_API_KEY",
    "FMP_API_KEY",
    "NEWSAPI_API_KEY",
)
VARIABLES = {
    "DATABASE_URL": ("database.url",),
    "MAX_POSITION_RISK": ("risk.max_position_risk",),
    "MAX_TOTAL_RISK": ("risk.max_total_risk",),
    "ACCOUNT_SIZE": ("risk.account_size",),
    "DEFAULT_COMMISSION": ("costs.option_commission", "costs.stock_commission"),
    "DEFAULT_SLIPPAGE": ("costs.slippage",),
    "ALPACA_TRADING_URL": ("alpaca.trading_url",),
    "ALPACA_DATA_URL": ("alpaca.data_url",),
    "ALPACA_STREAM_URL": ("alpaca.stream_url",),
    "ALPACA_DATA_STREAM_URL": ("alpaca.data_stream_url",),
    "DISCORD_API_URL": ("discord.api_url",),
    "DISCORD_GATEWAY_URL": ("discord.gateway_url",),
    "TELEGRAM_API_URL": ("telegram.api_url",),
    "YAHOO_URL": ("data.yahoo_url",),
}
"""Environment variable -> the keys it sets. Every other key is `WSB__SECTION__KEY`."""
PREFIX = "WSB__"
IDENTITY = re.compile(r"(web|cli):\S+|(discord|discord-role|telegram):[0-9]{1,20}")
SECTIONS = {item.name for item in fields(Config)} - {"people", "secrets", "strategies", "reports"}


def load(path: Path | None, environment: Mapping[str, str]) -> Config:
    """The configuration of the file at `path` (None: defaults) under `environment`.

    Raises:
        ConfigError: the message names the key, its value and what was expected.
    """
    tables = _read(path)
    for key, value in _from_environment(environment):
        _put(tables, key, value)
    users = tables.pop("users", [])
    wanted = tables.pop("strategies", {})
    unknown = sorted(tables.keys() - SECTIONS)
    if unknown:
        raise ConfigError(f"Unknown section [{unknown[0]}]{_nearest(unknown[0], (*SECTIONS, 'users', 'strategies'))}.")
    strategies, reports = _strategies(wanted)
    config = Config(
        **{
            item.name: _section(item.name, item.default_factory, tables) for item in fields(Config) if _is_section(item)
        },
        people=_people(users),
        strategies=strategies,
        reports=reports,
        secrets=_secrets(environment),
    )
    return _checked(config)


def _is_section(item: Any) -> bool:
    return item.name in SECTIONS


def _read(path: Path | None) -> Table:
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            return tomllib.load(file, parse_float=Decimal)
    except OSError as error:
        raise ConfigError(f"Cannot read the configuration file {path}: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def _from_environment(environment: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for name, value in sorted(environment.items()):
        if name.startswith(PREFIX):
            yield ".".join(part.lower() for part in name.removeprefix(PREFIX).split("__")), value
    for name, keys in VARIABLES.items():
        if environment.get(name):
            yield from ((key, environment[name]) for key in keys)


def _put(tables: Table, key: str, value: str) -> None:
    *path, last = key.split(".")
    if not path or not last:
        raise ConfigError(f"{PREFIX}{key.upper()} names no section and key: expected {PREFIX}SECTION__KEY.")
    table = tables
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{key} cannot be set: {part} is not a section.")
    table[last] = value


def _nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean x?)`, or nothing when no known word is near."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def _section(name: str, kind: Any, tables: Table) -> Any:
    value = tables.get(name, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{name} = {value!r} should be a section: [{name}].")
    return typed(name, kind, value)


def typed(section: str, kind: type[T], table: Table) -> T:
    """`table` as the dataclass `kind`; missing keys keep their defaults.

    Raises:
        ConfigError: an unknown key (the nearest is named), a wrong type or a value out of range.
    """
    names = {item.name for item in fields(cast("Any", kind))}
    for key in table:
        if key not in names:
            raise ConfigError(_unknown_key(section, key, names))
    prepared = {key: _inner(section, kind, key, _split(kind, key, value)) for key, value in table.items()}
    try:
        return TypeAdapter(kind).validate_python(prepared)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([section, *(str(part) for part in first["loc"])])
        raise ConfigError(f"{key} = {_shown(first['input'])}: {_expectation(first['msg'])}.") from error
    except (ConfigError, ValueError) as error:
        raise ConfigError(f"[{section}] {error}") from error


def _unknown_key(section: str, key: str, names: Iterable[str]) -> str:
    if key.upper() in SECRETS or f"{section}_{key}".upper() in SECRETS:
        secret = key.upper() if key.upper() in SECRETS else f"{section}_{key}".upper()
        return f"{section}.{key} is a secret: put it in the environment as {secret} or {secret}_FILE, not in the file."
    return f"Unknown key {section}.{key}{_nearest(key, names)}."


def _split(kind: object, key: str, value: object) -> object:
    """A list from the environment arrives as words separated by commas."""
    annotation = next(str(item.type) for item in fields(cast("Any", kind)) if item.name == key)
    if isinstance(value, str) and annotation.startswith("tuple"):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _inner(section: str, kind: object, key: str, value: object) -> object:
    """A table inside a section is checked as a section is."""
    made: Any = next(item.default_factory for item in fields(cast("Any", kind)) if item.name == key)
    is_table = isinstance(made, type) and is_dataclass(made) and isinstance(value, dict)
    return typed(f"{section}.{key}", made, cast("Table", value)) if is_table else value


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _expectation(message: str) -> str:
    return message[:1].lower() + message[1:]


def _people(users: object) -> People:
    if not isinstance(users, list):
        raise ConfigError("users should be a list of [[users]] tables with name, role and ids.")
    people = People(tuple(_user(row, table) for row, table in enumerate(users, start=1)))
    names = [user.name for user in people.users]
    identities = [identity for user in people.users for identity in user.ids]
    for words, what in ((names, "name"), (identities, "id")):
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            raise ConfigError(f"users: the {what} “{twice[0]}” is given twice; one person has one name.")
    return people


def _user(row: int, table: object) -> User:
    where = f"users[{row}]"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} should be a table with name, role and ids.")
    for key in table:
        if key not in {"name", "role", "ids"}:
            raise ConfigError(f"Unknown key {where}.{key}{_nearest(key, ('name', 'role', 'ids'))}.")
    name, role, ids = table.get("name"), table.get("role"), table.get("ids", [])
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"{where}.name = {name!r} should be the person's name.")
    if role not in tuple(Role):
        raise ConfigError(
            f"{where}.role = {_shown(role)} should be viewer, trader or admin{_nearest(str(role), Role)}."
        )
    if not isinstance(ids, list):
        raise ConfigError(f'{where}.ids = {ids!r} should be a list such as ["discord:123"].')
    for identity in ids:
        if not isinstance(identity, str) or not IDENTITY.fullmatch(identity):
            raise ConfigError(
                f"{where}.ids has {_shown(identity)}: expected platform:id, such as discord:123 or web:1."
            )
    return User(name, Role(role), tuple(ids))


def _strategies(wanted: object) -> tuple[Mapping[str, Strategy], Mapping[str, Report]]:
    """The strategies and the reports that are enabled, as `[strategies.NAME]` says."""
    if not isinstance(wanted, dict):
        raise ConfigError("strategies should be sections: [strategies.wheel].")
    for name, table in wanted.items():
        if not isinstance(table, dict):
            raise ConfigError(f"strategies.{name} should be a section: [strategies.{name}].")
    tables = {name: dict(table) for name, table in wanted.items()}
    enabled = {name: _enabled(name, table.pop("enabled", True)) for name, table in tables.items()}
    strategies, reports = configured(tables), configured_reports(tables)
    return (
        {name: strategy for name, strategy in strategies.items() if enabled.get(name, True)},
        {name: report for name, report in reports.items() if enabled.get(name, True)},
    )


def _enabled(name: str, value: object) -> bool:
    words = {"true": True, "false": False}
    answer = words.get(str(value).lower())
    if answer is None:
        raise ConfigError(f"strategies.{name}.enabled = {_shown(value)} should be true or false.")
    return answer


def _secrets(environment: Mapping[str, str]) -> dict[str, SecretStr]:
    found = {}
    for name in SECRETS:
        value, file = environment.get(name, ""), environment.get(f"{name}_FILE", "")
        if value and file:
            raise ConfigError(f"Both {name} and {name}_FILE are set: keep one.")
        if file:
            value = _read_secret(name, Path(file))
        if value:
            found[name] = SecretStr(value.strip())
    return found


def _read_secret(name: str, path: Path) -> str:
    try:
        value = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{name}_FILE = {path}: {error.strerror}.") from error
    if not value:
        raise ConfigError(f"{name}_FILE = {path}: the file is empty.")
    return value


def _checked(config: Config) -> Config:
    _check_limits(config.risk)
    _check_not_negative("approvals", config.approvals)
    _check_not_negative("costs", config.costs)
    if config.risk.account_size <= 0:
        raise ConfigError(f"risk.account_size = {config.risk.account_size} should be above 0 dollars.")
    if config.desk.mode == "live":
        _check_live(config)
    if config.desk.broker == "alpaca" and not {"ALPACA_API_KEY", "ALPACA_SECRET_KEY"} <= config.secrets.keys():
        raise ConfigError('desk.broker = "alpaca" needs ALPACA_API_KEY and ALPACA_SECRET_KEY in the environment.')
    _check_routes(config)
    return config


def _check_routes(config: Config) -> None:
    """Every channel's name is one that something is sent under, and its platform is connected to."""
    known = (*Topic, *(kind for kind in EventKind if kind in TOPICS))
    for name in config.alerts.channels:
        if name not in known:
            raise ConfigError(f"Unknown key alerts.channels.{name}{_nearest(name, known)}.")
    for key, destinations in config.alerts.by_key:
        for destination in destinations:
            platform = destination.partition(":")[0]
            if not config.connects(platform):
                raise ConfigError(f"{key} names {destination}, but {platform.upper()}_TOKEN is not set.")


def _check_limits(limits: Limits) -> None:
    for name in FRACTIONS:
        value = getattr(limits, name)
        if not 0 < value <= 1:
            raise ConfigError(f"risk.{name} = {value} should be a fraction of equity above 0 and up to 1.")
    for name in COUNTS:
        if getattr(limits, name) < 1:
            raise ConfigError(f"risk.{name} = {getattr(limits, name)} should be at least 1.")
    if limits.streak_least > limits.streak_most:
        raise ConfigError("risk.streak_least should not be above risk.streak_most.")


def _check_not_negative(section: str, rules: ApprovalRules | Costs) -> None:
    for item in fields(rules):
        value = getattr(rules, item.name)
        if value < 0:
            raise ConfigError(f"{section}.{item.name} = {value} should be 0 or more.")
        if item.name.startswith(("expire_", "ladder_")) and value == 0:
            raise ConfigError(f"{section}.{item.name} = 0 should be above 0.")


def _check_live(config: Config) -> None:
    if config.desk.broker != "alpaca":
        raise ConfigError(f'desk.mode = "live" needs desk.broker = "alpaca", not "{config.desk.broker}".')
    if not config.alpaca.account:
        raise ConfigError('desk.mode = "live" needs alpaca.account, the number of the account that may be traded.')
    if not config.is_live:
        raise ConfigError('desk.mode = "live" needs ALPACA_API_KEY and ALPACA_SECRET_KEY in the environment.')


def require_admin(config: Config) -> None:
    """Refuse a desk that nobody could halt.

    Raises:
        ConfigError: no user is an admin with an id.
    """
    if not any(user.ids for user in config.people.admins):
        raise ConfigError(
            'users: nobody is an admin. Add [[users]] with name = "you", role = "admin" and ids = ["web:1"] '
            "(or discord:..., telegram:...)."
        )
