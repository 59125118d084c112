"""What a button still has to ask, and what comes back by name."""

from __future__ import annotations

import pytest

from bot.bulkheads import finish
from bot.dispatch import dispatch
from bot.forms import form_of
from bot.message import Request
from tests.bot.rooms import visit
from tests.desk import propose


@pytest.mark.parametrize(
    "action", ["approve:A00001.1", "refresh:/positions", "positions:", "nonsense:1", "close:P00003"]
)
def test_a_button_that_carries_all_its_command_needs_opens_no_form(action: str) -> None:
    assert form_of(action) is None


def test_a_button_without_its_price_asks_for_the_price() -> None:
    form = form_of("myprice:A00001.1")

    assert form is not None
    assert [field.name for field in form.fields] == ["price"]


def test_what_a_form_gives_back_is_read_by_name() -> None:
    here = visit()
    propose(here.world)

    reply = finish(dispatch(here.room, Request("web:ann", action="size:A00001.1", options=(("quantity", "many"),))))

    assert reply.error == "bad request"
    assert "quantity: “many” is not a whole number" in reply.cards[0].lines[0]


def test_an_option_nobody_asked_for_is_named() -> None:
    here = visit()

    reply = finish(dispatch(here.room, Request("web:ann", "/quote", options=(("tikcer", "AAPL"),))))

    assert "/quote has no option “tikcer”. Did you mean ticker?" in reply.cards[0].lines[0]
