"""Who may do what: one person has one name on every platform, and nobody is known by default."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from engine.errors import Denied

IDENTITY = re.compile(r"[a-z][a-z-]{0,20}:-?\w{1,64}", re.ASCII)


class Role(StrEnum):
    """Viewer looks, trader acts, admin runs the desk; each may do what the one before it may."""

    VIEWER = "viewer"
    TRADER = "trader"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return tuple(Role).index(self)

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may.

        >>> Role.ADMIN.covers(Role.TRADER), Role.VIEWER.covers(Role.TRADER)
        (True, False)
        """
        return self.rank >= needed.rank


@dataclass(frozen=True, slots=True)
class User:
    """A person. `ids` are `platform:id` ("discord:123"): never a display name, which anybody can copy.

    An id such as "discord-role:456" lets in everybody whom the server gave that role.
    """

    name: str
    role: Role
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who is allowed in, by identity."""

    users: tuple[User, ...] = ()
    by_identity: dict[str, User] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = {identity: user for user in self.users for identity in user.ids}
        object.__setattr__(self, "by_identity", known)

    def who(self, identity: str, groups: Iterable[str] = ()) -> User:
        """The person behind `identity`, or the entry of the first of `groups` that somebody gave a role to.

        Everybody who comes in by one group ("discord-role:456") acts under that entry's one name: two of them are
        never two approvers.

        Raises:
            Denied: nobody has it.
        """
        known = (self.by_identity.get(each) for each in (identity, *groups))
        user = next((each for each in known if each is not None), None)
        if user is None:
            raise Denied(_unknown(identity))
        return user

    def named(self, name: str) -> User | None:
        """The person called `name`, or None."""
        return next((user for user in self.users if user.name == name), None)

    @property
    def admins(self) -> tuple[User, ...]:
        return tuple(user for user in self.users if user.role is Role.ADMIN)


def _unknown(identity: str) -> str:
    """What a stranger is told: their own id and nothing else of what they sent."""
    if not IDENTITY.fullmatch(identity):
        return "You are not on this desk's list of users, and no id of yours is known to add you by."
    return f'“{identity}” is not on this desk\'s list of users. An admin can add it: [[users]] ids = ["{identity}"].'


def owner(identities: Iterable[str]) -> People:
    """A desk with one admin called "you": the demo and the command line, where whoever started it owns it."""
    return People((User("you", Role.ADMIN, tuple(identities)),))
