"""The last minutes of every series in memory, so that charts never wait for a disk."""

from __future__ import annotations

import math
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from perftui.model.frame import SeriesReader
from perftui.model.reading import Measure, Reading
from perftui.model.series import Series, SeriesKey

SECONDS = 1200.0
MOST_SAMPLES = 2400  # per series, for backends read faster than twice a second
MOST_SERIES = 2000
BUDGET = 24 << 20  # bytes of samples in memory, whatever their number and pace
JUMP = 5.0  # seconds back that are no jitter any more
NAN = math.nan


class Sheet:
    """All series of one source: one column of times, one of values a series (NaN: not reported).

    Readings share their instant, so a column costs 8 bytes a sample instead of 16.
    """

    def __init__(self) -> None:
        self.at: array[float] = array("d")
        self.columns: dict[SeriesKey, array[float]] = {}
        self.units: dict[SeriesKey, str] = {}

    def add(self, at: float, measures: Iterable[Measure]) -> None:
        """One row. One that is a little older than the last is ignored: it must not fold the chart.

        One that is much older means that the clock was set back: rows from the future go.
        """
        rows = len(self.at)
        if rows and at <= self.at[-1]:
            if self.at[-1] - at < JUMP:
                return
            self._cut(at)
            rows = len(self.at)
        self.at.append(at)
        for measure in measures:
            column = self.columns.get(measure.key)
            if column is None:
                column = self.columns[measure.key] = array("d", [NAN]) * rows
                self.units[measure.key] = measure.unit
            if len(column) == rows:
                column.append(measure.value)
        for column in self.columns.values():
            if len(column) == rows:
                column.append(NAN)

    def _cut(self, at: float) -> None:
        keep = bisect_left(self.at, at)
        for column in (self.at, *self.columns.values()):
            del column[keep:]

    def cut_before(self, at: float) -> None:
        """Drop rows before `at`."""
        drop = bisect_left(self.at, at)
        for column in (self.at, *self.columns.values()):
            del column[:drop]

    def trim(self, oldest: float, most: int) -> None:
        """Drop rows before `oldest` and beyond `most`, in tenths, and columns with no value left."""
        drop = max(bisect_left(self.at, oldest), len(self.at) - most)
        if drop <= len(self.at) // 10:
            return
        del self.at[:drop]
        for key, column in list(self.columns.items()):
            del column[:drop]
            if all(value != value for value in column):  # noqa: PLR0124 (NaN is what differs from itself)
                del self.columns[key], self.units[key]

    def series(self, key: SeriesKey, start: float, end: float) -> Series:
        """Values of `key` in [start, end] without the gaps."""
        column = self.columns.get(key)
        if column is None:
            return Series(key)
        lo, hi = bisect_left(self.at, start), bisect_right(self.at, end)
        at, values = self.at[lo:hi], column[lo:hi]
        if any(map(math.isnan, values)):
            pairs = [(a, v) for a, v in zip(at, values, strict=True) if v == v]  # noqa: PLR0124 (NaN)
            at, values = array("d", (a for a, _ in pairs)), array("d", (v for _, v in pairs))
        return Series(key, self.units[key], capacity=max(1, len(at)), _at=at, _value=values)


class Sheets:
    """The sheets of all sources, at most `most` series together.

    What comes beyond is not recorded and counted in `overflow` (refused keys are not remembered:
    that would be the leak this bound is there to stop).
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.overflow = 0
        self.by_source: dict[str, Sheet] = {}
        self._known = 0

    @property
    def columns(self) -> int:
        """Columns of values and of times."""
        return self._known + len(self.by_source)

    @property
    def bytes(self) -> int:
        """What the samples take."""
        sheets = self.by_source.values()
        return sum(8 * len(column) for s in sheets for column in (s.at, *s.columns.values()))

    def add(self, reading: Reading) -> Sheet:
        """Keep a reading's samples; the sheet they are on."""
        sheet = self.by_source.setdefault(reading.source, Sheet())
        measures, before = reading.samples, len(sheet.columns)
        if self._known + len(measures) > self.most:
            measures = self._admitted(sheet, measures)
        sheet.add(reading.at, measures)
        self._known += len(sheet.columns) - before
        return sheet

    def trim(self, sheet: Sheet, oldest: float, most: int) -> None:
        """Trim a sheet of ours."""
        before = len(sheet.columns)
        sheet.trim(oldest, most)
        self._known += len(sheet.columns) - before

    def take(self, source: str) -> Sheet:
        """Hand a source's sheet over; its next reading begins a new one."""
        sheet = self.by_source.pop(source)
        self._known -= len(sheet.columns)
        return sheet

    def _admitted(self, sheet: Sheet, measures: tuple[Measure, ...]) -> tuple[Measure, ...]:
        room = self.most - self._known
        kept = []
        for measure in measures:
            if measure.key in sheet.columns:
                kept.append(measure)
            elif room > 0:
                room -= 1
                kept.append(measure)
        self.overflow += len(measures) - len(kept)
        return tuple(kept)


