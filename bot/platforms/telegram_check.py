"""What a doctor says about Telegram: the token, the webhook, every chat cards go to and our rights there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from telegram import ChatFullInfo, ChatMemberAdministrator, ChatMemberRestricted
from telegram.constants import ChatMemberStatus, ChatType

from alerts.outbox import Undeliverable
from bot.doctor import Finding
from bot.people import People
from bot.platforms.base import Refused
from bot.platforms.telegram_chats import Address, Chats
from bot.platforms.telegram_queue import Flooded, is_group
from bot.platforms.telegram_wire import Moved, Trouble, Wire

PART = "telegram"
IN = frozenset({ChatMemberStatus.MEMBER, ChatMemberStatus.ADMINISTRATOR, ChatMemberStatus.OWNER})


def _ok(words: str, part: str = PART) -> Finding:
    return Finding(part, "ok", words)


def _warn(words: str, part: str = PART) -> Finding:
    return Finding(part, "warn", words)


def _fail(words: str, part: str = PART) -> Finding:
    return Finding(part, "fail", words)


async def examined(wire: Wire, chats: Chats, people: People, webhook_url: str) -> AsyncIterator[Finding]:
    """One finding after the other; after a token that is refused or a server that is silent there is no other."""
    try:
        await wire.open()
    except Refused as refused:
        yield _fail(str(refused))
        return
    except (Trouble, Flooded) as problem:
        yield _fail(f"Telegram does not answer ({problem}): see that this machine reaches it, and telegram.api_url.")
        return
    yield _ok(f"TELEGRAM_TOKEN is that of @{wire.name}.")
    for finding in [await _webhook(wire, webhook_url), *_places(chats, people)]:
        yield finding
    for chat in chats.configured:
        yield await _chat(wire, chats, chat)
    if any(map(is_group, chats.configured)) and wire.bot.can_read_all_group_messages:
        yield _warn(
            f"@{wire.name} reads everything in its groups: it only needs commands and answers. "
            "@BotFather, /setprivacy, Enable."
        )


def _places(chats: Chats, people: People) -> Iterable[Finding]:
    if not chats.configured:
        yield _warn("telegram.chat is empty: no card goes to Telegram unless [alerts] names a chat.")
    if not any(identity.startswith("telegram:") for identity in people.by_identity):
        yield _warn('Nobody can use it: no [[users]] entry has an id such as "telegram:45".')
    for old, new in chats.outdated:
        yield _warn(
            f"The group {old} has the number {new} now: put it into telegram.chat, telegram.groups and [alerts]."
        )


async def _webhook(wire: Wire, wanted: str) -> Finding:
    try:
        info = await wire.do(wire.bot.get_webhook_info)
    except (Trouble, Flooded) as problem:
        return _warn(f"Whether a webhook is set is not known: {problem}.")
    if info.url and not wanted:
        return _fail(
            "A webhook is set for this bot, so asking for updates is refused (409): another program uses this "
            "TELEGRAM_TOKEN. Stop it, or make a bot of its own for this desk; deleteWebhook takes the webhook off."
        )
    if wanted and info.last_error_message:
        return _warn(f"Telegram could not reach telegram.webhook_url: {wire.redacted(info.last_error_message)}.")
    return _ok("Updates come by webhook." if wanted else "Updates are asked for (no webhook is set).")


async def _chat(wire: Wire, chats: Chats, chat: str) -> Finding:
    address, part = chats.address(chat), f"telegram:{chat}"
    try:
        found = await wire.do(lambda: wire.bot.get_chat(int(address.chat)), chat)
        if found.type == ChatType.PRIVATE:
            return _ok("A private chat that has been started.", part)
        member = await wire.do(lambda: wire.bot.get_chat_member(int(address.chat), int(wire.id)), chat)
    except Undeliverable as problem:
        return _fail(f"{_missing(wire, address)} ({problem})", part)
    except Moved as moved:
        return _fail(f"This group has the number {moved.chat} now: put it into the configuration.", part)
    except (Trouble, Flooded) as problem:
        return _warn(f"Not known: {problem}.", part)
    may_post = member.status in IN
    if isinstance(member, ChatMemberRestricted):
        may_post = member.is_member and member.can_send_messages
    if isinstance(member, ChatMemberAdministrator) and found.type == ChatType.CHANNEL:
        may_post = bool(member.can_post_messages)
    if not may_post:
        return _fail(f"@{wire.name} may not write in “{found.title}”: make it a member who may send messages.", part)
    return _topic(found, address, part)


def _missing(wire: Wire, address: Address) -> str:
    if is_group(address.chat):
        return (
            f"@{wire.name} is not in this group, or there is none of this number: add it, or correct the configuration"
        )
    return f"@{wire.name} may not write to this person: open @{wire.name} there and press Start, or correct the number"


def _topic(found: ChatFullInfo, address: Address, part: str) -> Finding:
    """Whether the topic can be there; Telegram tells a bot of no list of topics."""
    if address.topic is not None and not found.is_forum:
        return _fail(f"“{found.title}” has no topics: leave the part behind the slash out.", part)
    photos = found.permissions is None or found.permissions.can_send_photos is not False
    if not photos:
        return _warn(f"“{found.title}” lets members send no photos: cards come without pictures there.", part)
    return _ok(f"May write in “{found.title}”.", part)
