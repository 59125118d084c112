"""The wheel: sell cash-secured puts on steady dividend payers, take assignment, sell calls on the shares.

The rules and the choices behind them: docs/strategies.md, "wheel".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from engine.model.book import Position
from engine.model.legs import Structure
from engine.model.market import MarketSnapshot
from engine.model.trade import Context, Found, Needs, RiskLevel, Signal, Step, Strategy, Unknown
from strategies.funnel import Case
from strategies.wheel.calls import covered_call
from strategies.wheel.exits import exits, exits_for_shares, manage, rolls
from strategies.wheel.params import NAME, Params
from strategies.wheel.puts import short_put
from strategies.wheel.rules import screen


def select(universe: tuple[str, ...], owned: tuple[Position, ...], params: Params) -> tuple[str, ...]:
    """The universe, and the names whose shares it holds: they stay until their calls are sold, whatever their rank."""
    del params
    held = (each.ticker for each in owned if each.strategy == NAME and each.structure is Structure.SHARES)
    return tuple(dict.fromkeys((*universe, *held)))


def find(snapshot: MarketSnapshot, context: Context, params: Params) -> Found:
    """A call on shares that are held, else a put; and every rule the name was asked, with its number."""
    case = Case(snapshot, context, params)
    shares = [
        position
        for position in context.held
        if position.ticker == snapshot.ticker and position.structure is Structure.SHARES
    ]
    return covered_call(case, shares) if shares else short_put(case)


def choose(
    signals: tuple[Signal, ...], context: Context, params: Params
) -> tuple[tuple[Signal, ...], Mapping[str, Step]]:
    """Best first, at most so many names in one sector, those held included; calls on held shares always stay.

    A held name whose sector is not known counts in every sector live, and in none in replay.
    """
    taken, everywhere = _held_by_sector(context)
    kept: list[Signal] = []
    dropped: dict[str, Step] = {}
    for signal in sorted(signals, key=lambda each: (-each.rank, each.ticker)):
        if signal.covers or signal.sector is None:
            kept.append(signal)
        elif (others := taken[signal.sector] + everywhere) < params.names_per_sector:
            kept.append(signal)
            taken[signal.sector] += 1
        else:
            limit = f"≤ {params.names_per_sector} names"
            dropped[signal.ticker] = Step("names in the sector", limit, f"{others} in {signal.sector} already")
    return tuple(kept), dropped


def _held_by_sector(context: Context) -> tuple[Counter[str], int]:
    """(names held in each sector, names that count in every one)."""
    held = {position.ticker for position in context.held}
    known = Counter(context.sectors[ticker] for ticker in held if ticker in context.sectors)
    return known, 0 if context.unknown is Unknown.SKIP else len(held) - known.total()


STRATEGY = Strategy(
    name=NAME,
    title="Wheel: cash-secured puts, assignment, covered calls",
    risk_level=RiskLevel.LOW,
    params=Params(),
    needs=Needs(dividends=True, earnings=True, fundamentals=True, times=("10:00",)),
    find=find,
    manage=manage,
    select=select,
    screen=screen,
    choose=choose,
    exits=exits,
    shares_exits=exits_for_shares,
    rolls=rolls,
)

__all__ = [
    "NAME",
    "STRATEGY",
    "Params",
    "choose",
    "exits",
    "exits_for_shares",
    "find",
    "manage",
    "rolls",
    "screen",
    "select",
]
