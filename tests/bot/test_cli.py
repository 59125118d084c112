"""The command line: exit codes, one JSON object on standard output, and every mistake in a sentence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.cli import main
from engine.schema import HEAD
from strategies import CATALOGUE
from tests.fakes import FakeClock
from tests.older import made_at
from tests.shared import SHARED, needs_shared
from tests.standins.alpaca import KEY, SECRET, AlpacaStandin
from tests.standins.alpaca_exchange import Exchange

ROOT = Path(__file__).parents[2]
USER = '[[users]]\nname = "{0}"\nrole = "{1}"\nids = ["web:{0}"]\n'
ADMIN = USER.format("ann", "admin") + USER.format("vic", "viewer")
SUMMARY = {
    "sessions", "proposals", "approved", "rejected", "expired", "blocked", "orders", "fills", "partial_fills", "exits",
    "assignments", "digests", "alerts", "errors", "not_checked", "realised_pnl", "unrealised_pnl", "dividends",
    "interest", "cash_flows", "fees", "equity_start", "equity_end", "max_drawdown", "positions", "by_strategy",
    "baseline",
    "audit_head",
}  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, and an environment that says nothing about the desk but to be quiet."""
    for name in list(os.environ):
        if name.startswith(("WSB__", "DATABASE_URL", "ALPACA_", "MAX_", "ACCOUNT_SIZE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WSB__LOGGING__LEVEL", "error")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Shell:
    """Runs `wsb` in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """(exit code, standard output, standard error)."""
        with pytest.raises(SystemExit) as ended:
            main(words)
        captured = self._capture.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        """The one object on standard output of a command that ended with `code`."""
        found, out, err = self(*words, "--json")
        assert found == code, err
        body = json.loads(out)
        assert isinstance(body, dict)
        return body


@pytest.fixture
def wsb(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def config(place: Path, text: str = ADMIN) -> str:
    path = place / "config.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    program = (
        "import sys; from bot.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "heavy = {'numpy', 'sqlalchemy', 'pydantic', 'structlog', 'aiohttp', 'engine.desk'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    for name in ("demo", "run", "check", "ask", "scan", "record", "replay", "db", "import", "audit"):
        assert f"    {name} " in done.stdout


def test_the_version_is_the_one_that_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    name, version, *_ = capsys.readouterr().out.replace(",", "").split()
    assert (ended.value.code, name) == (0, "wallstreetbots")
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_commands_of_later_days_do_not_exist(wsb: Shell) -> None:
    for name in ("backtest", "sweep", "export"):
        code, _, err = wsb(name)
        assert code == 2
        assert f"“{name}” is not a command" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("repaly",), "“repaly” is not a command. Did you mean replay?"),
        (("db", "upgrad"), "“upgrad” is not a command. Did you mean upgrade?"),
        (("demo", "--headles"), "“--headles” is not an option here. Did you mean --headless?"),
        (("demo", "--days", "0"), "“0” is not a whole number from 1 up"),
        (("demo", "--speed", "fast"), "“fast” is not a number"),
        (("demo", "--approve", "al"), "“al” is not possible for --approve. Did you mean all?"),
        (("replay", "--data", "x", "--from", "2019-02-30", "--to", "2019-03-01"), "“2019-02-30” is not a date"),
        (("replay", "--data", "x", "--from", "2019-02-02", "--to", "2019-01-01"), "--to 2019-01-01 is before --from"),
        (("replay", "--data", "x", "--from", "2019-01-01", "--to", "2019-02-01"), "x"),
        (("replay", "--from", "2019-01-01", "--to", "2019-02-01"), "--data"),
        (("scan", "wheel"), "No live data source is configured"),
        (("scan", "weel"), "“weel” is not an enabled strategy. Did you mean wheel?"),
        (("record", "AAPL"), "--config"),
        (("record", "AAPL", "--config", "none.toml"), "Cannot read the configuration file none.toml"),
        (("check",), "--config"),
        (("check", "--config", "none.toml"), ""),
        (("run", "--config", "none.toml"), "Cannot read the configuration file none.toml"),
        (("db", "revision"), "There is no database"),
        (("import", "none.json"), "none.json cannot be read"),
    ],
)
def test_bad_usage_ends_with_2_and_a_sentence(wsb: Shell, words: tuple[str, ...], sentence: str) -> None:
    code, out, err = wsb(*words)

    if words[:1] == ("check",) and "--config" in words:
        assert code == 1
        assert "Cannot read the configuration file none.toml" in out
        return
    assert code == 2
    assert sentence in err
    assert out == ""


def test_run_refuses_without_an_admin_and_then_without_live_data(wsb: Shell, place: Path) -> None:
    assert "nobody is an admin" in wsb("run", "--config", config(place, ""))[2]

    code, _, err = wsb("run", "--config", config(place))

    assert code == 2
    assert "No live data source is configured" in err


def test_check_says_one_line_for_each_part_and_fails_with_the_worst(wsb: Shell, place: Path) -> None:
    path = config(place)

    before = wsb.json("check", "--config", path, code=1)
    assert wsb("db", "upgrade", "--config", path)[0] == 0
    code, out, _ = wsb("check", "--config", path)

    states = {row["part"]: row["state"] for row in before["checks"]}
    assert states == {
        "configuration": "ok", "users": "ok", "mode": "ok", "keys": "ok", "broker": "ok", "clock": "ok",
        "promotions": "ok", "data": "fail", "database": "fail", "web": "ok",
    }  # fmt: skip
    assert code == 1
    assert f"ok    database          revision {HEAD}" in out
    assert "fail  data              no live data source is configured" in out


def test_ask_without_a_configuration_answers_from_the_prices_of_the_demo(wsb: Shell, place: Path) -> None:
    code, out, _ = wsb("ask", "/quote IBM")

    assert code == 0
    assert out.startswith("REPLAY 2013-03-01, recorded prices\nIBM 20")
    assert list(place.iterdir()) == [], "a question leaves nothing behind"


def test_ask_answers_mistakes_with_1_and_as_json(wsb: Shell) -> None:
    body = wsb.json("ask", "/quote IBN", code=1)

    assert body["error"] == "bad request"
    (card,) = body["cards"]
    assert card["lines"] == ["“IBN” is not a ticker the replay data knows. Did you mean IBM?"]


def test_ask_as_somebody_has_their_rights(wsb: Shell, place: Path) -> None:
    path = config(place)

    assert wsb("ask", "/halt wild", "--config", path)[0] == 0
    code, out, _ = wsb("ask", "/resume", "--config", path, "--as", "vic")
    assert code == 1
    assert "vic is a viewer" in out
    assert "halted by ann: wild" in wsb("ask", "/health", "--config", path)[1]
    assert "nobody is called “anne”. Did you mean ann?" in wsb("ask", "/risk", "--config", path, "--as", "anne")[2]


def test_ask_answers_from_the_practice_as_it_was_left(wsb: Shell, place: Path) -> None:
    path = config(place, ADMIN + '[data]\nsource = "recorded"\nstart = "2009-02-04"\n')

    code, out, _ = wsb("ask", "/quote IBM", "--config", path)

    assert code == 0
    assert out.startswith("PRACTICE 2009-02-04, recorded prices\nIBM ")


def test_ask_on_a_desk_without_data_says_so(wsb: Shell, place: Path) -> None:
    code, out, _ = wsb("ask", "/chart IBM", "--config", config(place))

    assert code == 1
    assert "No market data source is configured" in out


def test_the_schema_the_import_and_the_chain(wsb: Shell, place: Path) -> None:
    path = config(place)
    old = place / "old.json"
    old.write_text('{"positions": [{"ticker": "AAPL", "quantity": 10, "avg_price": 150.0}], "trades": []}')

    upgraded = wsb.json("db", "upgrade", "--config", path)
    assert upgraded == wsb.json("db", "revision", "--config", path) | {"backup": None}
    first, second = wsb.json("import", str(old), "--config", path), wsb.json("import", str(old), "--config", path)
    assert len(first["imported"]) == 1
    assert second["repeated"] is True
    chain = wsb.json("audit", "verify", "--config", path)
    assert chain["ok"] is True


def test_backups_are_made_listed_and_put_back_from_the_command_line(wsb: Shell, place: Path) -> None:
    path = config(place)
    assert "No backup in backups: `wsb db backup` makes one." in wsb("db", "backups", "--config", path)[1]
    assert wsb("db", "backup", "--config", path)[0] == 2  # there is nothing yet
    wsb.json("db", "upgrade", "--config", path)
    made = wsb.json("db", "backup", "--config", path)
    (found,) = wsb.json("db", "backups", "--config", path)["backups"]
    assert (found["file"], found["revision"], found["occasion"]) == (made["file"], HEAD, "hand")
    ahead = Path(made["file"]).with_name(f"wallstreetbots-22001231T235959Z-{HEAD}-hand.db")
    ahead.touch()
    first, last, proof = wsb("db", "backups", "--config", path)[1].strip().splitlines()
    assert first.endswith(made["file"])
    assert last.endswith(f"{ahead.name}  (stamped ahead of this clock)")
    assert proof.startswith("Each was checked before it got its name: every page is sound")
    code, out, _ = wsb("db", "restore", made["file"], "--config", path)
    assert code == 0
    assert "What was there before is now" in out
    assert "Entries are halted until then" in out
    assert "Entries are halted by wsb db restore" in wsb("ask", "/health", "--config", path)[1]
    assert wsb("db", "restore", "nowhere.db", "--config", path)[0] == 2


def test_an_upgrade_names_the_backup_it_made_and_insists_only_when_told_to(wsb: Shell, place: Path) -> None:
    path = config(place, ADMIN + '[backup]\nfolder = "config.toml/in/a/file"\n')
    made_at("0005", place / "wallstreetbots.db")
    code, _, err = wsb("db", "upgrade", "--config", path)
    assert code == 1
    assert "was not upgraded, for it could not be backed up first" in err
    assert wsb.json("db", "upgrade", "--no-backup", "--config", path) == {"revision": HEAD, "backup": None}
    (place / "wallstreetbots.db").unlink()
    made_at("0005", place / "wallstreetbots.db")
    code, out, _ = wsb("db", "upgrade", "--config", config(place))
    assert code == 0
    assert re.search(r"Backed up to backups/wallstreetbots-\S+-0005-upgrade\.db\.\nThe database is at", out)


def test_the_chain_is_verified_against_heads_from_the_command_line_and_from_a_log(wsb: Shell, place: Path) -> None:
    path = config(place)
    wsb.json("db", "upgrade", "--config", path)
    log = place / "desk.log"
    log.write_text(f"[info] audit.head head=7:{'ab' * 32}\n")

    code, out, _ = wsb("audit", "verify", "--config", path, "--head", f"7:{'ab' * 8}", "--json")
    assert code == 1
    body = json.loads(out)
    assert (body["ok"], body["bad"], body["events"], body["heads"]) == (False, 1, 0, 1)
    code, out, _ = wsb("audit", "verify", "--config", path, "--heads", str(log))
    assert code == 1
    assert "event 7 was written down: its end was removed" in out


def test_a_head_that_is_none_and_a_log_without_any_are_refused(wsb: Shell, place: Path) -> None:
    path = config(place)
    wsb.json("db", "upgrade", "--config", path)
    (place / "empty.log").write_text("nothing here 12:30\n")

    for words in (("--head", "seven"), ("--heads", str(place / "empty.log")), ("--heads", str(place / "none.log"))):
        code, _, err = wsb("audit", "verify", "--config", path, *words)
        assert code == 2
        assert "head" in err or "cannot be read" in err


def test_the_headless_demo_lives_through_its_days(wsb: Shell, place: Path) -> None:
    body = wsb.json("demo", "--headless", "--days", "4")

    assert body.keys() == SUMMARY
    assert (body["sessions"], body["digests"], body["errors"]) == (4, 4, 0)
    assert body["approved"] == body["proposals"] != 0
    assert body["fills"] != 0
    assert list(place.iterdir()) == []


@needs_shared
def test_scan_prints_signals_sizes_and_the_funnel_of_a_recorded_day(wsb: Shell) -> None:
    body = wsb.json("scan", "wheel", "--data", str(SHARED / "data"), "--date", "2019-01-03")

    assert body.keys() == {"asof", "strategy", "universe", "funnel", "not_checked", "signals", "rejected"}
    assert body["asof"] == "2019-01-03T15:00:00+00:00"
    funnel, signals, rejected = body["funnel"], body["signals"], body["rejected"]
    assert isinstance(funnel, list)
    assert isinstance(signals, list)
    assert isinstance(rejected, list)
    assert {"rule", "limit", "removed", "left"} == funnel[0].keys()
    assert funnel[-1]["left"] == len(signals) > 0
    assert body["universe"] == len(signals) + len(rejected)
    best = signals[0]
    assert best["legs"][0]["intent"] == "sell_to_open"
    assert best["limit"].startswith("-")
    assert "modelled" in best["data"]
    assert best["exit_plan"]["stop_spot"] or best["exit_plan"]["stop"]
    assert set(body["not_checked"]) == {"earnings", "market cap", "open interest", "sector"}


@needs_shared
def test_scan_names_what_is_not_there(wsb: Shell) -> None:
    data = str(SHARED / "data")

    assert (
        "“MSFTT” has no data on 2019-01-03. Did you mean MSFT?"
        in wsb("scan", "wheel", "MSFTT", "--data", data, "--date", "2019-01-03")[2]
    )
    assert (
        "2019-01-01 is not a trading session; the next is 2019-01-02"
        in wsb("scan", "wheel", "--data", data, "--date", "2019-01-01")[2]
    )


@needs_shared
def test_a_replay_is_kept_where_it_is_told_to_and_can_be_asked_about(wsb: Shell, place: Path) -> None:
    data, url = str(SHARED / "data"), f"sqlite:///{place / 'run.db'}"
    words = (
        "replay",
        "--data",
        data,
        "--from",
        "2019-01-02",
        "--to",
        "2019-01-03",
        "--strategies",
        "wheel",
        "--seed",
        "7",
    )

    kept, passing = wsb.json(*words, "--db", url), wsb.json(*words)

    assert kept == passing
    assert kept.keys() == SUMMARY
    assert kept["errors"] == 0
    code, _, err = wsb(*words, "--db", url)
    assert code == 2
    assert "holds a desk's history already" in err


def checked(wsb: Shell, code: int, *words: str) -> dict[str, tuple[str, str]]:
    """(state, words) of every part, by its name."""
    rows = wsb.json("check", *words, code=code)["checks"]
    return {row["part"]: (row["state"], row["words"]) for row in rows}


def test_check_holds_the_keys_to_the_pinned_account_and_names_who_trades_live(
    wsb: Shell, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = config(place)
    with AlpacaStandin(Exchange(FakeClock())) as server:
        for name, value in {
            "ALPACA_API_KEY": KEY, "ALPACA_SECRET_KEY": SECRET, "ALPACA_TRADING_URL": server.url,
            "WSB__DESK__BROKER": "alpaca", "WSB__DESK__MODE": "live", "WSB__ALPACA__ACCOUNT": "123456789",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        assert wsb("db", "upgrade", "--config", path)[0] == 0
        other = checked(wsb, 1, "--config", path)
        monkeypatch.setenv("WSB__ALPACA__ACCOUNT", server.exchange.number)
        mine = checked(wsb, 1, "--config", path)

    assert other["broker"] == ("fail", "The broker's account is PA3STANDIN01, the pinned one is 123456789.")
    assert mine["broker"] == ("ok", "account PA3STANDIN01, option level 3")
    assert mine["mode"] == ("warn", "LIVE: real money in account PA3STANDIN01")
    assert mine["promotions"] == ("warn", "live: no strategy; on paper only: " + ", ".join(CATALOGUE))
