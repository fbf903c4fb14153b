"""Counters into rates, and log positions into seconds, whatever the server restarts in between."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping


class Rates:
    """Rates between two looks at the same counters; a counter that went back gives no rate."""

    def __init__(self) -> None:
        self._at = 0.0
        self._last: dict[str, float] = {}
        self._seconds = 0.0
        self._change: dict[str, float] = {}

    def look(self, at: float, counters: Mapping[str, float | None]) -> None:
        """Take in the counters as they were at `at` (seconds of the server's clock)."""
        known = {name: float(value) for name, value in counters.items() if value is not None}
        self._seconds = at - self._at if self._last else 0.0
        self._change = {
            name: value - self._last[name]
            for name, value in known.items()
            if name in self._last and value >= self._last[name]
        }
        self._at, self._last = at, known

    def forget(self) -> None:
        """Start over: the counters are another process's now."""
        self._last, self._change, self._seconds = {}, {}, 0.0

    def change(self, name: str) -> float | None:
        """How much the counter grew between the last two looks, or None."""
        return self._change.get(name)

    def per_second(self, name: str) -> float | None:
        """The counter's rate, or None when it is not known."""
        grown = self._change.get(name)
        return None if grown is None or self._seconds <= 0 else grown / self._seconds

    def ratio(self, part: str, rest: str) -> float | None:
        """Share part / (part + rest) of what was added, or None when nothing was."""
        a, b = self._change.get(part), self._change.get(rest)
        if a is None or b is None or a + b <= 0:
            return None
        return a / (a + b)


NOISE = 512.0  # bytes: page headers and idle records that a caught-up replica does not confirm


class LagDiary:
    """When the log passed which position, to tell how long ago a replica's position was current.

    The server's own `replay_lag` stands still when a replica stalls; this keeps growing.
    """

    def __init__(self, capacity: int = 1800) -> None:
        self._at: deque[float] = deque(maxlen=capacity)
        self._position: deque[float] = deque(maxlen=capacity)

    def note(self, at: float, position: float) -> None:
        """The log's end was `position` at `at` seconds; a log that went back starts a new diary."""
        if self._position and position < self._position[-1]:
            self._at.clear()
            self._position.clear()
        self._at.append(at)
        self._position.append(position)

    def behind(self, at: float, position: float, told: float | None) -> float | None:
        """Seconds that `position` is behind at `at`: 0 when it is the end, else the older of what
        the server `told` and what the diary saw; None when neither knows.
        """
        if not self._position or position >= self._position[-1]:
            return 0.0 if self._position else told
        if self._position[-1] - position < NOISE:
            return told or 0.0
        newer = bisect_right(self._position, position)
        seen = at - self._at[newer]
        return max(seen, told or 0.0)
