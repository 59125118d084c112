"""What people do in Discord, answered: acknowledged first, done after, by the one gate.

What was not acknowledged in time is not done: the person was told that it failed, and will do it again. An interaction
is to be answered within three seconds: https://discord.com/developers/docs/interactions/receiving-and-responding.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import Awaitable

import discord
import structlog

from bot.catalogue import COMMANDS
from bot.command import Command, Pool, Reply, Room
from bot.completion import Completion, suggest
from bot.dispatch import dispatch, reference
from bot.forms import form_for
from bot.gate import may, turned_away
from bot.message import Card, Progress, Request, Tone
from bot.parse import split_request
from bot.platforms import discord_commands as commands
from bot.platforms.discord_buttons import FormModal, action_of, can_open, filled
from bot.platforms.discord_draw import drawn
from bot.platforms.discord_refs import NAME
from bot.platforms.discord_screen import Screen
from bot.platforms.discord_wire import FAILED
from engine.errors import BadRequest, Denied

log = structlog.get_logger()

ACKNOWLEDGED_WITHIN = 3.0
EVERY = 1.0
"""Seconds between two drawings of a bar."""
UNKNOWN_PLACE = "Nothing was done: the bot does not know this kind of channel. Ask in another channel."
ELSEWHERE = "This desk answers in its own server only."


class Answers:
    """Answers every interaction of one client."""

    def __init__(self, room: Room, guild: int) -> None:
        self._room = room
        self._guild = guild
        self._running: set[asyncio.Task[None]] = set()

    async def take(self, interaction: discord.Interaction) -> None:
        """A slash command, what is being typed into one, or a form that was sent. Buttons come to `press`."""
        if not _has_author(interaction):
            log.warning("discord.nobody", interaction=interaction.id)
            return
        match interaction.type:
            case discord.InteractionType.application_command:
                await self._watched(interaction, self._command(interaction))
            case discord.InteractionType.autocomplete:
                await self._watched(interaction, self._suggest(interaction))
            case discord.InteractionType.modal_submit:
                await self._watched(interaction, self._sent(interaction))

    async def press(self, interaction: discord.Interaction, action: str) -> None:
        """A button of ours."""
        if not _has_author(interaction):
            log.warning("discord.nobody", interaction=interaction.id)
            return
        await self._watched(interaction, self._tap(interaction, action))

    async def finish(self, seconds: float) -> None:
        """Let what is being done be answered, for so long at most."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    async def _watched(self, interaction: discord.Interaction, work: Awaitable[None]) -> None:
        """Do it; a bug is logged and told under one reference. Without the lease somebody else answers."""
        if not self._room.desk.term.may_act:
            log.warning("discord.not_ours", interaction=interaction.id)
            return
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await work
        except Exception as bug:  # noqa: BLE001 - the last line of defence: logged with its traceback, told with a reference
            await self._broken(interaction, bug)
        finally:
            self._running.discard(task)

    async def _broken(self, interaction: discord.Interaction, bug: Exception) -> None:
        ref = reference("".join(traceback.format_exception(bug)), _request(interaction))
        log.error("discord.answer_broken", ref=ref, interaction=interaction.id, exc_info=bug)
        if interaction.type is discord.InteractionType.autocomplete:
            return
        words = f"Something broke here (ref {ref}). What you asked may have been done: look before you ask again."
        await self._say(interaction, Card("Something broke here", Tone.BAD, (words,), banner=self._room.banner()))

    async def _say(self, interaction: discord.Interaction, card: Card) -> None:
        """Tell the asker alone, whether or not the interaction was acknowledged."""
        shown = (await drawn(self._room, card)).new(None)
        try:
            if interaction.response.is_done():
                await interaction.followup.send(ephemeral=True, **shown)
            else:
                await interaction.response.send_message(ephemeral=True, **shown)
        except FAILED as problem:
            log.warning("discord.not_told", interaction=interaction.id, title=card.title, problem=repr(problem))

    async def _command(self, interaction: discord.Interaction) -> None:
        request = _request(interaction, text=f"/{_data(interaction).get('name', '')}")
        await self._do(interaction, request)

    async def _sent(self, interaction: discord.Interaction) -> None:
        data = _data(interaction)
        action = action_of(str(data.get("custom_id", "")))
        if not action:
            log.warning("discord.unknown_form", interaction=interaction.id)
            return
        await self._do(interaction, _request(interaction, action=action, options=filled(data)))

    async def _tap(self, interaction: discord.Interaction, action: str) -> None:
        request = _request(interaction, action=action)
        form = form_for(self._room, request.identity, request.groups, action) if self._is_ours(interaction) else None
        if form is None:
            await self._do(interaction, request)
        elif can_open(form):
            await self._open(interaction, FormModal(form))
        else:
            words = f"There is more to say than a form can hold. Usage: {form.command.usage}"
            await self._say(interaction, Card("Type it", Tone.WARNING, (words,), banner=self._room.banner()))

    async def _open(self, interaction: discord.Interaction, modal: FormModal) -> None:
        """Show a form. It is the acknowledgement; nothing has been done yet."""
        try:
            await interaction.response.send_modal(modal)
        except FAILED as problem:
            log.warning("discord.form_not_shown", interaction=interaction.id, problem=repr(problem))

    async def _suggest(self, interaction: discord.Interaction) -> None:
        data = _data(interaction)
        name, typed = commands.focused(data)
        request = _request(interaction, text=f"/{data.get('name', '')}")
        found: tuple[Completion, ...] = ()
        if self._is_ours(interaction):
            found = await self._room.run(Pool.LOOK, lambda: suggest(self._room, request, name, typed))
        choices = [commands.choice(each.text, each.summary) for each in found]
        try:
            await interaction.response.autocomplete([each for each in choices if each is not None])
        except FAILED as problem:
            log.info("discord.suggested_too_late", problem=repr(problem))

    def _is_ours(self, interaction: discord.Interaction) -> bool:
        """Whether it was done in the desk's own server, by a person."""
        return interaction.guild_id == self._guild and not interaction.user.bot

    async def _do(self, interaction: discord.Interaction, request: Request) -> None:
        """Acknowledge, and only then do it."""
        if not self._is_ours(interaction):
            await self._turn_away(interaction, request)
            return
        if interaction.channel is None:
            # Of a kind that is newer than the library: what is shown there could not be found again.
            await self._say(interaction, Card("Not here", Tone.BAD, (UNKNOWN_PLACE,), banner=self._room.banner()))
            return
        command = _command_of(request)
        is_private = command is None or command.is_private or not self._may(request, command)
        if not await _acknowledged(interaction, is_private):
            return
        screen = Screen(self._room, interaction, is_private)
        await screen.show(await self._carried_out(request, screen))

    async def _turn_away(self, interaction: discord.Interaction, request: Request) -> None:
        await self._room.run(Pool.LOOK, lambda: turned_away(self._room, request, "", ELSEWHERE))
        await self._say(interaction, Card("Not allowed", Tone.BAD, (ELSEWHERE,)))

    def _may(self, request: Request, command: Command) -> bool:
        try:
            may(self._room, request.identity, request.groups, command)
        except Denied:
            return False
        return True

    async def _carried_out(self, request: Request, screen: Screen) -> Reply:
        """The reply; while it takes its time, how far it has come is drawn once a second."""
        news: deque[Progress] = deque(maxlen=1)
        work = asyncio.ensure_future(dispatch(self._room, request, news.append))
        while not work.done():
            await asyncio.wait({work}, timeout=EVERY)
            if news and not work.done():
                await screen.progress(news.pop())
        return work.result()


