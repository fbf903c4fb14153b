"""The same lines some time ago, drawn behind those of now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from perftui.analysis.buckets import Window
from perftui.analysis.promduration import show_duration
from perftui.draw.chart import Line
from perftui.model.series import Series, SeriesKey

WEEK = 604_800.0
AHEAD = 60.0  # seconds read beyond what is shown: the past is known, and a moving chart asks once a minute
MOST = 64  # series kept


class Ghost:
    """`span` seconds ago, as `read` (key, start, end) tells it; what was read is kept for a while."""

    def __init__(self, span: float, read: Callable[[SeriesKey, float, float], Series]) -> None:
        self.span = span
        self._read = read
        self._kept: dict[SeriesKey, tuple[float, float, Line]] = {}

    @property
    def words(self) -> str:
        """How long ago: `7d ago`."""
        return f"{show_duration(self.span)} ago"

    def behind(self, lines: Sequence[Line], window: Window) -> list[Line]:
        """Those of the lines that have a past, moved to now; lines that are no series have none."""
        found = [self._line(line, line.key, window) for line in lines if line.key is not None]
        return [
            line
            for line in found
            if len(line.at) and line.at[0] <= window.end and line.at[-1] >= window.start
        ]

    def _line(self, line: Line, key: SeriesKey, window: Window) -> Line:
        kept = self._kept.pop(key, None)
        if kept is None or window.start < kept[0] or window.end > kept[1]:
            start, end = window.start, window.end + AHEAD
            kept = (start, end, self._moved(line, key, start, end))
        self._kept[key] = kept
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
        return kept[2]

    def _moved(self, line: Line, key: SeriesKey, start: float, end: float) -> Line:
        series = self._read(key, start - self.span, end - self.span)
        at, value = series.between(start - self.span, end - self.span)
        moved = [t + self.span for t in at]
        return replace(line, name=f"{line.name} {self.words}", at=moved, value=value, style="muted", key=None)
