"""Whether requests and answers keep to the published description of the Bot API (a JSON file: methods and types)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PLAIN: Mapping[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
    "True": (bool,),
}


class BotApi:
    """The description. Every method gives the list of what is wrong, empty when all is well."""

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        self._methods: Mapping[str, Mapping[str, Any]] = document["methods"]
        self._types: Mapping[str, Mapping[str, Any]] = document["types"]

    def request(self, method: str, parameters: Mapping[str, str], files: Iterable[str]) -> list[str]:
        """What is wrong with a request; `files` are the names of uploaded parts."""
        described = self._methods.get(method)
        if described is None:
            return [f"{method}: no such method"]
        fields = {field["name"]: field for field in described.get("fields", ())}
        uploaded, attached = set(files), "".join(parameters.values())
        wrong = [f"{method}: unknown parameter {name}" for name in parameters if name not in fields]
        wrong += [
            f"{method}: unknown upload {name}"
            for name in sorted(uploaded)
            if name not in fields and f"attach://{name}" not in attached
        ]
        for name, field in fields.items():
            if name in parameters:
                value = _decoded(parameters[name], field["types"])
                wrong += self._wrong(value, field["types"], f"{method}.{name}")
            elif field["required"] and name not in uploaded:
                wrong.append(f"{method}: {name} is missing")
        return wrong

    def answer(self, method: str, result: object) -> list[str]:
        """What is wrong with the result of an answer."""
        described = self._methods.get(method)
        return self._wrong(result, described["returns"], f"{method} ->") if described else []

    def update(self, update: object) -> list[str]:
        """What is wrong with an update."""
        return self._wrong(update, ["Update"], "update")

    def _wrong(self, value: object, types: Iterable[str], where: str) -> list[str]:
        """The complaints of the type that complains least."""
        return min((self._against(value, kind, where) for kind in types), key=len)

    def _against(self, value: object, kind: str, where: str) -> list[str]:
        if kind.startswith("Array of "):
            if not isinstance(value, list):
                return [f"{where}: {value!r:.60} is no list"]
            inner = [kind.removeprefix("Array of ")]
            return [each for index, item in enumerate(value) for each in self._wrong(item, inner, f"{where}[{index}]")]
        if kind in PLAIN:
            is_right = isinstance(value, PLAIN[kind]) and (kind in ("Boolean", "True") or not isinstance(value, bool))
            return [] if is_right else [f"{where}: {value!r:.60} is no {kind}"]
        if kind == "InputFile":
            return [f"{where}: {value!r:.60} is no uploaded file"]
        described = self._types[kind]
        if "subtypes" in described:
            return self._wrong(value, described["subtypes"], where)
        return self._record(value, kind, described.get("fields", ()), where)

    def _record(self, value: object, kind: str, fields: Iterable[Mapping[str, Any]], where: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"{where}: {value!r:.60} is no {kind}"]
        known = {field["name"]: field for field in fields}
        wrong = [f"{where}: unknown field {name} of {kind}" for name in value if name not in known]
        for name, field in known.items():
            if name in value:
                wrong += self._wrong(value[name], field["types"], f"{where}.{name}")
            elif field["required"]:
                wrong.append(f"{where}: {name} of {kind} is missing")
        return wrong


def _decoded(text: str, types: Iterable[str]) -> object:
    """The value of a form field: JSON, except where a string is expected."""
    try:
        found: object = json.loads(text)
    except ValueError:
        return text
    return text if "String" in types and isinstance(found, str | int | float | None) else found
