"""Server-side latency: where the mass lies over time, quantiles, what was slow, what each command costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log2
from typing import ClassVar

from textual.widget import Widget

from perftui.draw.chart import Line
from perftui.draw.heatmap import Heat
from perftui.model.cache import CacheNode
from perftui.model.frame import Frame, SeriesReader
from perftui.model.series import SeriesKey
from perftui.screens.cache.base import EMPTY, CacheTab
from perftui.screens.cache.rows import cost_columns, cost_key, slow_columns, slow_key
from perftui.widgets.chart import ChartPanel
from perftui.widgets.heatmap import HeatmapPanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

CLASSES = ("all", "read", "write")
STEP = 5.0
COLUMNS = 180
"""A heat map of a quarter of an hour in steps of five seconds."""


class LatencyTab(CacheTab):
    """Heat map and quantiles above, slow log and command cost below."""

    DEFAULT_CSS = """
    LatencyTab { layout: vertical; }
    LatencyTab #head { height: 1; }
    LatencyTab #heat, LatencyTab #slow { margin-right: 1; }
    LatencyTab.narrow #heat, LatencyTab.narrow #slow { margin-right: 0; }
    LatencyTab #upper { height: 1fr; layout: horizontal; }
    LatencyTab #lower { height: 1fr; layout: horizontal; }
    LatencyTab #heat { width: 3fr; }
    LatencyTab #quantiles { width: 2fr; }
    LatencyTab #slow { width: 3fr; }
    LatencyTab #cost { width: 2fr; }
    """
    id_: ClassVar[str] = "cache.latency"
    title: ClassVar[str] = "Latency"
    topics: ClassVar[tuple[str, ...]] = ("cache", "cachecluster")
    empty: ClassVar[str] = "would show latency by command, the slow log and what each command costs" + EMPTY

    def __init__(self) -> None:
        super().__init__()
        self.shown = "all"
        self.costs_in_front = False
        self._several = False  # whether the slow log is that of several nodes
        self._drawn: tuple[str, str, int] | None = None

    def compose(self) -> Iterable[Widget]:
        """Tables take the keys."""
        yield Panel(id="head")
        with Widget(id="upper"):
            yield HeatmapPanel("Latency, server side", id="heat")
            yield ChartPanel("p50 p95 p99", unit="s", low=0, id="quantiles")
        with Widget(id="lower"):
            yield LiveTable(
                slow_columns(self.look.tz), key=slow_key, title="Slow log", id="slow", sort="at", reverse=True
            )
            yield LiveTable(
                cost_columns(), key=cost_key, title="Command cost", id="cost", sort="share", reverse=True
            )

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns one picture and one table; `v` changes the table."""
        wide = layout >= 120
        self.set_class(not wide, "narrow")
        self.query_one("#quantiles").display = wide
        self.query_one("#slow").display = wide or not self.costs_in_front
        self.query_one("#cost").display = wide or self.costs_in_front

    def paint(self, _frames: Mapping[str, Frame], node: CacheNode) -> None:
        """Both pictures from history, both tables from the newest reading."""
        frame, facts = self.frame_of(node), node.reading
        self.health_of(node)
        if facts is None:
            return
        self._heat(frame, node, facts.limit("latency"))
        self._quantiles(frame, node.source)
        slow = self.query_one("#slow", LiveTable)
        threshold = facts.slow_threshold_s
        slow.empty = facts.limit("slow log") or (
            "nothing was slower than the threshold" if threshold is not None else "the slow log is off"
        )
        several = node.role in {"cluster", "group"}
        if several is not self._several:
            self._several = several
            slow.view.columns = tuple(slow_columns(self.look.tz, nodes=several))
        slow.set_items(facts.slow)
        cost = self.query_one("#cost", LiveTable)
        cost.empty = "no command ran since the last look"
        cost.set_items(facts.commands)

    def _heat(self, frame: Frame, node: CacheNode, why: str) -> None:
        """The heat map, when a column was completed or something else is to be shown: it costs the most."""
        drawn = (node.source, self.shown, int(node.at // STEP))
        if drawn == self._drawn:
            return
        panel = self.query_one("#heat", HeatmapPanel)
        panel.title = f"Latency of {'all commands' if self.shown == 'all' else self.shown + 's'}, server side"
        heat = heat_of(frame.history, node.source, self.shown, node.at)
        panel.note = why
        panel.set_heat(heat or Heat((), (), ()))
        self._drawn = drawn if heat is not None else None

    def _quantiles(self, frame: Frame, source: str) -> None:
        chart = self.query_one("#quantiles", ChartPanel)
        kind = "read" if self.shown == "all" else self.shown
        chart.title = f"p50 p95 p99 of {kind}s"
        keys = [(q, SeriesKey(source, f"{q}_s", (("class", kind),))) for q in ("p50", "p95", "p99")]
        chart.set_lines([Line.of(frame.window(key, chart.seconds), name=q) for q, key in keys], frame.at)

    def on_chart_panel_zoomed(self, _zoomed: ChartPanel.Zoomed) -> None:
        """Another window: hand over that much history."""
        self.redraw()

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`m` turns all → reads → writes, `v` the table where there is room for one."""
        if id == "cache.class":
            self.shown = CLASSES[(CLASSES.index(self.shown) + 1) % len(CLASSES)]
        elif id == "cache.lower":
            self.costs_in_front = not self.costs_in_front
            self.arrange_for(self.layout_now)
            self.query_one("#cost" if self.costs_in_front else "#slow").focus()
        else:
            return super().on_command(id)
        self.redraw()
        return True


def heat_of(history: SeriesReader | None, source: str, kind: str, at: float) -> Heat | None:
    """Commands by time (whole steps of 5 s on absolute time) and power-of-two latency; None without any.

    The step that the newest reading, of `at`, is in is left out: it would change until its end.
    """
    if history is None:
        return None
    end = int(at // STEP)
    first = end - COLUMNS
    cells: dict[int, list[float]] = {}
    for key in history.keys(source, "latency_bucket_per_s"):
        labels = dict(key.labels)
        if kind not in {"all", labels.get("class")}:
            continue
        row = cells.setdefault(round(log2(float(labels["le"]) * 1e6)), [0.0] * COLUMNS)
        times, rates = history.series(key, first * STEP, at).between(first * STEP, at)
        for when, rate in zip(times, rates, strict=True):
            if (step := int(when // STEP)) < end:
                row[step - first] += rate
    cells = {bucket: row for bucket, row in cells.items() if any(row)}  # others came before or after this
    if not cells:
        return None
    low, high = min(cells), max(cells)
    none = [0.0] * COLUMNS
    rows = [cells.get(bucket, none) for bucket in range(low, high + 1)]
    return Heat(
        times=[(first + i) * STEP for i in range(COLUMNS + 1)],
        edges=[2.0 ** (bucket - 1) / 1e6 for bucket in range(low, high + 2)],
        counts=list(zip(*rows, strict=True)),
        noun="commands",
    )
