"""Every picture that was published, kept for as long as it may be asked for again.

All of the last two hours, one each 10 s for a day, one a minute for a week, one each 10 min for three
months; fewer when they would take more than half of `history.max_bytes`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from perftui.model.errors import StoreError
from perftui.model.frame import Frame
from perftui.model.keyvalue import TOPIC as VALUES
from perftui.runtime.clock import Clock
from perftui.runtime.driver import Driver
from perftui.runtime.framecode import frame_of, pack, text_of
from perftui.runtime.store import Store

log = logging.getLogger(__name__)

HOUR, DAY = 3600.0, 86400.0
MICRO = 1_000_000
STEPS = (1.0, 10.0, 60.0, 600.0)  # seconds between frames of a level; the last two are key frames
KEEP = (2 * HOUR, DAY, 7 * DAY, 90 * DAY)
KEY = 2  # the level from which a frame stands by itself
APART = frozenset(
    ("health", "events", "actions", "overview.audit", VALUES)
)  # known from elsewhere, or private
PENDING = 400  # frames kept while the store cannot be written
MOST_A_SECOND = 5  # of one topic
EXPIRE = 10.0  # seconds between looks for frames to let go
PRESS = 1800 * MICRO  # the oldest stretch that goes at once when there is too much
ROW_BYTES = 60  # what a frame costs beside its data

_PUT = (
    "INSERT INTO perftui_frame (env, topic, at, base, level, data) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (env, topic, at) DO NOTHING"
)
_ADD = (
    "INSERT INTO perftui_figure (name, value) VALUES ('frame_bytes', ?) "
    "ON CONFLICT (name) DO UPDATE SET value = perftui_figure.value + excluded.value"
)
_OLD = "FROM perftui_frame WHERE level = ? AND at < ?"


class Key(NamedTuple):
    """The key frame of a topic's present minute."""

    at: int
    last: int  # the topic's newest frame
    text: bytes


class FrameLog:
    """Keeps frames in the order they are published; `tick` writes them in the store's thread."""

    def __init__(self, store: Store, clock: Clock, max_bytes: int) -> None:
        self.store = store
        self.max_bytes = max_bytes // 2
        self.pending: deque[Frame] = deque(maxlen=PENDING)
        self._clock = clock
        self._keys: dict[str, Key] = {}  # this and `_known` belong to the store's thread
        self._known: dict[type, bool] = {}
        self._expired = clock.monotonic()

    def record(self, frame: Frame) -> None:
        """Keep a frame that was published; microseconds."""
        if frame.topic not in APART and not frame.stale and (frame.seen or frame.report is not None):
            self.pending.append(frame)

    async def run(self, allowed: Callable[[], bool]) -> None:
        """Write once a second until cancelled; while it is not allowed, nothing is kept.

        Every console writes what it showed itself: another's figures are of other reads.
        """
        while True:
            await asyncio.sleep(1.0)
            if allowed():
                await self.tick()
            else:
                self.pending.clear()

    async def tick(self) -> None:
        """One transaction with what is new; now and then what is old goes."""
        try:
            await self.flush()
            if self._clock.monotonic() - self._expired >= EXPIRE:
                self._expired = self._clock.monotonic()
                now = self._clock.wall()
                await asyncio.wrap_future(self.store.write(lambda driver: self.expire(driver, now)))
        except StoreError:  # `store.problem` says it; frames wait, the oldest go first
            pass

    async def flush(self) -> None:
        """Write what waits; StoreError when the store does not take it."""
        taken = tuple(self.pending)
        if not taken:
            return
        await asyncio.wrap_future(self.store.write(lambda driver: self._write(driver, _bounded(taken))))
        written = set(map(id, taken))
        kept = [frame for frame in self.pending if id(frame) not in written]
        self.pending.clear()
        self.pending.extend(kept)

    def _write(self, driver: Driver, frames: Iterable[Frame]) -> None:
        rows = [row for frame in frames if (row := self._row(frame)) is not None]
        try:
            with driver.transaction():
                driver.executemany(_PUT, rows)
                driver.execute(_ADD, (sum(len(row[-1]) + ROW_BYTES for row in rows),))
        except StoreError:
            self._keys.clear()  # what later frames would lean on is not there
            raise

    def _row(self, frame: Frame) -> tuple[str, str, int, int, int, bytes] | None:
        try:
            text = text_of(frame)
            if not self._returns(frame, text):
                return None
        except ValueError as error:
            log.debug("%s", error)
            return None
        at, key = micros(frame.at), self._keys.get(frame.topic)
        level = level_of(at, key)
        if key is None or level >= KEY:
            key = Key(at, at, text)
        self._keys[frame.topic] = key._replace(last=at)
        return self.store.env, frame.topic, at, key.at, level, pack(text, None if key.at == at else key.text)

    def _returns(self, frame: Frame, text: bytes) -> bool:
        """Whether a report of this type comes back as it was; looked at once a type."""
        kind = type(frame.report)
        if kind not in self._known:
            back = frame_of(text).report
            self._known[kind] = back == frame.report or repr(back) == repr(frame.report)  # NaN is not itself
            if not self._known[kind]:
                log.warning("reports of %s are not kept: they come back changed", frame.topic)
        return self._known[kind]

    def expire(self, driver: Driver, now: float) -> None:
        """Let go of what is too old for its level, and of the oldest stretch when there is too much."""
        for level, keep in enumerate(KEEP):
            _drop(driver, level, micros(now - keep))
        rows = driver.query("SELECT value FROM perftui_figure WHERE name = 'frame_bytes'")
        if rows and rows[0][0] > self.max_bytes:
            self._press(driver)

    def _press(self, driver: Driver) -> None:
        """Thin the oldest half hour of the finest level there is; the coarser ones only when it is alone."""
        for level in range(len(STEPS)):
            oldest = driver.query("SELECT min(at) FROM perftui_frame WHERE level = ?", (level,))[0][0]
            if oldest is not None:
                for finer in range(level + 1):
                    _drop(driver, finer, oldest + PRESS)
                return


def level_of(at: int, key: Key | None) -> int:
    """How long a frame will be kept: the first of its 10 min longest, then that of its minute, its 10 s."""
    if key is None:
        return len(STEPS) - 1
    for level in (3, 2, 1):
        width = int(STEPS[level]) * MICRO
        if at // width != key.last // width:
            return level
    return 0


def micros(seconds: float) -> int:
    """Epoch microseconds, the precision frames are found by."""
    return round(seconds * MICRO)


def _drop(driver: Driver, level: int, before: int) -> None:
    """Delete frames of one level from before an instant."""
    if not driver.query(f"SELECT 1 {_OLD} LIMIT 1", (level, before)):
        return
    with driver.transaction(alone=True):
        size, count = driver.query(f"SELECT sum(length(data)), count(*) {_OLD}", (level, before))[0]
        driver.execute(f"DELETE {_OLD}", (level, before))
        driver.execute(_ADD, (-int(size or 0) - ROW_BYTES * count,))


def _bounded(frames: Iterable[Frame]) -> list[Frame]:
    """At most five of a topic and second: the last ones."""
    kept: list[Frame] = []
    counts: dict[tuple[str, int], int] = {}
    for frame in reversed(tuple(frames)):
        slot = (frame.topic, int(frame.at))
        counts[slot] = counts.get(slot, 0) + 1
        if counts[slot] <= MOST_A_SECOND:
            kept.append(frame)
    return kept[::-1]
