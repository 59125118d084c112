"""The other end of `NOTIFY_SOCKET`: a real datagram socket stands in for systemd."""

from __future__ import annotations

import socket


class Systemd:
    """The other end of `NOTIFY_SOCKET`."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def close(self) -> None:
        """Hear nothing any more."""
        self.socket.close()

    def heard(self) -> list[str]:
        """Every line that came since the last time."""
        lines: list[str] = []
        while True:
            try:
                lines += self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return lines
