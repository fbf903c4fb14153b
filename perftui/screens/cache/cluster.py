"""A cluster, group or pair of regions: slots, how each node stands, and what happened to it lately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.analysis.relays import Heard
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Row, Span
from perftui.draw.slotmap import Owned
from perftui.draw.text import line
from perftui.model.cachecluster import ClusterMember, ClusterReading, ClusterReport, ClusterView
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.regionlag import lag_of
from perftui.screens.cache import purging, rehearsals, relays, slots
from perftui.screens.cache.clusterrows import event_columns, member_columns, node_rows
from perftui.screens.cache.rows import as_many_as_fit
from perftui.screens.cache.slots import SlotRow, Slots
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

VIEWS = ("members", "events", "hottest", "relays")


class ClusterTab(Tab):
    """The slot map above, nodes and events below it; then relays between regions, where there are any."""

    DEFAULT_CSS = """
    ClusterTab { layout: vertical; }
    ClusterTab #head { height: 1; }
    ClusterTab #slots { height: 9; }
    ClusterTab #lower { height: 1fr; layout: horizontal; }
    ClusterTab #members { width: 3fr; margin-right: 1; }
    ClusterTab #events, ClusterTab #hottest { width: 2fr; }
    ClusterTab #relays { height: 6; }
    ClusterTab.narrow #slots { height: 7; }
    ClusterTab.narrow #members { margin-right: 0; }
    ClusterTab.narrow #relays, ClusterTab.alone #relays { height: 1fr; }
    """
    id_: ClassVar[str] = "cache.cluster"
    title: ClassVar[str] = "Cluster"
    topics: ClassVar[tuple[str, ...]] = (*relays.TOPICS, slots.TOPIC, slots.HOT)
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
        self.in_front = VIEWS[0]
        self.heats = Slots()
        self.heard: tuple[Heard, ...] = ()
        self._shown: tuple[str, ...] | None = None  # the tables that were arranged

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
            yield LiveTable(slots.slot_columns(), key=slots.slot_key, title="Hottest slots", id="hottest")
        yield LiveTable(
            relays.columns(), key=lambda row: row.key, title="Relays between regions", id="relays"
        )

    @property
    def _views(self) -> tuple[str, ...]:
        """The tables that have something to show."""
        cluster = VIEWS[: 3 if self._slotted else 2] if self.view is not None else ()
        return (*cluster, *(VIEWS[3:] if self.heard else ()))

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns one table, else the nodes and another one; `v` changes it.

        Without a cluster there are relays alone.
        """
        wide, views = layout >= 120, self._views
        front = self.in_front if self.in_front in views else next(iter(views), "")
        self.set_class(not wide, "narrow")
        self.set_class(self.view is None, "alone")
        for name in VIEWS[:3]:
            beside = wide and name in {"members", self._beside}
            self.query_one(f"#{name}").display = self.view is not None and (beside or name == front)
        self.query_one("#relays").display = "relays" in views and (wide or front == "relays")
        self.query_one("#lower").display = self.view is not None and (wide or front != "relays")
        self.query_one("#head").display = self.view is not None
        if self.view is None:
            self.query_one("#slots").display = False

    @property
    def _beside(self) -> str:
        """The table beside the nodes: with heat on the map the slots, unless another one was chosen."""
        if self.in_front not in {"members", "relays"}:
            return self.in_front
        return "events" if self.heats.heat == "owner" else "hottest"

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

    def own(self, frames: Mapping[str, Frame]) -> Mapping[str, Frame]:
        """Single servers count where nodes relay between regions there."""
        clusters = {topic: frame for topic, frame in frames.items() if topic == "cachecluster"}
        return frames if self.heard or relays.found(frames) else clusters

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest look."""
        self._draw_relays(frames)
        frame, view = frames["cachecluster"], self.view
        if view is None:
            return
        at = frame.at
        self.query_one("#head", Panel).set_rows(lambda size, look: [head_row(view, at, size.width, look)])
        for panel in self.query("#slots, #members, #events, #hottest").results(Panel):
            panel.set_health(view.health, at)
        if view.reading is None:
            return
        ranges, ids = slots.owned(view.reading)
        self.query_one("#slots", Panel).display = view.reading.slotted
        if view.reading.slotted:
            self._draw_slots(frames, view, at, ranges)
        self.query_one("#members", LiveTable).set_items(node_rows(view.reading, ids))
        events = self.query_one("#events", LiveTable)
        events.note = (
            "outages are measured" if view.reading.beating else "heartbeat off: outages are not measured"
        )
        events.set_items(view.events)

    def _draw_relays(self, frames: Mapping[str, Frame]) -> None:
        found = relays.found(frames)
        if found or self.session.clock.past or not relays.unsaid(frames, self.heard):
            self.heard = found  # else a busy server left that out of one look
        table = self.query_one("#relays", LiveTable)
        table.set_health(relays.health(frames, self.heard), max(frame.at for frame in frames.values()))
        table.set_items(self.heard)
        if self._views != self._shown:
            self._shown = self._views
            self.arrange_for(self.layout_now)

    def _draw_slots(
        self, frames: Mapping[str, Frame], view: ClusterView, at: float, ranges: list[Owned]
    ) -> None:
        panel, table = self.query_one("#slots", Panel), self.query_one("#hottest", LiveTable)
        if self.heats.heat != "owner" or table.display:
            self.heats.ask(self, view, frames, at)
        self.heats.show(panel, table, frames, view.source, ranges)

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`F` makes a replica the primary, `m` changes the heat, `v` the table, `t` the cluster."""
        if id == "cache.failover":
            self._fail_over()
        elif id == "cache.reshard":
            self._ask_reshard()
        elif id == "cache.rehearse":
            self._rehearse()
        elif id == "cache.reattach":
            self._reattach()
        elif id == "cache.cluster-view":
            self._turn()
        elif id == "cache.slot-heat":
            self._turn_heat()
        elif id == "cache.purge":
            self._ask_purge()
        elif id == "cache.which":
            self._ask_which()
        else:
            return False
        return True

    def _turn(self) -> None:
        views = self._views
        if not views:
            return
        place = views.index(self.in_front) if self.in_front in views else 0
        self.in_front = views[(place + 1) % len(views)]
        self.arrange_for(self.layout_now)
        self.query_one(f"#{self.in_front}").focus()
        self.redraw()

    def _turn_heat(self) -> None:
        if not self._slotted:
            self.toast("there are no hash slots: it is no cluster")
            return
        self.heats.turn()
        self.arrange_for(self.layout_now)
        self.redraw()

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

    def _reattach(self) -> None:
        source = str((self.selection or {}).get("source", ""))
        row = self.query_one("#members", LiveTable).current
        member = row.member if row else None
        if member is None or member.role in {"primary", "sentinel"}:
            self.toast("choose the replica that is to follow the primary")
        else:
            self.perform("cache.reattach", source, node=member.address)

    def _rehearse(self) -> None:
        source = str((self.selection or {}).get("source", ""))
        row = self.query_one("#members", LiveTable).current
        if source not in self.session.sources("FailoverRehearser"):
            self.toast("only what a lab of ours holds is rehearsed on: make lab, or `control`")
        elif row is None or row.member.role != "primary":
            self.toast("choose the primary that is to be killed")
        else:
            rehearsals.begin(self, source, row.member.address)

    def _ask_purge(self) -> None:
        view = self.view
        if view is None:
            return
        purging.ask(self, view.source)

    def _ask_reshard(self) -> None:
        view, slot = self.view, self._slot
        holder = self._holder(slot)
        if view is None or view.reading is None or holder is None or holder.role != "primary":
            self.toast("choose the primary whose slots are to go")
            return
        source, node = view.source, holder.address
        places = [p for p in view.reading.primaries if p.id != holder.id and p.state == "ok"]
        if not holder.slots or not places:
            self.toast(f"{node} holds no slots" if not holder.slots else "there is no other primary")
            return

        def asked(to: str) -> None:
            self.ask(
                f"Move slots of {node} to {to}",
                "how many, or which: 0-99,200-200 (the plan comes first)",
                lambda text: self.perform("cache.reshard", source, node=node, to=to, slots=text.strip()),
                value=f"{slot.traffic.slot}-{slot.traffic.slot}" if slot is not None else "",
                check=lambda text: "" if text.strip() else "a number of slots, or ranges such as 0-99",
            )

        if len(places) == 1:
            asked(places[0].address)
        else:
            options = [(p.address, f"{p.address}  {fmt.many(p.slot_count, 'slot')}") for p in places]
            self.choose("Move slots to", options, asked)

    @property
    def _slot(self) -> SlotRow | None:
        """The slot under the cursor, where slots are in front."""
        table = self.query_one("#hottest", LiveTable)
        return table.current if self.in_front == "hottest" else None

    def _holder(self, slot: SlotRow | None) -> ClusterMember | None:
        """The primary of that slot, else the node under the cursor."""
        reading = self.view.reading if self.view is not None else None
        if slot is not None and reading is not None:
            return reading.member(slot.traffic.node)
        row = self.query_one("#members", LiveTable).current
        return row.member if row is not None else None

    def _ask_which(self) -> None:
        views = self.report.clusters if self.report else ()
        if len(views) < 2:
            self.toast("there is only this cluster")
            return
        self.choose("Which cluster", [(v.source, v.source) for v in views], self._choose)

    def _choose(self, source: str) -> None:
        self.chosen, self.in_front = source, VIEWS[0]
        self.arrange_for(self.layout_now)
        self.redraw()


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
