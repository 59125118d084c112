"""What the doctor says about live data, over Alpaca's stand-in: feeds, what cannot be traded, clocks and calendars."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import data_check
from bot.doctor import Finding
from bot.settings import AlpacaSettings, Config, DataSettings, DeskSettings
from tests.standins.alpaca_data import AlpacaDataServer, AlpacaWorld
from tests.standins.alpaca_option_data import OptionWorld
from tests.standins.provider_server import Trouble, serving

NOW = datetime(2026, 11, 30, 15, 30, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9"
KEY, SECRET = "PKTESTKEY123456", "very-secret-words-0123456789"


@pytest.fixture
def server() -> Iterator[AlpacaDataServer]:
    shares, options = AlpacaWorld(NOW), OptionWorld(NOW)
    shares.list("SPY", 600.0)
    options.list("SPY", date(2027, 1, 15), [500.0, 600.0])
    options.feeds = {"indicative"}
    shares.feeds = {"iex"}
    with serving(AlpacaDataServer(shares, options.routes())) as made:
        assert isinstance(made, AlpacaDataServer)
        yield made


def config(url: str, folder: Path, **data: object) -> Config:
    """Alpaca at `url`; the Treasury is nowhere."""
    wanted = {"source": "live", "yahoo": False, "cache": str(folder), "treasury_url": NOWHERE} | data
    return Config(
        data=DataSettings(**wanted),  # type: ignore[arg-type]
        alpaca=AlpacaSettings(data_url=url, trading_url=url),
        secrets={"ALPACA_API_KEY": SecretStr(KEY), "ALPACA_SECRET_KEY": SecretStr(SECRET)},
    )


def found(config: Config, seconds: float = 20.0) -> dict[str, Finding]:
    return {finding.part: finding for finding in data_check.findings(config, NOW, seconds)}


def test_feeds_and_kinds_are_told_as_these_keys_give_them(server: AlpacaDataServer, tmp_path: Path) -> None:
    told = found(config(server.url, tmp_path))

    assert told["data"] == Finding("data", "ok", "orders are priced on shares of alpaca, options of alpaca")
    alpaca = told["data alpaca"]
    assert alpaca.state == "ok"
    assert "keys accepted" in alpaca.words
    assert "shares from iex, options from indicative" in alpaca.words
    assert "indicative: option chains, option quotes" in alpaca.words


def test_a_source_that_does_not_answer_is_a_warning_and_unproven_ones_say_so(
    server: AlpacaDataServer, tmp_path: Path
) -> None:
    told = found(config(server.url, tmp_path))

    assert told["data treasury"].state == "warn"
    assert told["data"].state == "ok"


def test_keys_that_are_refused_stop_the_desk_and_are_named_but_never_shown(
    server: AlpacaDataServer, tmp_path: Path
) -> None:
    server.fail("401")

    told = found(config(server.url, tmp_path))

    assert told["data"].state == "fail"
    assert told["data"].words.startswith("no order can be priced")
    assert told["data alpaca"].words.endswith("Check ALPACA_API_KEY and ALPACA_SECRET_KEY.")
    whole = " ".join(finding.words for finding in told.values())
    assert KEY not in whole
    assert SECRET not in whole


def test_keys_without_options_can_price_shares_only(server: AlpacaDataServer, tmp_path: Path) -> None:
    server.fail(Trouble(403, {"message": "forbidden."}, path=".*options/quotes.*"))

    told = found(config(server.url, tmp_path))

    assert told["data"].state == "warn"
    assert "no source has quotes of options" in told["data"].words


def test_real_money_is_not_traded_on_indicative_options(server: AlpacaDataServer, tmp_path: Path) -> None:
    paper = config(server.url, tmp_path)
    live = replace(
        paper,
        desk=DeskSettings(mode="live", broker="alpaca"),
        alpaca=replace(paper.alpaca, account="123456789"),
    )

    told = found(live)["data"]

    assert live.is_live
    assert (told.state, "opra" in told.words) == ("fail", True)


def test_one_that_hangs_costs_seconds_and_no_other_line(server: AlpacaDataServer, tmp_path: Path) -> None:
    server.fail("silence")
    began = time.monotonic()

    told = found(config(server.url, tmp_path), seconds=1.0)

    assert time.monotonic() - began < 5.0
    assert told["data"].state == "fail"
    assert told["data alpaca"].words == "No answer within 1 s."
    assert told["calendar"] == Finding("calendar", "warn", "No answer within 1 s.")
    assert told["data treasury"].words != "No answer within 1 s."


def test_without_a_source_of_prices_the_desk_cannot_start(tmp_path: Path) -> None:
    bare = replace(config(NOWHERE, tmp_path), secrets={})

    (told, _treasury) = data_check.findings(bare, NOW)

    assert told.state == "fail"
    assert "ALPACA_API_KEY" in told.words


def test_the_sessions_ahead_are_those_of_alpaca(server: AlpacaDataServer, tmp_path: Path) -> None:
    told = found(config(server.url, tmp_path))["calendar"]

    assert told == Finding("calendar", "ok", "16 sessions to 2026-12-21 as Alpaca has them")


def test_a_session_only_one_calendar_has_is_named(server: AlpacaDataServer, tmp_path: Path) -> None:
    rows = [{"date": "2026-11-30", "open": "09:30", "close": "13:00", "session_open": "0400", "session_close": "2000"}]
    server.fail(Trouble(200, rows, path=".*calendar.*"))

    told = found(config(server.url, tmp_path))["calendar"]

    assert told.state == "warn"
    assert told.words.startswith("Alpaca has other trading hours on 2026-11-30, 2026-12-01")
