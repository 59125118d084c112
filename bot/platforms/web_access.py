"""Who may talk to the page: login tokens, sessions in memory, and the checks every request has to pass.

The page listens on this machine only, yet any web site open in the same browser can send requests to it. So the Host
has to be ours (against DNS rebinding), an Origin too (against other sites), and only a session may look or act.
"""

from __future__ import annotations

import hmac
import math
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from engine.errors import NotAllowed

TOKEN_BYTES = 24
MOST_GUESSES = 10
GUESS_WINDOW = 60.0
"""Seconds in which at most MOST_GUESSES wrong tokens are answered as such; then the answer is to wait."""
MOST_SESSIONS = 64

WRONG_TOKEN = "That token is not valid here. Use the link the desk printed when it started."

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Server": "wsb",
    }
)
"""On every answer. Scripts, styles, pictures and connections come from this server or not at all."""


class Access:
    """The tokens of one run of the desk and the sessions they opened. Nothing of it is written anywhere.

    `seconds` is a clock that never goes back.
    """

    def __init__(self, names: Iterable[str], port: int, seconds: Callable[[], float]) -> None:
        self.tokens: Mapping[str, str] = {name: secrets.token_urlsafe(TOKEN_BYTES) for name in names}
        self.port = port
        self.cookie = f"wsb_session_{port}"
        """Cookies do not know ports: with the port in the name two desks on one machine keep apart."""
        self._seconds = seconds
        self._sessions: dict[str, str] = {}
        self._guesses: deque[float] = deque(maxlen=MOST_GUESSES)

    @property
    def hosts(self) -> tuple[str, str]:
        """The only values of Host that are answered."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"

    @property
    def origins(self) -> tuple[str, ...]:
        """The only pages that may send anything."""
        return tuple(f"http://{host}" for host in self.hosts)

    def refusal(self, host: str, origin: str | None, *, sends: bool) -> str:
        """Why a request is refused, "" when it is fine; one that `sends` (POST, WebSocket) has to name its Origin."""
        if host not in self.hosts:
            return f"This page answers to {self.hosts[0]} only."
        if origin is None:
            return "A request that changes something has to come from the page itself." if sends else ""
        if origin != f"http://{host}":
            return "Requests from other pages are refused."
        return ""

    def wait(self) -> int:
        """Seconds until a wrong token is answered as such again; 0 when it is now."""
        if len(self._guesses) < MOST_GUESSES:
            return 0
        return max(0, math.ceil(GUESS_WINDOW - (self._seconds() - self._guesses[0])))

    def log_in(self, token: str) -> str:
        """A new session for whom the token belongs to; returns what the cookie carries.

        The right token is always taken: whoever else on this machine sends wrong ones must not keep its owner from
        the desk, and 24 random bytes are not guessed.

        Raises:
            NotAllowed: the token is nobody's.
        """
        given = token.encode("utf-8", "replace")
        matches = [name for name, known in self.tokens.items() if hmac.compare_digest(known.encode(), given)]
        if not matches:
            if not self.wait():
                self._guesses.append(self._seconds())
            raise NotAllowed(WRONG_TOKEN)
        return self._open(matches[0])

    def _open(self, name: str) -> str:
        while len(self._sessions) >= MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        session = secrets.token_urlsafe(32)
        self._sessions[session] = name
        return session

    def name_of(self, session: str | None) -> str:
        """Whose session this is, "" for nobody's."""
        return self._sessions.get(session or "", "")

    def log_out(self, session: str | None) -> None:
        """Forget the session."""
        self._sessions.pop(session or "", None)
