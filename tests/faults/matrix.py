"""The fault matrix: what a broker can do wrong, times opening and closing, times one leg and a package.

`python -m tests.faults.matrix` lives through every cell and prints the table of docs/faults.md; the tests hold every
cell to what is expected of it and the document to the table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bot.logs import configure
from bot.settings import LoggingSettings
from engine.errors import DeskError
from tests.faults.scenes import SINGLE, SPREAD, UNITS, Package, Scene, Shown, scene
from tests.standins.alpaca_rules import BAD_INPUT, FORBIDDEN, UNAUTHORIZED, UNPROCESSABLE

Turn = Callable[[Scene], None]
SOON = 8
"""Looks within which an order has to be at the broker once nothing keeps it from there."""
LOOKS = 70
"""Looks of five seconds that a scene is lived through after its fault: nearly six minutes."""


class End(StrEnum):
    """What has to come of a cell."""

    TRADED = "traded once"
    NOTHING = "nothing traded, and why is said"
    WORKED = "still held, worked and told"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: what goes wrong, how it is brought about, and what has to come of it.

    Attributes:
        before: arms the fault before the act. after: turns it while the order is out (rests at the broker).
        entry, exit: the end of each. alarm: whether a closing order's trouble has to be urgent.
        most: order requests that may be sent at most. heals: the fault is over after nearly six minutes.
    """

    name: str
    before: Turn
    after: Turn
    entry: End
    exit: End
    alarm: bool = False
    most: int = 2
    heals: bool = False


def nothing(stage: Scene) -> None:
    """All is well."""


def once(kind: str, times: int = 1) -> Turn:
    """The next order requests go wrong."""
    return lambda stage: stage.standin.fail_next(kind, times, "POST", "/v2/orders")


def refuse(status: int, code: int, message: str, times: int = 1) -> Turn:
    """The next order requests are refused."""
    return lambda stage: stage.standin.refuse_next(status, code, message, times)


def then(*turns: Turn) -> Turn:
    """One after another."""

    def turn(stage: Scene) -> None:
        for one in turns:
            one(stage)

    return turn


def looks(count: int) -> Turn:
    return lambda stage: stage.live(count)


def trades(stage: Scene) -> None:
    """The exchange reaches the order's price."""
    stage.let_trade()


def one_unit(stage: Scene) -> None:
    """Half of the order trades."""
    stage.exchange.fill(stage.latest.client_order_id, 1)


def rejected(stage: Scene) -> None:
    """The venue turns the accepted order down."""
    stage.exchange.reject(stage.latest.client_order_id)


def expired(stage: Scene) -> None:
    """The broker lets it expire in the middle of the day."""
    stage.exchange.close_day()


def canceled_by_hand(stage: Scene) -> None:
    """Somebody cancels it on the broker's own page."""
    stage.exchange.cancel(stage.latest.id)


def replaced_by_hand(stage: Scene) -> None:
    """Somebody changes it on the broker's own page, and cancels what it became."""
    changed = stage.exchange.replace(stage.latest.id, {"client_order_id": "by hand"})
    stage.exchange.cancel(changed.id)


def strange_status(stage: Scene) -> None:
    """The broker uses a word nobody knows."""
    stage.standin.schemas = None  # the word is in no schema
    stage.latest.status = "held_for_inspection"
    stage.live(2)
    stage.latest.status = "new"


def fills_while_canceled(stage: Scene) -> None:
    stage.exchange.fills_on_cancel = True


def slow_cancel(stage: Scene) -> None:
    """The cancel of the first step takes three looks."""
    stage.exchange.slow_cancels = True
    stage.live(6)
    stage.exchange.finish_cancels()
    stage.exchange.slow_cancels = False


def other_id(stage: Scene) -> None:
    """The ids of this trade were used before on this account, for something else."""
    leg = {"symbol": "ZZZ", "side": "buy", "ratio": 1}
    for number in range(1, 5):
        for name in _ids(stage, number):
            order = stage.exchange._order(
                {
                    "client_order_id": name,
                    "type": "limit",
                    "time_in_force": "day",
                    "qty": "1",
                    "limit_price": "1",
                    **leg,
                }
            )
            order.status = "canceled"
            stage.exchange.orders.append(order)
    stage.placed = len(stage.exchange.orders)


def _ids(stage: Scene, number: int) -> tuple[str, ...]:
    if not stage.is_exit:
        return (f"A00001.1.{number}",)
    with stage.wire.store.read() as work:
        held = work.open_positions()
    return tuple(f"{position.id}.stop.1.{number}" for position in held)


def late_executions(stage: Scene) -> None:
    """The order is filled; its executions are not listed for three looks."""
    stage.standin.fail_next("500", 9, "GET", "/v2/account/activities")
    stage.let_trade()


