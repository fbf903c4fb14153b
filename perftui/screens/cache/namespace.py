"""One namespace of the cache library: what it does, what its nodes counted, misses, what runs and waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from textual.widget import Widget

from perftui.analysis.namespacedetail import NamespaceDetail, detail
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.hitpast import words
from perftui.draw.rows import Row, Rows, Size
from perftui.draw.stack import Layer
from perftui.draw.text import fill, line
from perftui.model.frame import Frame
from perftui.model.hitpast import HitPast, PastRatio
from perftui.model.series import SeriesKey
from perftui.model.tierview import CAUSES, NamespaceView, TierNode
from perftui.screens.cache import localcopies, nodeswitch, nodework, ttl
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel
from perftui.widgets.stack import StackPanel

POLICIES: dict[str, Callable[[Tab, str, NamespaceView], None]] = {
    "cache.set-ttl": ttl.edit,
    "cache.share-loads": nodeswitch.SHARE.change,
    "cache.local-copies": localcopies.change,
    "cache.load-early": nodeswitch.EARLY.change,
}

NAMES = {"load": "load", "l2.get": "get from L2", "l2.set": "set in L2", "staleness": "heard after"}


class NamespacePart(Widget):
    """Figures at the left, or above where it is narrow; the stack of causes beside them.

    Once a load runs long, or something waits, a table of that is below the stack, or in its place.
    """

    DEFAULT_CSS = """
    NamespacePart { height: 1fr; layout: horizontal; display: none; }
    NamespacePart #nsfigures { width: 1fr; margin-right: 1; }
    NamespacePart #nsright { width: 1fr; height: 1fr; layout: vertical; }
    NamespacePart #nscauses { height: 1fr; }
    NamespacePart #nswork { height: 1fr; display: none; }
    NamespacePart.worked #nswork { display: block; }
    NamespacePart.narrow { layout: vertical; }
    NamespacePart.narrow #nsfigures { height: 13; width: 1fr; margin-right: 0; }
    NamespacePart.narrow.worked #nscauses { display: none; }
    NamespacePart.narrow.worked.charted #nscauses { display: block; }
    NamespacePart.narrow.worked.charted #nswork { display: none; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._namespace = ""

    def compose(self) -> Iterable[Widget]:
        """The figures take the keys."""
        yield Panel("Namespace", id="nsfigures", focusable=True)
        with Widget(id="nsright"):
            yield StackPanel("Misses by cause", id="nscauses")
            gone = "nothing runs long or waits any more"
            yield LiveTable(
                nodework.columns(), key=nodework.row_key, title=nodework.title(), empty=gone, id="nswork"
            )

    @property
    def chosen(self) -> nodework.WorkRow | None:
        """What the cursor is on of what runs and waits."""
        current = self.query_one("#nswork", LiveTable).current if self.has_class("worked") else None
        return current if isinstance(current, nodework.WorkRow) else None

    def show(
        self,
        source: str,
        view: NamespaceView | None,
        nodes: Sequence[TierNode],
        told: Frame,
        frame: Frame,
        past: HitPast | None = None,
    ) -> None:
        """What is known of it: `view` and `nodes` of the newest look, `told` what the nodes' records say.

        `past` has its hit ratios of longer windows.
        """
        figures = self.query_one("#nsfigures", Panel)
        self._show_work(view.namespace if view is not None else "", nodes)
        if view is None:
            figures.set_rows(lambda size, _look: [line(size.width, " no process publishes it any more")])
            return
        counted = told.report if isinstance(told.report, NamespaceDetail) else None
        if counted is not None and counted.namespace != view.namespace:
            counted = None
        figures.title = f"Namespace {inert(view.namespace, 40)}"
        figures.note = "esc back"
        ratios = past.of(view.namespace) if past is not None else ()
        figures.set_rows(lambda size, _look: detail_rows(view, nodes, counted, size, ratios))
        stacked = self.query_one("#nscauses", StackPanel)
        labels = (("namespace", view.namespace),)
        stacked.set_layers(layers(frame, source, labels, stacked.seconds), frame.at)

    def turn(self) -> None:
        """Where there is room for one of both: what waits in place of the misses, or these again."""
        self.toggle_class("charted")

    def _show_work(self, namespace: str, nodes: Sequence[TierNode]) -> None:
        """From the first load or waiting item on, until another namespace is shown."""
        if namespace != self._namespace:
            self._namespace = namespace
            self.remove_class("worked", "charted")
        if nodework.worth(nodes):
            self.add_class("worked")
        table = self.query_one("#nswork", LiveTable)
        table.title, table.note = nodework.title(nodes), nodework.note(nodes)
        table.set_items(nodework.rows(nodes))


