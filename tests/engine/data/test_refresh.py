"""What is kept fresh in the background: the most useful first, and never at the cost of anybody who waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.budget import Allowance, Budget, Urgency, asking
from engine.data.cache import LIVES
from engine.data.panel import Panel
from engine.data.providers.port import Offer, Provider
from engine.data.refresh import AGAIN, NOTHING, TURN, MostUseful, Refresher, firing
from engine.errors import DataUnavailable, NotFound
from engine.model.market import Bar, Kind
from engine.model.trade import RiskLevel
from strategies import strategy
from tests import make
from tests.desk import World as DeskWorld
from tests.desk import make_world, propose
from tests.ticks import Ticks

OPEN = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
ALL = (Offer.CHAIN, Offer.REPORTS, Offer.FUNDAMENTALS)


@dataclass
class Counting(Provider):
    """A provider of which only the allowance matters."""

    budget: Budget
    name: str = "made"
    gives: tuple[Offer, ...] = (Offer.CHAIN,)

    @property
    def offers(self) -> Mapping[Offer, Kind]:
        return dict.fromkeys(self.gives, Kind.REAL)

    @property
    def budgets(self) -> tuple[Budget, ...]:
        return (self.budget,)


@dataclass
class World:
    """A clock, an allowance and a market that takes `requests` of it for a chain and writes down what it is asked."""

    gives: tuple[Offer, ...] = (Offer.CHAIN,)
    allowance: int = 1_000_000
    requests: int = 4
    took: float = 0.1
    now: datetime = OPEN
    groups: tuple[tuple[str, ...], ...] = ((), (), (), ("AAA", "BBB", "CCC"))
    asked: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, Exception | None] = field(default_factory=dict)
    ticks: Ticks = field(default_factory=Ticks)

    def __post_init__(self) -> None:
        self.budget = Budget("made", Allowance(self.allowance, 60.0), tick=self.ticks)
        provider = Counting(self.budget, gives=self.gives)
        self.panel = Panel([provider], lambda: self.now, tick=self.ticks, rng=np.random.default_rng(1))
        self.refresher = Refresher(self, self.panel, lambda: self.now, lambda: self.groups)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.ticks.advance(seconds)

    def _ask(self, kind: str, ticker: str) -> object:
        self.pass_time(self.took)
        with asking(Urgency.BACKGROUND):
            for _ in range(self.requests):
                self.budget.take()
        self.asked.append((kind, ticker))
        answer = self.answers.get(ticker, "answer")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def chain(self, ticker: str) -> object:
        return self._ask("chain", ticker)

    def earnings(self, ticker: str) -> object:
        return self._ask("earnings", ticker)

    def fundamentals(self, ticker: str) -> object:
        return self._ask("fundamentals", ticker)

    def names(self) -> list[str]:
        """What was asked since the last time."""
        found = [name for _, name in self.asked]
        self.asked.clear()
        return found


def test_held_come_before_proposed_before_firing_before_the_rest():
    world = World(groups=(("HELD",), ("PROPOSED",), ("FIRES",), ("A", "B")))
    world.refresher.look()
    assert world.names() == ["HELD", "PROPOSED", "FIRES", "A", "B"]


def test_nothing_is_asked_for_that_is_fresh():
    world = World()
    assert world.refresher.look() == 3
    assert world.refresher.look() == 0
    world.pass_time(LIVES[Offer.CHAIN])
    assert world.refresher.look() == 3


def test_inside_a_group_the_oldest_comes_first_and_then_the_most_traded():
    world = World()
    world.refresher.look()
    world.names()
    world.groups = ((), (), (), ("NEW", "CCC", "BBB", "AAA"))
    world.pass_time(LIVES[Offer.CHAIN])
    world.refresher.look()
    assert world.names() == ["NEW", "AAA", "BBB", "CCC"]


def test_a_name_that_becomes_useful_goes_to_the_front():
    world = World()
    world.refresher.look()
    world.names()
    world.pass_time(LIVES[Offer.CHAIN])
    world.groups = (("CCC",), (), (), ("AAA", "BBB"))
    world.refresher.look()
    assert world.names() == ["CCC", "AAA", "BBB"]


def test_it_gives_way_when_the_background_has_used_its_share():
    world = World(allowance=20, groups=((), (), (), tuple(f"N{n}" for n in range(10))))
    assert world.refresher.look() == 2  # eight of ten requests; a third chain would stop half-way
    assert world.refresher.look() == 0
    with asking(Urgency.ORDER):
        for _ in range(12):
            world.budget.take()
    assert world.budget.left[0][1] == 0
    world.pass_time(61)
    assert world.refresher.look() == 2
    assert world.names() == ["N0", "N1", "N2", "N3"]


def test_a_provider_that_asked_for_a_pause_is_left_alone():
    world = World()
    world.budget.pause(30.0)
    assert world.refresher.look() == 0
    world.pass_time(31)
    assert world.refresher.look() == 3


def test_a_look_ends_when_its_turn_is_over():
    world = World(took=1.0, groups=((), (), (), tuple(f"N{n}" for n in range(100))))
    assert world.refresher.look() == TURN.total_seconds()


def test_one_that_fails_comes_later_and_holds_up_nobody():
    world = World()
    world.answers["AAA"] = DataUnavailable("made is down.")
    world.answers["BBB"] = NotFound("BBB is not known.")
    assert world.refresher.look() == 3
    world.pass_time(LIVES[Offer.CHAIN] + 1)
    world.names()
    world.refresher.look()
    assert world.names() == ["CCC"]
    world.pass_time(AGAIN.total_seconds())
    world.refresher.look()
    assert sorted(world.names()) == ["AAA", "BBB", "CCC"]


def test_where_nobody_has_an_answer_it_is_asked_again_in_an_hour():
    world = World(gives=(Offer.REPORTS,), requests=1)
    world.answers["AAA"] = None
    world.refresher.look()
    world.names()
    world.pass_time(NOTHING.total_seconds())
    world.refresher.look()
    assert world.names() == ["AAA"]


def test_reports_and_facts_are_kept_fresh_beside_the_chains():
    world = World(gives=ALL, requests=1)
    assert world.refresher.look() == 9
    assert {kind for kind, _ in world.asked} == {"chain", "earnings", "fundamentals"}
    world.names()
    world.pass_time(60)
    assert world.refresher.look() == 3
    assert {kind for kind, _ in world.asked} == {"chain"}


@pytest.mark.parametrize(
    ("at", "again", "count"),
    [
        ("2026-11-20T21:10+00:00", "2026-11-20T21:20+00:00", 0),  # closed: nothing moves until delayed quotes are over
        ("2026-11-20T21:10+00:00", "2026-11-20T21:31+00:00", 3),  # once more, for the evening
        ("2026-11-20T21:31+00:00", "2026-11-23T14:00+00:00", 0),  # over the weekend
        ("2026-11-20T21:31+00:00", "2026-11-23T14:30+00:00", 3),  # the opening bell
        ("2026-11-20T15:00+00:00", "2026-11-20T14:00+00:00", 3),  # the clock was set back
    ],
)
def test_chains_are_asked_for_only_while_they_move(at: str, again: str, count: int):
    world = World(now=datetime.fromisoformat(at))
    world.refresher.look()
    world.now = datetime.fromisoformat(again)
    assert world.refresher.look() == count


@given(
    st.lists(st.lists(st.sampled_from("ABCDEFGH"), max_size=4, unique=True), min_size=4, max_size=4),
    st.integers(8, 100),
    st.lists(st.floats(1, 90), max_size=8),
)
def test_whatever_is_held_no_name_of_a_later_group_comes_before_a_due_one_of_an_earlier(
    groups: list[list[str]], allowance: int, waits: list[float]
):
    seen: set[str] = set()
    unique = tuple(tuple(n for n in group if n not in seen and not seen.add(n)) for group in groups)  # type: ignore[func-returns-value]
    world = World(groups=unique, allowance=allowance)
    rank = {name: place for place, group in enumerate(unique) for name in group}
    last: dict[str, datetime] = {}
    for wait in [0.0, *waits]:
        world.pass_time(wait)
        begun = world.now
        world.refresher.look()
        fresh = timedelta(seconds=LIVES[Offer.CHAIN])
        due = {name for name in rank if name not in last or begun - last[name] >= fresh}
        asked = world.names()
        assert len(asked) == len(set(asked))
        skipped = due - set(asked)
        if skipped and asked:
            assert max(rank[name] for name in asked) <= min(rank[name] for name in skipped)
        last |= dict.fromkeys(asked, world.now)
    assert world.budget.left[0][1] >= allowance - max(1, allowance // 2)


# What a desk is likely to need


@pytest.fixture
def world() -> DeskWorld:
    """`wsb_dip` wants ten per cent up over ten sessions, then three down today: DIP and ALSO are, FLAT is not."""
    desk = make_world({"wsb_dip": strategy("wsb_dip")})
    for ticker, today in (("DIP", 57.0), ("FLAT", 60.0), ("ALSO", 50.0)):
        closes = [48.0] * 49 + [48.0 + 1.2 * day for day in range(1, 12)]
        seen = make.snapshot(ticker, spot=today)
        bars = make.bars(closes, ticker, before=make.TODAY)
        desk.market.set_snapshot(replace(seen, bars=bars, session=Bar(make.TODAY, 60.0, 60.0, today, today, 5e6)))
    return desk


def test_names_whose_price_and_volume_rules_hold_today_fire(world: DeskWorld):
    assert firing(world.desk, ("FLAT", "DIP", "NOBODY", "ALSO")) == ("DIP", "ALSO")


def test_a_strategy_that_is_switched_off_fires_for_nothing(world: DeskWorld):
    with world.desk.store.begin() as work:
        work.know_strategy("wsb_dip", RiskLevel.HIGH, world.desk.now())
        work.set_strategy_status("wsb_dip", "disabled")
    assert firing(world.desk, ("DIP",)) == ()


def test_held_proposed_firing_and_the_rest_stand_in_that_order_and_once(world: DeskWorld):
    asked = propose(world)
    with world.desk.store.begin() as work:
        work.save_position(make.position(ticker="HELD", approval_id=asked.id))
    useful = MostUseful(world.desk, lambda: ("DIP", "XYZ", "HELD", "FLAT"))
    assert useful() == (("HELD",), ("XYZ",), ("DIP",), ("FLAT",))


def test_what_fires_is_looked_at_every_five_minutes_and_never_while_the_market_is_closed(world: DeskWorld):
    useful = MostUseful(world.desk, lambda: ("DIP",))
    assert useful()[2] == ("DIP",)
    world.market.set_snapshot(make.snapshot("DIP", spot=48))
    world.clock.advance(minutes=4)
    assert useful()[2] == ("DIP",)
    world.clock.advance(minutes=1)
    assert useful()[2] == ()
    world.clock.advance(hours=8)
    assert useful()[2] == ()
