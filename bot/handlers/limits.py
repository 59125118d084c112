"""What may be opened: /limits, /setlimit, /locks, /lock, /unlock, /enable and /disable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation

from bot import words
from bot.command import Call
from bot.message import Button, Card, Table, Tone
from bot.parse import MOST_DIGITS, clipped, nearest
from bot.told import as_told
from engine import bounds, locks, risk, standing, watch
from engine.bounds import Bound
from engine.desk import Desk
from engine.errors import BadRequest, DeskError
from engine.model.events import EventKind
from engine.model.instruments import stock
from engine.model.limits import SETTABLE, Limits
from engine.model.locks import Lock
from engine.model.trade import RiskLevel
from engine.store.catalogue import DISABLED, ENABLED


def limits(call: Call) -> Card:
    """Every limit: in force, used, and where it differs from the configuration or is about to change."""
    desk = call.desk
    state, unknown = _state(desk)
    with desk.store.read() as work:
        found = bounds.bounds(desk, work)
        in_force = bounds.limits_in_force(desk, work)
        fallen = watch.falls(work)
    used = {} if state is None else {**risk.spent(state, in_force), **_paused(desk, fallen)}
    rows = tuple((bound.name, share(bound.value), _used(bound, used)) for bound in found)
    lines = [*unknown, *(line for bound in found for line in _differences(bound))]
    return Card(
        "Limits",
        Tone.NEUTRAL,
        lines=tuple(lines),
        facts=_facts(in_force, state),
        tables=(Table(("Limit", "Now", "Used"), rows, right=(1, 2)),),
        buttons=((Button("Locks", "refresh:/locks"), Button("Refresh", "refresh:/limits")),),
        footer="Of equity, as configured unless a line above says otherwise. /setlimit NAME VALUE changes one.",
        banner=call.room.banner(),
    )


def _state(desk: Desk) -> tuple[risk.RiskState | None, tuple[str, ...]]:
    """The account as the limits see it, or None and why it is not known: the limits are shown all the same."""
    try:
        standing.ensure_account(desk)
        standing.ensure_returns(desk, ())
        with desk.store.read() as work:
            return standing.risk_state(desk, work, work.open_tickets()), ()
    except DeskError as problem:
        return None, (f"What is used is not known: {problem}",)


def _paused(desk: Desk, fallen: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """The deepest fall of a strategy's own equity under each of the two limits that pause it."""
    deepest: dict[str, Decimal] = {}
    for name, fall in fallen.items():
        is_low = name in desk.strategies and desk.strategies[name].risk_level is RiskLevel.LOW
        key = "pause_low" if is_low else "pause_other"
        deepest[key] = max(deepest.get(key, Decimal(0)), fall)
    return deepest


def _used(bound: Bound, used: Mapping[str, Decimal]) -> str:
    return share(used[bound.name], 1) if bound.name in used else "-"


def share(fraction: Decimal, digits: int | None = None) -> str:
    """A fraction as people read it: `2 %`, `0.5 %`; with a fixed number of digits where one is given.

    >>> share(Decimal("0.02")), share(Decimal("0.005")), share(Decimal("0.1234"), 1)
    ('2 %', '0.5 %', '12.3 %')
    """
    return f"{(fraction * 100).normalize():f} %" if digits is None else f"{fraction * 100:.{digits}f} %"


def _differences(bound: Bound) -> list[str]:
    lines = []
    if bound.value != bound.configured:
        lines.append(f"{bound.name} is {share(bound.value)}; configured is {share(bound.configured)}.")
    if bound.pending is not None:
        change = bound.pending
        when = words.moment(change.effective_at)
        lines.append(f"{bound.name} becomes {share(change.value)} at {when}, set by {change.set_by}.")
    return lines


def _facts(in_force: Limits, state: risk.RiskState | None) -> tuple[tuple[str, str], ...]:
    if state is None:
        return (("Correlated names", f"at most {in_force.correlated_names}"),)
    return (
        ("Equity", words.money(state.equity)),
        ("Correlated names", f"{risk.most_correlated(state, in_force)} of {in_force.correlated_names}"),
        ("Day-trade rule", state.day_trade_rule.value.replace("_", " ")),
    )


def setlimit(call: Call) -> Card:
    """Set one limit: a tighter one at once, a looser one from the next session."""
    name, value = limit_name(call.text("limit")), fraction(call.text("value"))
    with call.desk.store.read() as work:
        before: Decimal = getattr(bounds.limits_in_force(call.desk, work), name)
    change = bounds.set_limit(call.desk, name, value, call.user.name)
    is_now = change.effective_at <= call.desk.now()
    when = "It holds from now on." if is_now else f"It is looser, so it holds from {words.moment(change.effective_at)}."
    card = Card(
        f"{name}: {share(value)}",
        Tone.GOOD if is_now else Tone.WARNING,
        (when, *_way_back(name, before, value)),
        buttons=((Button("Limits", "limits:"),),),
        banner=call.room.banner(),
    )
    return as_told(call, card, EventKind.LIMIT_CHANGED)


def _way_back(name: str, before: Decimal, value: Decimal) -> tuple[str, ...]:
    """What it was and how a slip is taken back."""
    if value == before:
        return ("It was that already.",)
    later = ", which is looser and waits for the next session" if value < before else ""
    return (f"It was {share(before)}; /setlimit {name} {share(before)} goes back{later}.",)


def limit_name(word: str) -> str:
    """The limit that is meant, in any case and with spaces or dashes.

    Raises:
        BadRequest: there is none; the nearest is suggested.
    """
    name = word.strip().lower().replace("-", "_").replace(" ", "_")
    if name not in SETTABLE:
        raise BadRequest(
            f"“{clipped(word)}” is not a limit that can be set.{nearest(name, SETTABLE)} /limits lists them."
        )
    return name


