"""What the account risks now, and what it would risk after one more trade: pure arithmetic over exposures.

Fractions are of equity. A check never changes anything: it answers with one `Check` per limit, the numbers before and
after, and whether the limit still holds (docs/strategies.md, "Limits").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from engine.correlation import Bets, Correlations
from engine.exposures import INDEX_STRATEGY, ON_SHARES, Exposure, plan_exposure
from engine.model.book import ZERO
from engine.model.legs import Structure
from engine.model.limits import DayTradeRule, Limits
from engine.model.trade import RiskLevel, TradePlan, Unknown
from engine.percent import as_percent

PUT_OR_SHARES = frozenset({Structure.SHORT_PUT, Structure.SHARES, Structure.COVERED_CALL})
CASH_SECURED = frozenset({Structure.SHORT_PUT})
LONG_PREMIUM = frozenset({Structure.LONG_CALL, Structure.LONG_PUT, Structure.COLLAR})
LOTTO = "lotto"
LEAPS = "leaps"
PDT_EQUITY = Decimal(25_000)
PDT_MOST = 3
"""Day trades in five sessions, below PDT_EQUITY."""
MARGIN_EQUITY = Decimal(2_000)
"""Equity below which there is no intraday margin: cash alone counts."""


@dataclass(frozen=True, slots=True)
class Margin:
    """What the broker said of the account's money, dollars. `maintenance` None: it does not say."""

    cash: Decimal
    buying_power: Decimal
    maintenance: Decimal | None = None


@dataclass(frozen=True, slots=True)
class DayTrades:
    """`used`: day trades of the last five sessions, today included. `open_today`: entries of today that could become
    one before the close: opened and still held, or being worked."""

    used: int = 0
    open_today: int = 0


@dataclass(frozen=True, slots=True)
class RiskState:
    """The account as the limits see it. `reserved` are exposures of orders that are still working.

    Attributes:
        correlations: of the names held and asked about. unknown: what an unknown correlation is: REJECT takes it for
            a high one, SKIP leaves it out.
        day_trade_rule: the rule of the desk's broker, never BROKER. margin: None where the broker is not asked.
    """

    equity: Decimal
    buying_power: Decimal
    held: tuple[Exposure, ...] = ()
    reserved: tuple[Exposure, ...] = ()
    day_pnl: Decimal = ZERO
    week_pnl: Decimal = ZERO
    drawdown: Decimal = ZERO
    levels: Mapping[str, RiskLevel] | None = None
    correlations: Correlations = field(default_factory=Correlations)
    unknown: Unknown = Unknown.REJECT
    day_trade_rule: DayTradeRule = DayTradeRule.NONE
    day_trades: DayTrades = field(default_factory=DayTrades)
    margin: Margin | None = None

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        return self.held + self.reserved

    @property
    def promised(self) -> Decimal:
        """Dollars that working entries would take."""
        return sum((x.collateral + x.pays for x in self.reserved), ZERO)

    @property
    def unsent(self) -> Decimal:
        """Those of `promised` that the broker's buying power does not know of yet."""
        return sum((x.collateral + x.pays for x in self.reserved if not x.is_at_broker), ZERO)

    def share(self, dollars: Decimal) -> Decimal:
        """Dollars as a fraction of equity; everything is too much of nothing."""
        return dollars / self.equity if self.equity > 0 else Decimal("Infinity")

    def without(self, source: str) -> RiskState:
        """The state once the position or ticket `source` is gone: what the new half of a roll is checked against."""
        return replace(
            self,
            held=tuple(x for x in self.held if x.source != source),
            reserved=tuple(x for x in self.reserved if x.source != source),
        )


class Unit(StrEnum):
    """What the numbers of a check are."""

    FRACTION = "fraction"
    DOLLARS = "dollars"
    COUNT = "count"

    def shown(self, number: Decimal) -> str:
        """The number as people read it.

        >>> Unit.FRACTION.shown(Decimal("0.124")), Unit.COUNT.shown(Decimal(3))
        ('12.4 %', '3')
        """
        if self is Unit.FRACTION:
            return as_percent(number, ".1")
        return f"{number:,.0f}"


