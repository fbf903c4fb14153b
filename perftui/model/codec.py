"""Frozen values to JSON and back by their own annotations, so stored reports need no pickle.

What comes back is data from outside: sizes are bounded by the caller, unknown fields are ignored,
and anything that does not fit the annotations raises ValueError.
"""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import enum
import math
import types
import typing
from array import array
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

_PLAIN = frozenset((type(None), bool, int, str))
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence)
_MAPS = (dict, collections.abc.Mapping)


def to_jsonable(value: Any) -> Any:
    """Plain JSON types of a value made of dataclasses, enums, containers, bytes and scalars.

    Non-finite floats become their names, bytes `{"base64": …}`, arrays the same with
    their type code, mappings whose keys are no strings a list of pairs. Raises TypeError for anything else.
    """
    kind: Any = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:  # the commonest by far, with tuples
        return value if math.isfinite(value) else repr(value)
    if kind is tuple:
        return [to_jsonable(item) for item in value]
    names = _names(kind)
    if names:
        return {name: to_jsonable(getattr(value, name)) for name in names}
    return _other(value)


def _other(value: Any) -> Any:
    """What is neither a plain scalar nor a dataclass."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, array):
        return {"array": value.typecode, "base64": base64.b64encode(value.tobytes()).decode()}
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {}  # one without a field
    if isinstance(value, collections.abc.Mapping):
        return _map_out(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [to_jsonable(item) for item in value]
    raise TypeError(f"cannot store a {type(value).__name__}")


@cache
def _names(kind: type) -> tuple[str, ...]:
    """Fields of a dataclass, found once a type: reports are written every second."""
    return tuple(f.name for f in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


def _map_out(value: collections.abc.Mapping[Any, Any]) -> Any:
    if all(isinstance(key, str) for key in value):
        return {key: to_jsonable(item) for key, item in value.items()}
    return [[to_jsonable(key), to_jsonable(item)] for key, item in value.items()]


def from_jsonable(kind: type[T], data: Any) -> T:
    """The value of type `kind` that `to_jsonable` turned into `data`; ValueError when it does not fit."""
    try:
        result: T = _in(kind, data)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a stored {getattr(kind, '__name__', kind)}: {error}") from error
    return result


def _in(kind: Any, data: Any) -> Any:
    if kind is Any:
        return data
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(typing.get_args(kind), data)
    if origin is typing.Literal:
        return _literal(typing.get_args(kind), data)
    if origin in _LISTS:
        return _list(origin, typing.get_args(kind), data)
    if origin in _MAPS:
        return _map(typing.get_args(kind), data)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, data)
    if kind is array:
        return array(data["array"], base64.b64decode(data["base64"], validate=True))
    if isinstance(kind, type) and issubclass(kind, tuple):
        return _named(kind, data)
    return _scalar(kind, data)


def _scalar(kind: Any, data: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind[data]
    if kind is float and isinstance(data, int | float | str) and not isinstance(data, bool):
        return float(data)
    if kind is bytes:
        return base64.b64decode(data["base64"], validate=True)
    if kind is type(None):
        kind = types.NoneType
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise ValueError(f"{type(data).__name__} where {getattr(kind, '__name__', kind)} was stored")
    return data


def _union(kinds: tuple[Any, ...], data: Any) -> Any:
    if data is None and types.NoneType in kinds:
        return None
    for kind in kinds:
        if kind is not types.NoneType:
            try:
                return _in(kind, data)
            except (ValueError, TypeError, KeyError):
                continue
    raise ValueError("fits none of its types")


def _literal(words: tuple[Any, ...], data: Any) -> Any:
    for word in words:
        if type(word) is type(data) and word == data:
            return word
    raise ValueError("a word that is none of the known ones was stored")


def _list(origin: Any, args: tuple[Any, ...], data: Any) -> Any:
    if not isinstance(data, list):
        raise ValueError(f"{type(data).__name__} where a list was stored")
    if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
        if len(args) != len(data):
            raise ValueError("a tuple of another length was stored")
        return tuple(_in(kind, item) for kind, item in zip(args, data, strict=True))
    items = [_in(args[0] if args else Any, item) for item in data]
    return items if origin is list else (tuple(items) if origin not in (set, frozenset) else origin(items))


def _named(kind: Any, data: Any) -> Any:
    """A NamedTuple, stored as the list of its fields."""
    hints = _hints(kind)
    if not isinstance(data, list) or len(data) != len(kind._fields):
        raise ValueError(f"no {kind.__name__} of {len(kind._fields)} fields was stored")
    return kind(*(_in(hints[name], item) for name, item in zip(kind._fields, data, strict=True)))


def _map(args: tuple[Any, ...], data: Any) -> Any:
    key, value = args or (Any, Any)
    pairs = data.items() if isinstance(data, dict) else data
    return {_in(key, k): _in(value, v) for k, v in pairs}


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _dataclass(kind: Any, data: Any) -> Any:
    if not isinstance(data, dict):
        raise ValueError(f"{type(data).__name__} where a {kind.__name__} was stored")
    hints = _hints(kind)
    known = {f.name for f in dataclasses.fields(kind) if f.init}
    return kind(**{name: _in(hints[name], item) for name, item in data.items() if name in known})
