"""The same dataclasses as a JSON Schema and as rows of documentation: declared once, told three ways."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union

from perftui.backends import BUILTIN, CHANNEL_OPTIONS
from perftui.config.load import SECTIONS, channel_options, options_class
from perftui.config.notices import EscalationSettings, OncallSettings, RouteSettings
from perftui.config.schedules import ScheduleSettings
from perftui.config.settings import BusinessSettings, EnvironmentSettings, TargetSettings, is_secret, is_url

JsonSchema = dict[str, Any]
_REFERENCE = r"^$|^env:[A-Za-z_]\w*$|^file:.+|^keyring:[^/]+/.+"
_SCALARS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", Path: "string"}
_WORDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
}


@dataclass(frozen=True, slots=True)
class Described:
    """One key for people: its name, type in words, default as TOML (empty: required) and help."""

    name: str
    type: str
    default: str
    help: str


def described(cls: type) -> tuple[Described, ...]:
    """Every key of a settings or Options dataclass, in order of declaration."""
    return tuple(
        Described(spec.name, _words(hint, spec), _default(spec), str(spec.metadata.get("help", "")))
        for spec, hint in _fields(cls)
    )


def schema() -> JsonSchema:
    """JSON Schema (draft 2020-12) of the configuration file; imports every backend's module."""
    environment = _table(EnvironmentSettings)
    environment["properties"]["backends"] = _backends()
    properties = {name: _table(cls) for name, cls in SECTIONS.items()}
    properties["read_only"] = {"type": "boolean", "description": "Start in read-only mode."}
    properties["keys"] = {"type": "object", "description": "Command id to key."}
    properties["targets"] = {"type": "object", "additionalProperties": _table(TargetSettings)}
    properties["business"] = {"type": "object", "additionalProperties": _table(BusinessSettings)}
    properties["schedules"] = {"type": "object", "additionalProperties": _table(ScheduleSettings)}
    properties["env"] = {"type": "object", "additionalProperties": environment}
    properties["channels"] = {"type": "object", "additionalProperties": {"anyOf": _channels()}}
    properties["routes"] = {"type": "object", "additionalProperties": _table(RouteSettings)}
    properties["escalation"] = {"type": "object", "additionalProperties": _table(EscalationSettings)}
    properties["oncall"] = _table(OncallSettings)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "perftui configuration",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": {kind: _backend(kind) for kind in BUILTIN},
    }


def _backends() -> JsonSchema:
    """A backend named like a kind may leave `kind` out; any other must say it."""
    named = [
        {
            "allOf": [{"$ref": f"#/$defs/{kind}"}],
            "required": ["kind"],
            "properties": {"kind": {"const": kind}},
        }
        for kind in BUILTIN
    ]
    bare = {kind: {"anyOf": [{"$ref": f"#/$defs/{kind}"}, *named]} for kind in BUILTIN}
    return {"type": "object", "properties": bare, "additionalProperties": {"anyOf": named}}


def _channels() -> list[JsonSchema]:
    """A channel named like its kind may leave `kind` out."""
    tables = {kind: _table(channel_options(kind)) for kind in CHANNEL_OPTIONS}
    for kind, table in tables.items():
        table["properties"] = {"kind": {"const": kind}, **table["properties"]}
    return list(tables.values())


def _backend(kind: str) -> JsonSchema:
    table = _table(options_class(kind))
    table["properties"] = {"kind": {"const": kind}, **table["properties"]}
    return table


def _fields(cls: Any) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    hints = typing.get_type_hints(cls)
    return ((spec, hints[spec.name]) for spec in dataclasses.fields(cls) if spec.init)


def _table(cls: Any) -> JsonSchema:
    properties: JsonSchema = {}
    required: list[str] = []
    for spec, hint in _fields(cls):
        entry = _type(hint)
        if spec.metadata.get("help"):
            entry["description"] = spec.metadata["help"]
        if is_secret(spec) and not is_url(spec):
            entry["pattern"] = _REFERENCE
        if spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            required.append(spec.name)
        elif isinstance(spec.default, str | int | float):
            entry["default"] = spec.default
        properties[spec.name] = entry
    table: JsonSchema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**table, "required": required} if required else table


def _type(hint: Any) -> JsonSchema:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in {Union, types.UnionType}:
        choices = [_type(arg) for arg in inner if arg is not types.NoneType]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in {tuple, list, set, frozenset}:
        return (
            {"type": "array", "items": _type(inner[0])}
            if len(set(inner) - {Ellipsis}) == 1
            else {"type": "array"}
        )
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _type(inner[1])}
    if dataclasses.is_dataclass(hint):
        return _table(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    return {"type": _SCALARS[hint]} if hint in _SCALARS else {}


def _words(hint: Any, spec: dataclasses.Field[Any]) -> str:
    if is_url(spec):
        return "URL, or a reference to one"
    if is_secret(spec):
        return "secret reference"
    entry = _type(hint)
    if "enum" in entry:
        return " or ".join(f"`{value}`" for value in entry["enum"])
    if entry.get("type") == "array":
        return "list"
    if entry.get("type") == "object":
        return "table"
    plain = [arg for arg in typing.get_args(hint) if arg is not types.NoneType] or [hint]
    return _WORDS.get(plain[0], "text")


def _default(spec: dataclasses.Field[Any]) -> str:
    if spec.default_factory is not dataclasses.MISSING:
        value: Any = spec.default_factory()
    elif spec.default is dataclasses.MISSING:
        return ""
    else:
        value = spec.default
    return "none" if value is None else toml_value(value)


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return toml_value(value.value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(str(k))} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if dataclasses.is_dataclass(value):
        pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return toml_value({name: item for name, item in pairs if item is not None})
    return _toml_text(str(value))


def toml_key(key: str) -> str:
    """A key as TOML writes it, quoted when it must be."""
    bare = key.replace("-", "").replace("_", "")
    return key if bare.isalnum() and bare.isascii() else _toml_text(key)


def _toml_text(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'
