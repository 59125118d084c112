"""Adopt, ignore and book from a chat request to the books: what the broker holds and the desk did not trade."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.announce import card_for
from bot.message import Card, as_text
from engine import approvals, exits, holdings, orders, portfolio, trail
from engine.model.adoptions import Adoption, AdoptionStatus
from engine.model.book import Position
from engine.model.events import EventKind
from engine.model.instruments import Instrument, Right
from engine.model.legs import Structure
from tests import make
from tests.custodian import Kept, kept
from tests.desk import propose

PUT, SHARE, CALL = make.put(), make.share(), make.call(52)
LOWER = make.put(40)
D = make.D


def quoted() -> Kept:
    """A desk that agrees with its broker; the 52 call, the 44 and the 40 put and the shares have quotes."""
    desk = kept()
    desk.world.market.set_quote(CALL, "0.95", "1.05")
    desk.world.market.set_quote(LOWER, "0.30", "0.40")
    look(desk)
    return desk


def sold() -> Kept:
    """As `quoted`, with two 44 puts sold."""
    desk = quoted()
    propose(desk.world)
    approvals.approve(desk.world.desk, "A00001", 1, "ann")
    desk.broker.fill("A00001.1.1")
    orders.reconcile(desk.world.desk)
    return desk


def look(desk: Kept) -> None:
    desk.world.clock.advance(20)
    for item in (PUT, LOWER, CALL, SHARE):
        quote = desk.world.market.quotes([item]).get(item)
        if quote is not None:
            desk.world.market.set_quote(item, quote.bid, quote.ask)
    holdings.reconcile(desk.world.desk)


def questions(desk: Kept) -> tuple[Adoption, ...]:
    with desk.world.store.read() as work:
        return work.adoptions(AdoptionStatus.ASKED)


def question(desk: Kept) -> Adoption:
    (found,) = questions(desk)
    return found


def held(desk: Kept) -> tuple[Position, ...]:
    with desk.world.store.read() as work:
        return work.open_positions()


def quantities(desk: Kept) -> dict[Instrument, int]:
    return {leg.instrument: leg.quantity for position in held(desk) for leg in position.legs}


def assert_settled(desk: Kept) -> None:
    """The broker and the books agree, and the books add up to the cent."""
    look(desk)
    assert holdings.reconcile(desk.world.desk).agrees
    assert questions(desk) == ()
    assert portfolio.pnl(desk.world.desk).gap == 0


def posted(desk: Kept, kind: EventKind) -> Card:
    """The card of the latest event of a kind, as a platform would post it now."""
    event = desk.events(kind)[-1]
    card = card_for(desk.world.desk, event, f"adoption:{event.subject}", "PAPER")
    assert card is not None
    return card


def test_shares_from_nowhere_become_a_card_that_says_what_adopting_arms() -> None:
    desk = quoted()
    desk.broker.move(SHARE, 100, 44)
    look(desk)

    text = as_text(posted(desk, EventKind.ADOPTION_ASKED))

    assert "Not in the books: XYZ" in text
    assert "XYZ   +100    44.00" in text
    assert "Stop: sold at or below 33.00, 25 % under the average of 44.00." in text
    assert "[Adopt] [Ignore]" in text


def test_adopted_shares_have_their_stop_and_invent_no_profit() -> None:
    desk = quoted()
    before = portfolio.pnl(desk.world.desk)
    desk.broker.move(SHARE, 100, 44)
    look(desk)

    card = desk.card(action=f"adopt:{question(desk).id}", who="web:tom")

    (position,) = held(desk)
    after = portfolio.pnl(desk.world.desk)
    assert (position.strategy, position.structure, position.units) == ("adopted", Structure.SHARES, 100)
    assert position.exits.stop_spot == D(33)
    assert (after.totals.realised, after.totals.cash) == (before.totals.realised, before.totals.cash)
    assert after.totals.flows == D(4400)
    assert after.unrealised == D(400)
    assert after.equity - before.equity == D(4800)
    assert "In the books now, by tom." in card.lines
    assert_settled(desk)


def test_a_short_put_comes_in_as_the_debt_it_is() -> None:
    desk = quoted()
    desk.broker.move(PUT, -2, "1.20")
    look(desk)

    desk.card(action=f"adopt:{question(desk).id}")

    (position,) = held(desk)
    assert (position.structure, position.units, position.collateral) == (Structure.SHORT_PUT, 2, D(8800))
    assert portfolio.pnl(desk.world.desk).totals.flows == D(-240)
    assert_settled(desk)


@pytest.mark.parametrize(
    ("pieces", "structures"),
    [
        ([(PUT, -2, "1.20"), (LOWER, 2, "0.35")], [Structure.CREDIT_SPREAD]),
        ([(SHARE, 200, 44), (CALL, -2, "1.10")], [Structure.COVERED_CALL, Structure.SHARES]),
        (
            [(SHARE, 100, 44), (CALL, -1, "1.10"), (PUT, 1, "1.00")],
            [Structure.COVERED_CALL, Structure.LONG_PUT, Structure.SHARES],
        ),
    ],
)
def test_legs_that_belong_together_are_one_card_and_one_campaign(
    pieces: Sequence[tuple[Instrument, int, str]], structures: list[Structure]
) -> None:
    desk = quoted()
    for item, quantity, average in pieces:
        desk.broker.move(item, quantity, average)
    look(desk)

    desk.card(action=f"adopt:{question(desk).id}")

    assert sorted(position.structure for position in held(desk)) == sorted(structures)
    assert len({position.campaign for position in held(desk)}) == 1
    assert quantities(desk) == {item: quantity for item, quantity, _ in pieces}
    assert_settled(desk)


def test_a_call_written_by_hand_on_shares_of_ours_joins_their_campaign() -> None:
    desk = quoted()
    desk.broker.move(SHARE, 100, 44)
    look(desk)
    desk.card(action=f"adopt:{question(desk).id}")
    desk.broker.by_hand(CALL, -1, "1.00")
    look(desk)

    desk.card(action=f"adopt:{question(desk).id}")

    assert {position.structure for position in held(desk)} == {Structure.SHARES, Structure.COVERED_CALL}
    assert len({position.campaign for position in held(desk)}) == 1
    assert_settled(desk)


def test_two_people_tapping_adopt_make_one_position_and_the_second_is_told_who_won() -> None:
    desk = quoted()
    desk.broker.move(SHARE, 100, 44)
    look(desk)
    action = f"adopt:{question(desk).id}"

    desk.card(action=action, who="web:tom")
    told = desk.told(action=action, who="web:ann")

    assert told.endswith("was already adopted by tom.")
    assert quantities(desk) == {SHARE: 100}


def test_a_viewer_may_neither_adopt_nor_ignore() -> None:
    desk = quoted()
    desk.broker.move(SHARE, 100, 44)
    look(desk)

    for verb in ("adopt", "ignore"):
        assert "needs the role trader" in desk.told(action=f"{verb}:{question(desk).id}", who="web:vic")

    assert held(desk) == ()


def test_nobody_answers_and_it_stays_listed_and_is_asked_once() -> None:
    desk = quoted()
    desk.broker.move(SHARE, 100, 44)
    for _ in range(4):
        look(desk)

    assert len(desk.events(EventKind.ADOPTION_ASKED)) == 1
    assert desk.card("/adoptions").title == "Not in the books: XYZ"


def test_ignored_is_not_a_difference_until_there_is_more_of_it() -> None:
    desk = quoted()
    desk.broker.move(SHARE, 100, 44)
    look(desk)
    desk.card(action=f"ignore:{question(desk).id}", who="web:tom")
    look(desk)
    assert (questions(desk), holdings.reconcile(desk.world.desk).agrees) == ((), True)

    desk.broker.move(SHARE, 150, 44)
    look(desk)

    assert [(holding.instrument, holding.quantity) for holding in question(desk).held] == [(SHARE, 50)]
    with desk.world.store.read() as work:
        assert [adoption.decided_by for adoption in work.adoptions(AdoptionStatus.IGNORED)] == ["tom"]


def test_less_of_what_is_ignored_is_no_difference_and_more_again_is_asked() -> None:
    desk = quoted()
    desk.broker.move(SHARE, 100, 44)
    look(desk)
    desk.card(action=f"ignore:{question(desk).id}")
    desk.broker.move(SHARE, 60, 44)
    look(desk)
    assert holdings.reconcile(desk.world.desk).agrees

    desk.broker.move(SHARE, 100, 44)
    look(desk)

    assert [holding.quantity for holding in question(desk).held] == [40]


def test_an_uncovered_short_call_can_only_be_left_alone() -> None:
    desk = quoted()
    desk.broker.move(CALL, -1, "1.10")
    look(desk)

    card = posted(desk, EventKind.ADOPTION_ASKED)
    told = desk.told(action=f"adopt:{question(desk).id}")

    assert [button.label for row in card.buttons for button in row] == ["Ignore"]
    assert "uncovered" in told


def test_a_question_whose_difference_is_gone_is_withdrawn() -> None:
    desk = quoted()
    desk.broker.move(SHARE, 100, 44)
    look(desk)
    asked = question(desk)
    desk.broker.move(SHARE, 0)
    look(desk)

    assert "was withdrawn" in desk.told(action=f"adopt:{asked.id}")
    assert held(desk) == ()


def test_a_difference_that_changed_since_the_last_look_is_not_adopted() -> None:
    desk = quoted()
    desk.broker.move(SHARE, 100, 44)
    look(desk)
    desk.broker.move(SHARE, 40)

    assert "not what it was" in desk.told(action=f"adopt:{question(desk).id}")
    assert held(desk) == ()


def test_what_was_bought_by_hand_is_booked_at_its_own_prices() -> None:
    desk = quoted()
    desk.broker.by_hand(SHARE, 60, "47.00")
    desk.broker.by_hand(SHARE, 40, "48.00")
    look(desk)

    desk.card(action=f"adopt:{question(desk).id}")

    (position,) = held(desk)
    assert (position.entry, position.cost, position.exits.has_stop) == (D("47.40"), D(4740), True)
    assert portfolio.pnl(desk.world.desk).totals.flows == 0
    with desk.world.store.read() as work:
        assert [fill.execution_id for fill in work.fills(position_id=position.id)] == ["hand1", "hand2"]
    assert_settled(desk)


def test_more_of_what_the_desk_holds_bought_by_hand_is_a_position_of_its_own() -> None:
    desk = sold()
    desk.broker.by_hand(PUT, -1, "1.00")
    look(desk)

    desk.card(action=f"adopt:{question(desk).id}")

    assert sorted((position.strategy, position.units) for position in held(desk)) == [("adopted", 1), ("wheel", 2)]
    assert_settled(desk)


def test_what_was_closed_by_hand_is_offered_with_its_executions_and_booked_once() -> None:
    desk = sold()
    desk.broker.by_hand(PUT, 2, "0.50")
    look(desk)
    text = as_text(posted(desk, EventKind.ADOPTION_ASKED))

    desk.card(action=f"adopt:{question(desk).id}")

    assert "Traded outside the desk: XYZ" in text
    assert "[Book it]" in text
    assert "[Ignore]" not in text
    assert held(desk) == ()
    with desk.world.store.read() as work:
        (trade,) = work.trades()
    assert (trade.pnl, trade.reason) == (D(106), "outside")
    assert_settled(desk)


def test_what_is_missing_cannot_be_ignored() -> None:
    desk = sold()
    desk.broker.by_hand(PUT, 2, "0.50")
    look(desk)

    assert "cannot be ignored" in desk.told(action=f"ignore:{question(desk).id}")


def test_what_was_bought_by_hand_may_be_left_alone_and_its_cash_is_a_flow() -> None:
    desk = quoted()
    desk.broker.by_hand(SHARE, 100, "47.00")
    look(desk)
    desk.card(action=f"ignore:{question(desk).id}")
    look(desk)

    desk.card(action=f"adopt:{question(desk).id}")

    totals = portfolio.pnl(desk.world.desk).totals
    assert (held(desk), totals.flows, totals.realised) == ((), D(-4700), D(0))
    assert_settled(desk)


def test_what_is_missing_without_an_execution_stays_an_alert() -> None:
    desk = sold()
    desk.broker.move(PUT, 2)
    look(desk)

    assert questions(desk) == ()
    assert len(desk.events(EventKind.POSITION_MISMATCH)) == 1


def test_a_position_closed_by_hand_has_its_working_exit_taken_off() -> None:
    desk = sold()
    (position,) = held(desk)
    exits.close(desk.world.desk, position.id, "ann")
    desk.broker.by_hand(PUT, 2, "0.50")
    look(desk)
    look(desk)
    assert [order for order in desk.broker.sent.values() if order.is_open] == []

    desk.card(action=f"adopt:{question(desk).id}")

    assert held(desk) == ()
    assert_settled(desk)


def test_a_round_trip_by_hand_is_found_by_its_cash() -> None:
    desk = quoted()
    desk.broker.by_hand(SHARE, 100, "47.00")
    desk.broker.by_hand(SHARE, -100, "46.00")
    look(desk)

    desk.card(action=f"adopt:{question(desk).id}")

    assert portfolio.pnl(desk.world.desk).totals.realised == D(-100)
    assert_settled(desk)


def test_cash_without_a_reason_is_booked_as_a_flow_and_never_as_profit() -> None:
    desk = quoted()
    desk.broker.wired = Decimal(2500)
    look(desk)

    card = desk.card(action=f"adopt:{question(desk).id}")

    totals = portfolio.pnl(desk.world.desk).totals
    assert (totals.flows, totals.realised) == (D(2500), D(0))
    assert ("Difference", "+2,500.00") in card.facts
    assert_settled(desk)


def test_cents_of_fees_make_no_new_question_and_what_is_booked_is_the_difference_of_now() -> None:
    desk = quoted()
    for cents in ("2500", "2499.30", "2501.10"):
        desk.broker.wired = Decimal(cents)
        look(desk)
    assert len(desk.events(EventKind.ADOPTION_ASKED)) == 1

    desk.card(action=f"adopt:{question(desk).id}")

    assert portfolio.pnl(desk.world.desk).totals.flows == D("2501.10")


def test_a_spread_opened_by_hand_is_one_position_with_the_exits_of_a_spread() -> None:
    desk = quoted()
    desk.broker.by_hand(PUT, -2, "1.20")
    desk.broker.by_hand(LOWER, 2, "0.35")
    look(desk)

    desk.card(action=f"adopt:{question(desk).id}")

    (position,) = held(desk)
    assert (position.structure, position.units, position.entry) == (Structure.CREDIT_SPREAD, 2, D("-0.85"))
    assert position.exits.stop == D("-2.55")
    assert_settled(desk)


def test_half_a_spread_closed_by_hand_leaves_a_leg_that_is_told_and_can_be_closed() -> None:
    desk = quoted()
    desk.broker.move(PUT, -2, "1.20")
    desk.broker.move(LOWER, 2, "0.35")
    look(desk)
    desk.card(action=f"adopt:{question(desk).id}")
    desk.broker.by_hand(LOWER, -2, "0.30")
    look(desk)

    desk.card(action=f"adopt:{question(desk).id}")

    (position,) = held(desk)
    assert [(leg.instrument, leg.ratio) for leg in position.unit] == [(PUT, -1)]
    assert position.units == 2
    assert_settled(desk)


def test_the_card_of_a_decided_question_takes_the_place_of_the_question() -> None:
    desk = quoted()
    desk.broker.move(make.option(50, Right.PUT), 1, "3.00")
    look(desk)
    before = posted(desk, EventKind.ADOPTION_ASKED)
    desk.card(action=f"adopt:{question(desk).id}")

    after = posted(desk, EventKind.ADOPTION_DECIDED)

    assert (before.key, before.version, after.version) == (after.key, 1, 2)
    assert after.buttons == ()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["hand", "moved", "wired"]),
        st.sampled_from([PUT, LOWER, SHARE]),
        st.sampled_from([-100, -2, -1, 1, 2, 100]),
        st.sampled_from(["0.40", "1.10", "46.00"]),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_whatever_other_hands_do_the_books_add_up_to_the_cent_after_every_answer(
    steps: list[tuple[str, Instrument, int, str]],
) -> None:
    desk = quoted()
    for kind, item, quantity, price in steps:
        if kind == "hand":
            desk.broker.by_hand(item, quantity, price)
        elif kind == "moved":
            before = desk.broker.moved.get(item)
            desk.broker.move(item, quantity + (before.quantity if before else 0), price)
        else:
            desk.broker.wired += D(price) * quantity
        look(desk)
        for waiting in questions(desk):
            desk.ask(action=f"adopt:{waiting.id}")
            assert portfolio.pnl(desk.world.desk).gap == 0
        look(desk)
        for waiting in questions(desk):
            desk.ask(action=f"adopt:{waiting.id}")

    assert portfolio.pnl(desk.world.desk).gap == 0
    assert all(position.exits.has_stop for position in held(desk) if position.strategy == "adopted" and position.units)


def test_the_story_of_an_adopted_position_tells_how_it_came_into_the_books() -> None:
    desk = quoted()
    desk.broker.move(SHARE, 100, 44)
    look(desk)
    asked = question(desk).id
    desk.card(action=f"adopt:{asked}", who="web:tom")
    (position,) = held(desk)

    with desk.world.store.read() as work:
        of_position, of_question = trail.follow(work, position.id).events, trail.follow(work, asked).events

    kinds = [sealed.event.kind for sealed in of_position]
    assert kinds.index(EventKind.ADOPTION_ASKED) < kinds.index(EventKind.COMMAND)
    assert kinds.index(EventKind.COMMAND) < kinds.index(EventKind.ADOPTION_DECIDED)
    assert of_question == of_position
