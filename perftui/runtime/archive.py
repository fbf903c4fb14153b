"""History inside the database: chunks written, read back, folded into coarser ones and let go.

Runs in the store's threads. A source's times are one chunk under the nameless series of that
source; each of its series has a chunk of values with the same start.
"""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import le
from typing import NamedTuple

from perftui.model.selfwatch import Pressed
from perftui.model.series import SeriesKey
from perftui.runtime import chunks
from perftui.runtime.chunks import Column, Rollup
from perftui.runtime.driver import Driver
from perftui.runtime.rings import Sheet

log = logging.getLogger(__name__)

HOUR, DAY = 3600.0, 86400.0
MICRO = 1_000_000


class Level(NamedTuple):
    """One resolution: seconds a row (0: as read), how long it is kept, and the longest chunk, in seconds."""

    step: int
    keep: float
    window: float


LEVELS = (
    Level(0, DAY, HOUR),
    Level(10, 7 * DAY, 2 * HOUR),
    Level(60, 90 * DAY, 12 * HOUR),
    Level(3600, 730 * DAY, 30 * DAY),
)
RECENT = 2 * HOUR  # not folded early even when the history is over its size
LAST = 3  # the place of the last values among the columns of a folded chunk
ROW_BYTES = 24  # what a chunk costs beside its data
MOST_KNOWN = 6000  # series of one environment, three times what is sampled: processes come and go for years

_PUT = (
    "INSERT INTO perftui_chunk (series, step, start, until, data) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (series, step, start) DO UPDATE SET until = excluded.until, data = excluded.data"
)
_GET = (
    "SELECT t.data, v.data FROM perftui_chunk v "
    "JOIN perftui_chunk t ON t.series = ? AND t.step = v.step AND t.start = v.start "
    "WHERE v.series = ? AND v.step = ? AND v.start BETWEEN ? AND ? AND v.until >= ? ORDER BY v.start"
)
_NEW = (
    "INSERT INTO perftui_series (id, env, source, name, labels, unit) "
    "SELECT coalesce(max(id), 0) + 1, ?, ?, ?, ?, ? FROM perftui_series WHERE true ON CONFLICT DO NOTHING"
)
_FIND = "SELECT id FROM perftui_series WHERE env = ? AND source = ? AND name = ? AND labels = ?"
_WINDOW = (
    "FROM perftui_chunk WHERE step = ? AND start BETWEEN ? AND ? "
    "AND series IN (SELECT id FROM perftui_series WHERE env = ? AND source = ?)"
)
_OLDEST = (
    "SELECT s.env, s.source, s.id, "
    "(SELECT min(c.start) FROM perftui_chunk c WHERE c.series = s.id AND c.step = ?) "
    "FROM perftui_series s WHERE s.name = ''"
)
_LAST = "(SELECT max(c.start) FROM perftui_chunk c WHERE c.series = s.id AND c.step = {step})"
# The newest number stays, so that none is given twice.
_ENDED = (
    "SELECT s.id FROM perftui_series s WHERE s.env = ? AND s.name <> '' "
    "AND s.id < (SELECT max(id) FROM perftui_series) ORDER BY coalesce({last}, 0), s.id LIMIT ?"
)
_NEWEST = (
    "SELECT s.source, max(c.until) FROM perftui_series s JOIN perftui_chunk c ON c.series = s.id "
    "WHERE s.env = ? AND s.name = '' AND c.step = 0 GROUP BY s.source"
)
_ADD = (
    "INSERT INTO perftui_figure (name, value) VALUES ('history_bytes', ?) "
    "ON CONFLICT (name) DO UPDATE SET value = perftui_figure.value + excluded.value"
)
_WEIGHT = "SELECT coalesce(sum(length(data)), 0), count(*) FROM perftui_chunk WHERE series = ?"


class Block(NamedTuple):
    """Rows of one source on their way into the store."""

    source: str
    sheet: Sheet


Points = tuple[Column, Column]  # times and values
Chunk = tuple[int, int, int, int, bytes]  # series, step, start, until, data


