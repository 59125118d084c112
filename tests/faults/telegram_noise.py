"""Updates nobody should send: of strangers, in foreign chats, malformed, huge, forged. The same seed, the same noise.

None of them may change anything. Whoever is on the desk's list only looks, or says what must not be taken: in an edited
message, a forwarded one, as a group, with forged data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.standins.telegram_world import ANONYMOUS, IN_THE_NAME_OF_A_CHANNEL, Json

MARK = "M4RK"
ACTS = (
    "/halt",
    "/resume",
    "/panic flatten",
    "/close P00001",
    "/approve A00001.1",
    "/setlimit max_orders 99",
    "approve it",
)
LOOKS = ("/risk", "/positions", "/proposals", "/limits", "/help", "/whoami", "/quote XYZ", "/health", "/orders")
ODD = (
    f"<b>{MARK}</b>", f'<a href="https://evil.example">{MARK}</a>', "<", "&", "&lt;b&gt;", "\u202egnp.exe", "\u0000",
    "\ud800", "e\u0301" * 40, "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u200b", "%s{}{0}",
    "'; DROP TABLE orders;--",
    "\N{ARABIC LETTER ALEF}" * 90, "@everyone", "../../etc/passwd", "-1", "1e999", "NaN", "٣", "A" * 300,
)  # fmt: skip
JUNK: tuple[Any, ...] = (
    None, True, False, -1, 0, 2**31, 2**63, 2**70, 1.5, 1e308, "", " ", "/halt", "approve:A00001.1", *ODD, [], {}, [{}],
    [[]], {"id": -1009}, {"id": "45"}, {"id": None}, {"inline_keyboard": "x"},
)  # fmt: skip

KEPT = {"from", "sender_chat", "forward_origin"}
"""Who did it: replaced, the update might be a good one of somebody who may."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Where the noise goes.

    Attributes:
        token: the data of a button that acts, shown as message `card` in `group`. now: Unix time.
    """

    dice: np.random.Generator
    group: int
    card: int
    token: str
    now: Callable[[], float]
    listed: int = 45
    viewer: int = 47
    stranger: int = 99

    def updates(self, number: int, numbers: Iterator[int]) -> Iterator[Json]:
        """So many updates, each with the next of `numbers`."""
        kinds = (self._strangers, self._hidden, self._edited, self._forged, self._looks, self._forwarded, self._foreign)
        for _ in range(number):
            body = kinds[self.dice.integers(len(kinds))]()
            if self.dice.random() < 0.5:
                body = {kind: self._garbled(content) for kind, content in body.items()}
            yield {"update_id": next(numbers), **body}

    def _one(self, among: tuple[Any, ...]) -> Any:
        return among[self.dice.integers(len(among))]

    def _message(self, who: int, chat: int, text: str, **more: Any) -> Json:
        kind = "private" if chat > 0 else "supergroup"
        return {
            "message_id": int(self.dice.integers(1, 100_000)),
            "date": int(self.now() - self.dice.integers(0, 5)),
            "chat": {"id": chat, "type": kind, "title": self._one(ODD)},
            "from": {"id": who, "is_bot": False, "first_name": self._one(ODD)},
            "text": text,
            **more,
        }

    def _strangers(self) -> Json:
        """Somebody nobody knows tries to act, in private or in the desk's group."""
        who = int(self._one((self.stranger, self.dice.integers(1_000_000, 1_000_050))))
        chat = int(self._one((who, self.group)))
        reply = {"reply_to_message": {"message_id": self.card}} if self.dice.random() < 0.3 else {}
        return {"message": self._message(who, chat, f"{self._one(ACTS)} {self._one(ODD)}", **reply)}

    def _hidden(self) -> Json:
        """Somebody writes as the group, or as a channel."""
        sender, chat = self._one(((ANONYMOUS, self.group), (IN_THE_NAME_OF_A_CHANNEL, -1009)))
        message = self._message(
            self.listed, self.group, self._one(ACTS), sender_chat={"id": chat, "type": "supergroup"}
        )
        return {"message": {**message, "from": sender}}

    def _edited(self) -> Json:
        """What is no new message of a person."""
        kind = self._one(("edited_message", "channel_post", "edited_channel_post", "business_message"))
        return {kind: self._message(self.listed, self.listed, self._one(ACTS))}

    def _forged(self) -> Json:
        """A press with data of one's own making, or with a true token by whoever may not use it, or elsewhere."""
        forged = (self.listed, self._one(("approve:A00001.1", "halt:", "x" * 64, "~form:1 x", "~page:9 /risk", *ODD)))
        who, data = self._one((forged, (self.stranger, self.token)))
        where = self._one((self.group, self.listed, -1009))
        message = self._message(int(who), where, "card")
        return {
            "callback_query": {
                "id": f"noise{self.dice.integers(10**9)}",
                "from": message["from"],
                "message": {**message, "message_id": self.card},
                "chat_instance": "1",
                "data": data,
            }
        }

    def _looks(self) -> Json:
        """Somebody who may look asks for nonsense."""
        text = f"{self._one(LOOKS)} {self._one(ODD)} {self._one(ODD)}"
        size = int(self._one((1, 1, 1, 40)))
        return {"message": self._message(self.viewer, self.viewer, (text * size)[:4096])}

    def _forwarded(self) -> Json:
        """An order that somebody else gave, passed on."""
        return {"message": self._message(self.listed, self.listed, self._one(ACTS), forward_origin={"type": "user"})}

    def _foreign(self) -> Json:
        """Somebody on the list, in a group that is none of the desk's."""
        return {"message": self._message(self.listed, -1009, self._one(ACTS))}

    def _garbled(self, value: Any) -> Any:
        """The value with a few of its parts gone or replaced by junk; never who did it."""
        if self.dice.random() < 0.05:
            return self._one(JUNK)
        if isinstance(value, dict):
            found = {key: self._garbled(each) for key, each in value.items() if self.dice.random() > 0.03}
            return found | {key: value[key] for key in KEPT & value.keys()}
        return [self._garbled(each) for each in value] if isinstance(value, list) else value
