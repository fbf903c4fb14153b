"""How often to draw: never faster than the link takes the picture, so that keys stay quick."""

from __future__ import annotations

from dataclasses import dataclass, field

STEPS: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0)
"""Seconds between two pictures, fastest first: 2, 1, 0.5 and 0.2 Hz."""

CALM = 10.0
"""Seconds without trouble before the next faster step is tried."""

KEY_SHARE = 0.1
"""Seconds one write may occupy a slow link, so that a key's picture waits no longer than that."""


@dataclass(slots=True)
class Pace:
    """Watches whether pictures leave in time and chooses the interval. All times are monotonic seconds.

    `rate` is the link's measured speed in bytes a second, 0 while the link was never the limit.
    """

    rate: float = 0.0
    step: int = 0
    _last: float = field(default=-1e9)
    _calm_since: float = field(default=-1e9)

    @property
    def interval(self) -> float:
        """Seconds between two pictures now."""
        return STEPS[self.step]

    def due(self, now: float) -> bool:
        """Whether the next picture may be drawn."""
        return now - self._last >= self.interval - 0.05

    def drew(self, now: float, took: float, behind: bool, rate: float) -> None:
        """A picture was drawn at `now`, cost `took` seconds of our own time; `behind`: the one before
        had not left yet. Steps down at once, up only after a calm time.
        """
        self._last = now
        self.rate = rate
        if behind or took > self.interval / 2:
            self.step = min(self.step + 1, len(STEPS) - 1)
            self._calm_since = now
        elif self.step and now - self._calm_since >= max(CALM, 3 * self.interval):
            self.step -= 1
            self._calm_since = now

    def limit(self) -> int:
        """Characters one write may have: all on a fast link, what leaves in a moment on a slow one."""
        if not self.rate:
            return 1 << 30
        return max(512, int(self.rate * KEY_SHARE))

    def note(self) -> str:
        """What the header says: `link 18 kB/s, drawing every 2 s`; empty at full pace."""
        if not self.step:
            return ""
        link = f"link {self.rate / 1000:.0f} kB/s, " if self.rate >= 500 else ""
        return f"{link}drawing every {self.interval:g} s"