def lost_look_up(stage: Scene) -> None:
    """The answer is lost after acceptance, and the look-ups fail for a while."""
    stage.standin.fail_next("done-cut", 1, "POST", "/v2/orders")
    stage.standin.fail_next("500", 12, "GET", "/v2/orders:by_client_order_id")


def lost_and_page(stage: Scene) -> None:
    """The answer is lost after acceptance, and the first look-ups get a page that says 404."""
    stage.standin.fail_next("done-cut", 1, "POST", "/v2/orders")
    stage.standin.fail_next("html-404", 4, "GET", "/v2/orders:by_client_order_id")


def account_down(stage: Scene) -> None:
    """Nobody says how much money there is, for three minutes."""
    stage.standin.fail_next("500", 100, "GET", "/v2/account?")


def cancel_goes(kind: str) -> Turn:
    """What becomes of the cancel request of the first step."""

    def turn(stage: Scene) -> None:
        stage.standin.fail_next(kind, 1, "DELETE")
        stage.live(5)

    return turn


def cancel_refused(stage: Scene) -> None:
    """The broker says that the order cannot be canceled, and keeps working it."""
    stage.standin.refuse_next(422, UNPROCESSABLE, "order is not cancelable", 1, "DELETE")
    stage.live(5)


NO_VERDICT = (
    ("429, three times", once("429", 3), 4),
    ("500, nothing done", once("500"), 2),
    ("504, nothing done", once("504"), 2),
    ("502 with a page of HTML", once("html"), 2),
    ("200 with a page of HTML", once("html-ok"), 2),
    ("404 with a page of HTML", once("html-404"), 2),
    ("a redirect elsewhere", once("redirect"), 2),
    ("no answer, nothing done", once("silence"), 2),
    ("the connection cut, nothing done", once("cut"), 2),
    ("504 after it was accepted", once("done-504"), 1),
    ("cut after it was accepted", once("done-cut"), 1),
    ("answered too late, accepted", once("done-slow"), 1),
    ("accepted, answer lost, look-ups fail", lost_look_up, 1),
    ("accepted, answer lost, look-up says 404 in HTML", lost_and_page, 1),
)
"""Order requests without a verdict -> what happens, and how many requests it may take."""

FAULTS = (
    Fault("nothing goes wrong", nothing, trades, End.TRADED, End.TRADED, most=1),
    *(Fault(name, before, trades, End.TRADED, End.TRADED, most=most) for name, before, most in NO_VERDICT),
    Fault("500 for six minutes", once("500", 10_000), trades, End.NOTHING, End.TRADED, alarm=True, most=40, heals=True),
    Fault("account does not answer", account_down, trades, End.TRADED, End.TRADED),
    Fault("insufficient buying power (40310000)",
          refuse(403, FORBIDDEN, "insufficient options buying power (required: 1, available: 0)"),
          trades, End.NOTHING, End.TRADED, alarm=True),
    Fault("held by an order that is not ours (40310000)",
          refuse(403, FORBIDDEN, "insufficient qty available for order (requested: 2, available: 0)", 10_000),
          nothing, End.NOTHING, End.WORKED, alarm=True, most=6),
    Fault("potential wash trade, nothing of ours (40310000)",
          refuse(403, FORBIDDEN, "potential wash trade detected. use complex orders", 10_000),
          nothing, End.NOTHING, End.WORKED, alarm=True, most=6),
    Fault("uncovered (40310000)",
          refuse(403, FORBIDDEN, "account not eligible to trade uncovered option contracts", 10_000),
          nothing, End.NOTHING, End.WORKED, alarm=True, most=6),
    Fault("price off its tick (42210000)",
          refuse(422, UNPROCESSABLE,
                 "invalid limit_price 1.03. sub-penny increment does not fulfill minimum pricing criteria"),
          trades, End.TRADED, End.TRADED),
    Fault("market hours (42210000)",
          refuse(422, UNPROCESSABLE, "options market orders are only allowed during market hours"),
          trades, End.NOTHING, End.TRADED, most=3),
    Fault("bad input (40010001)", refuse(422, BAD_INPUT, "symbol is required", 10_000), nothing,
          End.NOTHING, End.WORKED, alarm=True, most=6),
    Fault("keys refused (401)", refuse(401, UNAUTHORIZED, "request is not authorized", 10_000), nothing,
          End.NOTHING, End.WORKED, alarm=True, most=6),
    Fault("id used before for another order (40010001)", other_id, trades, End.NOTHING, End.TRADED, alarm=True),
    Fault("rejected after acceptance", nothing, then(rejected, trades), End.NOTHING, End.TRADED, most=2),
    Fault("half trades, then the rest", nothing, then(one_unit, looks(1), trades), End.TRADED, End.TRADED),
    Fault("half trades, the rest at a later step", nothing, then(one_unit, looks(5), trades), End.TRADED, End.TRADED,
          most=3),
    Fault("fills while it is canceled", nothing, fills_while_canceled, End.TRADED, End.TRADED, most=1),
    Fault("cancel that lasts half a minute", nothing, then(slow_cancel, trades), End.TRADED, End.TRADED),
    Fault("cancel refused, order goes on (422)", nothing, then(cancel_refused, trades), End.TRADED, End.TRADED, most=3),
    Fault("cancel done, answer lost", nothing, then(cancel_goes("done-cut"), trades), End.TRADED, End.TRADED, most=3),
    Fault("cancel not done, no answer", nothing, then(cancel_goes("cut"), trades), End.TRADED, End.TRADED, most=3),
    Fault("cancel: 500", nothing, then(cancel_goes("500"), trades), End.TRADED, End.TRADED, most=3),
    Fault("filled, executions listed late", nothing, late_executions, End.TRADED, End.TRADED, most=1),
    Fault("a status nobody knows", nothing, then(strange_status, trades), End.TRADED, End.TRADED, most=1),
    Fault("expired by the broker", nothing, then(expired, trades), End.NOTHING, End.TRADED),
    Fault("canceled by hand at the broker", nothing, then(canceled_by_hand, trades), End.NOTHING, End.TRADED),
    Fault("replaced by hand at the broker", nothing, then(replaced_by_hand, trades), End.NOTHING, End.TRADED,
          alarm=True),
)  # fmt: skip