def fraction(word: str) -> Decimal:
    """A fraction of equity from `2%` or `0.02`.

    Raises:
        BadRequest: not a number, or one that could be either.

    >>> fraction("2%"), fraction("0.02"), fraction("1.5 %")
    (Decimal('0.02'), Decimal('0.02'), Decimal('0.015'))
    """
    text = word.strip()
    is_percent = text.endswith("%")
    try:
        number = Decimal(text.rstrip("% "))
    except InvalidOperation as error:
        raise BadRequest(f"value: “{clipped(word)}” is not a number; write 2 % or 0.02.") from error
    if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS:
        raise BadRequest(f"value: “{clipped(word)}” is not a number; write 2 % or 0.02.")
    if not is_percent and number > 100:
        raise BadRequest(f"value: “{clipped(word)}” is more than everything; write a share of equity: 2 % or 0.02.")
    if not is_percent and number > 1:
        raise BadRequest(
            f"value: “{clipped(word)}” is more than everything; write {clipped(word)} % or a fraction such as 0.02."
        )
    return number / 100 if is_percent else number


def show_locks(call: Call) -> Card:
    """What nothing may be opened of, with a button to lift each lock."""
    with call.desk.store.read() as work:
        held = locks.held(call.desk, work)
        disabled = [s.name for s in work.strategies() if s.status == DISABLED]
    lines = [locks.words(lock) for lock in held]
    lines += [f"{name} is disabled. /enable {name} lets it trade again." for name in disabled]
    buttons = tuple((Button(f"Unlock {lock.id}", f"unlock:{lock.id}", Tone.ASK),) for lock in held[:8])
    return Card(
        words.count(len(held), "lock") if held else "No locks",
        Tone.WARNING if held or disabled else Tone.GOOD,
        tuple(lines) or ("Everything may be opened that the limits allow.",),
        buttons=(*buttons, (Button("Refresh", "refresh:/locks"),)),
        footer="Locks never stop an exit.",
        banner=call.room.banner(),
    )


def lock(call: Call) -> Card:
    """Stop entries of the desk, a strategy or a name, until a day or until somebody unlocks it."""
    what = _subject(call.desk, call.text("what"))
    made = locks.lock_by_hand(call.desk, what, call.user.name, call.text("why"), _until(call))
    return _lock_card(call, made, f"Locked: {made.what}")


def _subject(desk: Desk, word: str) -> str:
    """`desk`, a strategy's name or a ticker."""
    if word.lower() == "desk" or word.lower() in desk.strategies:
        return word.lower()
    known = desk.market.universe()
    try:
        ticker = stock(word).ticker
    except BadRequest:
        ticker = ""
    is_strange = known and desk.market.is_bounded and ticker not in known and ticker not in desk.tickers
    if not ticker or is_strange:
        near = nearest(word, (*desk.strategies, *known))
        raise BadRequest(f"“{clipped(word)}” is neither desk, nor a strategy, nor a known ticker.{near}")
    return ticker


def _until(call: Call) -> datetime | None:
    """The opening bell from which it is free again.

    Raises:
        BadRequest: it lies in the past.
    """
    day = call.day("until")
    if day is None:
        return None
    sessions = call.desk.sessions
    at = sessions.open(sessions.upcoming(day, 1)[0])
    if at <= call.desk.now():
        raise BadRequest(f"until: {day} has begun already; name a later day.")
    return at


def unlock(call: Call) -> Card:
    """Lift one lock."""
    lifted = locks.lift(call.desk, call.text("lock").upper(), call.user.name)
    rest = "Another lock or a limit may still stop it: /locks and /limits tell."
    lines = (f"It was: {lifted.reason}.", rest)
    buttons = ((Button("Locks", "locks:"),),)
    card = Card(f"{lifted.id} lifted", Tone.GOOD, lines, buttons=buttons, banner=call.room.banner())
    return as_told(call, card, EventKind.LOCK_CHANGED)


def _lock_card(call: Call, made: Lock, title: str) -> Card:
    lines = (locks.words(made), "Exits go on.")
    buttons = ((Button("Unlock", f"unlock:{made.id}", Tone.ASK),),)
    card = Card(title, Tone.WARNING, lines, buttons=buttons, footer=made.id, banner=call.room.banner())
    return as_told(call, card, EventKind.LOCK_CHANGED)


def enable(call: Call) -> Card:
    """Let a strategy trade again."""
    return _switched(call, ENABLED)


def disable(call: Call) -> Card:
    """Stop a strategy's scans and entries for good; its positions keep their exits."""
    return _switched(call, DISABLED)


def _switched(call: Call, status: str) -> Card:
    """The answer, which is the notice of it too unless nothing was changed."""
    name = call.text("strategy")
    if not locks.switch(call.desk, name, status, call.user.name):
        return Card(f"{name} was {status} already", lines=("Nothing was changed.",), banner=call.room.banner())
    if status == ENABLED:
        enabled = Card(f"{name} enabled", Tone.GOOD, ("It is scanned and may open again.",), banner=call.room.banner())
        return as_told(call, enabled, EventKind.STRATEGY_CHANGED)
    lines = ("It is not scanned and opens nothing; its positions keep their exits.", f"/enable {name} undoes it.")
    buttons = ((Button("Enable", f"enable:{name}", Tone.ASK),),)
    disabled = Card(f"{name} disabled", Tone.WARNING, lines, buttons=buttons, banner=call.room.banner())
    return as_told(call, disabled, EventKind.STRATEGY_CHANGED)
