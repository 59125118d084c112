"""One seeded run of a desk that is killed and started again while people tap, the broker fills and stops fire.

The run plays the people, the market and the exchange; the desk is a process of its own. Whatever it dies in, in the end
the broker and the books agree, nothing was ordered twice, nothing a person decided is forgotten.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from engine import audit, halts
from engine.model.book import Position
from engine.model.instruments import Right
from engine.model.legs import ExitPlan, Leg, Structure
from engine.model.orders import NET, Purpose, Ticket
from engine.model.trade import Approval, ApprovalStatus, TradePlan
from engine.store import Store
from tests import make
from tests.faults.desk_process import Life
from tests.standins.alpaca import AlpacaStandin, RunningClock
from tests.standins.alpaca_book import OrderState
from tests.standins.alpaca_exchange import Exchange

ROOT = Path(__file__).resolve().parents[2]
D = Decimal
SPEED = 20.0

LONGEST = 40.0
"""Real seconds after which a run is called stuck."""
QUIET = 0.25
"""Real seconds without a change after which an ended run is believed."""
SUPERVISED_WITHIN = 5.0
PANICS_EVERY = 6
"""In one run of so many everything is flattened once something is held."""
ASK_AGAIN = 0.7
"""Real seconds after which a person who sees nothing happen asks again."""
SCHEMAS_EVERY = 10
"""One run in so many is held to the published schemas: that takes longer than the rest of the run."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One proposal of a run: its legs with the quotes at which it rests, fills, and falls through its stop."""

    approval_id: str
    ticker: str
    legs: tuple[Leg, ...]
    structure: Structure
    limit: Decimal
    quantity: int
    resting: dict[str, tuple[str, str]]
    filling: dict[str, tuple[str, str]]
    stopped: dict[str, tuple[str, str]]
    exits: ExitPlan

    @property
    def is_multileg(self) -> bool:
        return len(self.legs) > 1


def short_put(number: int, quantity: int) -> Trade:
    """Sell puts at 1.03, stop at 2.06."""
    ticker = f"P{chr(65 + number)}"
    leg = Leg(make.put(44, underlying=ticker), -1)
    return Trade(
        f"A9{number:04d}", ticker, (leg,), Structure.SHORT_PUT, D("-1.03"), quantity,
        _quoted((leg,), "0.98", "1.08"), _quoted((leg,), "1.08", "1.08"), _quoted((leg,), "2.20", "2.20"),
        make.exits(),
    )  # fmt: skip


def long_call(number: int, quantity: int) -> Trade:
    """Buy calls at 2.25, stop at 1.575."""
    ticker = f"C{chr(65 + number)}"
    leg = Leg(make.call(48, underlying=ticker), 1)
    return Trade(
        f"A9{number:04d}", ticker, (leg,), Structure.LONG_CALL, D("2.25"), quantity,
        _quoted((leg,), "2.20", "2.30"), _quoted((leg,), "2.20", "2.20"), _quoted((leg,), "1.50", "1.50"),
        ExitPlan(target=D("2.8125"), stop=D("1.575"), words=("Stop at 1.57.",)),
    )  # fmt: skip


def put_spread(number: int, quantity: int) -> Trade:
    """Sell a put spread at a credit of 1.00, stop at 3.00."""
    ticker = f"S{chr(65 + number)}"
    short, long = make.option(50, Right.PUT, 38, ticker), make.option(45, Right.PUT, 38, ticker)
    legs = (Leg(short, -1), Leg(long, 1))

    def both(sold: tuple[str, str], bought: tuple[str, str]) -> dict[str, tuple[str, str]]:
        return {short.symbol: sold, long.symbol: bought}

    return Trade(
        f"A9{number:04d}", ticker, legs, Structure.CREDIT_SPREAD, D("-1.00"), quantity,
        both(("1.95", "2.05"), ("0.95", "1.05")), both(("2.05", "2.05"), ("1.00", "1.00")),
        both(("4.00", "4.00"), ("0.80", "0.80")),
        ExitPlan(target=D("-0.50"), stop=D("-3.00"), words=("Stop at 3.00.",)),
    )  # fmt: skip


