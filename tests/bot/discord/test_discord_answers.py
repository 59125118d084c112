"""What people do in Discord: through the one gate, acknowledged first, answered where it belongs."""

from __future__ import annotations

import pytest

from bot.catalogue import LOOK
from bot.message import Button, Card
from bot.proposal import Story, proposal_card
from engine.model.events import EventKind
from engine.model.trade import Approval
from tests.bot.discord.server import Server, labels, open_server, text_of, told
from tests.bot.rooms import visit
from tests.desk import propose, quote_all
from tests.strategies import cases

UNKNOWN_INTERACTION = 10062
ALREADY_ACKNOWLEDGED = 40060
NEWER = 2**30
"""A version no answer of a test reaches."""


async def asked(server: Server) -> Approval:
    """A proposal, its card in the channel, and the store knowing where it stands."""
    world = server.here.world
    quote_all(world)
    approval = propose(world)
    ref = await server.app.post(server.chat, proposal_card(Story(approval), world.clock(), "PAPER"))
    with world.store.begin() as work:
        work.save_ref(f"approval:{approval.id}", ref.platform, ref.chat, ref.message, approval.version)
    return approval


def shown_version(server: Server, approval: Approval) -> int:
    with server.here.world.store.read() as work:
        (ref,) = work.refs(f"approval:{approval.id}")
    return ref.version


EXAMPLES = {command.name: command.example for command in LOOK}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_every_look_is_answered(name: str) -> None:
    here = visit()
    here.world.market.set_snapshot(cases.wheel_name())
    options = {}
    command = next(each for each in LOOK if each.name == name)
    for parameter in command.parameters:
        if parameter.required:
            options[parameter.name] = "XYZ" if parameter.name == "ticker" else parameter.sample
    async with open_server(here) as server:
        answer = await server.vic.slash(server.desk, name, **options)

        assert answer.acknowledged
        assert "PAPER" in text_of(answer)
        assert "Something broke" not in text_of(answer)


async def test_what_tells_of_the_account_is_shown_to_the_asker_alone(server: Server) -> None:
    private = await server.vic.slash(server.desk, "account")
    public = await server.vic.slash(server.desk, "proposals")

    assert private.response is not None
    assert private.response.ephemeral
    assert public.response is not None
    assert not public.response.ephemeral


async def test_a_stranger_is_told_alone_and_written_down(server: Server) -> None:
    answer = await server.eve.slash(server.desk, "proposals")

    assert "is not on this desk's list of users" in text_of(answer)
    assert answer.ephemeral
    (denied,) = server.here.events(EventKind.DENIED)
    assert denied.subject == f"discord:{server.eve.id}"


async def test_a_viewer_may_not_act(server: Server) -> None:
    answer = await server.vic.slash(server.desk, "halt")

    assert "/halt needs the role admin; vic is a viewer." in text_of(answer)
    assert answer.ephemeral
    assert server.here.events(EventKind.HALTED) == ()


async def test_a_role_of_the_server_lets_in_by_its_number() -> None:
    async with open_server() as server:
        floor = server.guild.add_member(server.env.create_user("ann"), roles=(server.traders,))
        namesake = server.guild.add_member(
            server.env.create_user("floor"), roles=(server.guild.create_role("traders"),)
        )

        assert "floor" in text_of(await floor.slash(server.desk, "whoami"))
        assert "is not on this desk's list" in text_of(await namesake.slash(server.desk, "whoami"))


async def test_a_mistake_in_a_public_command_is_told_to_the_asker_alone(server: Server) -> None:
    answer = await server.vic.slash(server.desk, "quote", ticker="NOPE")

    assert [message.ephemeral for message in answer.followups] == [True]
    assert "That did not work" in text_of(answer)
    assert server.desk.history(viewer=server.tom) == []


async def test_a_tap_draws_the_tapped_card_again_and_notes_its_version(server: Server) -> None:
    approval = await asked(server)

    await server.tom.click(server.desk.last_message, label="Approve")

    card = server.desk.last_message
    assert card is not None
    assert len(server.desk.history()) == 1
    assert "Approve" not in labels(card)
    assert "working" in told(card)
    assert server.here.world.broker.posts == ["A00001.1.1"]
    assert shown_version(server, approval) > approval.version


