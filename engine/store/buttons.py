"""Buttons by opaque token: what a chat platform shows to everybody says nothing, what it means is kept here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select, update

from engine.model.records import KeptButton
from engine.schema.tables import buttons
from engine.store.work import Queries

_COLUMNS = ("token", "platform", "chat", "message", "action", "made_at", "used_at")
_ONE = select(*(buttons.c[name] for name in _COLUMNS)).where(buttons.c.token == bindparam("token_"))
_OF_MESSAGE = (
    select(*(buttons.c[name] for name in _COLUMNS))
    .where(buttons.c.platform == bindparam("platform_"))
    .where(buttons.c.chat == bindparam("chat_"))
    .where(buttons.c.message == bindparam("message_"))
    .order_by(buttons.c.made_at, buttons.c.token)
)
_USE = (
    update(buttons)
    .where(buttons.c.token == bindparam("token_"))
    .where(buttons.c.used_at.is_(None))
    .values(used_at=bindparam("at_"))
)
_PLACE = update(buttons).where(buttons.c.token == bindparam("token_")).values(message=bindparam("message_"))
_FORGET = delete(buttons).where(buttons.c.made_at < bindparam("before_"))


class Buttons(Queries):
    """Buttons that were shown in chats."""

    __slots__ = ()

    def add_buttons(self, shown: Iterable[KeptButton]) -> None:
        """Keep buttons before they are shown; `message` is "" until the platform has named it."""
        rows = [{name: getattr(button, name) for name in _COLUMNS} for button in shown]
        self._write(insert(buttons), rows)

    def place_buttons(self, tokens: Iterable[str], message: str) -> None:
        """Write down which message these buttons stand under."""
        self._write(_PLACE, [{"token_": token, "message_": message} for token in tokens])

    def button(self, token: str) -> KeptButton | None:
        """The button with this token, None where the desk never made it or has forgotten it."""
        row = self._row(_ONE, {"token_": token})
        return None if row is None else KeptButton(*row)

    def buttons_of(self, platform: str, chat: str, message: str) -> tuple[KeptButton, ...]:
        """Every button that was ever shown under a message, oldest first."""
        rows = self._rows(_OF_MESSAGE, {"platform_": platform, "chat_": chat, "message_": message})
        return tuple(KeptButton(*row) for row in rows)

    def use_button(self, token: str, at: datetime) -> bool:
        """Whether this press is the token's first: of two at once one is."""
        return self._write(_USE, {"token_": token, "at_": at}) == 1

    def forget_buttons(self, before: datetime) -> int:
        """Delete what was made before; returns how many there were."""
        return self._write(_FORGET, {"before_": before})