def condor(number: int, quantity: int) -> Trade:
    """Sell a put and a call spread as four legs at a credit of 1.00, stop at 3.00."""
    ticker = f"I{chr(65 + number)}"
    strikes = ((50, Right.PUT, -1), (45, Right.PUT, 1), (60, Right.CALL, -1), (65, Right.CALL, 1))
    legs = tuple(Leg(make.option(strike, right, 38, ticker), ratio) for strike, right, ratio in strikes)

    def quoted(*prices: str) -> dict[str, tuple[str, str]]:
        pairs = (tuple(price.split("/")) for price in prices)
        return {leg.instrument.symbol: (bid, ask) for leg, (bid, ask) in zip(legs, pairs, strict=True)}

    return Trade(
        f"A9{number:04d}", ticker, legs, Structure.IRON_CONDOR, D("-1.00"), quantity,
        quoted("0.97/1.03", "0.47/0.53", "0.97/1.03", "0.47/0.53"),
        quoted("1.02/1.02", "0.50/0.50", "1.02/1.02", "0.50/0.50"),
        quoted("4.00/4.00", "0.80/0.80", "0.10/0.10", "0.05/0.05"),
        ExitPlan(target=D("-0.50"), stop=D("-3.00"), words=("Stop at 3.00.",)),
    )  # fmt: skip


def calendar(number: int, quantity: int) -> Trade:
    """Buy a put and sell an earlier one at a debit of 1.00, stop at 0.50."""
    ticker = f"K{chr(65 + number)}"
    later, front = make.option(44, Right.PUT, 38, ticker), make.option(44, Right.PUT, 10, ticker)

    def both(bought: str, sold: str) -> dict[str, tuple[str, str]]:
        return {item.symbol: tuple(prices.split("/")) for item, prices in ((later, bought), (front, sold))}  # type: ignore[misc]

    return Trade(
        f"A9{number:04d}", ticker, (Leg(later, 1), Leg(front, -1)), Structure.CALENDAR, D("1.00"), quantity,
        both("2.97/3.03", "1.97/2.03"), both("2.98/2.98", "2.00/2.00"), both("2.40/2.40", "2.05/2.05"),
        ExitPlan(target=D("1.50"), stop=D("0.50"), words=("Stop at 0.50.",)),
    )  # fmt: skip


def _quoted(legs: tuple[Leg, ...], bid: str, ask: str) -> dict[str, tuple[str, str]]:
    return {leg.instrument.symbol: (bid, ask) for leg in legs}


KINDS = (short_put, long_call, put_spread, condor, calendar)