async def test_an_answer_that_comes_after_a_newer_card_leaves_that_standing(server: Server) -> None:
    approval = await asked(server)
    with server.here.world.store.begin() as work:
        (ref,) = work.refs(f"approval:{approval.id}")
        work.save_ref(ref.key, ref.platform, ref.chat, ref.message, NEWER)
    newer = told(server.desk.last_message)

    await server.tom.click(server.desk.last_message, label="Approve")

    assert server.here.world.broker.posts == ["A00001.1.1"]
    assert told(server.desk.last_message) == newer
    assert shown_version(server, approval) == NEWER


async def test_two_presses_place_one_order_and_the_second_is_told_alone(server: Server) -> None:
    await asked(server)
    card = server.desk.last_message
    repeated = server.env.backend.get_message(server.desk.id, card.id)
    buttons = [dict(row) for row in repeated.components]
    await server.tom.click(card, label="Approve")
    server.env.backend.get_message(server.desk.id, card.id).components = buttons

    second = await server.ann.click(card, label="Approve")

    assert server.here.world.broker.posts == ["A00001.1.1"]
    assert "Nothing was changed" in text_of(second)
    assert all(message.ephemeral for message in second.followups)


async def test_a_stranger_who_presses_changes_nothing(server: Server) -> None:
    await asked(server)

    pressed = await server.eve.click(server.desk.last_message, label="Approve")

    assert [message.ephemeral for message in pressed.followups] == [True]
    assert server.here.world.broker.posts == []
    assert "Approve" in labels(server.desk.last_message)


@pytest.mark.parametrize("code", [UNKNOWN_INTERACTION, ALREADY_ACKNOWLEDGED])
async def test_what_could_not_be_acknowledged_is_not_done(server: Server, code: int) -> None:
    await asked(server)
    server.env.inject_error("POST", "/interactions/*/callback", status=404, code=code, message="too late")

    await server.tom.click(server.desk.last_message, label="Approve")

    assert server.here.world.broker.posts == []
    assert server.here.events(EventKind.COMMAND) == ()


async def test_a_button_works_after_a_restart(server: Server) -> None:
    await asked(server)
    await server.restart()

    await server.tom.click(server.desk.last_message, label="Approve")

    assert server.here.world.broker.posts == ["A00001.1.1"]


async def test_a_button_that_needs_a_price_asks_for_it_and_the_proposal_changes(server: Server) -> None:
    await asked(server)
    card = Card("Your price?", buttons=((Button("My price", "myprice:A00001.1"),),), banner="PAPER")
    await server.app.post(server.chat, card)

    shown = await server.tom.click(server.desk.last_message, label="My price")
    assert shown.modal is not None
    assert shown.modal["title"] == "Ask again at your own price, never passed"
    sent = await server.tom.submit_modal(shown, {"price": "1.06"})

    assert sent.acknowledged
    with server.here.world.store.read() as work:
        changed = work.approval("A00001")
    assert (changed.version, str(changed.plan.signal.yours)) == (2, "-1.06")
    assert "Your price 1.06 or better" in told(server.desk.last_message)


async def test_who_may_not_gets_no_form(server: Server) -> None:
    propose(server.here.world)
    await server.app.post(server.chat, Card("Price?", buttons=((Button("My price", "myprice:A00001.1"),),)))

    shown = await server.vic.click(server.desk.last_message, label="My price")

    assert shown.modal is None
    assert "needs the role trader" in text_of(shown)


async def test_the_commands_are_offered_once(server: Server) -> None:
    assert len(server.sent("PUT", "/commands")) == 1

    await server.restart()

    assert len(server.sent("PUT", "/commands")) == 1


async def test_another_server_is_refused(server: Server) -> None:
    foreign = server.env.create_guild("Elsewhere")
    channel = foreign.create_text_channel("elsewhere")
    ann = foreign.add_member(server.ann.user)
    await server.env.settle()
    await server.app.post(str(channel.id), Card("Stop?", buttons=((Button("Halt", "halt:"),),)))

    answer = await ann.click(channel.last_message, label="Halt")

    assert "in its own server only" in text_of(answer)
    assert server.here.events(EventKind.HALTED) == ()
    assert len(server.here.events(EventKind.DENIED)) == 1
