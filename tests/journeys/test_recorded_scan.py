"""A scan of live prices, recorded as it was made, is made again from the recording with the same result."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot import app
from bot.cli import main
from bot.config import load
from bot.console.scan import scan_json
from engine import scanning
from engine.data.recorder import Recorder
from engine.data.recording_market import RecordingMarket
from engine.errors import DataUnavailable
from engine.model.market import Chain, Kind, MarketSnapshot, Source
from engine.model.trade import Scan
from engine.store import Store
from tests import make
from tests.fakes import FakeClock, FakeMarket
from tests.strategies import cases

REAL = Source("alpaca", Kind.REAL)
NAMES = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")
CONFIG = f"[desk]\nuniverse = {list(NAMES)}\n[strategies.wsb_dip]\nmax_firing = 0.5\n"


def named(snapshot: MarketSnapshot, ticker: str, source: Source = REAL, **more: Any) -> MarketSnapshot:
    """The same name under another ticker, its spot from `source`."""
    spot = replace(make.stock_quote(Decimal(str(snapshot.session.close)), ticker, snapshot.asof), source=source)  # type: ignore[union-attr]
    chain = snapshot.chain

    def listed() -> Chain | None:
        return (
            None
            if chain is None
            else replace(chain, underlying=ticker, source=REAL, asof=snapshot.asof, today=snapshot.today)
        )

    return replace(
        snapshot,
        ticker=ticker,
        spot=spot,
        bars=replace(snapshot.bars, ticker=ticker),
        load_chain=listed,
        **more,
    )


class Gappy(FakeMarket):
    """Nobody answers about FFF."""

    def snapshot(self, ticker: str) -> MarketSnapshot:
        if ticker == "FFF":
            raise DataUnavailable("No source gave a price of FFF: Alpaca timed out.")
        return super().snapshot(ticker)


def live_market(clock: FakeClock) -> FakeMarket:
    """Six names: two fit, one a cent of open interest short, one whose report dates nobody knows, one with delayed
    prices, one without any answer; and the whole market."""
    market = Gappy(clock)
    wheel = cases.wheel_name()
    chain = wheel.chain
    assert chain is not None
    thin = replace(chain, open_interest=np.full(len(chain), 499.0))
    market.set_snapshot(named(wheel, "AAA", rate=1 / 30))
    market.set_snapshot(named(cases.wheel_name(chain=thin), "BBB"))
    market.set_snapshot(named(cases.wheel_name(load_earnings=lambda: None), "CCC"))
    market.set_snapshot(named(wheel, "DDD", Source("yahoo", Kind.DELAYED)))
    market.set_snapshot(named(cases.dip_name(chain=level()), "EEE", troubles=("Finnhub gave no answer.",)))
    market.set_snapshot(named(cases.spy(), "SPY"))
    return market


def level() -> Chain:
    """The dip example's chain with strikes either side of the spot, all at 50 %."""
    return replace(cases.changed(cases.dip_chain(), 110, strike=106.0), iv=np.full(3, 0.5))


