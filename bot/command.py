"""What a command is: its words, its typed parameters, who may give it and what answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, TypeVar

from alerts.runner import Standing
from bot.denials import Denials
from bot.doctor import Finding
from bot.listed import Listed
from bot.message import Card, Progress, Request
from bot.people import People, Role, User
from bot.works import Works
from engine.desk import Desk
from engine.model.records import Run

T = TypeVar("T")


class Kind(StrEnum):
    """What a parameter is made of: decides how it is read, checked and completed."""

    TICKER = "ticker"
    STRATEGY = "strategy"
    POSITION = "position id"
    APPROVAL = "proposal id"
    TICKET = "order id"
    ROLL = "roll id"
    ENVELOPE = "envelope id"
    ALERT = "alert id"
    SLEEPER = "proposal or alert id"
    INT = "whole number"
    MINUTES = "number of minutes"
    DECIMAL = "number"
    CHOICE = "choice"
    DATE = "date"
    TEXT = "text"


SHOWN_CHOICES = 3

SAMPLES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.TICKER: "AAPL",
        Kind.STRATEGY: "wheel",
        Kind.POSITION: "P00003",
        Kind.APPROVAL: "A00004.1",
        Kind.TICKET: "A00004.1",
        Kind.ENVELOPE: "V00001",
        Kind.ALERT: "N00012",
        Kind.SLEEPER: "A00004.1",
        Kind.DATE: "friday",
    }
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One typed word of a command.

    Attributes:
        many: takes every word that is left. rest: takes the remaining text as it stands.
        choices: for CHOICE. low, high: bounds for numbers, both allowed.
        example: what /help shows; an optional parameter is part of the command's example only when it has one.
    """

    name: str
    kind: Kind
    summary: str
    required: bool = True
    many: bool = False
    rest: bool = False
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    example: str = ""

    @property
    def usage(self) -> str:
        """`TICKER`, `[put|call]`, `[TICKERS ...]`; many choices are left to the explanation."""
        words = "|".join(self.choices) if 0 < len(self.choices) <= SHOWN_CHOICES else self.name.upper()
        words += " ..." if self.many else ""
        return words if self.required else f"[{words}]"

    @property
    def sample(self) -> str:
        """What a person could write there."""
        return self.example or next(iter(self.choices), "") or SAMPLES.get(self.kind, "")


class Pool(StrEnum):
    """Which bulkhead runs it, so that a slow look-up never starves a trade."""

    LOOK = "look"
    TRADE = "trade"
    PROTECT = "protect"
    """What makes the account safer: it never waits behind approvals that wait for the broker."""
    DRAW = "draw"
    """Pictures: what draws them reads a frozen curve and never the desk, so it waits for nobody and holds nobody up."""


class Group(StrEnum):
    """The headings of /help."""

    TRADES = "Trades"
    MARKET = "Market"
    MONEY = "Money"
    SAFETY = "Safety"
    DESK = "Desk"


class Place(StrEnum):
    """Where the answer goes: a message of its own, or in place of the card that was tapped."""

    NEW = "new"
    SAME = "same"


class Jobs(Protocol):
    """The jobs of a desk that is being run."""

    def standings(self) -> tuple[Standing, ...]:
        """How every job stands: when it is due next, how it went."""

    def run_now(self, name: str, by: str) -> Future[Run]:
        """Have a job run now; the future holds the ended run.

        Raises:
            NotFound: there is no such job.
        """


@dataclass(frozen=True, slots=True)
class Room:
    """Everything a command may touch: the desk, who is who, and the words above every card.

    Attributes:
        run: executes blocking work in a bulkhead (`bot.bulkheads`). banner: "PAPER", "REPLAY 2019-03-04", "LIVE ...".
        protecting: the same desk through a broker session of its own, for what protects; None where one serves all.
        parts: further parts of the desk for /health: name, whether it is well, and in which words.
        doctor: what `wsb check` would say now, for /setup.
        unhurried: around questions about many names that leave the providers' allowances to more urgent ones.
        max_age: seconds after which what acts is not carried out any more, unless it is safe late.
        jobs: what runs at its times; None where nothing does (one command).
        left_out: what this desk does without, and why, in a sentence; "" for nothing.
        denials, works, listed: who was turned away, the long work under way and the expiries of the chains that were
            looked at, since the desk was started.
    """

    desk: Desk
    people: People
    run: Runner
    banner: Callable[[], str]
    protecting: Desk | None = None
    parts: Callable[[], tuple[tuple[str, tuple[bool, str]], ...]] = tuple
    doctor: Callable[[], tuple[Finding, ...]] = tuple
    unhurried: Callable[[], AbstractContextManager[None]] = nullcontext
    max_age: float = 60.0
    jobs: Jobs | None = None
    left_out: str = ""
    denials: Denials = field(default_factory=Denials)
    works: Works = field(default_factory=Works)
    listed: Listed = field(default_factory=Listed)

    def for_command(self, command: Command) -> Room:
        """The room in which `command` is carried out."""
        if command.protects and self.protecting is not None:
            return replace(self, desk=self.protecting)
        return self


