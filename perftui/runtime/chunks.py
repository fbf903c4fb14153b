"""How samples are packed for storage and folded into coarser ones: bytes, no clock, no database.

Values are written column by column: integers exactly, as offsets or differences in the narrowest
width; other numbers as float32 (float64 where float32 would lose more than the eighth digit). Bytes
are transposed so that like lies beside like, then zlib. Times are second differences of
microseconds, shared by all series of a source.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TypeAlias

LEVEL = 6
HEADER = struct.Struct("<BI")
BASE = struct.Struct("<q")
LONGEST = 1 << 16  # rows of one chunk we are willing to unpack: what comes from a file may lie
LARGEST = 64 * LONGEST  # bytes of it
NAN = math.nan
EXACT = 2.0**53  # integers beyond are not all floats
CLOSE = 2.0**-23  # what float32 may lose
OFFSETS, DIFFERENCES = 0x10, 0x20  # how a column of integers is written, beside its width
_WIDTHS = {1: "b", 2: "h", 4: "i", 8: "q"}
KINDS = {4: "f", 8: "d"} | {
    how | width: _WIDTHS[width] for how in (OFFSETS, DIFFERENCES) for width in _WIDTHS
}

Column: TypeAlias = "array[float]"


@dataclass(frozen=True, slots=True)
class Rollup:
    """Rows of one series: time (epoch seconds) and, of the samples behind each row, min, max, mean, last.

    `step` is the seconds a row stands for, 0 for samples as they were read (all four are then the
    same column). `count` is how many samples a row holds.
    """

    step: float
    at: Column
    low: Column
    high: Column
    mean: Column
    last: Column
    count: Column

    def __len__(self) -> int:
        return len(self.at)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The stored columns, in their stored order."""
        return (self.low, self.high, self.mean, self.last, self.count)


def plain(at: Column, values: Column) -> Rollup:
    """Samples as they were read; NaN means not reported."""
    count = array("d", (0.0 if math.isnan(value) else 1.0 for value in values))
    return Rollup(0.0, at, values, values, values, values, count)


def pack_times(at: Column) -> bytes:
    """Epoch seconds, rising, to the microsecond."""
    micros = [round(seconds * 1e6) for seconds in at]
    first = [b - a for a, b in zip([0, *micros], micros, strict=False)]
    second = array("q", [b - a for a, b in zip([0, *first], first, strict=False)])
    return zlib.compress(HEADER.pack(1, len(second)) + _transposed(second), LEVEL)


def unpack_times(data: bytes) -> Column:
    """What `pack_times` packed; ValueError for anything else."""
    raw = _inflated(data)
    _, rows = _header(raw, LONGEST)
    second = array("q")
    second.frombytes(_restored(raw[HEADER.size :], 8, rows))
    _little_endian(second)
    return array("d", [micros / 1e6 for micros in accumulate(accumulate(second))])


def pack(columns: Sequence[Column]) -> bytes:
    """Columns of equal length."""
    parts = [HEADER.pack(len(columns), len(columns[0]))]
    for column in columns:
        parts.extend(_packed(column))
    return zlib.compress(b"".join(parts), LEVEL)


def unpack(data: bytes) -> tuple[Column, ...]:
    """What `pack` packed; ValueError for anything else."""
    raw = _inflated(data)
    number, rows = _header(raw, LONGEST)
    place, columns = HEADER.size, []
    for _ in range(number):
        column, place = _unpacked(raw, place, rows)
        columns.append(column)
    return tuple(columns)


def unpack_one(data: bytes, place: int) -> Column | None:
    """One column of what `pack` packed, the others passed over; None where there are not so many.

    ValueError for anything else.
    """
    raw = _inflated(data)
    number, rows = _header(raw, LONGEST)
    if place >= number:
        return None
    at = HEADER.size
    for _ in range(place):
        code = raw[at] if at < len(raw) else 0
        if code not in KINDS:
            raise ValueError("a damaged chunk: unknown coding")
        at += 1 + (BASE.size if code > 0x0F else 0) + rows * (code & 0x0F)
    return _unpacked(raw, at, rows)[0]


def _packed(column: Column) -> tuple[bytes, bytes]:
    whole = all(map(float.is_integer, column)) and max(map(abs, column), default=0.0) < EXACT
    if whole:
        return _packed_integers([int(value) for value in column])
    small = array("f", column)
    body = small if small == column or all(map(_kept, small, column)) else array("d", column)
    return bytes([body.itemsize]), _transposed(body)


def _packed_integers(values: list[int]) -> tuple[bytes, bytes]:
    """Base and body: distances from the least value, or first differences where those are smaller."""
    least, most = min(values, default=0), max(values, default=0)
    steps = [b - a for a, b in pairwise(values)]
    if max(map(abs, steps), default=0) * 2 < most - least:
        code, base, body = DIFFERENCES, values[0], [0, *steps]
    else:
        code, base, body = OFFSETS, least, [value - least for value in values]
    for kind in "bhiq":
        try:
            packed = array(kind, body)
        except OverflowError:
            continue
        break
    return bytes([code | packed.itemsize]) + BASE.pack(base), _transposed(packed)


def _unpacked(raw: bytes, place: int, rows: int) -> tuple[Column, int]:
    code = raw[place] if place < len(raw) else 0
    kind = KINDS.get(code)
    if kind is None:
        raise ValueError("a damaged chunk: unknown coding")
    start = place + 1 + (BASE.size if code > 0x0F else 0)
    body = array(kind)
    end = start + rows * body.itemsize
    body.frombytes(_restored(raw[start:end], body.itemsize, rows))
    _little_endian(body)
    if code <= 0x0F:
        return array("d", body), end
    (base,) = BASE.unpack_from(raw, place + 1)
    if code & DIFFERENCES:
        return array("d", accumulate(body, initial=base))[1:], end
    return array("d", (base + value for value in body)), end


