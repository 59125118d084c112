"""Whether requests and answers keep to an OpenAPI document, 3.0 or 3.1."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import ValidationError
from jsonschema.exceptions import best_match
from openapi_schema_validator import OAS30Validator, OAS31Validator, oas30_format_checker, oas31_format_checker

PUBLISHED_EMPTY = frozenset({"symbol", "side", "asset_id", "asset_class", "type", "order_type"})
"""Alpaca's published example of a package answers "" here, against its own schema: the example is believed."""


class OpenApi:
    """One document. Every method gives the list of what is wrong, empty when all is well."""

    def __init__(self, path: Path) -> None:
        self._document = json.loads(path.read_text(encoding="utf-8"))
        is_newer = self._document["openapi"].startswith("3.1")
        self._validator = OAS31Validator if is_newer else OAS30Validator
        self._formats = oas31_format_checker if is_newer else oas30_format_checker
        # "One of" two records without a required field can be kept by no record: "any of" is what is meant.
        for operation in (item for methods in self._document["paths"].values() for item in methods.values()):
            _loosen(operation)
        _free_ids(self._document)

    @cached_property
    def _paths(self) -> list[tuple[re.Pattern[str], str]]:
        """Patterns of the documented paths, those without variables first."""
        names = sorted(self._document["paths"], key=lambda name: name.count("{"))
        return [(re.compile(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(name))), name) for name in names]

    def _operation(self, method: str, path: str) -> Mapping[str, Any] | None:
        for pattern, name in self._paths:
            if pattern.fullmatch(path):
                operation: Mapping[str, Any] | None = self._document["paths"][name].get(method.lower())
                return operation
        return None

    def request(self, method: str, path: str, query: Mapping[str, str], body: object) -> list[str]:
        """What is wrong with a request."""
        operation = self._operation(method, path)
        if operation is None:
            return [f"{method} {path}: not documented"]
        known = {item["name"]: item for item in map(self._resolved, operation.get("parameters", ()))}
        wrong = [f"{method} {path}: unknown parameter {name}" for name in query if name not in known]
        for name, value in query.items():
            if name in known:
                schema = known[name].get("schema", {})
                wrong += self._errors(schema, _typed(value, schema), f"{method} {path}?{name}")
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        return wrong + (self._errors(content["schema"], body, f"{method} {path}") if content else [])

    def answer(self, method: str, path: str, status: int, body: object) -> list[str]:
        """What is wrong with an answer. Statuses the document does not describe carry `code` and `message`."""
        operation = self._operation(method, path)
        if operation is None:
            return [f"{method} {path}: not documented"]
        where = f"{method} {path} -> {status}"
        response = operation["responses"].get(str(status))
        if status >= 400:
            return self._errors({"$ref": "#/components/schemas/Error"}, body, where)
        if response is None:
            return [f"{where}: status not documented"]
        content = self._resolved(response).get("content", {}).get("application/json")
        if content is None:
            return [] if body is None else [f"{where}: a body where none belongs"]
        return self._errors(content["schema"], body, where)

    def _resolved(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = item.get("$ref")
        if reference is None:
            return item
        found: Any = self._document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return self._resolved(found)

    def _errors(self, schema: Mapping[str, Any], value: object, where: str) -> list[str]:
        whole = {**schema, "components": self._document["components"]}
        checker = self._validator(whole, format_checker=self._formats)
        errors = [error for error in checker.iter_errors(value) if not _is_published(error)]
        causes = [best_match([error]) or error for error in errors]
        return [f"{where}: {'/'.join(map(str, cause.absolute_path))} {cause.message}" for cause in causes]


def _loosen(node: object) -> None:
    if isinstance(node, dict):
        if "oneOf" in node:
            node["anyOf"] = node.pop("oneOf")
        for child in node.values():
            _loosen(child)
    elif isinstance(node, list):
        for child in node:
            _loosen(child)


def _free_ids(node: object) -> None:
    """Discord reads an id that is sent as a number, too; its own library sends some so."""
    if isinstance(node, dict):
        if node.get("format") == "snowflake":
            node |= {"type": ["string", "integer"]}
        for child in node.values():
            _free_ids(child)
    elif isinstance(node, list):
        for child in node:
            _free_ids(child)


def _typed(value: str, schema: Mapping[str, Any]) -> object:
    kind = schema.get("type")
    if kind == "array":
        return value.split(",")
    if kind in ("integer", "number", "boolean"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _is_published(error: ValidationError) -> bool:
    return error.instance == "" and bool(error.path) and error.path[-1] in PUBLISHED_EMPTY
