"""When keys are needed next, by hour and weekday or by their own rhythm."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Final, NamedTuple

HOUR, SLOT = 3600.0, 300.0
DAY, WEEK = 24, 168  # hours
PERIODS: Final = 3  # seen before anything is said
HALF: Final = 0.5  # of the periods: a need that was there more often is likely
NEWEST: Final = 6  # periods of a key that are looked at: a habit that changed is not held against it for long
_KEPT: Final = 8 * WEEK
_INTERVALS: Final = 12
_DAY_SLOTS, _WEEK_SLOTS = 288, 2016
_KEPT_SLOTS: Final = 5 * _WEEK_SLOTS
_ALL: Final = (1 << _KEPT_SLOTS) - 1
_REGULAR: Final = 0.15  # of the middle interval: how far the others may be from it


@dataclass(frozen=True, slots=True)
class Need:
    """What is expected of one hour: `accesses`, and the share of `periods` in which there were any.

    `hours` is 24 or 168: whether the same hour of days or of weeks was looked at.
    """

    accesses: float
    chance: float
    periods: int
    hours: int


class HourProfile:
    """Accesses of a group by the hour, of eight weeks at most; instants are epoch seconds of its zone."""

    __slots__ = ("_counts", "_first", "_last")

    def __init__(self) -> None:
        self._counts: dict[int, float] = {}
        self._first: int | None = None
        self._last = 0

    def add(self, at: float, count: float = 1.0) -> None:
        """Count accesses at an instant; what is older than eight weeks before the newest is not."""
        hour = int(at // HOUR)
        if self._first is None:
            self._first = self._last = hour
        if hour <= self._last - _KEPT:
            return
        self._first = min(self._first, hour)
        self._last = max(self._last, hour)
        if count:
            self._counts[hour] = self._counts.get(hour, 0.0) + count
        if len(self._counts) > 2 * _KEPT or self._last - self._first > 2 * _KEPT:
            edge = self._last - _KEPT
            self._counts = {h: n for h, n in self._counts.items() if h > edge}
            self._first = max(self._first, edge + 1)

    def need(self, at: float) -> Need | None:
        """What the hour of `at` will ask for; None before three whole periods were seen.

        By the week where three weeks are known, else by the day: workdays by workdays, weekends by weekends.
        """
        hour = int(at // HOUR)
        for length in (WEEK, DAY):
            past = [self._counts.get(h, 0.0) for h in self._same(hour, length)]
            if len(past) >= PERIODS:
                return Need(fmean(past), sum(n > 0 for n in past) / len(past), len(past), length)
        return None

    def ahead(self, now: float, within: float, chance: float = HALF) -> Iterator[tuple[float, Need]]:
        """Hours that begin in the next `within` seconds and are likely to need the group."""
        for hour in range(int(now // HOUR) + 1, int((now + within) // HOUR) + 1):
            need = self.need(hour * HOUR)
            if need is not None and need.chance >= chance:
                yield hour * HOUR, need

    def _same(self, hour: int, length: int) -> list[int]:
        """The same hour of past periods that lie wholly in what was seen; not the one under way."""
        if self._first is None:
            return []
        first = max(self._first, self._last - _KEPT + 1)
        back = hour - length * max(1, -(-(hour - self._last + 1) // length))
        past = range(back, first - 1, -length) if back >= first else range(0)
        return [h for h in past if length == WEEK or weekend(h * HOUR) == weekend(hour * HOUR)]

    def packed(self) -> list[Any]:
        """For `unpacked`, as JSON takes it."""
        return [self._first, self._last, [[hour, round(n, 3)] for hour, n in self._counts.items()]]

    @classmethod
    def unpacked(cls, value: Any) -> HourProfile:
        """The profile again.

        Raises:
            ValueError, TypeError: it is none.
        """
        first, last, counts = value
        made = cls()
        made._last = whole(last)
        made._first = None if first is None else whole(first)
        made._counts = {whole(hour): float(n) for hour, n in counts[: 2 * _KEPT]}
        return made


def weekend(at: float) -> bool:
    """Whether that instant lies in a Saturday or Sunday."""
    return int(at // (DAY * HOUR) + 3) % 7 >= 5  # the epoch began on a Thursday


class Likely(NamedTuple):
    """Of `periods`: the share in which a key was asked for in a value's life, and in the first slot of it."""

    chance: float
    at_once: float
    periods: int


