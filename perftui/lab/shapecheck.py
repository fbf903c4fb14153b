"""As much of JSON Schema as the vendors' shapes need, so that the lab's receivers depend on nothing more.

Each file of `shapes/` is one request of a vendor's API, or a part that several have; its `$comment` names the
published description it was compared with, and the version of that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
ANY: Mapping[str, Any] = {}
MOST = 1 << 20  # bytes of a body where the vendor names no bound


@dataclass(frozen=True, slots=True)
class Operation:
    """One request: how it must look, and by status what is answered; `most` bytes of body."""

    method: str
    path: re.Pattern[str]
    headers: Mapping[str, Any]
    body: Mapping[str, Any]
    answers: Mapping[str, Any]
    most: int = MOST

    def wrong(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> tuple[str, ...]:
        """Why the vendor would not take it; header names in lower case, `path` without its query."""
        found = [] if method == self.method else [f"{method} instead of {self.method}"]
        if not self.path.search(path):
            found.append(f"the path does not look like {self.path.pattern}")
        return (*found, *problems(dict(headers), self.headers, "headers"), *problems(body, self.body))

    def odd(self, status: int, said: Any) -> tuple[str, ...]:
        """Why the vendor would never answer that."""
        if str(status) not in self.answers:
            return (f"status {status} is none of {', '.join(self.answers)}",)
        return problems(said, self.answers[str(status)], "answer")


@cache
def operation(name: str) -> Operation:
    """A vendor's request by its file's name."""
    found = _read(name)
    return Operation(
        found["method"],
        re.compile(found["path"]),
        found["headers"],
        found["body"],
        found["answers"],
        found.get("most", MOST),
    )


def fields(name: str, text: str) -> dict[str, Any]:
    """A form's or a query's fields; those that the operation's shape has as a list are one."""
    pairs, known = parse_qsl(text), operation(name).body["properties"]
    lists = {key for key, _ in pairs if known.get(key, ANY).get("type") == "array"}
    return {key: [v for k, v in pairs if k == key] if key in lists else value for key, value in pairs}


@cache
def shape(name: str) -> Mapping[str, Any]:
    """The shape of a request's body, or of a part."""
    found: Mapping[str, Any] = _read(name)["body"]
    return found


def _read(name: str) -> dict[str, Any]:
    """The file, with the parts it refers to in their places."""
    text = (Path(__file__).parent / "shapes" / f"{name}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(
        text, object_hook=lambda one: shape(one["$ref"]) if set(one) == {"$ref"} else one
    )
    return found


def problems(value: Any, schema: Mapping[str, Any], place: str = "body") -> tuple[str, ...]:
    """What does not fit, each with its place; () when all does."""
    return tuple(_problems(value, schema, place))


def _problems(value: Any, schema: Mapping[str, Any], place: str) -> Iterable[str]:
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        yield f"{place} is no {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place} is none of {', '.join(map(str, schema['enum']))}"
    if "const" in schema and value != schema["const"]:
        yield f"{place} is not {schema['const']}"
    if isinstance(value, str):
        yield from _text(value, schema, place)
    if isinstance(value, list):
        if len(value) > schema.get("maxItems", len(value)):
            yield f"{place} has {len(value)} items, more than {schema['maxItems']}"
        for n, item in enumerate(value):
            yield from _problems(item, schema.get("items", {}), f"{place}[{n}]")
    if isinstance(value, dict):
        yield from (f"{place} lacks {name}" for name in schema.get("required", ()) if name not in value)
        known = schema.get("properties", {})
        for name, inner in known.items():
            if name in value:
                yield from _problems(value[name], inner, f"{place}.{name}")
        yield from _more(value, known, schema.get("additionalProperties", True), place)
    for one in schema.get("allOf", ()):
        yield from _problems(value, one, place)
    choices = [tuple(_problems(value, one, place)) for one in schema.get("anyOf", ())]
    if choices and all(choices):
        yield from min(choices, key=len)


def _more(value: Mapping[str, Any], known: Iterable[str], rule: Any, place: str) -> Iterable[str]:
    """What a schema says of names that it does not name itself."""
    others = [name for name in value if name not in known]
    if rule is False:
        yield from (f"{place} has {name}, which is unknown" for name in others)
    elif isinstance(rule, Mapping):
        for name in others:
            yield from _problems(value[name], rule, f"{place}.{name}")


def _text(value: str, schema: Mapping[str, Any], place: str) -> Iterable[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{place} has {len(value)} characters"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place} does not look like {schema['pattern']}"
