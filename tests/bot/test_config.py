"""The configuration: the example loads, the environment wins, and every mistake is named with what was expected."""

from dataclasses import fields
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from alerts.routes import SILENT, TOPICS, Topic
from alerts.rules.thresholds import Thresholds
from bot.config import load, require_admin
from bot.people import Role
from bot.settings import Config
from engine.errors import ConfigError
from engine.model.economy import Release
from engine.model.events import EventKind
from strategies import CATALOGUE
from strategies.params import described, grouped

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.toml"
KEYS = {"ALPACA_API_KEY": "key", "ALPACA_SECRET_KEY": "secret"}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(tmp_path: Path, text: str, **environment: str) -> str:
    """What the desk says to this file."""
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), environment)
    return str(caught.value)


def example_keys() -> set[str]:
    """`section.key` of every line of the example."""
    found, section = set(), ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            found.add(f"{section}.{line.split(' = ')[0]}")
    return found


def test_the_example_loads_as_it_stands_and_shows_the_defaults() -> None:
    example, defaults = load(EXAMPLE, {}), load(None, {})

    for item in fields(Config):
        if item.name != "people":
            assert getattr(example, item.name) == getattr(defaults, item.name), item.name


def test_every_key_of_the_example_has_a_comment_above_it() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()

    bare = [line for before, line in pairwise(lines) if " = " in line and before[:1] not in {"#"}]

    assert [line for line in bare if not line.startswith("#")] == []


def test_every_key_there_is_stands_in_the_example() -> None:
    config = load(None, {})
    sections = [item.name for item in fields(Config) if item.name not in {"people", "strategies", "reports", "secrets"}]
    known = {f"{name}.{key.name}" for name in sections for key in fields(getattr(config, name))}
    known -= {"alerts.thresholds"}
    known |= {f"alerts.thresholds.{key.name}" for key in fields(Thresholds)}
    for name, row in {**config.strategies, **config.reports}.items():
        known |= {f"strategies.{name}.{key.name}" for key in described(type(row.params))}
        known |= {
            f"strategies.{name}.{key}.{group}" for key, made in grouped(type(row.params)).items() for group in made
        }
        known.add(f"strategies.{name}.enabled")

    assert example_keys() - known == {"users.name", "users.role", "users.ids"}
    assert known - example_keys() == {"alerts.channels"}  # a section of its own, empty in the example


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "[risk]\nmax_total_risk = 0.2\naccount_size = 50_000\n[web]\nport = 1\n")
    environment = {"MAX_TOTAL_RISK": "0.25", "WSB__WEB__PORT": "0", "DATABASE_URL": "sqlite:///x.db"}

    config = load(path, environment)

    assert str(config.risk.max_total_risk) == "0.25"
    assert config.risk.account_size == 50_000
    assert config.web.port == 0
    assert config.database.url == "sqlite:///x.db"


def test_one_commission_sets_both(tmp_path: Path) -> None:
    config = load(None, {"DEFAULT_COMMISSION": "0.65", "DEFAULT_SLIPPAGE": "0.001"})

    assert [str(x) for x in (config.costs.option_commission, config.costs.stock_commission)] == ["0.65", "0.65"]
    assert str(config.costs.slippage) == "0.001"


def test_a_threshold_comes_from_its_section_and_the_environment(tmp_path: Path) -> None:
    path = written(tmp_path, "[alerts.thresholds]\nlimit_near = 0.8\nrejects = 5\n")

    bounds = load(path, {"WSB__ALERTS__THRESHOLDS__REJECTS": "7"}).alerts.thresholds

    assert (bounds.limit_near, bounds.rejects, bounds.stop_near) == (0.8, 7, 0.15)


def test_a_threshold_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    wrong = refused(tmp_path, "[alerts.thresholds]\nlimit_near = 2\n")
    unknown = refused(tmp_path, "[alerts.thresholds]\nlimit_neer = 0.8\n")

    assert "limit_near = 2.0 should be a fraction up to 1" in wrong
    assert unknown == "Unknown key alerts.thresholds.limit_neer (did you mean limit_near?)."


def test_a_list_comes_from_the_environment_with_commas() -> None:
    assert load(None, {"WSB__DESK__UNIVERSE": "AAPL, MSFT"}).desk.universe == ("AAPL", "MSFT")


