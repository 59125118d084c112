"""/chain: the options of one expiry around the spot, and what is known of the numbers."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

import numpy as np

from bot import words
from bot.command import Call
from bot.message import Button, Card, Table
from engine import pricing
from engine.errors import DataUnavailable, NotFound
from engine.model.instruments import Right
from engine.model.making import Making, Tally
from engine.model.market import Chain
from engine.volatility import atm_iv

AROUND = 5
"""Strikes shown on each side of the spot."""
DEFAULT_DTE = 30
LISTED = 8
"""Expiries named on the card."""
THOUSAND, MILLION = 1_000, 1_000_000

LEFT_OUT = {
    "adjusted": "adjusted",
    "foreign": "of another root",
    "expired": "expired",
    "malformed": "without strike or expiry",
    "repeated": "told twice",
}
"""Rows that are not in the chain, by their name in the tally."""
NO_QUOTE = {
    "crossed": "crossed",
    "stale": "too old",
    "unquoted": "not offered",
    "unlisted": "not among the listed contracts",
    "silent": "listed, but not told",
}


def chain(call: Call) -> Card:
    """Strikes around the spot for one expiry: prices, volatility, delta, open interest, volume, and whose they are."""
    ticker = call.text("ticker")
    listed = call.desk.market.chain(ticker)
    if listed is None or not len(listed):
        raise DataUnavailable(f"There are no options of {ticker} here.")
    call.room.listed.seen(listed)
    expiry = _expiry(listed, call.day("expiry"))
    right = Right.CALL if call.text("right", "put") == "call" else Right.PUT
    rows = _around(listed.where(right=right, expiry=expiry), listed.spot)
    name = "calls" if right is Right.CALL else "puts"
    return Card(
        f"{ticker} {name} {expiry:%d %b %y}",
        lines=(*_made(listed), f"Listed expiries: {_expiries(listed)}."),
        facts=_facts(call, listed, expiry),
        tables=(_prices(rows), *_interest(rows)),
        buttons=_ways_on(ticker, right, expiry, listed),
        banner=call.room.banner(),
    )


def _ways_on(ticker: str, right: Right, expiry: date, listed: Chain) -> tuple[tuple[Button, ...], ...]:
    """The other right, and the expiries before and after."""
    this, other = ("put", "call") if right is Right.PUT else ("call", "put")
    days = listed.expiries
    place = days.index(expiry)
    near = [(f"◀ {day:%d %b}", day) for day in days[max(place - 1, 0) : place]]
    near += [(f"{day:%d %b} ▶", day) for day in days[place + 1 : place + 2]]
    flip = Button(f"{other.capitalize()}s", f"refresh:/chain {ticker} {other} {expiry}")
    turns = tuple(Button(label, f"refresh:/chain {ticker} {this} {day}") for label, day in near)
    looks = (
        Button("Refresh", f"refresh:/chain {ticker} {this} {expiry}"),
        Button("Quote", f"refresh:/quote {ticker}"),
    )
    return ((flip, *turns), looks)


def _facts(call: Call, listed: Chain, expiry: date) -> tuple[tuple[str, str], ...]:
    iv = atm_iv(listed, expiry)
    age = (call.desk.now() - listed.asof).total_seconds()
    return (
        ("Spot", f"{listed.spot:,.2f}"),
        ("Expiry", f"{words.day(expiry)} ({words.count((expiry - listed.today).days, 'day')})"),
        ("IV at money", words.percent(iv)),
        ("Forward", _forward(call, listed, expiry)),
        ("Rate", _rate(listed, expiry)),
        ("Source", str(listed.source)),
        ("Quoted", f"{words.moment(listed.asof)}, {words.age(age)} old"),
    )


def _forward(call: Call, listed: Chain, expiry: date) -> str:
    """The price of the underlying at the expiry that its calls and puts agree on."""
    sessions = call.desk.sessions
    close = sessions.close(listed.today) if sessions.is_session(listed.today) else None
    found = max(pricing.forwards(listed.where(expiry=expiry), close), key=lambda each: each.pairs, default=None)
    if found is None:
        return "none: no strike has both quotes"
    doubt = "" if found.is_firm else ", they differ"
    return f"{found.value:,.2f} by put-call parity, {words.count(found.pairs, 'strike')}{doubt}"


def _rate(listed: Chain, expiry: date) -> str:
    source = f", {listed.rate_source}" if listed.rate_source is not None else ", source not said"
    return f"{words.percent(listed.rate_to(expiry), 2)}{source}"


def _expiry(listed: Chain, wanted: date | None) -> date:
    """The asked expiry, or the listed one nearest to 30 days.

    Raises:
        NotFound: it is not listed; the nearest is named.
    """
    if wanted is None:
        return min(listed.expiries, key=lambda day: (abs((day - listed.today).days - DEFAULT_DTE), day))
    if wanted not in listed.expiries:
        near = min(listed.expiries, key=lambda day: abs(day - wanted))
        raise NotFound(f"{listed.underlying} has no options that expire on {wanted}; the nearest is {near}.")
    return wanted


def _expiries(listed: Chain) -> str:
    days = [f"{day.day}\N{NO-BREAK SPACE}{day:%b}\N{NO-BREAK SPACE}{day:%y}" for day in listed.expiries]
    return ", ".join(days[:LISTED]) + (f" and {len(days) - LISTED} more" if len(days) > LISTED else "")


def _made(listed: Chain) -> tuple[str, ...]:
    """How the numbers of the whole chain compare with its provider's, and what is missing."""
    if listed.making is None:
        return ()
    return (_compared(listed.source.name, listed.making), *_missing(listed.making.tally))


