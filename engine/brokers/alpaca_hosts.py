"""Alpaca's own addresses, and whether another one may stand in for them."""

from __future__ import annotations

from urllib.parse import urlsplit

from engine.errors import ConfigError

HOSTS = {"paper-api.alpaca.markets": True, "api.alpaca.markets": False}
"""Alpaca's hosts -> whether no real money moves there."""


def checked(url: str, variable: str, schemes: tuple[str, ...], *, paper: bool) -> str:
    """The address without a trailing `/`.

    Raises:
        ConfigError: it is no address of these schemes, or Alpaca's own for the other kind of account.
    """
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        raise ConfigError(f"{variable} is not an address: “{url}”.")
    if HOSTS.get(parts.hostname, paper) is not paper:
        kind = "paper" if paper else "live"
        raise ConfigError(f"{variable} {parts.hostname} is not the host of a {kind} account.")
    return url.rstrip("/")
