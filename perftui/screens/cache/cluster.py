"""A cluster, group or pair of regions: slots, how each node stands, and what happened to it lately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple

from textual.widget import Widget

from perftui.analysis.slots import SLOTS, owners
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Row, Size, Span
from perftui.draw.slotmap import Owned, mark, slotmap, style
from perftui.draw.table import Cell, Column
from perftui.draw.text import line
from perftui.model.action import Receipt
from perftui.model.cachecluster import ClusterMember, ClusterReading, ClusterReport, ClusterView
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.regionlag import lag_of
from perftui.screens.cache import rehearsals
from perftui.screens.cache.rows import as_many_as_fit
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

STATES = {"ok": "ok", "silent": "warn", "suspected": "warn", "failed": "crit"}
KINDS = {
    "failed": "crit",
    "suspected": "warn",
    "silent": "warn",
    "outage": "crit",
    "promoted": "accent",
    "back": "ok",
}


class ClusterTab(Tab):
    """The slot map above, nodes and events below it."""

    DEFAULT_CSS = """
    ClusterTab { layout: vertical; }
    ClusterTab #head { height: 1; }
    ClusterTab #slots { height: 9; }
    ClusterTab #lower { height: 1fr; layout: horizontal; }
    ClusterTab #members { width: 3fr; margin-right: 1; }
    ClusterTab #events { width: 2fr; }
    ClusterTab.narrow #slots { height: 7; }
    ClusterTab.narrow #members { margin-right: 0; }
    """
    id_: ClassVar[str] = "cache.cluster"
    title: ClassVar[str] = "Cluster"
    topics: ClassVar[tuple[str, ...]] = ("cachecluster",)
    empty: ClassVar[str] = (
        "would show a cluster's hash slots, its nodes, failovers and how long none could be written\n"
        'connect one: [env.NAME.backends.cluster] kind = "valkey-cluster", url = "redis+cluster://host:7000,host:7001"\n'
        'or a group with sentinels: kind = "valkey-sentinel", url = "redis+sentinel://host:26379/NAME"\n'
        'or a server and its replica elsewhere: kind = "valkey-regions", url = "redis+region://host:6379,host:6379"\n'
        "single servers and their replicas are on Tiers"
    )
    first: ClassVar[str] = "#members"

    def __init__(self) -> None:
        super().__init__()
        self.chosen = ""
        self.events_in_front = False

    def compose(self) -> Iterable[Widget]:
        """The nodes take the keys."""
        yield Panel(id="head")
        yield Panel("Hash slots", id="slots")
        with Widget(id="lower"):
            yield LiveTable(member_columns(), key=lambda row: row.key, title="Nodes", id="members")
            yield LiveTable(
                event_columns(self.look.tz),
                key=lambda e: (e.at, e.kind, e.node, e.text),
                title="Events",
                empty="nothing happened since the console looks",
                id="events",
            )

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns one table; `v` changes it."""
        wide = layout >= 120
        self.set_class(not wide, "narrow")
        self.query_one("#members").display = wide or not self.events_in_front
        self.query_one("#events").display = wide or self.events_in_front

    @property
    def report(self) -> ClusterReport | None:
        """The report in front."""
        frame = self.frames.get("cachecluster")
        return frame.report if frame and isinstance(frame.report, ClusterReport) else None

    @property
    def view(self) -> ClusterView | None:
        """The cluster the tab is about."""
        views = self.report.clusters if self.report else ()
        return next((v for v in views if v.source == self.chosen), next(iter(views), None))

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The cluster, and the node under the cursor."""
        view = self.view
        if view is None:
            return None
        row = self.query_one("#members", LiveTable).current
        return {"source": view.source, "node": row.member.address if row else ""}

    @property
    def _slotted(self) -> bool:
        return self.view is None or self.view.reading is None or self.view.reading.slotted

    @property
    def _regions(self) -> bool:
        return self.view is not None and self.view.reading is not None and self.view.reading.regions

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest look."""
        frame, view = frames["cachecluster"], self.view
        if view is None:
            return
        at = frame.at
        self.query_one("#head", Panel).set_rows(lambda size, look: [head_row(view, at, size.width, look)])
        for panel in self.query("#slots, #members, #events").results(Panel):
            panel.set_health(view.health, at)
        if view.reading is None:
            return
        ranges, ids = owned(view.reading)
        slots = self.query_one("#slots", Panel)
        slots.display = view.reading.slotted
        slots.set_rows(partial(_slots, ranges))
        slots.note = f"{sum(b - a + 1 for (a, b), n in ranges if n >= 0):,} of {SLOTS:,} served"
        self.query_one("#members", LiveTable).set_items(node_rows(view.reading, ids))
        events = self.query_one("#events", LiveTable)
        events.note = (
            "outages are measured" if view.reading.beating else "heartbeat off: outages are not measured"
        )
        events.set_items(view.events)

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`F` makes the replica under the cursor the primary, `v` changes the table, `t` the cluster."""
        if id == "cache.failover":
            self._fail_over()
        elif id == "cache.reshard":
            self._ask_reshard()
        elif id == "cache.rehearse":
            self._rehearse()
        elif id == "cache.cluster-view":
            self.events_in_front = not self.events_in_front
            self.arrange_for(self.layout_now)
            self.query_one("#events" if self.events_in_front else "#members").focus()
        elif id == "cache.purge":
            self._ask_purge()
        elif id == "cache.which":
            self._ask_which()
        else:
            return False
        return True

    def _fail_over(self) -> None:
        chosen = self.selection or {}
        row = self.query_one("#members", LiveTable).current
        member = row.member if row else None
        if member is None:
            self.toast("there is no node under the cursor")
        elif self._regions:
            self.perform("cache.takeover", str(chosen["source"]), node=member.address)
        elif not self._slotted:
            primary = member.address if member.role == "primary" else member.primary
            if primary:
                self.perform("cache.sentinel-failover", str(chosen["source"]), node=primary)
        elif member.role != "replica":
            self.toast(f"{member.address} is the primary: choose the replica that is to take over")
        else:
            self.perform("cache.failover", str(chosen["source"]), node=member.address)

    def _rehearse(self) -> None:
        chosen = self.selection or {}
        row = self.query_one("#members", LiveTable).current
        source, session = str(chosen.get("source", "")), self.session
        if source not in session.sources("FailoverRehearser"):
            self.toast("only a cluster that a lab of ours holds is rehearsed on: make lab, or `control`")
        elif row is None or row.member.role != "primary":
            self.toast("choose the primary that is to be killed")
        else:
            keep = session.memory.rehearsals.keep if session.memory is not None else None
            how = {"budget": session.setting("cache.failover_budget"), "keep": keep}
            self.perform("cache.rehearse", source, self._rehearsed, node=row.member.address, **how)

    def _rehearsed(self, _receipt: Receipt) -> None:
        rehearsals.ask(self)

    def _ask_purge(self) -> None:
        view = self.view
        if view is None:
            return
        source = view.source
        self.ask(
            f"Purge keys of {source}",
            "pattern, such as product:* (the plan comes first)",
            lambda text: self.perform("cache.purge", source, pattern=text.strip()),
            check=lambda text: "" if text.strip() else "a pattern, such as product:*",
        )

    def _ask_reshard(self) -> None:
        view = self.view
        row = self.query_one("#members", LiveTable).current
        if view is None or view.reading is None or row is None or row.member.role != "primary":
            self.toast("choose the primary whose slots are to go")
            return
        source, node = view.source, row.member.address
        places = [p for p in view.reading.primaries if p.id != row.member.id and p.state == "ok"]
        if not row.member.slots or not places:
            self.toast(f"{node} holds no slots" if not row.member.slots else "there is no other primary")
            return

        def asked(to: str) -> None:
            self.ask(
                f"Move slots of {node} to {to}",
                "how many, or which: 0-99,200-200 (the plan comes first)",
                lambda text: self.perform("cache.reshard", source, node=node, to=to, slots=text.strip()),
                check=lambda text: "" if text.strip() else "a number of slots, or ranges such as 0-99",
            )

        if len(places) == 1:
            asked(places[0].address)
        else:
            options = [(p.address, f"{p.address}  {p.slot_count:,} slots") for p in places]
            self.choose("Move slots to", options, asked)

    def _ask_which(self) -> None:
        views = self.report.clusters if self.report else ()
        if len(views) < 2:
            self.toast("there is only this cluster")
            return
        self.choose("Which cluster", [(v.source, v.source) for v in views], self._choose)

    def _choose(self, source: str) -> None:
        self.chosen = source
        self.redraw()


def _slots(ranges: list[Owned], size: Size, look: Look) -> list[Row]:
    return slotmap(ranges, size, look)


def head_row(view: ClusterView, at: float, width: int, look: Look) -> Row:
    """Link, name, nodes up, epoch, traffic and memory of the whole cluster."""
    state = {Link.LIVE: "ok"}.get(view.health.link, view.health.link.value)
    spans = [Span(" "), state_span(state, look), Span(f" {inert(view.source, 24)}", "text bold")]
    if view.reading is None:
        return line(width, *spans, Span(f"  {inert(view.health.error, 200)}", "muted"))
    members = view.reading.members
    told = [m.reading for m in members if m.reading is not None]
    up = sum(m.state == "ok" for m in members)
    rates = [r.ops_per_s for r in told if r.ops_per_s is not None]
    parts = (
        ("", fmt.age(max(0.0, at - view.at))),
        ("nodes up ", f"{up}/{len(members)}"),
        ("epoch ", str(view.reading.epoch)),
        *_lag(view.reading),
        ("hit ", fmt.ratio(view.reading.hit_ratio, 5)),
        ("", fmt.rate(sum(rates) if rates else None, width=8)),
        ("mem ", fmt.bytes_(sum(r.used_bytes for r in told))),
        ("keys ", fmt.count(round(view.reading.total("keys") or 0))),
        ("", f"{told[0].product} {inert(told[0].version, 16)}" if told else ""),
    )
    return line(width, *as_many_as_fit(spans, parts, width))


def _lag(reading: ClusterReading) -> list[tuple[str, str]]:
    """How far the region furthest behind is."""
    lags = [lag_of(reading, m) for m in reading.members if reading.regions and m.role == "replica"]
    if not lags:
        return []
    bytes_ = max((lag.bytes_ for lag in lags if lag.bytes_ is not None), default=None)
    seconds = max((lag.seconds for lag in lags if lag.seconds is not None), default=None)
    return [("lag ", f"{fmt.bytes_(bytes_)} {fmt.duration(seconds)}")]


def owned(reading: ClusterReading) -> tuple[list[Owned], tuple[str, ...]]:
    """Slot ranges by the number of their holder, and the ids of the holders in the order of their numbers."""
    ids = tuple(p.id for p in reading.primaries if p.slots)
    number = {id_: n for n, id_ in enumerate(ids)}
    claims = [(p.id, p.epoch, p.slots) for p in reading.primaries if not p.failed]
    return [(slots, number.get(id_, -1)) for slots, id_ in owners(claims)], ids


class NodeRow(NamedTuple):
    """A node in the table: with the number its slots have on the map (-1: none) and how far it is behind."""

    member: ClusterMember
    number: int
    lag_bytes: int | None

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return self.member.id


def node_rows(reading: ClusterReading, ids: tuple[str, ...]) -> list[NodeRow]:
    """Each primary with its replicas below it, then the rest."""
    return [NodeRow(m, ids.index(m.id) if m.id in ids else -1, _behind(reading, m)) for m in reading.grouped]


def _behind(reading: ClusterReading, member: ClusterMember) -> int | None:
    if reading.regions:
        return lag_of(reading, member).bytes_
    return reading.lag(member) if member.role == "replica" else None


def member_columns() -> list[Column]:
    """Columns of nodes; the first is how the slot map marks a primary's slots."""

    def of(name: str) -> Any:
        return lambda row: getattr(row.member, name)

    def said(name: str) -> Any:
        return lambda row: getattr(row.member.reading, name) if row.member.reading else None

    def letter(number: int) -> Cell:
        return (mark(number), style(number)) if number >= 0 else ("", "")

    def right(key: str, title: str, form: Any, width: int, priority: int = 1, **more: Any) -> Column:
        value = more.pop("value", None)
        return Column(key, title, form, value=value, width=width, align="right", priority=priority, **more)

    return [
        Column("number", "", letter, width=1),
        Column("address", "Node", value=of("address"), width=15, grow=True),
        Column("role", "Role", value=of("role"), width=8),
        Column("state", "State", lambda s: (s, STATES.get(s, "")), value=of("state"), width=9),
        right("slots", "Slots", lambda n: fmt.count(n) if n else "", 6, value=of("slot_count")),
        right("ops_per_s", "Cmd/s", fmt.number, 7, value=said("ops_per_s")),
        right("lag_bytes", "Lag", fmt.bytes_, 9, help="bytes behind, as its primary says"),
        right("used_bytes", "Used", fmt.bytes_, 9, 2, value=said("used_bytes")),
        right("keys", "Keys", fmt.count, 8, 3, value=said("keys")),
        right("epoch", "Epoch", str, 5, 4, value=of("epoch"), help="of its configuration: the higher wins"),
        Column("why", "Why", value=of("why"), width=20, priority=5, help="why it tells nothing of itself"),
    ]


def event_columns(tz: str) -> list[Column]:
    """Columns of what happened."""
    return [
        Column("at", "Time", lambda at: fmt.clock(at, tz), width=8),
        Column("kind", "What", lambda kind: (kind, KINDS.get(kind, "")), width=9),
        Column("node", "Node", width=15),
        Column("text", "How", width=20, grow=True),
    ]
