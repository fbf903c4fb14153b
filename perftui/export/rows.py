"""What a command prints as JSON, as one table: a line a record, nested objects as dotted columns."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from perftui.draw.clean import inert
from perftui.export import csv
from perftui.export.json import jsonable

PART = "part"
LONGEST = 1 << 16  # characters of a cell
Row = dict[str, Any]


def text(value: Any, *, header: bool = True) -> str:
    """CSV of a list of records, or of one, as RFC 4180 has it and safe on a terminal; "" for no records."""
    rows = records(jsonable(value))
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    csv.table(out, names, ([row.get(name) for name in names] for row in rows))
    told = out.getvalue()
    return told if header else told.partition("\r\n")[2]


def records(value: Any) -> list[Row]:
    """The records of a JSON value.

    An object with lists of records in it is a line for each of these, with what else it says in front; of
    several such lists the column `part` names the one a line is from. Other lists are JSON in their cell.
    """
    if isinstance(value, list):
        return [_flat(one) for one in value]
    if not isinstance(value, Mapping):
        return [{"value": value}]
    lists = {name: item for name, item in value.items() if _is_table(item)}
    head = _flat({name: item for name, item in value.items() if name not in lists})
    if not lists:
        return [head]
    several = len(lists) > 1
    return [
        head | ({PART: name} if several else {}) | _flat(one) for name, rows in lists.items() for one in rows
    ]


def _is_table(item: Any) -> bool:
    return isinstance(item, list) and bool(item) and all(isinstance(one, Mapping) for one in item)


def _flat(value: Any) -> Row:
    return dict(_cells("", value)) if isinstance(value, Mapping) else {"value": _cell(value)}


def _cells(before: str, value: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _cells(f"{before}{name}.", item)
        else:
            yield f"{before}{name}", _cell(item)


def _cell(item: Any) -> Any:
    told = json.dumps(item, ensure_ascii=False) if isinstance(item, list) else item
    return inert(told, LONGEST) if isinstance(told, str) else told
