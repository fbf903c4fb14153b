"""The tiers at a glance: hit ratios of L1, L2 and the edge, servers, namespaces and nodes of the library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.chart import Line, Threshold
from perftui.draw.clean import inert
from perftui.model.cache import CacheNode
from perftui.model.cdn import CdnReport, EdgeView
from perftui.model.finding import Finding
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.hitpast import TOPIC as HITS
from perftui.model.series import SeriesKey
from perftui.model.tierview import NamespaceView, TierNode
from perftui.screens.cache import hits, library, nodework, purging
from perftui.screens.cache.base import EMPTY, CacheTab
from perftui.screens.cache.namespace import POLICIES, NamespacePart, layers, looked
from perftui.screens.cache.rows import node_columns
from perftui.screens.cache.tierrows import figure_rows, finding_rows
from perftui.widgets.chart import ChartPanel
from perftui.widgets.gauge import GaugePanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel
from perftui.widgets.stack import StackPanel

DETAIL = "cache.namespace"
DETAIL_EVERY = 2.0  # seconds between two looks at the records of the namespace in front


class TiersTab(CacheTab):
    """Servers, gauges of the one under the cursor, its charts, and what is wrong."""

    DEFAULT_CSS = """
    TiersTab { layout: vertical; }
    TiersTab #nodes { height: 5; }
    TiersTab #gauges { height: 3; layout: horizontal; }
    TiersTab GaugePanel { width: 2fr; margin-right: 2; }
    TiersTab #figures { width: 3fr; }
    TiersTab #ratio, TiersTab #bytes, TiersTab #namespaces { margin-right: 1; }
    TiersTab #library { height: 5; layout: horizontal; }
    TiersTab.attached #library { height: 8; }
    TiersTab #namespaces { width: 13fr; }
    TiersTab #members { width: 7fr; }
    TiersTab .charts { height: 1fr; layout: horizontal; }
    TiersTab #findings { height: 7; }
    TiersTab.narrow #nodes { height: 4; }
    TiersTab.narrow #ratio, TiersTab.narrow #memory, TiersTab.narrow #namespaces { margin-right: 0; }
    TiersTab.narrow #library { height: 5; }
    TiersTab.narrow #gauges { height: 2; }
    TiersTab.narrow #findings { height: 5; }
    """
    id_: ClassVar[str] = "cache.tiers"
    title: ClassVar[str] = "Tiers"
    topics: ClassVar[tuple[str, ...]] = ("cache", "cachecluster", "cdn", DETAIL, HITS)
    empty: ClassVar[str] = (
        "would show hit ratio, memory, traffic and replication of every cache server" + EMPTY
    )

    def __init__(self) -> None:
        super().__init__()
        self.in_front = "#nodes"  # where there is room for one table
        self.attached = False  # some process publishes what its caches count
        self.opened = ""  # the namespace whose detail is in front
        self._asked_at = 0.0
        self._hits = hits.HitsAsked()

    def compose(self) -> Iterable[Widget]:
        """The table first: it takes the keys."""
        yield LiveTable(node_columns(), key=lambda n: n.source, title="L2 servers", id="nodes")
        with Widget(id="library"):
            yield LiveTable(
                library.namespace_columns(),
                key=lambda n: n.namespace,
                title="Namespaces",
                id="namespaces",
            )
            yield LiveTable(
                library.node_columns(lambda at: fmt.clock(at, self.look.tz)),
                key=library.node_key,
                title="Nodes",
                id="members",
            )
            yield Panel("Namespaces", id="attach", focusable=True)
        yield NamespacePart(id="opened")
        with Widget(id="gauges"):
            yield GaugePanel("L1 hit ratio, now", id="l1")
            yield GaugePanel("L2 hit ratio, 1 min", warn=0.95, crit=0.9, down=True, id="hit")
            yield GaugePanel("L3 edge hit ratio, now", id="edge")
            yield GaugePanel("memory", unit="bytes", id="memory")
            yield Panel(id="figures")
        with Widget(classes="charts", id="first"):
            yield ChartPanel("Hit ratio", unit="ratio", low=0, high=1, id="ratio")
            yield ChartPanel("Lookups", unit="1/s", low=0, id="lookups")
            yield StackPanel("Misses by cause", id="causes")
        with Widget(classes="charts", id="second"):
            yield ChartPanel("Memory", unit="bytes", low=0, id="bytes")
            yield ChartPanel("Evicted and expired", unit="1/s", low=0, id="gone")
        yield Panel("Findings", id="findings")

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns one chart, one table (`v` changes it) and no figures beside the gauges.

        Below 160 the gauge of L1 takes the place of the figures, its nodes that of the second row of charts.
        """
        wide, widest = layout >= 120, layout >= 160
        self.set_class(not wide, "narrow")
        front, opened = self.in_front, bool(self.opened)
        self.query_one("#nodes").display = wide or (front == "#nodes" and not opened)
        self.query_one("#library").display = wide or (front != "#nodes" and not opened)
        self.query_one("#namespaces").display = self.attached and (wide or front == "#namespaces")
        self.query_one("#members").display = self.attached and (wide or front == "#members")
        self.query_one("#attach").display = not self.attached
        self.query_one("#l1").display = self.attached
        self.query_one("#memory").display = wide or not self.attached
        self.query_one("#figures").display = widest or (wide and not self.attached)
        self.query_one("#lookups").display = wide and not self.attached
        self.query_one("#causes").display = wide and self.attached
        self.query_one("#second").display = (widest or (wide and not self.attached)) and not opened
        self.query_one("#first").display = self.query_one("#gauges").display = not opened
        self.query_one("#findings").display = wide or not opened
        part = self.query_one("#opened")
        part.display = opened
        part.set_class(not wide, "narrow")

    @property
    def node(self) -> CacheNode | None:
        """The server under the cursor."""
        table = self.query_one("#nodes", LiveTable)
        current = table.current
        return current if isinstance(current, CacheNode) else super().node

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Fill the table first: its cursor says which server the rest is about."""
        self.query_one("#nodes", LiveTable).set_items(self.nodes)
        super().draw(frames)

    def paint(self, frames: Mapping[str, Frame], node: CacheNode) -> None:
        """Gauges, charts and findings of one server."""
        frame = self.frame_of(node)
        for panel in self.query("ChartPanel, GaugePanel, #causes").results(Panel):
            panel.set_health(node.health, frame.at)
        facts = node.reading
        self._hits.ask(self, node.source, frame.at)
        self._library(node)
        hit = self.query_one("#hit", GaugePanel)
        alone = facts is None or facts.tiers is None or not facts.tiers.nodes
        hit.warn, hit.crit = (0.95, 0.9) if alone else (None, None)  # L1 above it takes the easy ones
        hit.set_value(node.hit_ratio_1m)
        edge = front_edge(frames["cdn"])
        gauge = self.query_one("#edge", GaugePanel)
        room = (
            self.attached or self.layout_now >= 160
        )  # else the figures need it more than a gauge of nothing
        gauge.display = self.layout_now >= 120 and (edge is not None or room)
        gauge.label = "L3 edge hit ratio, now" if edge else "L3: no edge connected"
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
        past = hits.told(frames[HITS], node)
        self.query_one("#ratio", ChartPanel).note = hits.note(past, attached=self.attached)
        mine = [f for f in frame.findings if f.source == node.source]
        findings = self.query_one("#findings", Panel)
        findings.note = f"{len(mine)}" if mine else ""
        known = node.health.link in {Link.LIVE, Link.LATE}
        findings.set_rows(lambda size, look: finding_rows(mine, size, look, known=known))

    def _library(self, node: CacheNode) -> None:
        """What the library's nodes publish in this server."""
        tiers = node.reading.tiers if node.reading is not None else None
        nodes = tiers.nodes if tiers is not None else ()
        if bool(nodes) is not self.attached:
            self.attached = bool(nodes)
            self.set_class(self.attached, "attached")
            if self.in_front != "#nodes":
                self.in_front = "#namespaces" if self.attached else "#attach"
            self.arrange_for(self.layout_now)
        why = node.reading.limit("nodes") if node.reading is not None else ""
        # By name: they are told in the order in which they last published.
        members = sorted(nodes, key=lambda member: (member.namespace, member.node))
        for name, items in (("#namespaces", node.namespaces), ("#members", members)):
            table = self.query_one(name, LiveTable)
            table.set_health(node.health, self.frame_of(node).at)
            table.set_items(items)
        lost = f", {tiers.unreadable} not readable" if tiers is not None and tiers.unreadable else ""
        self.query_one("#members", LiveTable).title = f"Nodes{lost}"
        self.query_one("#attach", Panel).set_rows(lambda size, _look: library.attach_rows(size, why))
        if self.opened:
            self._detail(node, [member for member in members if member.namespace == self.opened])
        traffic = tiers.traffic if tiers is not None else None
        self.query_one("#l1", GaugePanel).set_value(traffic.l1_hit_ratio if traffic is not None else None)

    def _detail(self, node: CacheNode, members: list[TierNode]) -> None:
        """The namespace in front; its nodes' records are asked for as often as they publish."""
        frame, name = self.frame_of(node), self.opened
        if frame.at - self._asked_at >= DETAIL_EVERY and node.health.link is Link.LIVE:
            self._asked_at = frame.at
            self.probe(DETAIL, node.source, "NodeReader", lambda power: looked(power, name))
        view = next((one for one in node.namespaces if one.namespace == name), None)
        part = self.query_one("#opened", NamespacePart)
        past = hits.told(self.frames[HITS], node)
        part.show(node.source, view, members, self.told(DETAIL, node), frame, past)

    def on_live_table_opened(self, opened: LiveTable.Opened) -> None:
        """Enter on a namespace opens its detail."""
        if isinstance(opened.item, NamespaceView):
            self._open(opened.item.namespace)

    def _open(self, namespace: str) -> None:
        """Show a namespace's detail, or with '' all of them again."""
        self.opened, self._asked_at = namespace, 0.0
        self.arrange_for(self.layout_now)
        self.query_one("#nsfigures" if namespace else "#namespaces").focus()
        self.redraw()

    def _namespace(self) -> str:
        """The namespace that is opened, else the one under the cursor."""
        current = self.query_one("#namespaces", LiveTable).current
        return self.opened or (current.namespace if isinstance(current, NamespaceView) else "")

    @property
    def namespace_here(self) -> str:
        """The namespace that is opened or has the keys on it; else the only one."""
        return self._namespace() if self._about_one else super().namespace_here

    @property
    def _about_one(self) -> bool:
        """Whether what is typed is about one namespace."""
        return bool(self.opened) or self.screen.focused is self.query_one("#namespaces")

    def ask_purge(self, pattern: str) -> None:
        """Offer the namespace in front."""
        super().ask_purge(pattern or (purging.within(self._namespace()) if self._about_one else ""))

    def _ask_purge_tag(self) -> None:
        name = purging.within(self.namespace_here)
        super().ask_purge(f"{name} {purging.TAG} ".lstrip())

    def _change_dictionary(self, action: str) -> None:
        name = self._namespace()
        if name:
            self.perform(action, self.source, namespace=name)
        else:
            self.toast("no namespace of the cache library is here")

    def _change_policy(self, change: Callable[[CacheTab, str, NamespaceView], None]) -> None:
        node, name = self.node, self._namespace()
        view = next((one for one in node.namespaces if one.namespace == name), None) if node else None
        if view is None:
            self.toast("no namespace of the cache library is here")
        else:
            change(self, self.source, view)

    def _charts(self, frame: Frame, source: str, edge: str) -> None:
        def lines(panel: ChartPanel, **names: str) -> list[Line]:
            seconds = panel.seconds
            return [Line.of(frame.window(SeriesKey(source, s), seconds), name=n) for n, s in names.items()]

        ratio = self.query_one("#ratio", ChartPanel)
        tiers = {"L1": "l1_hit_ratio", "L2": "hit_ratio"} if self.attached else {"L2": "hit_ratio"}
        drawn = lines(ratio, **tiers)
        if edge:
            window = frame.window(SeriesKey(edge, "hit_ratio"), ratio.seconds)
            drawn.append(Line.of(window, name="L3 edge"))
        # Near the top the last points are what counts.
        ratio.low = 0.8 if min(min(one.value, default=1.0) for one in drawn) >= 0.8 else 0.0
        ratio.set_lines(
            drawn,
            frame.at,
            thresholds=(Threshold(0.95, "ok", "target"), Threshold(0.9, "warn", "alert")),
        )
        if self.layout_now < 120:
            return
        causes = self.query_one("#causes", StackPanel)
        if causes.display:
            causes.set_layers(layers(frame, source, (), causes.seconds), frame.at)
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
        """`w` tells the findings' evidence, `A` applies the worst one's fix, `v` changes the table."""
        if id == "cache.why":
            self.query_one("#findings", Panel)
            self.toast(self._evidence())
        elif id == "cache.apply":
            self._apply()
        elif id == "cache.promote":
            self._promote()
        elif id == "cache.tables":
            self._next_table()
        elif id == "cache.purge-tag":
            self._ask_purge_tag()
        elif id in {"cache.dictionary", "cache.dictionary-back"}:
            self._change_dictionary(id)
        elif id in POLICIES:
            self._change_policy(POLICIES[id])
        elif id in nodework.ACTS:
            chosen = self.query_one("#opened", NamespacePart).chosen if self.opened else None
            nodework.act(self, id, self.source, self._namespace(), chosen)
        elif id == "close" and self.opened:
            self._open("")
        else:
            return super().on_command(id)
        return True

    def _promote(self) -> None:
        node = self.node
        if node is None or node.role != "replica":
            self.toast("choose the replica that is to become a primary")
        else:
            self.perform("cache.promote", node.source)

    def _next_table(self) -> None:
        if self.layout_now >= 120:
            self.toast("all tables are shown")
            return
        if self.opened:
            self.query_one("#opened", NamespacePart).turn()
            return
        views = ("#nodes", "#namespaces", "#members") if self.attached else ("#nodes", "#attach")
        place = views.index(self.in_front) if self.in_front in views else 0
        self.in_front = views[(place + 1) % len(views)]
        self.arrange_for(self.layout_now)
        self.query_one(self.in_front).focus()
        self.redraw()

    def _mine(self) -> list[Finding]:
        node = self.node if self.frames else None
        return [f for f in self.frame_of(node).findings if f.source == node.source] if node else []

    def _evidence(self) -> str:
        found = self._mine()
        return inert(f"{found[0].title}: {'; '.join(found[0].evidence)}", 400) if found else "nothing to say"

    def _apply(self) -> None:
        offer = next((f.offer for f in self._mine() if f.offer is not None), None)
        if offer is None:
            self.toast("no finding here has a fix that a key can apply")
        elif offer.action == "cache.purge" and not offer.params:
            self.ask_purge("")
        else:
            params: dict[str, Any] = dict(offer.params)
            self.perform(offer.action, offer.source, **params)


def front_edge(frame: Frame) -> EdgeView | None:
    """The first edge in front of the service; None where none is connected."""
    return next(iter(frame.report.edges), None) if isinstance(frame.report, CdnReport) else None
