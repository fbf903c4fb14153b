"""Memory: used, allowed and resident over time; its prefixes and biggest keys; other sizes of L1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.analysis.misscurves import by_namespace
from perftui.draw import format as fmt
from perftui.draw.chart import Line
from perftui.draw.clean import inert
from perftui.draw.misscurve import Price
from perftui.draw.rows import Row
from perftui.draw.text import line, message
from perftui.draw.treemap import Tile, treemap
from perftui.model.cache import CacheNode, Keyspace, PrefixShare
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.misscurve import MissCurve
from perftui.model.series import SeriesKey
from perftui.screens.cache import policies
from perftui.screens.cache.base import EMPTY, CacheTab
from perftui.screens.cache.rows import as_many_as_fit, item_key, key_columns, key_text, share_columns
from perftui.widgets.chart import ChartPanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.misscurve import MissCurvePanel
from perftui.widgets.panel import Panel

TOPIC, CURVES = "cache.keyspace", "cache.curves"
VIEWS = ("shares", "map", "biggest", "curve", "policies")
ALONE = frozenset({"curve", "policies"})  # views that take the whole width
CURVES_EVERY = 5.0  # seconds between two looks at the nodes' records, while their curve is in front
FIRST_PAGES, MOST_PAGES = 64, 1024


class MemoryTab(CacheTab):
    """Lines above; below, shares by prefix and the biggest keys of the same sample."""

    DEFAULT_CSS = """
    MemoryTab { layout: vertical; }
    MemoryTab #head, MemoryTab #held { height: 1; }
    MemoryTab #bytes, MemoryTab #shares, MemoryTab #map { margin-right: 1; }
    MemoryTab.narrow #bytes, MemoryTab.narrow #shares, MemoryTab.narrow #map { margin-right: 0; }
    MemoryTab #upper { height: 2fr; layout: horizontal; }
    MemoryTab #lower { height: 3fr; layout: horizontal; }
    MemoryTab #shares, MemoryTab #map { width: 3fr; }
    MemoryTab #biggest { width: 2fr; }
    MemoryTab #curve, MemoryTab #policies { width: 1fr; }
    """
    id_: ClassVar[str] = "cache.memory"
    title: ClassVar[str] = "Memory"
    topics: ClassVar[tuple[str, ...]] = ("cache", "cachecluster", TOPIC, CURVES, policies.TOPIC)
    empty: ClassVar[str] = "would show used and allowed memory, and which prefixes hold it" + EMPTY

    def __init__(self) -> None:
        super().__init__()
        self.pages = FIRST_PAGES
        self.base = b""
        self.view = "shares"
        self._asked = ""
        self._curves_at = 0.0
        self._seen = False

    def compose(self) -> Iterable[Widget]:
        """Charts, then the tables of one sample."""
        yield Panel(id="head")
        with Widget(id="upper"):
            yield ChartPanel("Memory", unit="bytes", low=0, id="bytes")
            yield ChartPanel("Evicted", unit="1/s", low=0, id="evicted")
        yield Panel(id="held")
        with Widget(id="lower"):
            yield LiveTable(
                share_columns(), key=item_key, title="Prefixes", id="shares", sort="bytes_", reverse=True
            )
            yield Panel("Shares of bytes", id="map", focusable=True)
            yield LiveTable(
                key_columns(),
                key=item_key,
                title="Biggest keys seen",
                id="biggest",
                sort="bytes_",
                reverse=True,
            )
            yield MissCurvePanel("Curve", id="curve")
            yield LiveTable(
                policies.columns(),
                key=policies.row_key,
                title="Hits by policy and size",
                empty=policies.EMPTY,
                id="policies",
                sort="entries",
            )

    def on_shown(self) -> None:
        """The first time, the prefixes take the keys, not the chart above them."""
        if not self._seen:
            self._seen = True
            self.query_one("#shares", LiveTable).focus()

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns one chart and one table, from 160 on also the map; `v` changes what is below."""
        wide, alone = layout >= 120, self.view in ALONE
        self.set_class(not wide, "narrow")
        self.query_one("#evicted").display = wide
        beside = (
            {"shares", "map", "biggest"}
            if layout >= 160
            else {"map" if self.view == "map" else "shares", "biggest"}
        )
        for name in VIEWS:
            self.query_one(f"#{name}").display = name == self.view or (wide and not alone and name in beside)

    def paint(self, frames: Mapping[str, Frame], node: CacheNode) -> None:
        """Lines from history, tables from the newest sample; the first sample is asked for here."""
        frame = self.frame_of(node)
        self.health_of(node)
        self._memory(frame, node)
        self._lines("#evicted", frame, node.source, evicted="evicted_per_s", expired="expired_per_s")
        sampled = self.told(TOPIC, node)
        space = sampled.report if isinstance(sampled.report, Keyspace) else None
        if space is None and self._asked != node.source and node.reading is not None:
            self.sample()
        self._tables(space, sampled.error)
        policies.show(self.query_one("#policies", LiveTable), frames[policies.TOPIC], node.source)
        if self.view == "curve":
            self._curve(self.told(CURVES, node), frame.at, node)

    def _memory(self, frame: Frame, node: CacheNode) -> None:
        """Used, resident and allowed, and what used will be until it is full."""
        self.query_one("#held", Panel).set_rows(lambda size, _look: [held_row(node, size.width)])
        panel = self.query_one("#bytes", ChartPanel)
        names = {"used": "used_bytes", "rss": "rss_bytes", "max": "max_bytes"}
        found = {n: frame.window(SeriesKey(node.source, s), panel.seconds) for n, s in names.items()}
        lines, ahead = with_forecast([Line.of(s, name=n) for n, s in found.items()], node, panel.seconds)
        panel.note = "" if node.full_in_s is None else f"full in {fmt.duration(node.full_in_s)}"
        panel.set_lines(lines, frame.at + ahead)

    def _curve(self, told: Frame, now: float, node: CacheNode) -> None:
        if now - self._curves_at >= CURVES_EVERY and node.health.link is Link.LIVE:
            self._curves_at = now
            self.probe(CURVES, self.source, "NodeReader", _curves)
        curves = told.report if isinstance(told.report, Mapping) else None
        panel = self.query_one("#curve", MissCurvePanel)
        settings = self.session.setting
        panel.price = Price(settings("cache.price_per_gb"), inert(settings("cache.currency"), 20))
        panel.set_curves(curves, told.error)

    def _lines(self, name: str, frame: Frame, source: str, **series: str) -> None:
        chart = self.query_one(name, ChartPanel)
        if chart.display:
            windows = {
                label: frame.window(SeriesKey(source, s), chart.seconds) for label, s in series.items()
            }
            chart.set_lines([Line.of(window, name=label) for label, window in windows.items()], frame.at)

    def _tables(self, space: Keyspace | None, error: str) -> None:
        shares, biggest = (self.query_one(n, LiveTable) for n in ("#shares", "#biggest"))
        shares.empty = biggest.empty = error or ("no keys" if space else "sampling")
        shares.set_items(space.prefixes if space else ())
        biggest.set_items(space.biggest if space else ())
        self._note(space, shares, error)
        self._map(space, shares)

    def _note(self, space: Keyspace | None, shares: LiveTable, error: str) -> None:
        if space is None:
            return
        shares.title = f"Prefixes under {key_text(space.base, 40)}" if space.base else "Prefixes"
        shares.note = f"{_seen(space)} · {fmt.clock(space.at, self.look.tz)}" + (
            f" · {error}" if error else ""
        )

    def _map(self, space: Keyspace | None, shares: LiveTable) -> None:
        """The same shares as areas; what the cursor is on is marked where both are to be seen."""
        panel, current = self.query_one("#map", Panel), shares.current
        tiles = [tile_of(one) for one in space.prefixes] if space else []
        marked = tile_of(current).name if isinstance(current, PrefixShare) and shares.display else None
        panel.note = f"░ 95 % · {_seen(space)}" if space and not space.exact else shares.note
        panel.set_rows(
            lambda size, look: (
                treemap(tiles, size, look, selected=marked) if tiles else message(size, shares.empty)
            )
        )

    def sample(self) -> None:
        """Ask for a sample of `pages` random places below the prefix in front."""
        self._asked = self.source
        pages, base = self.pages, self.base
        self.probe(TOPIC, self.source, "KeyspaceReader", lambda power: power.sample_keyspace(base, pages))

    def chosen_changed(self) -> None:
        """Sample the other server."""
        self.base, self.pages, self._curves_at = b"", FIRST_PAGES, 0.0
        self.sample()

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The prefix or key under the cursor, with its server."""
        table = self.query_one("#biggest" if self.view == "biggest" else "#shares", LiveTable)
        return {"source": self.source, **table.selection()} if self.source else None

    def on_live_table_cursor_moved(self, _moved: LiveTable.CursorMoved) -> None:
        """Mark another prefix on the map."""
        self.redraw()

    def on_chart_panel_zoomed(self, _zoomed: ChartPanel.Zoomed) -> None:
        """Another window: hand over that much history."""
        self.redraw()

    def on_live_table_opened(self, opened: LiveTable.Opened) -> None:
        """Enter on a prefix looks below it."""
        if isinstance(opened.item, PrefixShare):
            self._go_below(opened.item.prefix)

    def _go_below(self, prefix: bytes) -> None:
        if prefix.endswith(b"*") or b"*" in prefix[len(self.base) :]:
            self.toast("names below differ: there is no further prefix")
            return
        self.base = prefix
        self.sample()

    def ask_purge(self, pattern: str) -> None:
        """Offer the prefix under the cursor as the pattern."""
        current = self.query_one("#shares", LiveTable).current
        if not pattern and isinstance(current, PrefixShare) and b"*" not in current.prefix:
            text = current.prefix.decode("utf-8", "backslashreplace")
            pattern = f"{text}*" if text.isprintable() else ""
        super().ask_purge(pattern)

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`r` doubles the sample, `v` turns what is below, escape leaves the cursor or goes up one prefix."""
        if id == "cache.sample":
            self.pages = min(MOST_PAGES, self.pages * 2)
            self.sample()
        elif id == "cache.sizes":
            self._turn(VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)])
        elif id == "cache.policies":
            self._turn("policies")
            policies.begin(self, self.source)
        elif id == "close" and self.view == "curve" and self.query_one(MissCurvePanel).cursor is not None:
            self.query_one(MissCurvePanel).action_cursor_off()
        elif id == "close" and self.base:
            self.base = parent(self.base)
            self.sample()
        else:
            return super().on_command(id)
        return True

    def _turn(self, view: str) -> None:
        self.view = view
        self.arrange_for(self.layout_now)
        self.query_one(f"#{view}").focus()
        self.redraw()


