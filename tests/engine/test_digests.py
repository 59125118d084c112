"""Digests: every number as our own books have it, to the cent; each told once; nothing invented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import levels
from bot.announce import told_digest
from engine import digests, ledger, portfolio
from engine.errors import BadRequest
from engine.model.book import PositionStatus, Posting, PostingKind
from engine.model.digests import ACCOUNT, Digest, Span
from engine.model.events import EventKind
from engine.model.instruments import Instrument
from engine.model.legs import Leg, Structure
from engine.model.market import Quote
from engine.model.orders import Fill
from engine.store import Store
from strategies import CATALOGUE
from tests import make
from tests.desk import World, make_world
from tests.engine.own_books import Story, Told, first_week, second_week, two_weeks
from tests.fakes import FakeMarket

D = make.D
PHONE = 36
MONDAY = date(2026, 6, 15)


@cache
def story() -> Story:
    """Played once; no test of it changes anything."""
    return two_weeks()


def told(span: Span, day: date) -> Digest:
    return digests.digest(story().world.desk, span, day)


def ended(world: World, day: date, minutes: int = 15) -> World:
    """A desk that looks so many minutes after a close."""
    world.clock.set(world.desk.sessions.close(day) + timedelta(minutes=minutes))
    digests.end_once(world.desk)
    return world


def announced(world: World) -> list[str]:
    return [event.subject for event in world.events(EventKind.DIGEST_READY, EventKind.REPORT_READY)]


def check(made: Digest, now: Told, before: Told) -> None:
    """Every amount of money of a digest against our own books."""
    assert made.parts is not None
    assert made.parts.lines is not None
    own = now.lines_since(before)
    assert made.equity == now.equity
    assert made.parts.total == now.made_since(before)
    assert made.parts.flows == now.flows - before.flows
    assert made.parts.realised == sum(line.realised for line in own.values())
    assert made.parts.unrealised == sum(line.open for line in own.values())
    assert made.parts.dividends + made.parts.interest == sum(line.income for line in own.values())
    assert made.parts.fees == sum(line.fees for line in own.values())
    assert made.parts.gap == 0
    assert made.happened.premium == now.premium - before.premium
    assert made.total == now.equity - 100_000 - now.flows
    found = {x.strategy: (x.realised, x.unrealised, x.dividends, x.fees, x.total) for x in made.parts.lines}
    assert found == {name or ACCOUNT: (x.realised, x.open, x.income, x.fees, x.net) for name, x in own.items()}


SESSIONS = tuple(date(2026, 6, day) for day in (15, 16, 17, 18, 22, 23, 24, 25, 26, 29, 30))


@pytest.mark.parametrize("row", range(len(SESSIONS)), ids=lambda row: str(SESSIONS[row]))
def test_every_day_is_what_executions_and_closing_prices_alone_make_it(row: int) -> None:
    own = [Told(), *(story().told[day] for day in SESSIONS)]
    made = told(Span.DAY, SESSIONS[row])
    check(made, own[row + 1], own[row])
    weeks = {15: -1, 22: 3, 29: 8}
    monday = max(day for day in weeks if day <= SESSIONS[row].day)
    assert made.day == own[row + 1].made_since(own[row])
    assert made.week == own[row + 1].made_since(own[weeks[monday] + 1])
    assert made.month == own[row + 1].made_since(Told())


@pytest.mark.parametrize(
    ("span", "day", "before", "last"),
    [
        (Span.WEEK, date(2026, 6, 17), None, date(2026, 6, 18)),
        (Span.WEEK, date(2026, 6, 22), date(2026, 6, 18), date(2026, 6, 26)),
        (Span.MONTH, date(2026, 6, 1), None, date(2026, 6, 30)),
    ],
    ids=["the week that ends before a holiday", "a whole week", "the month"],
)
def test_weeks_and_the_month_are_what_our_own_books_make_them(
    span: Span, day: date, before: date | None, last: date
) -> None:
    check(told(span, day), story().told[last], Told() if before is None else story().told[before])


@pytest.mark.parametrize("span", [Span.WEEK, Span.MONTH])
def test_a_week_and_a_month_are_the_sum_of_their_days(span: Span) -> None:
    for day in (MONDAY, date(2026, 6, 22), date(2026, 6, 30)):
        made = told(span, day)
        days = [told(Span.DAY, each.day) for each in made.days]
        assert made.parts is not None
        assert made.parts.total == sum(x.parts.total for x in days if x.parts is not None)
        assert made.parts.total == sum(each.made for each in made.days)
        assert made.happened.premium == sum(x.happened.premium for x in days)
        assert len(made.happened.opened) == sum(len(x.happened.opened) for x in days)
        assert made.happened.ended == tuple(each for x in days for each in x.happened.ended)


def test_what_became_of_positions_is_counted_once() -> None:
    happened = told(Span.MONTH, MONDAY).happened
    assert (len(happened.opened), happened.rolled, happened.assigned, happened.expired) == (4, 1, 1, 1)
    assert [(x.ticker, x.reason, x.net) for x in happened.ended] == [
        ("XYZ", "roll", D("-196.00")),  # 2.08 sold, 2 × 2.00 bought back, four fees
        ("SPY", "expired", D("166.00")),  # 2 × 0.85 kept, four fees
        ("ABC", "manual", D("202.00")),  # 2 × 3.10 + 3.05 less 2 × 2.40 + 2.37, of 100 shares, six fees
    ]
    assert happened.proposals == {"approved": 4}


def test_a_spread_whose_legs_expire_one_after_the_other_ends_as_a_spread() -> None:
    ended = told(Span.MONTH, MONDAY).happened.ended
    assert [x.structure for x in ended] == ["cash-secured put", "credit spread", "long call"]


def test_shares_that_a_put_became_end_as_shares() -> None:
    world = make_world()
    shares = make.position(
        approval_id="A00001", unit=(Leg(make.share(), 1),), structure=Structure.SHARES,
        status=PositionStatus.CLOSED, closed_at=world.clock(), close_reason="target",
    )  # fmt: skip
    with world.store.begin() as work:
        work.add_approval(make.approval(id="A00001"))
        work.save_position(shares)
        work.add_event(world.desk.event(EventKind.POSITION_CLOSED, shares.id, {}))
    (last,) = digests.digest(ended(world, MONDAY).desk, Span.DAY, MONDAY).happened.ended
    assert last.structure == "shares"


def test_a_past_day_is_told_again_as_it_was_whatever_happened_since() -> None:
    made = two_weeks()
    day = date(2026, 6, 18)
    before = digests.digest(made.world.desk, Span.DAY, day)
    made.morning(date(2026, 7, 1))
    with made.world.store.begin() as work:
        work.add_postings((Posting("late", PostingKind.FEE, made.world.clock(), D(-9), strategy="wheel"),))
    assert digests.digest(made.world.desk, Span.DAY, day) == before


def test_theta_is_the_model_s_of_the_close_before_times_the_days_to_this_one() -> None:
    monday = told(Span.DAY, date(2026, 6, 29))
    friday = told(Span.DAY, date(2026, 6, 26))
    assert friday.decay is not None
    assert monday.theta is not None
    assert monday.theta.dollars == pytest.approx(3 * friday.decay)
    assert told(Span.DAY, date(2026, 6, 18)).theta is None
    assert "The theta of what is held is not known." in told(Span.DAY, date(2026, 6, 18)).unknown


def test_theta_of_a_month_says_of_how_many_sessions_it_is_known() -> None:
    theta = told(Span.MONTH, MONDAY).theta
    days = [told(Span.DAY, day).theta for day in SESSIONS]
    known = [each.dollars for each in days if each is not None]
    assert theta is not None
    assert theta.dollars == pytest.approx(sum(known))
    assert (theta.known, theta.sessions) == (len(known), 21)


# Once, whatever happens


def test_a_session_ends_once_and_so_do_its_week_and_its_month() -> None:
    world = make_world()
    for minutes in (14, 15, 16, 60, 300):
        ended(world, date(2026, 7, 31), minutes)
    assert announced(world) == ["2026-07-30", "2026-07-31", "2026-W31", "2026-07"]


class Killed(BaseException):
    """The process ends here."""


def test_a_process_killed_at_any_point_of_the_end_of_a_day_leaves_one_digest_when_it_is_back() -> None:
    """Every id that is made and every question to the market is a place to die at."""
    day, survived, place = date(2026, 7, 31), False, 0
    while not survived:
        world = make_world()
        world.clock.set(world.desk.sessions.close(day) + timedelta(minutes=15))
        left = place

        def dies(kept: World = world) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        def new_id(prefix: str, kept: World = world, check: object = dies) -> str:
            check()  # type: ignore[operator]
            return kept.desk.new_id(prefix)

        def now(kept: World = world, check: object = dies) -> datetime:
            check()  # type: ignore[operator]
            return kept.clock()

        try:
            digests.end_once(replace(world.desk, new_id=new_id, now=now))
            survived = True
        except Killed:
            place += 1
        digests.end_once(world.desk)
        digests.end_once(world.desk)
        assert announced(world) == ["2026-07-31", "2026-W31", "2026-07"]
        with world.store.read() as work:
            assert [row.day for row in work.equity_history()] == [day]
    assert place > 10


def test_a_day_told_by_an_earlier_program_is_not_told_again() -> None:
    world = make_world()
    world.clock.set(world.desk.sessions.close(MONDAY) + timedelta(minutes=16))
    with world.store.begin() as work:
        work.add_event(world.desk.event(EventKind.DIGEST_READY, "2026-06-15", {}))
    assert not digests.end_day_once(world.desk)
    assert announced(world) == ["2026-06-15"]


def test_the_week_of_thanksgiving_ends_at_a_quarter_past_one_on_friday() -> None:
    world = ended(make_world(), date(2026, 11, 25), 14)
    friday = date(2026, 11, 27)
    ended(world, date(2026, 11, 25), 60)
    before = announced(ended(world, friday, 14))
    after = announced(ended(world, friday, 15))
    assert before == ["2026-11-24", "2026-11-25"]
    assert after[-2:] == ["2026-11-27", "2026-W48"]
    assert world.clock() == datetime(2026, 11, 27, 18, 15, tzinfo=UTC)
    assert announced(ended(world, friday, 200)) == after


def test_over_both_changes_of_the_clocks_every_session_ends_once_at_a_quarter_past_four() -> None:
    for first, last in ((date(2026, 3, 4), date(2026, 3, 12)), (date(2026, 10, 28), date(2026, 11, 5))):
        world = make_world(deposit=None)
        with world.store.begin() as work:
            work.add_postings((replace(make.deposit(), at=datetime(first.year, first.month, 1, tzinfo=UTC)),))
        moment = datetime(first.year, first.month, first.day, 12, tzinfo=UTC)
        while moment.date() <= last:
            world.clock.set(moment)
            digests.end_day_once(world.desk)
            moment += timedelta(minutes=15)
        events = world.events(EventKind.DIGEST_READY)[1:]
        sessions = world.desk.sessions.between(first, last)
        assert [event.subject for event in events] == [day.isoformat() for day in sessions]
        assert [event.at for event in events] == [world.desk.sessions.at(day, "16:15") for day in sessions]


class Trading(FakeMarket):
    """A market in which something new is held each time its prices have been told."""

    def __init__(self, world: World) -> None:
        super().__init__(world.clock)
        self.world, self.number = world, 0

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        self.number += 1
        told = super().quotes(instruments)
        what = make.share(f"N{self.number}")
        position = make.position(
            id=f"P9{self.number:04d}", ticker=what.ticker, approval_id=None, unit=(Leg(what, 1),),
            lots=(make.held(what, 1, 1),),
        )  # fmt: skip
        with self.world.store.begin() as work:
            work.save_position(position)
        self.set_quote(what, "0.99", "1.01")
        return told


def test_a_week_is_not_told_before_its_last_close_is_taken() -> None:
    """Else the next week would count from that close, and what Thursday made would be in no week."""
    world = make_world()
    world.market.set_quote(make.share(), "47.99", "48.01")
    ended(holding(world), date(2026, 6, 17))
    world.clock.set(world.desk.sessions.close(date(2026, 6, 18)) + timedelta(minutes=20))
    busy = replace(world.desk, market=Trading(world))
    assert [digests.end_day_once(busy), digests.end_week_once(busy)] == [False, False]
    assert announced(world)[-1] == "2026-06-17"


# A desk that was down


def test_after_three_days_down_only_the_latest_session_is_told_at_the_prices_of_before_the_open() -> None:
    world = ended(holding(make_world()), MONDAY)
    world.clock.set(world.desk.sessions.at(date(2026, 6, 19), "09:00"))
    world.market.set_quote(make.share(), "49.99", "50.01")
    digests.end_once(world.desk)
    assert announced(world) == ["2026-06-15", "2026-06-18", "2026-W25"]
    made = digests.digest(world.desk, Span.DAY, date(2026, 6, 18))
    assert made.parts is not None
    assert (made.parts.total, made.since) == (D(200), MONDAY)
    assert told_digest(world.desk, made, "PAPER").lines[:3] == (
        "Made +200.00 (+0.20 %).",
        "Taken late, at 2026-06-19 09:00 ET, at the prices of then.",
        "Counted from the close of 2026-06-15: none was kept since.",
    )
    week = digests.digest(world.desk, Span.WEEK, MONDAY)
    assert (week.is_late, week.until) == (True, made.until)
    with world.store.read() as work:
        assert [row.day for row in work.equity_history()] == [MONDAY, date(2026, 6, 18)]


def test_a_session_caught_up_after_the_next_one_has_begun_says_that_its_prices_are_not_known() -> None:
    world = ended(holding(make_world()), MONDAY)
    world.clock.set(world.desk.sessions.at(date(2026, 6, 18), "11:00"))
    digests.end_once(world.desk)
    made = digests.digest(world.desk, Span.DAY, date(2026, 6, 17))
    assert announced(world) == ["2026-06-15", "2026-06-17"]
    assert (made.parts, made.equity, made.day) == (None, None, None)
    assert made.notes == (
        "No close could be taken.",
        "Counted from the close of 2026-06-15: none was kept since.",
    )
    assert told_digest(world.desk, made, "PAPER").lines[0] == "What was made is not known."
    ended(world, date(2026, 6, 18))
    again = digests.digest(world.desk, Span.DAY, date(2026, 6, 18))
    assert again.since == MONDAY


def test_a_week_says_which_of_its_sessions_have_no_close_of_their_own() -> None:
    world = ended(holding(make_world()), MONDAY)
    world.market.set_quote(make.share(), "49.99", "50.01")
    ended(world, date(2026, 6, 18))
    made = digests.digest(world.desk, Span.WEEK, MONDAY)
    assert [(each.day.day, each.made) for each in made.days] == [(15, D(0)), (18, D(200))]
    assert made.notes == ("Sessions without a close kept: 2. The one after has what they made.",)


def test_a_week_whose_end_the_desk_missed_is_told_up_to_its_last_close_and_says_so() -> None:
    """Down from Thursday evening over the weekend until Tuesday noon."""
    world = ended(holding(make_world()), date(2026, 6, 24))
    world.market.set_quote(make.share(), "49.99", "50.01")
    ended(world, date(2026, 6, 25))
    world.clock.set(world.desk.sessions.at(date(2026, 6, 30), "12:00"))
    digests.end_once(world.desk)
    assert announced(world)[-2:] == ["2026-06-29", "2026-W26"]
    made = digests.digest(world.desk, Span.WEEK, date(2026, 6, 25))
    assert made.parts is not None
    assert made.parts.total == 200
    assert "Counted up to the close of 2026-06-25: no later one was kept." in made.notes


def test_a_desk_that_has_just_been_opened_tells_nothing_of_before() -> None:
    world = make_world()
    world.clock.set(world.desk.sessions.at(MONDAY, "12:00"))
    digests.end_once(world.desk)
    assert announced(world) == []


# Half-known


def holding(world: World, shares: int = 100) -> World:
    """So many shares of XYZ bought at 48."""
    position = make.position(
        approval_id=None, unit=(Leg(make.share(), 1),), lots=(make.held(make.share(), shares, 48),)
    )
    with world.store.begin() as work:
        work.save_position(position)
        work.add_postings((Posting("buy", PostingKind.TRADE, make.NOW, D(-48 * shares), strategy="wheel"),))
    return world


def test_a_day_without_a_price_says_whose_and_the_next_one_counts_from_the_close_before() -> None:
    world = ended(holding(make_world()), MONDAY)
    with world.store.begin() as work:
        work.set_setting("marks", "{}", "desk", world.clock())
    world.market.drop_quote(make.share())
    ended(world, date(2026, 6, 16))
    unknown = digests.digest(world.desk, Span.DAY, date(2026, 6, 16))
    world.market.set_quote(make.share(), "48.49", "48.51")
    ended(world, date(2026, 6, 17))
    known = digests.digest(world.desk, Span.DAY, date(2026, 6, 17))
    assert unknown.parts is None
    assert "No price for XYZ." in unknown.notes
    assert known.parts is not None
    assert (known.parts.total, known.since) == (D(50), MONDAY)


def test_limits_that_the_broker_does_not_answer_for_are_said_and_the_day_ends_all_the_same() -> None:
    world = make_world()
    world.broker.is_mute = True
    made = digests.digest(ended(world, MONDAY).desk, Span.DAY, MONDAY)
    assert announced(world) == ["2026-06-15"]
    assert made.uses == ()
    assert any("limits in use are not known" in note for note in made.unknown)


def test_strategies_of_a_close_kept_without_them_are_not_known() -> None:
    world = holding(make_world())
    world.market.set_quote(make.share(), "49.99", "50.01")
    ended(world, MONDAY)
    with world.store.begin() as work:
        row = work.closes(MONDAY, MONDAY)[0]
        work.add_equity(replace(row, day=date(2026, 6, 16)))
    made = digests.digest(ended(world, date(2026, 6, 17)).desk, Span.DAY, date(2026, 6, 17))
    assert made.parts is not None
    assert made.parts.lines is None
    assert "By strategy it is not known" in " ".join(told_digest(world.desk, made, "PAPER").lines)


@pytest.mark.parametrize(
    ("span", "day", "words"),
    [
        (Span.DAY, date(2026, 6, 20), "not a trading day"),
        (Span.DAY, date(2026, 6, 16), "has not begun"),
        (Span.MONTH, date(2026, 7, 1), "has not begun"),
    ],
)
def test_a_day_that_is_none_or_has_not_come_is_said_to_be_so(span: Span, day: date, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        digests.digest(make_world().desk, span, day)


def test_on_a_weekend_the_last_session_is_told() -> None:
    world = ended(make_world(), MONDAY)
    ended(world, date(2026, 6, 18))
    world.clock.advance(days=2)
    assert digests.digest(world.desk).period.subject == "2026-06-18"


def test_a_server_tells_the_same_digests_and_levels(postgres_url: str) -> None:
    with Store.create(postgres_url) as store:
        other = Story(make_world(dict(CATALOGUE), store=store))
        first_week(other)
        second_week(other)
        desk = other.world.desk
        for span, day in [(Span.DAY, day) for day in SESSIONS] + [(Span.WEEK, MONDAY), (Span.MONTH, MONDAY)]:
            assert digests.digest(desk, span, day) == told(span, day)
        assert portfolio.pnl(desk) == portfolio.pnl(story().world.desk)
        with store.read() as work, story().world.store.read() as own:
            assert levels.measure(desk, work) == levels.measure(story().world.desk, own)


# Random trades


trades = st.lists(
    st.tuples(
        st.sampled_from(("wheel", "lotto", "swing")),
        st.integers(-5, 5).filter(bool),
        st.decimals("0.01", "99.99", places=2),
        st.decimals("0", "2.50", places=2),
    ),
    max_size=6,
)
sessions = st.lists(
    st.tuples(trades, st.decimals("1", "99", places=2), st.sampled_from((0, 0, 2500, -700)), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(sessions)
def test_strategies_add_up_to_the_account_and_days_to_the_month(days: list[tuple[object, ...]]) -> None:
    """Shares of XYZ are bought and sold short, money comes and goes, interest is paid."""
    world = make_world()
    day, number = MONDAY, 0
    for some, price, flow, pays in days:
        world.clock.set(world.desk.sessions.at(day, "11:00"))
        world.market.set_quote(make.share(), price, price)  # type: ignore[arg-type]
        for strategy, count, paid, fee in some:  # type: ignore[attr-defined]
            number += 1
            trade(world, strategy, make.fill(make.share(), count, paid, f"E{number}", fee, world.clock()))
        with world.store.begin() as work:
            postings = [Posting(f"in{number}{day}", PostingKind.FLOW, world.clock(), D(flow))] if flow else []  # type: ignore[arg-type]
            postings += [Posting(f"i{day}", PostingKind.INTEREST, world.clock(), D("0.37"))] if pays else []
            work.add_postings(postings)
        ended(world, day)
        day = world.desk.sessions.next(day)
    last = world.desk.sessions.previous(day)
    month = digests.digest(world.desk, Span.MONTH, MONDAY)
    each = [digests.digest(world.desk, Span.DAY, x) for x in world.desk.sessions.between(MONDAY, last)]
    for made in (month, *each):
        assert made.parts is not None
        assert made.parts.lines is not None
        assert made.parts.gap == 0
        assert sum((line.total or D(0) for line in made.parts.lines), D(0)) == made.parts.total
    closes = [D(100_000), *(made.equity for made in each)]
    for made, (before, after) in zip(each, pairwise(closes), strict=True):
        assert made.parts is not None
        assert made.parts.total == after - before - made.parts.flows  # type: ignore[operator]
    assert month.parts is not None
    assert month.parts.total == sum(made.parts.total for made in each if made.parts is not None)
    assert month.made is not None
    growth = np.prod([1 + made.made for made in each if made.made is not None])
    assert month.made == pytest.approx(growth - 1)


def trade(world: World, strategy: str, fill: Fill) -> None:
    """Book one execution of shares as the desk does."""
    id = {"wheel": "P00001", "lotto": "P00002", "swing": "P00003"}[strategy]
    with world.store.begin() as work:
        empty = make.position(id=id, campaign=id, strategy=strategy, approval_id=None, unit=(Leg(make.share(), 1),))
        position = work.find_position(id) or empty
        after, postings = ledger.apply_fill(position, fill)
        work.save_position(after)
        work.add_postings(postings)
