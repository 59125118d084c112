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
    """Every rule the name went through in the latest scan of each strategy, with its number."""
    lines: list[str] = []
    for scan in scans:
        steps = scan.steps.get(ticker)
        if steps is None:
            lines.append(f"{scan.strategy}: {ticker} was not in the scan of {words.moment(scan.asof)}.")
            continue
        lines += [f"{scan.strategy}, {words.moment(scan.asof)}: {_verdict(steps)}", *map(step_words, steps)]
    if not lines:
        lines.append("No scan has run yet; /scan STRATEGY runs one.")
    return Card(f"Why not {ticker}?", lines=tuple(lines), banner=banner)


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
