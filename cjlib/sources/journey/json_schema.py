"""The journey file's keys as JSON schema, for editors: completion, and a mark under a key that is not known.

What a value may be is left to `cj check`, which says it in words: a plain value is text whatever it looks like, and one may stand for a list of one.
"""

from __future__ import annotations

import json
from typing import Any

NAME = "journey.schema.json"
"""The file beside a journey file."""
HEAD = f"# yaml-language-server: $schema={NAME}\n"
"""The line by which an editor finds it."""
_PLAIN = {"type": ["string", "number", "boolean", "null"]}
_LIST = {"type": "array", "items": _PLAIN}


def json_schema() -> dict[str, Any]:
    """The schema of a journey file."""
    from cjlib.sources.journey import Journey

    strict = Journey.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_section(strict),
        "title": "Journey file",
        "required": ["name"],
        "$defs": {name: _section(section) for name, section in strict["$defs"].items()},
    }


def schema_text() -> str:
    """The same, as the file holds it."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


def _section(strict: dict[str, Any]) -> dict[str, Any]:
    """A mapping with known keys; keys that must be there are asked for by `cj check`."""
    return {
        "description": strict.get("description", ""),
        "type": "object",
        "additionalProperties": False,
        "properties": {key: {"anyOf": _ways(value)} for key, value in strict["properties"].items()},
    }


def _ways(value: dict[str, Any]) -> list[dict[str, Any]]:
    """What may stand under a key: its sections and words, and any plain value, one or a list."""
    ways = [way for part in _parts(value) for way in _written(part)]
    return [*ways, _PLAIN, _LIST] if "enum" not in value else ways


def _parts(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives, none of which has others below it."""
    parts = value.get("anyOf") or value.get("oneOf")
    return [part for one in parts for part in _parts(one)] if parts else [value]


def _written(value: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in value:
        return [{"$ref": value["$ref"]}]
    if "enum" in value:
        return [{"enum": [*value["enum"], None]}]
    if value.get("type") == "array":
        items = _ways(value.get("items", {}))
        return [{"type": "array", "items": {"anyOf": items}}, *items]
    if value.get("type") == "object":
        inside = value.get("additionalProperties", True)
        return [{"type": "object", "additionalProperties": _inside(inside)}]
    return [{"type": "object"}] if value == {} else []


def _inside(value: Any) -> Any:
    return {"anyOf": _ways(value)} if isinstance(value, dict) else value
