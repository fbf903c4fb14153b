"""Whether a source can take more: what its calls of the last half minute took, and how many failed."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from perftui.instrument.cache.ports import Source

WINDOW: Final = 30.0  # seconds a call counts
ENOUGH: Final = 5  # calls without which nothing is known
MOST: Final = 1000  # calls of the window that are kept: the newest


class Fit(Enum):
    """What may be asked of a source."""

    WELL = "well"
    ILL = "ill"
    UNKNOWN = "unknown"  # too few calls lately: it may be tried


class SourceHealth:
    """Judges by the p95 of calls that ended or still run, in seconds, and by the ratio of those that raised.

    `clock` in monotonic seconds. A call given up counts as failed once it took longer than `p95`.
    """

    def __init__(self, clock: Callable[[], float], *, p95: float = 1.0, errors: float = 0.1) -> None:
        if p95 <= 0 or not 0 <= errors < 1:
            raise ValueError("a limit of p95 is above 0 s, one of errors a ratio below 1")
        self._clock = clock
        self._p95 = p95
        self._errors = errors
        self._ended: deque[tuple[float, float, bool]] = deque(maxlen=MOST)  # when, seconds, failed
        self._running: dict[object, float] = {}

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """One call of the source."""
        began, token = self._clock(), object()
        self._running[token] = began
        failed = True
        try:
            yield
            failed = False
        except Exception:
            raise
        except BaseException:  # given up by whoever waited
            failed = self._clock() - began > self._p95
            raise
        finally:
            del self._running[token]
            now = self._clock()
            self._ended.append((now, now - began, failed))

    def fit(self) -> Fit:
        """What the last half minute says."""
        now = self._clock()
        while self._ended and self._ended[0][0] < now - WINDOW:
            self._ended.popleft()
        took = sorted([s for _, s, _ in self._ended] + [now - began for began in self._running.values()])
        if len(took) < ENOUGH:
            return Fit.UNKNOWN
        failed = sum(failed for _, _, failed in self._ended)
        slow = took[min(len(took) - 1, int(len(took) * 0.95))] > self._p95
        return Fit.ILL if slow or failed > self._errors * len(took) else Fit.WELL


class Judged:
    """A source whose calls are judged, whoever makes them."""

    def __init__(self, source: Source, health: SourceHealth) -> None:
        self.source = source
        self._health = health

    async def load(self, keys: Sequence[str]) -> Mapping[str, Any]:
        """The values of those that exist."""
        with self._health.call():
            return await self.source.load(keys)
