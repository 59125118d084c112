"""Cards that explain: scans, funnels, why a name was not proposed, why a proposal was."""

from __future__ import annotations

from collections.abc import Iterable

from bot import words
from bot.message import Button, Card, Table, Tone
from bot.proposal import after_words, title
from engine.model.trade import Approval, ApprovalStatus, Scan, Step, Verdict
from engine.scanning import NO_DATA

MARKS = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.NOT_CHECKED: "?"}
MOST_ROWS = 15


def scan_card(scan: Scan, banner: str) -> Card:
    """What a scan found, how many names each rule removed, and what could not be checked."""
    found = words.count(len(scan.plans), "proposal")
    lines = [f"{id}: {wish.words}." for id, wish in scan.questions.items()]
    lines += [f"{title(plan)} at {words.net(plan.signal.limit)}" for plan in scan.plans[:MOST_ROWS]]
    return Card(
        f"Scan {scan.strategy}: {found}",
        Tone.GOOD if scan.plans else Tone.NEUTRAL,
        lines=(*lines, *_without_data(scan), *_unchecked(scan)),
        facts=(("Names", str(scan.universe)), ("Asked", words.moment(scan.asof))),
        tables=_funnel_tables(scan),
        buttons=((Button("Funnel", f"funnel:{scan.strategy}"),),),
        footer=scan.id,
        banner=banner,
    )


def funnel_card(scan: Scan, banner: str) -> Card:
    """How many names each rule removed, with its limit."""
    lines = [
        f"{line.rule} {line.limit}: removed {line.removed}, left {line.left}" for line in scan.funnel if line.removed
    ]
    return Card(
        f"Funnel {scan.strategy}: {scan.universe} → {len(scan.plans)}",
        lines=(*lines, *_without_data(scan), *_unchecked(scan)),
        tables=_funnel_tables(scan),
        footer=f"Scan of {words.moment(scan.asof)}. /whynot TICKER tells one name's story.",
        banner=banner,
    )


def _without_data(scan: Scan) -> tuple[str, ...]:
    """The names nobody had a price of, by name: a ticker mistyped in the configuration is among them."""
    names = [each.ticker for each in scan.rejected if each.rule == NO_DATA]
    more = f" and {len(names) - MOST_ROWS} more" if len(names) > MOST_ROWS else ""
    return (f"Without market data: {', '.join(names[:MOST_ROWS])}{more}.",) if names else ()


def _unchecked(scan: Scan) -> tuple[str, ...]:
    return (f"Not checked (no data for it): {', '.join(scan.not_checked)}.",) if scan.not_checked else ()


def _funnel_tables(scan: Scan) -> tuple[Table, ...]:
    rows = tuple((line.rule[:22], str(line.removed), str(line.left)) for line in scan.funnel)
    return (Table(("Rule", "Out", "Left"), rows, right=(1, 2)),) if rows else ()


def whynot_card(ticker: str, scans: Iterable[Scan], banner: str) -> Card:
    """Of one strategy every rule the name went through in its latest scan, with its number; of several what stopped
    it in each, and a tap to the rest."""
    latest = tuple(scans)
    if not latest:
        return Card(f"Why not {ticker}?", lines=("No scan has run yet; /scan STRATEGY runs one.",), banner=banner)
    if len(latest) == 1:
        return Card(f"Why not {ticker}?", lines=_whole_way(ticker, latest[0]), banner=banner)
    known = [scan for scan in latest if ticker in scan.steps]
    taps = [Button(scan.strategy, f"refresh:/whynot {ticker} {scan.strategy}") for scan in known]
    return Card(
        f"Why not {ticker}?",
        lines=tuple(_in_short(scan, scan.steps[ticker]) for scan in known) + _elsewhere(ticker, latest),
        buttons=tuple(tuple(taps[first : first + 2]) for first in range(0, len(taps), 2)),
        footer="A strategy's button shows each of its rules with the name's value and what the rule needs.",
        banner=banner,
    )