@dataclass(frozen=True, slots=True)
class Check:
    """One limit before and after a trade. `before`, `after` and `limit` share a unit.

    `is_checked` False: its input is not covered and the desk skips such rules (replay).
    """

    name: str
    before: Decimal
    after: Decimal
    limit: Decimal
    holds: bool
    unit: Unit = Unit.FRACTION
    is_checked: bool = True

    @property
    def words(self) -> str:
        """`total risk 12.0 % -> 18.4 % (limit 30.0 %)`."""
        before, after, limit = (self.unit.shown(number) for number in (self.before, self.after, self.limit))
        return f"{self.name} {before} → {after} (limit {limit})"


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit on a sum of exposures: which ones it adds up (`keep`), and what of them (`of`).

    Attributes:
        key: its name in `Limits`. subject: the name, strategy or expiry it is about, "" for the whole account.
        usage: its words where use is listed.
    """

    key: str
    subject: str
    name: str
    usage: str
    of: Callable[[Exposure], Decimal]
    keep: Callable[[Exposure], bool]

    def used(self, state: RiskState) -> Decimal:
        """Dollars of everything held and being worked."""
        return self.total(state.exposures)

    def total(self, exposures: Iterable[Exposure]) -> Decimal:
        """Dollars of those of these that it adds up."""
        return sum((self.of(exposure) for exposure in exposures if self.keep(exposure)), ZERO)


def _counted(exposure: Exposure) -> Decimal:
    return exposure.counted


def _collateral(exposure: Exposure) -> Decimal:
    return exposure.collateral


def _size(exposure: Exposure) -> Decimal:
    return exposure.size


def _loss_of(exposure: Exposure) -> Decimal:
    return exposure.loss


TOTAL = Rule("max_total_risk", "", "total risk", "total risk", _counted, lambda _: True)
PUTS = Rule(
    "put_collateral_total",
    "",
    "puts and assigned shares",
    "puts and shares",
    _collateral,
    lambda x: x.structure in PUT_OR_SHARES,
)
ALL_LEAPS = Rule("leaps_total", LEAPS, "all LEAPS", "all LEAPS", _loss_of, lambda x: x.strategy == LEAPS)
INDEX_SPREADS = Rule(
    "index_spreads",
    INDEX_STRATEGY,
    "index credit spreads",
    "index spreads",
    _counted,
    lambda x: x.is_index_spread,
)


def _in_name(name: str) -> Rule:
    return Rule("one_underlying", name, f"risk in {name}", f"size in {name}", _size, lambda x: x.name == name)


def _of_expiry(expiry: date | None) -> Rule:
    when = "no expiry" if expiry is None else f"{expiry:%d %b}"
    name = f"index spreads of {when}"
    return Rule("one_expiry", INDEX_STRATEGY, name, name, _counted, lambda x: x.is_index_spread and x.expiry == expiry)


def _of_strategy(strategy: str) -> Rule:
    name = f"{strategy} risk"
    return Rule("high_risk_strategy", strategy, name, name, _counted, lambda x: x.strategy == strategy)


def rules_for(exposure: Exposure, levels: Mapping[str, RiskLevel] | None) -> tuple[Rule, ...]:
    """The limits that one exposure counts toward."""
    rules = [TOTAL, _in_name(exposure.name)]
    if exposure.structure in CASH_SECURED or exposure.structure is Structure.SHARES:
        rules.append(PUTS)
    if exposure.strategy == LEAPS:
        rules.append(ALL_LEAPS)
    if exposure.is_index_spread:
        rules += [INDEX_SPREADS, _of_expiry(exposure.expiry)]
    if (levels or {}).get(exposure.strategy) is RiskLevel.HIGH:
        rules.append(_of_strategy(exposure.strategy))
    return tuple(rules)


def _fraction(rule: Rule, add: Exposure, state: RiskState, limits: Limits) -> Check:
    limit: Decimal = getattr(limits, rule.key)
    before, more = rule.used(state), rule.of(add)
    after = state.share(before + more)
    return Check(rule.name, state.share(before), after, limit, after <= limit or not more)


def impact(checks: Iterable[Check]) -> tuple[str, ...]:
    """What a plan does to the limits it touches, as before/after sentences."""
    return tuple(check.words for check in checks if check.before != check.after)


def check(plan: TradePlan, state: RiskState, limits: Limits) -> tuple[Check, ...]:
    """Every limit that concerns this plan, with the numbers before and after it.

    A limit that prices alone have taken over fails for every trade that adds to it; one that adds nothing (a call
    on shares that are held) passes.
    """
    add = plan_exposure(plan)
    checks = [
        *_one_trade(add, state, limits),
        *(_fraction(rule, add, state, limits) for rule in rules_for(add, state.levels)),
        _buying_power(add, state),
        _loss("day's P&L", state.day_pnl, state, limits.daily_loss),
        _loss("week's P&L", state.week_pnl, state, limits.weekly_loss),
        Check("drawdown", state.drawdown, state.drawdown, limits.drawdown_halt, state.drawdown < limits.drawdown_halt),
    ]
    if add.structure not in ON_SHARES and not add.is_protection:
        checks.append(_correlated(add, state, limits))
    if state.day_trade_rule is DayTradeRule.PDT and state.equity < PDT_EQUITY:
        checks.append(_day_trades(state))
    if state.day_trade_rule is DayTradeRule.INTRADAY_MARGIN and state.margin is not None:
        checks.append(_intraday_margin(add, state, state.margin))
    return tuple(checks)


def kind_cap(strategy: str, structure: Structure, limits: Limits) -> tuple[str, Decimal] | None:
    """(name, fraction of equity) one trade of this kind may lose; None where cash or shares secure it."""
    if structure in ON_SHARES or structure in CASH_SECURED or structure is Structure.SHARES:
        return None
    if strategy == LOTTO:
        return "lotto", limits.lotto
    if strategy == LEAPS:
        return "LEAPS", limits.leaps_each
    if structure in LONG_PREMIUM:
        return "long premium", limits.long_premium
    return "defined risk", limits.defined_risk


def _one_trade(add: Exposure, state: RiskState, limits: Limits) -> tuple[Check, ...]:
    """The outer wall and the cap of the trade's kind."""
    wall = limits.max_position_risk
    if add.structure in ON_SHARES:
        return (Check("risk of this trade", ZERO, ZERO, wall, holds=True),)
    weight = add.collateral if add.collateral else add.max_loss
    if weight is None:
        return (Check("risk of this trade", ZERO, Decimal("Infinity"), wall, holds=False),)
    share = state.share(weight)
    checks = [Check("risk of this trade", ZERO, share, wall, share <= wall)]
    if add.structure in CASH_SECURED:
        checks.append(
            Check("put collateral", ZERO, share, limits.put_collateral_each, share <= limits.put_collateral_each)
        )
    cap = kind_cap(add.strategy, add.structure, limits)
    if cap is not None:
        name, limit = cap if add.at_risk is None else ("at risk", add.at_risk)
        lost = state.share(add.loss)
        checks.append(Check(f"{name} of this trade", ZERO, lost, limit, lost <= limit))
    return tuple(checks)


