"""`wsb ready`: one line about a desk that runs, and an exit code, for a container's health check."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.config import load
from bot.console.output import emit, say
from bot.settings import MetricsSettings
from engine.errors import BadRequest

WITHIN = 5.0
"""Seconds for an answer; its own look at the database takes two."""
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
SILENT = "no desk answers"


def ready(config_file: Path | None, environment: Mapping[str, str], only_alive: bool, as_json: bool) -> int:
    """Ask the process of this configuration whether it can trade, or `only_alive`: whether it lives. 0 for yes.

    Raises:
        BadRequest: it tells nobody, or on a port that nobody knows.
    """
    settings = load(config_file, environment).metrics
    if not settings.enabled or not settings.port:
        raise BadRequest("[metrics] has to be enabled, with a port: that is where it is asked.")
    found = _asked(settings, "/healthz" if only_alive else "/readyz")
    if as_json:
        emit(found)
    else:
        say(str(found["status"]))
    return 0 if found["ok"] is True else 1


def _asked(settings: MetricsSettings, path: str) -> dict[str, Any]:
    """What is answered at `path`."""
    host = EVERYWHERE.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=WITHIN)
    where = f"{host}:{settings.port}"
    try:
        connection.request("GET", path)
        found = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return {"ok": False, "status": f"{SILENT} at {where}: {type(problem).__name__}"}
    finally:
        connection.close()
    if not isinstance(found, dict) or not {"ok", "status"} <= found.keys():
        return {"ok": False, "status": f"{SILENT} at {where}: something else does"}
    return found