def test_a_ticker_of_the_configuration_is_one_share_however_it_is_spelt(tmp_path: Path) -> None:
    config = load(written(tmp_path, '[desk]\nuniverse = ["brk-b", "$aapl", "BRK/B"]'), {})

    assert set(config.desk.universe) == {"BRK.B", "AAPL"}
    assert "“app le” is not a ticker" in refused(tmp_path, '[desk]\nuniverse = ["app le"]')


def test_strategy_parameters_come_from_their_section_and_the_environment(tmp_path: Path) -> None:
    path = written(tmp_path, "[strategies.wheel]\nput_delta = 0.2\n[strategies.wsb_dip]\nenabled = false\n")

    config = load(path, {"WSB__STRATEGIES__WHEEL__PUT_DTE": "40"})

    assert CATALOGUE.keys() - config.strategies.keys() == {"wsb_dip"}
    assert config.strategies["wheel"].params.put_delta == pytest.approx(0.2)
    assert config.strategies["wheel"].params.put_dte == 40


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[risk]\nmax_total_rsk = 0.3", "Unknown key risk.max_total_rsk (did you mean max_total_risk?)"),
        ("[rsik]\nx = 1", "Unknown section [rsik] (did you mean risk?)"),
        ('[risk]\nmax_total_risk = "lots"', 'risk.max_total_risk = "lots": input should be a valid decimal'),
        ("[risk]\nmax_total_risk = 1.5", "risk.max_total_risk = 1.5 should be a fraction of equity"),
        ("[risk]\naccount_size = 0", "risk.account_size = 0 should be above 0"),
        ("[approvals]\nladder_steps = 0", "approvals.ladder_steps = 0 should be above 0"),
        ("[costs]\nslippage = -1", "costs.slippage = -1 should be 0 or more"),
        ("[web]\nport = 70000", "web.port = 70000: input should be less than or equal to 65535"),
        ('[desk]\nmode = "real"', "desk.mode = \"real\": input should be 'paper' or 'live'"),
        ('[alpaca]\ntrading_url = "localhost"', 'alpaca.trading_url = "localhost": string should match'),
        ('[alpaca]\napi_key = "k"', "alpaca.api_key is a secret: put it in the environment as ALPACA_API_KEY"),
        ("[strategies.weel]\nput_dte = 3", "did you mean|Did you mean “wheel”"),
        ("[strategies.wheel]\nput_dtee = 3", "Did you mean “put_dte”"),
        ("[strategies.wheel]\nput_dte = 4000", "put_dte = 4000"),
        ('[strategies.wheel]\nenabled = "yes"', 'strategies.wheel.enabled = "yes" should be true or false'),
        ("[strategies]\nwheel = 3", "strategies.wheel should be a section"),
        ("risk = 3", "risk = 3 should be a section: [risk]"),
        ("[risk\nx = 1", "is not valid TOML"),
    ],
)
def test_a_mistake_names_the_key_its_value_and_what_was_expected(tmp_path: Path, text: str, words: str) -> None:
    message = refused(tmp_path, text)

    assert any(part in message for part in words.split("|")), message


def test_an_unknown_variable_of_ours_is_an_error(tmp_path: Path) -> None:
    assert "Unknown key risk.max_totl_risk" in refused(tmp_path, "", WSB__RISK__MAX_TOTL_RISK="0.2")
    assert "expected WSB__SECTION__KEY" in refused(tmp_path, "", WSB__RISK="0.2")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml", {})


def test_secrets_come_from_variables_or_the_files_they_name_and_are_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n", encoding="utf-8")

    config = load(None, {"ALPACA_API_KEY": "s3same", "DISCORD_TOKEN_FILE": str(file)})

    assert config.secrets["DISCORD_TOKEN"].get_secret_value() == "s3cret"
    assert "s3cret" not in repr(config)
    assert "s3same" not in repr(config)


