"""The names a live desk scans where its configuration names none: screened once a session, kept over restarts.

Everything that is listed with options (where a provider lists it) or the most active names (where none does) is
measured on the daily bars up to the last close; what passes every rule is ranked by the dollars that change hands, and
the first so many are the universe. Bars of 200 names are one request: 6,000 names with options cost thirty.
The universe of an earlier session serves until that is done, and says of which session it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TypeVar

import numpy as np
import structlog

from engine import codec
from engine.data.budget import Urgency
from engine.data.panel import Panel
from engine.data.providers.port import Asset, Offer, Provider, ScreenRow
from engine.data.shelf import Shelf
from engine.data.splits import on_basis_of
from engine.errors import DataError, DataInvalid, NotFound
from engine.model.market import Bars, Dividend, Split
from engine.model.trade import Step
from engine.screening import UNKNOWN, Facts, Filters, Measures, Screened, measure, screen
from engine.sessions import Sessions

log = structlog.get_logger()
T = TypeVar("T")
Asking = Generator[None, None, T]
"""Something that is asked for piece by piece: it yields where others may have their turn."""

KIND, KEY = "universe", "chosen"
"""Where it is on the shelf."""
BARS_TOGETHER = 200
YIELDS_TOGETHER = 100
BACK = timedelta(days=60)
"""Calendar days that hold the sessions every rule needs (31), holidays included."""
YEAR = timedelta(days=365)
LONG = 30.0
"""Seconds an answer may take: nobody waits for it."""
AGAIN = 60.0
"""Seconds after a failure until the same is asked again."""
TRIES = 5
NOT_READY = 0.5
"""Share of the names without a bar of the last session from which its bars are not there yet."""
RANK = "most traded"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A universe: the most traded first.

    Attributes:
        day: the session at whose close it was chosen. out: why each other name is not in it, by ticker.
        filters, size: what it was chosen by.
    """

    day: date
    names: tuple[str, ...]
    filters: Filters
    size: int
    out: Mapping[str, Step] = field(default_factory=dict)


