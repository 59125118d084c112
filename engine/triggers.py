"""Which exit of a watched position is due: its stop, target, time exit, expiry day, then its strategy's own.

Prices decide on quotes good enough to act on; where there are none, the model decides about the stop, and a clock
about the rest. Nothing here waits for a delta or a volatility.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from decimal import Decimal

import structlog

from engine import silence
from engine.desk import Desk
from engine.errors import DataError, NotFound
from engine.model.book import Position
from engine.model.instruments import Instrument, Option, Stock
from engine.model.legs import ExitPlan, Structure
from engine.model.limits import Costs
from engine.model.market import MarketSnapshot, Quote
from engine.model.trade import Exit
from engine.modelled import Modelled
from engine.payoff import expiry_value
from engine.percent import as_percent
from engine.protection import (
    SPREADS,
    Breach,
    PackagePrice,
    nearest_dte,
    stop_fires,
    stop_is_breached,
)
from engine.sessions import NEW_YORK
from engine.store import UnitOfWork

log = structlog.get_logger()

FIRST_MINUTES = timedelta(minutes=5)
EXPIRY_CUTOFF = time(15, 0)
EARLY_CUTOFF = time(12, 0)
BREACH = "breach:"
"""Setting of a position whose stop has been breached and waits for another quote."""
RUNNING = timedelta(seconds=60)
"""A breach by the model is forgotten after so long without another look: the desk was down."""
HELD_TO_EXPIRY = frozenset({Structure.SHORT_PUT, Structure.COVERED_CALL, Structure.SHARES})


@dataclass(frozen=True, slots=True)
class Watched:
    """One position with the prices of closing it now, and what its stop has seen so far.

    Attributes:
        price: of closing one unit, from the quotes; the model's where a leg has none.
        spot: of the underlying, from a quote good enough to act on; None without one.
        is_valid: every leg's quote is good enough to act on: two-sided, fresh, not wide.
        breach: of its stop, running. silent_since: when its stop last stopped hearing. modelled: its value by the
            model, where that is known and was asked for. last_iv: good volatilities of this session by symbol.
    """

    position: Position
    quotes: Mapping[Instrument, Quote]
    price: PackagePrice
    spot: Decimal | None
    is_valid: bool
    breach: Breach | None = None
    silent_since: datetime | None = None
    modelled: Modelled | None = None
    last_iv: Mapping[str, float] = field(default_factory=dict)

    @property
    def value(self) -> Decimal:
        """Package value per share, signed as held."""
        return -self.price.mid

    @property
    def first_price(self) -> PackagePrice:
        """The prices an exit starts from: a mid of bad quotes is no price, the model's is, but never past natural."""
        if self.is_valid or self.modelled is None:
            return self.price
        return replace(self.price, mid=min(-self.modelled.value, self.price.natural))


def due_exit(desk: Desk, watched: Watched) -> Exit | None:
    """The first exit that holds: stop, target, time, expiry day, then the strategy's own."""
    return _stop(desk, watched) or _target(desk, watched) or time_exit(desk, watched.position) or _own(desk, watched)


def is_heard(watched: Watched) -> bool:
    """Whether every price the position's stop listens to is good enough to act on."""
    plan = watched.position.exits
    by_spot = plan.stop_spot is not None or plan.stop_spot_above is not None
    return (plan.stop is None or watched.is_valid) and (not by_spot or watched.spot is not None)


