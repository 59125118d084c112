"""What a held name is asked before it is protected, cheap questions first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from engine.exposures import PROTECTIVE, calls_on
from engine.model.book import Position
from engine.model.legs import Structure
from engine.model.market import Chain, Earnings
from engine.model.trade import Context, Step, Verdict
from engine.sessions import NEW_YORK
from engine.volatility import IvStanding, atm_iv, constant_maturity_iv, iv_standing
from strategies import contracts, names, reports
from strategies.earnings_protection.crush import Crush
from strategies.earnings_protection.params import ENTRIES, Params
from strategies.funnel import Case, percent, step

ProtectionCase = Case[Params]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Due:
    """The report to come, and every day the sources name for it, soonest first.

    One acts before the first of these days and holds until the last one is over.
    """

    days: tuple[Earnings, ...]

    @property
    def first(self) -> Earnings:
        return self.days[0]

    @property
    def last(self) -> Earnings:
        return self.days[-1]

    @property
    def is_confirmed(self) -> bool:
        return len(self.days) == 1 and self.first.confirmed

    @property
    def words(self) -> str:
        return " or ".join(names.report_words(report) for report in self.days)


def due_report(case: ProtectionCase) -> Due | None:
    """The next report with the one day that two sources agree on, else all that are named; None when none ahead is."""
    ahead = [report for report in case.snapshot.earnings or () if report.is_ahead(case.snapshot.today)]
    if not ahead:
        return None
    first = min(report.day for report in ahead)
    opinions = [report for report in ahead if report.day - first < reports.ONE_REPORT]
    agreed = [report for report in opinions if report.confirmed]
    days = agreed if len(agreed) == 1 else opinions
    return Due(tuple(sorted(days, key=lambda report: report.day)))


def shares_held(context: Context, ticker: str) -> tuple[Position, ...]:
    """The positions in shares of a name, whichever strategy holds them."""
    return tuple(
        position
        for position in context.owned
        if position.is_open and position.ticker == ticker and position.structure is Structure.SHARES
    )


def holding(case: ProtectionCase) -> tuple[Position, ...]:
    """The positions in shares of the name asked about."""
    return shares_held(case.context, case.snapshot.ticker)


def share_count(held: tuple[Position, ...]) -> int:
    return sum(position.units for position in held)


def free_hundreds(shares: Position, context: Context) -> int:
    """Hundreds of these shares that no open call is written on."""
    written = sum(call.units for call in calls_on(shares, context.owned))
    return max(0, shares.units // 100 - written)


def held_shares(case: ProtectionCase) -> Step:
    """There is a hundred shares to protect."""
    count = share_count(holding(case))
    return step("shares held", "≥ 100", str(count), count >= 100)


def near_report(case: ProtectionCase, due: Due) -> Step:
    """The report comes within the days one acts in."""
    limit = f"≤ {case.params.report_days} days"
    days = (due.first.day - case.snapshot.today).days
    return step("report", limit, f"{due.words}, in {days} days", days <= case.params.report_days)


def last_session(case: ProtectionCase, due: Due) -> date | None:
    """The last session that surely trades without knowing the report; None when that is over."""
    return reports.session_before(case.context.next_sessions, due.first)


def in_time(case: ProtectionCase, due: Due) -> Step:
    """There is a session left before the report, and on the last one its hour has not come."""
    rule, limit = "time to act", f"by {ENTRIES[1]} of the last session before the report"
    last = last_session(case, due)
    if last is None:
        return Step(rule, limit, "that session is over")
    now = case.snapshot.asof.astimezone(NEW_YORK)
    in_hours = last > case.snapshot.today or f"{now:%H:%M}" <= ENTRIES[1]
    return step(rule, limit, f"{last:%d %b}, now {now:%d %b %H:%M}", in_hours)


def protections(case: ProtectionCase) -> tuple[Position, ...]:
    """What this strategy holds under the name's shares already."""
    own = (position for position in case.context.held if position.ticker == case.snapshot.ticker)
    return tuple(position for position in own if position.structure in PROTECTIVE)


def unprotected(case: ProtectionCase) -> Step:
    """Not protected already."""
    held = protections(case)
    value = f"{held[0].id}: {held[0].structure}" if held else "none"
    return step("protection held", "none", value, not held)