class Rings:
    """Recent samples of all sources, bounded in time and number; a `SeriesReader`.

    Older ranges are asked of `past` where there is one, once a range.
    """

    def __init__(
        self, seconds: float = SECONDS, most_series: int = MOST_SERIES, past: SeriesReader | None = None
    ) -> None:
        self._began = time.time()
        self.seconds = seconds
        self.past = past
        self._sheets = Sheets(most_series)
        self._older: dict[SeriesKey, tuple[float, float, Series]] = {}

    @property
    def bytes(self) -> int:
        """What the samples take in memory."""
        return self._sheets.bytes

    @property
    def overflow(self) -> int:
        """Samples not recorded because there were too many series."""
        return self._sheets.overflow

    def record(self, reading: Reading) -> None:
        """Keep a reading's samples; microseconds a sample, never raises for odd values."""
        sheet = self._sheets.add(reading)
        room = BUDGET // 8 * 9 // 10 // (self._sheets.columns or 1)  # trimming leaves up to a tenth more
        self._sheets.trim(sheet, reading.at - self.seconds, min(MOST_SAMPLES, room))

    def series(self, key: SeriesKey, start: float, end: float) -> Series:
        """Samples of `key` in [start, end], the older part from the past where memory begins later."""
        sheet = self._sheets.by_source.get(key.source)
        recent = sheet.series(key, start, end) if sheet else Series(key)
        if self.past is None:
            return recent
        first = sheet.at[0] if sheet else self._began
        if start >= first:
            return recent
        return _joined(self._from_past(key, start, min(end, first)), start, recent)

    def sheets(self) -> dict[str, Sheet]:
        """What is in memory, by source; to be read at once."""
        return self._sheets.by_source

    def recent(self, key: SeriesKey, start: float, end: float) -> array[float]:
        """Values with start < at <= end that are in memory; never waits for a disk."""
        sheet = self._sheets.by_source.get(key.source)
        after = math.nextafter(start, math.inf)
        return sheet.series(key, after, end).between(after, end)[1] if sheet else array("d")

    def recent_series(self, key: SeriesKey, start: float, end: float) -> Series:
        """Samples of [start, end] that are in memory; never waits for a disk."""
        sheet = self._sheets.by_source.get(key.source)
        return sheet.series(key, start, end) if sheet else Series(key)

    @property
    def began(self) -> float:
        """When memory begins at the earliest."""
        return self._began

    def recent_keys(self) -> tuple[SeriesKey, ...]:
        """Keys in memory."""
        return tuple(key for sheet in self._sheets.by_source.values() for key in sheet.columns)

    def _from_past(self, key: SeriesKey, start: float, end: float) -> Series:
        assert self.past is not None
        cached = self._older.get(key)
        if cached is None or start < cached[0] or end > cached[1]:
            cached = (start, end, self.past.series(key, start, end))
            self._older.pop(key, None)
            self._older[key] = cached
            if len(self._older) > 64:
                del self._older[next(iter(self._older))]
        return cached[2]

    def keys(self, source: str = "", name: str = "") -> tuple[SeriesKey, ...]:
        """Known keys, narrowed by source and by name (exact, or a prefix ending in `.`)."""
        sheets = [sheet for owner, sheet in self._sheets.by_source.items() if source in ("", owner)]
        recent = [key for sheet in sheets for key in sheet.columns if named(key, name)]
        older = self.past.keys(source, name) if self.past else ()
        return tuple(dict.fromkeys([*recent, *older]))


def named(key: SeriesKey, name: str) -> bool:
    """Whether `name` is empty, the key's name, or a prefix of it ending in a dot."""
    return not name or key.name == name or (name.endswith(".") and key.name.startswith(name))


def _joined(older: Series, start: float, recent: Series) -> Series:
    at, values = older.between(start, math.inf)
    if not at:
        return recent
    more_at, more_values = recent.between(math.nextafter(at[-1], math.inf), math.inf)
    return Series(
        older.key, older.unit, capacity=len(at) + len(more_at), _at=at + more_at, _value=values + more_values
    )
