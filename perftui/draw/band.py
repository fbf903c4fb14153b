"""The band a series was expected in, as shade behind the lines of a chart."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perftui.analysis.anomaly import DetectorState, detect
from perftui.draw.axis import Scale
from perftui.draw.braille import Canvas
from perftui.model.series import Series

STYLE = "faint"
SHADE, ASCII_SHADE = "░", ":"
MOST = 1200  # points a band is worked out over: some 5 ms


@dataclass(frozen=True, slots=True)
class Band:
    """From `low` to `high` at times `at` (epoch seconds, rising), each holding until the next."""

    at: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]

    @classmethod
    def of(cls, low: Series, high: Series) -> Band:
        """Two recorded edges; instants that only one of them has are left out."""
        at, lows = low.between(-math.inf, math.inf)
        top = dict(zip(*high.between(-math.inf, math.inf), strict=True))
        rows = [(a, v, top[a]) for a, v in zip(at, lows, strict=True) if a in top]
        return cls([a for a, _, _ in rows], [v for _, v, _ in rows], [v for _, _, v in rows])

    @classmethod
    def around(cls, at: Sequence[float], value: Sequence[float]) -> Band:
        """What the values themselves let expect at each instant, from those before it."""
        state, rows = DetectorState(), []
        for a, v in zip(at[-MOST:], value[-MOST:], strict=True):
            state, score = detect(state, a, v)
            if not math.isnan(score.low):
                rows.append((a, score.low, score.high))
        return cls([a for a, _, _ in rows], [v for _, v, _ in rows], [v for _, _, v in rows])

    def where(self, at: float) -> tuple[float, float] | None:
        """The edges at an instant; None before the first, and long after the last."""
        place = bisect_right(self.at, at) - 1
        if place < 0 or (place == len(self.at) - 1 and at - self.at[place] > self._reach()):
            return None
        return self.low[place], self.high[place]

    def _reach(self) -> float:
        n = len(self.at)
        return 2 * (self.at[-1] - self.at[0]) / (n - 1) if n > 1 else 60.0


def shade(
    rows: list[str],
    canvas: Canvas,
    band: Band,
    time_of: Callable[[int], float],
    scale: Scale,
    *,
    owner: int,
    ascii_: bool,
) -> None:
    """Fill the cells inside the band that no line has; `owner` is the style's number."""
    sign, place = (ASCII_SHADE if ascii_ else SHADE), scale.placer(len(rows) * 4)
    cells = [list(row) for row in rows]
    for x in range(len(cells[0]) if cells else 0):
        edges = band.where(time_of(x))
        if edges is None or edges[0] > scale.high or edges[1] < scale.low:
            continue
        for y in range(place(edges[1]) // 4, place(edges[0]) // 4 + 1):
            if not canvas.owner[y][x]:
                cells[y][x] = sign
                canvas.owner[y][x] = owner
    rows[:] = ["".join(row) for row in cells]
