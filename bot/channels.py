"""Where the configuration sends cards."""

from __future__ import annotations

from alerts.routes import TOPICS, Channels, Topic
from bot.settings import Config


def channels_of(config: Config) -> Channels:
    """The destinations of every kind of event; without a word in `[alerts]` every connected platform's own channel."""
    alerts, given = config.alerts, config.alerts.channels
    return Channels(
        alerts.default or own_channels(config),
        {kind: given[kind] for kind in TOPICS if kind in given},
        alerts.urgent,
        alerts.warning,
        {topic: given[topic] for topic in Topic if topic in given},
    )


def own_channels(config: Config) -> tuple[str, ...]:
    """The channel of every platform that is connected to."""
    own = {"discord": config.discord.channel, "telegram": config.telegram.chat, "web": _page(config)}
    return tuple(f"{platform}:{chat}" for platform, chat in own.items() if chat and config.connects(platform))


def _page(config: Config) -> str:
    return "desk" if any(identity.startswith("web:") for identity in config.people.by_identity) else ""


def chats_of(config: Config, platform: str) -> tuple[str, ...]:
    """Every chat of `platform` that something is sent to, each once."""
    named = (name for _, names in config.alerts.by_key for name in names)
    found = (name.partition(":")[2] for name in (*own_channels(config), *named) if name.startswith(f"{platform}:"))
    return tuple(dict.fromkeys(found))
