"""The baseline report as a card, as sentences and as JSON."""

from __future__ import annotations

from collections.abc import Iterable

from bot import words
from bot.message import Button, Card, Table, Tone
from engine.baseline import Baseline, IdleCash, Standing
from engine.model.reports import Alone, Beside, Estimate, NotEnough
from engine.percent import as_percent

ACCOUNT = "account"
"""What the account is called among the strategies."""
NAME_WIDTH = 11
Json = dict[str, object]


def baseline_card(found: Baseline, banner: str) -> Card:
    """The account against each benchmark, every strategy in a line, and what is missing."""
    if found.account is None:
        return Card("Baseline", lines=found.notes, buttons=_buttons("/baseline"), banner=banner)
    lines = (*sentences(found.account), *(line for each in found.strategies for line in sentences(each)), *found.notes)
    return Card(
        f"Baseline: {words.gain(found.account.made)}",
        Tone.NEUTRAL,
        lines=lines,
        facts=(*_facts(found.account), *_idle_facts(found.idle)),
        tables=(*_against(found.account), *_strategies_table(found.strategies)),
        buttons=_buttons("/baseline"),
        footer=_footer(found, found.account),
        banner=banner,
    )


def strategy_card(found: Baseline, strategy: str, banner: str) -> Card:
    """One strategy in full; a strategy without a day of its own is said to have none."""
    line = f"/baseline {strategy}"
    standing = next((each for each in found.strategies if each.name == strategy), None)
    if standing is None:
        nothing = f"{strategy} has made and cost nothing at any close that was kept: there is nothing to measure yet."
        return Card(f"Baseline of {strategy}", lines=(nothing,), buttons=_buttons(line), banner=banner)
    return Card(
        f"Baseline of {strategy}: {words.gain(standing.made)}",
        Tone.NEUTRAL,
        lines=(*sentences(standing), *found.notes),
        facts=_facts(standing),
        tables=_against(standing),
        buttons=_buttons(line),
        footer=_footer(found, standing),
        banner=banner,
    )


def _buttons(line: str) -> tuple[tuple[Button, ...], ...]:
    others = (Button("All", "refresh:/baseline"),) if line != "/baseline" else (Button("P&L", "refresh:/pnl"),)
    return ((*others, Button("Refresh", f"refresh:{line}")),)


def _footer(found: Baseline, standing: Standing) -> str:
    return (
        f"Closes of {standing.since} to {found.until}. Alpha is Jensen's, a year; the intervals hold "
        f"{as_percent(found.confidence)} of resamples in blocks of days. Funds with their dividends reinvested."
    )


def sentences(standing: Standing) -> tuple[str, ...]:
    """Whether it beats each benchmark, as far as that can be told: `wheel: not enough: 12 of 60 days.`"""
    name, measured = standing.name or ACCOUNT, standing.measured
    if isinstance(measured.alone, NotEnough):
        return (f"{name}: {measured.alone}.",)
    return tuple(f"{name} against {fund}: {_verdict(both)}." for fund, both in measured.beside)


def _verdict(both: Beside | NotEnough) -> str:
    if isinstance(both, NotEnough):
        return str(both)
    alpha = both.alpha
    if alpha.value is None:
        return "no alpha, for the fund never moved"
    told = f"alpha {words.percent(alpha.value)} a year"
    if alpha.low is None or alpha.high is None:
        return f"{told}, how sure cannot be told"
    told += f" ({_range(alpha, is_share=True)})"
    if alpha.low > 0:
        return f"{told}, above zero"
    return f"{told}, below zero" if alpha.high < 0 else f"{told}, which may be chance"


def _facts(standing: Standing) -> tuple[tuple[str, str], ...]:
    facts = [("Made", f"{words.gain(standing.made)} ({words.percent(standing.cumulative, 2)})")]
    facts += _ratios(standing.measured.alone)
    if standing.wins is not None:
        facts.append(("Campaigns", f"{standing.campaigns} closed, {words.percent(standing.wins)} won"))
    else:
        facts.append(("Campaigns", "none closed"))
    drag = "" if standing.drag is None else f": {words.percent(standing.drag)} of the gain before them"
    facts.append(("Costs", f"fees {words.money(standing.fees)}, slippage {words.money(standing.slippage)}{drag}"))
    return tuple(facts)


def _ratios(alone: Alone | NotEnough) -> list[tuple[str, str]]:
    if isinstance(alone, NotEnough):
        return [("Ratios", str(alone))]
    return [
        ("Days", f"{alone.days}, {words.percent(alone.positive)} of them up"),
        ("Drawdown", words.percent(alone.drawdown, 2)),
        ("Sharpe", _with_range(alone.sharpe)),
        ("Sortino", _with_range(alone.sortino)),
    ]