def standing_of(case: ProtectionCase, chain: Chain) -> IvStanding | None:
    """Where 30-day IV stands in its year; None where there is no IV today."""
    iv = constant_maturity_iv(chain)
    return None if iv is None else iv_standing(iv, case.snapshot.iv_history or ())


def dear_volatility(case: ProtectionCase, chain: Chain, front: date, later: date) -> Step:
    """IV rank above its threshold; where there is no rank, the front expiry's IV far above the later one's."""
    params, standing = case.params, standing_of(case, chain)
    if standing is not None and standing.rank is not None:
        limit = f"> {params.min_iv_rank:g}"
        return step("IV rank", limit, f"{standing.rank:.2f}", standing.rank > params.min_iv_rank)
    why = "no IV today" if standing is None else standing.words
    limit = f"front/later IV ≥ {params.min_term_ratio:g} (rank {why})"
    near, far = atm_iv(chain, front), atm_iv(chain, later)
    if near is None or far is None or far <= 0:
        return Step("IV rank", limit, "unknown")
    ratio = near / far
    return step("IV rank", limit, f"front/later {ratio:.4f}", ratio >= params.min_term_ratio - 1e-9)


@dataclass(frozen=True, slots=True)
class Loss:
    """What a report may cost. Dollars of all shares held; `free` is what equity bears unprotected.

    `implied` and `usual` (mean absolute move of past reports, None where none is known) are decimals.
    """

    shares: int
    spot: Decimal
    implied: float
    usual: float | None
    free: Decimal

    @property
    def move(self) -> float:
        return max(self.implied, self.usual or 0.0)

    @property
    def dollars(self) -> Decimal:
        exact = self.shares * self.spot * Decimal(f"{self.move:.10f}")
        return exact.quantize(Decimal("0.01"))

    @property
    def need(self) -> Decimal:
        """Dollars to be protected; zero or less is no need."""
        return self.dollars - self.free


def loss_of(case: ProtectionCase, straddle: reports.Straddle, spot: Decimal) -> Loss:
    past = reports.past(case.snapshot, case.params.past_reports)
    return Loss(
        shares=share_count(holding(case)),
        spot=spot,
        implied=straddle.move,
        usual=past.mean_move if past else None,
        free=Decimal(str(case.params.free_loss)) * case.context.equity,
    )


def implied_move(straddle: reports.Straddle | None) -> Step:
    """There is a straddle at the money to read the expected move from."""
    if straddle is None:
        return Step("implied move", "a straddle at the money", "none")
    return Step("implied move", "a straddle at the money", percent(straddle.move), Verdict.PASSED)


def needed(case: ProtectionCase, loss: Loss) -> Step:
    """The report may cost more than equity bears unprotected."""
    limit = f"loss > {percent(case.params.free_loss)} of equity ({loss.free:,.2f})"
    value = f"{loss.dollars:,.2f} ({percent(loss.move)} of {loss.shares} shares)"
    return step("need", limit, value, loss.need > 0)


def modelled(scenario: Crush | None) -> Step:
    """What options are worth after the report can be told."""
    rule, limit = "crush scenario", "IV at the money of both expiries"
    return Step(rule, limit, "unknown") if scenario is None else Step(rule, limit, scenario.words, Verdict.PASSED)


@dataclass(frozen=True, slots=True)
class Days:
    """The two expiries and the session after the report, with the rules they passed; None from the first that fails."""

    steps: tuple[Step, ...]
    front: date | None = None
    later: date | None = None
    after: date | None = None


def expiries(case: ProtectionCase, chain: Chain, due: Due) -> Days:
    """The first expiry that trades knowing the report, the later one nearest the days aimed at, and when all ends."""
    params, rule = case.params, ("front expiry", "the first one after the report")
    front = reports.expiry_after(chain.expiries, due.last)
    after = reports.session_after(case.context.next_sessions, due.last)
    if front is None or after is None:
        return Days((Step(*rule, "none listed" if front is None else "its session is too far ahead"),))
    near = Step(*rule, f"{(front - chain.today).days} days", Verdict.PASSED)
    beyond = chain.take(chain.expiry > np.datetime64(front, "D"))
    rows, found = contracts.expiry(beyond, params.later_min_dte, params.later_max_dte, params.later_dte)
    far = Step("later expiry", found.limit, found.value, found.verdict)
    later = contracts.expiry_of(rows) if found.passed else None
    return Days((near, far), front, later, after)
