"""The machines: cores, memory, disks, network, and the processes that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.analysis.buckets import Window
from perftui.draw.chart import Line
from perftui.draw.clean import inert
from perftui.draw.rows import Size, plain
from perftui.draw.sparkline import spark
from perftui.draw.table import Cell
from perftui.model.frame import Frame
from perftui.model.resources import HostRank, HostView, ProcessRow, ResourcesReport
from perftui.model.series import SeriesKey
from perftui.screens import processes
from perftui.screens.overview import hostlist, hostrows, processdetail, processviews
from perftui.screens.overview.processdetail import ProcessDetail
from perftui.screens.tab import Tab
from perftui.widgets.chart import ChartPanel
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

COURSE_SECONDS = 300.0
AGAIN = 1.0  # seconds after which an opened process is looked at again
SIGNALS = (
    ("TERM", "TERM: asks it to end"),
    ("KILL", "KILL: ends it at once, nothing is saved"),
    ("INT", "INT: as ctrl+c"),
    ("HUP", "HUP: many read their configuration again"),
    ("STOP", "STOP: halts it until CONT"),
    ("CONT", "CONT: lets it go on"),
)


class HostsTab(Tab):
    """One host at a time; a list of them at the left where there are several."""

    DEFAULT_CSS = """
    HostsTab { layout: horizontal; }
    HostsTab #hosts { width: 31; height: 1fr; margin: 0 1 0 0; }
    HostsTab #one {
        layout: grid; grid-size: 2; grid-columns: 1fr 1fr; grid-rows: 6 1fr 5; grid-gutter: 0 1; width: 1fr;
    }
    HostsTab #processes { dock: bottom; height: 50%; }
    HostsTab.narrow #one { grid-size: 1; grid-columns: 1fr; grid-rows: 3 1fr; }
    HostsTab.narrow #processes { height: 60%; }
    HostsTab.wide #one { grid-size: 3; grid-columns: 1fr 1fr 1fr; grid-rows: 1fr 1fr; }
    HostsTab.wide #processes { height: 64%; }
    HostsTab.open #one { layout: vertical; }
    HostsTab.open #processes { height: 30%; }
    HostsTab.open.narrow #processes { height: 4; }
    """
    first: ClassVar[str] = "#processes"
    id_: ClassVar[str] = "overview.hosts"
    title: ClassVar[str] = "Hosts"
    topics: ClassVar[tuple[str, ...]] = (
        "resources",
        processes.TOPIC,
        processdetail.TOPIC,
    )
    empty: ClassVar[str] = (
        "would show processor, memory, disks, network and processes of a host\n"
        'connect this one: [env.NAME.backends.host] kind = "host"\n'
        'others by their exporter: [env.NAME.backends.web1] kind = "scrape", url = "http://web1:9100/metrics"'
    )

    def __init__(self) -> None:
        super().__init__()
        self._tree = False
        self._group = ""
        self.opened: ProcessRow | None = None
        self._looked = 0.0
        self._listed = ""  # whose processes stand in the table
        self.chosen = ""
        self._hidden: set[str] = set()  # columns of processes that this host does not fill
        self.ranks: tuple[HostRank, ...] = ()

    def compose(self) -> Iterable[Widget]:
        """The list of hosts, then the one; there processes come first: they take the keys."""
        yield LiveTable(
            hostlist.columns(lambda: self.frames["resources"].at),
            key=lambda rank: rank.source,
            title="Hosts",
            id="hosts",
            empty="no host",
        )
        with Widget(id="one"):
            yield LiveTable(
                processes.columns(),
                key=processes.row_key,
                title="Processes",
                id="processes",
                sort="cpu",
                reverse=True,
                empty="reading the processes",
            )
            yield Panel("CPU", id="cpu")
            yield Panel("Memory", id="memory")
            yield ChartPanel("CPU busy", unit="ratio", low=0, high=1, id="busy", focusable=False)
            yield LiveTable(
                hostrows.net_columns(self._course), key=lambda n: n.interface, title="Network", id="nets"
            )
            yield LiveTable(
                hostrows.disk_columns(self._course),
                key=lambda d: d.device,
                title="Disks",
                id="disks",
                empty="reading",
            )
            yield LiveTable(
                hostrows.mount_columns(self._until_full),
                key=lambda m: m.path,
                title="File systems",
                id="mounts",
            )
            yield ProcessDetail(id="process")

    def _course(self, name: str, label: str) -> Callable[[str], Cell]:
        """Draws the last five minutes of a series of the host shown, by its label's value."""

        def drawn(of: str) -> Cell:
            frame = self.frames.get("resources")
            if frame is None or not self._shown:
                return ""
            key = SeriesKey(self._shown, name, ((label, of),))
            window = Window.last(COURSE_SECONDS, frame.at)
            row = spark(frame.window(key, COURSE_SECONDS), window, hostrows.COURSE, self.look, low=0)
            return plain([row])[0], "s1"

        return drawn

    def _until_full(self, path: str) -> float | None:
        frame = self.frames.get("resources")
        report = frame.report if frame is not None else None
        view = self._view(report) if isinstance(report, ResourcesReport) else None
        return hostrows.until_full(view, path) if view else None

    def _view(self, report: ResourcesReport) -> HostView | None:
        """The host that is shown."""
        return hostlist.chosen(report, self.chosen, self.session.sources("ProcessReader"))

    def arrange_for(self, layout: int) -> None:
        """80: figures and processes; 120: two columns; from 160: three."""
        self.set_class(layout < 120, "narrow")
        self.set_class(layout >= 160, "wide")
        self.set_class(self.opened is not None, "open")
        self.query_one("#process").display = self.opened is not None
        for name in ("#cpu", "#memory", "#busy", "#nets", "#disks", "#mounts"):
            fits = layout >= 120 or name in ("#cpu", "#memory")
            self.query_one(name).display = fits and self.opened is None

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest look at the host, and ask for its processes."""
        frame = frames["resources"]
        report = frame.report
        if not isinstance(report, ResourcesReport) or not report.hosts:
            return
        self._list(frame, report)
        view = self._view(report)
        if view is None:
            return
        if self.opened is None:
            if not self._only(processes.TOPIC):
                self._figures(frame, view)
        else:
            self._own(frames, view, self.opened)
        self._processes(frame, view)

    def _list(self, frame: Frame, report: ResourcesReport) -> None:
        """The other hosts, where there are any and room for them."""
        self.ranks = hostlist.listed(frame, report)
        table = self.query_one("#hosts", LiveTable)
        table.display = len(self.ranks) > 1 and self.layout_now >= 120
        if table.display:
            table.note = str(len(self.ranks))
            table.set_items(self.ranks)
            if not table.has_focus:
                table.cursor_to(self._shown)

    def _processes(self, frame: Frame, view: HostView) -> None:
        """Its processes where they can be read; an exporter does not tell them."""
        table = self.query_one("#processes", LiveTable)
        entry = self.session.env.backends.get(view.source)
        read_then = self.session.clock.past and (entry is None or entry.kind == "host")
        if view.source not in self.session.sources("ProcessReader") and not read_then:
            table.empty = "an exporter tells no processes"
            table.hint = "perftui on that host shows them"
            table.note = self._listed = ""
            table.set_items(())
            return
        processes.refresh(self, frame.at, view.source, table.view.sort)
        found = processes.listed(self)
        same = self._listed == view.source and self._only("resources", processdetail.TOPIC)
        if found is not None and not same:
            self._listed = view.source
            self._hidden = processes.hide(table, found, self._hidden)
            table.set_items(self._arranged(found.rows) if found.host == view.reading.host else ())
            by = f" by {self._group}" if self._group else " as a tree" if self._tree else ""
            table.note = f"{len(found.rows)} of {found.total}{by}"

    def _only(self, *topics: str) -> bool:
        """Whether nothing but these is new, so that what is drawn from others stands."""
        return self.news is not None and self.news <= set(topics)

    def choose_host(self, source: str) -> None:
        """Show another host; one that never answered has nothing to show but why."""
        silent = next((rank for rank in self.ranks if rank.source == source and not rank.at), None)
        if silent is not None:
            self.toast(hostlist.words(silent, 0.0), "warn")
        elif source != self.chosen:
            self.chosen = source
            self.opened = None
            self.arrange_for(self.layout_now)
            self.redraw()

    def on_live_table_cursor_moved(self, moved: LiveTable.CursorMoved) -> None:
        """The host under the cursor of the list is shown."""
        if moved.table.id == "hosts" and moved.table.has_focus and isinstance(moved.item, HostRank):
            self.choose_host(moved.item.source)

    def _own(self, frames: Mapping[str, Frame], view: HostView, row: ProcessRow) -> None:
        """The charts of the process that was opened, which is looked at for as long as it is."""
        frame = frames["resources"]
        if frame.at - self._looked >= AGAIN:
            self._looked = frame.at
            pid, started = row.pid, row.started
            self.probe(
                processdetail.TOPIC,
                view.source,
                "ProcessReader",
                lambda power: power.look_closely(pid, started),
            )
        asked = frames.get(processdetail.TOPIC)
        newest, ended = processdetail.current(asked.report if asked else None, row)
        self.query_one(ProcessDetail).show(frame, view.source, newest, ended=ended)

    def set_open(self, row: ProcessRow | None) -> None:
        """Show the charts of one process in place of the host's figures, or those again."""
        self.opened, self._looked = row, 0.0
        self.arrange_for(self.layout_now)
        self.query_one("#processes").focus()
        self.redraw()

    def on_live_table_opened(self, opened: LiveTable.Opened) -> None:
        """Enter on a process."""
        if isinstance(opened.item, HostRank):
            self.choose_host(opened.item.source)
        elif isinstance(opened.item, ProcessRow) and opened.item.pid:
            found = processes.listed(self)
            rows = found.rows if found else ()  # a tree indents the commands of its own
            key = processes.row_key(opened.item)
            self.set_open(next((row for row in rows if processes.row_key(row) == key), opened.item))

    def on_chart_panel_zoomed(self, zoomed: ChartPanel.Zoomed) -> None:
        """Another window: hand over that much history."""
        self.query_one(ProcessDetail).follow_zoom(zoomed)
        self.redraw()

    def on_chart_panel_moved(self, moved: ChartPanel.Moved) -> None:
        """One cursor for all charts of a process."""
        self.query_one(ProcessDetail).follow_cursor(moved)

    def _figures(self, frame: Frame, view: HostView) -> None:
        reading, health = view.reading, frame.report.standing(frame.health).get(view.source)
        cpu, memory = self.query_one("#cpu", Panel), self.query_one("#memory", Panel)
        several = len(self.ranks) > 1 and self.layout_now < 120
        beside = f", one of {len(self.ranks)}:" if several else " of"  # before the name, which may be long
        cpu.title = f"CPU{beside} {inert(reading.host, 40)}"
        cpu.note = inert(hostrows.about(view), 200)
        cpu.set_rows(
            lambda size, look: hostrows.cpu(
                view, Size(size.width - 1, size.height), look, lambda: _cores(frame, view)
            )
        )
        small = self.layout_now < 120
        memory.set_rows(
            lambda size, look: (
                hostrows.brief(view, size.width) if small else hostrows.memory(view, size, look)
            )
        )
        self.query_one("#nets", LiveTable).note = hostrows.tcp(view)
        for panel in (cpu, memory):
            panel.set_health(health, frame.at)
        busy = self.query_one("#busy", ChartPanel)
        keys = [
            ("all", SeriesKey(view.source, "cpu.busy_ratio")),
            ("waits", SeriesKey(view.source, "cpu.iowait_ratio")),
        ]
        busy.set_lines([Line.of(frame.window(key, busy.seconds), name=name) for name, key in keys], frame.at)
        self.query_one("#nets", LiveTable).set_items(reading.nets)
        self.query_one("#disks", LiveTable).set_items(reading.disks)
        self.query_one("#mounts", LiveTable).set_items(reading.mounts)

    @property
    def _shown(self) -> str:
        """The backend of the host that is shown, '' before there is one."""
        frame = self.frames.get("resources")
        report = frame.report if frame is not None else None
        view = self._view(report) if isinstance(report, ResourcesReport) else None
        return view.source if view else ""

    @property
    def absent(self) -> Sequence[str]:
        """Figures and columns that this host does not tell."""
        frame = self.frames.get("resources")
        report = frame.report if frame is not None else None
        view = self._view(report) if isinstance(report, ResourcesReport) else None
        found = processes.listed(self)
        return hostlist.absent(view, found)

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The process under the cursor."""
        row = self.query_one("#processes", LiveTable).current
        if not isinstance(row, ProcessRow) or not row.pid:
            return None
        return {
            "source": self._shown,
            "pid": row.pid,
            "started": row.started,
            "name": row.name,
            "command": row.command,
            "cpu": row.cpu,
            "rss": row.rss,
            "nice": row.nice,
        }

    def _arranged(self, rows: Sequence[ProcessRow]) -> Sequence[ProcessRow]:
        if self._group:
            return processviews.grouped(rows, self._group)
        return processviews.tree(rows, ascii_=self.look.ascii_) if self._tree else rows

    def _rearrange(self, *, tree: bool, group: str) -> None:
        """A tree keeps the order of its own: nothing is sorted; all else goes by processor use."""
        self._tree, self._group = tree, group
        self.query_one("#processes", LiveTable).set_sort(None if tree else "cpu", reverse=not tree)
        self.redraw()

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`esc` back to the host, `v` tree or flat, `b` groups, `K` signals, `=` sets nice."""
        if id == "close" and self.opened is not None:
            self.set_open(None)
            return True
        if id == "overview.host":
            self._ask_host()
            return True
        if id == "overview.tree":
            self._rearrange(tree=not self._tree, group="")
            return True
        if id == "overview.group":
            place = processviews.GROUPS.index(self._group) + 1
            self._rearrange(tree=False, group=processviews.GROUPS[place % len(processviews.GROUPS)])
            return True
        chosen = self.selection
        if id not in ("overview.signal", "overview.renice") or chosen is None:
            return False
        who = inert(f"{chosen['name']} {chosen['pid']}", 60)
        if id == "overview.signal":
            source = self.source_for("ProcessSignaller")
            self.choose(f"Signal to {who}", SIGNALS, lambda name: self._signal(source, chosen, name))
        else:
            self._ask_nice(who, chosen)
        return True

    def _ask_host(self) -> None:
        """Choose one of the hosts, worst first."""
        if len(self.ranks) < 2:
            self.toast("there is only this host")
            return
        now = self.frames["resources"].at
        options = [(rank.source, hostlist.words(rank, now)) for rank in self.ranks]
        self.choose("Which host", options, self.choose_host)

    def _ask_nice(self, who: str, chosen: Mapping[str, Any]) -> None:
        source, same = self.source_for("ProcessNicer"), {k: chosen[k] for k in ("pid", "started")}
        self.ask(
            f"Nice of {who}",
            f"now {chosen['nice']}; -20 goes first, 19 goes last",
            lambda text: self.perform("process.renice", source, **same, nice=int(text)),
            value=str(chosen["nice"]),
            check=processviews.nice_mistake,
        )

    def _signal(self, source: str, chosen: Mapping[str, Any], name: str) -> None:
        self.perform("process.signal", source, pid=chosen["pid"], started=chosen["started"], signal=name)


def _cores(frame: Frame, view: HostView) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    """The last five minutes of every core that is sampled."""
    found: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for core in view.reading.cores:
        key = SeriesKey(view.source, "cpu.core_busy_ratio", (("core", core.name),))
        found[core.name] = frame.window(key, COURSE_SECONDS).between(0.0, frame.at)
    return found