def layers(frame: Frame, source: str, labels: tuple[tuple[str, str], ...], seconds: float) -> list[Layer]:
    """Misses by cause, of the namespace in `labels` or of all, from history."""
    found = []
    for cause in CAUSES:
        key = SeriesKey(source, "miss_cause_per_s", (("cause", cause), *labels))
        series = frame.window(key, seconds)
        times, values = series.between(frame.at - seconds, frame.at)
        found.append(Layer(cause, times, values))
    return found


async def looked(power: Any, namespace: str) -> NamespaceDetail:
    """What the nodes of a namespace counted, asked now."""
    return detail(await power.nodes(), namespace)


def detail_rows(
    view: NamespaceView,
    nodes: Sequence[TierNode],
    counted: NamespaceDetail | None,
    size: Size,
    past: Sequence[PastRatio] = (),
) -> Rows:
    """Its figures in short rows."""
    traffic = view.traffic
    rows: list[Row] = []

    def say(name: str, text: str) -> None:
        rows.append(line(size.width, (f" {name:<12}", "muted"), (text, "text")))

    if traffic is not None:
        say("requests", f"{fmt.rate(traffic.requests)}, {fmt.rate(traffic.coalesced)} joined a load or look")
        hit, l1 = fmt.ratio(traffic.hit_ratio), fmt.ratio(traffic.l1_hit_ratio)
        say("hit", f"{hit}, L1 {l1}, served stale {fmt.ratio(traffic.stale_ratio)}")
        if past:
            say("hit before", words(past))
        say("misses", fmt.rate(traffic.misses))
        say("out of L1/s", ", ".join(f"{cause} {fmt.number(rate)}" for cause, rate in traffic.evictions))
        if traffic.saved_ratio is not None:
            say(
                "saved now",
                f"{fmt.ratio(traffic.saved_ratio)} of {fmt.rate(traffic.packed_in, 'bytes')} written",
            )
    if view.ttls:
        say("TTL", ttl.words(view))
    if loads := nodeswitch.SHARE.words(view):
        say("loads", loads)
    if before := nodeswitch.EARLY.words(view):
        say("early loads", before)
    if copies := localcopies.words(view):
        say("L1 is", copies)
    if counted is not None:
        rows += _counted(counted, size)
    names = ", ".join(f"{node.node[:8]} {fmt.count(round(node.l1_entries))}" for node in nodes)
    bound = f" of {fmt.bytes_(view.l1_bound)}" if view.l1_bound else ""
    say(
        "L1",
        f"{fmt.bytes_(view.l1_bytes)}{bound} in {fmt.many(view.nodes, 'node')}, entries: {inert(names, 400)}",
    )
    return fill(rows, size)


def _counted(counted: NamespaceDetail, size: Size) -> list[Row]:
    """What was counted since the nodes began."""
    rows = [("went wrong", _counts(counted.troubles) or "nothing")]  # first: a low panel cuts what is last
    for name, quantiles in counted.latencies:
        named = zip(("p50", "p95", "p99", "p99.9"), quantiles, strict=True)
        rows.append((NAMES[name], ", ".join(f"{at} {fmt.duration(value)}" for at, value in named)))
    if counted.ratio is not None:
        codecs = _counts(counted.codecs) or "none"
        rows.append(("packed", f"{counted.ratio:.2f} to 1 since they began"))
        rows.append(("by codec", codecs))
        rows.append(
            ("left raw", f"{fmt.count(counted.small)} too small, {fmt.count(counted.kept_raw)} gained little")
        )
    if counted.evicted:
        rows.append(("evicted", _counts(counted.evicted)))
    return [line(size.width, (f" {name:<12}", "muted"), (text, "text")) for name, text in rows]


def _counts(pairs: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{inert(name, 30)} {fmt.count(count)}" for name, count in pairs)
