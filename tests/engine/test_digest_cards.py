"""The digest's card: the numbers of our own books, what is known and what is not, in the words of whoever reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from bot.announce import told_digest
from bot.message import Card, table_text
from bot.words import told_in
from engine import digests, standing
from engine.model.digests import Health, Index, Old, Span
from engine.model.events import EventKind
from engine.model.market import Bar, Dividend
from engine.model.records import EquityDay, Run, RunState
from tests import make
from tests.desk import World, make_world
from tests.engine.test_digests import MONDAY, SESSIONS, ended, holding, story, told
from tests.rolling import NEW

D = make.D
PHONE = 36


def card(span: Span, day: date) -> Card:
    return told_digest(story().world.desk, told(span, day), "PAPER")


def test_the_day_s_card_says_the_numbers_of_our_own_books() -> None:
    """Thursday: 126.00 by the wheel, the lotto and a spread."""
    shown = card(Span.DAY, date(2026, 6, 18))
    own = story().told[date(2026, 6, 18)].lines_since(story().told[date(2026, 6, 17)])
    facts = dict(shown.facts)
    assert shown.lines[0].startswith("Made +126.00 (+0.12 %).")
    assert (facts["Week to date"], facts["Equity"], facts["Fees"]) == ("+50.76", "105,050.76", "4.00")
    assert facts["Premium"] == "170.00 collected"
    assert facts["Positions"] == "1 opened, 1 assigned, 4 held"
    assert shown.lines[1] == f"{NEW} assigned"
    rows = {row[0]: row[2] for row in shown.tables[0].rows}
    shortened = {"spx_credit_spreads": "spx_credit_s…"}
    assert rows == {shortened.get(name, name): f"{line.net:+,.2f}" for name, line in own.items()}


def test_the_week_s_card_says_the_numbers_of_our_own_books() -> None:
    shown = card(Span.WEEK, MONDAY)
    facts = dict(shown.facts)
    assert shown.title == "Week of Mon 15 Jun 26"
    assert shown.lines[0] == "Made +50.76 (+0.05 %)."
    assert facts["Best day"] == "+126.00 on Thu 18 Jun"
    assert facts["Worst day"] == "-128.24 on Tue 16 Jun"
    assert facts["Paid in"] == "+5,000.00, not counted as made"
    assert (facts["Realised"], facts["Interest"], facts["Fees"]) == ("-192.00", "+3.21", "13.45")
    assert facts["Positions"] == "4 opened, 1 ended, 1 rolled, 1 assigned, 4 held"
    assert [row[2] for row in shown.tables[0].rows] == ["+165.00", "+6.00", "-123.00", "+2.76"]
    assert shown.pictures[0].alt.startswith(
        "Week of Mon 15 Jun 26: +50.76, each session: Mon 15 Jun -3.00; Tue 16 Jun -128.24"
    )


def test_a_day_on_which_nothing_was_held_says_so_and_lists_no_zeros() -> None:
    world = ended(make_world(), MONDAY)
    shown = told_digest(world.desk, digests.digest(world.desk, Span.DAY, MONDAY), "PAPER")
    assert shown.lines[0] == "Made 0.00: nothing was held or traded."
    assert [name for name, _ in shown.facts] == [
        "Week to date", "Month to date", "Equity", "Since start", "Positions", "Risk", "System",
    ]  # fmt: skip


@pytest.mark.parametrize("span", list(Span))
@pytest.mark.parametrize("day", SESSIONS, ids=str)
def test_every_card_fits_a_phone_with_one_table_and_one_picture(span: Span, day: date) -> None:
    shown = card(span, day)
    assert len(shown.tables) <= 1
    assert len(shown.pictures) <= 1
    for table in shown.tables:
        assert max(map(len, table_text(table).splitlines())) <= PHONE


@pytest.mark.parametrize(
    ("zone", "lines"),
    [
        ("America/New_York", ["Taken late, at 2026-06-16 08:00 ET, at the prices of then.",
                              "XYZ is priced as of 2026-06-15 16:15 ET."]),
        ("Europe/Berlin", ["Taken late, at 2026-06-16 14:00 CEST, at the prices of then.",
                           "XYZ is priced as of 2026-06-15 22:15 CEST."]),
    ],
)  # fmt: skip
def test_times_of_a_digest_are_those_of_whoever_reads_it(zone: str, lines: list[str]) -> None:
    world = ended(holding(make_world()), date(2026, 6, 12))
    with world.store.begin() as work:
        marks = standing.Marks({make.share(): D(48)}, {}, {}, ())
        standing.save_marks(work, marks, world.desk.sessions.at(MONDAY, "16:15"))
    world.market.drop_quote(make.share())
    world.clock.set(world.desk.sessions.at(date(2026, 6, 16), "08:00"))
    digests.end_once(world.desk)
    with told_in(zone):
        shown = told_digest(world.desk, digests.digest(world.desk, Span.DAY, MONDAY), "PAPER")
    assert list(shown.lines[1:3]) == lines


def test_many_old_prices_are_one_line_that_names_the_oldest() -> None:
    made = told(Span.DAY, MONDAY)
    old = tuple(Old(f"X{hour}", datetime(2026, 6, 12, hour, tzinfo=UTC)) for hour in (19, 17, 18, 20))
    shown = told_digest(story().world.desk, replace(made, old=old), "PAPER")
    assert shown.lines[1] == "4 prices are old; the oldest, X17's, is of 2026-06-12 13:00 ET."


def with_index(world: World, closes: tuple[float, ...], last: float | None, paid: str | None = None) -> World:
    """SPY's closes up to Friday 12 June, its price of Monday, and what it pays on Monday."""
    days = make.weekdays(len(closes))
    bars = make.bars(closes, "SPY", days=days)
    dividends = None if paid is None else (Dividend(MONDAY, D(paid)),)
    session = None if last is None else Bar(MONDAY, last, last, last, last)
    world.market.set_snapshot(make.snapshot("SPY", 600, bars=bars, session=session, dividends=dividends))
    with world.store.begin() as work:
        zero = D(0)
        friday = make.weekdays(1)[0]
        at = make.NOW - timedelta(days=3)
        work.add_equity(make_row(friday, at, D(100_000), zero))
    return world


