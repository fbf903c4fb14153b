"""The memory that outlives the console: every sample for a day, then coarser and coarser for two years."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from enum import Enum

from perftui.model.errors import StoreError
from perftui.model.reading import Reading
from perftui.model.selfwatch import Pressed
from perftui.model.series import Series, SeriesKey
from perftui.runtime import chunks
from perftui.runtime.archive import HOUR, Archive, Block
from perftui.runtime.chunks import Rollup
from perftui.runtime.clock import Clock
from perftui.runtime.driver import Driver
from perftui.runtime.leases import Lease, stands
from perftui.runtime.patient import Patient
from perftui.runtime.rings import MOST_SERIES, Sheet, Sheets, named
from perftui.runtime.store import Store

ROWS = 300  # of a full block
SAVE = 60.0  # seconds of samples a killed console may lose
PENDING = 16 << 20  # bytes kept in memory while the store cannot be written
PATIENCE = 0.25  # seconds a synchronous read may take before it comes back without the stored part
GAP = 0.001  # seconds: samples this near are the same one
EXPIRE = 5.0  # seconds between looks for windows to fold

# Up to so many seconds a range is read at this step: at most a hundred thousand rows.
STEPS = ((100_000.0, 0.0), (1_000_000.0, 10.0), (6_000_000.0, 60.0))


def step_for(seconds: float) -> float:
    """The resolution (seconds a row, 0: as read) that suits a range of this length."""
    return next((step for longest, step in STEPS if seconds <= longest), 3600.0)


class Writing(Enum):
    """Who writes the samples of this environment."""

    ANYONE = "anyone"  # nobody else uses this store
    OURS = "ours"
    THEIRS = "theirs"  # ours are only looked at
    UNKNOWN = "unknown"  # the store has not said: keep, and write nothing


class History:
    """Records readings and reads series back: a `SeriesReader` over blocks in memory and the store.

    `record` is called in the event loop and takes microseconds; packing and writing happen in the
    store's thread, one transaction a second at most. While the store has a problem blocks wait in
    memory, the oldest dropped and counted (`dropped`, samples) beyond 16 MiB.
    """

    def __init__(
        self, store: Store, clock: Clock, max_bytes: int = 1 << 30, most_series: int = MOST_SERIES
    ) -> None:
        self.store = store
        self.max_bytes = max_bytes
        self.dropped = 0
        self._clock = clock
        self._archive = Archive(store.env)
        self._open = Sheets(most_series)
        self._full: list[Block] = []
        self._saved: dict[str, float] = {}
        self._expired = clock.monotonic()
        self._loading: Future[None] = store.read(self._archive.load)
        self.turn = Writing.ANYONE
        self._lease: Lease | None = None
        self.folds: Callable[[], bool] = lambda: True
        self.folded = 0  # windows, since the start
        self.written = 0  # blocks, since the start

    @property
    def pressed(self) -> Pressed | None:
        """When detail went last before its time, for lack of room."""
        return self._archive.pressed

    async def ready(self) -> bool:
        """Wait until it is known which series are stored; False when the store cannot be read."""
        try:
            await asyncio.wrap_future(self._loading)
        except StoreError:
            return False
        return True

    def record(self, reading: Reading) -> None:
        """Keep a reading's samples."""
        sheet = self._open.add(reading)
        self._saved.setdefault(reading.source, self._clock.monotonic())
        if len(sheet.at) >= ROWS or (sheet.at and sheet.at[-1] - sheet.at[0] >= HOUR):
            block = Block(reading.source, self._open.take(reading.source))
            del self._saved[reading.source]
            self._full.append(block)
            if self.turn is Writing.THEIRS:  # the last ones are kept: their writer may have died with its own
                self._full = [b for b in self._full if b.source != block.source or b is block]

    async def follow(self, lease: Lease | None, *, known: bool) -> None:
        """Write under this lease, or not at all; whoever takes over writes on from where the other ended."""
        if lease is None:
            self.turn, self._lease = (Writing.THEIRS if known else Writing.UNKNOWN), None
            return
        if self.turn is not Writing.OURS or self._lease is None or self._lease.counter != lease.counter:
            await self._take_over()
        self.turn, self._lease = Writing.OURS, lease

    async def _take_over(self) -> None:
        """Forget of ours what the last writer has stored."""
        await asyncio.wrap_future(self.store.write(self._archive.load))
        stored = await asyncio.wrap_future(self.store.read(self._archive.newest))
        for source, until in stored.items():
            for sheet in self._sheets(source):
                sheet.cut_before(until + GAP)
        self._full = [block for block in self._full if block.sheet.at]

    def adopt(self, sheets: Mapping[str, Sheet]) -> None:
        """Keep what another memory holds already: what comes goes on from there."""
        self._full.extend(Block(source, _copy(sheet)) for source, sheet in sheets.items() if sheet.at)

    def series(self, key: SeriesKey, start: float, end: float, patient: Patient | None = None) -> Series:
        """Samples of `key` in [start, end]; of a long range the means of 10 s, 1 min or 1 h.

        What the store cannot bring within a quarter of a second is left out; a `patient` has it later.
        """
        step = step_for(end - start)
        recent, work = self._recent(key, start, end), self._stored(key, start, end, step)
        stored = nothing = chunks.joined((), step)
        if work and patient is not None:
            stored = patient.ask((key, start, end), work, nothing)
        elif work:
            stored = self.store.read_now(work, nothing, PATIENCE)
        rows = _whole(recent, stored, step)
        unit = self.unit(key)
        return Series(key, unit, capacity=max(1, len(rows)), _at=rows.at, _value=rows.mean)

    async def rollup(self, key: SeriesKey, start: float, end: float, step: float | None = None) -> Rollup:
        """Rows of `key` with min, max, mean and last; StoreError when the store cannot be read.

        `step` 0, 10, 60 or 3600 (by default what suits the range); older parts may be coarser.
        """
        step = step_for(end - start) if step is None else step
        recent, work = self._recent(key, start, end), self._stored(key, start, end, step)
        stored = await asyncio.wrap_future(self.store.read(work)) if work else chunks.joined((), step)
        return _whole(recent, stored, step)

    async def lasts(self, key: SeriesKey, start: float, end: float) -> tuple[chunks.Column, chunks.Column]:
        """Times and last values of `rollup`'s rows, quicker; StoreError when the store cannot be read."""
        step = step_for(end - start)
        if not step:
            rows = await self.rollup(key, start, end, step)
            return _there(rows.at, rows.last)
        recent, until = self._recent(key, start, end), self._until(key, end)
        at, values = array("d"), array("d")
        if start <= until:
            at, values = await asyncio.wrap_future(
                self.store.read(lambda driver: self._archive.lasts(driver, key, start, until, step))
            )
        if not len(recent):
            return at, values
        return chunks.last_ones(array("d", [*at, *recent.at]), array("d", [*values, *recent.last]), step)

    async def known(self) -> None:
        """Wait until the names of what is stored are there; StoreError when they cannot be read."""
        await asyncio.wrap_future(self._loading)

    def keys(self, source: str = "", name: str = "") -> tuple[SeriesKey, ...]:
        """Known keys, narrowed by source and by name (exact, or a prefix ending in `.`)."""
        sheets = [*(block.sheet for block in self._full), *self._open.by_source.values()]
        known = [*self._archive.ids, *(key for sheet in sheets for key in sheet.columns)]
        return tuple(
            dict.fromkeys(
                key for key in known if key.name and source in ("", key.source) and named(key, name)
            )
        )

    async def run(self) -> None:
        """Write once a second, and fold what has grown old, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            await self.tick()

    async def tick(self) -> None:
        """One write of what is due, one fold when it is time; a store that fails is told by itself."""
        if self.turn in (Writing.THEIRS, Writing.UNKNOWN):
            self._bound()
            return
        try:
            await self._write(self._due_blocks())
            if self.folds() and self._clock.monotonic() - self._expired >= EXPIRE:
                self._expired = self._clock.monotonic()
                now, most = self._clock.wall(), self.max_bytes
                self.folded += await asyncio.wrap_future(
                    self.store.write(lambda driver: self._archive.expire(driver, now, most))
                )
        except StoreError:
            self._bound()

    async def flush(self) -> bool:
        """Write everything there is; False when the store did not take it or it is not our turn."""
        if self.turn in (Writing.THEIRS, Writing.UNKNOWN):
            return False
        try:
            await self._write([Block(source, _copy(sheet)) for source, sheet in self._open.by_source.items()])
        except StoreError:
            return False
        return True

    def _due_blocks(self) -> list[Block]:
        """Copies of open blocks whose last save is a minute old."""
        now = self._clock.monotonic()
        due = [name for name in self._open.by_source if now - self._saved.get(name, now) >= SAVE]
        self._saved.update(dict.fromkeys(due, now))
        return [Block(name, _copy(self._open.by_source[name])) for name in due]

    async def _write(self, copies: Sequence[Block]) -> None:
        full, pictures = tuple(self._full), self.store.take_last()
        blocks = [block for block in (*full, *copies) if block.sheet.at]
        if not blocks and not pictures:
            return

        lease = self._lease

        def work(driver: Driver) -> bool:
            mark = self._archive.mark()
            try:
                with driver.transaction():
                    if lease is not None and not stands(driver, lease):
                        return False
                    self._archive.write(driver, blocks)
                    self.store.write_last(driver, pictures)
            except StoreError:
                self._archive.rewind(mark)
                raise
            return True

        try:
            kept = await asyncio.wrap_future(self.store.write(work))
        except StoreError:
            self.store.put_back(pictures)
            raise
        if not kept:
            self.turn, self._lease = Writing.UNKNOWN, None
            return
        self.written += len(blocks)
        self._full = [block for block in self._full if block not in full]

    def _bound(self) -> None:
        size = sum(_bytes(block.sheet) for block in self._full)
        while size > PENDING and self._full:
            block = self._full.pop(0)
            size -= _bytes(block.sheet)
            self.dropped += len(block.sheet.at) * len(block.sheet.columns)

    def _sheets(self, source: str) -> list[Sheet]:
        sheets = [block.sheet for block in self._full if block.source == source]
        return [*sheets, *([self._open.by_source[source]] if source in self._open.by_source else [])]

    def _recent(self, key: SeriesKey, start: float, end: float) -> Rollup:
        """What is still in memory of `key` (copied: the store's thread must not see it grow)."""
        found = (sheet.series(key, start, end).between(start, end) for sheet in self._sheets(key.source))
        return chunks.joined([chunks.plain(*columns) for columns in found], 0.0)

    def _stored(
        self, key: SeriesKey, start: float, end: float, step: float
    ) -> Callable[[Driver], Rollup] | None:
        """How to read what is older than memory (parts of which are saved already), None for nothing."""
        until = self._until(key, end)
        return (
            (lambda driver: self._archive.read(driver, key, start, until, step)) if start <= until else None
        )

    def _until(self, key: SeriesKey, end: float) -> float:
        """Up to when the store is asked: what comes after is in memory."""
        first = min((sheet.at[0] for sheet in self._sheets(key.source) if sheet.at), default=math.inf)
        return min(end, first - 1e-6)

    def unit(self, key: SeriesKey) -> str:
        """The base unit of a series, `1` when it is not known."""
        sheet = self._open.by_source.get(key.source)
        units = sheet.units if sheet and key in sheet.units else self._archive.units
        return units.get(key, "1")


def _there(at: chunks.Column, values: chunks.Column) -> tuple[chunks.Column, chunks.Column]:
    """Without the rows that hold no sample."""
    if not any(map(math.isnan, values)):
        return at, values
    keep = [row for row, value in enumerate(values) if not math.isnan(value)]
    return array("d", [at[row] for row in keep]), array("d", [values[row] for row in keep])


def _whole(recent: Rollup, stored: Rollup, step: float) -> Rollup:
    if not step:
        return chunks.joined((stored, recent), step)
    both = chunks.risen(chunks.strung((stored, recent), step))
    return chunks.dense(chunks.folded(both, step))


def _copy(sheet: Sheet) -> Sheet:
    copy = Sheet()
    copy.at, copy.units = array("d", sheet.at), dict(sheet.units)
    copy.columns = {key: array("d", column) for key, column in sheet.columns.items()}
    return copy


def _bytes(sheet: Sheet) -> int:
    return 8 * len(sheet.at) * (len(sheet.columns) + 1)
