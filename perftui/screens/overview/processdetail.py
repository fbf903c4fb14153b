"""One process by itself: what it is, and the course of what it uses as far as that was sampled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from textual.widget import Widget

from perftui.analysis.hostmeasures import ABOUT, process_label
from perftui.draw import format as fmt
from perftui.draw.chart import Line, Threshold
from perftui.draw.clean import inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, line
from perftui.model.frame import Frame
from perftui.model.resources import ProcessLook, ProcessRow
from perftui.model.series import SeriesKey
from perftui.widgets.chart import ChartPanel
from perftui.widgets.panel import Panel

TOPIC = "resources.process"
GAP = 30.0  # seconds of silence that break a line: the busiest are sampled every 10 s unasked


class Figure(NamedTuple):
    """A chart: its place, title, unit, and the series drawn on it with their names."""

    id: str
    title: str
    unit: str
    series: tuple[tuple[str, str], ...]


FIGURES = (
    Figure("own-cpu", "CPU of one core", "ratio", (("process.cpu_ratio", "cpu"),)),
    Figure(
        "own-memory",
        "Memory",
        "bytes",
        (("process.rss_bytes", "resident"), ("process.pss_bytes", "its share")),
    ),
    Figure("own-threads", "Threads", "1", (("process.threads", "threads"),)),
    Figure("own-fds", "Descriptors", "1", (("process.fds", "open"),)),
    Figure("own-read", "Read/s", "bytes/s", (("process.read_bytes_per_s", "read"),)),
    Figure("own-write", "Written/s", "bytes/s", (("process.write_bytes_per_s", "written"),)),
)


class ProcessDetail(Widget):
    """A head of two lines and six charts that share window and cursor."""

    DEFAULT_CSS = """
    ProcessDetail {
        layout: grid; grid-size: 2; grid-rows: 2 1fr 1fr 1fr; grid-gutter: 0 1; height: 1fr; display: none;
    }
    ProcessDetail #own-head { column-span: 2; height: 2; }
    """

    def compose(self) -> Iterable[Widget]:
        """The head, then the charts."""
        yield Panel(id="own-head")
        for figure in FIGURES:
            yield ChartPanel(figure.title, unit=figure.unit, seconds=300.0, low=0, id=figure.id)

    def show(self, frame: Frame, source: str, row: ProcessRow, *, ended: bool) -> None:
        """Draw what is known of `row` up to the frame's instant; nothing before its start is its own."""
        said = head(row, frame.at, ended=ended)
        self.query_one("#own-head", Panel).set_rows(lambda size, look: head_rows(said, size, look))
        for figure in FIGURES:
            panel = self.query_one(f"#{figure.id}", ChartPanel)
            limit = _limit(row) if figure.id == "own-fds" else ()
            panel.set_lines(
                list(lines(frame, source, row, figure, panel.seconds)), frame.at, thresholds=limit
            )

    def follow_zoom(self, zoomed: ChartPanel.Zoomed) -> bool:
        """Give all charts the window of one; False when it is none of ours."""
        return self._each(zoomed.chart, lambda panel: setattr(panel, "seconds", zoomed.seconds))

    def follow_cursor(self, moved: ChartPanel.Moved) -> bool:
        """Put the cursor of all charts where one has it; False when it is none of ours."""
        return self._each(moved.chart, lambda panel: panel.cursor_to(moved.at))

    def _each(self, chart: ChartPanel, do: Callable[[ChartPanel], None]) -> bool:
        panels = list(self.query(ChartPanel))
        if chart not in panels:
            return False
        for panel in panels:
            if panel is not chart:
                do(panel)
        return True


def lines(frame: Frame, source: str, row: ProcessRow, figure: Figure, seconds: float) -> Iterator[Line]:
    """The recorded lines of a chart, since the process began."""
    labels = (("process", process_label(row.name, row.pid)),)
    for name, title in figure.series:
        course = frame.window(SeriesKey(source, name, labels), seconds)
        at, value = course.between(row.started - ABOUT, math.inf)
        yield Line(title, at, value, gap=GAP)


def current(look: object, row: ProcessRow) -> tuple[ProcessRow, bool]:
    """The newest look at `row` where `look` is one, and whether the process has ended."""
    if not isinstance(look, ProcessLook) or (look.pid, look.started) != (row.pid, row.started):
        return row, False
    return look.row or row, look.row is None


def head(row: ProcessRow, at: float, *, ended: bool = False) -> tuple[list[tuple[str, str]], str]:
    """Figures with their words, and the command."""
    figures = [
        ("cpu", fmt.ratio(row.cpu)),
        ("memory", fmt.bytes_(row.rss)),
        ("its share", fmt.bytes_(row.pss) if row.pss is not None else ""),
        ("threads", str(row.threads)),
        ("descriptors", _of(row.fds, row.fd_limit)),
        ("nice", str(row.nice)),
        ("state", row.state),
        ("user", row.user),
        ("unit", row.unit),
        ("up", fmt.age(max(0.0, at - row.started))),
    ]
    if ended:
        figures.insert(0, ("", "has ended"))
    return [(word, inert(value.strip(), 60)) for word, value in figures if value], inert(row.command, 500)


def head_rows(said: tuple[list[tuple[str, str]], str], size: Size, _look: Look) -> Rows:
    """The head in two lines."""
    spans: list[Span] = []
    for word, value in said[0]:
        spans += [Span(f"{word} ", "muted"), Span(f"{value}  ", "bold" if word else "crit bold")]
    rows: list[Row] = [line(size.width, Span(said[1], "accent")), line(size.width, *spans)]
    return fill(rows, size)


def _of(used: int | None, most: int | None) -> str:
    return "–" if used is None else f"{used} of {most}" if most else str(used)


def _limit(row: ProcessRow) -> tuple[Threshold, ...]:
    """The most descriptors, where they are near enough for it not to flatten the line."""
    if not row.fds or not row.fd_limit or row.fds * 4 < row.fd_limit:
        return ()
    return (Threshold(float(row.fd_limit)),)
