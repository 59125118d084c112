"""The card of a digest: a session, a week or a month with one table and one picture. Values in, card out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial

import numpy as np

from bot import charts, words
from bot.cards.holdings import ending
from bot.curves import DayBars, EquityCurve, IndexCurve
from bot.message import Card, Picture, Table, Tone
from engine import benchmark
from engine.benchmark import Beside
from engine.model.digests import Ahead, DayMade, Digest, Ended, Health, Index, Parts, Span, UsedLimit
from engine.model.records import EquityDay

LISTED = 6
"""Positions that ended, and events to come, that are told one by one."""
OLD = 3
"""Old prices that are told one by one."""
HALF_A_CENT = Decimal("0.005")
WIDTH, GAP = 32, 2
"""Characters of a table that Discord on a phone does not break, and between two columns."""
NET = "Net is realised and open P&L and dividends, less fees."


@dataclass(frozen=True, slots=True)
class Beyond:
    """What a card shows beside its digest: the quarter's closes, the index over them, the audit chain's head."""

    history: tuple[EquityDay, ...] = ()
    index: Beside | None = None
    head: str = ""


def digest_card(told: Digest, banner: str, beyond: Beyond) -> Card:
    """The number people look for first, then what it is made of, what happened and what is to come."""
    made = told.parts.total if told.parts is not None else None
    lines = (
        _headline(told),
        *_gap_lines(told.parts),
        *_price_lines(told),
        *told.notes,
        *_ended_lines(told.happened.ended),
        *_delivered_lines(told),
        *_ahead_lines(told.ahead),
        *told.unknown,
        *_no_lines(told.parts),
        *_no_curve(told, beyond.history),
    )
    tables = () if told.parts is None else strategy_table(told.parts)
    return Card(
        title_of(told),
        Tone.NEUTRAL if not made else Tone.GOOD if made > 0 else Tone.BAD,
        lines=lines,
        facts=(*_money_facts(told), *_trade_facts(told), *_desk_facts(told, beyond.head)),
        tables=tables,
        pictures=_pictures(told, beyond),
        footer=NET if tables else "",
        banner=banner,
        key=f"digest:{told.period.subject}",
        version=1,
    )


def title_of(told: Digest) -> str:
    """`Digest Fri 27 Nov 26`, `Week of Mon 23 Nov 26`, `November 2026`."""
    period = told.period
    if period.span is Span.MONTH:
        return f"{period.last:%B %Y}"
    return f"Digest {words.day(period.last)}" if period.span is Span.DAY else f"Week of {words.day(period.first)}"


def _headline(told: Digest) -> str:
    """`Made +235.45 (+0.24 %). SPY +0.10 %.`"""
    if told.parts is None:
        return "What was made is not known."
    if is_still(told):
        return f"Made 0.00: nothing was held or traded.{_beside_words(told.index)}"
    share = "" if told.made is None else f" ({told.made * 100:+.2f} %)"
    return f"Made {words.gain(told.parts.total)}{share}.{_beside_words(told.index)}"


def _beside_words(index: Index | None) -> str:
    if index is None:
        return ""
    missing = "" if index.has_dividends else " without dividends"
    return f" {index.name} {index.change * 100:+.2f} %{missing}."


def _money_facts(told: Digest) -> list[tuple[str, str]]:
    """P&L of the longer spans up to its end, then the parts of this one; what is nothing is left out.

    A card is read on later days too: what was then this week is another one by now, of which /pnl says something else.
    """
    facts = [("Week to date", words.gain(told.week))] if told.period.span is Span.DAY else []
    if told.period.span is not Span.MONTH:
        facts.append(("Month to date", words.gain(told.month)))
    facts.append(("Equity", words.money(told.equity)))
    if told.parts is None:
        return facts
    parts = told.parts
    if is_still(told):
        return [*facts, *_flow_facts(parts), ("Since start", words.gain(told.total))]
    facts += [
        ("Realised", words.gain(parts.realised)),
        ("Open", f"change {words.gain(parts.unrealised)}, now {words.gain(told.open)}"),
    ]
    facts += [
        (name, words.gain(each))
        for name, each in (("Dividends", parts.dividends), ("Interest", parts.interest))
        if each
    ]
    facts.append(("Fees", words.money(parts.fees)))
    facts += [*_flow_facts(parts), ("Since start", words.gain(told.total))]
    return [*facts, *_days_facts(told)]


def is_still(told: Digest) -> bool:
    """Whether nothing was held or moved: then there are no parts to tell of."""
    parts = told.parts
    moved = told.happened.opened or told.happened.ended
    return (
        parts is not None
        and told.held == 0
        and not moved
        and not any((parts.total, parts.realised, parts.unrealised, parts.dividends, parts.interest, parts.fees))
    )


def _flow_facts(parts: Parts) -> list[tuple[str, str]]:
    if not parts.flows:
        return []
    return [("Paid in" if parts.flows > 0 else "Paid out", f"{words.gain(parts.flows)}, not counted as made")]


def _days_facts(told: Digest) -> list[tuple[str, str]]:
    """The best and the worst session and the drawdown of a week or a month."""
    if told.period.span is Span.DAY or len(told.days) < 2:
        return []
    best, worst = max(told.days, key=_by_made), min(told.days, key=_by_made)
    facts = [("Best day", _day_made(best)), ("Worst day", _day_made(worst))]
    return facts if told.drawdown is None else [*facts, ("Drawdown", words.percent(abs(told.drawdown)))]


def _by_made(each: DayMade) -> Decimal:
    return each.made


def _day_made(each: DayMade) -> str:
    return f"{words.gain(each.made)} on {each.day:%a} {each.day.day} {each.day:%b}"


def _trade_facts(told: Digest) -> list[tuple[str, str]]:
    """What became of positions, what was collected for them, and what time brought."""
    happened = told.happened
    counts = (
        (len(happened.opened), "opened"),
        (len(happened.ended), "ended"),
        (happened.rolled, "rolled"),
        (happened.assigned, "assigned"),
        (happened.called_away, "called away"),
        (happened.expired, "expired"),
    )
    some = [f"{number} {word}" for number, word in counts if number]
    held = [] if told.held is None else [f"{told.held or 'none'} held"]
    facts = [("Positions", ", ".join((*some, *held)))] if some or held else []
    if happened.premium:
        facts.append(("Premium", f"{words.money(happened.premium)} collected"))
    if told.theta is not None and (told.theta.dollars or told.decay):
        known = (
            "" if told.theta.known == told.theta.sessions else f", {told.theta.known} of {told.theta.sessions} sessions"
        )
        facts.append(("Theta", f"about {told.theta.dollars:+,.2f} by the model{known}"))
    return facts


def _desk_facts(told: Digest, head: str) -> list[tuple[str, str]]:
    """Risk, proposals, the system and the audit chain."""
    facts = [("Risk", _risk(told.uses))] if told.uses else []
    proposals = ", ".join(f"{number} {status}" for status, number in told.happened.proposals.items() if number)
    if proposals:
        facts.append(("Proposals", proposals))
    facts.append(("System", health_words(told.health)))
    return [*facts, ("Audit", head)] if head else facts


def _risk(uses: tuple[UsedLimit, ...]) -> str:
    """The limit on all risk, and the one that is fullest."""
    fullest = max(uses, key=lambda use: use.used / use.limit if use.limit else use.used)
    told = dict.fromkeys((uses[0], fullest))
    return "; ".join(
        f"{x.name} {words.percent(x.used)} of {words.percent(x.limit)}{'' if x.holds else ' !'}" for x in told
    )


def health_words(health: Health) -> str:
    """`well`, or what went wrong: `2 runs missed, 1 error`."""
    counts = (
        (health.missed, "run missed", "runs missed"),
        (health.failed, "run failed", "runs failed"),
        (health.errors, "error", "errors"),
        (health.undelivered, "card undelivered", "cards undelivered"),
    )
    found = [words.count(number, one, many) for number, one, many in counts if number]
    if health.down:
        found.append(f"down {words.age(health.down)} of market hours")
    return ", ".join(found) or "well"


def strategy_table(parts: Parts) -> tuple[Table, ...]:
    """What each strategy made, to the cent; none where nothing moved or that is not known."""
    lines = parts.lines or ()
    amounts = [("Realised", "Net"), *((words.gain(line.realised), words.gain(line.total)) for line in lines)]
    room = WIDTH - sum(max(map(len, column)) + GAP for column in zip(*amounts, strict=True))
    rows = tuple((_short(line.strategy, room), *row) for line, row in zip(lines, amounts[1:], strict=True))
    return (Table(("Strategy", "Realised", "Net"), rows, right=(1, 2)),) if rows else ()


def _short(name: str, room: int) -> str:
    return name if len(name) <= room else f"{name[: room - 1]}…"


def _ended_lines(ended: tuple[Ended, ...]) -> list[str]:
    lines = [f"{x.ticker} {x.structure}, {ending(x.reason)}: {words.gain(x.net)} net" for x in ended[:LISTED]]
    more = len(ended) - len(lines)
    return [*lines, f"and {more} more ended"] if more > 0 else lines


def _delivered_lines(told: Digest) -> list[str]:
    """The options of a day that became shares; of longer spans their number is told alone."""
    delivered = told.happened.delivered if told.period.span is Span.DAY else ()
    more = len(delivered) - LISTED
    return [*delivered[:LISTED], f"and {more} more assigned or called away"] if more > 0 else list(delivered)


def _ahead_lines(ahead: tuple[Ahead, ...]) -> list[str]:
    """One line for each day to come: `Fri 19 Jun 26: XYZ expires, ABC reports before open`."""
    days: dict[date, list[str]] = {}
    for each in ahead:
        days.setdefault(each.day, []).append(f"{each.ticker} {each.what}")
    return [f"{words.day(day)}: {_first(what)}" for day, what in days.items()]


def _first(what: Iterable[str]) -> str:
    each = list(dict.fromkeys(what))
    more = f" and {len(each) - LISTED} more" if len(each) > LISTED else ""
    return ", ".join(each[:LISTED]) + more


def _price_lines(told: Digest) -> list[str]:
    """Prices that are not those of the close, whose each line says the time of: many in one."""
    late = [f"Taken late, at {words.moment(told.until)}, at the prices of then."] if told.is_late else []
    if len(told.old) <= OLD:
        return [*late, *(f"{each.what} is priced as of {words.moment(each.at)}." for each in told.old)]
    oldest = min(told.old, key=lambda each: each.at)
    return [*late, f"{len(told.old)} prices are old; the oldest, {oldest.what}'s, is of {words.moment(oldest.at)}."]


def _gap_lines(parts: Parts | None) -> tuple[str, ...]:
    if parts is None or abs(parts.gap) < HALF_A_CENT:
        return ()
    return (f"The books are off by {words.gain(parts.gap)}: tell an admin.",)


def _no_lines(parts: Parts | None) -> tuple[str, ...]:
    if parts is None or parts.lines is not None:
        return ()
    return ("By strategy it is not known: the close it is counted from was kept without that.",)


def _no_curve(told: Digest, history: tuple[EquityDay, ...]) -> tuple[str, ...]:
    """Why there is no equity curve, where there is none."""
    is_missing = told.period.span is Span.DAY and len(history) < 2
    return ("The equity curve begins with the second close.",) if is_missing else ()


def _pictures(told: Digest, beyond: Beyond) -> tuple[Picture, ...]:
    """The equity of the quarter beside the index; of a week or a month, what each session made."""
    return equity_pictures(beyond.history, beyond.index) if told.period.span is Span.DAY else days_pictures(told)


def days_pictures(told: Digest) -> tuple[Picture, ...]:
    """A bar for each session."""
    if len(told.days) < 2 or told.parts is None:
        return ()
    title = f"{title_of(told)}: {words.gain(told.parts.total)}"
    made = tuple(float(each.made) for each in told.days)
    bars = DayBars(title, tuple(each.day for each in told.days), made, _days_told(told))
    return (Picture("days.png", bars.alt, partial(charts.days_png, bars)),)


def _days_told(told: Digest) -> str:
    """`8 sessions up, 3 down. SPY +1.20 %.`"""
    up, down = sum(x.made > 0 for x in told.days), sum(x.made < 0 for x in told.days)
    return f"{words.count(up, 'session')} up, {down} down.{_beside_words(told.index)}"


def equity_pictures(history: tuple[EquityDay, ...], index: Beside | None = None) -> tuple[Picture, ...]:
    """The equity curve once there are two closes to draw between, beside an index where one is known."""
    if len(history) < 2:
        return ()
    days = np.array([row.day for row in history], dtype="datetime64[D]")
    equity = np.array([float(row.equity) for row in history])
    curve = EquityCurve("Equity at the close", days, equity, benchmark.peaks(history), _beside(index))
    return (Picture("equity.png", curve.alt, partial(charts.equity_png, curve)),)


def _beside(index: Beside | None) -> IndexCurve | None:
    if index is None:
        return None
    return IndexCurve(index.name if index.has_dividends else f"{index.name} without dividends", index.days, index.value)
