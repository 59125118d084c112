"""The right of one process to act for a desk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Term:
    """Under which lease this process acts. Every desk of one process shares it; a new lease begins a new epoch.

    Attributes:
        holder: this process, as the lease names it; "" where no lease is taken (replay, one command), so that nothing
            is ever fenced off.
        epoch: of the lease it holds, 0 before it holds one. A lease with another epoch in the database means that
            somebody else acts now.
    """

    holder: str = ""
    epoch: int = 0

    @property
    def is_fenced(self) -> bool:
        """Whether acts are held against the lease in the database."""
        return bool(self.holder)
