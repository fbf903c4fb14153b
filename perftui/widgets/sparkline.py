"""A label, a figure and its recent history in one row."""

from __future__ import annotations

from perftui.analysis.buckets import Window
from perftui.draw import format as fmt
from perftui.draw.clean import cell_width, cut, inert
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.sparkline import spark
from perftui.model.series import Series
from perftui.widgets.panel import Panel

_FIGURE = 10  # cells, so that the curve does not move with the digits


class SparklinePanel(Panel):
    """`label figure ▁▂▃▅`; the curve takes what the label and the figure leave."""

    def __init__(
        self,
        label: str,
        *,
        unit: str = "1",
        seconds: float = 900.0,
        low: float | None = None,
        high: float | None = None,
        style: str = "s1",
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__("", id=id, classes=classes)
        self.label, self.unit, self.seconds = label, unit, seconds
        self.low, self.high, self.style_word = low, high, style
        self._series: Series | None = None
        self._end = 0.0

    def set_series(self, series: Series, end: float) -> None:
        """Show a series up to `end` (epoch seconds)."""
        self._series, self._end = series, end
        self.redraw()

    def body(self, size: Size, look: Look) -> Rows:
        """The one row."""
        label = cut(inert(self.label), size.width // 2)
        last = self._series.last if self._series is not None else None
        figure = fmt.value(last.value if last else None, self.unit, _FIGURE)
        head = (Span(label, "muted"), Span(figure + " ", "bold"))
        room = size.width - cell_width(label) - _FIGURE - 1
        if self._series is None or room < 4:
            return [head]
        window = Window.last(self.seconds, self._end)
        curve = spark(self._series, window, room, look, low=self.low, high=self.high, style=self.style_word)
        return [(*head, *curve)]
