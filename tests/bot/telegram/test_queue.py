"""The outgoing queue on a clock of its own: rates, who goes first, waiting times Telegram orders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from alerts.outbox import Later
from bot.platforms.telegram_queue import Flooded, Outgoing, Urgency

PERSON, CARD = Urgency.PERSON, Urgency.CARD
GROUP = "-100123"


class Time:
    """Monotonic seconds that pass only while the queue waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def wait(self, wake: asyncio.Event, seconds: float) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        if not wake.is_set():
            self.now += seconds


class Chat:
    """Takes messages and remembers when."""

    def __init__(self) -> None:
        self.time = Time()
        self.queue = Outgoing(self.time, self.time.wait)
        self.sent: list[tuple[str, str, float]] = []
        self.floods: dict[str, list[float]] = {}

    def work(self, chat: str, text: str) -> Callable[[], Awaitable[str]]:
        async def send() -> str:
            await asyncio.sleep(0)
            if self.floods.get(chat):
                raise Flooded(self.floods[chat].pop(0))
            self.sent.append((chat, text, self.time.now - 1000.0))
            return text

        return send

    async def send(self, chat: str, text: str, urgency: Urgency = PERSON, patience: float | None = None) -> str:
        return await self.queue.send(chat, self.work(chat, text), urgency, patience)

    @property
    def texts(self) -> list[str]:
        return [text for _, text, _ in self.sent]

    def times(self, chat: str) -> list[float]:
        return [at for name, _, at in self.sent if name == chat]


def most_within(times: list[float], seconds: float) -> int:
    """The most messages that went out in any such stretch of time."""
    return max(sum(1 for other in times if at <= other < at + seconds) for at in times)


async def test_a_private_chat_gets_one_message_a_second() -> None:
    chat = Chat()

    await asyncio.gather(*(chat.send("7", str(number)) for number in range(5)))

    assert chat.texts == ["0", "1", "2", "3", "4"]
    assert most_within(chat.times("7"), 0.999) == 1


async def test_a_group_gets_twenty_a_minute() -> None:
    chat = Chat()

    await asyncio.gather(*(chat.send(GROUP, str(number)) for number in range(45)))

    assert most_within(chat.times(GROUP), 59.999) == 20
    assert chat.texts == [str(number) for number in range(45)]


async def test_every_photo_of_an_album_counts() -> None:
    chat = Chat()

    await chat.queue.send(GROUP, chat.work(GROUP, "album"), messages=10)
    await asyncio.gather(*(chat.send(GROUP, str(number)) for number in range(12)))

    assert most_within(chat.times(GROUP), 59.999) == 11


async def test_all_chats_together_get_less_than_thirty_a_second() -> None:
    chat = Chat()

    await asyncio.gather(*(chat.send(str(number), "hello") for number in range(1, 120)))

    assert most_within([at for _, _, at in chat.sent], 0.999) < 30


async def test_an_answer_passes_the_cards_that_wait() -> None:
    chat = Chat()
    cards = [asyncio.create_task(chat.send("7", f"card {number}", CARD)) for number in range(4)]
    await asyncio.sleep(0)

    await asyncio.gather(chat.send("7", "answer"), *cards)

    assert chat.texts.index("answer") <= 1


async def test_cards_leave_room_for_people_in_a_group() -> None:
    chat = Chat()
    for number in range(14):
        await chat.send(GROUP, f"card {number}", CARD)

    with pytest.raises(Later) as later:
        await chat.send(GROUP, "one card more", CARD, patience=3.0)
    await chat.send(GROUP, "answer")

    assert later.value.seconds > 30
    assert chat.sent[-1][1] == "answer"
    assert chat.sent[-1][2] < 20


async def test_a_card_that_would_wait_long_is_handed_back_with_the_time() -> None:
    chat = Chat()
    waiting = [asyncio.create_task(chat.send("7", str(number))) for number in range(6)]
    await asyncio.sleep(0)

    with pytest.raises(Later) as later:
        await chat.send("7", "card", CARD, patience=3.0)

    assert 4 <= later.value.seconds <= 7
    await asyncio.gather(*waiting)
    assert "card" not in chat.texts


async def test_a_flooded_chat_rests_and_loses_nothing() -> None:
    chat = Chat()
    chat.floods["7"] = [30.0]

    await asyncio.gather(*(chat.send("7", str(number)) for number in range(3)))

    assert chat.texts == ["0", "1", "2"]
    assert chat.times("7")[0] >= 30.0


async def test_another_chat_goes_on_while_one_rests() -> None:
    chat = Chat()
    chat.floods["7"] = [30.0]

    await asyncio.gather(chat.send("7", "waits"), chat.send("8", "goes"))

    assert chat.times("8")[0] < 1.0


async def test_two_flooded_chats_mean_that_all_have_to_rest() -> None:
    chat = Chat()
    chat.floods = {"7": [20.0], "8": [20.0]}
    first = [asyncio.create_task(chat.send(name, "waits")) for name in ("7", "8")]
    while any(chat.floods.values()):
        await asyncio.sleep(0)
    await asyncio.sleep(0)

    await asyncio.gather(chat.send("9", "too"), *first)

    assert chat.times("9")[0] >= 19.0


async def test_a_flooded_card_of_the_outbox_goes_back_to_it() -> None:
    chat = Chat()
    chat.floods["7"] = [30.0]

    with pytest.raises(Later) as later:
        await chat.send("7", "card", CARD, patience=3.0)

    assert later.value.seconds == 30.0


async def test_a_message_nobody_waits_for_any_more_is_not_sent() -> None:
    chat = Chat()
    await chat.send("7", "first")
    given_up = asyncio.create_task(chat.send("7", "given up"))
    await asyncio.sleep(0)
    given_up.cancel()

    await chat.send("7", "last")

    assert chat.texts == ["first", "last"]


async def test_what_fails_is_told_to_whoever_sent_it_and_holds_up_nothing() -> None:
    chat = Chat()

    async def fails() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await chat.queue.send("7", fails)
    assert await chat.send("7", "next") == "next"


async def test_closing_gives_up_what_waits() -> None:
    queue = Outgoing()
    blocked = asyncio.Event()

    async def waits() -> None:
        await blocked.wait()

    first = asyncio.create_task(queue.send("7", waits))
    second = asyncio.create_task(queue.send("7", waits))
    await asyncio.sleep(0)
    await queue.close()

    assert [type(each) for each in await asyncio.gather(first, second, return_exceptions=True)] == [
        asyncio.CancelledError,
        asyncio.CancelledError,
    ]
