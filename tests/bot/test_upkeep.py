"""What a live desk keeps: its universe and answers over restarts, allowances of a day, and a loop that gives way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import loops, sources
from bot.loops import Desks
from bot.settings import AlpacaSettings, Config, DataSettings, DeskSettings
from bot.upkeep import LiveData
from engine.data.budget import Allowance, Budget, Urgency, asking, urgency
from engine.data.providers.port import Provider
from engine.store import Store
from tests.desk import make_world
from tests.standins.alpaca_data import AlpacaDataServer, AlpacaWorld
from tests.standins.provider_server import serving

NOW = datetime(2026, 11, 30, 16, tzinfo=UTC)
NAMES = ("AAA", "BBB", "CCC")


@pytest.fixture
def server() -> Iterator[AlpacaDataServer]:
    world = AlpacaWorld(NOW)
    for place, ticker in enumerate(NAMES, start=1):
        world.list(ticker, 100.0 * place, sessions=300)
        world.move(ticker, 100.0 * place)
    world.list("PENNY", 1.0, sessions=300)
    with serving(AlpacaDataServer(world)) as running:
        assert isinstance(running, AlpacaDataServer)
        yield running


def config(server: AlpacaDataServer, folder: Path, **desk: object) -> Config:
    return Config(
        desk=DeskSettings(**desk),  # type: ignore[arg-type]
        alpaca=AlpacaSettings(data_url=server.url, trading_url=server.url),
        data=DataSettings(source="live", cache=str(folder), yahoo=False, treasury_url=server.url),
        secrets={name: SecretStr("k") for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")},
    )


def opened(server: AlpacaDataServer, folder: Path, **desk: object) -> LiveData:
    """A process on this folder."""
    return sources.build_live_data(config(server, folder, **desk), Store.memory(), lambda: NOW)


def chosen(server: AlpacaDataServer, folder: Path) -> LiveData:
    data = opened(server, folder)
    data.choose(wait=lambda seconds: None)
    return data


def test_a_command_waits_for_the_first_universe(server: AlpacaDataServer, tmp_path: Path) -> None:
    data = chosen(server, tmp_path)
    assert data.names == ("CCC", "BBB", "AAA")
    assert data.market.universe() == NAMES
    assert data.parts() == (("Universe", (True, "3 names of 27 Nov")),)
    data.market.close()


def test_a_command_does_not_wait_for_ever(server: AlpacaDataServer, tmp_path: Path) -> None:
    server.world.shares.clear()
    data = opened(server, tmp_path)
    seconds = iter(range(0, 10_000, 10))
    data.choose(tick=lambda: float(next(seconds)), wait=lambda seconds: None)
    assert data.names == ()
    assert data.parts()[0][1][0] is False
    data.market.close()


def test_after_a_restart_neither_universe_nor_history_is_asked_for_again(
    server: AlpacaDataServer, tmp_path: Path
) -> None:
    data = chosen(server, tmp_path)
    before = {ticker: data.market.snapshot(ticker).bars for ticker in NAMES}
    data.market.close()
    asked = len(server.asked)

    again = opened(server, tmp_path)
    assert again.names == ("CCC", "BBB", "AAA")
    after = {ticker: again.market.snapshot(ticker).bars for ticker in NAMES}
    again.market.close()

    assert {ticker: len(bars) for ticker, bars in after.items()} == {t: len(bars) for t, bars in before.items()}
    assert all((after[ticker].close == before[ticker].close).all() for ticker in NAMES)
    assert not [each.path for each in server.asked[asked:] if "bars" in each.path or "most-actives" in each.path]


def test_named_tickers_are_the_universe_and_nothing_is_chosen(server: AlpacaDataServer, tmp_path: Path) -> None:
    data = opened(server, tmp_path, universe=("AAA", "ZZZ"))
    data.choose()
    assert (data.names, data.universe) == (("AAA", "ZZZ"), None)
    assert data.parts() == (("Universe", (True, "2 names of the configuration")),)
    assert server.asked == []
    data.market.close()


def test_answers_of_another_address_or_feed_are_kept_apart(server: AlpacaDataServer, tmp_path: Path) -> None:
    here = config(server, tmp_path)
    folders = {sources.answers_folder(here)}
    for data in (
        DataSettings(source="live", cache=str(tmp_path), option_feed="opra"),
        DataSettings(source="live", cache=str(tmp_path), fmp_url="http://127.0.0.1:9"),
    ):
        folders.add(sources.answers_folder(Config(alpaca=here.alpaca, data=data)))
    assert len(folders) == 3
    assert sources.answers_folder(here) == sources.answers_folder(config(server, tmp_path))


class Scarce(Provider):
    """25 requests a day, or 200 a minute."""

    name = "scarce"

    def __init__(self, allowance: Allowance) -> None:
        self.budget = Budget(self.name, allowance)

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return (self.budget,)


def test_twenty_five_a_day_are_not_forgotten_by_a_restart(tmp_path: Path) -> None:
    first, second = Scarce(Allowance(25, 86_400.0)), Scarce(Allowance(25, 86_400.0))
    assert len(list(sources.remembered([first], tmp_path, lambda: NOW))) == 1
    with asking(Urgency.ORDER):
        for _ in range(20):
            first.budget.take()
    assert len(list(sources.remembered([second], tmp_path, lambda: NOW + timedelta(hours=20)))) == 1
    assert second.budget.left[0][1] == 5


def test_an_allowance_of_a_minute_leaves_nothing_on_disk(tmp_path: Path) -> None:
    provider = Scarce(Allowance(200, 60.0))
    assert list(sources.remembered([provider], tmp_path, lambda: NOW)) == []
    provider.budget.take()
    assert list(tmp_path.iterdir()) == []


def test_the_loop_keeps_the_data_and_gives_way(server: AlpacaDataServer, tmp_path: Path) -> None:
    desk = make_world().desk
    data = opened(server, tmp_path)
    assert [name for name, _ in data.upkeep(desk)] == ["universe", "refresh", "tidy"]
    asked: list[Urgency] = []
    steps = (("seen", lambda: asked.append(urgency())),)
    made = loops.works(Desks(*[desk] * 5), quietly=lambda: asking(Urgency.BACKGROUND), upkeep=steps)
    (work,) = (each for each in made if each.name == "upkeep")
    for _, step in work.steps:
        step()
    assert asked == [Urgency.BACKGROUND]
    assert "upkeep" not in [each.name for each in loops.works(Desks(*[desk] * 5))]
    data.market.close()


def test_a_round_of_upkeep_chooses_refreshes_and_tidies(server: AlpacaDataServer, tmp_path: Path) -> None:
    desk = make_world().desk
    data = opened(server, tmp_path)
    steps = dict(data.upkeep(desk))
    for _ in range(10):
        steps["universe"]()
    steps["refresh"]()
    steps["tidy"]()
    assert data.names == ("CCC", "BBB", "AAA")
    assert [each.path for each in server.asked if "/options/" in each.path]
    data.market.close()
