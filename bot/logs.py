"""The log: one line for everything, JSON or for people, on standard error; without secrets, whoever wrote it.

What the libraries log (discord.py, python-telegram-bot, aiohttp, APScheduler, Alembic) goes the same way; below a
warning they are not heard, for some of them write whole addresses, with the key in it. Every line carries what was
bound where its work began: `trade` (the proposal a trade began with), `request` (a message or a tap), `scan`, `loop`,
`job` with its `run`.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog

from bot.settings import Config, LoggingSettings
from engine import redaction
from engine.model.events import Event
from engine.store import Store, database

log = structlog.get_logger()

SHARED: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.format_exc_info,
)


class StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is when a line is written."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def configure(settings: LoggingSettings) -> None:
    """Log to standard error, at the level and in the format the configuration says."""
    renderer = _renderer(settings)
    structlog.configure(
        processors=[*SHARED, renderer, without_secrets],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        logger_factory=_standard_error,
        cache_logger_on_first_use=False,
    )
    handler = StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*SHARED, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer, without_secrets],
        )
    )
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, StandardError)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)


def _renderer(settings: LoggingSettings) -> Any:
    if settings.format == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer(sort_keys=True, default=repr)


def _standard_error(*names: object) -> structlog.PrintLogger:
    """A logger on whatever standard error is when a line is written."""
    del names
    return structlog.PrintLogger(sys.stderr)


def without_secrets(logger: object, method: str, line: str | MutableMapping[str, Any]) -> str:
    """The whole line, as it would be written, without secrets: wherever in it they stand."""
    del logger, method
    return redaction.clean(str(line))


def keep_secrets(config: Config) -> None:
    """Take the configured secrets out of every line, event and card from now on."""
    found = [secret.get_secret_value() for secret in config.secrets.values()]
    password = database.parse(config.database.url).password
    redaction.keep([*found, str(password)] if password else found)


def tell_all() -> None:
    """Have what ends a thread or the process logged like everything else, and warnings of Python, too."""
    logging.captureWarnings(True)

    def ended(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
        log.critical("process.broken", exc_info=(kind, problem, trace))

    def thread_ended(about: threading.ExceptHookArgs) -> None:
        if about.exc_value is not None:
            told = (about.exc_type, about.exc_value, about.exc_traceback)
            log.critical("thread.broken", thread=about.thread.name if about.thread else "", exc_info=told)

    sys.excepthook = ended
    threading.excepthook = thread_ended


def follow(store: Store) -> None:
    """Log everything that happens at a desk, when it has been committed, with the trade it belongs to."""
    store.hear = happened


def happened(event: Event) -> None:
    """One line for one event; its facts are in the audit trail."""
    log.info(
        "desk.event",
        kind=event.kind.value,
        trade=event.correlation,
        about=event.subject,
        id=event.id,
        severity=event.severity.value,
        by=event.actor,
    )
