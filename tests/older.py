"""Databases as programs of older revisions left them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine


def created_at(url: str, revision: str) -> None:
    """A database as a program of that revision made it."""
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", "engine:schema")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def migrated(url: str, revision: str) -> None:
    """A database with data as a program of that revision left it."""
    created_at(url, revision)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO settings VALUES ('mood', 'good', 'ann', '2026-01-02')")
    engine.dispose()


def made_at(revision: str, file: Path) -> str:
    """The URL of such a database in a file."""
    url = f"sqlite:///{file}"
    migrated(url, revision)
    return url
