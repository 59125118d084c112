"""What the monitor of a process answers on its port."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

Numbers = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def numbers(port: int) -> Numbers:
    """What /metrics says now."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for one in families for each in one.samples}


def told(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON of one answer; status 0 while nobody answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as refusal:
        return refusal.code, json.load(refusal)
    except OSError:
        return 0, {}
