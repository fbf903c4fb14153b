"""What every topic showed at an instant, from the store: the other half of `session.at`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from perftui.draw.format import clock
from perftui.model.auditlog import AuditReport
from perftui.model.event import Event, Events
from perftui.model.frame import Frame
from perftui.model.series import Series, SeriesKey
from perftui.runtime.driver import Driver
from perftui.runtime.events import GONE
from perftui.runtime.framecode import frame_of, unpack
from perftui.runtime.framelog import KEEP, MICRO, STEPS, FrameLog, micros
from perftui.runtime.history import History
from perftui.runtime.patient import Patient
from perftui.runtime.store import Store

PATIENCE = 0.25  # seconds a key may wait for the store
LATE = "the store has not answered yet: what was shown then comes as soon as it does"
FOREVER = float(1 << 40)
SLOW = 20.0  # seconds between frames of what nobody watches, a lost link's longest pause included
STANDS = 3600.0
EVENTS = 2000
FRAMES = 24  # decoded ones kept: what a few steps back and forth ask for
SERIES = 64

_AT = (
    "SELECT f.at, f.base, f.data, k.data FROM perftui_frame f LEFT JOIN perftui_frame k "
    "ON k.env = f.env AND k.topic = f.topic AND k.at = f.base "
    "WHERE f.env = ? AND f.topic = ? AND f.at <= ? ORDER BY f.at DESC LIMIT 1"
)
_BEFORE = "SELECT at FROM perftui_frame WHERE env = ? AND topic = ? AND at < ? ORDER BY at DESC LIMIT ?"
_AFTER = "SELECT at FROM perftui_frame WHERE env = ? AND topic = ? AND at > ? ORDER BY at LIMIT ?"
_TOPIC = "SELECT min(topic) FROM perftui_frame WHERE env = ? AND topic > ?"  # DISTINCT would read them all
_EVENTS = (
    "SELECT at, kind, source, title, detail, actor, until, ref FROM perftui_event "
    "WHERE env = ? AND at <= ? ORDER BY at DESC LIMIT ?"
)
_NEXT = "SELECT min(at) FROM perftui_event WHERE env = ? AND kind = ? AND at > ?"


class Gap(NamedTuple):
    """A stretch of time with nothing in it; None where there is nothing at all on that side."""

    start: float | None
    end: float | None


class Rewind:
    """Reads frames, events and the audit as they stood; every method is bounded by `PATIENCE`.

    What a slow store has not told by then is missing and said to be late, and is there when asked again
    after it came (`answered`).
    """

    def __init__(self, store: Store, log: FrameLog | None, history: History) -> None:
        self.store = store
        self._audited: Callable[[], AuditReport | None] = lambda: None
        self._tz = "UTC"
        self._log = log
        self._decoded: dict[tuple[str, int], Frame] = {}
        self._asked: dict[str, tuple[float, Frame]] = {}
        self._patient = Patient(store, PATIENCE)
        self.history = Clipped(history, self._patient)

    @contextmanager
    def patiently(self, within: float) -> Iterator[None]:
        """Wait so many seconds meanwhile: nobody is kept from a key yet."""
        usual, self._patient.within = self._patient.within, within
        try:
            yield
        finally:
            self._patient.within = usual

    @property
    def late(self) -> bool:
        """Whether the last thing asked for was not answered in time."""
        return self._patient.late

    @property
    def waits(self) -> bool:
        """Whether anything that was asked for is yet to come."""
        return self._patient.waits

    def answered(self) -> bool:
        """Whether what was late has come since the last call: it is time to look again."""
        return self._patient.arrived()

    def serve(self, tz: str, audited: Callable[[], AuditReport | None]) -> None:
        """Tell times in the zone of the screens, and the audit from the file the console writes."""
        self._tz, self._audited = tz, audited

    def frame(self, topic: str, at: float) -> Frame:
        """What `topic` showed at an instant; a frame without report says why there is none."""
        self._patient.late = False
        return self._frame(topic, at)

    def _frame(self, topic: str, at: float) -> Frame:
        known = self._asked.get(topic)
        if known is not None and known[0] == at:
            return known[1]
        made = self._made(topic, at)
        if not self.late:
            self._asked[topic] = (at, made)
        return made

    def _made(self, topic: str, at: float) -> Frame:
        if topic == "events":
            return Frame(topic, at, self.events(at), {}, history=self.history, seen=at)
        if topic == "overview.audit":
            return Frame(topic, at, self._audit(at), {}, history=self.history, seen=at)
        if topic == "health":
            return self._health(at)
        found = self._found(topic, at)
        # What was asked for by hand stands until it is asked for again.
        if found is not None and (
            self.shown(at - found.at, at) or ("." in topic and at - found.at <= STANDS)
        ):
            return found
        why = LATE if self.late else self._absence(topic, at)
        return Frame(topic, at, None, {}, history=self.history, error=LATE if self.late else why)

    def shown(self, late: float, at: float) -> bool:
        """Whether a frame `late` seconds old is what was shown at an instant.

        Ages are counted from the newest reading, so that a recording does not grow old.
        """
        return late <= SLOW or late <= lapse((self.around(FOREVER).start or at) - at)

    def _found(self, topic: str, at: float) -> Frame | None:
        waiting = [f for f in self._waiting() if f.topic == topic and f.at <= at]
        if waiting:
            return replace(waiting[-1], history=self.history)
        values = (self.store.env, topic, micros(at))
        rows = self._rows(_AT, values)
        return self._decode(topic, *rows[0]) if rows else None

    def _decode(self, topic: str, at: int, base: int, data: bytes, key: bytes | None) -> Frame | None:
        cached = self._decoded.get((topic, at))
        if cached is not None:
            return cached
        try:
            if base == at:
                text = unpack(data)
            elif key is None:
                return None
            else:
                text = unpack(data, unpack(key))
            frame = frame_of(text, self.history)
        except ValueError:
            return None  # damaged, or of a report this version does not know: as if it were not there
        if frame.topic != topic:
            return None
        self._decoded[topic, at] = frame
        if len(self._decoded) > FRAMES:
            del self._decoded[next(iter(self._decoded))]
        return frame

    def _absence(self, topic: str, at: float) -> str:
        """Why there is no frame: the console did not run, or nobody asked for this one."""
        whole = self.around(at)
        alone = self._beside(topic, at)
        running = whole.start is not None and self.shown(at - whole.start, at)
        if running and "." in topic:
            return "not recorded: nobody asked for it then"
        if running:
            return f"no data {self._span(alone)}: not read then"
        return f"no data {self._span(whole)}: console not running"

    def _span(self, gap: Gap) -> str:
        if gap.start is None:
            return f"before {clock(gap.end, self._tz)}" if gap.end is not None else "at all"
        start = clock(gap.start, self._tz)
        return f"{start}–{clock(gap.end, self._tz)}" if gap.end is not None else f"after {start}"

    # instants

    def around(self, at: float) -> Gap:
        """The newest reading at or before an instant, and the next one after it, of whatever topic."""
        gaps = [self._beside(topic, at) for topic in self.topics()]
        starts = [gap.start for gap in gaps if gap.start is not None]
        ends = [gap.end for gap in gaps if gap.end is not None]
        return Gap(max(starts, default=None), min(ends, default=None))

    def first(self) -> float | None:
        """The oldest instant there is anything of."""
        starts = [found[0] for topic in self.topics() if (found := self._instants(topic, 0.0, 1, 1))]
        return min(starts, default=None)

    def topics(self) -> tuple[str, ...]:
        """Topics of which frames are kept."""
        none: tuple[str, ...] = ()
        stored = self._patient.ask("topics", self._stored_topics, none)
        return tuple(dict.fromkeys([*stored, *(frame.topic for frame in self._waiting())]))

    def _stored_topics(self, driver: Driver) -> tuple[str, ...]:
        found: list[str] = []
        while (topic := driver.query(_TOPIC, (self.store.env, found[-1] if found else ""))[0][0]) is not None:
            found.append(topic)
        return tuple(found)

    def _rows(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        none: list[tuple[Any, ...]] = []
        return self._patient.ask((sql, values), lambda driver: driver.query(sql, values), none)

    def whole(self, topic: str, at: float) -> bool:
        """Whether there is a frame of exactly that instant that can be read."""
        found = self._found(topic, at)
        return found is not None and micros(found.at) == micros(at)

    def _waiting(self) -> tuple[Frame, ...]:
        """Frames not written yet."""
        return tuple(self._log.pending) if self._log is not None else ()

    def _beside(self, topic: str, at: float) -> Gap:
        before, after = self._instants(topic, at + 1 / MICRO, -1, 1), self._instants(topic, at, 1, 1)
        return Gap(before[0] if before else None, after[0] if after else None)

    def step(self, topics: Iterable[str], at: float, by: int) -> float | None:
        """The instant `by` readings away (of the first topic that has any there), None at the end."""
        self._patient.late = False
        for topic in topics:
            found = self._instants(topic, at, 1 if by > 0 else -1, abs(by))
            if found:
                return found[-1]
        return None

    def _instants(self, topic: str, at: float, way: int, most: int) -> list[float]:
        """Up to `most` instants of a topic after (or before) one, nearest first."""
        sql = _AFTER if way > 0 else _BEFORE
        values = (self.store.env, topic, min(micros(at), 1 << 62), most)
        rows = self._rows(sql, values)
        waiting = [f.at for f in self._waiting() if f.topic == topic]
        stored = [number / MICRO for (number,) in rows if isinstance(number, int)]
        more = [t for t in waiting if (t > at if way > 0 else t < at)]
        return sorted({*stored, *more}, reverse=way < 0)[:most]

    def next_event(self, kind: str, at: float) -> float | None:
        """When something of a kind happened next."""
        values = (self.store.env, kind, at)
        rows = self._rows(_NEXT, values)
        found = rows[0][0] if rows else None
        return float(found) if isinstance(found, int | float) else None

    # what is known from elsewhere

    def events(self, at: float) -> Events:
        """What had happened by then; what ended later (or was not known to have ended) was still open."""
        values = (self.store.env, at, EVENTS)
        rows = self._rows(_EVENTS, values)
        found = (Event(*row) for row in reversed(rows) if _is_event(row))
        return Events(tuple(_as_of(event, at) for event in found))

    def _audit(self, at: float) -> AuditReport | None:
        report = self._audited()
        if report is None:
            return None
        return replace(report, entries=tuple(entry for entry in report.entries if entry.at <= at))

    def _health(self, at: float) -> Frame:
        frames = [self._frame(topic, at) for topic in self.topics() if "." not in topic]
        health = {name: health for frame in frames for name, health in frame.health.items()}
        return Frame("health", at, None, health, history=self.history, seen=at)


class Clipped:
    """A reader that never shows what came after the end of a range, and remembers the last whole answers."""

    def __init__(self, history: History, patient: Patient) -> None:
        self._reader = history
        self._patient = patient
        self._known: dict[tuple[SeriesKey, float, float], Series] = {}

    def series(self, key: SeriesKey, start: float, end: float) -> Series:
        """Samples of `key` in [start, end]."""
        place = (key, start, end)
        found = self._known.pop(place, None)
        if found is None:
            before, self._patient.late = self._patient.late, False
            read = self._reader.series(key, start, end, self._patient)
            late, self._patient.late = self._patient.late, before
            at, value = read.between(start, end)
            found = Series(key, read.unit, capacity=max(1, len(at)), _at=at, _value=value)
            if late:
                return found
        self._known[place] = found
        if len(self._known) > SERIES:
            del self._known[next(iter(self._known))]
        return found

    def keys(self, source: str = "", name: str = "") -> tuple[SeriesKey, ...]:
        """Known keys, narrowed by source and by name."""
        return self._reader.keys(source, name)


def lapse(age: float) -> float:
    """How old a frame may be and still be what was shown, for an instant that is `age` seconds old."""
    step = STEPS[min(bisect_right(KEEP, age), len(STEPS) - 1)]
    return max(SLOW, 1.5 * step)


def _is_event(row: tuple[Any, ...]) -> bool:
    """Whether a row's values are of the types of an event: a recording's may be anything."""
    at, *words, until, ref = row
    known = isinstance(at, int | float) and (until is None or isinstance(until, int | float))
    return known and all(isinstance(word, str) for word in (*words, ref))


def _as_of(event: Event, at: float) -> Event:
    """An event as it was known at an instant: an end is told only once it has lasted."""
    return replace(event, until=None) if event.until is not None and event.until > at - GONE else event
