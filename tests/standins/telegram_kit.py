"""What the tests of the pretended Telegram share: a clock that stands still, the server, a bot that knows it."""

from __future__ import annotations

import os
import struct
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest

os.environ.setdefault("PTB_TIMEDELTA", "true")

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.error import BadRequest

from tests.standins.telegram_rules import PNG
from tests.standins.telegram_server import TOKEN, TelegramServer

NOW = 1_795_700_000.0
HTML = "HTML"


class Clock:
    """Unix time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def connected(server: TelegramServer, token: str = TOKEN) -> AsyncIterator[Bot]:
    bot = Bot(token, base_url=f"{server.url}/bot", base_file_url=f"{server.url}/file/bot")
    async with bot:
        yield bot


def png(width: int = 40, height: int = 30, size: int = 0) -> bytes:
    head = PNG + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", width, height)
    return head.ljust(size, b"\0")


def keyboard(*labels: str, data: str = "t:") -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(label, callback_data=f"{data}{label}") for label in labels]])


async def refused(work: Awaitable[object], words: str, kind: type[Exception] = BadRequest) -> None:
    with pytest.raises(kind) as caught:
        await work
    assert words.lower() in str(caught.value).lower()


async def heard(bot: Bot, offset: int = 0, **more: Any) -> tuple[Update, ...]:
    return await bot.get_updates(offset=offset, timeout=2, **more)
