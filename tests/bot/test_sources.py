"""The live market of a configuration: who is asked, in which order, and what is said when nobody can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import sources
from bot.settings import Config, DataSettings
from engine.errors import ConfigError
from engine.store import Store
from tests import make

KEYS = (
    "ALPACA_API_KEY", "ALPACA_SECRET_KEY", "POLYGON_API_KEY", "ALPHA_VANTAGE_API_KEY", "FINNHUB_API_KEY",
    "FMP_API_KEY", "NEWSAPI_API_KEY",
)  # fmt: skip


def config(folder: Path, keys: tuple[str, ...] = (), **data: object) -> Config:
    settings = DataSettings(source="live", cache=str(folder), **data)  # type: ignore[arg-type]
    return Config(data=settings, secrets={key: SecretStr("k") for key in keys})


def names(made: Config) -> list[str]:
    providers = list(sources.providers_of(made, lambda: make.NOW))
    for provider in providers:
        provider.close()
    return [provider.name for provider in providers]


def test_without_keys_yahoo_and_the_treasury_are_asked(tmp_path: Path) -> None:
    assert names(config(tmp_path)) == ["yahoo", "treasury"]


def test_with_every_key_and_switch_every_provider_is_asked_in_order(tmp_path: Path) -> None:
    assert names(config(tmp_path, KEYS, cboe=True, stocktwits=True)) == list(sources.MAKERS)


def test_half_a_pair_of_keys_is_no_key(tmp_path: Path) -> None:
    assert "alpaca" not in names(config(tmp_path, ("ALPACA_API_KEY",)))


def test_nobody_who_knows_prices_is_said_with_what_to_set(tmp_path: Path) -> None:
    with Store.memory() as store, pytest.raises(ConfigError, match="ALPACA_API_KEY and ALPACA_SECRET_KEY"):
        sources.build_live_market(config(tmp_path, yahoo=False), store, lambda: make.NOW)


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"data\.cache: the folder .*file/below cannot be made"):
        sources.cache_folder(config(tmp_path / "file" / "below"))