class Runner(Protocol):
    """Runs blocking work in the bulkhead `pool`; exceptions come through."""

    def __call__(self, pool: Pool, work: Callable[[], T]) -> Awaitable[T]: ...


Tell = Callable[[Progress], None]
"""Takes how far long work has come; raises `Canceled` when the person does not want it any more."""


def unheard(progress: Progress) -> None:
    """Nobody watches this work."""
    del progress


Value = str | int | Decimal | date | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One command as understood: who, where, and its values by parameter name (optional ones may be missing).

    Long work calls `tell` as it comes along.
    """

    room: Room
    user: User
    request: Request
    values: Mapping[str, Value] = field(default_factory=dict)
    tell: Tell = unheard

    @property
    def desk(self) -> Desk:
        return self.room.desk

    def hear(self, fraction: float, words: str) -> None:
        """Pass on how far the engine has come.

        Raises:
            Canceled: the person does not want it any more.
        """
        self.tell(Progress(fraction, words))

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name, default)
        return value if isinstance(value, str) else str(value)

    def words(self, name: str) -> tuple[str, ...]:
        value = self.values.get(name, ())
        return value if isinstance(value, tuple) else (str(value),)

    def whole(self, name: str, default: int) -> int:
        value = self.values.get(name, default)
        return value if isinstance(value, int) else default

    def day(self, name: str) -> date | None:
        value = self.values.get(name)
        return value if isinstance(value, date) else None


Handler = Callable[[Call], Card | tuple[Card, ...]]


@dataclass(frozen=True, slots=True)
class Command:
    """One entry of the catalogue: a chat command, or a button's verb when `is_button`.

    Attributes:
        acts: changes something: runs once per update, is written to the audit trail, uses the trading bulkhead.
        place: whether the answer replaces the tapped card.
        protects: makes the account safer (closes, cancels, halts): it has a bulkhead and a broker session of its own.
        is_private: its answer tells of the account or of a person: shown to them alone where others read along.
        is_safe_late: makes nothing worse when it comes late (a halt, a rejection): carried out whatever its age.
        is_long: takes a while: it says how far it has come, and can be stopped.
        is_still: its answer is the same whenever it is asked: it needs no Refresh.
    """

    name: str
    role: Role
    summary: str
    handler: Handler
    group: Group = Group.DESK
    parameters: tuple[Parameter, ...] = ()
    acts: bool = False
    is_button: bool = False
    place: Place = Place.NEW
    protects: bool = False
    is_private: bool = False
    is_safe_late: bool = False
    is_long: bool = False
    is_still: bool = False

    @property
    def usage(self) -> str:
        """`/chain TICKER [put|call] [EXPIRY]`."""
        return " ".join((f"/{self.name}", *(parameter.usage for parameter in self.parameters)))

    @property
    def example(self) -> str:
        """`/close P00003 2`."""
        words = (p.sample for p in self.parameters if p.required or p.example)
        return " ".join((f"/{self.name}", *words))

    @property
    def pool(self) -> Pool:
        if self.protects:
            return Pool.PROTECT
        if self.is_long:
            return Pool.LOOK
        return Pool.TRADE if self.acts else Pool.LOOK


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request.

    `cards` is empty only for an update that was handled before. `error` is "" or the kind of error; `ref` the
    reference that is also in the log when something broke.
    """

    cards: tuple[Card, ...]
    place: Place = Place.NEW
    error: str = ""
    ref: str = ""

    @property
    def is_ok(self) -> bool:
        return not self.error
