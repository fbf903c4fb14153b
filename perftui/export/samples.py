"""Samples of the history as a stream of rows: a million of them never stand in memory at once."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any, TextIO

from perftui.export.csv import LONG_HEADER, cell, stamp
from perftui.export.json import jsonable
from perftui.model.series import SeriesKey
from perftui.runtime.history import step_for
from perftui.runtime.past import Past

HOUR = 3600.0
WIDTH = {0.0: HOUR, 10.0: 12 * HOUR, 60.0: 72 * HOUR, 3600.0: 4320 * HOUR}
"""Seconds read at once at each resolution: at most some thousands of rows a series."""
CELLS = 400_000  # of a wide table read at once
EDGE = 1e-6  # the precision of stored times

Piece = tuple[float, float]
Pairs = list[tuple[float, float]]


def step_of(seconds: float) -> float:
    """The resolution that suits a range of this length."""
    return step_for(seconds)


def pieces(start: float, end: float, width: float) -> list[Piece]:
    """[start, end] in parts that begin on multiples of `width`, so that no row is folded twice."""
    parts: list[Piece] = []
    at = start
    while at <= end:
        following = (at // width + 1) * width
        parts.append((at, min(end, following - EDGE)))
        at = following
    return parts


async def samples(past: Past, key: SeriesKey, part: Piece, step: float) -> Pairs:
    """Rows of one series in a part: means, where they are not samples as read."""
    rows = await past.rows(key, *part, step)
    return [(at, value) for at, value in zip(rows.at, rows.mean, strict=True) if math.isfinite(value)]


async def _stream(
    past: Past, keys: Sequence[SeriesKey], window: Piece, step: float
) -> AsyncIterator[tuple[SeriesKey, Pairs]]:
    """Series by series, part by part."""
    for key in keys:
        for part in pieces(*window, WIDTH[step]):
            yield key, await samples(past, key, part, step)


async def long_csv(out: TextIO, past: Past, keys: Sequence[SeriesKey], window: Piece, step: float) -> int:
    """A row a sample, series after series; how many."""
    writer, count = csv.writer(out), 0
    writer.writerow(LONG_HEADER)
    async for key, pairs in _stream(past, keys, window, step):
        labels = ";".join(f"{name}={value}" for name, value in key.labels)
        head = [cell(text) for text in (key.source, key.name, labels, past.unit(key))]
        writer.writerows((stamp(at), *head, repr(value)) for at, value in pairs)
        count += len(pairs)
    return count


async def ndjson(out: TextIO, past: Past, keys: Sequence[SeriesKey], window: Piece, step: float) -> int:
    """An object a line, with the fields of the long table; how many."""
    return await _objects(out, past, keys, window, step, ("", "\n", "\n"))


async def json_array(out: TextIO, past: Past, keys: Sequence[SeriesKey], window: Piece, step: float) -> int:
    """The same objects as one array; how many."""
    return await _objects(out, past, keys, window, step, ("[\n", ",\n", "\n]\n"))


async def _objects(
    out: TextIO,
    past: Past,
    keys: Sequence[SeriesKey],
    window: Piece,
    step: float,
    signs: tuple[str, str, str],
) -> int:
    first, between, last = signs
    out.write(first)
    count = 0
    async for key, pairs in _stream(past, keys, window, step):
        names = {"source": key.source, "series": key.name, "labels": dict(key.labels)}
        fields = {**names, "unit": past.unit(key)}
        tail = json.dumps(jsonable(fields))[1:]  # ASCII: nothing in it that a terminal would obey
        for at, value in pairs:
            out.write(f'{between if count else ""}{{"time": "{stamp(at)}", "value": {value!r}, {tail}')
            count += 1
    out.write(last if count or first else "")
    return count


async def wide_csv(out: TextIO, past: Past, keys: Sequence[SeriesKey], window: Piece, step: float) -> int:
    """A row an instant and a column a series, its unit in the header; how many rows."""
    writer, count = csv.writer(out), 0
    writer.writerow(["time", *(cell(f"{key} [{past.unit(key)}]") for key in keys)])
    width = min(WIDTH[step], max(60.0, CELLS / max(1, len(keys)) * max(step, 1.0)))
    for part in pieces(*window, max(step, width // 60 * 60)):
        table: dict[float, list[Any]] = {}
        for place, key in enumerate(keys):
            for at, value in await samples(past, key, part, step):
                row = table.get(at)
                if row is None:
                    row = table[at] = [""] * len(keys)
                row[place] = repr(value)
        writer.writerows((stamp(at), *table[at]) for at in sorted(table))
        count += len(table)
    return count
