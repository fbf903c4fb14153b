"""TOML tables into dataclasses, with every mistake told by file, line, key and nearest spelling."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union

from perftui.config import secret
from perftui.config.lines import line_of
from perftui.config.settings import is_secret, is_url

KeyPath = tuple[str, ...]


class _WrongTypeError(Exception):
    """A value does not fit; the text says what would."""


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean …?)` for a close known word, else the known words when they are few, else nothing."""
    import difflib

    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1)
    if close:
        return f" (did you mean {close[0]}?)"
    return f" (known: {', '.join(words)})" if 0 < len(words) <= 12 else ""


@dataclass
class Converter:
    """Reads one file's tables; `problems` collects sentences so that all mistakes are told at once."""

    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def problem(self, path: KeyPath, text: str) -> None:
        """Remember a mistake at `path`."""
        self.problems.append(f"{self.place(path)}: {text}")

    def place(self, path: KeyPath) -> str:
        """`file:line` of `path`."""
        line = line_of(self.lines, path)
        return self.file if line is None else f"{self.file}:{line}"

    def unknown(self, path: KeyPath, known: Iterable[str]) -> None:
        """Remember that `path` does not exist among its `known` siblings."""
        self.problem(path, f"unknown key {'.'.join(path)}{nearest(path[-1], known)}")

    def fill(self, cls: type, table: Any, path: KeyPath, *, skip: frozenset[str] = frozenset()) -> Any:
        """An instance of dataclass `cls` from `table`; None when it could not be made (see `problems`).

        Keys in `skip` are read by the caller.
        """
        if not isinstance(table, Mapping):
            self.problem(path, f"{'.'.join(path)} must be a table, not {_say(table)}")
            return None
        specs = {spec.name: spec for spec in dataclasses.fields(cls) if spec.init and spec.name not in skip}
        hints = typing.get_type_hints(cls)
        before = len(self.problems)
        values: dict[str, Any] = {}
        for key, raw in table.items():
            if key in specs:
                values[key] = self._field(specs[key], hints[key], raw, (*path, key))
            elif key not in skip:
                self.unknown((*path, key), specs)
        for name, spec in specs.items():
            if name not in values and _required(spec):
                self.problem(path, f"{'.'.join(path)} needs `{name}`: {spec.metadata.get('help', '')}")
        return self._build(cls, values, path) if len(self.problems) == before else None

    def _build(self, cls: type, values: dict[str, Any], path: KeyPath) -> Any:
        try:
            return cls(**values)
        except ValueError as error:  # an Options' own rule, said by its __post_init__
            self.problem(path, f"{'.'.join(path)}: {error}")
            return None

    def _field(self, spec: dataclasses.Field[Any], hint: Any, raw: Any, path: KeyPath) -> Any:
        referred = raw == "" or (isinstance(raw, str) and secret.is_reference(raw))
        if is_url(spec) and isinstance(raw, str) and not referred and secret.carries_password(raw):
            self.problem(path, f"{'.'.join(path)} has a password in it: {secret.HOW} for the whole value")
            return None
        if is_secret(spec) and not is_url(spec) and not referred:
            self.problem(path, f"{'.'.join(path)} is a secret and may not stand here: {secret.HOW}")
            return None
        return self.value(hint, raw, path)

    def value(self, hint: Any, raw: Any, path: KeyPath) -> Any:
        """`raw` as `hint`, or None after remembering what is wrong with it."""
        try:
            return self._convert(hint, raw, path)
        except _WrongTypeError as error:
            self.problem(path, f"{'.'.join(path)} {error}")
            return None

    def _convert(self, hint: Any, raw: Any, path: KeyPath) -> Any:
        origin = typing.get_origin(hint)
        if origin in {Union, types.UnionType}:
            return self._union(hint, raw, path)
        if origin is Literal:
            return _member(raw, typing.get_args(hint), raw)
        if origin in {tuple, list, frozenset, set}:
            return self._sequence(hint, origin, raw, path)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return self._mapping(hint, raw, path)
        if dataclasses.is_dataclass(hint):
            return self.fill(typing.cast("type", hint), raw, path)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return _enum(hint, raw)
        return _scalar(hint, raw)

    def _union(self, hint: Any, raw: Any, path: KeyPath) -> Any:
        choices = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        first: _WrongTypeError | None = None
        for choice in choices:
            try:
                return self._convert(choice, raw, path)
            except _WrongTypeError as error:
                first = first or error
        raise first or _WrongTypeError("takes no value")

    def _sequence(self, hint: Any, origin: Any, raw: Any, path: KeyPath) -> Any:
        if not isinstance(raw, list):
            raise _WrongTypeError(f"must be a list, not {_say(raw)}")
        inner = [arg for arg in typing.get_args(hint) if arg is not Ellipsis]
        fixed = origin is tuple and Ellipsis not in typing.get_args(hint)
        if fixed and len(raw) != len(inner):
            raise _WrongTypeError(f"must have {len(inner)} items, not {len(raw)}")
        kinds = inner if fixed else inner * len(raw)
        return origin(
            self._convert(k, item, (*path, str(i)))
            for i, (k, item) in enumerate(zip(kinds, raw, strict=fixed))
        )

    def _mapping(self, hint: Any, raw: Any, path: KeyPath) -> Any:
        if not isinstance(raw, Mapping):
            raise _WrongTypeError(f"must be a table, not {_say(raw)}")
        kind = typing.get_args(hint)[1]
        return {str(key): self._convert(kind, item, (*path, str(key))) for key, item in raw.items()}


def _required(spec: dataclasses.Field[Any]) -> bool:
    return spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING


def _member(raw: Any, known: tuple[Any, ...], result: Any) -> Any:
    if raw in known:
        return result
    hint = nearest(str(raw), [str(k) for k in known])
    raise _WrongTypeError(f"cannot be {_say(raw)}{hint}")


def _enum(hint: type[Enum], raw: Any) -> Enum:
    values = {member.value: member for member in hint}
    _member(raw, tuple(values), raw)
    return values[raw]


def _scalar(hint: Any, raw: Any) -> Any:
    if hint is Any:
        return raw
    if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if hint is Path and isinstance(raw, str):
        return Path(raw).expanduser()
    if isinstance(raw, bool) and hint is not bool:
        raise _WrongTypeError(f"must be {_WORDS.get(hint, hint)}, not {_say(raw)}")
    if isinstance(hint, type) and isinstance(raw, hint):
        return raw
    raise _WrongTypeError(f"must be {_WORDS.get(hint, hint)}, not {_say(raw)}")


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


def _say(raw: Any) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str):
        return f'"{secret.mask(raw)[:60]}"'
    if isinstance(raw, Mapping):
        return "a table"
    return "a list" if isinstance(raw, list) else str(raw)
