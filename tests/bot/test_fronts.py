"""Platforms that die, hang, refuse or end slowly: each is started again and told about, and none holds up another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from bot.bulkheads import inline
from bot.command import Room
from bot.doctor import Finding
from bot.fronts import Fronts, Patience
from bot.people import owner
from bot.platforms.base import Refused, State
from bot.platforms.replay_chat import ReplayChat
from engine.model.events import EventKind, Severity
from tests.desk import World, make_world

QUICK = Patience(first=0.02, longest=0.08, refused=0.3, drop=0.15, stuck=0.5, look=0.01)
WELL = State(True, "connected")
AWAY = State(False, "connecting")


@dataclass
class FakeFront(ReplayChat):
    """A platform whose lives a test writes: each is a function that runs until it ends, dies or is canceled."""

    lives: list[Callable[[FakeFront], object]] = field(default_factory=list)
    title: str = "discord"
    state: State = AWAY
    begun: int = 0
    ended: int = 0
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def name(self) -> str:
        return self.title

    async def run(self) -> None:
        self.begun += 1
        life = self.lives.pop(0) if len(self.lives) > 1 else self.lives[0]
        try:
            await life(self)  # type: ignore[misc]
        finally:
            self.state = AWAY
            self.ended += 1

    async def check(self) -> tuple[Finding, ...]:
        return self.findings


async def connected(front: FakeFront) -> None:
    front.state = WELL
    await asyncio.Event().wait()


async def dying(front: FakeFront) -> None:
    raise OSError("network is unreachable")


async def hanging(front: FakeFront) -> None:
    await asyncio.Event().wait()


async def refusing(front: FakeFront) -> None:
    raise Refused("DISCORD_TOKEN is not accepted by Discord: copy it again.")


async def ending(front: FakeFront) -> None:
    front.state = WELL


async def canceled_from_within(front: FakeFront) -> None:
    raise asyncio.CancelledError


@asynccontextmanager
async def kept(world: World, *fronts: FakeFront, patience: Patience = QUICK) -> AsyncIterator[Fronts]:
    every = Fronts(Room(world.desk, owner(["test:1"]), inline, lambda: "PAPER"), fronts, patience)
    every.start()
    try:
        yield every
    finally:
        await every.stop(2)


async def until(claim: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not claim():
            await asyncio.sleep(0.005)


def told(world: World) -> list[tuple[EventKind, str, Severity]]:
    events = world.events(EventKind.PLATFORM_DOWN, EventKind.PLATFORM_UP)
    return [(event.kind, event.subject, event.severity) for event in events]


async def test_a_platform_that_dies_is_started_again_until_it_lives() -> None:
    front = FakeFront([dying, ending, canceled_from_within, connected])
    async with kept(make_world(), front) as fronts:
        await until(lambda: front.begun == 4 and front.state.is_well)

        assert fronts.parts == (("Discord", (True, "connected")),)


async def test_it_is_started_later_each_time() -> None:
    front = FakeFront([dying])
    loop = asyncio.get_running_loop()
    starts: list[float] = []

    async def noted(front: FakeFront) -> None:
        starts.append(loop.time())
        raise OSError

    front.lives = [noted]
    async with kept(make_world(), front):
        await until(lambda: len(starts) == 5)

    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert gaps[0] >= 0.02
    assert gaps[1] >= 0.04
    assert min(gaps[2:]) >= 0.08


async def test_a_short_drop_is_told_to_nobody() -> None:
    world = make_world()
    front = FakeFront([ending, connected])
    async with kept(world, front):
        await until(lambda: front.begun == 2 and front.state.is_well)
        await asyncio.sleep(2 * QUICK.drop)

    assert told(world) == []


async def test_what_lasts_is_told_once_and_its_end_too() -> None:
    world = make_world()
    back = asyncio.Event()

    async def later(front: FakeFront) -> None:
        await back.wait()
        front.state = WELL
        await asyncio.Event().wait()

    front = FakeFront([later], title="telegram")
    async with kept(world, front, patience=Patience(drop=0.05, look=0.01)):
        await until(lambda: told(world))
        await asyncio.sleep(0.1)
        back.set()
        await until(lambda: len(told(world)) == 2)

    assert told(world) == [
        (EventKind.PLATFORM_DOWN, "telegram", Severity.WARNING),
        (EventKind.PLATFORM_UP, "telegram", Severity.INFO),
    ]


async def test_a_platform_that_refuses_is_told_at_once_with_the_setting_and_not_hammered() -> None:
    world = make_world()
    front = FakeFront([refusing])
    async with kept(world, front) as fronts:
        await until(lambda: told(world))
        parts = fronts.parts
        await asyncio.sleep(0.15)

    assert front.begun == 1
    ((_, subject, severity),) = told(world)
    assert (subject, severity) == ("discord", Severity.URGENT)
    assert "DISCORD_TOKEN" in str(world.events(EventKind.PLATFORM_DOWN)[0].data["words"])
    ((name, (is_well, words)),) = parts
    assert (name, is_well) == ("Discord", False)
    assert words.startswith("DISCORD_TOKEN is not accepted by Discord: copy it again. It is tried again in ")


async def test_a_platform_that_refuses_after_it_was_told_away_is_told_again_as_graver() -> None:
    world = make_world()
    front = FakeFront([hanging, refusing])
    async with kept(world, front, patience=Patience(drop=0.02, stuck=0.1, first=0.01, refused=0.01, look=0.01)):
        await until(lambda: len(told(world)) == 2)
        await until(lambda: front.begun > 4)

    assert [severity for _, _, severity in told(world)] == [Severity.WARNING, Severity.URGENT]


async def test_a_platform_that_hangs_is_ended_and_started_anew() -> None:
    front = FakeFront([hanging, connected])
    async with kept(make_world(), front):
        await until(lambda: front.begun == 2 and front.state.is_well)

    assert front.ended == 2


async def test_one_that_does_not_end_is_never_run_twice() -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def stubborn(front: FakeFront) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            asked.set()
            await release.wait()

    front = FakeFront([stubborn, connected])
    async with kept(make_world(), front):
        await until(asked.is_set)
        await asyncio.sleep(5 * QUICK.longest)
        begun_meanwhile = front.begun
        release.set()
        await until(lambda: front.state.is_well)

    assert begun_meanwhile == 1


async def test_one_in_trouble_holds_up_no_other() -> None:
    world = make_world()
    broken = [FakeFront([life], title=f"broken{number}") for number, life in enumerate((dying, hanging, refusing))]
    fine = FakeFront([connected], title="fine")
    async with kept(world, *broken, fine) as fronts:
        await until(lambda: fine.state.is_well and len(told(world)) >= 3)

        assert dict(fronts.parts)["Fine"] == (True, "connected")


async def test_platforms_end_together_and_a_slow_one_is_named() -> None:
    async def slow(front: FakeFront) -> None:
        front.state = WELL
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)

    world = make_world()
    quick, late = FakeFront([connected], title="quick"), FakeFront([slow], title="late")
    every = Fronts(Room(world.desk, owner(["test:1"]), inline, lambda: "PAPER"), (quick, late), QUICK)
    every.start()
    await until(lambda: quick.state.is_well and late.state.is_well)

    assert await every.stop(0.1) == ("late",)

    assert quick.ended == 1
    await until(lambda: late.ended == 1)


async def test_a_channel_that_fails_is_told_by_name_once_the_platform_is_connected() -> None:
    world = make_world()
    words = "There is no channel 123 for this bot: check discord.channel."
    front = FakeFront([connected], findings=(Finding("discord 123", "fail", words), Finding("discord", "ok", "fine")))
    async with kept(world, front):
        await until(lambda: told(world))

    (event,) = world.events(EventKind.PLATFORM_DOWN)
    assert (event.subject, event.data["words"], event.severity) == ("discord 123", words, Severity.WARNING)


async def test_a_database_that_is_away_only_delays_what_is_told() -> None:
    world = make_world()
    tries: list[int] = []

    async def flaky(pool: object, work: Callable[[], object]) -> object:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("the database is away")
        return work()

    room = Room(world.desk, owner(["test:1"]), flaky, lambda: "PAPER")  # type: ignore[arg-type]
    every = Fronts(room, [FakeFront([refusing])], Patience(drop=0.01, refused=5, look=0.01))
    every.start()
    await until(lambda: told(world))
    await every.stop(1)

    assert len(told(world)) == 1