def _kept(small: float, value: float) -> bool:
    if small == value or (math.isnan(small) and math.isnan(value)):
        return True
    whole = abs(value) >= 2.0**24 and value.is_integer()  # a counter: every unit counts
    return not math.isinf(small) and not whole and abs(small - value) <= abs(value) * CLOSE


def _transposed(body: array[float] | array[int]) -> bytes:
    _little_endian(body)
    raw = body.tobytes()
    return b"".join(raw[place :: body.itemsize] for place in range(body.itemsize))


def _restored(raw: bytes, width: int, rows: int) -> bytes:
    if len(raw) != width * rows:
        raise ValueError("a damaged chunk: its length is wrong")
    whole = bytearray(len(raw))
    for place in range(width):
        whole[place::width] = raw[place * rows : (place + 1) * rows]
    return bytes(whole)


def _little_endian(body: array[float] | array[int]) -> None:
    if sys.byteorder == "big":
        body.byteswap()


def _inflated(data: bytes) -> bytes:
    try:
        inflater = zlib.decompressobj()
        raw = inflater.decompress(data, LARGEST)
    except zlib.error as error:
        raise ValueError(f"a damaged chunk: {error}") from error
    if not inflater.eof:
        raise ValueError("a damaged chunk: cut short or too long")
    return raw


def _header(raw: bytes, longest: int) -> tuple[int, int]:
    if len(raw) < HEADER.size:
        raise ValueError("a damaged chunk: no header")
    number, rows = HEADER.unpack_from(raw)
    if rows > longest:
        raise ValueError("a damaged chunk: too many rows")
    return number, rows


def buckets(at: Column, step: float) -> tuple[Column, list[int]]:
    """Starts of the `step` seconds wide, epoch-aligned buckets of rising times, and where each begins.

    The second list has one more entry: the number of rows.
    """
    starts, bounds = array("d"), []
    row = 0
    while row < len(at):
        start = math.floor(at[row] / step) * step
        starts.append(start)
        bounds.append(row)
        row = bisect_left(at, start + step, row + 1)
    return starts, [*bounds, len(at)]


def folded(rows: Rollup, step: float) -> Rollup:
    """Coarser rows; means are weighted by count, rows without samples stay without (NaN, count 0)."""
    starts, bounds = buckets(rows.at, step)
    out = tuple(array("d") for _ in range(5))
    for begin, end in pairwise(bounds):
        for column, value in zip(out, _fold(rows, begin, end), strict=True):
            column.append(value)
    return Rollup(step, starts, *out)


def _fold(rows: Rollup, begin: int, end: int) -> tuple[float, float, float, float, float]:
    counts = rows.count[begin:end]
    total = sum(counts)
    if not total:
        return NAN, NAN, NAN, NAN, 0.0
    live = [row for row, count in enumerate(counts, begin) if count]
    mean = sum(rows.mean[row] * rows.count[row] for row in live) / total
    return (
        min(rows.low[row] for row in live),
        max(rows.high[row] for row in live),
        mean,
        rows.last[live[-1]],
        total,
    )


def last_ones(at: Column, values: Column, step: float) -> tuple[Column, Column]:
    """The starts of the `step` seconds wide buckets of rising times, and the last value in each.

    Values that are not there (NaN) are passed over, as `folded` does with rows without samples.
    """
    found: dict[float, float] = {}
    floor = math.floor
    rows = zip([floor(second / step) * step for second in at], values, strict=True)
    found = {start: value for start, value in rows if value == value}  # noqa: PLR0124 (NaN)
    return array("d", found), array("d", found.values())


def dense(rows: Rollup) -> Rollup:
    """The rows that hold samples."""
    if all(rows.count):
        return rows
    keep = [row for row, count in enumerate(rows.count) if count]
    picked = (array("d", (column[row] for row in keep)) for column in (rows.at, *rows.columns))
    return Rollup(rows.step, *picked)


def between(rows: Rollup, start: float, end: float) -> Rollup:
    """The rows with start <= at <= end."""
    lo, hi = bisect_left(rows.at, start), bisect_right(rows.at, end)
    if (lo, hi) == (0, len(rows)):
        return rows
    return Rollup(rows.step, *(column[lo:hi] for column in (rows.at, *rows.columns)))


def strung(parts: Sequence[Rollup], step: float) -> Rollup:
    """All rows of all parts, one part after the other."""
    columns = [array("d") for _ in range(6)]
    for part in parts:
        for column, more in zip(columns, (part.at, *part.columns), strict=True):
            column.extend(more)
    return Rollup(step, *columns)


def risen(rows: Rollup) -> Rollup:
    """The same rows in time order (two writers of one source may have interleaved)."""
    if all(a <= b for a, b in pairwise(rows.at)):
        return rows
    order = sorted(range(len(rows)), key=rows.at.__getitem__)
    return Rollup(rows.step, *(array("d", (c[row] for row in order)) for c in (rows.at, *rows.columns)))


def joined(parts: Sequence[Rollup], step: float) -> Rollup:
    """One run of rows in time order; of rows at the same instant the first given stays."""
    ordered = sorted((part for part in parts if len(part)), key=lambda part: part.at[0])
    if all(a.at[-1] < b.at[0] for a, b in pairwise(ordered)):
        return strung(ordered, step)
    whole = risen(strung(parts, step))
    again = [row for row, (a, b) in enumerate(pairwise(whole.at), 1) if a == b]
    for column in (whole.at, *whole.columns) if again else ():
        for row in reversed(again):
            del column[row]
    return whole
