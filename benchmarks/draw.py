"""What a picture costs: our drawings beside their peers, in one run on one machine.

    python benchmarks/draw.py [--seconds 3]

Prints milliseconds of CPU a frame and the ratio to ours. Absolute figures depend on the machine and
on what else runs there; the ratios do not.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text
from textual.app import App, ComposeResult
from textual.widget import Widget
from textual.widgets import DataTable, Sparkline

from perftui.draw import format as fmt
from perftui.draw.chart import Line, Window, chart
from perftui.draw.rows import Look, Rows, Size
from perftui.draw.table import Column
from perftui.widgets.chart import ChartPanel
from perftui.widgets.livetable import LiveTable

NOW = 1_795_615_330.0
WIDTH, HEIGHT, POINTS = 160, 40, 600
AT = [NOW - POINTS + i for i in range(POINTS + 4000)]
VALUES = [50 + 40 * math.sin(i / 40) + 4 * math.sin(i) for i in range(POINTS + 4000)]


def cpu_of(frame: Callable[[int], object], least: float) -> float:
    """Milliseconds of CPU a call, over at least `least` seconds."""
    frame(0)
    begin, calls = time.process_time(), 0
    while time.process_time() - begin < least:
        calls += 1
        frame(calls % 4000)
    return (time.process_time() - begin) / calls * 1000


def ours(count: int) -> Callable[[int], Rows]:
    def frame(i: int) -> Rows:
        lines = [Line(f"l{k}", AT[i : i + POINTS], VALUES[i : i + POINTS]) for k in range(count)]
        return chart(lines, Size(WIDTH, HEIGHT), Window.last(POINTS, NOW + i), Look(), unit="s")

    return frame


def plotext_frame(i: int) -> str:
    import plotext

    figure = plotext.figure
    figure.clear.data()
    figure.plot_size(WIDTH, HEIGHT)
    figure.draw(figure.signal(AT[i : i + POINTS], VALUES[i : i + POINTS], marker="braille"))
    return str(figure.build())


def rich_frame(console: Console) -> Callable[[int], object]:
    """A braille chart the obvious way: one styled character a cell, laid out by rich."""

    def frame(i: int) -> object:
        cells = [[0] * WIDTH for _ in range(HEIGHT)]
        values = VALUES[i : i + POINTS]
        low, high = min(values), max(values)
        for k, value in enumerate(values):
            x = k * WIDTH * 2 // POINTS
            y = int((high - value) / (high - low) * (HEIGHT * 4 - 1))
            cells[y // 4][x // 2] |= ((1, 2, 4, 64), (8, 16, 32, 128))[x % 2][y % 4]
        text = Text()
        for row in cells:
            for bits in row:
                text.append(chr(0x2800 + bits), "cyan")
            text.append("\n")
        return console.render_lines(text)

    return frame


COLUMNS = [
    Column(f"c{k}", f"column {k}", fmt.number, value=lambda row, k=k: row[k + 1], width=15, align="right")
    for k in range(10)
]


def table_rows(changed: int) -> list[list[float]]:
    """200 × 10 numbers, 40 of them different in each step, in the rows on screen."""
    draw = random.Random(changed)
    rows = [[float(i), *(float(i * k) for k in range(10))] for i in range(200)]
    for _ in range(40):
        rows[draw.randrange(40)][draw.randrange(1, 11)] = draw.random() * 1000
    return rows


class Stage(App[None]):
    """One widget, or four in a square, and a clock that gives them a new picture."""

    CSS = "Screen { layout: grid; grid-size: 2; } .alone { column-span: 2; row-span: 2; }"

    def __init__(self, actors: Sequence[Widget], step: Callable[[int], None], rate: float) -> None:
        super().__init__()
        self._actors, self._step, self._rate = actors, step, rate
        if len(actors) == 1:
            actors[0].add_class("alone")
        self.frames = 0

    def compose(self) -> ComposeResult:
        """The widgets that are measured."""
        yield from self._actors

    def on_mount(self) -> None:
        """Start the clock, unless the idle cost is measured."""
        if self._rate:
            self.set_interval(1 / self._rate, self._tick)

    def _tick(self) -> None:
        self.frames += 1
        self._step(self.frames)


Act = tuple[list[Widget], Callable[[int], None]]


async def live(make: Callable[[], Act], seconds: float, size: tuple[int, int] = (WIDTH, HEIGHT)) -> float:
    """Milliseconds of CPU a picture inside Textual, painting included, its idle cost taken off."""
    costs: list[float] = []
    frames = 1
    for rate in (0.0, 10.0):
        actors, step = make()
        app = Stage(actors, step, rate)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            step(0)
            begin = time.process_time()
            await asyncio.sleep(seconds)
            costs.append(time.process_time() - begin)
            frames = max(1, app.frames)
    return max(0.0, costs[1] - costs[0]) / frames * 1000


def sparkline() -> Act:
    widget = Sparkline(VALUES[:POINTS])
    widget.styles.height = "100%"

    def step(i: int) -> None:
        widget.data = VALUES[i : i + POINTS]

    return [widget], step


def four_charts() -> Act:
    panels = [ChartPanel(f"chart {k}", unit="s", seconds=POINTS) for k in range(4)]

    def step(i: int) -> None:
        for k, panel in enumerate(panels):
            begin = i + 97 * k
            panel.set_lines([Line("p95", AT[i : i + POINTS], VALUES[begin : begin + POINTS])], NOW + i)

    return [*panels], step


def chart_panel() -> Act:
    widget = ChartPanel("latency", unit="s", seconds=POINTS)

    def step(i: int) -> None:
        widget.set_lines([Line("p95", AT[i : i + POINTS], VALUES[i : i + POINTS])], NOW + i)

    return [widget], step


def live_table() -> Act:
    widget = LiveTable(COLUMNS, key=lambda row: row[0], title="rows")
    return [widget], lambda i: widget.set_items(table_rows(i))


def data_table() -> Act:
    widget: DataTable[str] = DataTable()
    before: list[list[float]] = []

    def step(i: int) -> None:
        rows = table_rows(i)
        if not before:
            for k in range(10):
                widget.add_column(f"column {k}", key=f"c{k}", width=15)
            for row in rows:
                widget.add_row(*map(fmt.number, row[1:]), key=str(row[0]))
        else:
            for old, new in zip(before, rows, strict=True):
                for k in range(10):
                    if old[k + 1] != new[k + 1]:
                        widget.update_cell(str(new[0]), f"c{k}", fmt.number(new[k + 1]))
        before[:] = rows

    return [widget], step


def report(title: str, figures: list[tuple[str, float]]) -> None:
    print(f"{title}")
    base = figures[0][1]
    for name, cost in figures:
        print(f"  {name:<34} {cost:8.2f} ms   {cost / base:6.1f} ×")


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--seconds", type=float, default=3.0, help="measuring time of each live widget")
    seconds = options.parse_args().seconds
    console = Console(width=WIDTH, height=HEIGHT, force_terminal=True)
    report(
        f"one chart, {POINTS} points, {WIDTH}×{HEIGHT}: CPU a frame, drawing alone",
        [
            ("perftui, 1 line", cpu_of(ours(1), 0.5)),
            ("perftui, 3 lines", cpu_of(ours(3), 0.5)),
            ("plotext", cpu_of(plotext_frame, 0.5)),
            ("rich, a style a cell", cpu_of(rich_frame(console), 0.5)),
        ],
    )
    panels = [("perftui ChartPanel", await live(chart_panel, seconds))]
    panels.append(("textual Sparkline", await live(sparkline, seconds)))
    report("the same inside Textual, painting included", panels)
    four = await live(four_charts, seconds, (WIDTH, 48))
    print(f"  four of our charts on {WIDTH}×48 at 1 Hz: {four / 10:.2f} % of a core")
    tables = [("perftui LiveTable", await live(live_table, seconds, (200, 42)))]
    tables.append(("textual DataTable", await live(data_table, seconds, (200, 42))))
    report("table of 200 × 10, 40 cells changed: CPU an update, painting included", tables)
    print(f"  ours at 1 Hz: {tables[0][1] / 10:.2f} % of a core")


if __name__ == "__main__":
    asyncio.run(main())