def _idle_facts(idle: IdleCash | None) -> tuple[tuple[str, str], ...]:
    if idle is None:
        return ()
    told = f"{words.gain(idle.interest)} interest, {words.percent(idle.made, 2)}; "
    return (("Idle cash", f"{told}riskless {words.percent(idle.riskless, 2)}"),)


def _against(standing: Standing) -> tuple[Table, ...]:
    """A table for each benchmark there are enough days of."""
    return tuple(_table(fund, both) for fund, both in standing.measured.beside if isinstance(both, Beside))


def _table(fund: str, both: Beside) -> Table:
    without = f", {both.without} without it" if both.without else ""
    rows = (
        ("Return", words.percent(both.cumulative), f"{fund} {words.percent(both.benchmark)}"),
        ("Alpha", _share(both.alpha.value), _range(both.alpha, is_share=True)),
        ("Beta", _plain(both.beta.value), _range(both.beta)),
        ("Info", _plain(both.information.value), _range(both.information)),
    )
    return Table(("", "Value", "Interval"), rows, right=(1,), title=f"Against {fund}, {both.days} days{without}")


def _strategies_table(standings: Iterable[Standing]) -> tuple[Table, ...]:
    rows = tuple(_strategy_row(each) for each in standings)
    return (Table(("Strategy", "Made", "Alpha", "Won"), rows, right=(1, 2, 3)),) if rows else ()


def _strategy_row(standing: Standing) -> tuple[str, ...]:
    """The alpha is that against the first benchmark; where there are too few days it says how many there are."""
    alone = standing.measured.alone
    first = next((both for _, both in standing.measured.beside), None)
    alpha = f"{alone.days} d" if isinstance(alone, NotEnough) else "?"
    if isinstance(first, Beside):
        alpha = _share(first.alpha.value)
    won = "-" if standing.wins is None else as_percent(standing.wins)
    return standing.name[:NAME_WIDTH], words.whole(standing.made), alpha, won


def _with_range(estimate: Estimate) -> str:
    """`1.09 (-1.20 to 3.31)`."""
    if estimate.value is None:
        return "none: it never moved"
    return f"{_plain(estimate.value)} ({_range(estimate)})"


def _range(estimate: Estimate, *, is_share: bool = False) -> str:
    """`-1.20 to 3.31`, of a share in percent; `unsure` where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return "unsure"
    if is_share:
        return f"{estimate.low * 100:.1f} to {estimate.high * 100:.1f} %"
    return f"{estimate.low:.2f} to {estimate.high:.2f}"


def _plain(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "none" if value is None else words.percent(value)


def figures(found: Baseline) -> Json:
    """The report for programs: ratios as text with four decimals, null where there is none, and why."""
    if found.account is None:
        return {"missing": list(found.notes)}
    return {
        "since": str(found.since),
        "until": str(found.until),
        "account": _standing_figures(found.account),
        "by_strategy": {each.name: _standing_figures(each) for each in found.strategies},
        "missing": list(found.notes),
    }


def _standing_figures(standing: Standing) -> Json:
    alone = standing.measured.alone
    known: Json = {"not_enough": str(alone)} if isinstance(alone, NotEnough) else _alone_figures(alone)
    return {
        "made": f"{standing.made:.2f}",
        "cumulative": _four(standing.cumulative),
        **known,
        "campaigns": standing.campaigns,
        "win_rate": _four(standing.wins),
        "fees": f"{standing.fees:.2f}",
        "slippage": f"{standing.slippage:.2f}",
        "cost_drag": _four(standing.drag),
        "against": {
            fund: {"not_enough": str(both)} if isinstance(both, NotEnough) else _beside_figures(both)
            for fund, both in standing.measured.beside
        },
    }


def _alone_figures(alone: Alone) -> Json:
    return {
        "days": alone.days,
        "max_drawdown": _four(alone.drawdown),
        "positive_days": _four(alone.positive),
        "sharpe": _interval(alone.sharpe),
        "sortino": _interval(alone.sortino),
    }


def _beside_figures(both: Beside) -> Json:
    return {
        "days": both.days,
        "days_without": both.without,
        "cumulative": _four(both.cumulative),
        "benchmark": _four(both.benchmark),
        "beta": _interval(both.beta),
        "alpha": _interval(both.alpha),
        "information_ratio": _interval(both.information),
    }


def _interval(estimate: Estimate) -> list[str | None]:
    """Value, low and high."""
    return [_four(estimate.value), _four(estimate.low), _four(estimate.high)]


def _four(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