class Archive:
    """One environment's history in the database; `ids` and `units` are what is known of it so far."""

    def __init__(self, env: str) -> None:
        self.env = env
        self.ids: dict[SeriesKey, int] = {}
        self.units: dict[SeriesKey, str] = {}
        self._sizes: dict[tuple[str, float], int] = {}
        self.pressed: Pressed | None = None

    def load(self, driver: Driver) -> None:
        """Learn which series exist; another may have let go of some."""
        import json

        sql = "SELECT id, source, name, labels, unit FROM perftui_series WHERE env = ?"
        ids: dict[SeriesKey, int] = {}
        units: dict[SeriesKey, str] = {}
        for number, source, name, labels, unit in driver.query(sql, (self.env,)):
            key = SeriesKey(source, name, tuple((str(k), str(v)) for k, v in json.loads(labels)))
            ids[key], units[key] = number, unit
        self.ids, self.units = ids, units

    def write(self, driver: Driver, blocks: Sequence[Block]) -> None:
        """Put blocks in, inside a transaction of the caller; a block grown since replaces its older self."""
        rows: list[Chunk] = []
        grown = 0
        for block in blocks:
            new = self._rows(driver, block)
            rows.extend(new)
            size = sum(len(row[4]) + ROW_BYTES for row in new)
            grown += size - self._sizes.get((block.source, block.sheet.at[0]), 0)
            self._sizes = {known: n for known, n in self._sizes.items() if known[0] != block.source}
            self._sizes[block.source, block.sheet.at[0]] = size
        driver.executemany(_PUT, rows)
        driver.execute(_ADD, (grown,))

    def size(self, driver: Driver) -> int:
        """Bytes of history in the store, frames among them, all environments together."""
        sql = "SELECT sum(value) FROM perftui_figure WHERE name IN ('history_bytes', 'frame_bytes')"
        return int(driver.query(sql)[0][0] or 0)

    def rows(self, driver: Driver, key: SeriesKey, level: Level, start: float, end: float) -> Rollup:
        """What one level holds of `key` in [start, end]; a folded row's time is the start of its seconds."""
        times, number = self.ids.get(SeriesKey(key.source, "")), self.ids.get(key)
        if times is None or number is None:
            return chunks.joined((), level.step)
        earliest = _micros(start - 2 * level.window)
        values = (times, number, level.step, earliest, _micros(end), _micros(start))
        parts = []
        for shared, data in driver.query(_GET, values):
            at = _times(shared)
            if at is not None:
                parts.append(chunks.between(_part(data, at, level), start, end))
        whole = chunks.dense(chunks.risen(chunks.strung(parts, level.step)))
        return chunks.folded(whole, level.step) if level.step else whole

    def read(self, driver: Driver, key: SeriesKey, start: float, end: float, step: float) -> Rollup:
        """Everything of `key` in [start, end], folded to `step` seconds where it is finer than that."""
        if key not in self.ids:
            self.load(driver)
        if key not in self.ids:
            return chunks.joined((), step)
        parts = [self.rows(driver, key, level, start, end) for level in LEVELS]
        if not step:
            return chunks.joined(parts, step)
        return chunks.folded(chunks.risen(chunks.strung(parts, step)), step)

    def lasts(self, driver: Driver, key: SeriesKey, start: float, end: float, step: float) -> Points:
        """Times and last values of what `read` gives for a `step` above 0, at a fraction of its cost.

        Only the column of last values is unpacked, and nothing is weighed.
        """
        if key not in self.ids:
            self.load(driver)
        times = self.ids.get(SeriesKey(key.source, ""))
        at, values = array("d"), array("d")
        if times is None or key not in self.ids:
            return at, values
        for level in LEVELS:
            first, last = self._level_lasts(driver, (times, self.ids[key]), level, start, end)
            at.extend(first)
            values.extend(last)
        return chunks.last_ones(*_risen(at, values), step)

    def _level_lasts(
        self, driver: Driver, series: tuple[int, int], level: Level, start: float, end: float
    ) -> Points:
        """One level's times and last values in [start, end]."""
        earliest = _micros(start - 2 * level.window)
        values = (*series, level.step, earliest, _micros(end), _micros(start))
        parts: list[Points] = []
        for shared, data in driver.query(_GET, values):
            at = _times(shared)
            column = None if at is None else _last_of(data, at, level)
            if at is not None and column is not None:
                lo, hi = bisect_left(at, start), bisect_right(at, end)
                parts.append((at[lo:hi], column[lo:hi]))
        at, column = array("d"), array("d")
        for times, part in parts:
            at.extend(times)
            column.extend(part)
        whole = _risen(at, column)
        return chunks.last_ones(*whole, level.step) if level.step else whole

    def expire(self, driver: Driver, now: float, max_bytes: int) -> bool:
        """Fold (or, at the coarsest level, delete) one window that is due; whether there was one.

        Over `max_bytes` the oldest window of the finest level is due before its time.
        """
        self._forget(driver)
        window = self._due(driver, now)
        if window is None and (window := self._pressed(driver, now, max_bytes)) is not None:
            self.pressed = Pressed(now, window.start / MICRO, max_bytes)
        if window is None:
            return False
        with driver.transaction(alone=True):
            _fold(driver, window)
        return True

    def _forget(self, driver: Driver) -> None:
        """Let go of the series that ended first, with all that is left of them, when there are too many."""
        count = driver.query("SELECT count(*) FROM perftui_series WHERE env = ?", (self.env,))[0][0]
        if count <= MOST_KNOWN:
            return
        last = ", ".join(_LAST.format(step=level.step) for level in LEVELS)
        values = (self.env, count - MOST_KNOWN + MOST_KNOWN // 10)
        with driver.transaction(alone=True):
            gone = driver.query(_ENDED.format(last=last), values)
            sizes = [driver.query(_WEIGHT, number)[0] for number in gone]
            driver.executemany("DELETE FROM perftui_chunk WHERE series = ?", gone)
            driver.executemany("DELETE FROM perftui_series WHERE id = ?", gone)
            driver.execute(_ADD, (-sum(size + ROW_BYTES * rows for size, rows in sizes),))
        left = {number for (number,) in gone}
        self.ids = {key: number for key, number in self.ids.items() if number not in left}
        self.units = {key: unit for key, unit in self.units.items() if key in self.ids}

    def newest(self, driver: Driver) -> dict[str, float]:
        """The instant of the newest row stored of each source, as read."""
        return {source: until / MICRO for source, until in driver.query(_NEWEST, (self.env,))}

    def mark(self) -> tuple[int, dict[tuple[str, float], int]]:
        """What is known now, for `rewind` after a transaction that was not committed."""
        return len(self.ids), dict(self._sizes)

    def rewind(self, mark: tuple[int, dict[tuple[str, float], int]]) -> None:
        """Forget what was learnt since `mark`: those rows do not exist."""
        known, self._sizes = mark
        for key in list(self.ids)[known:]:
            del self.ids[key]
            self.units.pop(key, None)

    def _due(self, driver: Driver, now: float) -> Window | None:
        for place, level in enumerate(LEVELS):
            for window in _oldest(driver, place):
                if window.end <= (now - level.keep) * MICRO:
                    return window
        return None

    def _pressed(self, driver: Driver, now: float, max_bytes: int) -> Window | None:
        if self.size(driver) <= max_bytes:
            return None
        for place in range(len(LEVELS)):
            ended = [window for window in _oldest(driver, place) if window.end <= (now - RECENT) * MICRO]
            if ended:
                return min(ended, key=lambda window: window.start)
        return None

    def _rows(self, driver: Driver, block: Block) -> list[Chunk]:
        at = block.sheet.at
        start, until = _micros(at[0]), _micros(at[-1])
        times = self._id(driver, SeriesKey(block.source, ""), "s")
        rows: list[Chunk] = [(times, 0, start, until, chunks.pack_times(at))]
        for key, column in block.sheet.columns.items():
            number = self._id(driver, key, block.sheet.units[key])
            rows.append((number, 0, start, until, chunks.pack((column,))))
        return rows

    def _id(self, driver: Driver, key: SeriesKey, unit: str) -> int:
        import json

        while key not in self.ids:
            labels = json.dumps(key.labels, ensure_ascii=True)
            identity = (self.env, key.source, key.name, labels)
            driver.execute(_NEW, (*identity, unit))
            for (number,) in driver.query(_FIND, identity):
                self.ids[key] = number
        self.units.setdefault(key, unit)
        return self.ids[key]


class Window(NamedTuple):
    """A stretch of one source at one level that is folded at once; microseconds, `end` excluded."""

    env: str
    source: str
    times: int
    place: int
    start: int
    end: int


def _oldest(driver: Driver, place: int) -> list[Window]:
    """The oldest window of each source at a level."""
    width = int(LEVELS[min(place + 1, len(LEVELS) - 1)].window) * MICRO
    found = []
    for env, source, times, oldest in driver.query(_OLDEST, (LEVELS[place].step,)):
        if oldest is not None:
            start = oldest // width * width
            found.append(Window(env, source, times, place, start, start + width))
    return found


def _fold(driver: Driver, window: Window) -> None:
    """Replace a window of one level by its rows at the next (by nothing, at the last)."""
    place = window.place
    where = (LEVELS[place].step, window.start, window.end - 1, window.env, window.source)
    found: dict[int, dict[int, bytes]] = {}
    gone = 0
    for number, begin, data in driver.query(f"SELECT series, start, data {_WINDOW}", where):
        found.setdefault(number, {})[begin] = data
        gone += len(data) + ROW_BYTES
    put: list[Chunk] = []
    if place + 1 < len(LEVELS):
        put = _coarser(found, window.times, LEVELS[place], LEVELS[place + 1])
    driver.execute(f"DELETE {_WINDOW}", where)
    driver.executemany(_PUT, put)
    driver.execute(_ADD, (sum(len(row[4]) + ROW_BYTES for row in put) - gone,))


def _coarser(
    found: Mapping[int, Mapping[int, bytes]], times: int, level: Level, coarser: Level
) -> list[Chunk]:
    """The chunks of one window of a source (by series and start), folded into one a series."""
    shared = {begin: at for begin, data in found.get(times, {}).items() if (at := _times(data)) is not None}
    order = sorted(shared)
    if not order:
        return []
    at = array("d", chain.from_iterable(shared[begin] for begin in order))
    put: list[Chunk] = []
    for number, by_start in found.items():
        if number == times:
            continue
        parts = [_part(by_start.get(begin), shared[begin], level) for begin in order]
        columns = (
            array("d", chain.from_iterable(column))
            for column in zip(*(p.columns for p in parts), strict=True)
        )
        rows = chunks.folded(chunks.risen(Rollup(level.step, at, *columns)), coarser.step)
        if not put:
            put.append((times, coarser.step, order[0], _micros(rows.at[-1]), chunks.pack_times(rows.at)))
        if any(rows.count):
            put.append((number, coarser.step, order[0], put[0][3], chunks.pack(rows.columns)))
    return put


def _part(data: bytes | None, at: Column, level: Level) -> Rollup:
    """A series' rows at the times `at`; rows without samples where its chunk is missing or damaged."""
    columns: tuple[Column, ...] = ()
    try:
        columns = chunks.unpack(data) if data is not None else ()
    except ValueError as error:
        log.warning("history: %s", error)
    if any(len(column) != len(at) for column in columns):
        columns = ()
    if level.step and len(columns) == 5:
        return Rollup(level.step, at, *columns)
    return chunks.plain(at, columns[0] if len(columns) == 1 else array("d", [chunks.NAN]) * len(at))


def _last_of(data: bytes, at: Column, level: Level) -> Column | None:
    """A series' last values at the times `at`; None where its chunk is damaged."""
    try:
        column = chunks.unpack_one(data, LAST if level.step else 0)
    except ValueError as error:
        log.warning("history: %s", error)
        return None
    return column if column is not None and len(column) == len(at) else None


def _risen(at: Column, values: Column) -> Points:
    """The same in time order (two writers of one source may have interleaved)."""
    if all(map(le, at, at[1:])):
        return at, values
    order = sorted(range(len(at)), key=at.__getitem__)
    return array("d", [at[row] for row in order]), array("d", [values[row] for row in order])


def _times(data: bytes) -> Column | None:
    try:
        return chunks.unpack_times(data)
    except ValueError as error:
        log.warning("history: %s", error)
        return None


def _micros(seconds: float) -> int:
    return round(seconds * MICRO)