def approval_of(trade: Trade) -> Approval:
    """The pending proposal of a trade, an hour to live."""
    loss = D(4297) if trade.structure is Structure.SHORT_PUT else D(400)
    outlook = make.outlook(
        max_loss=loss, collateral=D(4400) if trade.structure is Structure.SHORT_PUT else D(0), breakevens=(D(43),)
    )
    signal = make.signal(
        strategy="crash", ticker=trade.ticker, structure=trade.structure, legs=trade.legs, limit=trade.limit,
        natural=trade.limit + D("0.05"), spot=D(48), outlook=outlook, exits=trade.exits,
    )  # fmt: skip
    plan: TradePlan = make.plan(signal, trade.quantity, counted_risk=D(100) * trade.quantity)
    return make.approval(plan, id=trade.approval_id, expires_at=make.NOW + timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Death:
    """How a life ends: at its n-th boundary, or (0) after so many seconds; `fault` is the broker's next one."""

    boundary: int
    after: float = 0.0
    fault: str = ""

    @property
    def is_timed(self) -> bool:
        return not self.boundary and self.after > 0


CREATING = threading.Lock()
NEVER = Death(0)
FAULTS = ("429", "500", "504", "html", "cut", "done-504", "done-cut")
"""What the broker does with one POST of a life: nothing done, or done and the answer lost."""


@dataclass(frozen=True, slots=True)
class FirstLook:
    """The first finished look at the exits of everything held: seconds after the life began, and of its own work."""

    after: float
    own: float


@dataclass
class Report:
    """What one run did, for its assertions and for the table of a soak."""

    seed: int
    deaths: int = 0
    lives: int = 0
    first_looks: list[FirstLook] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    orders: int = 0
    fills: int = 0
    exits: int = 0
    stages: Counter[str] = field(default_factory=Counter)


class Program:
    """The process that forks lives; one serves many runs."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults.desk_process"]
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives as long as the program
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the program of lives has ended: {self.log()[-2000:]}")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    def begin(self, life: Life) -> int:
        """The process id of a new life."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(life)) + "\n")
        self._process.stdin.flush()
        return int(self._answer()["child"])

    def ended(self) -> int:
        """Wait for the life that was begun last: how it ended (negative: the signal)."""
        return int(self._answer()["status"])

    def log(self) -> str:
        """Everything the lives wrote to standard error."""
        self._log.flush()
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        self._process.communicate(timeout=10)
        self._log.close()


class Connection:
    """The test's end of one life: requests go out, what the desk says is kept."""

    def __init__(self, listener: socket.socket) -> None:
        listener.settimeout(20)
        self._socket, _ = listener.accept()
        self.said: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.is_open = True

    def _read(self) -> None:
        with suppress(OSError), self._socket.makefile(encoding="utf-8") as lines:
            for line in lines:
                self.said.append(json.loads(line))
        self.is_open = False

    def ask(self, **request: str) -> None:
        """Send a request; a life that is gone hears nothing."""
        with suppress(OSError):
            self._socket.sendall((json.dumps(request) + "\n").encode())

    def replies(self) -> dict[str, dict[str, Any]]:
        """Every reply by the request's source."""
        return {row["reply"]: row for row in list(self.said) if "reply" in row}

    @property
    def first_look(self) -> FirstLook | None:
        """When the life had looked at its exits for the first time."""
        rows = (row for row in list(self.said) if "supervised" in row)
        return next((FirstLook(row["supervised"], row["own"]) for row in rows), None)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._reader.join(5)


class CrashRun:
    """One seeded run from the proposals to the quiet after the last life."""

    def __init__(self, seed: int, program: Program, folder: Path) -> None:
        self.rng = np.random.default_rng(seed)
        self.program = program
        self.report = Report(seed)
        self.folder = folder
        self.database = f"sqlite:///{folder / 'desk.db'}"
        self.quotes_file = folder / "quotes.json"
        self.zero = time.monotonic()
        self.exchange = Exchange(RunningClock(make.NOW, SPEED, self.zero), D(100_000))
        self.trades = self._trades()
        self.to_stop = {trade.approval_id for trade in self.trades if self.rng.random() < 0.8}
        self.by_hand = {t.approval_id for t in self.trades if self.rng.random() < 0.5} - self.to_stop
        self.panics = seed % PANICS_EVERY == PANICS_EVERY - 1
        self.asked_at: dict[str, float] = {}
        self.in_parts = {trade.approval_id for trade in self.trades if self.rng.random() < 0.4}
        self.quoted: dict[str, tuple[str, str]] = {}
        self.sources = 0
        self.asked: dict[str, str] = {}
        with CREATING:  # migrations run one at a time in a process
            self.store = Store.create(self.database)

    def _trades(self) -> tuple[Trade, ...]:
        count = int(self.rng.integers(1, 4))
        picks = self.rng.integers(0, len(KINDS), count)
        return tuple(KINDS[pick](number, int(self.rng.integers(1, 3))) for number, pick in enumerate(picks))

    def run(self) -> Report:
        """Live, die, live again, until everything is quiet; then compare."""
        self._open()
        with AlpacaStandin(self.exchange) as standin:
            if self.report.seed % SCHEMAS_EVERY:
                standin.schemas = None
            for death in (*self._deaths(), NEVER):
                self._one_life(standin, death)
            violations = list(standin.journal.violations)
        self.report.problems += [f"schema: {words}" for words in violations]
        self._compare()
        self.store.close()
        return self.report

    def _deaths(self) -> tuple[Death, ...]:
        """How the lives but the last end: most at a boundary, some at any moment; the broker has bad minutes too."""
        return tuple(
            Death(
                boundary=0 if self.rng.random() < 0.3 else int(self.rng.integers(1, 90)),
                after=0.05 + 1.5 * float(self.rng.random()),
                fault=FAULTS[int(self.rng.integers(0, len(FAULTS)))] if self.rng.random() < 0.4 else "",
            )
            for _ in range(int(self.rng.integers(1, 4)))
        )

    def _open(self) -> None:
        with self.store.begin() as work:
            work.add_postings((make.deposit(),))
            for trade in self.trades:
                work.add_approval(approval_of(trade))
        for trade in self.trades:
            self._quote(trade, trade.resting)

    def _quote(self, trade: Trade, rows: dict[str, tuple[str, str]], size: int | None = None) -> None:
        """New quotes of a trade's legs and shares, at the exchange and for the desk, which reads whole files only."""
        self.quoted |= {**rows, trade.ticker: ("47.99", "48.01")}
        fresh = self.quotes_file.with_suffix(".new")
        fresh.write_text(json.dumps(self.quoted), encoding="utf-8")
        os.replace(fresh, self.quotes_file)
        for symbol, (bid, ask) in rows.items():
            self.exchange.quote(symbol, bid, ask, size)

    def _one_life(self, standin: AlpacaStandin, death: Death) -> None:
        if death.fault:
            standin.fail_next(death.fault, method="POST")
        path = self.folder / "life.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            life = Life(self.database, standin.url, str(path), str(self.quotes_file), self.zero, SPEED, death.boundary)
            child = self.program.begin(life)
            self.report.lives += 1
            try:
                connection = Connection(listener)
            except TimeoutError:
                self._ended(None)
                return
        self._play(connection, child, death)
        if connection.is_open:
            os.kill(child, signal.SIGTERM)
        self._ended(connection)

    def _ended(self, connection: Connection | None) -> None:
        status = self.program.ended()
        if connection is not None:
            connection.close()
            if connection.first_look is not None:
                self.report.first_looks.append(connection.first_look)
        died = status == -signal.SIGKILL
        self.report.deaths += died
        if not died and status:
            self.report.problems.append(f"a life ended with {status}: {self.program.log()[-1500:]}")
        self._check_armed()

    def _play(self, connection: Connection, child: int, death: Death) -> None:
        """Be the people and the market until the desk dies or everything is quiet."""
        began = time.monotonic()
        quiet_since = None
        while connection.is_open:
            if death.is_timed and time.monotonic() - began > death.after:
                os.kill(child, signal.SIGKILL)
                return
            if time.monotonic() - began > LONGEST:
                self.report.problems.append(f"stuck: {self._stages()}")
                return
            self._taps(connection)
            stages = self._stages()
            self._move_market(stages)
            self._closes_by_hand(connection, stages)
            self._panic(connection, stages)
            if self._is_quiet(stages) and connection.first_look is not None:
                quiet_since = quiet_since or time.monotonic()
                if time.monotonic() - quiet_since > QUIET:
                    return
            else:
                quiet_since = None
            threading.Event().wait(0.02 + 0.06 * float(self.rng.random()))

    def _taps(self, connection: Connection) -> None:
        """Approve what is pending, from one platform or the other; sometimes twice."""
        with self.store.read() as work:
            pending = work.pending_approvals()
        answered = connection.replies()
        for approval in pending if not self._is_halted() else ():
            last = self.asked.get(approval.id)
            if last is not None and last.startswith(f"{self.report.lives}:") and last not in answered:
                continue
            for _ in range(1 + int(self.rng.random() < 0.3)):
                self.sources += 1
                source = f"{self.report.lives}:{self.sources}"
                identity = ("web:ann", "telegram:2")[int(self.rng.integers(0, 2))]
                connection.ask(identity=identity, action=f"approve:{approval.key}", source=source)
                self.asked[approval.id] = source

    def _closes_by_hand(self, connection: Connection, stages: dict[str, str]) -> None:
        """Close what a person wants closed, on either platform, and again when nothing happens."""
        for trade in self.trades:
            if trade.approval_id in self.by_hand and stages[trade.approval_id] == "held":
                with self.store.read() as work:
                    position = work.ticket(work.approval(trade.approval_id).key).position_id
                self._ask(connection, f"/close {position}")

    def _panic(self, connection: Connection, stages: dict[str, str]) -> None:
        """Flatten, with both taps of the same admin."""
        if not self.panics or "held" not in stages.values():
            return
        actions = [a for reply in connection.replies().values() for a in reply["actions"] if "flatten_now" in a]
        self._ask(connection, "/panic flatten", actions[-1] if actions else "")

    def _ask(self, connection: Connection, text: str, action: str = "") -> None:
        """Say it, unless it was said a moment ago."""
        now = time.monotonic()
        said = action or text
        if now - self.asked_at.get(said, 0.0) < ASK_AGAIN:
            return
        self.asked_at[said] = now
        self.sources += 1
        source = f"{self.report.lives}:{self.sources}"
        connection.ask(identity="web:ann", text="" if action else text, action=action, source=source)

    def _move_market(self, stages: dict[str, str]) -> None:
        """Let entries fill, whole or in parts, then push through the stops."""
        for trade in self.trades:
            stage = stages[trade.approval_id]
            if stage == "entering" and self.rng.random() < 0.15:
                self._quote(trade, trade.filling, 1 if trade.approval_id in self.in_parts else None)
            elif stage == "held" and trade.approval_id in self.to_stop:
                self._quote(trade, trade.stopped)
            elif stage in ("held", "leaving") and (trade.approval_id in self.by_hand or self.panics):
                self._quote(trade, trade.filling)  # whoever wants out finds a buyer for all of it

    def stage(self, trade: Trade) -> str:
        """Where a trade is, as the books say."""
        with self.store.read() as work:
            approval = work.approval(trade.approval_id)
            if approval.status is not ApprovalStatus.APPROVED:
                return approval.status.value
            ticket = work.ticket(approval.key)
            position = work.find_position(ticket.position_id)
            tickets = work.tickets_of(ticket.position_id)
            exits = [t for t in tickets if t.purpose is Purpose.EXIT and t.reason != NET]
        if ticket.is_open:
            return "entering"
        if position is None:
            return "not filled"
        if not position.is_open:
            return "closed"
        return "leaving" if any(t.is_open for t in exits) else "held"

    def _stages(self) -> dict[str, str]:
        return {trade.approval_id: self.stage(trade) for trade in self.trades}

    def _is_quiet(self, stages: dict[str, str]) -> bool:
        ends = {"closed", "not filled", "rejected", "expired", "blocked"}
        if self.panics and self._is_halted():
            return all(stage in ends | {"pending"} for stage in stages.values())
        leaves = self.to_stop | self.by_hand | ({t.approval_id for t in self.trades} if self.panics else set())
        return all(stage in ends or (stage == "held" and id not in leaves) for id, stage in stages.items())

    def _is_halted(self) -> bool:
        with self.store.read() as work:
            return halts.current(work) is not None

    def _check_armed(self) -> None:
        """After every end: whatever is held has its exits, and every execution its position."""
        with self.store.read() as work:
            for position in work.open_positions():
                if not position.exits.has_stop:
                    self.report.problems.append(f"{position.id} is held without a stop")
            for fill in work.fills():
                if work.find_position(self._position_of(work.order(fill.client_order_id).ticket_id)) is None:
                    self.report.problems.append(f"execution {fill.execution_id} has no position")

    def _position_of(self, ticket_id: str) -> str:
        with self.store.read() as work:
            return work.ticket(ticket_id).position_id

    def _compare(self) -> None:
        """The books beside the broker, and what was ordered beside what was decided."""
        report = self.report
        report.stages.update(self._stages().values())
        report.orders = len(self.exchange.orders)
        with self.store.read() as work:
            positions = work.open_positions()
            cash = work.book().cash
            report.fills = len(work.fills())
        report.problems += book_differences(positions, self.exchange)
        if cash != self.exchange.cash:
            report.problems.append(f"cash: broker {self.exchange.cash}, books {cash}")
        for trade in self.trades:
            self._compare_trade(trade)
        verified = audit.verify(self.store)
        if not verified.ok:
            report.problems.append(f"audit: {verified.words}")

    def _compare_trade(self, trade: Trade) -> None:
        with self.store.read() as work:
            approval = work.approval(trade.approval_id)
            tickets: tuple[Ticket, ...] = ()
            if approval.status is ApprovalStatus.APPROVED:
                entry = work.ticket(approval.key)
                tickets = (entry, *(t for t in work.tickets_of(entry.position_id) if t.id != entry.id))
        problems = self.report.problems
        if approval.status is ApprovalStatus.PENDING and not (self.panics and self._is_halted()):
            problems.append(f"{trade.approval_id}: the approval was lost, it is still pending")
        if tickets and not tickets[0].attempts and not tickets[0].note:
            problems.append(f"{trade.approval_id}: approved, never ordered and no reason kept")
        for ticket in tickets:
            problems += over_ordered(ticket, self.exchange)
        closing = [t.id for t in tickets if t.purpose is Purpose.EXIT]
        self.report.exits += len(closing)
        problems += overlapping([o for o in self.exchange.orders if o.client_order_id.rpartition(".")[0] in closing])


def book_differences(positions: tuple[Position, ...], exchange: Exchange) -> list[str]:
    """Every symbol of which the broker and the books hold different quantities."""
    ours: Counter[str] = Counter()
    for position in positions:
        for leg in position.legs:
            ours[leg.instrument.symbol] += leg.quantity
    theirs = {symbol: state.quantity for symbol, state in exchange.positions.items() if state.quantity}
    names = sorted({*theirs, *(symbol for symbol, quantity in ours.items() if quantity)})
    pairs = ((symbol, theirs.get(symbol, 0), ours[symbol]) for symbol in names)
    return [f"{symbol}: broker {broker}, books {books}" for symbol, broker, books in pairs if broker != books]


def over_ordered(ticket: Ticket, exchange: Exchange) -> list[str]:
    """Whether more was traded for a decision than it was for, or its orders were open beside each other."""
    mine = [order for order in exchange.orders if order.client_order_id.rpartition(".")[0] == ticket.id]
    filled = sum(order.filled for order in mine)
    found = [] if filled <= ticket.quantity else [f"{ticket.id}: {filled} traded of {ticket.quantity} decided"]
    return found + overlapping(mine)


def overlapping(orders: list[OrderState]) -> list[str]:
    """Orders of one decision (or of one position's closing) that were open at the same time."""
    ordered = sorted(orders, key=lambda order: order.created_at)
    return [
        f"{second.client_order_id} was placed while {first.client_order_id} was open"
        for first, second in pairwise(ordered)
        if first.is_open or max(first.stamps.values(), default=first.created_at) > second.created_at
    ]


@contextmanager
def a_program() -> Iterator[Program]:
    """The process that forks lives."""
    program = Program()
    try:
        yield program
    finally:
        program.close()
