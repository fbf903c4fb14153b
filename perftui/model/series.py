"""Numbers over time: one key, one unit, a bounded ring of samples."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """Identity of a series: the backend's name, a dotted metric name, sorted label pairs.

    Names end in their base unit where they have one: `ops_per_s`, `used_bytes`, `hit_ratio`,
    `p95_s`. Labels are few and bounded (a core, a route, a replica), never an id from traffic.
    """

    source: str
    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        tail = ",".join(f"{k}={v}" for k, v in self.labels)
        return f"{self.source}/{self.name}" + (f"{{{tail}}}" if tail else "")


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series; `at` is epoch seconds (UTC)."""

    at: float
    value: float


@dataclass(slots=True)
class Series:
    """A ring of samples in time order, with its unit (`s`, `bytes`, `ratio`, `1/s`, `1`).

    Appending out of order is ignored: a clock that jumped back must not fold the chart.
    """

    key: SeriesKey
    unit: str = "1"
    capacity: int = 1800
    _at: array[float] = field(default_factory=lambda: array("d"))
    _value: array[float] = field(default_factory=lambda: array("d"))

    def append(self, at: float, value: float) -> None:
        """Add a sample, dropping the oldest tenth once the ring is full."""
        if self._at and at <= self._at[-1]:
            return
        self._at.append(at)
        self._value.append(value)
        if len(self._at) > self.capacity:
            drop = max(1, self.capacity // 10)
            del self._at[:drop]
            del self._value[:drop]

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[Sample]:
        return (Sample(a, v) for a, v in zip(self._at, self._value, strict=True))

    @property
    def last(self) -> Sample | None:
        """The newest sample, or None."""
        return Sample(self._at[-1], self._value[-1]) if self._at else None

    def between(self, start: float, end: float) -> tuple[array[float], array[float]]:
        """Times and values with start <= at <= end, as two arrays of equal length."""
        lo = bisect_left(self._at, start)
        hi = bisect_left(self._at, end)
        if hi < len(self._at) and self._at[hi] == end:
            hi += 1
        return self._at[lo:hi], self._value[lo:hi]