async def _acknowledged(interaction: discord.Interaction, is_private: bool) -> bool:
    """Whether Discord took the acknowledgement in time; if it did not, nothing may be done."""
    try:
        async with asyncio.timeout(ACKNOWLEDGED_WITHIN):
            await interaction.response.defer(ephemeral=is_private)
    except FAILED as problem:
        log.warning("discord.not_acknowledged", interaction=interaction.id, problem=repr(problem))
        return False
    return True


def _has_author(interaction: discord.Interaction) -> bool:
    """Whether it says who did it: the library leaves the user out where the message had none."""
    return isinstance(interaction.user, discord.User | discord.Member)


def _data(interaction: discord.Interaction) -> dict[str, object]:
    data: object = interaction.data
    return dict(data) if isinstance(data, dict) else {}


def _request(
    interaction: discord.Interaction, text: str = "", action: str = "", options: tuple[tuple[str, str], ...] = ()
) -> Request:
    """What a person did, by their number and the numbers of their roles; names can be copied."""
    user = interaction.user
    roles = user.roles if isinstance(user, discord.Member) else ()
    return Request(
        identity=f"{NAME}:{user.id}",
        text=text,
        action=action,
        source=f"{NAME}:{interaction.id}",
        chat=str(interaction.channel_id or ""),
        options=options or commands.chosen(_data(interaction)),
        groups=tuple(f"{NAME}-role:{role.id}" for role in roles if not role.is_default()),
    )


def _command_of(request: Request) -> Command | None:
    try:
        word, _ = split_request(request.text, request.action)
    except BadRequest:
        return None
    return COMMANDS.get(word.lstrip("/").lower())