class Recorded:
    """A live desk whose prices are recorded, and `wsb scan` on the recording."""

    def __init__(self, place: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture
        self.folder = place / "rec"
        self.file = place / "config.toml"
        self.file.write_text(CONFIG, encoding="utf-8")
        self.config = load(self.file, {})
        self.clock = FakeClock()
        self.inner = live_market(self.clock)
        self.recorder = Recorder(self.folder)
        market = RecordingMarket(self.inner, self.recorder, self.clock)
        self.desk = app.build_desk(self.config, Store.memory(), market, self.clock)

    def scan(self, strategy: str, *tickers: str) -> Scan:
        found = scanning.preview(self.desk, strategy, tickers or None)
        self.recorder.flush()
        return found

    def again(self, strategy: str, *words: str) -> Any:
        with pytest.raises(SystemExit) as ended:
            main(("scan", strategy, "--data", str(self.folder), "--config", str(self.file), "--json", *words))
        captured = self.capture.readouterr()
        assert ended.value.code == 0, captured.err
        return json.loads(captured.out)


@pytest.fixture
def recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Recorded:
    monkeypatch.setenv("WSB__LOGGING__LEVEL", "error")
    return Recorded(tmp_path, capsys)


def as_written(scan: Scan) -> Any:
    """A scan as its JSON says."""
    return json.loads(json.dumps(scan_json(scan)))


@pytest.mark.parametrize(("strategy", "fitting"), [("wheel", ["AAA"]), ("wsb_dip", ["EEE"])])
def test_the_scan_of_a_recording_is_the_scan_that_was_recorded(
    recorded: Recorded, strategy: str, fitting: list[str]
) -> None:
    live = recorded.scan(strategy)
    assert [plan.signal.ticker for plan in live.plans] == fitting
    assert recorded.again(strategy) == as_written(live)


def test_every_name_is_rejected_by_the_same_rule_again(recorded: Recorded) -> None:
    """The names cover what a replay of days could get wrong: an unknown report, delayed prices, no answer at all."""
    recorded.scan("wheel")
    rejected = {row["ticker"]: row["rule"] for row in recorded.again("wheel")["rejected"]}
    assert rejected["BBB"] == "open interest"
    assert rejected["CCC"] == "earnings"
    assert rejected["DDD"] == "prices fit for orders"
    assert rejected["FFF"] == "market data"


def test_of_two_recorded_scans_each_can_be_made_again(recorded: Recorded) -> None:
    first = recorded.scan("wheel")
    recorded.clock.advance(minutes=30)
    quiet = named(cases.wheel_name(asof=recorded.clock(), earnings=(make.earnings(10),)), "AAA")
    recorded.inner.set_snapshot(quiet)
    second = recorded.scan("wheel")
    assert (len(first.plans), len(second.plans)) == (1, 0)
    assert recorded.again("wheel") == as_written(second)
    assert recorded.again("wheel", "--at", "10:00:00") == as_written(first)
    assert recorded.again("wheel", "--at", first.asof.isoformat()) == as_written(first)


def test_one_name_of_a_recording_can_be_scanned(recorded: Recorded) -> None:
    live = recorded.scan("wheel")
    again = recorded.again("wheel", "AAA")
    assert again["signals"] == as_written(live)["signals"]
    assert again["universe"] == 1


def test_a_name_outside_the_configured_ones_can_be_scanned_where_it_was_recorded(recorded: Recorded) -> None:
    recorded.inner.set_snapshot(named(cases.wheel_name(), "ZZZ"))
    live = recorded.scan("wheel", "ZZZ")
    assert recorded.again("wheel", "ZZZ") == as_written(live)
    assert len(live.plans) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--at", "soon"), "“soon” is not a time of day"),
        (("--at", "2026-06-15T10:00"), "has no time zone"),
        (("--at", "2026-06-12T10:00:00-04:00"), "no live prices were recorded on 2026-06-12"),
        (("--date", "2026-06-12", "--at", "10:00"), "no live prices were recorded on 2026-06-12"),
    ],
)
def test_a_time_that_was_not_recorded_is_refused(recorded: Recorded, words: tuple[str, ...], sentence: str) -> None:
    recorded.scan("wheel")
    with pytest.raises(SystemExit) as ended:
        main(("scan", "wheel", "--data", str(recorded.folder), "--config", str(recorded.file), *words))
    assert ended.value.code == 2
    assert sentence in recorded.capture.readouterr().err


def test_what_was_recorded_on_a_saturday_can_be_scanned(recorded: Recorded) -> None:
    """The market is closed: names are watched, nothing is sized, then as now."""
    saturday = datetime(2026, 6, 20, 15, 0, tzinfo=UTC)
    recorded.clock.set(saturday)
    day = make.TODAY + timedelta(days=5)
    recorded.inner.set_snapshot(named(cases.wheel_name(asof=saturday, today=day), "AAA"))
    live = recorded.scan("wheel", "AAA")
    assert live.rejected[0].value == "closed: watchlist only"
    assert recorded.again("wheel", "AAA") == as_written(live)
