"""Limits, locks and switches from the chat to the broker and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from alerts.routes import card_key
from bot.announce import card_for
from bot.completion import complete
from bot.handlers.limits import fraction
from bot.loops import Desks, works
from bot.message import Card, as_text, table_text
from bot.notices import notice
from engine import orders, standing, watch
from engine.errors import BadRequest
from engine.model.book import Posting, PostingKind
from engine.model.events import EventKind, Severity
from engine.model.legs import Leg, Structure
from engine.model.limits import SETTABLE, DayTradeRule, Limits
from engine.model.orders import OrderStatus, TicketStatus
from tests import make
from tests.bot.rooms import Visit, visit
from tests.desk import propose

D = Decimal


def fresh(here: Visit, id: str) -> None:
    """A new proposal in the name, at fresh quotes and a fresh account."""
    here.world.market.set_quote(make.put(), "0.98", "1.08")
    here.world.market.set_quote(make.share(), "47.99", "48.01")
    standing.refresh_account(here.world.desk)
    propose(here.world, id=id, expires_at=here.world.clock() + timedelta(minutes=5))


def row(card: Card, name: str) -> tuple[str, ...]:
    return next(cells for cells in card.tables[0].rows if cells[0] == name)


def test_limits_shows_what_is_in_force_and_used() -> None:
    here = visit()
    fresh(here, "A00001")
    here.ask(action="approve:A00001.1", who="web:tom")

    card = here.card("/limits")

    assert row(card, "max_total_risk") == ("max_total_risk", "30 %", "0.9 %")
    assert row(card, "put_collateral_each") == ("put_collateral_each", "10 %", "8.8 %")
    assert row(card, "put_collateral_total") == ("put_collateral_total", "50 %", "8.8 %")
    assert [cells[0] for cells in card.tables[0].rows] == list(SETTABLE)
    assert max(len(line) for line in table_text(card.tables[0]).splitlines()) <= 36


def test_limits_are_shown_without_the_broker() -> None:
    here = visit()
    here.world.clock.advance(300)
    here.world.broker.is_mute = True

    card = here.card("/limits")

    assert "What is used is not known" in card.lines[0]
    assert row(card, "daily_loss") == ("daily_loss", "2 %", "-")


def test_a_tightened_limit_blocks_the_next_tap() -> None:
    here = visit()
    fresh(here, "A00001")

    here.card("/setlimit put_collateral_each 5%")
    card = here.card(action="approve:A00001.1", who="web:tom")

    assert "put collateral 0.0 % → 8.8 % (limit 5.0 %)" in as_text(card)
    assert here.world.broker.posts == []


def test_a_loosened_limit_opens_the_next_session_only() -> None:
    here = visit()
    here.card("/setlimit put_collateral_each 5%")
    told = here.card("/setlimit put-collateral-each 0.09")
    assert "It is looser, so it holds from 2026-06-16 09:30 ET." in told.lines
    fresh(here, "A00001")
    here.ask(action="approve:A00001.1", who="web:tom")
    assert here.world.broker.posts == []

    here.world.clock.advance(days=1)
    fresh(here, "A00002")
    here.ask(action="approve:A00002.1", who="web:tom")

    assert here.world.broker.posts == ["A00002.1.1"]


def test_limits_tells_what_differs_and_what_waits() -> None:
    here = visit()
    here.card("/setlimit daily_loss 1%")
    here.card("/setlimit daily_loss 1.5 %")

    assert here.card("/limits").lines[:2] == (
        "daily_loss is 1 %; configured is 2 %.",
        "daily_loss becomes 1.5 % at 2026-06-16 09:30 ET, set by ann.",
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/setlimit dayly_loss 1%", "“dayly_loss” is not a limit that can be set. Did you mean daily_loss?"),
        ("/setlimit daily_loss 3", "“3” is more than everything; write 3 % or a fraction such as 0.02."),
        ("/setlimit daily_loss lots", "“lots” is not a number"),
        ("/setlimit daily_loss nan", "“nan” is not a number"),
        ("/setlimit daily_loss 0", "0 % is not a limit"),
        ("/setlimit max_total_risk 31%", "max_total_risk is an outer wall: 31 % is beyond the configured 30 %."),
        ("/unlock L99999", "There is no lock L99999."),
        ("/lock 12345 why", "“12345”"),
        ("/lock wheel until=2026-06-15", "2026-06-15 has begun already"),
        ("/disable weel", "“weel” is not a strategy here. Did you mean wheel?"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_word(line: str, told: str) -> None:
    here = visit()

    assert told in here.told(line)
    assert here.events(EventKind.LIMIT_CHANGED, EventKind.LOCK_CHANGED, EventKind.STRATEGY_CHANGED) == ()


@pytest.mark.parametrize(
    "line", ["/setlimit daily_loss 1%", "/lock desk", "/unlock L1", "/enable wheel", "/disable wheel", "/resume"]
)
def test_only_an_admin_changes_what_may_be_opened(line: str) -> None:
    here = visit()

    assert here.ask(line, who="web:tom").error == "not allowed"
    assert here.events(EventKind.DENIED)


def test_a_locked_name_refuses_the_tap_until_it_is_unlocked() -> None:
    here = visit()
    fresh(here, "A00001")
    card = here.card("/lock XYZ report tonight")
    assert card.lines[0] == f"Nothing is opened in XYZ ({card.footer}): report tonight."

    refused = here.told(action="approve:A00001.1", who="web:tom")
    assert f"Nothing is opened in XYZ ({card.footer}): report tonight." in refused
    button = here.card("/locks").buttons[0][0]
    assert button.action == f"unlock:{card.footer}"
    here.card(action=button.action)
    here.card(action="approve:A00001.1", who="web:tom")

    assert here.world.broker.posts == ["A00001.1.1"]
    assert here.card("/locks").title == "No locks"


@pytest.mark.parametrize("line", ["/lock wheel until friday earnings", "/lock wheel fri earnings"])
def test_a_day_may_be_cut_short_and_have_its_name_before_it(line: str) -> None:
    assert "earnings; until 2026-06-22 09:30 ET" in visit().card(line).lines[0]  # the 19th is a holiday


def test_a_day_that_is_only_spoken_of_ends_no_lock() -> None:
    assert visit().card("/lock wheel until further notice").lines[0].endswith("until further notice.")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1%", "It was 2 %; /setlimit daily_loss 2 % goes back, which is looser and waits for the next session."),
        ("2%", "It was that already."),
    ],
)
def test_a_limit_that_was_set_says_what_it_was_and_how_a_slip_is_taken_back(value: str, said: str) -> None:
    assert visit().card(f"/setlimit daily_loss {value}").lines[1] == said


def test_what_is_posted_of_a_limit_is_one_sentence() -> None:
    here = visit()
    here.card("/setlimit daily_loss 3%")
    (event,) = here.events(EventKind.LIMIT_CHANGED)

    card = card_for(here.world.desk, event, card_key(event), "PAPER")

    assert card is not None
    assert card.lines == ("daily_loss 2 % → 3 % from 2026-06-16 09:30 ET on, set by ann.",)
    assert (card.facts, card.footer) == ((), "")


def test_a_lock_until_a_day_ends_at_its_opening_bell() -> None:
    here = visit()

    card = here.card("/lock wheel 2026-06-19 too wild")

    assert "too wild; until 2026-06-22 09:30 ET" in card.lines[0]  # the 19th is a holiday
    assert "too wild; until 2026-06-22" in here.card("/lock wheel too wild until=2026-06-19").lines[0]
    assert "until" not in here.card("/lock wheel too wild").lines[0]


def test_a_disabled_strategy_refuses_the_tap_and_its_position_can_be_closed() -> None:
    here = visit()
    fresh(here, "A00001")
    here.ask(action="approve:A00001.1", who="web:tom")
    here.world.broker.fill("A00001.1.1")
    orders.reconcile(here.world.desk)
    fresh(here, "A00002")

    here.card("/disable wheel")

    assert "wheel is disabled." in here.told(action="approve:A00002.1", who="web:tom")
    assert "wheel is disabled. /enable wheel lets it trade again." in here.card("/locks").lines
    with here.world.store.read() as work:
        (position,) = work.open_positions()
    here.ask(f"/close {position.id}", who="web:tom")
    assert len(here.world.broker.posts) == 2
    here.card("/enable wheel")
    assert here.card("/enable wheel").title == "wheel was enabled already"


def pattern_day_trader(day_trades: int) -> Visit:
    """A desk under the old rule with 20,000 dollars and so many day trades behind it, none of them from today."""
    here = visit(
        limits=replace(
            Limits(),
            day_trade_rule=DayTradeRule.PDT,
            max_position_risk=D(1),
            put_collateral_each=D(1),
            one_underlying=D(1),
        )
    )
    here.world.broker.cash = D(20_000)
    at = make.NOW - timedelta(days=3)
    with here.world.store.begin() as work:
        for number in range(day_trades):
            work.save_position(make.position(id=f"P9{number}", approval_id=None, opened_at=at))
            for quantity, stem in ((1, f"A9{number}.1"), (-1, f"P9{number}.stop.1")):
                work.add_ticket(make.ticket(id=stem, approval_id=None, status=TicketStatus.FILLED))
                order = make.order(client_order_id=f"{stem}.1", status=OrderStatus.FILLED)
                work.add_order(order)
                executed = make.fill(
                    make.call(), quantity, execution_id=f"{stem}.x", client_order_id=f"{stem}.1", at=at
                )
                work.add_fill(executed, f"P9{number}")
    return here


def test_the_entry_that_could_force_a_fourth_day_trade_is_refused() -> None:
    here = pattern_day_trader(3)
    fresh(here, "A00001")

    card = here.card(action="approve:A00001.1", who="web:tom")

    assert "day trades in 5 sessions 3 → 4 (limit 3)" in as_text(card)
    assert here.world.broker.posts == []


def test_a_close_that_would_be_the_fourth_is_told_and_done() -> None:
    here = pattern_day_trader(3)
    position = make.position(
        id="P00001",
        approval_id=None,
        lots=(make.held(make.put(), -2, "1.03"),),
        opened_units=2,
        entry=D("-1.03"),
    )
    with here.world.store.begin() as work:
        work.save_position(position)

    card = here.card("/close P00001", who="web:tom")

    assert card.lines[-1] == "This would be day trade 4 of 3 in 5 sessions."
    assert len(here.world.broker.posts) == 1


def test_resume_forgives_a_drawdown() -> None:
    """10.2 % below the opening balance, lost before yesterday: nothing opens until an admin resumes."""
    here = visit()
    shares = make.position(
        approval_id=None,
        structure=Structure.SHARES,
        unit=(Leg(make.share(), 1),),
        lots=(make.held(make.share(), 300, 48),),
        opened_units=300,
        strategy="by hand",
    )
    with here.world.store.begin() as work:
        work.save_position(shares)
        work.add_postings((Posting("buy", PostingKind.TRADE, make.NOW, D(-14_400)),))
    here.world.market.set_quote(make.share(), "13.99", "14.01")
    for _ in range(2):
        watch.look(here.world.desk)
        here.world.clock.advance(60)
    here.world.broker.cash = D(89_800)

    assert any("drawdown of 10.2 %" in line for line in here.card("/locks").lines)
    assert here.card("/resume").title == "Entries allowed again"

    assert not any("drawdown" in line for line in here.card("/locks").lines)
    lifted = here.events(EventKind.LOCK_CHANGED)[-1]
    assert (lifted.actor, "measured from 89,800.00 now" in str(lifted.data["words"])) == ("ann", True)


def test_limits_are_watched_in_a_loop_of_their_own_that_needs_no_broker() -> None:
    here = visit()
    desk = here.world.desk
    with here.world.store.begin() as work:
        work.save_position(
            make.position(
                approval_id=None,
                structure=Structure.SHARES,
                unit=(Leg(make.share(), 1),),
                lots=(make.held(make.share(), 600, 48),),
                opened_units=600,
            )
        )
    here.world.broker.is_mute = True
    (loop,) = [work for work in works(Desks(*[desk] * 5)) if work.name == "limits"]

    for _, step in loop.steps:
        step()

    assert loop.every <= 60
    (told,) = here.events(EventKind.RISK_BREACHED)
    card = card_for(desk, told, f"event:{told.id}", "PAPER")
    assert card is not None
    assert "size in XYZ 22.4 % is past its limit of 20.0 %" in card.lines[0]
    assert here.card("/locks").buttons[0][0].action == card.buttons[1][0].action


def test_what_broke_is_told_in_a_sentence_with_the_way_to_look() -> None:
    desk = visit().world.desk
    data = {"step": "exits", "problem": "The loop “exits” has not finished a look for 45 s.", "kind": "stalled"}

    card = notice(desk.event(EventKind.ERROR, "exits", data, Severity.URGENT), "PAPER")

    assert card.lines == ("The loop “exits” has not finished a look for 45 s.",)
    assert card.facts == (("Where", "exits"),)
    assert [button.action for row in card.buttons for button in row] == ["health:"]


def test_a_passed_limit_is_a_card_with_its_unlock_button() -> None:
    here = visit()
    made = here.card("/lock wheel enough")
    (event,) = here.events(EventKind.LOCK_CHANGED)

    card = card_for(here.world.desk, event, f"event:{event.id}", "PAPER")

    assert card is not None
    assert card.lines == (f"Nothing is opened in wheel ({made.footer}): enough.",)
    assert card.buttons[0][0].action == f"unlock:{made.footer}"


def test_limits_and_locks_complete() -> None:
    here = visit()
    made = here.card("/lock wheel enough")

    assert [c.text for c in complete(here.room, "web:ann", "/setlimit dai")] == ["daily_loss"]
    assert [c.text for c in complete(here.room, "web:ann", "/unlock ")] == [made.footer]


def test_a_fraction_is_read_either_way() -> None:
    assert fraction("0.5%") == fraction("0.005") == D("0.005")
    with pytest.raises(BadRequest):
        fraction("")
