"""How soon a tap is acknowledged in Discord and Telegram, with a scan, a chart and 20 users at once.

Measured: `wsb run` (practice) in a process of its own, between servers on loopback; 20 people of each platform press a
button of one card in the same moment, again and again, while somebody scans and draws charts without a pause. The time
is the server's own, from the press to the first answer (Discord: the interaction's callback; Telegram:
answerCallbackQuery). Peer, in the same run: one person at a time on the desk at rest. We hold ourselves to 500 ms for
the slowest; a platform's limit is 3 s (Discord). `python -m bench.chat_ack [ROUNDS]`
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Event, Thread

from tests.journeys.chats import Chats, chats
from tests.standins.discord_world import Member
from tests.standins.discord_world import Message as DiscordMessage
from tests.standins.telegram_world import Message as TelegramMessage
from tests.standins.telegram_world import Person

ROUNDS = 8
USERS = 20
BUTTON = "Why"
PRACTICE = '[approvals]\nexpire_standard = 36000\n[data]\nsource = "recorded"\nspeed = 600'
LOAD = (("scan", {"strategy": "wheel"}), ("chart", {"ticker": "IBM"}))


@dataclass
class Crowd:
    """Who presses, and the card they press a button of."""

    here: Chats
    members: list[Member]
    people: list[Person]
    card: DiscordMessage | None = None
    photo: TelegramMessage | None = None

    @property
    def users(self) -> str:
        """All of them as the configuration has them."""
        ids = [*(f"discord:{one.id}" for one in self.members), *(f"telegram:{one.id}" for one in self.people)]
        rows = [f'[[users]]\nname = "u{row}"\nrole = "trader"\nids = ["{id}"]' for row, id in enumerate(ids)]
        return "\n".join(rows)

    def discord(self, count: int) -> list[float]:
        """Seconds to the acknowledgement, for so many at once."""
        assert self.card is not None
        asked = [self.here.discord.press(member, self.card, BUTTON, within=20) for member in self.members[:count]]
        seconds = [one.result().ack_seconds for one in asked]
        return [20.0 if each is None else each for each in seconds]

    def telegram(self, count: int) -> list[float]:
        """The same there."""
        assert self.photo is not None
        acts = [self.here.telegram.press(person, self.photo, BUTTON) for person in self.people[:count]]
        queries = [act.query for act in acts if act.answered(within=20).get() and act.query is not None]
        answered = {
            sent.parameters["callback_query_id"]: sent.at for sent in self.here.telegram.sent("answerCallbackQuery")
        }
        return [answered[query.id] - query.at for query in queries]


@contextmanager
def busy(crowd: Crowd) -> Iterator[None]:
    """Somebody scans and has charts drawn, one after the other without a pause."""
    ending = Event()

    def load() -> None:
        here = crowd.here
        while not ending.is_set():
            for command, values in LOAD:
                here.discord.slash(here.ann, command, here.channel, within=20, **values).result()

    thread = Thread(target=load)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


@contextmanager
def crowded(folder: Path) -> Iterator[Crowd]:
    """A desk in both chats with a card on each and everybody there."""
    with chats(folder) as here:
        members = [here.discord.member(f"m{number}") for number in range(USERS)]
        people = [here.telegram.person(f"p{number}") for number in range(USERS)]
        here.group.members.update({person.id: "member" for person in people})
        crowd = Crowd(here, members, people)
        process = here.start("bot", "run", "--config", here.configure(PRACTICE, crowd.users))
        crowd.card, crowd.photo = here.until_both("put?")
        yield crowd
        here.end(process)


def told(name: str, crowd: list[float], alone: list[float]) -> None:
    """One platform's figures."""
    late, middle = max(crowd) * 1e3, median(crowd) * 1e3
    floor = median(alone) * 1e3
    print(f"{name}: {USERS} at once under load: median {middle:.0f} ms, slowest {late:.0f} ms of {len(crowd)}")
    print(f"{name}: peer, one at a time on a desk at rest: median {floor:.1f} ms; ratio {middle / floor:.1f}")


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder, crowded(Path(folder)) as crowd:
        ways: dict[str, Callable[[int], list[float]]] = {"Discord": crowd.discord, "Telegram": crowd.telegram}
        for name, press in ways.items():
            press(1)
            alone = [second for _ in range(rounds) for second in press(1)]
            with busy(crowd):
                under_load = [second for _ in range(rounds) for second in press(USERS)]
            told(name, under_load, alone)


if __name__ == "__main__":
    main()
