"""What systemd is told of this process: ready, alive, ending; nothing where no systemd asks for it.

The protocol: datagrams of `NAME=VALUE` lines to the UNIX socket that `NOTIFY_SOCKET` names, `@` standing for the zero
byte of an abstract address; `WATCHDOG_USEC` is the time within which `WATCHDOG=1` has to come again, where
`WATCHDOG_PID` is this process or not set. https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html,
https://www.freedesktop.org/software/systemd/man/latest/sd_watchdog_enabled.html.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Where to tell it. `patience` is how many seconds systemd waits for a sign of life, None where it does not."""

    address: str = ""
    patience: float | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Supervisor:
        """The one that started this process, if any."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        is_asked = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        patience = int(microseconds) / 1e6 if microseconds.isdecimal() and is_asked else None
        return cls(environment.get("NOTIFY_SOCKET", ""), patience)

    def tell(self, **lines: str) -> None:
        """Send `READY="1"`, `WATCHDOG="1"`, `STATUS="..."` ...; what cannot be sent is logged and holds up nothing."""
        if not self.address:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        text = "\n".join(f"{name}={value}" for name, value in lines.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as out:
                out.sendto(text.encode(), address)
        except OSError as problem:
            log.warning("notify.failed", problem=repr(problem))