class LiveUniverse:
    """The universe of a panel of providers. Safe to share between threads; `look` is called by one of them.

    `tick` gives seconds that only rise.
    """

    def __init__(
        self,
        panel: Panel,
        shelf: Shelf,
        now: Callable[[], datetime],
        filters: Filters,
        size: int,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._panel = panel
        self._shelf = shelf
        self._now = now
        self._sessions = Sessions()
        self._filters = filters
        self._size = size
        self._tick = tick
        self._chosen = self._kept()
        self._building: Asking[None] | None = None
        self._resting_until = float("-inf")
        self._trouble = ""

    def names(self) -> tuple[str, ...]:
        """The names to scan, the most traded first; none before the first universe is ready."""
        return () if self._chosen is None else self._chosen.names

    @property
    def is_current(self) -> bool:
        """Whether it was chosen at the last close, by the rules of now."""
        chosen = self._chosen
        return chosen is not None and (chosen.day, chosen.filters, chosen.size) == (
            self._last_session,
            self._filters,
            self._size,
        )

    @property
    def words(self) -> str:
        """`100 names of 25 Nov`, and what is the matter."""
        if self._chosen is None:
            return f"not chosen yet: {self._trouble}" if self._trouble else "being chosen"
        said = f"{len(self._chosen.names):,} names of {self._chosen.day:%-d %b}"
        if self.is_current:
            return said
        return f"{said}, the next one: {self._trouble or 'being chosen'}"

    def why(self, ticker: str) -> Step | None:
        """The rule that keeps a name out; None for one that is in it, or was not looked at."""
        return None if self._chosen is None else self._chosen.out.get(ticker)

    def look(self) -> bool:
        """Do the next piece of choosing, one request at most; False when there is nothing to do now."""
        if self.is_current or self._tick() < self._resting_until:
            return False
        building, self._building = self._building or self._build(self._last_session), None
        try:
            next(building)
        except StopIteration:
            return True
        except Exception as trouble:
            self._rest(str(trouble))
            if isinstance(trouble, DataError):
                return True
            raise
        self._building = building
        return True

    @property
    def _last_session(self) -> date:
        return self._sessions.previous(self._sessions.today(self._now()))

    def _rest(self, trouble: str) -> None:
        log.info("universe.waits", trouble=trouble)
        self._trouble = trouble
        self._resting_until = self._tick() + AGAIN

    def _kept(self) -> Chosen | None:
        entry = self._shelf.get(KIND, KEY)
        try:
            return None if entry is None else codec.load(Chosen, entry.head)
        except DataInvalid as error:
            log.warning("universe.malformed", reason=str(error))
            return None

    def _build(self, day: date) -> Asking[None]:
        """Choose the universe of a session.

        Raises:
            DataError: what it is chosen from cannot be had, or nothing passes.
        """
        facts = yield from self._candidates()
        bars: dict[str, Bars] = {}
        for batch in _batches(tuple(facts), BARS_TOGETHER):
            bars |= (yield from self._asked(Offer.BARS, _bars_of(batch, day - BACK, day))) or {}
        measures = measure(bars, day)
        if not len(bars) or np.isnan(measures.price).mean() > NOT_READY:
            raise DataInvalid(f"the daily bars of {day} are not there yet")
        yield from self._look_closer(measures, facts)
        self._choose(day, measures, facts)

    def _candidates(self) -> Asking[dict[str, Facts]]:
        """Every name that may be looked at, with what is known of it for nothing."""
        assets: Mapping[str, Asset] = {}
        if self._panel.offers(Offer.ASSETS):
            assets = (yield from self._asked(Offer.ASSETS, lambda each: each.assets())) or {}
        rows = self._screens()
        yield
        tradable = [each for each in assets.values() if each.is_tradable]
        names = [each.ticker for each in tradable if each.is_optionable or not self._filters.optionable] or list(rows)
        if not names:
            raise DataInvalid("no source lists names to choose from")
        return {name: _facts(rows.get(name), assets.get(name)) for name in sorted(names)}

    def _screens(self) -> dict[str, ScreenRow]:
        """What the screens of all providers say, by ticker; the best entitled is believed."""
        if not self._panel.offers(Offer.SCREEN):
            return {}
        answers = self._panel.ask(Offer.SCREEN, lambda each: each.screen(), Urgency.BACKGROUND, deadline=LONG)
        found: dict[str, ScreenRow] = {}
        for answer in reversed(answers.given):
            for row in answer.value:
                found[row.ticker] = _joined(row, found.get(row.ticker))
        return found

    def _look_closer(self, measures: Measures, facts: dict[str, Facts]) -> Asking[None]:
        """Find out what has to be asked name by name, of the most traded ones that pass the rest, until enough pass."""
        cheap = replace(self._filters, optionable=False, market_cap=0.0, least_yield=0.0, most_yield=0.0)
        hopeful = screen(measures, facts, cheap).passed
        passed = 0
        for batch in _batches(hopeful, YIELDS_TOGETHER):
            if self._filters.needs_yield:
                yield from self._learn_yields(batch, measures, facts)
            for name in batch:
                if passed >= self._size:
                    return
                yield from self._learn(name, facts)
                passed += name in screen(_only(measures, name), facts, self._filters).passed

    def _learn(self, name: str, facts: dict[str, Facts]) -> Asking[None]:
        """Whether a name has options, and how large its company is, where a rule needs it."""
        if self._filters.optionable and facts[name].is_optionable is None and self._panel.offers(Offer.CHAIN):
            chain_of = yield from self._asked(Offer.CHAIN, lambda each: each.chain(name))
            if chain_of is not None:
                facts[name] = replace(facts[name], is_optionable=len(chain_of) > 0)
        if self._filters.needs_market_cap and facts[name].market_cap is None:
            known = yield from self._asked(Offer.FUNDAMENTALS, lambda each: each.fundamentals(name))
            if known is not None and known.market_cap is not None:
                facts[name] = replace(facts[name], market_cap=float(known.market_cap))

    def _learn_yields(self, names: tuple[str, ...], measures: Measures, facts: dict[str, Facts]) -> Asking[None]:
        """What was paid in the last twelve months over the last close; what a screen said stands where nobody tells."""
        today = self._sessions.today(self._now())
        start = today - YEAR
        paid = yield from self._asked(Offer.DIVIDENDS, lambda each: each.dividends(names, start, today))
        split = yield from self._asked(Offer.SPLITS, lambda each: each.splits(names, start, today))
        if paid is None or split is None:
            return
        prices = dict(zip(measures.tickers, measures.price.tolist(), strict=True))
        for name in names:
            if name in paid:
                found = trailing_yield(paid[name], split.get(name, ()), prices[name], today)
                facts[name] = replace(facts[name], dividend_yield=found)

    def _choose(self, day: date, measures: Measures, facts: Mapping[str, Facts]) -> None:
        verdict = screen(measures, facts, self._filters)
        names = verdict.passed[: self._size]
        if not names:
            raise DataInvalid(f"none of {len(measures.tickers):,} names passes the rules of [universe]")
        chosen = Chosen(day, names, self._filters, self._size, _reasons(verdict, measures, names, self._size))
        self._chosen, self._trouble = chosen, ""
        self._shelf.put(KIND, KEY, self._now(), codec.dump(chosen))
        log.info("universe.chosen", day=day.isoformat(), names=len(names), among=len(measures.tickers))

    def _asked(self, offer: Offer, call: Callable[[Provider], T]) -> Asking[T | None]:
        """An answer, once there is room for the question; None when it was asked in vain too often."""
        for _ in range(TRIES):
            while self._panel.wait(offer, Urgency.BACKGROUND) > 0:
                yield
            try:
                answer = self._panel.first(offer, call, Urgency.BACKGROUND, deadline=LONG).value
            except NotFound:
                return None
            except DataError as trouble:
                self._rest(str(trouble))
                yield
                continue
            yield
            return answer
        return None


def trailing_yield(paid: Sequence[Dividend], splits: Sequence[Split], price: float, today: date) -> float:
    """The dividends that went ex in the last twelve months over a price of today; 0 where none did.

    >>> from decimal import Decimal
    >>> trailing_yield([Dividend(date(2026, 9, 1), Decimal(1))], [], 40.0, date(2026, 11, 20))
    0.025
    """
    ours = on_basis_of(today, tuple(each for each in paid if today - YEAR < each.ex_date <= today), tuple(splits))
    return float(sum(each.amount for each in ours)) / price


def _reasons(verdict: Screened, measures: Measures, names: tuple[str, ...], size: int) -> dict[str, Step]:
    """Why each name is out: the first rule it fails. Past the last one chosen nobody has looked closer: its rank."""
    chosen = set(names)
    order = np.argsort(-np.nan_to_num(measures.turnover), kind="stable").tolist()
    rank = {measures.tickers[row]: place for place, row in enumerate(order, start=1)}
    turnover = dict(zip(measures.tickers, measures.turnover.tolist(), strict=True))
    least = turnover[names[-1]]
    out: dict[str, Step] = {}
    for name, steps in verdict.steps.items():
        if name in chosen:
            continue
        failed = next((step for step in steps if not step.passed), None)
        is_beyond = len(names) == size and turnover[name] <= least
        by_rank = Step(RANK, f"first {size:,}", f"place {rank[name]:,}")
        out[name] = by_rank if failed is None or (is_beyond and failed.value == UNKNOWN) else failed
    return out


def _facts(row: ScreenRow | None, asset: Asset | None) -> Facts:
    listed = None if asset is None else asset.is_optionable
    if row is None:
        return Facts(is_optionable=listed)
    cap = None if row.market_cap is None else float(row.market_cap)
    return Facts(cap, row.dividend_yield, row.is_optionable if listed is None else listed)


def _joined(better: ScreenRow, other: ScreenRow | None) -> ScreenRow:
    """One provider's row, with what it does not know from another's."""
    if other is None:
        return better
    names = ("price", "volume", "market_cap", "dividend_yield", "is_optionable")
    missing = {name: getattr(other, name) for name in names if getattr(better, name) is None}
    return replace(better, **missing)


def _only(measures: Measures, name: str) -> Measures:
    row = slice(place := measures.tickers.index(name), place + 1)
    return Measures(
        (name,), measures.price[row], measures.volume[row], measures.volatility[row], measures.turnover[row]
    )


def _bars_of(names: tuple[str, ...], start: date, end: date) -> Callable[[Provider], Mapping[str, Bars]]:
    return lambda provider: provider.bars(names, start, end)


def _batches(names: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(names[start : start + size]) for start in range(0, len(names), size)]
