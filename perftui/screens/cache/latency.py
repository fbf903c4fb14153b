"""Latency: the server's mass over time, quantiles of both sides, what was slow, what each command costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log2
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw.chart import Line
from perftui.draw.clientshare import ALONE, shares
from perftui.draw.heatmap import Heat
from perftui.draw.largetext import nothing_large
from perftui.draw.rows import Rows, Size
from perftui.draw.text import line
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.cacheclients import TOPIC as CLIENTS
from perftui.model.cacheclients import Client, ClientGroup
from perftui.model.commandlog import PANEL
from perftui.model.frame import Frame, SeriesReader
from perftui.model.series import SeriesKey
from perftui.screens.cache import clients
from perftui.screens.cache.base import EMPTY, CacheTab
from perftui.screens.cache.rows import (
    cost_columns,
    cost_key,
    large_columns,
    large_key,
    slow_columns,
    slow_key,
)
from perftui.widgets.chart import ChartPanel
from perftui.widgets.heatmap import HeatmapPanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

CLASSES = ("all", "read", "write")
OPS = {"load": "loads", "l2.get": "gets from L2", "l2.set": "sets in L2"}  # of callers at nodes
VIEWS = ("slow", "cost", "large", "groups", "clients")
WHOLE = frozenset({"groups", "clients"})  # views that take the whole width
STEP = 5.0
COLUMNS = 180
"""A heat map of a quarter of an hour in steps of five seconds."""


class LatencyTab(CacheTab):
    """Heat map and quantiles above; slow log and command cost below, or who is connected."""

    DEFAULT_CSS = """
    LatencyTab { layout: vertical; }
    LatencyTab #head { height: 1; }
    LatencyTab #heat, LatencyTab #slow { margin-right: 1; }
    LatencyTab.narrow #heat, LatencyTab.narrow #slow { margin-right: 0; }
    LatencyTab #upper { height: 1fr; layout: horizontal; }
    LatencyTab #client { height: 4; }
    LatencyTab.narrow #client { height: 3; }
    LatencyTab.alone #client { height: 2; }
    LatencyTab #lower { height: 1fr; layout: horizontal; }
    LatencyTab #heat { width: 3fr; }
    LatencyTab #quantiles { width: 2fr; }
    LatencyTab #slow { width: 3fr; }
    LatencyTab #cost, LatencyTab #large { width: 2fr; }
    LatencyTab #groups, LatencyTab #clients { width: 1fr; }
    """
    id_: ClassVar[str] = "cache.latency"
    title: ClassVar[str] = "Latency"
    topics: ClassVar[tuple[str, ...]] = ("cache", "cachecluster", CLIENTS)
    empty: ClassVar[str] = "would show latency by command, the slow log and what each command costs" + EMPTY

    def __init__(self) -> None:
        super().__init__()
        self.shown = "all"
        self.view = "slow"
        self._clients = clients.Clients()
        self._several = False  # whether the slow log is that of several nodes
        self._drawn: tuple[str, str, int] | None = None

    def compose(self) -> Iterable[Widget]:
        """Tables take the keys."""
        yield Panel(id="head")
        with Widget(id="upper"):
            yield HeatmapPanel("Latency, server side", id="heat")
            yield ChartPanel("p50 p95 p99", unit="s", low=0, id="quantiles")
        yield Panel("At the library's nodes", id="client")
        with Widget(id="lower"):
            yield LiveTable(
                slow_columns(self.look.tz), key=slow_key, title="Slow log", id="slow", sort="at", reverse=True
            )
            yield LiveTable(
                cost_columns(), key=cost_key, title="Command cost", id="cost", sort="share", reverse=True
            )
            yield LiveTable(
                large_columns(self.look.tz),
                key=large_key,
                title="Large requests and replies",
                id="large",
                sort="at",
                reverse=True,
            )
            yield LiveTable(
                clients.group_columns(), key=clients.group_key, id="groups", sort="clients", reverse=True
            )
            yield LiveTable(
                clients.client_columns(),
                key=clients.client_key,
                id="clients",
                sort="memory_bytes",
                reverse=True,
            )

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns one picture and one table; `v` changes the table."""
        wide = layout >= 120
        self.set_class(not wide, "narrow")
        self.query_one("#quantiles").display = wide
        shown = {self.view}
        if wide and self.view not in WHOLE:
            shown |= {"slow", "large" if self.view == "large" else "cost"}
        for name in VIEWS:
            self.query_one(f"#{name}").display = name in shown

    def paint(self, _frames: Mapping[str, Frame], node: CacheNode) -> None:
        """Both pictures from history, both tables from the newest reading."""
        frame, facts = self.frame_of(node), node.reading
        self.health_of(node)
        if facts is None:
            return
        self._heat(frame, node, facts.limit("latency"))
        self._quantiles(frame, node.source)
        client = facts.tiers.client if facts.tiers is not None else ()
        told = list(shares(facts.latency, client))
        waits = (
            "not known yet: it takes two looks at what they publish"
            if facts.tiers is not None and facts.tiers.nodes
            else ALONE
        )
        self.set_class(not told, "alone")
        self.query_one("#client", Panel).set_rows(lambda size, _look: client_rows(told, waits, size))
        self._logs(node, facts)
        cost = self.query_one("#cost", LiveTable)
        cost.empty = "no command ran since the last look"
        cost.set_items(facts.commands)
        if self.view in WHOLE:
            self._clients.look(self, node, frame.at)
            groups, listed = (self.query_one(f"#{name}", LiveTable) for name in ("groups", "clients"))
            self._clients.show(groups, listed, self.told(CLIENTS, node), self.look.tz)

    def _logs(self, node: CacheNode, facts: CacheReading) -> None:
        """What took long, and what was large."""
        slow, large = self.query_one("#slow", LiveTable), self.query_one("#large", LiveTable)
        slow.empty = facts.limit("slow log") or (
            "nothing was slower than the threshold"
            if facts.slow_threshold_s is not None
            else "the slow log is off"
        )
        large.empty = facts.limit(PANEL) or nothing_large(facts.large)
        several = node.role in {"cluster", "group"}
        if several is not self._several:
            self._several = several
            slow.view.columns = tuple(slow_columns(self.look.tz, nodes=several))
            large.view.columns = tuple(large_columns(self.look.tz, nodes=several))
        slow.set_items(facts.slow)
        large.set_items(facts.large.entries if facts.large is not None else ())

    def _heat(self, frame: Frame, node: CacheNode, why: str) -> None:
        """The heat map, when a column was completed or something else is to be shown: it costs the most."""
        drawn = (node.source, self.shown, int(node.at // STEP))
        if drawn == self._drawn:
            return
        panel = self.query_one("#heat", HeatmapPanel)
        where = "at nodes" if self.shown in OPS else "server side"
        what = OPS.get(self.shown) or ("all commands" if self.shown == "all" else f"{self.shown}s")
        panel.title = f"Latency of {what}, {where}"
        heat = heat_of(frame.history, node.source, self.shown, node.at)
        panel.note = "" if self.shown in OPS else why
        panel.set_heat(heat or Heat((), (), ()))
        self._drawn = drawn if heat is not None else None

    def _quantiles(self, frame: Frame, source: str) -> None:
        chart = self.query_one("#quantiles", ChartPanel)
        if self.shown in OPS:
            chart.title = f"p50 p95 p99 of {OPS[self.shown]}, at nodes"
            op = (("op", self.shown),)
            keys = [(q, SeriesKey(source, f"client.{q}_s", op)) for q in ("p50", "p95", "p99")]
        else:
            keys = self._server_keys(chart, frame, source)
        chart.set_lines([Line.of(frame.window(key, chart.seconds), name=q) for q, key in keys], frame.at)

    def _server_keys(self, chart: ChartPanel, frame: Frame, source: str) -> list[tuple[str, SeriesKey]]:
        """The server's quantiles, and beside them those at nodes of the like."""
        kind = "read" if self.shown == "all" else self.shown
        chart.title = f"p50 p95 p99 of {kind}s"
        keys = [(q, SeriesKey(source, f"{q}_s", (("class", kind),))) for q in ("p50", "p95", "p99")]
        op = (("op", "l2.get" if kind == "read" else "l2.set"),)
        nodes = [(f"{q} at nodes", SeriesKey(source, f"client.{q}_s", op)) for q in ("p50", "p99")]
        return keys + [(name, key) for name, key in nodes if len(frame.window(key, chart.seconds))]

    def on_chart_panel_zoomed(self, _zoomed: ChartPanel.Zoomed) -> None:
        """Another window: hand over that much history."""
        self.redraw()

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The line under the cursor of the table in front, with its server."""
        if not self.source:
            return None
        return {"source": self.source, **self.query_one(f"#{self.view}", LiveTable).selection()}

    def on_live_table_opened(self, opened: LiveTable.Opened) -> None:
        """Enter on a group lists its clients."""
        if isinstance(opened.item, ClientGroup):
            self._clients.group = opened.item
            self._turn("clients")

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`m` turns what is shown, `v` what is below, `b` by what clients are told together."""
        if id == "cache.class":
            classes = (*CLASSES, *self._published())
            place = classes.index(self.shown) if self.shown in classes else -1
            self.shown = classes[(place + 1) % len(classes)]
            self.redraw()
        elif id == "cache.lower":
            self._clients.group = None
            self._turn(VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)])
        elif id == "cache.clients-by":
            if self.view == "groups":
                self._clients.turn()
            self._turn("groups")
        elif id == "cache.kill-client":
            self._kill()
        elif id == "close" and self.view == "clients":
            self._turn("groups")
        else:
            return super().on_command(id)
        return True

    def _published(self) -> list[str]:
        """What callers at nodes wait for, of what history has for this server."""
        node = self.node
        history = self.frame_of(node).history if node is not None else None
        keys = history.keys(self.source, "client.bucket_per_s") if history is not None else ()
        found = {dict(key.labels).get("op") for key in keys}
        return [op for op in OPS if op in found]

    def _turn(self, view: str) -> None:
        self.view = view
        self.arrange_for(self.layout_now)
        self.query_one(f"#{view}").focus()
        self.redraw()

    def _kill(self) -> None:
        one = self.query_one("#clients", LiveTable).current if self.view == "clients" else None
        if not isinstance(one, Client):
            self.toast("choose a client first: v shows them, enter lists those of a group")
            return
        what = {"client": one.id, "address": one.address, "node": one.node}
        self.perform("cache.kill-client", self.source, self._clients.ask_again, **what)


def client_rows(told: Sequence[tuple[str, str]], waits: str, size: Size) -> Rows:
    """What callers wait for, a row each; or why that is not known."""
    if not told:
        return [line(size.width, (f" {waits}", "muted"))]
    return [line(size.width, (f" {name:<12}", "muted"), (text, "text")) for name, text in told]


def heat_of(history: SeriesReader | None, source: str, kind: str, at: float) -> Heat | None:
    """Commands, or what callers at nodes did, by time and power-of-two latency; None without any.

    Times are whole steps of 5 s on absolute time. The step that the newest reading, of `at`, is in is left
    out: it would change until its end.
    """
    if history is None:
        return None
    end = int(at // STEP)
    first = end - COLUMNS
    cells: dict[int, list[float]] = {}
    name, label = ("client.bucket_per_s", "op") if kind in OPS else ("latency_bucket_per_s", "class")
    for key in history.keys(source, name):
        labels = dict(key.labels)
        if kind not in {"all", labels.get(label)}:
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
        noun=OPS.get(kind, "commands"),
    )
