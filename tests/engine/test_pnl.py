"""What was made today, this week and this month: /pnl, the digest so far and the limits say one right number.

Random days are lived beside a cash box of our own, which knows only what was paid, what is held and what it costs now.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import activities, digests, ledger, portfolio, standing
from engine.model.book import Posting, PostingKind
from engine.model.digests import Span
from engine.model.instruments import Instrument
from engine.model.legs import Leg, Structure
from engine.model.orders import Activity, ActivityKind
from tests import make
from tests.desk import World, make_world

D = Decimal
START = D(100_000)
MONDAY = date(2026, 6, 15)
SHARE, PUT = make.share(), make.option(44)
NAMES = {SHARE: "P00001", PUT: "P00002"}


@dataclass
class Box:
    """Dollars, what is held, and both as they were at each close that was kept."""

    world: World = field(default_factory=make_world)
    cash: Decimal = START
    flows: Decimal = D(0)
    held: dict[Instrument, int] = field(default_factory=lambda: {SHARE: 0, PUT: 0})
    price: dict[Instrument, Decimal] = field(default_factory=lambda: {SHARE: D(48), PUT: D(1)})
    closes: dict[date, tuple[Decimal, Decimal]] = field(default_factory=dict)
    number: int = 0

    @property
    def equity(self) -> Decimal:
        return self.cash + self.held[SHARE] * self.price[SHARE] + self.held[PUT] * self.price[PUT] * 100

    def made_since(self, first: date) -> Decimal:
        before = [day for day in self.closes if day < first]
        equity, flows = self.closes[max(before)] if before else (START, D(0))
        return self.equity - equity - (self.flows - flows)

    def do(self, act: str, amount: Decimal, count: int) -> None:
        self.number += 1
        match act:
            case "trade":
                self.trade(SHARE, count, amount, self.world.clock())
            case "yesterday's fill":
                self.trade(SHARE, count, amount, self.world.clock() - timedelta(days=1))
            case "sell put":
                self.trade(PUT, -1, amount, self.world.clock())
            case "assignment" if self.held[PUT]:
                self.happen(ActivityKind.ASSIGNMENT, PUT, -1)
                self.held[PUT] += 1
                self.held[SHARE] += 100
                self.cash -= 4400
            case "prices":
                self.quote(SHARE, amount)
                self.quote(PUT, max(amount / 50, D("0.01")))  # an ask of nothing would be no price
            case "deposit":
                self.post(PostingKind.FLOW, amount)
                self.flows += amount
            case "withdrawal":
                self.post(PostingKind.FLOW, -amount)
                self.flows -= amount
            case "dividend" | "interest":
                self.post(PostingKind(act), amount)
            case "fee":
                self.post(PostingKind.FEE, -amount)

    def quote(self, what: Instrument, price: Decimal) -> None:
        self.price[what] = price.quantize(D("0.01"))
        self.world.market.set_quote(what, self.price[what], self.price[what])

    def post(self, kind: PostingKind, amount: Decimal) -> None:
        self.cash += amount
        with self.world.store.begin() as work:
            work.add_postings((Posting(f"x{self.number}", kind, self.world.clock(), amount),))

    def trade(self, what: Instrument, count: int, price: Decimal, at: datetime) -> None:
        fill = make.fill(what, count, price, f"E{self.number}", D("0.65"), at)
        self.cash -= price * count * (1 if what == SHARE else 100) + D("0.65")
        self.held[what] += count
        with self.world.store.begin() as work:
            empty = make.position(id=NAMES[what], campaign=NAMES[what], approval_id=None, unit=(Leg(what, 1),))
            if what == PUT:
                empty = make.position(
                    id=NAMES[what], campaign=NAMES[what], approval_id=None,
                    unit=(Leg(what, -1),), structure=Structure.SHORT_PUT,
                )  # fmt: skip
            after, postings = ledger.apply_fill(work.find_position(NAMES[what]) or empty, fill)
            work.save_position(after)
            work.add_postings(postings)

    def happen(self, kind: ActivityKind, what: Instrument, count: int) -> None:
        self.world.clock.advance(60)
        self.world.broker.happened.append(Activity(f"a{self.number}", kind, self.world.clock(), what, count, D(0)))
        activities.settle(self.world.desk)

    def close(self, day: date) -> None:
        """The end of a session, kept."""
        self.world.clock.set(self.world.desk.sessions.close(day) + timedelta(minutes=15))
        digests.end_once(self.world.desk)
        self.closes[day] = (self.equity, self.flows)


def agree(box: Box) -> None:
    """Every number that there is of today, this week and this month."""
    desk = box.world.desk
    today = desk.today
    monday, first = today - timedelta(days=today.weekday()), today.replace(day=1)
    own = {Span.DAY: box.made_since(today), Span.WEEK: box.made_since(monday), Span.MONTH: box.made_since(first)}
    view = portfolio.pnl(desk)
    assert {Span.DAY: view.day, Span.WEEK: view.week, Span.MONTH: view.month} == own
    assert (view.total, view.gap) == (box.equity - START - box.flows, 0)
    with box.world.store.read() as work:
        state = standing.state_at(desk, work, (), view.equity, view.equity)
    assert (state.day_pnl, state.week_pnl) == (own[Span.DAY], own[Span.WEEK])
    for span in Span:
        told = digests.digest(desk, span)
        if told.until < desk.now():
            continue  # ended before, and told as it was then
        assert told.parts is not None
        assert (told.parts.total, told.parts.gap, told.total) == (own[span], 0, view.total)
        assert (told.week, told.month) == (own[Span.WEEK], own[Span.MONTH])
        assert span is not Span.DAY or told.day == own[Span.DAY]


ACTS = (
    "trade", "yesterday's fill", "sell put", "assignment", "prices", "deposit", "withdrawal", "dividend", "interest",
    "fee",
)  # fmt: skip
some = st.lists(
    st.tuples(st.sampled_from(ACTS), st.decimals("0.01", "99.99", places=2), st.integers(-9, 9).filter(bool)),
    max_size=4,
)
clocks = st.sampled_from(("00:20", "08:00", "11:00", "16:05", "16:20", "20:00"))
days = st.lists(st.tuples(some, clocks, st.sampled_from((True, True, True, False))), min_size=3, max_size=20)


@settings(max_examples=4, deadline=None)
@given(days)
def test_what_was_made_is_one_number_wherever_it_is_told(lived: list[tuple[list[Any], str, bool]]) -> None:
    """Over weekends, a holiday and the end of a month; some closes are not kept, for the desk was down."""
    live_through(lived)


@pytest.mark.soak
@settings(max_examples=150, deadline=None)
@given(days)
def test_what_was_made_is_one_number_over_many_lives(lived: list[tuple[list[Any], str, bool]]) -> None:
    live_through(lived)


def live_through(lived: list[tuple[list[Any], str, bool]]) -> None:
    box = Box()
    box.quote(SHARE, D(48))
    box.quote(PUT, D(1))
    for number, (acts, clock, is_kept) in enumerate(lived):
        day, desk = MONDAY + timedelta(days=number), box.world.desk
        if clock < "16:15":
            box.world.clock.set(desk.sessions.at(day, clock))
            live(box, acts)
        if is_kept and desk.sessions.is_session(day):
            box.close(day)
        if clock > "16:15":
            box.world.clock.set(desk.sessions.at(day, clock))
            live(box, acts)


def live(box: Box, acts: list[Any]) -> None:
    for act in acts:
        box.do(*act)
    agree(box)


@pytest.mark.parametrize("act", ["deposit", "dividend", "fee", "assignment", "yesterday's fill", "prices"])
def test_what_happens_on_a_saturday_stands_in_both(act: str) -> None:
    """Friday the 26th is the last session of its week, not of its month."""
    box = Box()
    box.quote(SHARE, D(48))
    box.quote(PUT, D(1))
    box.world.clock.set(box.world.desk.sessions.at(date(2026, 6, 26), "11:00"))
    box.do("sell put", D(1), 1)
    box.close(date(2026, 6, 26))
    box.world.clock.set(box.world.desk.sessions.at(date(2026, 6, 27), "09:00"))
    box.do(act, D("41.17"), 3)
    agree(box)
    month = digests.digest(box.world.desk, Span.MONTH)
    assert month.until == box.world.clock()
    assert [each.day for each in month.days] == [date(2026, 6, 26)]
