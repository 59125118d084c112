"""Where the recorded data and official schemas lie, for the tests that read them."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"

needs_shared = pytest.mark.skipif(
    not (SHARED / "data").is_dir(),
    reason="needs the recorded data in a folder named shared beside this repository; it is not there",
)
