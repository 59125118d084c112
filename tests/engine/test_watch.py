"""The watch between orders: what it locks, when it does not, and how that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import bounds, locks, standing, watch
from engine.model.book import PositionStatus, Posting, PostingKind
from engine.model.events import Event, EventKind, Severity
from engine.model.instruments import Instrument
from engine.model.legs import Leg, Structure
from engine.model.limits import Limits
from engine.model.locks import Lock, LockKind, LockStatus, Scope
from engine.model.market import Quote
from engine.model.records import EquityDay
from engine.model.trade import Campaign
from strategies import CATALOGUE
from tests import make
from tests.desk import World, make_world
from tests.fakes import FakeMarket

D = Decimal
SHARES = make.share()


def world(shares: int = 0, price: str = "48", **more: Any) -> World:
    """100,000 in all; so many shares of XYZ bought at 48, now at `price`."""
    made = make_world(strategies=dict(CATALOGUE), **more)
    if shares:
        position = make.position(
            id="P00001",
            approval_id=None,
            structure=Structure.SHARES,
            unit=(Leg(SHARES, 1),),
            lots=(make.held(SHARES, shares, 48),),
            opened_units=shares,
        )
        with made.store.begin() as work:
            work.save_position(position)
            work.add_postings((Posting("buy", PostingKind.TRADE, make.NOW, D(-48 * shares)),))
    reprice(made, price)
    return made


def reprice(made: World, price: str, spread: str = "0.02") -> None:
    half = D(spread) / 2
    made.market.set_quote(SHARES, D(price) - half, D(price) + half)


def look(made: World, seconds: float = 0) -> tuple[Lock, ...]:
    """One look after so many seconds, and the locks in force then."""
    made.clock.advance(seconds)
    watch.look(made.desk)
    with made.store.read() as work:
        return locks.held(made.desk, work)


def breaches(made: World) -> tuple[Event, ...]:
    with made.store.read() as work:
        return work.events(kinds=[EventKind.RISK_BREACHED])


def yesterday(made: World, equity: str, day: date = date(2026, 6, 12), flows: str = "0") -> None:
    zero = D(0)
    at = datetime(day.year, day.month, day.day, 20, 15, tzinfo=UTC)
    row = EquityDay(day, at, D(equity), D(equity), zero, zero, zero, zero, D(flows), zero)
    with made.store.begin() as work:
        work.add_equity(row)


# 300 shares at 48 are 14,400: under a fifth of the account. Every dollar they lose is 0.3 % of it.


def test_nothing_is_judged_before_the_books_have_their_opening_balance() -> None:
    """Nobody has heard of the account yet: what is held would be more than all there is."""
    made = make_world(deposit=None)
    position = make.position(
        id="P00001",
        approval_id=None,
        structure=Structure.SHARES,
        unit=(Leg(SHARES, 1),),
        lots=(make.held(SHARES, 100, 48),),
        opened_units=100,
    )
    with made.store.begin() as work:
        work.save_position(position)
    reprice(made, "48")

    assert look(made) == ()


def test_nothing_is_locked_while_every_limit_holds() -> None:
    assert look(world(300)) == ()


def test_what_prices_alone_take_over_a_limit_is_told_at_the_first_look() -> None:
    made = world(300)
    assert look(made) == ()
    reprice(made, "68")  # delta dollars 20,400 of 106,000: 19.2 %
    assert look(made, 700) == ()
    reprice(made, "72")  # 21,600 of 107,200: 20.1 %

    (lock,) = look(made, 700)

    assert (lock.scope, lock.subject, lock.kind) == (Scope.TICKER, "XYZ", LockKind.BREACH)
    assert [event.subject for event in breaches(made)] == [lock.id]
    assert "20.1 % is past its limit of 20.0 %" in str(breaches(made)[0].data["words"])


def test_a_limit_is_told_once_and_free_only_well_inside_again() -> None:
    """Between 95 % of the limit and the limit nothing is said: at the edge it would flap."""
    made = world(300)
    for price in ("72", "71", "72", "70.5", "72"):
        reprice(made, price)
        held = look(made, 700)
    assert len(held) == len(breaches(made)) == 1

    reprice(made, "69")  # 20,700 of 106,300: 19.5 %, under the limit but not under 19 %
    assert look(made, 700) == held
    reprice(made, "66.50")  # 19,950 of 105,550: 18.9 %
    assert look(made, 700) == ()

    with made.store.read() as work:
        told = work.events(kinds=[EventKind.LOCK_CHANGED])
    assert [(event.subject, event.data["status"], event.severity) for event in told] == [
        (held[0].id, "lifted", Severity.INFO)
    ]


class Overtaken(FakeMarket):
    """A market whose next answer is on its way for so long that `meanwhile` happens before it arrives."""

    meanwhile: Callable[[], object] | None = None

    def quotes(self, instruments: Iterable[Instrument]) -> Mapping[Instrument, Quote]:
        answer, meanwhile = super().quotes(instruments), self.meanwhile
        self.meanwhile = None
        if meanwhile is not None:
            meanwhile()
        return answer


def test_a_look_that_another_has_overtaken_lifts_no_lock_and_tells_nothing_again() -> None:
    made = world(300, "66")
    assert look(made) == ()
    made.clock.advance(700)
    slow = Overtaken(made.clock)
    slow.set_quote(SHARES, "65.99", "66.01")

    def another() -> None:
        reprice(made, "72")
        watch.look(made.desk)

    slow.meanwhile = another
    watch.look(replace(made.desk, market=slow))
    (lock,) = look(made, 15)

    assert (lock.kind, lock.subject, lock.id) == (LockKind.BREACH, "XYZ", "L00001")
    assert len(breaches(made)) == 1


def test_a_breach_that_a_person_unlocked_is_not_locked_again_while_it_lasts() -> None:
    made = world(300, "72")
    (lock,) = look(made)
    locks.lift(made.desk, lock.id, "ann")

    assert look(made, 700) == ()
    assert len(breaches(made)) == 1


def test_a_limit_set_below_what_is_used_is_passed_at_once() -> None:
    made = world(300)
    bounds.set_limit(made.desk, "one_underlying", D("0.10"), "ann")

    (lock,) = look(made)

    assert lock.subject == "XYZ"


def test_an_account_wide_limit_stops_the_whole_desk() -> None:
    made = world(300)
    bounds.set_limit(made.desk, "max_total_risk", D("0.02"), "ann")  # a fifth of 14,400 counts: 2.9 %

    assert [(lock.scope, lock.subject) for lock in look(made)] == [(Scope.DESK, "")]


def test_a_day_loss_needs_two_readings_a_minute_apart() -> None:
    made = world(300, "41")  # 2,100 of 97,900: 2.1 %
    yesterday(made, "100000")

    assert look(made) == ()
    assert look(made, 59) == ()
    (lock,) = look(made, 1)

    assert (lock.kind, lock.scope) == (LockKind.DAY_LOSS, Scope.DESK)
    assert lock.until == datetime(2026, 6, 16, 13, 30, tzinfo=UTC)


def test_a_price_that_was_back_in_between_is_no_second_reading() -> None:
    made = world(300, "41")
    yesterday(made, "100000")
    look(made)
    reprice(made, "47")
    look(made, 30)
    reprice(made, "41")

    assert look(made, 30) == ()
    assert look(made, 59) == ()
    assert len(look(made, 1)) == 1


def test_a_wide_quote_is_no_loss() -> None:
    """Sold at the bid the day would have lost 3.1 %; at the mid it lost nothing."""
    made = world(300)
    yesterday(made, "100000")
    reprice(made, "48", spread="20")
    look(made)

    assert look(made, 61) == ()


def test_marks_before_the_bell_trip_nothing() -> None:
    made = world(300, "20")
    yesterday(made, "100000")
    made.clock.set(datetime(2026, 6, 15, 13, 0, tzinfo=UTC))

    assert look(made) == ()
    assert look(made, 120) == ()
    made.clock.set(datetime(2026, 6, 15, 13, 30, tzinfo=UTC))
    assert all(lock.kind is LockKind.BREACH for lock in look(made))  # the first reading of a loss is this one


def test_a_reading_of_yesterday_is_no_first_reading_of_today() -> None:
    made = world(300, "41")
    yesterday(made, "100000")
    made.clock.set(datetime(2026, 6, 15, 19, 59, 50, tzinfo=UTC))
    look(made)
    made.clock.set(datetime(2026, 6, 16, 13, 30, tzinfo=UTC))
    yesterday(made, "100000", date(2026, 6, 15))

    assert look(made) == ()


def test_a_deposit_hides_no_loss_and_a_withdrawal_is_none() -> None:
    lost = world(300, "41")
    yesterday(lost, "100000")
    with lost.store.begin() as work:
        work.add_postings((Posting("in", PostingKind.FLOW, make.NOW, D(5_000)),))
    look(lost)
    assert [lock.kind for lock in look(lost, 60)] == [LockKind.DAY_LOSS]

    drawn = world(300)
    yesterday(drawn, "100000")
    with drawn.store.begin() as work:
        work.add_postings((Posting("out", PostingKind.FLOW, make.NOW, D(-5_000)),))
    look(drawn)
    assert look(drawn, 60) == ()


def test_a_day_loss_is_over_at_the_next_opening_bell() -> None:
    made = world(300, "41")
    yesterday(made, "100000")
    look(made)
    look(made, 60)
    yesterday(made, "97900", date(2026, 6, 15))
    made.clock.set(datetime(2026, 6, 16, 13, 30, tzinfo=UTC))
    reprice(made, "41")

    assert look(made) == ()
    assert look(made, 60) == ()


def test_a_day_loss_that_was_unlocked_is_not_locked_again_that_day() -> None:
    made = world(300, "41")
    yesterday(made, "100000")
    look(made)
    (lock,) = look(made, 60)
    locks.lift(made.desk, lock.id, "ann")

    assert look(made, 60) == look(made, 60) == ()


def test_a_week_loss_holds_until_next_weeks_first_bell() -> None:
    """Measured from Friday's close; Friday 19 June is a holiday, so Monday the 22nd is next."""
    made = world(300, "31")  # 5,100: 5.4 %
    yesterday(made, "100000")
    made.clock.set(datetime(2026, 6, 17, 15, 0, tzinfo=UTC))
    yesterday(made, "95500", date(2026, 6, 16))
    reprice(made, "31")
    look(made)

    held = {lock.kind: lock.until for lock in look(made, 60)}

    assert held[LockKind.WEEK_LOSS] == datetime(2026, 6, 22, 13, 30, tzinfo=UTC)
    assert LockKind.DAY_LOSS not in held


