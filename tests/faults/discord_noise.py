"""Interactions nobody should send: from strangers, from elsewhere, malformed, huge, forged. One seed is one noise.

None of them may change anything. Whoever is on the desk's list only looks, asks for what their role does not cover, or
says what must not be taken: in another server, in a direct message, as a bot.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bot.catalogue import ALL
from bot.people import Role
from tests.standins.discord_interactions import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL
from tests.standins.discord_server import DiscordServer
from tests.standins.discord_world import Channel, Member, Message, Row

MARK = "M4RK"
ODD = (
    f"**{MARK}**", f"[{MARK}](https://evil.example)", "<@1001>", "<@&7>", "@everyone", "# big", "```", "||x||", "<",
    "\u202egnp.exe", "\u0000", "\ud800", "e\u0301" * 40, "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u200b",
    "%s{}{0}", "'; DROP TABLE orders;--", "\N{ARABIC LETTER ALEF}" * 90, "../../etc/passwd", "-1", "1e999", "NaN", "٣",
    "A" * 300, "*_~`" * 2000,
)  # fmt: skip
JUNK: tuple[Any, ...] = (
    None, True, False, -1, 0, 2**31, 2**63, 2**70, 1.5, 1e308, "", " ", "/halt", "wsb:halt:", *ODD, [], {}, [{}], [[]],
    [None], ["x"], {"name": "x"}, {"value": 1}, {"component": None}, {"component": "x"}, {"components": 7},
)  # fmt: skip
FORGED = (
    "wsb:", "wsb: ", "wsb:halt:", "wsb:resume:", "wsb:approve:A00001.1", "wsb:approve:A99999.1", "wsb:approve:-1",
    "wsb:panic:flatten", "wsb:setlimit:max_orders 99", "wsb:nothing:1", "wsb:\n", "WSB:halt:", "other:halt:", "",
    "wsb:" + "x" * 100, "wsb:approve:" + "9" * 5000, *(f"wsb:{odd}" for odd in ODD),
)  # fmt: skip
KEPT = {"id", "token", "application_id", "type", "version", "member", "user", "guild_id", "message"}
"""Who did it, where, and how it is answered: replaced, it might be a good one of somebody who may."""
UNHEARD = (1, 6, 99)
"""Kinds of interactions that are none of ours."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Where the noise comes from. `card` has a button that acts: `standing`."""

    dice: np.random.Generator
    server: DiscordServer
    places: tuple[Channel, ...]
    card: Message
    standing: str
    ann: Member
    tom: Member
    vic: Member
    strangers: tuple[Member, ...]
    machine: Member

    def interactions(self, number: int) -> Iterator[Row]:
        """So many of them; the server expects their answers."""
        scenes = (self._strangers, self._beyond, self._looks, self._elsewhere, self._of_machines, self._nameless)
        for _ in range(number):
            row = scenes[self.dice.integers(len(scenes))]()
            if self.dice.random() < 0.5:
                row = {key: value if key in KEPT else self._garbled(value) for key, value in row.items()}
            yield self._bent(row)

    def _one(self, among: Any) -> Any:
        return among[int(self.dice.integers(len(among)))]

    def _any(self, who: Member, where: Channel | None = None, names: tuple[str, ...] = ()) -> Row:
        """One thing somebody does, whatever they may."""
        kind = self._one((COMMAND, COMMAND, COMPONENT, COMPONENT, AUTOCOMPLETE, MODAL))
        names = names or tuple(command.name for command in ALL)
        data = self._data(kind, names)
        source = self.card if kind == COMPONENT or (kind == MODAL and self.dice.random() < 0.5) else None
        row = self._begun(kind, who, where or self._one(self.places), data, source)
        if kind == COMPONENT and self.dice.random() < 0.1:
            row["data"]["component_type"] = self._one((3, 5, 99))
        return row

    def _begun(self, kind: int, who: Member, where: Channel, data: Row, source: Message | None = None) -> Row:
        """As the server tells it; a form belongs to what somebody did before."""
        begin = self.server.interactions.begin
        cause = begin(COMMAND, who, where, self._data(COMMAND, ("close",))) if kind == MODAL else None
        return copy.deepcopy(begin(kind, who, where, data, source, cause).row)

    def _data(self, kind: int, names: tuple[str, ...]) -> Row:
        if kind == COMPONENT:
            custom_id = self._one((self.standing, self._one(FORGED)))
            return {"component_type": 2, "custom_id": custom_id, "id": 1, "values": ["x"]}
        if kind == MODAL:
            custom_id = self._one((*FORGED, *(f"wsb:{name}:" for name in names)))
            return {"custom_id": custom_id, "components": [self._field() for _ in range(self.dice.integers(0, 7))]}
        options = [self._option() for _ in range(self.dice.integers(0, 6))]
        if kind == AUTOCOMPLETE:
            for option in options:
                option["focused"] = self._one((True, False, 1, "x", None))
        return {"id": "1", "name": self._one(names), "type": 1, "options": options}

    def _option(self) -> Row:
        every = [parameter.name for command in ALL for parameter in command.parameters]
        option = {"name": self._one((*every, *ODD)), "type": self._one((3, 4, 10, 1, 99)), "value": self._one(JUNK)}
        return option if self.dice.random() < 0.9 else option | {"options": [dict(option)]}

    def _field(self) -> Row:
        """A field of a form: in a label, in a row, or nested in ways Discord has not."""
        text: Row = {"type": 4, "id": 1, "custom_id": self._one(("reason", *ODD)), "value": self._one(JUNK)}
        row: Row = {"type": 1, "id": 2, "components": [text, text]}
        label: Row = {"type": 18, "id": 3, "component": text}
        return dict(
            self._one((text, row, label, {"type": 18, "id": 4, "component": row}, {**row, "components": [label]}))
        )

    def _strangers(self) -> Row:
        """Somebody nobody knows, with no roles or strange ones."""
        row = self._any(self._one(self.strangers))
        row["member"]["roles"] = self._one(([], ["1"], [str(2**63)], ["7"] * 300, row["member"]["roles"]))
        return row

    def _beyond(self) -> Row:
        """A trader asks for what an admin may, a viewer for what a trader may."""
        who, role = self._one(((self.tom, Role.TRADER), (self.vic, Role.VIEWER)))
        names = tuple(command.name for command in ALL if not role.covers(command.role))
        data = self._data(COMMAND, names)
        return self._begun(COMMAND, who, self._one(self.places), data)

    def _looks(self) -> Row:
        """Somebody who may look does whatever there is to do."""
        return self._any(self.vic)

    def _elsewhere(self) -> Row:
        """An admin, in a direct message or in a server that is none of the desk's."""
        if self.dice.random() < 0.5:
            return self._any(self.ann, self.server.world.direct(self.ann))
        foreign = str(self.dice.integers(1, 2**60))
        row = self._any(self.ann)
        return row | {"guild_id": foreign, "guild": {"id": foreign, "locale": "en-US", "features": []}}

    def _of_machines(self) -> Row:
        """A bot or a webhook, also one that bears an admin's number."""
        row = self._any(self._one((self.machine, self.ann)))
        row["member"]["user"] |= {"bot": True}
        return row

    def _nameless(self) -> Row:
        """An admin's, but without the part that says who; or of a kind that is none of ours."""
        row = self._any(self.ann)
        if self.dice.random() < 0.5:
            return row | {"type": self._one(UNHEARD)}
        lost = self._one(("member", "user"))
        found = row if lost == "member" else row["member"]
        del found[lost]
        return row

    def _bent(self, row: Row) -> Row:
        """Once in a while without one of its own parts."""
        if self.dice.random() < 0.03:
            row.pop(self._one(("data", "channel", "message", "version", "context", "entitlements", "member")), None)
        return row

    def _garbled(self, value: Any) -> Any:
        """The value with a few of its parts gone or replaced by junk."""
        if self.dice.random() < 0.05:
            return self._one(JUNK)
        if isinstance(value, dict):
            return {key: self._garbled(each) for key, each in value.items() if self.dice.random() > 0.03}
        return [self._garbled(each) for each in value] if isinstance(value, list) else value
