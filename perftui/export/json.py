"""Any frozen value as JSON a person or a program can read, with secrets left out."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import re
from array import array
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

from perftui.config.secret import MASK, is_reference, mask
from perftui.model.frame import Frame
from perftui.model.series import Series, SeriesKey

_SECRET = re.compile(r"(?i)(?:^|_)(password|passwd|secret|token|api_?key|private_?key)$")
# json leaves DEL, C1 controls, bidirectional and zero-width characters as they are: a terminal would obey.
_UNSEEN = re.compile("[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")


def jsonable(value: Any) -> Any:
    """`value` in plain JSON types.

    Dataclasses and named tuples become objects, enums their values, sets sorted lists, non-finite
    numbers null, series lists of [epoch seconds, value], bytes text with escapes. Fields declared
    or named secret and passwords inside URLs are masked. What has no form of its own becomes its text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return jsonable(value.value) if not isinstance(value, int) else value.name.lower()
    if isinstance(value, int | float | str | bytes):
        return _scalar(value)
    if isinstance(value, Series):
        return {
            "key": str(value.key),
            "unit": value.unit,
            "samples": [[s.at, _scalar(s.value)] for s in value],
        }
    if isinstance(value, SeriesKey | PurePath):
        return mask(str(value))
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _object(zip(value._fields, value, strict=True))
    if isinstance(value, Mapping):
        return _object((_name(key), item) for key, item in value.items())
    if isinstance(value, set | frozenset):
        return sorted((jsonable(item) for item in value), key=repr)
    if isinstance(value, list | tuple | array):
        return [jsonable(item) for item in value]
    return mask(str(value))


def dumps(value: Any, *, indent: int | None = 2) -> str:
    """`value` as JSON text whose every character is visible, so that it is safe on a terminal."""
    text = json.dumps(jsonable(value), indent=indent, ensure_ascii=False, allow_nan=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode("utf-8", "replace").decode()


def _scalar(value: float | str | bytes) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return mask(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, str):
        return mask(value.encode("utf-8", "backslashreplace").decode())
    return int(value)


def _name(key: Any) -> str:
    if isinstance(key, Enum):
        return str(key.value)
    return str(_scalar(key)) if isinstance(key, str | bytes) else str(key)


def _fields(value: Any) -> dict[str, Any]:
    """A dataclass; a frame's history is a window on the store, not a value, and is left out."""
    specs = [s for s in dataclasses.fields(value) if not (s.name == "history" and isinstance(value, Frame))]
    pairs = [(s, getattr(value, s.name)) for s in specs]
    return _object((s.name, _hidden(item) if s.metadata.get("secret") else item) for s, item in pairs)


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: jsonable(_hidden(item) if _SECRET.search(name) else item) for name, item in pairs}


def _hidden(item: Any) -> Any:
    """A mask for what is set; a reference to a secret is none and may be seen."""
    if item is None or item == "" or isinstance(item, bool):
        return item
    return item if isinstance(item, str) and is_reference(item) else MASK