def _buying_power(add: Exposure, state: RiskState) -> Check:
    free = state.buying_power - state.unsent
    needed = add.collateral + add.pays
    return Check("options buying power", free, free - needed, ZERO, free >= needed, Unit.DOLLARS)


def _loss(name: str, pnl: Decimal, state: RiskState, limit: Decimal) -> Check:
    share = state.share(pnl)
    return Check(name, share, share, -limit, share > -limit)


def _day_trades(state: RiskState) -> Check:
    """Every entry of today may have to be closed today: its stop does not wait. A fourth must never be forced."""
    before = Decimal(state.day_trades.used + state.day_trades.open_today)
    return Check("day trades in 5 sessions", before, before + 1, Decimal(PDT_MOST), before < PDT_MOST, Unit.COUNT)


def _intraday_margin(add: Exposure, state: RiskState, margin: Margin) -> Check:
    """What is left after the trade must not be a deficit; without 2,000 of equity it must be paid from cash alone."""
    left = [margin.buying_power - state.unsent]
    if margin.maintenance is not None:
        left.append(state.equity - margin.maintenance - state.promised)
    if state.equity < MARGIN_EQUITY:
        left.append(margin.cash - state.promised)
    free = min(left)
    needed = add.collateral + add.pays
    return Check("intraday margin", free, free - needed, ZERO, free >= needed, Unit.DOLLARS)


def _names(exposures: Iterable[Exposure]) -> dict[str, frozenset[str]]:
    """The underlyings, each with its tickers."""
    tickers: dict[str, set[str]] = {}
    for exposure in exposures:
        tickers.setdefault(exposure.name, set()).add(exposure.ticker)
    return {name: frozenset(group) for name, group in tickers.items()}


def _bets(names: Mapping[str, frozenset[str]], state: RiskState, limits: Limits) -> Bets:
    return Bets(names, state.correlations, float(limits.correlation), state.unknown)


def _correlated(add: Exposure, state: RiskState, limits: Limits) -> Check:
    """How many names the trade's bet would hold: its own group, and those of the names it joins."""
    names = _names(state.exposures)
    joined = {**names, add.name: names.get(add.name, frozenset()) | {add.ticker}}
    before, after = _bets(names, state, limits), _bets(joined, state, limits)
    own = after.group(add.name)
    held = max((len(before.group(name)) for name in own if name in before.names), default=0)
    size, limit = Decimal(max(len(after.group(name)) for name in own)), Decimal(limits.correlated_names)
    is_checked = state.unknown is Unknown.REJECT or not after.has_unknown(add.name)
    return Check("correlated names", Decimal(held), size, limit, size <= limit, Unit.COUNT, is_checked)


