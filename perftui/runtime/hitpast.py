"""Hit ratios over a quarter of an hour and a day, from the sums that history keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from perftui.model.hitpast import SHELF, WINDOWS, HitPast, PastRatio
from perftui.model.series import SeriesKey
from perftui.runtime.chunks import Rollup
from perftui.runtime.clock import Clock
from perftui.runtime.history import History

MINUTE = 60.0
HITS, MISSES = "hits_per_s", "misses_per_s"
ASKED, HAD, HAD_L1 = "requests_per_s", "fresh_per_s", "l1_hits_per_s"


class HitRecords:
    """`HitShelf` of the session: sums of rates minute by minute, never a mean of ratios."""

    kind: ClassVar[str] = SHELF

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def hits(self, source: str) -> HitPast:
        """A server's ratios until now.

        Raises:
            StoreError: the history cannot be read.
        """
        now = self._clock.wall()
        own = [await self._rows(SeriesKey(source, name), now) for name in (HITS, MISSES)]
        asked = await self._rows(SeriesKey(source, ASKED), now)
        had = await self._rows(SeriesKey(source, HAD_L1), now)
        labelled = [key for key in self._history.keys(source, ASKED) if key.labels]
        named = []
        for key in sorted(labelled):
            mine = await self._rows(key, now), await self._rows(SeriesKey(source, HAD, key.labels), now)
            if told := _ratios(mine[1:], mine[:1], now):
                named.append((dict(key.labels)["namespace"], told))
        return HitPast(source, now, _ratios(own[:1], own, now), _ratios([had], [asked], now), tuple(named))

    async def _rows(self, key: SeriesKey, now: float) -> Rollup:
        return await self._history.rollup(key, now - max(WINDOWS), now, MINUTE)


def _ratios(part: Sequence[Rollup], whole: Sequence[Rollup], now: float) -> tuple[PastRatio, ...]:
    """One a window; none where nothing at all is recorded."""
    if not any(len(rows) for rows in whole):
        return ()
    told = []
    for window in WINDOWS:
        lookups, seen = _sum(whole, now - window)
        hits, _ = _sum(part, now - window)
        told.append(PastRatio(window, hits / lookups if lookups > 0 else None, min(seen, window)))
    return tuple(told)


def _sum(parts: Sequence[Rollup], start: float) -> tuple[float, float]:
    """What was counted since `start`, and in how many seconds of it anything was recorded."""
    total, minutes = 0.0, set()
    for rows in parts:
        for at, mean, count in zip(rows.at, rows.mean, rows.count, strict=True):
            if count and at > start - MINUTE:
                total += mean * MINUTE
                minutes.add(at // MINUTE)
    return total, len(minutes) * MINUTE
