"""Limits near and crossed, drawdown, margin, and what prices alone have done to the account's Greeks.

That a limit was passed is told at once, with the lock it makes, by `engine.watch` (`risk_breached`), which takes two
readings of a loss. The alert of a crossed limit, and of a drawdown beyond its limit, waits for that and opens without a
second sound, in the place of the one that said it was near; it is heard when nobody has answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from alerts.facts import Facts
from alerts.findings import ALL, Finding, Rule
from alerts.rules.thresholds import Thresholds, back
from engine.model.events import Severity
from engine.percent import as_percent
from engine.risk import LimitUse
from engine.watch import CLEAR

BACK = 0.05
"""How far below its bound a limit that is near has to fall before that is over."""
CALMER = 0.7
"""Share of its bound that a drift has to fall back to."""


def rules(bounds: Thresholds) -> tuple[Rule[Facts], ...]:
    """Those about the account as a whole."""
    return (
        # Nothing is lost yet and nothing stops: a warning that entries will be. An order is counted while it is worked,
        # which is over in a minute or two where it does not fill.
        Rule(
            "limit_near",
            "Limit near",
            Severity.WARNING,
            _near,
            bounds.limit_near,
            back(bounds.limit_near, BACK),
            holds=timedelta(minutes=2),
            worse="limit_crossed",
        ),
        # Beyond what people agreed to risk; the lock it made stops entries only.
        Rule(
            "limit_crossed",
            "Limit crossed",
            Severity.URGENT,
            _limits,
            1.0,
            float(CLEAR),
            holds=timedelta(minutes=2),
            escalates=timedelta(minutes=15),
            again=timedelta(hours=2),
        ),
        # The desk halts by itself at the limit: before that somebody can still choose what to close.
        Rule(
            "drawdown",
            "Drawdown",
            Severity.WARNING,
            _drawdown,
            bounds.drawdown,
            back(bounds.drawdown, 2 * BACK),
            holds=timedelta(minutes=2),
            escalates=timedelta(minutes=30),
        ),
        # A deficit makes the broker sell, at its own choice and price. An order that moved a step on its ladder since
        # the broker was asked is taken off twice, until it is asked again: that is over within the two minutes.
        Rule(
            "margin",
            "Margin",
            Severity.URGENT,
            lambda facts: _margin(facts, bounds),
            1.0,
            1.0 - BACK,
            holds=timedelta(minutes=2),
            escalates=timedelta(minutes=10),
        ),
        # Nobody decided it and no limit forbids it: worth a look, not worth a night.
        Rule("delta_drift", "Delta drift", Severity.WARNING, _delta, bounds.delta_drift, bounds.delta_drift * CALMER),
        Rule("vega_drift", "Vega drift", Severity.WARNING, _vega, bounds.vega_drift, bounds.vega_drift * CALMER),
    )


def _limits(facts: Facts) -> Iterator[Finding]:
    """The used share of every limit."""
    if not facts.is_open or facts.uses is None:
        yield Finding(ALL, None, "How much of the limits is used is not known now.")
        return
    for use in facts.uses:
        yield _use(use)


def _near(facts: Facts) -> Iterator[Finding]:
    """The same of those that are not passed: what jumps past its limit was never near it, and is told as passed."""
    for found in _limits(facts):
        yield replace(found, value=None) if found.value is not None and found.value >= 1.0 else found


def _use(use: LimitUse) -> Finding:
    share = float(use.used / use.limit) if use.limit else (float("inf") if use.used else 0.0)
    words = (
        f"{use.name[:1].upper()}{use.name[1:]} is {use.unit.shown(use.used)}, {as_percent(share)} of its limit of "
        f"{use.unit.shown(use.limit)}."
    )
    advice = "Past it nothing is opened that adds to it; exits go on. /risk shows what counts, /limits the limits."
    ticker = use.subject if use.key == "one_underlying" else ""
    return Finding(use.name, share, words, advice, ticker, as_percent(share) if use.limit else use.unit.shown(use.used))


def _drawdown(facts: Facts) -> Iterator[Finding]:
    use = facts.drawdown
    if not facts.is_open or use is None or not use.limit:
        yield Finding(ALL, None, "The drawdown is not known now.")
        return
    words = (
        f"The account is {as_percent(use.used, '.1')} below its peak. At {as_percent(use.limit, '.1')} entries halt "
        f"until an admin resumes."
    )
    yield Finding("", float(use.used / use.limit), words, "Decide now what should go first: /positions, /stress.")


def _margin(facts: Facts, bounds: Thresholds) -> Iterator[Finding]:
    money = facts.money
    yield _maintenance(money.maintenance, money.broker_equity, Decimal(str(bounds.margin)))
    yield _power(money.power, money.equity)
    yield _collateral(money.reserved, money.cash)


def _maintenance(wanted: Decimal | None, equity: Decimal | None, most: Decimal) -> Finding:
    """Against the share of equity it may take; a broker that asks for none is not in the way of anybody."""
    if wanted is None or equity is None:
        return Finding("maintenance", None, "The broker does not say what it wants left.")
    share = wanted / equity if equity > 0 else Decimal("Infinity")
    words = f"The broker wants {wanted:,.2f} left of an equity of {equity:,.2f}: {as_percent(share, '.1')} of it."
    advice = "At 100 % it sells by itself. Close something that ties up margin, or pay in."
    return Finding("maintenance", float(share / most), words, advice)


def _power(left: Decimal | None, equity: Decimal | None) -> Finding:
    if left is None or equity is None or equity <= 0:
        return Finding("buying power", None, "The options buying power is not known now.")
    words = f"Of the options buying power {left:,.2f} is left, with what is being worked taken off."
    advice = "Entries are refused until some of it is free; exits go on."
    return Finding("buying power", float(1 - left / equity), words, advice)


def _collateral(reserved: Decimal | None, cash: Decimal | None) -> Finding:
    if reserved is None or cash is None:
        return Finding("cash", None, "How much of the cash is reserved is not known now.")
    share = reserved / cash if cash > 0 else Decimal("Infinity" if reserved > 0 else 0)
    short = f", {reserved - cash:,.2f} more than there is" if reserved > cash else ""
    words = f"Short puts and working entries may take {reserved:,.2f} of {cash:,.2f} in cash{short}."
    return Finding("cash", float(share), words, "Cancel an entry, buy back a put, or pay in before one is assigned.")


def _delta(facts: Facts) -> Iterator[Finding]:
    """By how much prices alone have made the account longer or shorter since this morning, in equity."""
    drift, equity = facts.drift, facts.money.equity
    if not facts.is_open or equity is None or equity <= 0 or drift.delta is None or drift.delta_moved is None:
        yield Finding("", None, "The account's delta is not known now.")
        return
    share = drift.delta_moved / equity
    words = (
        f"Prices alone have moved the account's delta by {drift.delta_moved:+,.0f} dollars since this morning, "
        f"{as_percent(share, '+.1')} of equity; it is {drift.delta:+,.0f} now."
    )
    yield Finding("", float(abs(share)), words, "/greeks shows whose it is; close or hedge what grew.")


def _vega(facts: Facts) -> Iterator[Finding]:
    """The same of what one point of volatility makes."""
    drift, equity = facts.drift, facts.money.equity
    if not facts.is_open or equity is None or equity <= 0 or drift.vega is None or drift.vega_moved is None:
        yield Finding("", None, "The account's vega is not known now.")
        return
    share = drift.vega_moved / equity
    words = (
        f"Prices alone have moved what a point of volatility makes by {drift.vega_moved:+,.0f} dollars since this "
        f"morning, {as_percent(share, '+.2')} of equity; it is {drift.vega:+,.0f} now."
    )
    yield Finding(
        "", float(abs(share)), words, "/greeks shows whose it is, /stress what a jump of volatility would do."
    )
