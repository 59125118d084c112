"""A practice goes on where it was left, on books that are never those of a real desk."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from bot import app, practice, service
from bot.config import load
from bot.settings import Config, DataSettings, DeskSettings
from engine.errors import ConfigError
from engine.model.events import EventKind
from engine.store import Store

USER = '[[users]]\nname = "ann"\nrole = "admin"\nids = ["web:ann"]\n'


def configured(folder: Path, **data: object) -> Config:
    file = folder / "config.toml"
    file.write_text(USER, encoding="utf-8")
    config = load(file, {"DATABASE_URL": f"sqlite:///{folder / 'desk.db'}"})
    return replace(config, data=DataSettings(source="recorded", **data))  # type: ignore[arg-type]


def told(store: Store, config: Config) -> None:
    """Something happened on the desk of `config`."""
    desk = app.build_desk(replace(config, data=DataSettings()), store)
    with store.begin() as work:
        work.add_event(desk.event(EventKind.HALTED, "desk", {"by": "ann"}))


def test_it_begins_on_a_day_on_which_a_visitor_soon_sees_a_card(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with app.open_store(config.database.url) as store:
        days = practice.days_of(config, store)

    assert days.sessions[0] == date(2009, 2, 3)
    assert days.start.isoformat() == "2009-02-03T14:30:00+00:00"


def test_it_begins_where_the_configuration_says(tmp_path: Path) -> None:
    config = configured(tmp_path, start="2009-02-07")
    with app.open_store(config.database.url) as store:
        assert practice.days_of(config, store).sessions[0] == date(2009, 2, 9)


@pytest.mark.parametrize(("start", "words"), [("soon", "expected YYYY-MM-DD"), ("1999-01-04", "recorded are 2000")])
def test_a_day_without_prices_is_refused_by_its_key(tmp_path: Path, start: str, words: str) -> None:
    config = configured(tmp_path, start=start)
    with app.open_store(config.database.url) as store, pytest.raises(ConfigError, match=f"data.start.*{words}"):
        practice.days_of(config, store)


def test_practice_is_refused_at_a_real_broker(tmp_path: Path) -> None:
    config = replace(configured(tmp_path), desk=DeskSettings(broker="alpaca"))
    with app.open_store(config.database.url) as store, pytest.raises(ConfigError, match=r"desk\.broker should be"):
        practice.days_of(config, store)


def test_practice_is_refused_on_the_books_of_a_desk(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with app.open_store(config.database.url) as store:
        told(store, config)

        with pytest.raises(ConfigError, match="holds a desk that is no practice"):
            service.rehearsal(config, store, lambda words: None)


def test_a_desk_is_refused_on_the_books_of_a_practice(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with app.open_store(config.database.url) as store:
        practice.days_of(config, store)
        desk = app.build_desk(config, Store.memory())

        with pytest.raises(ConfigError, match="holds a practice"):
            service.live(replace(config, data=DataSettings()), store, desk.market, lambda words: None)


def test_prices_do_not_change_under_a_practice(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with app.open_store(config.database.url) as store:
        with store.begin() as work:
            work.set_setting(practice.MARK, "other days", "desk", app.system_clock())

        with pytest.raises(ConfigError, match="on the prices of other days, not of demo"):
            practice.days_of(config, store)


def test_it_goes_on_where_it_was_left_with_ids_that_were_never_used(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with app.open_store(config.database.url) as store:
        days = practice.days_of(config, store)
        first = app.build_practice_desk(config, days.folder, days.start, store)
        first.clock.set(days.start + timedelta(days=1, hours=2))
        event = first.desk.event(EventKind.HALTED, "desk", {"by": "ann"})
        with store.begin() as work:
            work.add_event(event)

        again = practice.days_of(config, store)
        second = app.build_practice_desk(config, again.folder, again.start, store)

    assert again.start == event.at + timedelta(seconds=1)
    assert again.sessions[0] == date(2009, 2, 4)
    assert second.desk.now() == again.start
    assert second.desk.new_id("E") > event.id