def _whole_way(ticker: str, scan: Scan) -> tuple[str, ...]:
    steps = scan.steps.get(ticker)
    if steps is None:
        return (f"{scan.strategy}: {ticker} was not in the scan of {words.moment(scan.asof)}.",)
    return (f"{scan.strategy}, {words.moment(scan.asof)}: {_verdict(steps)}", *map(step_words, steps))


def _in_short(scan: Scan, steps: tuple[Step, ...]) -> str:
    """`✗ wheel: volatility: 24.99 % (needs ≥ 25.00 %); 3 rules held before it (2026-06-15 10:00 ET).`"""
    at = words.moment(scan.asof)
    place = next((number for number, step in enumerate(steps) if not step.passed), None)
    if place is None:
        unchecked = sum(step.verdict is Verdict.NOT_CHECKED for step in steps)
        more = f", {unchecked} of {len(steps)} not checked" if unchecked else ""
        return f"{MARKS[Verdict.PASSED]} {scan.strategy}: every rule held{more} ({at})."
    step, held = steps[place], words.count(place, "rule")
    return (
        f"{MARKS[step.verdict]} {scan.strategy}: {step.rule}: {step.value} (needs {step.limit}); "
        f"{held} held before it ({at})."
    )


def _elsewhere(ticker: str, scans: tuple[Scan, ...]) -> tuple[str, ...]:
    """The strategies that did not look at the name."""
    names = [scan.strategy for scan in scans if ticker not in scan.steps]
    return (f"{ticker} was not in the latest scan of {', '.join(names)}.",) if names else ()


def _verdict(steps: tuple[Step, ...]) -> str:
    failed = next((step for step in steps if not step.passed), None)
    return "every rule held." if failed is None else f"stopped by {failed.rule}."


def step_words(step: Step) -> str:
    """`✗ volatility: 24.99 % (needs ≥ 25.00 %)`."""
    return f"{MARKS[step.verdict]} {step.rule}: {step.value} (needs {step.limit})"


def why_card(approval: Approval, scan: Scan | None, banner: str) -> Card:
    """Why this trade and this size: reasons, rules passed, sizing and what it does to the limits."""
    plan = approval.plan
    signal = plan.signal
    steps = scan.steps.get(signal.ticker, ()) if scan is not None else ()
    lines = [f"For: {reason}" for reason in signal.reasons]
    lines += [f"Against: {reason}" for reason in signal.against]
    lines += [*after_words(plan), *(f"After it: {line}" for line in plan.impact)]
    lines += ["Rules:", *map(step_words, steps)] if steps else []
    lines += ["Size:", *(f"{step.rule}: {step.value} ({step.limit})" for step in plan.sizing)] if plan.sizing else []
    return Card(
        f"Why {title(plan)}",
        lines=tuple(lines),
        facts=(("Data", signal.data or "source not named"), ("Priced", words.moment(signal.asof))),
        footer=approval.key,
        banner=banner,
    )


def proposals_card(pending: tuple[Approval, ...], recent: tuple[Approval, ...], banner: str) -> Card:
    """What waits for an answer, then the latest decisions."""
    rows = tuple(_proposal_row(approval) for approval in (*pending, *recent)[:MOST_ROWS])
    tables = (Table(("Id", "Name", "Limit", "State"), rows),) if rows else ()
    buttons = tuple((Button(f"Show {approval.id}", f"show:{approval.id}", Tone.ASK),) for approval in pending[:5])
    waiting = words.count(len(pending), "proposal")
    return Card(
        f"{waiting} waiting" if pending else "No proposal is waiting",
        tables=tables,
        buttons=(*buttons, (Button("Refresh", "refresh:/proposals"),)),
        footer=words.SIGNED_LIMIT if rows else "",
        banner=banner,
    )


def _proposal_row(approval: Approval) -> tuple[str, str, str, str]:
    signal = approval.plan.signal
    limit = words.signed_limit(signal.limit)
    state = "waiting" if approval.status is ApprovalStatus.PENDING else approval.status.value
    return approval.id, f"{approval.plan.quantity}×{signal.ticker}", limit, state