def _compared(provider: str, making: Making) -> str:
    found = making.comparison
    if found is None:
        return f"{provider} sends no volatilities of its own to compare with ours."
    return (
        f"Our IV beside {provider}'s own, {words.count(found.rows, 'contract')} with a narrow spread: half are within "
        f"{found.iv_median:.2f} vol points, nine in ten within {found.iv_p90:.2f}."
    )


def _missing(tally: Tally) -> tuple[str, ...]:
    left_out, unusable = _counted(tally, LEFT_OUT), _counted(tally, NO_QUOTE)
    lines = (("Left out", left_out), ("Without a usable quote", unusable))
    return tuple(f"{name}: {what}." for name, what in lines if what)


def _counted(tally: Tally, names: dict[str, str]) -> str:
    found = {field.name: int(getattr(tally, field.name)) for field in fields(tally)}
    return ", ".join(f"{found[name]:,} {what}" for name, what in names.items() if found[name])


def _around(rows: Chain, spot: float) -> Chain:
    """The strikes nearest to the spot, ascending."""
    order = np.argsort(rows.strike, kind="stable")
    middle = int(np.searchsorted(rows.strike[order], spot))
    return rows.take(order[max(middle - AROUND, 0) : middle + AROUND])


def _prices(rows: Chain) -> Table:
    lines = tuple(
        (
            f"{rows.strike[i]:g}",
            _cell(rows.bid[i], ".2f"),
            _cell(rows.ask[i], ".2f"),
            _cell(rows.iv[i] * 100, ".1f"),
            _cell(rows.delta[i], "+.2f"),
        )
        for i in range(len(rows))
    )
    return Table(("Strike", "Bid", "Ask", "IV %", "Delta"), lines, right=(0, 1, 2, 3, 4))


def _interest(rows: Chain) -> tuple[Table, ...]:
    """Open interest, volume and sizes, each where it is known of any strike."""
    named = (("OI", rows.open_interest), ("Vol", rows.volume), ("Bid ×", rows.bid_size), ("Ask ×", rows.ask_size))
    known = [(name, column) for name, column in named if np.isfinite(column).any()]
    if not known:
        return ()
    lines = tuple((f"{rows.strike[i]:g}", *(_short(float(column[i])) for _, column in known)) for i in range(len(rows)))
    headers = ("Strike", *(name for name, _ in known))
    return (Table(headers, lines, right=tuple(range(len(headers))), title="Open interest, volume, sizes"),)


def _cell(value: float, form: str) -> str:
    return "-" if np.isnan(value) else format(value, form)


def _short(count: float) -> str:
    """A count in at most five signs, "-" where it is not known.

    >>> _short(950.0), _short(12_340.0), _short(2_500_000.0), _short(float("nan"))
    ('950', '12.3k', '2.5M', '-')
    """
    if np.isnan(count):
        return "-"
    if count < THOUSAND:
        return f"{count:.0f}"
    return f"{count / THOUSAND:.1f}k" if count < MILLION - THOUSAND else f"{count / MILLION:.1f}M"