def is_breached(watched: Watched) -> bool:
    """Whether the stop is breached by the quotes of now."""
    value = watched.value if watched.is_valid else None
    return stop_is_breached(watched.position.exits, value, watched.spot)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a stop sees at one look: breached or not, by which quote, and whether it may fire by this look alone."""

    breached: bool
    seen: datetime
    words: str = ""
    by_model: bool = False
    at_once: bool = False


def _stop(desk: Desk, watched: Watched) -> Exit | None:
    position = watched.position
    if not position.exits.has_stop or not _is_judged(desk, position.exits):
        return None
    sight = _sight(desk, watched)
    if sight is None:
        return None
    before, is_long = watched.breach, silence.is_long(desk, watched.silent_since)
    if before is not None and before.is_modelled != sight.by_model:
        if sight.by_model and not is_long:
            return None
        before = None
    if before is not None and sight.by_model and sight.seen - before.latest > RUNNING:
        before = None
    needed = 3 if _is_early(desk) else 2
    fire, breach = stop_fires(sight.breached, before, sight.seen, needed, desk.rules)
    breach = replace(breach, is_modelled=sight.by_model) if breach else None
    if breach != watched.breach:
        remember(desk, position, breach)
    if sight.by_model and not is_long:
        fire = False
    if not (fire or (sight.breached and sight.at_once)):
        return None
    return _asked(desk, watched, Exit("stop", f"stop: {sight.words}"))


def _is_judged(desk: Desk, plan: ExitPlan) -> bool:
    """Whether the stop listens now: one on a daily close does so in the last minutes of a session only."""
    minutes = plan.stop_before_close
    return minutes is None or desk.now() >= desk.sessions.close(desk.today) - timedelta(minutes=minutes)


def _sight(desk: Desk, watched: Watched) -> _Sight | None:
    """None when there is nothing to go by: what was seen before stands."""
    plan = watched.position.exits
    if watched.is_valid and stop_is_breached(plan, watched.value, None):
        at_once = not _is_early(desk) and _model_agrees(desk, watched)
        also = f", and {watched.modelled.words} {watched.modelled.value:.2f}" if at_once and watched.modelled else ""
        return _Sight(True, watched.price.oldest, f"worth {watched.value:.2f} a share{also}", at_once=at_once)
    if stop_is_breached(plan, None, watched.spot):
        return _Sight(True, _spot_at(watched), f"{watched.position.ticker} at {watched.spot:.2f}")
    if is_heard(watched):
        return _Sight(False, watched.price.oldest)
    return _by_model(desk, watched)


def _by_model(desk: Desk, watched: Watched) -> _Sight | None:
    """The model in the place of quotes that are missing, old, wide or one-sided; not in the first five minutes."""
    stop, found = watched.position.exits.stop, watched.modelled
    if stop is None or found is None or _is_early(desk):
        return None
    words = f"worth {found.value:.2f} a share {found.words}, for there is no usable quote"
    return _Sight(found.value <= stop, _spot_at(watched), words, by_model=True)


def _model_agrees(desk: Desk, watched: Watched) -> bool:
    """Whether the model is so far beyond the stop that one breach is enough."""
    stop, found = watched.position.exits.stop, watched.modelled
    return stop is not None and found is not None and found.value <= stop - abs(stop) * desk.rules.stop_model


def _spot_at(watched: Watched) -> datetime:
    return watched.quotes[Stock(watched.position.ticker)].at


def _asked(desk: Desk, watched: Watched, exit: Exit) -> Exit:
    """The exit, as a question where closing would save next to nothing of a spread that has time left."""
    position = watched.position
    if position.structure not in SPREADS or position.max_loss is None or not position.opened_units:
        return exit
    days = nearest_dte(position.unit, desk.today)
    if days is None or days <= desk.rules.stop_ask_dte or position.entry is None or not position.max_loss:
        return exit
    value = watched.value if watched.is_valid or watched.modelled is None else watched.modelled.value
    lost = (position.entry - value) * position.unit[0].instrument.multiplier
    share = lost / (position.max_loss / position.opened_units)
    if share < desk.rules.stop_ask_loss:
        return exit
    words = (
        f"{exit.words}; {as_percent(share)} of what it can lose is lost and {days} days are left. Close it, or hold: "
        "unanswered, it is held to its time exit."
    )
    return replace(exit, words=words, ask=True)


def _is_early(desk: Desk) -> bool:
    return desk.now() < desk.sessions.open(desk.today) + FIRST_MINUTES


def halted_names(desk: Desk, tickers: Iterable[str]) -> frozenset[str]:
    """Those that do not trade now or have traded again for less than a minute: nothing of theirs is judged."""
    wanted = sorted(set(tickers))
    try:
        statuses = desk.market.statuses(wanted) if wanted else {}
    except DataError as problem:
        log.warning("exits.no_statuses", problem=str(problem))
        return frozenset()
    pause, now = timedelta(seconds=desk.rules.halt_pause), desk.now()
    return frozenset(
        name
        for name, status in statuses.items()
        if status.is_halted or (status.since is not None and now - status.since < pause)
    )


def breaches(work: UnitOfWork, positions: Iterable[Position]) -> dict[str, Breach]:
    """The breaches of stops that wait for another quote, by position."""
    names = {f"{BREACH}{position.id}": position.id for position in positions}
    return {names[name]: _breach(text) for name, text in work.settings_named(names).items() if text}


def breach_is_running(desk: Desk) -> bool:
    """Whether some stop has been breached once and waits for its second quote."""
    with desk.store.read() as reading:
        return bool(breaches(reading, reading.open_positions()))


def _breach(text: str) -> Breach:
    since, count, latest, *modelled = json.loads(text)
    return Breach(datetime.fromisoformat(since), count, datetime.fromisoformat(latest), bool(modelled))


def remember(desk: Desk, position: Position, breach: Breach | None) -> None:
    """Keep the running breach of a position's stop, or that there is none."""
    parts: list[object] = []
    if breach is not None:
        parts = [breach.since.isoformat(), breach.count, breach.latest.isoformat()]
        parts += ["model"] if breach.is_modelled else []
    with desk.store.begin() as work:
        work.set_setting(f"{BREACH}{position.id}", json.dumps(parts) if parts else "", "desk", desk.now())


