"""What was noted last, and no more of it: for a process that runs for months."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Latest(dict[K, V]):
    """The `most` keys that were set last; the one that was set longest ago makes room for a new one.

    >>> seen: Latest[str, int] = Latest(2)
    >>> for name in ("A", "B", "A", "C"):
    ...     seen[name] = len(seen)
    >>> list(seen)
    ['A', 'C']
    """

    __slots__ = ("most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __setitem__(self, key: K, value: V) -> None:
        self.pop(key, None)
        super().__setitem__(key, value)
        if len(self) > self.most:
            self.pop(next(iter(self)), None)  # another thread may have been quicker
