"""The tiers at a glance: every server, hit ratio and memory against their limits, a quarter of an hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.chart import Line, Threshold
from perftui.draw.clean import inert
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import line, wrap
from perftui.model.cache import CacheNode
from perftui.model.cdn import CdnReport, EdgeView
from perftui.model.finding import Finding, Severity
from perftui.model.frame import Frame
from perftui.model.series import SeriesKey
from perftui.screens.cache.base import EMPTY, CacheTab
from perftui.screens.cache.rows import node_columns
from perftui.widgets.chart import ChartPanel
from perftui.widgets.gauge import GaugePanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

WORDS = {Severity.INFO: "ok", Severity.WARNING: "warn", Severity.CRITICAL: "crit"}


class TiersTab(CacheTab):
    """Servers, gauges of the one under the cursor, its charts, and what is wrong."""

    DEFAULT_CSS = """
    TiersTab { layout: vertical; }
    TiersTab #nodes { height: 5; }
    TiersTab #gauges { height: 3; layout: horizontal; }
    TiersTab GaugePanel { width: 2fr; margin-right: 2; }
    TiersTab #figures { width: 3fr; }
    TiersTab #ratio, TiersTab #bytes { margin-right: 1; }
    TiersTab .charts { height: 1fr; layout: horizontal; }
    TiersTab #findings { height: 7; }
    TiersTab.narrow #nodes { height: 4; }
    TiersTab.narrow #ratio, TiersTab.narrow #memory { margin-right: 0; }
    TiersTab.narrow #gauges { height: 2; }
    TiersTab.narrow #findings { height: 5; }
    """
    id_: ClassVar[str] = "cache.tiers"
    title: ClassVar[str] = "Tiers"
    topics: ClassVar[tuple[str, ...]] = ("cache", "cdn")
    empty: ClassVar[str] = (
        "would show hit ratio, memory, traffic and replication of every cache server" + EMPTY
    )

    def compose(self) -> Iterable[Widget]:
        """The table first: it takes the keys."""
        yield LiveTable(node_columns(), key=lambda n: n.source, title="L2 servers", id="nodes")
        with Widget(id="gauges"):
            yield GaugePanel("L2 hit ratio, 1 min", warn=0.95, crit=0.9, down=True, id="hit")
            yield GaugePanel("L3 edge hit ratio, now", id="edge")
            yield GaugePanel("memory", unit="bytes", id="memory")
            yield Panel(id="figures")
        with Widget(classes="charts"):
            yield ChartPanel("Hit ratio", unit="ratio", low=0, high=1, id="ratio")
            yield ChartPanel("Lookups", unit="1/s", low=0, id="lookups")
        with Widget(classes="charts", id="second"):
            yield ChartPanel("Memory", unit="bytes", low=0, id="bytes")
            yield ChartPanel("Evicted and expired", unit="1/s", low=0, id="gone")
        yield Panel("Findings", id="findings")

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns one chart and no figures beside the gauges."""
        self.set_class(layout < 120, "narrow")
        self.query_one("#figures").display = layout >= 120
        self.query_one("#lookups").display = layout >= 120
        self.query_one("#second").display = layout >= 120

    @property
    def node(self) -> CacheNode | None:
        """The server under the cursor."""
        table = self.query_one("#nodes", LiveTable)
        current = table.current
        return current if isinstance(current, CacheNode) else super().node

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Fill the table first: its cursor says which server the rest is about."""
        report = self.report
        if report is not None:
            self.query_one("#nodes", LiveTable).set_items(report.nodes)
        super().draw(frames)

    def paint(self, frames: Mapping[str, Frame], node: CacheNode) -> None:
        """Gauges, charts and findings of one server."""
        frame = frames["cache"]
        for panel in self.query("ChartPanel, GaugePanel").results(Panel):
            panel.set_health(node.health, frame.at)
        facts = node.reading
        self.query_one("#hit", GaugePanel).set_value(node.hit_ratio_1m)
        edge = front_edge(frames["cdn"])
        gauge = self.query_one("#edge", GaugePanel)
        gauge.display = edge is not None and self.layout_now >= 120
        gauge.set_health(frames["cdn"].health.get(edge.source) if edge else None, frame.at)
        gauge.set_value(edge.facts.hit_ratio if edge else None)
        memory = self.query_one("#memory", GaugePanel)
        if facts is not None:
            most = float(facts.max_bytes or max(facts.peak_bytes, 1))
            memory.label = "memory of max" if facts.max_bytes else "memory of peak, no limit"
            memory.warn, memory.crit = (0.8 * most, 0.95 * most) if facts.max_bytes else (None, None)
            memory.set_value(float(facts.used_bytes), high=most)
        self.query_one("#figures", Panel).set_rows(lambda size, _look: figure_rows(node, size))
        self._charts(frame, node.source, edge.source if edge else "")
        mine = [f for f in frame.findings if f.source == node.source]
        findings = self.query_one("#findings", Panel)
        findings.note = f"{len(mine)}" if mine else ""
        findings.set_rows(lambda size, look: finding_rows(mine, size, look))

    def _charts(self, frame: Frame, source: str, edge: str) -> None:
        def lines(panel: ChartPanel, **names: str) -> list[Line]:
            seconds = panel.seconds
            return [Line.of(frame.window(SeriesKey(source, s), seconds), name=n) for n, s in names.items()]

        ratio = self.query_one("#ratio", ChartPanel)
        hits = lines(ratio, L2="hit_ratio")
        if edge:
            window = frame.window(SeriesKey(edge, "hit_ratio"), ratio.seconds)
            hits.append(Line.of(window, name="L3 edge"))
        # Near the top the last points are what counts.
        ratio.low = 0.8 if min(min(h.value, default=1.0) for h in hits) >= 0.8 else 0.0
        ratio.set_lines(
            hits,
            frame.at,
            thresholds=(Threshold(0.95, "ok", "target"), Threshold(0.9, "warn", "alert")),
        )
        if not self.query_one("#lookups").display:
            return
        lookups = self.query_one("#lookups", ChartPanel)
        lookups.set_lines(lines(lookups, hits="hits_per_s", misses="misses_per_s"), frame.at)
        held = self.query_one("#bytes", ChartPanel)
        held.set_lines(lines(held, used="used_bytes", rss="rss_bytes", max="max_bytes"), frame.at)
        gone = self.query_one("#gone", ChartPanel)
        gone.set_lines(lines(gone, evicted="evicted_per_s", expired="expired_per_s"), frame.at)

    def on_live_table_cursor_moved(self, _moved: LiveTable.CursorMoved) -> None:
        """Another server: show its figures."""
        self.redraw()

    def on_chart_panel_zoomed(self, _zoomed: ChartPanel.Zoomed) -> None:
        """Another window: hand over that much history."""
        self.redraw()

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`w` goes to the findings with evidence, `A` applies the worst finding's fix."""
        if id == "cache.why":
            self.query_one("#findings", Panel)
            self.toast(self._evidence())
        elif id == "cache.apply":
            self._apply()
        else:
            return super().on_command(id)
        return True

    def _mine(self) -> list[Finding]:
        return [f for f in self.frames["cache"].findings if f.source == self.source] if self.frames else []

    def _evidence(self) -> str:
        found = self._mine()
        return inert(f"{found[0].title}: {'; '.join(found[0].evidence)}", 400) if found else "nothing to say"

    def _apply(self) -> None:
        offer = next((f.offer for f in self._mine() if f.offer is not None), None)
        if offer is None:
            self.toast("no finding here has a fix that a key can apply")
        elif offer.action == "cache.purge":
            self.ask_purge("")
        else:
            params: dict[str, Any] = dict(offer.params)
            self.perform(offer.action, offer.source, **params)


