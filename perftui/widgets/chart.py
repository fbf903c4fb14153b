"""A line chart with a window and a cursor that the keys can move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from perftui.analysis.buckets import Window, grid
from perftui.draw import format as fmt
from perftui.draw.band import Band
from perftui.draw.chart import Line, Mark, Threshold, chart
from perftui.draw.ghost import Ghost
from perftui.draw.rows import Look, Rows, Size
from perftui.draw.text import message
from perftui.widgets.panel import Panel

WINDOWS = (60, 300, 900, 3600, 10800, 21600, 86400, 259200, 604800, 2592000)  # 1 m … 30 d, seconds


class ChartPanel(Panel):
    """Lines over the last `seconds`; the note says the newest value of a single line.

    `Moved` and `Zoomed` let a screen move its other charts along and fetch more history.
    """

    EXACT = True
    bands: ClassVar[bool] = False  # whether every chart shades what its first line lets expect
    ghost: ClassVar[Ghost | None] = None  # what every chart draws behind its lines
    instant: ClassVar[float | None] = None  # marked on every chart (epoch seconds)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "cursor(-1)", "Cursor back", show=False, id="chart.back"),
        Binding("right", "cursor(1)", "Cursor on", show=False, id="chart.on"),
        Binding("escape", "cursor_off", "Cursor off", show=False, id="chart.off"),
    ]

    class Moved(Message):
        """The cursor stands at another instant (epoch seconds), None: taken away."""

        def __init__(self, chart: ChartPanel, at: float | None) -> None:
            super().__init__()
            self.chart, self.at = chart, at

    class Zoomed(Message):
        """Another window, in seconds: the screen hands over that much history."""

        def __init__(self, chart: ChartPanel, seconds: float) -> None:
            super().__init__()
            self.chart, self.seconds = chart, seconds

    def __init__(
        self,
        title: str = "",
        *,
        unit: str = "1",
        seconds: float = 900.0,
        low: float | None = None,
        high: float | None = None,
        log: bool = False,
        note: str = "",
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
        focusable: bool = True,
    ) -> None:
        super().__init__(title, note=note, id=id, classes=classes, focusable=focusable)
        self.unit = unit
        self.seconds = float(seconds)
        self.low, self.high, self.log_scale = low, high, log
        self.cursor: float | None = None
        self._lines: tuple[Line, ...] = ()
        self._end = 0.0
        self._thresholds: tuple[Threshold, ...] = ()
        self._marks: tuple[Mark, ...] = ()
        self._band: Band | None = None
        self._worked_out: tuple[float, Band] | None = None  # by the newest instant it was worked out for
        self.ghosts: tuple[Line, ...] = ()  # another instant's lines, their times counted from its end

    def pin(self) -> None:
        """Keep what is shown now, to be drawn behind what comes."""
        end = self._end
        self.ghosts = tuple(
            replace(line, name=f"{line.name} then", at=[t - end for t in line.at], style="muted")
            for line in self._lines
        )

    def _pinned(self) -> list[Line]:
        return [replace(line, at=[t + self._end for t in line.at]) for line in self.ghosts]

    def set_lines(
        self,
        lines: Sequence[Line],
        end: float,
        *,
        thresholds: Sequence[Threshold] = (),
        marks: Sequence[Mark] = (),
        band: Band | None = None,
    ) -> None:
        """Draw these lines up to `end` (epoch seconds), with the band the first was expected in."""
        self._band = band
        self._lines, self._end = tuple(lines), end
        self._thresholds, self._marks = tuple(thresholds), tuple(marks)
        self.redraw()

    @property
    def window(self) -> Window:
        """The span of time shown."""
        return Window.last(self.seconds, self._end)

    def note_text(self) -> str:
        """The note, the newest value of a single line, and the window."""
        parts = [self._note] if self._note else []
        if len(self._lines) == 1 and self._lines[0].value:
            parts.append(fmt.value(self._lines[0].value[-1], self.unit, 9).strip())
        if self._title:
            parts.append(span_text(self.seconds))
        if ChartPanel.ghost is not None and self._lines and not self.earlier:
            parts.append(f"nothing {ChartPanel.ghost.words}")
        return " · ".join(parts)

    @property
    def band(self) -> Band | None:
        """The given band, else with `:bands` what the first line itself lets expect."""
        if self._band is not None or not ChartPanel.bands or not self._lines or not self._lines[0].at:
            return self._band
        first = self._lines[0]
        if self._worked_out is None or self._worked_out[0] != first.at[-1]:
            self._worked_out = (first.at[-1], Band.around(first.at, first.value))
        return self._worked_out[1]

    @property
    def earlier(self) -> list[Line]:
        """With `:ghost` the lines of that time ago."""
        return ChartPanel.ghost.behind(self._lines, self.window) if ChartPanel.ghost is not None else []

    @property
    def _noted(self) -> tuple[Mark, ...]:
        return self._marks if ChartPanel.instant is None else (*self._marks, Mark(ChartPanel.instant))

    def body(self, size: Size, look: Look) -> Rows:
        """The chart; before the first reading there is no instant that its axis could end at."""
        if not self._end:
            return message(size, "nothing read yet")
        return chart(
            (*self._lines, *self._pinned(), *self.earlier),
            size,
            self.window,
            look,
            unit=self.unit,
            thresholds=self._thresholds,
            marks=self._noted,
            band=self.band,
            cursor=self.cursor,
            log=self.log_scale,
            low=self.low,
            high=self.high,
        )

    def cursor_move(self, by: int) -> None:
        """Move the cursor by cells; it appears at the newest instant."""
        step = 2 * grid(self.window, max(2, 2 * (self.size.width - 7))).step
        at = self._end if self.cursor is None else self.cursor + by * step
        self.cursor = self._snap(min(max(at, self.window.start), self._end), step)
        self.redraw()
        self.post_message(self.Moved(self, self.cursor))

    def column_move(self, by: int) -> None:
        """Left and right; a chart has no rows."""
        self.cursor_move(by)

    def _snap(self, at: float, step: float) -> float:
        """The sample nearest to an instant when one lies in the same cell."""
        near = [t for line in self._lines[:1] for t in line.at if abs(t - at) <= step / 2]
        return min(near, key=lambda t: abs(t - at)) if near else at

    def cursor_to(self, at: float | None) -> None:
        """Put the cursor at an instant, so that several charts can share one."""
        self.cursor = at
        self.redraw()

    def zoom(self, by: int) -> None:
        """A shorter (+1) or longer (−1) window."""
        places = [i for i, (a, b) in enumerate(pairwise(WINDOWS)) if a <= self.seconds < b]
        place = places[0] if places else len(WINDOWS) - 1
        self.seconds = float(WINDOWS[min(max(0, place - by), len(WINDOWS) - 1)])
        self.redraw()
        self.post_message(self.Zoomed(self, self.seconds))

    def action_cursor(self, by: int) -> None:
        """Left and right."""
        self.cursor_move(by)

    def action_cursor_off(self) -> None:
        """Take the cursor away."""
        self.cursor_to(None)
        self.post_message(self.Moved(self, None))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape belongs to the chart only while it has a cursor."""
        if action == "cursor_off" and self.cursor is None:
            return False
        return super().check_action(action, parameters)


def span_text(seconds: float) -> str:
    """A window in one unit: `15 m`, `24 h`, `30 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0 and not (unit == "d" and seconds == size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