COLUMNS = (("open, one leg", SINGLE, False), ("open, package", SPREAD, False), ("close, one leg", SINGLE, True),
           ("close, package", SPREAD, True))  # fmt: skip


def live_through(fault: Fault, column: int) -> Shown:
    """What a cell ends in."""
    _, package, is_exit = COLUMNS[column]
    return lived_through(fault, package, is_exit=is_exit)


def lived_through(fault: Fault, package: Package, *, is_exit: bool) -> Shown:
    """What a fault ends in while this is opened or closed."""
    with scene(package, is_exit=is_exit) as stage:
        fault.before(stage)
        stage.act()
        stage.live_until_placed(LOOKS if fault.heals else SOON)
        if fault.heals:
            stage.standin.recover()
            stage.live_until_placed(SOON)
        if stage.mine:
            _turned(fault, stage)
        stage.live(LOOKS)
        return stage.shown()


def _turned(fault: Fault, stage: Scene) -> None:
    try:
        fault.after(stage)
    except DeskError as told:
        stage.refused = str(told)


def wrong(fault: Fault, column: int, shown: Shown) -> tuple[str, ...]:
    """What is not as it has to be in a cell; empty when all is well."""
    is_exit = COLUMNS[column][2]
    end = fault.exit if is_exit else fault.entry
    found = [*shown.problems]
    if shown.posts > fault.most:
        found.append(f"{shown.posts} requests, {fault.most} are enough")
    if is_exit and bool(shown.alarms) != fault.alarm:
        found.append(f"{shown.alarms} urgent alerts")
    if end is not _ended(shown):
        found.append(f"{end} was to be; traded {shown.traded}, open {shown.is_open}, note “{shown.note}”")
    return tuple(found)


def _ended(shown: Shown) -> End | None:
    if shown.traded:
        return End.TRADED if shown.traded == UNITS and not shown.is_open else None
    if shown.alarms and shown.posts > 1:
        return End.WORKED
    return End.NOTHING if shown.note and not shown.is_open else None


def in_words(shown: Shown) -> str:
    """What the table says of a cell: `once, 2 requests`."""
    told = ", told" if shown.alarms else ""
    if shown.traded or shown.posts == 1 or not shown.alarms:
        asked = f"{shown.posts} request{'' if shown.posts == 1 else 's'}"
        return f"once, {asked}{told}" if shown.traded else f"nothing, {asked}, said why{told}"
    return f"held, tried {shown.posts} times{told}"


def table() -> str:
    """Every cell, lived through, as the table of the document."""
    rows = ["| what goes wrong | " + " | ".join(name for name, _, _ in COLUMNS) + " |", "|---|---|---|---|---|"]
    for fault in FAULTS:
        cells = (in_words(live_through(fault, column)) for column in range(len(COLUMNS)))
        rows.append(f"| {fault.name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    """Print the table, or what is wrong in the rows that are named (nothing, when all is well)."""
    configure(LoggingSettings(level="critical"))
    if len(sys.argv) < 2:
        print(table())
        return
    for fault in FAULTS:
        if fault.name in sys.argv[1:]:
            for column, (name, _, _) in enumerate(COLUMNS):
                for words in _judged(fault, column):
                    print(f"{fault.name} | {name} | {words}", flush=True)


def _judged(fault: Fault, column: int) -> tuple[str, ...]:
    """What is wrong in a cell, a crash included."""
    try:
        return wrong(fault, column, live_through(fault, column))
    except Exception as crash:  # noqa: BLE001 - whatever it was, it is what is wrong
        return (repr(crash),)


if __name__ == "__main__":
    main()
