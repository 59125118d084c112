"""Cards about people: one's own settings, and everybody on the list with who was turned away."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.routes import Topic
from bot import words
from bot.message import Button, Card, Tone
from bot.people import IDENTITY, People, Role, User
from bot.preferences import Preferences
from bot.tried import TurnedAway

SHOWN = 3
"""Strangers whose lines for the configuration are spelled out."""
LISTED = 10
IN_A_ROW = 2


def settings_card(name: str, own: Preferences, now: datetime, banner: str) -> Card:
    """Everything one person can set, as it is, with a tap for the usual changes."""
    facts = (
        ("Time zone", f"{own.zone}, now {now.astimezone(ZoneInfo(own.zone)):%H:%M}"),
        ("Quiet hours", _hours(own)),
        ("Muted", ", ".join(sorted(own.muted)) or "nothing"),
        ("Digest", _digest(own)),
        ("Cards", "compact" if own.compact else "full"),
    )
    lines = (
        "They hold for what is answered to you and for your private chats with the desk.",
        "In quiet hours cards come without a sound. What is urgent always comes, with one.",
        "/settings digest 18:30 is when it comes to a private chat of yours that is among the desk's channels.",
        "/settings zone Europe/Berlin and /settings quiet 22:00-07:00 set them by name.",
    )
    length = Button("Full cards", "settings:full") if own.compact else Button("Compact cards", "settings:compact")
    is_quiet = own.quiet_from != own.quiet_until
    quiet = Button("No quiet hours", "settings:quiet off") if is_quiet else QUIET
    return Card(
        f"Settings of {name}", lines=lines, facts=facts, buttons=((length, quiet), *_topics(own)), banner=banner
    )


def _digest(own: Preferences) -> str:
    """`after the close, each week and month`."""
    when = "after the close" if own.digest_at is None else f"at {own.digest_at:%H:%M}"
    spans = [name for name, wanted in (("day", True), ("week", own.weekly), ("month", own.monthly)) if wanted]
    return f"{when}, each {', '.join(spans)}"


QUIET = Button("Quiet 22:00-07:00", "settings:quiet 22:00-07:00")


def _hours(own: Preferences) -> str:
    if own.quiet_from == own.quiet_until:
        return "off"
    return f"{own.quiet_from:%H:%M} to {own.quiet_until:%H:%M}"


def _topics(own: Preferences) -> tuple[tuple[Button, ...], ...]:
    """A tap for each topic that turns it off or on."""
    taps = [
        Button(f"Unmute {topic}", f"settings:unmute {topic}")
        if topic in own.muted
        else Button(f"Mute {topic}", f"settings:mute {topic}")
        for topic in Topic
    ]
    return tuple(tuple(taps[start : start + IN_A_ROW]) for start in range(0, len(taps), IN_A_ROW))


def users_card(people: People, acts: Mapping[str, datetime], turned_away: Iterable[TurnedAway], banner: str) -> Card:
    """Everybody with role, ids and last act; who was turned away within a week; how the list is changed."""
    by_identity = people.by_identity
    away = tuple(turned_away)
    strangers = tuple(each for each in away if each.identity not in by_identity)
    own = {user.name: [each for each in away if each.identity in user.ids] for user in people.users}
    lines = [_line(user, acts.get(user.name), own[user.name]) for user in people.users]
    lines += [f"Turned away: {each.identity}, {_often(each)}." for each in strangers[:LISTED]]
    if len(strangers) > LISTED:
        lines.append(f"And {len(strangers) - LISTED} more strangers.")
    return Card(
        f"{words.count(len(people.users), 'person', 'people')} on the list",
        Tone.WARNING if strangers else Tone.NEUTRAL,
        lines=(*lines, *_how(tuple(each for each in strangers if IDENTITY.fullmatch(each.identity))[:SHOWN])),
        footer="People are changed in config.toml only, never from a chat; start the desk again after it.",
        banner=banner,
    )


def _line(user: User, last: datetime | None, away: Iterable[TurnedAway]) -> str:
    ids = ", ".join(user.ids) or "no ids"
    acted = f"Last act {words.moment(last)}." if last is not None else "Has not acted yet."
    told = "".join(f" Turned away as {each.identity}, {_often(each)}." for each in away)
    return f"{user.name} ({user.role}): {ids}. {acted}{told}"


def _often(each: TurnedAway) -> str:
    often = "once" if each.times == 1 else f"{each.times:,} times"
    return f"{often}, last {words.moment(each.last)}"


def _how(strangers: tuple[TurnedAway, ...]) -> tuple[str, ...]:
    """The lines of the configuration that let them in, as they have to be written."""
    if not strangers:
        return ()
    head = f"To let one of them in, add these lines with a name of your choice and a role ({', '.join(Role)}):"
    lines = [head]
    for each in strangers:
        lines += ["[[users]]", 'name = "NAME"', f'role = "{Role.VIEWER}"', f"ids = [{json.dumps(each.identity)}]"]
    return tuple(lines)