class Marks:
    """The slots of five minutes in which a key was asked for, five weeks of them, one bit each.

    A profile by the hour does not do for a key: one that lives ten minutes has to be there at the right ones.
    Instants are epoch seconds of its zone.
    """

    __slots__ = ("_bits", "_first", "_last")

    def __init__(self, at: float) -> None:
        self._bits = 1
        self._first = self._last = int(at // SLOT)

    def add(self, at: float) -> None:
        """It was asked for."""
        slot = int(at // SLOT)
        ahead = slot - self._last
        if ahead >= _KEPT_SLOTS:
            self._bits, self._last = 1, slot
        elif ahead > 0:
            self._bits, self._last = (self._bits << ahead | 1) & _ALL, slot
        else:
            self._bits |= (1 << -ahead) & _ALL

    def likely(self, start: float, life: float) -> Likely | None:
        """Whether it will be asked for in `life` seconds from the slot of `start`; None before three periods.

        By the newest weeks where three are known, else by the newest days of its kind, workdays or not. What
        the last two periods left out is not expected.
        """
        slot, width = int(start // SLOT), max(1, int(life // SLOT))
        for length in (_WEEK_SLOTS, _DAY_SLOTS):
            past = self._same(slot, length)
            if len(past) >= PERIODS:
                width = min(width, length)
                within = [self._any(at, width) for at in past]
                at_once = [self._any(at, 1) for at in past]
                chance = sum(within) / len(past) if any(within[:2]) else 0.0
                return Likely(chance, sum(at_once) / len(past), len(past))
        return None

    def _same(self, slot: int, length: int) -> list[int]:
        """The same slot of past periods, the newest first."""
        first = max(self._first, self._last - _KEPT_SLOTS + 1)
        past = range(slot - length, first - 1, -length)
        kind = weekend(slot * SLOT)
        alike = (at for at in past if length == _WEEK_SLOTS or weekend(at * SLOT) == kind)
        return [at for at, _ in zip(alike, range(NEWEST), strict=False)]

    def _any(self, slot: int, width: int) -> bool:
        oldest, newest = self._last - slot, self._last - slot - width + 1
        if oldest < 0:
            return False
        newest = max(0, newest)
        return bool(self._bits >> newest & (1 << (oldest - newest + 1)) - 1)

    def packed(self) -> list[Any]:
        """For `unpacked`, as JSON takes it."""
        data = self._bits.to_bytes(-(-self._bits.bit_length() // 8), "big")
        return [self._first, self._last, b64encode(zlib.compress(data)).decode()]

    @classmethod
    def unpacked(cls, value: Any) -> Marks:
        """The marks again.

        Raises:
            ValueError, TypeError: they are none.
        """
        first, last, text = value
        made = cls(0.0)
        made._first, made._last = whole(first), whole(last)
        try:
            data = zlib.decompressobj().decompress(b64decode(text, validate=True), _KEPT_SLOTS // 8)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        made._bits = int.from_bytes(data, "big")
        return made


def whole(value: Any) -> int:
    """An hour, a slot or a count that was kept.

    Raises:
        ValueError: it is none.
    """
    if type(value) is not int or not 0 <= value < 1 << 40:
        raise ValueError("no hour or slot")
    return value


class Rhythm:
    """A key that comes back at regular intervals, of which it keeps twelve; instants in seconds.

    `interval`: seconds between uses; None before three of them, or when they have no rhythm. `unrest`: those
    by which the intervals of the rhythm were off at most. `last`: when it was asked for.
    """

    __slots__ = ("_intervals", "interval", "last", "unrest")

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=_INTERVALS)
        self.last: float | None = None
        self.interval: float | None = None
        self.unrest = 0.0

    def add(self, at: float) -> None:
        """It was asked for; two at once are one."""
        if self.last is not None and at > self.last:
            self._intervals.append(at - self.last)
            self._judge()
        self.last = at if self.last is None else max(at, self.last)

    def _judge(self) -> None:
        self.interval = None
        if len(self._intervals) < PERIODS:
            return
        middle = median(self._intervals)
        off = [d for i in self._intervals if (d := abs(i - middle)) <= _REGULAR * middle]
        if len(off) >= 0.8 * len(self._intervals):
            self.interval, self.unrest = middle, max(off)

    def next(self, now: float) -> float | None:
        """When it is needed next, after `now`; None when that cannot be told, or two were left out."""
        interval, last = self.interval, self.last
        if interval is None or last is None or now > last + 2 * interval:
            return None
        return last + interval * (1 if now < last + interval else 2)

    def packed(self) -> list[Any]:
        """For `unpacked`, as JSON takes it."""
        return [self.last, [round(i, 1) for i in self._intervals]]

    @classmethod
    def unpacked(cls, value: Any) -> Rhythm:
        """The rhythm again.

        Raises:
            ValueError, TypeError: it is none.
        """
        last, intervals = value
        made = cls()
        made.last = None if last is None else float(last)
        made._intervals.extend(i for i in map(float, intervals) if i > 0)
        made._judge()
        return made
