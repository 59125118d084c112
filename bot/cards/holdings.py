"""Cards of what is held and what it made: positions, account, P&L, risk. Values in, card out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from bot import words
from bot.message import Button, Card, Table, Tone
from bot.proposal import legs_table
from engine.model.book import Position
from engine.model.legs import Structure
from engine.model.orders import MANUAL, PANIC, ROLL, Ticket
from engine.portfolio import AccountView, PnlView, PositionView, RiskView
from engine.risk import LimitUse

ENDINGS: Mapping[str, str] = MappingProxyType({MANUAL: "closed by hand", PANIC: "closed by a panic", ROLL: "rolled"})
"""Reasons for an end that need more words than their own."""


def positions_card(views: tuple[PositionView, ...], banner: str) -> Card:
    """Every open position in one line: id, name, units, value of a unit, open P&L."""
    refresh = (Button("Refresh", "refresh:/positions"),)
    if not views:
        return Card("No open positions", lines=("Nothing is held.",), buttons=(refresh,), banner=banner)
    rows = tuple(
        (
            view.position.id,
            view.position.ticker,
            str(_units(view)),
            "?" if view.package is None else words.price(abs(view.package)),
            words.whole(view.unrealised),
        )
        for view in views
    )
    known = [view.unrealised for view in views if view.unrealised is not None]
    facts = [("Open P&L", words.gain(sum(known, Decimal(0))) if len(known) == len(views) else words.UNKNOWN)]
    return Card(
        title=words.count(len(views), "open position"),
        facts=tuple(facts),
        tables=(Table(("Id", "Name", "Qty", "Each", "P&L"), rows, right=(2, 3, 4)),),
        buttons=(*_each(views), refresh),
        footer=_stale_note(views),
        banner=banner,
    )


def _each(views: tuple[PositionView, ...]) -> tuple[tuple[Button, ...], ...]:
    """A way to each position, three in a row, as many as a phone shows."""
    buttons = [Button(view.position.id, f"position:{view.position.id}") for view in views[:9]]
    return tuple(tuple(buttons[start : start + 3]) for start in range(0, len(buttons), 3))


def _units(view: PositionView) -> int:
    """Units, negative for what is sold."""
    first = view.position.unit[0].ratio
    return view.units if first > 0 else -view.units


def _stale_note(views: tuple[PositionView, ...]) -> str:
    stale = [view for view in views if view.stale_at is not None]
    names = ", ".join(view.position.id for view in stale)
    return f"No quote now, last stored price: {names}." if stale else ""


def position_card(view: PositionView, tickets: tuple[Ticket, ...], now_version: int, banner: str) -> Card:
    """One position: legs, entry and value, P&L, Greeks, its exits and what is working on it."""
    position = view.position
    facts = [
        ("Entry", words.net(position.entry) if position.entry is not None else words.UNKNOWN),
        ("Now", words.UNKNOWN if view.package is None else f"{words.price(abs(view.package))} a share"),
        ("Open P&L", words.gain(view.unrealised)),
        *_ledger_facts(position),
        ("Spot", words.money(view.spot)),
        ("Greeks in all", words.greeks_words(view.greeks)),
    ]
    if view.dte is not None:
        facts.append(("Expires in", words.count(view.dte, "day")))
    facts += _plan_facts(position)
    working = tuple(f"Order {t.id} is working: {t.filled} of {t.quantity} filled." for t in tickets if t.is_open)
    source = ("Some of its prices are modelled.",) if position.modelled else ()
    stale = (f"Priced at {words.moment(view.stale_at)}: no quote now.",) if view.stale_at else ()
    return Card(
        title=_position_title(position),
        tone=_tone(view),
        lines=(*working, *(f"Exit: {line}" for line in position.exits.words), *source, *stale),
        facts=tuple(facts),
        tables=(legs_table(position.unit, view.units),),
        buttons=_position_buttons(position, tickets),
        footer=f"{position.id}, {position.strategy}, opened {words.moment(position.opened_at)}",
        banner=banner,
        key=f"position:{position.id}",
        version=now_version,
    )


def _tone(view: PositionView) -> Tone:
    if view.unrealised is None or not view.unrealised:
        return Tone.NEUTRAL
    return Tone.GOOD if view.unrealised > 0 else Tone.BAD


def _position_title(position: Position) -> str:
    held = f"{position.units} × " if position.is_open and position.structure is not Structure.SHARES else ""
    shares = f"{position.units} " if position.is_open and position.structure is Structure.SHARES else ""
    return f"{held}{shares}{position.ticker} {position.structure}"


def _ledger_facts(position: Position) -> list[tuple[str, str]]:
    facts = [("Realised", words.gain(position.realised)), ("Fees", words.money(position.fees))]
    if position.dividends:
        facts.append(("Dividends", words.gain(position.dividends)))
    return facts


def _plan_facts(position: Position) -> list[tuple[str, str]]:
    plan, facts = position.exits, []
    if plan.target is not None:
        facts.append(("Target", f"{words.money(abs(plan.target))} a share"))
    if plan.stop is not None:
        facts.append(("Stop", f"{words.money(abs(plan.stop))} a share"))
    if plan.stop_spot is not None:
        facts.append(("Stop", f"{position.ticker} at {words.money(plan.stop_spot)} or below"))
    if plan.stop_spot_above is not None:
        facts.append(("Stop", f"{position.ticker} at {words.money(plan.stop_spot_above)} or above"))
    if plan.close_on is not None:
        facts.append(("Time exit", plan.close_on.isoformat()))
    return facts


def _position_buttons(position: Position, tickets: tuple[Ticket, ...]) -> tuple[tuple[Button, ...], ...]:
    if not position.is_open:
        return ()
    look = (
        Button("Payoff", f"payoff:{position.id}"),
        Button("Chart", f"levels:{position.id}"),
        Button("Refresh", f"refresh:/position {position.id}"),
    )
    working = [ticket for ticket in tickets if ticket.is_open]
    if working:
        return ((*(Button("Cancel order", f"cancel:{t.id}", Tone.BAD) for t in working),), look)
    return ((Button("Close", f"close:{position.id}", Tone.BAD),), look)


def closed_position_card(position: Position, now_version: int, banner: str) -> Card:
    """A position that has ended: how, and what it made."""
    result = position.realised + position.dividends - position.fees
    return Card(
        title=f"Closed: {_position_title(position)}",
        tone=Tone.GOOD if result > 0 else Tone.BAD,
        lines=(f"Ended: {ending(position.close_reason) or 'no reason kept'}.",),
        facts=(("Net", words.gain(result)), *_ledger_facts(position)),
        footer=f"{position.id}, {position.strategy}",
        banner=banner,
        key=f"position:{position.id}",
        version=now_version,
    )


def ending(reason: str) -> str:
    """Why a position ended, in words: `closed by hand`, `target`."""
    return ENDINGS.get(reason, reason)


def account_card(view: AccountView, banner: str) -> Card:
    """Cash, reserved, in flight and free; equity at mid and what it would fetch now."""
    account = view.account
    facts = [
        ("Equity", words.money(view.equity)),
        ("Liquidation", words.money(view.liquidation)),
        ("Cash", words.money(view.book_cash)),
        ("Reserved", words.money(view.reserved)),
        ("In flight", words.money(view.in_flight)),
        ("Free", words.money(view.free)),
        ("Buying power", words.money(account.buying_power)),
        ("Options BP", words.money(account.options_buying_power)),
        ("Options level", str(account.options_level)),
        ("Broker cash", words.money(account.cash)),
        ("Account", f"{account.number} ({'paper' if account.is_paper else 'LIVE'})"),
    ]
    lines = [f"No price for {item}." for item in view.missing]
    if account.cash != view.book_cash:
        lines.append(f"The broker's cash differs from the book by {words.gain(account.cash - view.book_cash)}.")
    is_other = bool(view.pinned) and view.pinned != account.number
    if is_other:
        lines.append(f"This is not the account the desk is pinned to ({view.pinned}): no live order is sent.")
    if account.blocked:
        lines.append("The broker has blocked this account.")
    tone = Tone.BAD if account.blocked or is_other else Tone.NEUTRAL
    buttons = ((Button("Refresh", "refresh:/account"),),)
    return Card("Account", tone, lines=tuple(lines), facts=tuple(facts), buttons=buttons, banner=banner)


def pnl_card(view: PnlView, banner: str) -> Card:
    """P&L of day, week and month, its parts since the start, and by strategy."""
    rows = tuple(
        (line.strategy[:11], words.whole(line.realised), words.whole(line.unrealised), f"{line.fees:,.0f}")
        for line in view.lines
    )
    tables = (Table(("Strategy", "Realised", "Open", "Fees"), rows, right=(1, 2, 3)),) if rows else ()
    lines = () if not view.gap else (f"The books are off by {words.gain(view.gap)}: tell an admin.",)
    return Card(
        f"P&L {words.gain(view.total)}",
        Tone.BAD if view.gap else Tone.NEUTRAL,
        lines=lines,
        facts=_pnl_facts(view),
        tables=tables,
        buttons=((Button("Refresh", "refresh:/pnl"),),),
        footer="Realised and open are gross of fees, since the start.",
        banner=banner,
    )


def _pnl_facts(view: PnlView) -> tuple[tuple[str, str], ...]:
    totals = view.totals
    facts = [
        ("Today", words.gain(view.day)),
        ("This week", words.gain(view.week)),
        ("This month", words.gain(view.month)),
        ("Equity", words.money(view.equity)),
        ("Realised", words.gain(totals.realised)),
        ("Open", words.gain(view.unrealised)),
        ("Dividends", words.gain(totals.dividends)),
        ("Interest", words.gain(totals.interest)),
        ("Fees", words.money(totals.fees)),
    ]
    return (*facts, ("Flows", words.gain(totals.flows))) if totals.flows else tuple(facts)


def limits_table(uses: tuple[LimitUse, ...]) -> Table:
    """Every limit with what is used of it; a passed one is marked."""
    rows = tuple(
        (use.name[:18], words.percent(use.used), words.percent(use.limit) + ("" if use.holds else " !")) for use in uses
    )
    return Table(("Limit", "Used", "Of"), rows, right=(1, 2))


def risk_card(view: RiskView, banner: str) -> Card:
    """Limits in use, net Greeks of the account and delta in dollars."""
    passed = [use for use in view.uses if not use.holds]
    facts = [
        ("Equity", words.money(view.state.equity)),
        ("Net Greeks", words.greeks_words(view.greeks)),
        ("Delta", f"{words.money(view.delta_dollars)} dollars"),
        *market_fall(view),
        ("Positions", str(len(view.positions))),
        ("Working", words.count(len(view.state.reserved), "entry order")),
    ]
    lines = tuple(f"{use.name}: {words.percent(use.used)} passes {words.percent(use.limit)}." for use in passed)
    return Card(
        "Risk" if not passed else f"Risk: {words.count(len(passed), 'limit')} passed",
        Tone.BAD if passed else Tone.GOOD,
        lines=lines,
        facts=tuple(facts),
        tables=(limits_table(view.uses),),
        buttons=(
            (Button("Stress", "refresh:/stress"), Button("Greeks", "refresh:/greeks")),
            (Button("Exposure", "refresh:/risk exposure"), Button("Hazards", "refresh:/risk hazards")),
            (Button("Picture", "bars:"), Button("Refresh", "refresh:/risk")),
        ),
        banner=banner,
    )


def market_fall(view: RiskView) -> tuple[tuple[str, str], ...]:
    """What a fall of SPY by 5 % would make of what is held and worked; names of which that is not known are told."""
    made = [each.market_fall for each in view.state.exposures if each.market_fall is not None]
    missing = sorted({each.ticker for each in view.state.exposures if each.market_fall is None})
    without = f" without {', '.join(missing)}" if missing else ""
    return (("SPY -5 %", f"{words.whole(sum(made, Decimal(0)))}{without}" if made else words.UNKNOWN),)