def _target(desk: Desk, watched: Watched) -> Exit | None:
    """At the mid of valid quotes; on wide or one-sided ones only when even the natural price brings the target."""
    target = watched.position.exits.target
    value = watched.value if watched.is_valid else _sure_value(desk, watched)
    if target is None or value is None or value < target:
        return None
    return Exit("target", f"target: worth {value:.2f} a share")


def _sure_value(desk: Desk, watched: Watched) -> Decimal | None:
    """What closing at once would leave, per share; None on quotes that are missing, old or crossed."""
    oldest = desk.now() - timedelta(seconds=desk.rules.stop_quote_age)
    legs = [watched.quotes.get(leg.instrument) for leg in watched.position.unit]
    if any(quote is None or quote.at < oldest or quote.ask <= 0 or quote.ask < quote.bid for quote in legs):
        return None
    return -watched.price.natural


def time_exit(desk: Desk, position: Position) -> Exit | None:
    """The exit that only a clock decides: the plan's day, or the day an option of it expires."""
    now = desk.now()
    if now < desk.sessions.open(desk.today) + FIRST_MINUTES:
        return None
    if _is_time(desk, position, now):
        return Exit("time", f"time exit of {position.exits.close_on:%d %b}")
    hours = position.exits.trading_hours
    if hours is not None and desk.sessions.hours_between(position.opened_at, now) >= hours:
        return Exit("time", f"held for {hours:g} trading hours")
    options = [item for item in position.instruments if isinstance(item, Option)]
    expires = any(desk.sessions.last_trade(option.root, option.expiry) <= desk.today for option in options)
    if expires and position.structure not in HELD_TO_EXPIRY and _past_cutoff(desk, now):
        return Exit("expiry", "expires today")
    return None


def _is_time(desk: Desk, position: Position, now: datetime) -> bool:
    day, minutes = position.exits.close_on, position.exits.before_close
    if day is None or desk.today < day:
        return False
    return desk.today > day or minutes is None or now >= desk.sessions.close(day) - timedelta(minutes=minutes)


def _past_cutoff(desk: Desk, now: datetime) -> bool:
    cutoff = EARLY_CUTOFF if desk.sessions.is_early(desk.today) else EXPIRY_CUTOFF
    return now.astimezone(NEW_YORK).time() >= cutoff


def _own(desk: Desk, watched: Watched) -> Exit | None:
    """The strategy's own exit, on the position as it is marked now (with its peak)."""
    position = _peaked(desk, watched)
    strategy = desk.strategies.get(position.strategy)
    if strategy is None:
        return None
    try:
        snapshot: MarketSnapshot = desk.market.snapshot(position.ticker)
        snapshot = replace(snapshot, next_session=desk.sessions.next(desk.today))
    except (DataError, NotFound) as problem:
        log.debug("exits.no_snapshot", position=position.id, problem=str(problem))
        return None
    if not watched.is_valid:
        snapshot = replace(snapshot, last_iv=watched.last_iv)
    wishes = strategy.manage(position, snapshot, watched.quotes, strategy.params)
    return next((wish for wish in wishes if not wish.ask), None) or next(iter(wishes), None)


def _peaked(desk: Desk, watched: Watched) -> Position:
    """The position with its best package value so far; a new best is stored."""
    position = watched.position
    if not watched.is_valid or (position.peak is not None and watched.value <= position.peak):
        return position
    with desk.store.begin() as work:
        higher = replace(work.position(position.id), peak=watched.value)
        work.save_position(higher)
    return higher


def is_worthless(watched: Watched, costs: Costs) -> bool:
    """Whether selling it brings no more than the commission: a bid of nothing has no buyer.

    What has an option sold in it that can be assigned is never left to itself, however little it is worth.
    """
    contracts = sum(abs(leg.ratio) for leg in watched.position.unit if isinstance(leg.instrument, Option))
    proceeds = -watched.price.natural * watched.position.unit[0].instrument.multiplier
    is_cheap = contracts > 0 and watched.value >= 0 and proceeds <= costs.option_commission * contracts
    return is_cheap and not _may_be_assigned(watched)


def _may_be_assigned(watched: Watched) -> bool:
    """Whether an option it is short of is in the money, or nobody knows."""
    sold = (leg for leg in watched.position.unit if leg.ratio < 0 and isinstance(leg.instrument, Option))
    spot = watched.spot
    return any(spot is None or expiry_value((leg,), spot) < 0 for leg in sold)
