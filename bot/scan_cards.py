"""Cards that explain: scans, funnels, why a name was not proposed, why a proposal was."""

from __future__ import annotations

from collections.abc import Iterable

from bot import words
from bot.message import Button, Card, Table, Tone
from bot.proposal import title
from engine.model.trade import Approval, ApprovalStatus, Scan, Step, Verdict

MARKS = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.NOT_CHECKED: "?"}
MOST_ROWS = 15


def scan_card(scan: Scan, banner: str) -> Card:
    """What a scan found, how many names each rule removed, and what could not be checked."""
    found = words.count(len(scan.plans), "proposal")
    lines = [f"{title(plan)} at {words.net(plan.signal.limit)}" for plan in scan.plans[:MOST_ROWS]]
    return Card(
        f"Scan {scan.strategy}: {found}",
        Tone.GOOD if scan.plans else Tone.NEUTRAL,
        lines=(*lines, *_unchecked(scan)),
        facts=(("Names", str(scan.universe)), ("Asked", words.moment(scan.asof))),
        tables=_funnel_tables(scan),
        buttons=((Button("Funnel", f"funnel:{scan.strategy}"),),),
        footer=scan.id,
        banner=banner,
    )


def funnel_card(scan: Scan, banner: str) -> Card:
    """How many names each rule removed, with its limit."""
    lines = [f"{line.rule} {line.limit}: removed {line.removed}, left {line.left}" for line in scan.funnel]
    return Card(
        f"Funnel {scan.strategy}: {scan.universe} → {len(scan.plans)}",
        lines=(*lines, *_unchecked(scan)),
        tables=_funnel_tables(scan),
        footer=f"Scan of {words.moment(scan.asof)}. /whynot TICKER tells one name's story.",
        banner=banner,
    )


def _unchecked(scan: Scan) -> tuple[str, ...]:
    return (f"Not checked (no data for it): {', '.join(scan.not_checked)}.",) if scan.not_checked else ()


def _funnel_tables(scan: Scan) -> tuple[Table, ...]:
    rows = tuple((line.rule[:22], str(line.removed), str(line.left)) for line in scan.funnel)
    return (Table(("Rule", "Out", "Left"), rows, right=(1, 2)),) if rows else ()


def whynot_card(ticker: str, scans: Iterable[Scan], banner: str) -> Card:
    """Every rule the name went through in the latest scan of each strategy, with its number."""
    tables, lines = [], []
    for scan in scans:
        steps = scan.steps.get(ticker)
        if steps is None:
            lines.append(f"{scan.strategy}: {ticker} was not in the scan of {words.moment(scan.asof)}.")
            continue
        lines.append(f"{scan.strategy}, {words.moment(scan.asof)}: {_verdict(steps)}")
        tables.append(steps_table(steps, scan.strategy))
    if not lines:
        lines.append("No scan has run yet; /scan STRATEGY runs one.")
    return Card(f"Why not {ticker}?", lines=tuple(lines), tables=tuple(tables), banner=banner)


def _verdict(steps: tuple[Step, ...]) -> str:
    failed = next((step for step in steps if not step.passed), None)
    if failed is None:
        return "every rule held."
    return f"stopped by {failed.rule} ({failed.value}, needs {failed.limit})."


def steps_table(steps: Iterable[Step], name: str = "") -> Table:
    """Rule, value and limit of every step, a sign in front."""
    rows = tuple((MARKS[step.verdict], step.rule[:16], step.value[:9], step.limit[:9]) for step in steps)
    return Table(("", "Rule", "Value", "Limit"), rows, title=name)


def why_card(approval: Approval, scan: Scan | None, banner: str) -> Card:
    """Why this trade and this size: reasons, rules passed, sizing and what it does to the limits."""
    plan = approval.plan
    signal = plan.signal
    steps = scan.steps.get(signal.ticker, ()) if scan is not None else ()
    tables = [steps_table(steps, "Rules")] if steps else []
    if plan.sizing:
        tables.append(steps_table(plan.sizing, "Size"))
    unchecked = [step.rule for step in steps if step.verdict is Verdict.NOT_CHECKED]
    lines = [f"For: {reason}" for reason in signal.reasons]
    lines += [f"Against: {reason}" for reason in signal.against]
    lines += [f"After it: {line}" for line in plan.impact]
    if unchecked:
        lines.append(f"Not checked (no data for it): {', '.join(unchecked)}.")
    return Card(
        f"Why {title(plan)}",
        lines=tuple(lines),
        facts=(("Data", signal.data or "source not named"), ("Priced", words.moment(signal.asof))),
        tables=tuple(tables),
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
        Tone.ASK if pending else Tone.NEUTRAL,
        tables=tables,
        buttons=(*buttons, (Button("Refresh", "refresh:/proposals"),)),
        banner=banner,
    )


def _proposal_row(approval: Approval) -> tuple[str, str, str, str]:
    signal = approval.plan.signal
    limit = ("+" if signal.limit < 0 else "-") + words.price(abs(signal.limit))
    state = "waiting" if approval.status is ApprovalStatus.PENDING else approval.status.value
    return approval.id, f"{approval.plan.quantity}×{signal.ticker}", limit, state
