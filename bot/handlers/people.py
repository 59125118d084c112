"""Who is who: /settings of one's own, /users for the admin, and the stop of long work."""

from __future__ import annotations

from bot import preferences
from bot.cards.people import settings_card, users_card
from bot.command import Call
from bot.message import Card
from bot.parse import clipped
from bot.preferences import Preferences
from bot.tried import tried
from bot.wishes import WISHES, wished
from engine.errors import BadRequest, NotAllowed


def settings(call: Call) -> Card:
    """The person's own settings, changed first where a change is asked for."""
    name, now = _own_name(call), call.desk.now()
    with call.desk.store.begin() as work:
        current = preferences.preferences_of(work, name)
        wanted = _wanted(call, current)
        if wanted != current:
            preferences.save(work, name, wanted, name, now)
    return settings_card(name, wanted, now, call.room.banner())


def _own_name(call: Call) -> str:
    """The name of somebody who is on the list themselves.

    Raises:
        NotAllowed: they come in by a group, whose one name they share.
    """
    if call.request.identity not in call.room.people.by_identity:
        shared = next((group for group in call.request.groups if group in call.user.ids), call.user.name)
        raise NotAllowed(
            f"You come in by “{shared}” and share the name {call.user.name} with everybody who does: settings belong "
            f"to one person. Ask an admin for an entry of your own in config.toml, with the id {call.request.identity}."
        )
    return call.user.name


def _wanted(call: Call, current: Preferences) -> Preferences:
    what, value = call.text("setting"), call.text("value")
    if value and not what:
        raise BadRequest(f"Say what to set to “{clipped(value)}”: {', '.join(WISHES)}.")
    return wished(current, what, value) if what else current


def users(call: Call) -> Card:
    """Everybody on the list with their last act, and who was turned away lately."""
    with call.desk.store.read() as work:
        acts = work.last_acts()
        turned_away = tried(work, call.room.denials.untold(), call.desk.now())
    return users_card(call.room.people, acts, turned_away, call.room.banner())


def stop(call: Call) -> Card:
    """End long work that is under way: the asker's own, or anybody's for an admin."""
    from_admin = call.user in call.room.people.admins
    work = call.room.works.stop(call.text("work").upper(), call.user.name, from_admin)
    if work.is_over:
        return Card("It had ended", lines=(f"{work.words} was done before: there was nothing to stop.",))
    lines = (f"{work.words} ends at its next step; its own answer says so.",)
    return Card("Stopping", lines=lines, banner=call.room.banner())
