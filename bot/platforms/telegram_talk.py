"""From what Telegram says happened to the gate and back: commands, taps, answers to cards and to questions.

Every update has a task of its own, so nothing slow holds up anything else. In one chat updates are understood in their
order, and what acts is carried out in its order within each bulkhead. A tap is acknowledged before anything is done.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog

from alerts.outbox import Undeliverable
from bot import replies
from bot.command import Pool, Reply, Room
from bot.dispatch import dispatch
from bot.forms import Form, form_for
from bot.gate import may, turned_away
from bot.message import Button, Card, Request, Tone
from bot.platforms import telegram_buttons as buttons
from bot.platforms import telegram_turns as turns
from bot.platforms.base import MessageGone
from bot.platforms.telegram_answers import Answers, Asked, command_in
from bot.platforms.telegram_calls import Way
from bot.platforms.telegram_door import Door
from bot.platforms.telegram_progress import Bar
from bot.platforms.telegram_prompts import prompt_of, values_in
from bot.platforms.telegram_sender import Sender
from bot.platforms.telegram_text import clipped
from bot.platforms.telegram_updates import Pressed, Said
from bot.platforms.telegram_wire import TooOld, Trouble, Wire
from engine.errors import BadRequest, Denied
from engine.model.records import KeptButton

log = structlog.get_logger()

T = TypeVar("T")

MOST_AT_ONCE = 30
"""Updates of one chat that are worked on at once."""
LONGEST_ALERT = 200
Work = Coroutine[Any, Any, None]
UNKNOWN = (
    "This button is not known here any more: it is older than a month, or it was not made by this desk. "
    "Nothing was done. Ask for the card again, with /proposals or /positions."
)
USED = "This button was pressed before. Nothing more was done: look at the card as it stands now."
BUSY = "Too many requests of this chat are being worked on: wait for an answer, then ask again."
PASSED_ON = "Forwarded messages are not carried out: write it yourself."
"""What is forwarded was said by somebody else, or at another time."""


@dataclass(frozen=True, slots=True)
class Task:
    """A request that was understood, where its answer goes, and when it may be carried out.

    `taken` is when that was, in monotonic seconds: what waits for its turn here grows older.
    """

    asked: Asked
    request: Request
    turn: turns.Turn
    taken: float
    pressed: Pressed | None = None
    is_claimed: bool = False
    form: Form | None = None
    page: int = 0


class Talk:
    """Takes updates of listed people and of strangers, and answers them."""

    def __init__(
        self, room: Room, wire: Wire, door: Door, sender: Sender, answers: Answers, clock: Callable[[], float]
    ) -> None:
        self._room = room
        self._wire = wire
        self._door = door
        self._sender = sender
        self._answers = answers
        self._clock = clock
        self._turns = turns.Turns()
        self._reading: dict[str, asyncio.Lock] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._busy: Counter[str] = Counter()

    @property
    def is_busy(self) -> bool:
        """Whether an update is being answered."""
        return bool(self._running)

    def said(self, said: Said, age: float) -> None:
        """Answer a text, `age` seconds old at most."""
        if said.who.is_bot:
            return
        busy = Card("Not done", Tone.WARNING, (BUSY,))
        self._begin(said.where.chat, self._said(said, age), self._answers.tell(said.where, busy, said.message))

    def pressed(self, pressed: Pressed, age: float) -> None:
        """Answer a tap."""
        self._begin(pressed.where.chat, self._pressed(pressed, age), self._acknowledge(pressed, BUSY))

    def late(self, presses: tuple[Pressed, ...], age: float) -> None:
        """Answer taps of one chat that waited too long, all in one message."""
        self._begin(presses[0].where.chat, self._late(presses, age))

    def aside(self, chat: str, work: Work) -> None:
        """Do something else that an update asks for."""
        self._begin(chat, work)

    async def close(self, seconds: float = 2.0) -> None:
        """Let what has begun come to its end for a while, then give it up."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _begin(self, chat: str, work: Work, instead: Work | None = None) -> None:
        """Start `work`; where the chat has too much of it under way `instead`, and in the end nothing at all."""
        if instead is not None and self._busy[chat] < MOST_AT_ONCE:
            instead.close()
        elif instead is not None:
            work.close()
            work = instead
        if self._busy[chat] >= 2 * MOST_AT_ONCE:
            log.warning("telegram.too_busy", chat=chat)
            work.close()
            return
        self._busy[chat] += 1
        task = asyncio.create_task(self._guarded(chat, work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _guarded(self, chat: str, work: Work) -> None:
        try:
            await work
        except (Trouble, MessageGone, Undeliverable) as problem:
            log.warning("telegram.answer_lost", chat=chat, problem=str(problem))
        except Exception as bug:
            log.error("telegram.update_broken", chat=chat, exc_info=bug)
        finally:
            self._busy[chat] -= 1
            if not self._busy[chat]:
                del self._busy[chat]
                self._reading.pop(chat, None)

    def _reader(self, chat: str) -> asyncio.Lock:
        return self._reading.setdefault(chat, asyncio.Lock())

    # -- texts

    async def _said(self, said: Said, age: float) -> None:
        async with self._reader(said.where.chat):
            found = await self._understood(said, age)
        if isinstance(found, Card):
            await self._answers.tell(said.where, found, said.message)
        elif found is not None:
            await self._carry_out(found)

    async def _understood(self, said: Said, age: float) -> Task | Card | None:
        """What a text asks for; a card where it cannot be done, None where it is not for us."""
        line = self._line(said)
        if line is None and not said.reply_to:
            return None
        if why := self._door.objection(said.who, said.where):
            if line is None and not said.where.is_private:
                return None  # talk among people of a group
            return await self._door.turn_away(said.who, said.where, said.text, why)
        if said.is_passed_on:
            return Card("Not done", Tone.WARNING, (PASSED_ON,))
        try:
            meant, card = await self._meant(said, line)
        except BadRequest as mistake:
            return Card("That did not work", Tone.WARNING, (str(mistake),))
        if meant is None:
            return None
        source = f"telegram:{said.update}"
        request = replace(meant, identity=said.who.identity, source=source, chat=said.where.chat, age=age)
        return Task(
            Asked(said.where, said.who, said.message, card, is_written=True),
            request,
            self._turn(said.where.chat, request),
            self._clock(),
        )

    def _line(self, said: Said) -> str | None:
        """The command line in a text; None where it is for another bot, or talk."""
        text = said.text.strip()
        if not text.startswith("/"):
            return text if said.where.is_private and text and not said.reply_to else None
        word, *rest = text.split(None, 1)
        name, at, bot = word.partition("@")
        if at and bot.lower() != self._wire.name.lower():
            return None
        if name.lower() == "/start":
            return "/help"
        return " ".join((name, *rest))

    async def _meant(self, said: Said, line: str | None) -> tuple[Request | None, str]:
        """The request, and the card it is about; None for talk.

        Raises:
            BadRequest: an answer to a card that means nothing.
        """
        if line is not None:
            return Request("", line), ""
        known = await self._keep(lambda: buttons.under(self._room.desk, said.where.chat, said.reply_to))
        if form := buttons.form_in(known):
            card, action = form
            return Request("", action=action, options=values_in(action, said.text)), card
        if known:
            found = replies.meant(said.text, [each.action for each in known])
            return Request("", action=found.action, options=found.options), said.reply_to
        return (Request("", said.text.strip()), "") if said.where.is_private else (None, "")

    # -- taps

    async def _pressed(self, pressed: Pressed, age: float) -> None:
        async with self._reader(pressed.where.chat):
            found = await self._taken(pressed, age)
        if isinstance(found, str):
            await self._acknowledge(pressed, found)
            if found == USED:
                await self._as_it_stands(pressed)
            return
        await self._acknowledge(pressed)
        if found.form is not None:
            await self._ask(pressed, found.form)
        elif found.page:
            await self._turn_page(found)
        else:
            await self._carry_out(found)

    async def _taken(self, pressed: Pressed, age: float) -> Task | str:
        """What a tap asks for, its token claimed; the words of an alert where nothing comes of it."""
        who, where = pressed.who, pressed.where
        if why := self._door.objection(who, where):
            await self._door.turn_away(who, where, "a button", why)
            return why
        button = await self._keep(lambda: buttons.find(self._room.desk, pressed.data, where.chat, pressed.message))
        if button is None or button.action.startswith(buttons.FORM):
            request = Request(who.identity, "a button that is not known")
            await self._keep(lambda: turned_away(self._room, request, "button", UNKNOWN))
            return UNKNOWN
        asked = Asked(where, who, pressed.message, button.message or pressed.message)
        page, action = _page_in(button.action)
        text, action = (action, "") if action.startswith("/") else ("", action)
        request = Request(who.identity, text, action, f"telegram:{pressed.update}", where.chat, age=age)
        if page:
            return Task(asked, request, turns.free(), self._clock(), pressed, page=page)
        form = form_for(self._room, who.identity, (), action)
        if form is not None:
            return Task(asked, request, turns.free(), self._clock(), pressed, form=form)
        is_single = self._is_single(request)
        if is_single and not await self._claim(button):
            return USED
        return Task(asked, request, self._turn(where.chat, request), self._clock(), pressed, is_single)

    def _is_single(self, request: Request) -> bool:
        """Whether this press uses its token up: it acts, and this person may."""
        command = command_in(request)
        if command is None or not command.acts:
            return False
        try:
            may(self._room, request.identity, (), command)
        except Denied:
            return False
        return True

    async def _claim(self, button: KeptButton) -> bool:
        return await self._keep(lambda: buttons.claim(self._room.desk, button.token))

    async def _keep(self, work: Callable[[], T]) -> T:
        """Ask the store about buttons, through the quickest bulkhead."""
        return await self._room.run(Pool.PROTECT, work)

    async def _acknowledge(self, pressed: Pressed, alert: str = "") -> None:
        """Stop the button's spinning. It is a courtesy: there is no deadline, and the press counts without it."""
        words = clipped(alert, LONGEST_ALERT) or None
        try:
            await self._wire.do(
                lambda: self._wire.bot.answer_callback_query(pressed.query, words, show_alert=bool(alert)),
                pressed.where.chat,
            )
        except TooOld:
            log.debug("telegram.press_too_old_to_acknowledge", chat=pressed.where.chat)
        except Exception as problem:  # noqa: BLE001 - whatever goes wrong with a courtesy, the press is a press
            log.info("telegram.not_acknowledged", chat=pressed.where.chat, problem=str(problem))

    async def _as_it_stands(self, pressed: Pressed) -> None:
        """Draw the card of a button that was used before anew: a proposal as it stands, else with fresh buttons."""
        rows = await self._keep(lambda: buttons.known(self._room.desk, pressed.keyboard))
        actions = [button.action for row in rows for button in row]
        proposal = replies.proposal_in(actions)
        if not proposal:
            await self._rekey(pressed, pressed.message, rows)
            return
        request = Request(pressed.who.identity, action=f"show:{proposal.partition('.')[0]}")
        shown = await dispatch(self._room, request)
        asked = Asked(pressed.where, pressed.who, pressed.message, pressed.message)
        if shown.is_ok:
            await self._answers.redraw(asked, shown.cards[0])

    async def _rekey(self, pressed: Pressed, card: str, rows: tuple[tuple[Button, ...], ...]) -> None:
        """Fresh buttons for the card that was pressed, unless it has others by now."""
        stands = any(token == pressed.data for row in pressed.keyboard for _, token, _ in row)
        if stands and any(rows):
            await self._sender.rekey(pressed.where.chat, card, rows)

    async def _ask(self, pressed: Pressed, form: Form) -> None:
        chat = self._answers.place(pressed.where)
        html, hint = prompt_of(form, pressed.who, is_private=pressed.where.is_private)
        await self._sender.ask(chat, html, hint, form.action, pressed.message)

    async def _turn_page(self, found: Task) -> None:
        async with found.turn:
            reply = await dispatch(self._room, found.request)
        again = found.request.text or found.request.action
        if reply.is_ok and reply.cards:
            await self._answers.turn(found.asked, reply, found.page, again)
        else:
            await self._answers.give(found.asked, found.request, reply)

    # -- both

    def _turn(self, chat: str, request: Request) -> turns.Turn:
        """What acts waits for what was asked before it in this chat, in the same bulkhead."""
        command = command_in(request)
        if command is None or not command.acts:
            return turns.free()
        return self._turns.take((chat, command.pool))

    async def _carry_out(self, task: Task) -> None:
        asked, pressed = task.asked, task.pressed
        chat = self._answers.place(asked.where)
        before = self._sender.edits(chat, asked.card)
        bar = Bar(self._sender, chat, Way(under="" if asked.where.is_private else asked.message))
        async with task.turn:
            waited = self._clock() - task.taken
            request = replace(task.request, age=(task.request.age or 0.0) + waited)
            reply = await dispatch(self._room, request, bar.tell)
        asked = replace(asked, bar=await bar.end())
        await self._answers.give(asked, task.request, reply)
        if pressed is not None and task.is_claimed and self._sender.edits(chat, asked.card) == before:
            rows = await self._keep(lambda: buttons.known(self._room.desk, pressed.keyboard))
            await self._rekey(pressed, asked.card, rows)

    async def _late(self, presses: tuple[Pressed, ...], age: float) -> None:
        """Say once what became of taps that waited: the gate decides about each, none is lost without a word."""
        lines: list[str] = []
        rows: list[tuple[Button, ...]] = []
        seen: set[tuple[str, str]] = set()
        for pressed in presses:
            found = await self._taken_late(pressed, age)
            if found is None or (pressed.who.id, found.request.action) in seen:
                continue
            seen.add((pressed.who.id, found.request.action))
            reply = await dispatch(self._room, found.request)
            lines += [_told(pressed, card, reply) for card in reply.cards]
            if reply.error == "too old":
                rows += [_named(row, found.request.action) for card in reply.cards for row in card.buttons]
        if lines:
            card = Card("Pressed while the desk was away", Tone.WARNING, tuple(lines), buttons=tuple(rows))
            await self._answers.tell(presses[0].where, card)

    async def _taken_late(self, pressed: Pressed, age: float) -> Task | None:
        """A late tap that acts; looks need no answer any more. Its token stays good unless it is carried out."""
        who, where = pressed.who, pressed.where
        await self._acknowledge(pressed)
        if why := self._door.objection(who, where):
            await self._door.turn_away(who, where, "a button", why)
            return None
        button = await self._keep(lambda: buttons.find(self._room.desk, pressed.data, where.chat, pressed.message))
        if button is None or button.used_at is not None or not buttons.acts(button.action):
            return None
        request = Request(who.identity, "", button.action, f"telegram:{pressed.update}", where.chat, age=age)
        command = command_in(request)
        if command is None or form_for(self._room, who.identity, (), button.action) is not None:
            return None
        if command.is_safe_late and self._is_single(request) and not await self._claim(button):
            return None
        return Task(Asked(where, who, pressed.message, pressed.message), request, turns.free(), self._clock(), pressed)


def _page_in(action: str) -> tuple[int, str]:
    """The page a button turns to, and what asks for the whole again; 0 for a button of the card's own.

    >>> _page_in("~page:2 /positions"), _page_in("why:A00004")
    ((2, '/positions'), (0, 'why:A00004'))
    """
    if not action.startswith(buttons.PAGE):
        return 0, action
    number, _, again = action.removeprefix(buttons.PAGE).partition(" ")
    return int(number), again


def _told(pressed: Pressed, card: Card, reply: Reply) -> str:
    said = card.lines[0] if reply.error and card.lines else card.title
    return f"{pressed.who.name}: {said}"


def _named(row: tuple[Button, ...], action: str) -> tuple[Button, ...]:
    """The button that does a late tap after all, saying which one that was."""
    verb, _, rest = action.partition(":")
    label = f"{verb.replace('_', ' ').capitalize()} {rest} now"
    return tuple(Button(label, button.action, button.tone) for button in row)
