"""`wsb record`: names are written down as the live market knows them, and what could not be is said."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot import service
from bot.cli import main
from bot.config import load
from bot.console.record import recorded
from engine.data.folder import RecordedFolder
from engine.data.live import LiveMarket
from engine.data.panel import Panel
from engine.data.recording_market import RecordingMarket
from engine.data.replay import ReplayMarket
from engine.sessions import Sessions
from engine.store import Store
from tests import make
from tests.chains import NOW
from tests.engine.data.made_provider import MadeProvider
from tests.fakes import FakeClock, FakeMarket
from tests.standins.provider_server import serving
from tests.standins.yahoo_server import YahooServer
from tests.ticks import Ticks


@pytest.fixture
def market() -> Iterator[LiveMarket]:
    ticks = Ticks()
    panel = Panel((MadeProvider(),), lambda: NOW, tick=ticks, rng=np.random.default_rng(1))
    past = make.iv_days(np.linspace(0.2, 0.4, 70), NOW.date())
    made = LiveMarket(panel, lambda: NOW, Sessions(), lambda: ("AAA",), lambda ticker, day: past, tick=ticks)
    yield made
    made.close()


def test_everything_the_live_market_knows_of_a_name_is_there_again(market: LiveMarket, tmp_path: Path) -> None:
    (row,), lost = recorded(market, ("AAA",), tmp_path, lambda: NOW)
    wanted = market.snapshot("AAA")
    found = ReplayMarket(RecordedFolder.open(tmp_path), lambda: NOW, Sessions()).snapshot("AAA")
    assert (row.trouble, row.price, row.bars, lost) == ("", "100.00", 300, 0)
    assert row.contracts == len(found.chain or ()) > 0
    assert (found.spot, found.session, found.rate, found.troubles) == (
        wanted.spot,
        wanted.session,
        wanted.rate,
        wanted.troubles,
    )
    assert (found.dividends, found.iv_history) == (wanted.dividends, wanted.iv_history)
    assert len(found.iv_history or ()) == 70
    assert (found.earnings, found.fundamentals) == (wanted.earnings, wanted.fundamentals)
    np.testing.assert_array_equal(found.bars.close, wanted.bars.close)


def test_a_name_nobody_knows_is_said_and_the_others_are_stored(market: LiveMarket, tmp_path: Path) -> None:
    unknown, known = recorded(market, ("NOPE", "AAA"), tmp_path, lambda: NOW)[0]
    assert "NOPE" in unknown.trouble
    assert known.trouble == ""


def test_what_the_disk_does_not_take_is_counted(market: LiveMarket, tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_text("a file in the way")
    _, lost = recorded(market, ("AAA",), tmp_path, lambda: NOW)
    assert lost > 0


# The command.


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.endswith(("_KEY", "_URL")) or name.startswith("WSB__"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WSB__LOGGING__LEVEL", "error")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wsb(capture: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(("record", *words))
    captured = capture.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.mark.parametrize(
    ("text", "words", "sentence"),
    [
        ("", ("AAA",), 'There is nothing to record: [data] source = "live"'),
        ('[data]\nsource = "live"\n', ("AAA",), "Name the folder to record to with --out DIR"),
        ('[data]\nsource = "live"\nrecord = "rec"\n', (), "Name the tickers to record"),
        ('[data]\nsource = "live"\nrecord = "rec"\n', ("A B",), "“A B” is not a ticker"),
    ],
)
def test_what_is_missing_is_named(
    place: Path, capsys: pytest.CaptureFixture[str], text: str, words: tuple[str, ...], sentence: str
) -> None:
    (place / "config.toml").write_text(text, encoding="utf-8")
    code, _, err = wsb(capsys, *words, "--config", "config.toml")
    assert code == 2
    assert sentence in err


def test_the_configured_providers_are_asked_and_the_whole_market_is_recorded_along(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(YahooServer()) as server:
        text = (
            f'[data]\nsource = "live"\nrecord = "rec"\ncache = "cache"\nyahoo_url = "{server.url}"\n'
            'treasury_url = "http://127.0.0.1:9"\n'
        )
        (place / "config.toml").write_text(text, encoding="utf-8")
        _, out, err = wsb(capsys, "aaa", "--config", "config.toml", "--out", "other", "--json")
    body: dict[str, Any] = json.loads(out)
    assert body.keys() == {"at", "folder", "stored", "failed", "lost"}, err
    assert sorted([row["ticker"] for row in (*body["stored"], *body["failed"])]) == ["AAA", "SPY"]
    assert (body["folder"], body["lost"]) == ("other", 0)
    assert (place / "other" / "snapshots").is_dir()
    assert not (place / "rec").exists()


def test_a_live_desk_records_what_scans_and_people_see_and_not_the_watch_over_its_stops(tmp_path: Path) -> None:
    text = f'[data]\nrecord = "{tmp_path / "rec"}"\n'
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    clock = FakeClock()
    inner = FakeMarket(clock)
    inner.set_snapshot(make.snapshot())
    with Store.memory() as store:
        made = service.live(load(tmp_path / "config.toml", {}), store, inner, print, clock)
        for desk in (made.serving.room.desk, made.serving.room.protecting):
            assert desk is not None
            assert isinstance(desk.market, RecordingMarket)
        made.serving.room.desk.market.snapshot("XYZ")
        made.close()
    found = ReplayMarket(RecordedFolder.open(tmp_path / "rec"), clock, Sessions()).snapshot("XYZ")
    assert found.spot == make.snapshot().spot


def test_without_a_folder_nothing_is_recorded(tmp_path: Path) -> None:
    clock = FakeClock()
    inner = FakeMarket(clock)
    with Store.memory() as store:
        made = service.live(load(None, {}), store, inner, print, clock)
        assert made.serving.room.desk.market is inner
        made.close()