def drawn_down() -> World:
    made = world(300, "14")  # 10,200 lost
    yesterday(made, "90000")  # no day, no week: lost long ago
    look(made)
    return made


def test_a_drawdown_halts_until_somebody_resumes() -> None:
    made = drawn_down()

    (lock,) = [lock for lock in look(made, 60) if lock.kind is LockKind.DRAWDOWN]

    assert (lock.scope, lock.until) == (Scope.DESK, None)
    urgent = [event for event in breaches(made) if event.subject == lock.id]
    assert [event.severity for event in urgent] == [Severity.URGENT]


def test_a_forgiven_drawdown_is_measured_anew_from_the_equity_of_then() -> None:
    made = drawn_down()
    look(made, 60)
    made.broker.cash = D(89_800)

    assert locks.forgive_drawdown(made.desk, "ann")

    assert all(lock.kind is not LockKind.DRAWDOWN for lock in (*look(made, 60), *look(made, 60)))
    standing.refresh_account(made.desk)
    with made.store.read() as work:
        now = standing.risk_state(made.desk, work, ())
        again = standing.state_at(made.desk, work, (), D("80820"), D(0))
    assert (now.drawdown, again.drawdown) == (D(0), D("0.1"))
    assert not locks.forgive_drawdown(made.desk, "ann")