def test_a_secret_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()

    assert "DISCORD_TOKEN_FILE" in refused(tmp_path, "", DISCORD_TOKEN_FILE=str(tmp_path / "gone"))
    assert "the file is empty" in refused(tmp_path, "", DISCORD_TOKEN_FILE=str(empty))
    assert "keep one" in refused(tmp_path, "", DISCORD_TOKEN="x", DISCORD_TOKEN_FILE=str(empty))


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ('[desk]\nmode = "live"', KEYS, 'desk.mode = "live" needs desk.broker = "alpaca"'),
        ('[desk]\nmode = "live"\nbroker = "alpaca"', KEYS, "needs alpaca.account"),
        ('[desk]\nmode = "live"\nbroker = "alpaca"\n[alpaca]\naccount = "1"', {}, "needs ALPACA_API_KEY"),
        ('[desk]\nbroker = "alpaca"', {}, "needs ALPACA_API_KEY and ALPACA_SECRET_KEY"),
    ],
)
def test_live_needs_the_mode_the_keys_and_the_account_together(
    tmp_path: Path, text: str, environment: dict[str, str], words: str
) -> None:
    assert words in refused(tmp_path, text, **environment)


def test_with_all_three_it_is_live_and_without_the_mode_it_is_not(tmp_path: Path) -> None:
    live = '[desk]\nmode = "live"\nbroker = "alpaca"\n[alpaca]\naccount = "123"'

    assert load(written(tmp_path, live), KEYS).is_live
    assert not load(written(tmp_path, live.replace('"live"', '"paper"')), KEYS).is_live


USERS = '[[users]]\nname = "{}"\nrole = "{}"\nids = [{}]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (USERS.format("ann", "boss", '"web:1"'), 'users[1].role = "boss" should be viewer, trader or admin'),
        (USERS.format("ann", "trade", '"web:1"'), "did you mean trader?"),
        (USERS.format("ann", "admin", '"ann"'), 'users[1].ids has "ann": expected platform:id'),
        (USERS.format("", "admin", '"web:1"'), "should be the person's name"),
        (USERS.format("ann", "admin", '"web:1"') * 2, "the name “ann” is given twice"),
        (USERS.format("ann", "admin", '"web:1"') + USERS.format("bob", "viewer", '"web:1"'), "the id “web:1”"),
        ('[[users]]\nnam = "ann"', "Unknown key users[1].nam (did you mean name?)"),
    ],
)
def test_a_user_that_cannot_be_is_refused(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(tmp_path, text)


def test_one_person_has_one_name_on_every_platform(tmp_path: Path) -> None:
    text = USERS.format("ann", "trader", '"web:ann", "discord:123", "telegram:45"')

    people = load(written(tmp_path, text), {}).people

    assert {people.who(identity).name for identity in ("web:ann", "discord:123", "telegram:45")} == {"ann"}
    assert people.who("discord:123").role is Role.TRADER


def test_a_desk_without_an_admin_who_can_be_recognised_does_not_start(tmp_path: Path) -> None:
    for text in ("", USERS.format("ann", "trader", '"web:1"'), USERS.format("ann", "admin", "")):
        with pytest.raises(ConfigError, match="nobody is an admin"):
            require_admin(load(written(tmp_path, text), {}))

    require_admin(load(EXAMPLE, {}))


def test_a_channel_for_something_nobody_sends_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, '[alerts.channels]\nproposal = ["web:desk"]\n')

    with pytest.raises(ConfigError, match=r"Unknown key alerts\.channels\.proposal \(did you mean proposals\?\)"):
        load(path, {})


def test_a_channel_of_a_platform_without_a_token_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, '[alerts]\nurgent = ["telegram:45"]\n')

    with pytest.raises(ConfigError, match=r"alerts\.urgent names telegram:45, but TELEGRAM_TOKEN is not set"):
        load(path, {})
    assert load(path, {"TELEGRAM_TOKEN": "1:a"}).alerts.urgent == ("telegram:45",)


def test_every_topic_is_named_in_the_example() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")

    assert [topic for topic in Topic if topic not in text] == []


def test_every_posted_kind_of_event_has_a_topic() -> None:
    assert [kind for kind in EventKind if (kind in SILENT) == (kind in TOPICS)] == []


def test_the_days_of_the_economy_reach_the_desk_from_the_file_and_from_the_environment(tmp_path: Path) -> None:
    file = written(tmp_path, "[events]\nfomc = [2026-12-09]\ncpi = [2026-12-10]\n")

    economy = load(file, {"WSB__EVENTS__PAYROLLS": "2026-12-04,2027-01-08"}).events

    assert economy.on(date(2026, 12, 4)) == (Release.PAYROLLS,)
    assert economy.on(date(2026, 12, 11)) is None


def test_a_day_that_is_none_is_refused_by_its_key(tmp_path: Path) -> None:
    assert "events.fomc" in refused(tmp_path, '[events]\nfomc = ["soon"]\n')