def with_forecast(lines: list[Line], node: CacheNode, seconds: float) -> tuple[list[Line], float]:
    """The lines and, where the time to full is known, used memory up to then; with the seconds it goes ahead.

    It goes on straight at the pace that the time to full is of, for a third of the window at most.
    """
    facts = node.reading
    if facts is None or node.full_in_s is None or not facts.max_bytes:
        return lines, 0.0
    ahead = min(node.full_in_s, seconds / 3)
    reached = facts.used_bytes + (facts.max_bytes - facts.used_bytes) * ahead / node.full_in_s
    times = (node.at, node.at + ahead)
    forecast = Line("ahead", times, (float(facts.used_bytes), reached), gap=seconds)
    return [*lines, forecast], ahead


def _seen(space: Keyspace) -> str:
    part = f"{fmt.count(space.sampled)} of {fmt.many(space.total, 'key')}"
    return "all counted" if space.exact else part


def tile_of(share: PrefixShare) -> Tile:
    """A prefix as a tile of the map."""
    return Tile(key_text(share.prefix, 80), share.byte_share, share.byte_error, fmt.bytes_(share.bytes_))


def held_row(node: CacheNode, width: int) -> Row:
    """Resident of used memory, and what is held beside the keys."""
    facts = node.reading
    if facts is None:
        return line(width, "")
    times = "–" if facts.rss_ratio is None else f"{facts.rss_ratio:.2f}"
    held = facts.held
    clients, replicas, backlog = (held.clients, held.replicas, held.backlog) if held else (None, None, None)
    parts = (
        ("resident/used ", times),
        ("buffers: clients ", fmt.bytes_(clients)),
        ("replicas ", fmt.bytes_(replicas)),
        ("backlog ", fmt.bytes_(backlog)),
        ("", inert(facts.allocator, 24)),
    )
    return line(width, *as_many_as_fit([], parts, width))


async def _curves(power: Any) -> Mapping[str, MissCurve]:
    return by_namespace(await power.nodes())


def parent(prefix: bytes) -> bytes:
    """The prefix one step up: what stands before its last part."""
    head = prefix[:-1]
    at = max(head.rfind(mark) for mark in (b":", b"/", b"|"))
    return prefix[: at + 1]