def test_a_higher_close_after_that_is_the_new_peak() -> None:
    made = drawn_down()
    look(made, 60)
    made.broker.cash = D(89_800)
    locks.forgive_drawdown(made.desk, "ann")
    yesterday(made, "95000", date(2026, 6, 15))

    with made.store.read() as work:
        assert standing.state_at(made.desk, work, (), D("85500"), D(0)).drawdown == D("0.1")


def test_without_a_price_nothing_is_judged() -> None:
    made = world(300, "20")
    made.market.drop_quote(SHARES)
    yesterday(made, "100000")
    look(made)

    assert look(made, 61) == ()


# A strategy's own equity.


def test_the_curve_of_a_strategy_is_chained_day_by_day() -> None:
    """-5 % and -5 % of what the account had each morning: 0.9025, not 0.90."""
    monday, tuesday = date(2026, 6, 15), date(2026, 6, 16)
    curve = watch.drawn_on(None, monday, D(0), D(100_000))
    curve = watch.drawn_on(curve, monday, D(-5_000), D(100_000))
    curve = watch.drawn_on(curve, tuesday, D(-9_750), D(95_000))

    assert curve.last == pytest.approx(0.9025)
    assert float(curve.fall) == pytest.approx(0.0975)


@pytest.mark.parametrize(("price", "pauses"), [("14.67", False), ("14.66", True)])
def test_a_low_risk_strategy_pauses_at_a_tenth(price: str, pauses: bool) -> None:
    """300 shares bought at 48: 9,999 are no pause, 10,002 are one. The account's own limits are out of the way."""
    wide = replace(Limits(), daily_loss=D(1), weekly_loss=D(1), drawdown_halt=D(1))
    made = world(300, limits=wide)
    yesterday(made, "100000")
    look(made)
    reprice(made, price)
    look(made, 60)

    held = {(lock.kind, lock.subject) for lock in look(made, 60)}

    assert ((LockKind.PAUSE, "wheel") in held) is pauses


