"""A live desk as a process, to be killed: the program's own composition, on a market and a clock that a test sets.

A parent that has everything imported forks one life after another: for every line of JSON on its standard input one,
and says on its standard output how each ended. A life connects to the test over a socket: requests of people come in as
lines, replies and cards go out as lines. Its clock runs faster than ours, from an instant that all lives share.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from alerts.routes import Channels
from bot import app
from bot.bulkheads import Bulkheads
from bot.config import load
from bot.dispatch import dispatch
from bot.logs import configure
from bot.loops import Desks, works
from bot.message import PLAIN, Card, Manner, MessageRef, Request
from bot.runtime import Runtime
from bot.serve import Serving, serve
from bot.settings import LoggingSettings
from engine.desk import Desk
from engine.model.instruments import Instrument
from engine.model.market import Quote
from engine.sessions import Sessions
from engine.store import Store
from tests import make
from tests.fakes import FakeMarket
from tests.faults.boundaries import Boundary, StepBroker, StepStore
from tests.standins.alpaca import RunningClock

DESTINATION = "line:desk"


@dataclass(frozen=True, slots=True)
class Life:
    """One life: where everything is, the boundary it dies at (0: none), and how fast its clock runs.

    `zero`: the moment of the monotonic clock, shared by all processes, at which the clocks stood at the builders' NOW.
    """

    database: str
    broker: str
    socket: str
    quotes: str
    zero: float
    speed: float
    fatal: int = 0


class FileMarket(FakeMarket):
    """A market that reads its quotes from a file, symbol -> [bid, ask]; each is as fresh as the question."""

    def __init__(self, file: Path, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self._file = file

    @property
    def name(self) -> str:
        return "scripted"

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        rows = json.loads(self._file.read_text(encoding="utf-8"))
        now = self._clock()
        wanted = [item for item in instruments if item.symbol in rows]
        return {x: make.quote(x, *(Decimal(part) for part in rows[x.symbol]), at=now) for x in wanted}


class LineChat:
    """A `Platform` that writes cards as lines of JSON and reads requests as lines."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._count = 0

    @property
    def name(self) -> str:
        return "line"

    async def post(self, chat: str, card: Card, manner: Manner = PLAIN) -> MessageRef:
        self._count += 1
        self.tell(card=card.title, key=card.key)
        return MessageRef(self.name, chat, str(self._count))

    async def edit(self, ref: MessageRef, card: Card, manner: Manner = PLAIN) -> None:
        self.tell(card=card.title, key=card.key)

    def tell(self, **what: object) -> None:
        self._writer.write((json.dumps(what) + "\n").encode())


def environment(life: Life) -> dict[str, str]:
    """What a person would have set: an Alpaca paper account and a database."""
    return {
        "ALPACA_API_KEY": "PKSTANDIN",
        "ALPACA_SECRET_KEY": "standin-secret",
        "ALPACA_TRADING_URL": life.broker,
        "DATABASE_URL": life.database,
        "WSB__DESK__BROKER": "alpaca",
    }


def people(folder: Path) -> Path:
    """A configuration with two people."""
    file = folder / "config.toml"
    file.write_text(
        '[[users]]\nname = "ann"\nrole = "admin"\nids = ["web:ann", "discord:1"]\n'
        '[[users]]\nname = "bob"\nrole = "trader"\nids = ["web:bob", "telegram:2"]\n',
        encoding="utf-8",
    )
    return file


def stepped(desk: Desk, boundary: Boundary) -> Desk:
    """The desk with its boundaries: the store is one for all sessions, every session counts."""
    store = StepStore(desk.store, boundary)
    return replace(desk, store=store, broker=StepBroker(desk.broker, boundary))  # type: ignore[arg-type]


async def live(life: Life) -> None:
    """Serve a desk until the process is ended."""
    began = time.monotonic()
    file = people(Path(life.quotes).parent)
    config = load(file, environment(life))
    clock = RunningClock(make.NOW, life.speed, life.zero)
    store = Store.open(life.database)
    desk = app.build_desk(config, store, FileMarket(Path(life.quotes), clock), clock)
    boundary = Boundary(life.fatal)
    opened = app.sessions_of(config, desk)
    sessions = (opened.entries, opened.exits, opened.exit_orders, opened.protecting, opened.books)
    desks = Desks(*(stepped(one, boundary) for one in sessions))
    # Nothing is to be scanned on this market: it has no scheduler.
    quick = tuple(replace(work, every=work.every / life.speed) for work in works(desks))
    runtime = Runtime(desks.books, quick)
    pools = Bulkheads(trading=4, looking=2, protecting=2)
    room = app.build_live_room(config, desks, runtime, pools.run)
    reader, writer = await asyncio.open_unix_connection(life.socket)
    chat = LineChat(writer)
    serving = Serving(room, runtime, {chat.name: chat}, Channels((DESTINATION,), {}), renew_every=0.2)
    listening = asyncio.create_task(_listen(room, reader, chat))
    watching = asyncio.create_task(_first_look(runtime, chat, began))
    try:
        await serve(serving)
    finally:
        listening.cancel()
        watching.cancel()
        pools.close()


async def _first_look(runtime: Runtime, chat: LineChat, began: float) -> None:
    """Say when the exits of everything held have been looked at for the first time."""
    while not any(beat.name == "exits" and beat.looks for beat in runtime.beats):
        await asyncio.sleep(0.01)
    chat.tell(supervised=time.monotonic() - began, own=time.process_time())


async def _listen(room: Any, reader: asyncio.StreamReader, chat: LineChat) -> None:
    tasks = set()
    while line := await reader.readline():
        task = asyncio.create_task(_answer(room, Request(**json.loads(line)), chat))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _answer(room: Any, request: Request, chat: LineChat) -> None:
    reply = await dispatch(room, request)
    titles = [card.title for card in reply.cards]
    words = [line for card in reply.cards for line in card.lines]
    actions = [button.action for card in reply.cards for row in card.buttons for button in row]
    chat.tell(reply=request.source, error=reply.error, titles=titles, words=words, actions=actions)


def fork(life: Life) -> int:
    """The process id of a child that lives this life."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        asyncio.run(live(life))
        status = 0
    finally:
        if status:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Fork a life for every line, and say how it ended. What a life needs is loaded first: hundreds will follow."""
    configure(LoggingSettings(level="warning"))
    importlib.import_module("engine.brokers.alpaca")
    Sessions().is_open(make.NOW)
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        child = fork(Life(**json.loads(line)))
        print(json.dumps({"child": child}), flush=True)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"ended": child, "status": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