def most_correlated(state: RiskState, limits: Limits) -> int:
    """How many names the largest bet holds that move as one."""
    return _bets(_names(state.exposures), state, limits).largest()


def groups(state: RiskState, limits: Limits) -> tuple[tuple[str, ...], ...]:
    """The names of each bet that moves as one and holds more than one of them, the largest first."""
    bets = _bets(_names(state.exposures), state, limits)
    found = {tuple(sorted(bets.group(name))) for name in bets.names}
    return tuple(sorted((group for group in found if len(group) > 1), key=lambda group: (-len(group), group)))


def breaches(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The limits that do not hold."""
    return tuple(check for check in checks if not check.holds)


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of one limit is used. `key` is its name in `Limits`, `subject` what it is about ("" the account)."""

    name: str
    used: Decimal
    limit: Decimal
    key: str = ""
    subject: str = ""
    unit: Unit = Unit.FRACTION

    @property
    def holds(self) -> bool:
        return self.used <= self.limit


def uses(state: RiskState, limits: Limits) -> tuple[LimitUse, ...]:
    """Every limit on sums that something counts toward; account-wide ones always."""
    rules = {(rule.key, rule.name): rule for rule in (TOTAL, PUTS)}
    by_name: dict[str, list[Exposure]] = {}
    for exposure in state.exposures:
        rules |= {(rule.key, rule.name): rule for rule in rules_for(exposure, state.levels)}
        by_name.setdefault(exposure.name, []).append(exposure)
    return tuple(_use(rule, state, limits, by_name) for rule in rules.values())


def _use(rule: Rule, state: RiskState, limits: Limits, by_name: Mapping[str, Iterable[Exposure]]) -> LimitUse:
    """What is used of one limit; the rule of a name looks at that name's exposures only, for there may be hundreds."""
    concerned = by_name[rule.subject] if rule.key == "one_underlying" else state.exposures
    limit: Decimal = getattr(limits, rule.key)
    return LimitUse(rule.usage, state.share(rule.total(concerned)), limit, rule.key, rule.subject)


def usage(state: RiskState, limits: Limits) -> tuple[LimitUse, ...]:
    """The limits that matter now: sums, of names and expiries only the heaviest, and losses."""
    return (*_heaviest(uses(state, limits)), *losses(state, limits))


def _heaviest(uses: Iterable[LimitUse]) -> tuple[LimitUse, ...]:
    """Of the underlyings and expiries, those past their limit, or else the one with the most."""
    shown: list[LimitUse] = []
    tops: dict[str, LimitUse] = {}
    for use in uses:
        if use.key not in {"one_underlying", "one_expiry"} or not use.holds:
            shown.append(use)
        elif use.key not in tops or use.used > tops[use.key].used:
            tops[use.key] = use
    passed = {use.key for use in shown if not use.holds}
    return (*shown, *(use for key, use in tops.items() if key not in passed))


def losses(state: RiskState, limits: Limits) -> tuple[LimitUse, ...]:
    """The losses that halt the desk, against their limits."""
    return (
        LimitUse("day's loss", max(-state.share(state.day_pnl), ZERO), limits.daily_loss, "daily_loss"),
        LimitUse("week's loss", max(-state.share(state.week_pnl), ZERO), limits.weekly_loss, "weekly_loss"),
        LimitUse("drawdown", state.drawdown, limits.drawdown_halt, "drawdown_halt"),
    )


def spent(state: RiskState, limits: Limits) -> Mapping[str, Decimal]:
    """By limit, the most that counts toward it now: the largest trade of a kind, the largest sum."""
    most: dict[str, Decimal] = {}
    for use in (*uses(state, limits), *losses(state, limits)):
        most[use.key] = max(most.get(use.key, ZERO), use.used)
    keys = {"defined risk": "defined_risk", "long premium": "long_premium", "lotto": "lotto", "LEAPS": "leaps_each"}
    for exposure in state.exposures:
        cap = kind_cap(exposure.strategy, exposure.structure, limits)
        found = {"max_position_risk": exposure.collateral or exposure.loss}
        if cap is not None:
            found[keys[cap[0]]] = exposure.loss
        if exposure.structure in CASH_SECURED:
            found["put_collateral_each"] = exposure.collateral
        for key, dollars in found.items():
            most[key] = max(most.get(key, ZERO), state.share(dollars))
    return most