def test_a_pause_that_was_lifted_begins_a_new_curve() -> None:
    wide = replace(Limits(), daily_loss=D(1), weekly_loss=D(1), drawdown_halt=D(1))
    made = world(300, limits=wide)
    yesterday(made, "100000")
    look(made)
    reprice(made, "14")
    look(made, 60)
    (lock,) = [lock for lock in look(made, 60) if lock.kind is LockKind.PAUSE]

    locks.lift(made.desk, lock.id, "ann")

    assert [x.kind for x in (*look(made, 60), *look(made, 60)) if x.kind is LockKind.PAUSE] == []
    with made.store.read() as work:
        assert watch.falls(work)["wheel"] == 0


# Losing streaks.


def campaigns(results: Sequence[int]) -> tuple[Campaign, ...]:
    return tuple(
        Campaign("wheel", "XYZ", make.NOW + timedelta(days=row), D(result), float(result))
        for row, result in enumerate(results)
    )


@pytest.mark.parametrize(
    ("wins", "losses", "allowed"),
    [
        (0, 9, 5),  # too few for a win rate
        (60, 40, 5),  # 0.4^4 = 2.6 %, 0.4^5 = 1.0 %
        (50, 50, 6),  # 0.5^5 = 3.1 %, 0.5^6 = 1.6 %
        (45, 55, 7),  # 0.55^6 = 2.8 %, 0.55^7 = 1.5 %
        (20, 80, 18),  # 0.8^17 = 2.3 %, 0.8^18 = 1.8 %
        (10, 90, 20),  # 38 would be needed
        (0, 20, 20),
        (95, 5, 5),  # 0.05^2 is enough, but five are the fewest
        (20, 0, 5),
    ],
)
def test_the_streak_that_pauses_is_the_one_chance_hardly_makes(wins: int, losses: int, allowed: int) -> None:
    assert watch.streak_limit(campaigns([1] * wins + [-1] * losses), Limits()) == allowed


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_streak_is_the_smallest_that_will_do(wins: int, losses: int) -> None:
    found = watch.streak_limit(campaigns([1] * wins + [-1] * losses), Limits())

    assert 5 <= found <= 20
    if wins + losses >= watch.FEW:
        rate = losses / (wins + losses)
        assert found == 20 or rate**found <= 0.02 + 1e-9
        assert found == 5 or rate ** (found - 1) > 0.02 - 1e-9


def test_a_campaign_that_broke_even_is_no_win() -> None:
    assert watch.losing_streak(campaigns([5, -1, 0, -2])) == 3


def lose(made: World, number: int) -> None:
    """One more wheel campaign closed with a loss."""
    made.clock.advance(60)
    position = make.position(
        id=f"P{number:05d}",
        campaign=f"C{number:05d}",
        approval_id=None,
        status=PositionStatus.CLOSED,
        entry=D("-1.03"),
        opened_units=1,
        realised=D(-100),
        collateral=D(4400),
        closed_at=made.clock(),
    )
    with made.store.begin() as work:
        work.save_position(position)


def test_five_losses_in_a_row_pause_a_strategy_for_five_sessions() -> None:
    made = world()
    for number in range(1, 5):
        lose(made, number)
    assert look(made) == ()
    lose(made, 5)

    (lock,) = look(made)

    assert (lock.scope, lock.subject, lock.kind) == (Scope.STRATEGY, "wheel", LockKind.STREAK)
    assert lock.until == datetime(2026, 6, 23, 13, 30, tzinfo=UTC)  # Friday 19 June is a holiday


def test_after_the_pause_the_count_begins_anew() -> None:
    made = world()
    for number in range(1, 6):
        lose(made, number)
    look(made)
    made.clock.set(datetime(2026, 6, 23, 14, 0, tzinfo=UTC))
    assert look(made) == ()

    lose(made, 6)
    assert look(made) == ()
    for number in range(7, 11):
        lose(made, number)

    assert [lock.kind for lock in look(made)] == [LockKind.STREAK]


def test_a_row_of_losses_does_not_excuse_itself() -> None:
    """Eleven losses and nothing else: counted into the win rate they would allow twenty."""
    made = world()
    for number in range(1, 12):
        lose(made, number)

    assert [lock.reason for lock in look(made)] == ["11 losing campaigns in a row, 5 pause it"]


def test_every_lock_of_the_watch_is_kept_with_how_it_ended() -> None:
    made = world(300, "72")
    (lock,) = look(made)
    reprice(made, "48")
    look(made, 700)

    with made.store.read() as work:
        kept = work.find_lock(lock.id)

    assert kept is not None
    assert (kept.status, kept.ended_by) == (LockStatus.LIFTED, "desk")