def make_row(day: date, at: datetime, equity: Decimal, zero: Decimal) -> EquityDay:
    return EquityDay(day, at, equity, equity, zero, zero, zero, zero, zero, zero)


def test_the_index_is_measured_between_the_same_closes_with_what_it_paid() -> None:
    """From 600 to 606 with 1.50 paid: (606 + 1.5) / 600 is 1.25 % more."""
    made = digests.digest(ended(with_index(make_world(), (599, 600), 606.0, "1.50"), MONDAY).desk, Span.DAY, MONDAY)
    assert made.index is not None
    assert made.index.change == pytest.approx(0.0125)
    assert made.index.has_dividends


def test_an_index_whose_close_of_the_day_nobody_knows_is_left_out() -> None:
    world = ended(with_index(make_world(), (599, 600), None), MONDAY)
    made = digests.digest(world.desk, Span.DAY, MONDAY)
    assert made.index is None
    assert "SPY" not in told_digest(world.desk, made, "PAPER").lines[0]


def test_dividends_of_the_index_that_nobody_tells_are_said_to_be_missing() -> None:
    world = ended(with_index(make_world(), (599, 600), 606.0), MONDAY)
    made = digests.digest(world.desk, Span.DAY, MONDAY)
    assert made.index == Index("SPY", pytest.approx(0.01), False)  # type: ignore[arg-type]
    assert (
        told_digest(world.desk, made, "PAPER").lines[0]
        == "Made 0.00: nothing was held or traded. SPY +1.00 % without dividends."
    )


def test_how_the_desk_itself_did_is_counted_in_one_line() -> None:
    world = make_world()
    with world.store.begin() as work:
        for number, state in enumerate((RunState.MISSED, RunState.MISSED, RunState.FAILED, RunState.DONE)):
            at = world.clock() + timedelta(minutes=number)
            work.add_run(Run(f"R{number}", "scan wheel", at, at, state=state))
        work.add_event(world.desk.event(EventKind.ERROR, "loop", {}))
    made = digests.digest(ended(world, MONDAY).desk, Span.DAY, MONDAY)
    assert made.health == Health(missed=2, failed=1, errors=1)
    assert dict(told_digest(world.desk, made, "PAPER").facts)["System"] == "2 runs missed, 1 run failed, 1 error"


def test_market_hours_without_a_sign_of_life_are_told() -> None:
    """Signs from 10:00 on, none from 15:58:30 to 16:08: a minute and a half of the session."""
    world = make_world()
    times = ("10:00", *(f"{10 + minute // 60}:{minute % 60:02}" for minute in range(1, 359)), "16:08")
    with world.store.begin() as work:
        for clock in times:
            for second in (0, 30):
                at = world.desk.sessions.at(MONDAY, clock) + timedelta(seconds=second)
                work.beat(at, world.desk.term)
    made = digests.digest(ended(world, MONDAY).desk, Span.DAY, MONDAY)
    assert made.health == Health(down=90.0)
    assert dict(told_digest(world.desk, made, "PAPER").facts)["System"] == "down 90 s of market hours"