def front_edge(frame: Frame) -> EdgeView | None:
    """The first edge in front of the service; None where none is connected."""
    return next(iter(frame.report.edges), None) if isinstance(frame.report, CdnReport) else None


def figure_rows(node: CacheNode, size: Size) -> Rows:
    """Traffic, clients and replication in three short rows."""
    facts = node.reading
    if facts is None:
        return []
    repl = facts.replication
    if node.role == "primary":
        online = sum(r.state == "online" for r in repl.replicas)
        following = f"{online}/{len(repl.replicas)} replicas online" if repl.replicas else "no replica"
    else:
        following = f"follows {inert(repl.primary, 40)}, " + ("up" if repl.link_up else "link down")
    lag = f", {fmt.bytes_(node.lag_bytes)} {fmt.duration(node.lag_s)} behind" if node.lag_bytes else ""
    wire = f"{fmt.rate(facts.in_bytes_per_s, 'bytes')} in, {fmt.rate(facts.out_bytes_per_s, 'bytes')} out"
    clients = f"{facts.clients} clients, {facts.blocked_clients} blocked"
    return [
        line(size.width, (f"{fmt.rate(facts.ops_per_s)} commands, {clients}", "text")),
        line(size.width, (f"{wire}, {fmt.ratio(facts.cpu_ratio)} CPU, {inert(facts.policy, 24)}", "muted")),
        line(size.width, (f"{following}{lag}", "text")),
    ]


def finding_rows(findings: list[Finding], size: Size, look: Look) -> Rows:
    """Each finding with its first evidence, worst first."""
    rows: list[Row] = []
    if not findings:
        return [line(size.width, Span(" "), state_span("ok", look), Span("  nothing to say", "muted"))]
    for finding in findings:
        key = "  [A] " + finding.offer.title if finding.offer else ""
        head = line(
            size.width,
            Span(" "),
            state_span(WORDS[finding.severity], look),
            Span(f"  {inert(finding.title)}", "text bold"),
            Span(inert(key), "accent"),
        )
        rows.append(head)
        for evidence in finding.evidence[:2]:
            rows += [(Span("   "), *row) for row in wrap(inert(evidence), size.width - 4, "muted")[:1]]
    return rows
