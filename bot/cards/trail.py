"""The audit trail for people: one trade's story line by line, and the latest trades with the head of the chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from bot import words
from bot.message import Button, Card, Table
from bot.notices import TITLES
from engine.audit import Head
from engine.model.events import Event, EventKind
from engine.sessions import NEW_YORK
from engine.trail import Latest, Trail

LINES = 12
"""Events on one card: what a phone shows without much scrolling."""

LONGEST = 240
"""Characters of one line; what is longer is cut with a sign, the whole of it stays in the database."""


def trail_card(trail: Trail, page: int, holds: str, banner: str) -> Card:
    """One page of a story; `holds` says whether its stretch of the audit chain does."""
    pages = max(1, -(-len(trail.events) // LINES))
    shown = min(max(page, 1), pages)
    part = trail.events[(shown - 1) * LINES : shown * LINES]
    return Card(
        title=f"Story of {_title(trail)}",
        lines=_lines(tuple(sealed.event for sealed in part)),
        facts=(("Events", str(len(trail.events))), ("Sealed", _sealed(trail)), ("Chain", holds)),
        buttons=_buttons(trail.about, shown, pages),
        footer=f"Page {shown} of {pages}; times in New York" if pages > 1 else "Times in New York",
        banner=banner,
    )


def _title(trail: Trail) -> str:
    ticker = next((str(e.event.data["ticker"]) for e in trail.events if e.event.data.get("ticker")), "")
    return f"{trail.about} ({ticker})" if ticker else trail.about


def _sealed(trail: Trail) -> str:
    """The places of its first and last event in the chain."""
    numbers = trail.sealed
    waiting = len(trail.events) - len(numbers)
    tail = f", {waiting} not yet" if waiting else ""
    return f"{numbers[0]} to {numbers[-1]}{tail}" if numbers else "nothing yet"


def _lines(events: tuple[Event, ...]) -> tuple[str, ...]:
    """One line an event, and a line for every day that begins."""
    lines: list[str] = []
    day = None
    for event in events:
        at = event.at.astimezone(NEW_YORK)
        if at.date() != day:
            day = at.date()
            lines.append(f"{at:%a %d %b %Y}")
        line = f"{at:%H:%M:%S} {event.actor}: {sentence(event)}"
        lines.append(line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…")
    return tuple(lines)


def _buttons(about: str, page: int, pages: int) -> tuple[tuple[Button, ...], ...]:
    row = []
    if page > 1:
        row.append(Button("Earlier", f"refresh:/audit {about} {page - 1}"))
    if page < pages:
        row.append(Button("More", f"refresh:/audit {about} {page + 1}"))
    return (tuple(row),) if row else ()


def latest_card(trades: tuple[Latest, ...], head: Head, unsealed: int, banner: str) -> Card:
    """The trades to which something happened last, and where the audit chain ends."""
    rows = tuple((trade.id, trade.ticker[:5], _short(trade.last)) for trade in trades)
    return Card(
        title="Audit trail",
        lines=() if rows else ("Nothing has been traded yet.",),
        facts=(("Sealed", words.count(head.number, "event")), ("Not yet", str(unsealed)), ("Head", head.short)),
        tables=(Table(("Trade", "Name", "Last"), rows),) if rows else (),
        buttons=tuple((Button(f"Story of {trade.id}", f"audit:{trade.id}"),) for trade in trades[:3]),
        footer="/audit ID tells one story; wsb audit verify checks the chain.",
        banner=banner,
    )


def _short(event: Event) -> str:
    return event.kind.value.replace("_", " ")[:16]


def note_lines(notes: tuple[Event, ...]) -> tuple[str, ...]:
    """What people wrote about a trade, each with its writer and time."""
    return tuple(f"Note of {e.actor}, {words.moment(e.at)}: {e.data.get('words', '')}" for e in notes)


def sentence(event: Event) -> str:
    """What happened, in plain words with its numbers."""
    told = SENTENCES.get(event.kind, _general)(event)
    return told or _general(event)


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    return "" if value in (None, "None") else str(value)


def _net(event: Event, name: str) -> str:
    """A net price of its data in words; what is no number stays as it is."""
    text = _text(event, name)
    try:
        return words.net(Decimal(text))
    except InvalidOperation:
        return text or words.UNKNOWN


def _dollars(event: Event, name: str) -> str:
    text = _text(event, name)
    try:
        return words.money(Decimal(text))
    except InvalidOperation:
        return text


def _amount(event: Event, name: str) -> str:
    text = _text(event, name)
    try:
        return words.gain(Decimal(text))
    except InvalidOperation:
        return text or words.UNKNOWN


def _after(text: str, sign: str = ": ") -> str:
    return f"{sign}{text}" if text else ""


def _general(event: Event) -> str:
    """Any event: its title, its own words, else its facts."""
    data = {key: str(value) for key, value in event.data.items() if value not in (None, "")}
    title = TITLES.get(event.kind, event.kind.value.replace("_", " ").capitalize())
    title = title.format_map({"ticker": data.get("ticker", event.subject), "subject": event.subject})
    told = (
        data.get("words")
        or data.get("note")
        or ", ".join(
            f"{key.replace('_', ' ')} {value}" for key, value in data.items() if key not in ("ticker", "strategy")
        )
    )
    return f"{title}{_after(told)}"


def _scan(event: Event) -> str:
    proposals = event.data.get("proposals")
    made = len(proposals) if isinstance(proposals, list) else 0
    seen = f"{_text(event, 'universe')} names looked at"
    return f"scan of {_text(event, 'strategy')}: {seen}, {words.count(made, 'proposal')}"


def _requested(event: Event) -> str:
    size = _after(_text(event, "quantity"), " ")
    return f"{event.subject} proposed:{size} {_text(event, 'ticker')} at {_net(event, 'limit')}"


def _changed(event: Event) -> str:
    status, version = _text(event, "status"), _text(event, "version")
    state = "asked again" if status == "pending" else status
    return f"{event.subject} {state}, version {version}{_after(_text(event, 'note'))}"


def _checked(event: Event) -> str:
    """The prices a tap was judged on, and the limits: all that hold as a number, a broken one in its own words."""
    quotes, limits = event.data.get("quotes"), event.data.get("limits")
    seen = [_quote(symbol, quote) for symbol, quote in quotes.items()] if isinstance(quotes, Mapping) else []
    verdicts = [str(verdict) for verdict in limits] if isinstance(limits, list) else []
    broken = [verdict for verdict in verdicts if not verdict.endswith(": holds")]
    moved = _text(event, "move")
    parts = [
        f"mid {_net(event, 'mid')}, spot {_text(event, 'spot')}" if _text(event, "mid") else "",
        ", ".join(seen),
        f"moved: {moved}" if moved not in ("", "none") else "",
        *(broken or ([f"{words.count(len(verdicts), 'limit')} checked, all hold"] if verdicts else [])),
        _text(event, "words"),
    ]
    return f"checked at the tap{_after('; '.join(part for part in parts if part))}"


def _quote(symbol: object, quote: object) -> str:
    """`XYZ 47.99/48.01 0 s old`."""
    if not isinstance(quote, Mapping):
        return str(symbol)
    return f"{symbol} {quote.get('bid')}/{quote.get('ask')}, {quote.get('age')} s old"


def _command(event: Event) -> str:
    platform = _text(event, "identity").partition(":")[0]
    place = f" on {platform}" if platform else ""
    return f"“{_text(event, 'raw')[:80]}”{place} ({_text(event, 'identity')})"


def _denied(event: Event) -> str:
    often = f", {event.data['times']} times," if event.data.get("times", 1) != 1 else ""
    return f"“{_text(event, 'raw')[:60]}” of {_text(event, 'identity')}{often} denied: {_text(event, 'why')}"


def _refused(event: Event) -> str:
    return f"was told: {_text(event, 'why')}"


def _sent(event: Event) -> str:
    """An order that the broker has; a stop and a market order have no limit."""
    price = f" at {_net(event, 'limit')}" if _text(event, "limit") else ""
    return f"order {_text(event, 'client_order_id')} is at the broker: {_text(event, 'quantity')}{price}"


def _attempted(event: Event) -> str:
    verb = "cancel" if _text(event, "act") == "cancel" else "send"
    code = _after(_text(event, "code"), " ")
    answer = _text(event, "answer")
    return f"tried to {verb} order {_text(event, 'client_order_id')}: {answer}{code}{_after(_text(event, 'words'))}"


def _filled(event: Event) -> str:
    done = f"{_text(event, 'filled')} of {_text(event, 'quantity')}"
    return f"order {_text(event, 'client_order_id')} filled, {done} at {_net(event, 'average')}"


def _ended(event: Event) -> str:
    done = f"{_text(event, 'filled')} of {_text(event, 'quantity')} filled"
    return f"order {event.subject} ended, {done}{_after(_text(event, 'note'))}"


def _exit(event: Event) -> str:
    what = f"{_text(event, 'quantity')} at {_net(event, 'limit')}"
    return f"closing {event.subject}, {what}{_after(_text(event, 'words'))}"


def _closed(event: Event) -> str:
    made = f"realised {_amount(event, 'realised')}, fees {_dollars(event, 'fees') or words.UNKNOWN}"
    return f"{event.subject} closed ({_text(event, 'reason') or 'no reason kept'}): {made}"


def _happened(event: Event) -> str:
    """What came without an order: how much of what, and what it led to."""
    verb = event.kind.value.replace("_", " ")
    more = (("amount", "amount"), ("basis", "basis of the shares"), ("cash", "cash"), ("ratio", "ratio"),
            ("exercised", "by exercise of"), ("option", "from"))  # fmt: skip
    told = ", ".join(f"{label} {_dollars(event, key)}" for key, label in more if _text(event, key))
    what = f"{_text(event, 'quantity')} × {_text(event, 'instrument') or _text(event, 'ticker')}"
    return f"{event.subject} {verb}: {what}{_after(told, ', ')}"


def _note(event: Event) -> str:
    return f"note: {_text(event, 'words')}"


SENTENCES: Mapping[EventKind, Callable[[Event], str]] = {
    EventKind.SCAN_FINISHED: _scan,
    EventKind.APPROVAL_REQUESTED: _requested,
    EventKind.APPROVAL_CHANGED: _changed,
    EventKind.CHECKED: _checked,
    EventKind.COMMAND: _command,
    EventKind.DENIED: _denied,
    EventKind.REFUSED: _refused,
    EventKind.ORDER_SENT: _sent,
    EventKind.ATTEMPTED: _attempted,
    EventKind.FILLED: _filled,
    EventKind.ORDER_ENDED: _ended,
    EventKind.EXIT_STARTED: _exit,
    EventKind.POSITION_CLOSED: _closed,
    EventKind.NOTE: _note,
    **dict.fromkeys(
        (EventKind.ASSIGNED, EventKind.EXPIRED, EventKind.CALLED_AWAY, EventKind.DIVIDEND, EventKind.SPLIT), _happened
    ),
}
"""How the kinds a trade is made of read; every other kind is told by its title and its own words."""
