"""Tables for spreadsheets and scripts: RFC 4180, UTF-8, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
import datetime as dt
import math
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, TextIO

from perftui.config.secret import mask
from perftui.model.series import Series

LONG_HEADER = ("time", "source", "series", "labels", "unit", "value")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table(out: TextIO, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write a header and rows as they come; returns how many rows were written."""
    writer = csv.writer(out)
    writer.writerow([cell(name) for name in header])
    count = 0
    for row in rows:
        writer.writerow([cell(value) for value in row])
        count += 1
    return count


def long(out: TextIO, series: Iterable[Series]) -> int:
    """Write samples one a row (`time,source,series,labels,unit,value`), one series after the other."""
    return table(out, LONG_HEADER, (row for one in series for row in _rows(one)))


def stamp(at: float) -> str:
    """Epoch seconds as ISO 8601 UTC with milliseconds."""
    whole = dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds")
    return whole.replace("+00:00", "Z")


def cell(value: Any) -> str:
    """One cell: numbers bare, nothing for None and what is no number, text safe from being a formula."""
    if value is None:
        return ""
    if isinstance(value, Enum):
        return cell(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dt.datetime):
        return stamp(value.timestamp())
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    text = mask(text.encode("utf-8", "backslashreplace").decode())
    return f"'{text}" if text.startswith(_FORMULA) else text


def _rows(series: Series) -> Iterable[tuple[Any, ...]]:
    key = series.key
    labels = ";".join(f"{name}={value}" for name, value in key.labels)
    return ((stamp(s.at), key.source, key.name, labels, series.unit, s.value) for s in series)
