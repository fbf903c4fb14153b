"""Who could be profiled: the processes of this host by use, the profiles kept, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.table import Column
from perftui.draw.text import line, message, wrap
from perftui.model.frame import Frame
from perftui.model.profiler import ProfileMeta, ProfilerReport
from perftui.model.resources import ProcessRow
from perftui.screens import processes
from perftui.screens.processes import short
from perftui.screens.profiling.base import ProfilingTab
from perftui.screens.profiling.flametext import place
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel


class OverviewTab(ProfilingTab):
    """Processes, kept profiles, and the newest one's hot functions."""

    DEFAULT_CSS = """
    OverviewTab { layout: grid; grid-size: 2; grid-columns: 2fr 1fr; grid-rows: 1fr 1fr; grid-gutter: 0 1; }
    OverviewTab #processes { row-span: 2; }
    OverviewTab.narrow { grid-size: 1; grid-columns: 1fr; grid-rows: 1fr 6; }
    OverviewTab.narrow #processes { row-span: 1; }
    """
    id_: ClassVar[str] = "profiling.overview"
    title: ClassVar[str] = "Overview"
    topics: ClassVar[tuple[str, ...]] = ("resources", "profiler", processes.TOPIC)
    empty: ClassVar[str] = (
        "would show the processes of this host by CPU, memory and language\n"
        'connect it: [env.NAME.backends.host] kind = "host", and for profiles kind = "pyspy"'
    )

    def __init__(self) -> None:
        super().__init__()
        self.only_targets = False

    def compose(self) -> Iterable[Widget]:
        """Processes first: they take the keys."""
        yield LiveTable(
            processes.columns(),
            key=processes.row_key,
            title="Processes",
            id="processes",
            sort="cpu",
            reverse=True,
            empty="reading the processes",
        )
        yield LiveTable(
            profile_columns(),
            key=lambda m: m.id,
            title="Profiles",
            id="profiles",
            sort="at",
            reverse=True,
            empty="no profile kept",
            hint="R records the selected process",
        )
        yield Panel("Newest profile", id="newest")

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns the tables stand below each other."""
        self.set_class(layout < 120, "narrow")
        self.query_one("#newest").display = layout >= 120

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest processes and profiles, and ask for fresh processes."""
        resources = frames["resources"]
        table = self.query_one("#processes", LiveTable)
        processes.refresh(self, resources.at, by=table.view.sort)
        listed = self.processes
        if listed is not None:
            rows = [r for r in listed.rows if not self.only_targets or r.language == "python"]
            table.set_items(rows)
            kind = "Python, " if self.only_targets else ""
            table.note = f"{kind}{len(rows)} of {listed.total} on {inert(listed.host, 40)}"
        report = self.report
        if report is not None:
            profiles = self.query_one("#profiles", LiveTable)
            profiles.set_items(report.kept)
            profiles.note = recording_note(report, frames["profiler"].at)
            self.query_one("#newest", Panel).set_rows(lambda size, look: newest_rows(report, size, look))

    def target(self) -> ProcessRow | None:
        """The process under the cursor."""
        current = self.query_one("#processes", LiveTable).current
        return current if isinstance(current, ProcessRow) else None

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The process under the cursor, with the sampler that would record it."""
        row = self.target()
        if row is None:
            return None
        shown = ("pid", "name", "command", "user", "language", "cpu", "rss", "threads", "state", "started")
        return {"source": self.sampler, **{name: getattr(row, name) for name in shown}}

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`v` narrows to what can be profiled; enter opens a profile or records a process."""
        if id == "profiling.view":
            self.only_targets = not self.only_targets
            self.redraw()
            return True
        if id == "open":
            return self._open()
        return super().on_command(id)

    def _open(self) -> bool:
        profiles = self.query_one("#profiles", LiveTable)
        if profiles.has_focus and isinstance(profiles.current, ProfileMeta):
            self.show_profile(profiles.current.id)
            return True
        return False


def profile_columns() -> list[Column]:
    """What is told of a kept profile."""
    return [
        Column("at", "Taken", lambda at: fmt.stamp(at)[5:16], width=11),
        Column("samples", "Samples", fmt.count, width=8, align="right"),
        Column("seconds", "Seconds", lambda s: f"{s:.0f}", width=7, align="right", priority=3),
        Column("pid", "PID", value=lambda m: m.target.pid, width=7, align="right", priority=2),
        Column(
            "command",
            "Target",
            lambda t: inert(t, 300),
            value=lambda m: m.target.command,
            width=16,
            grow=True,
        ),
    ]


def recording_note(report: ProfilerReport, now: float) -> str:
    """What is being recorded, else why attaching would be refused."""
    if report.recording is not None:
        r = report.recording
        return f"recording {r.pid}: {min(r.seconds, max(0.0, now - r.since)):.0f} of {r.seconds:.0f} s"
    return report.obstacle


def newest_rows(report: ProfilerReport, size: Size, look: Look) -> Rows:
    """The newest profile's target and its hottest functions."""
    profile = report.newest
    if profile is None:
        return message(size, "no profile in hand", "R records the selected process")
    meta = profile.meta
    said = f"{profile.total} samples in {meta.seconds:.1f} s at {meta.rate} Hz, {meta.errors} failed"
    rows: Rows = wrap(short(meta.target.command, 200), size.width)[:2]
    rows.append(line(size.width, Span(said + (f" · {inert(meta.note, 60)}" if meta.note else ""), "muted")))
    hot = [f for f in report.functions if f.own]
    for f in hot[: max(0, size.height - len(rows))]:
        share = Span(f"{fmt.ratio(f.share_self, 6)} ±{fmt.ratio(f.margin, 5)} ", "s1" if look.colour else "")
        rows.append(
            line(size.width, share, inert(f.frame.name, 80), Span(f"  {place(f.frame.where)}", "muted"))
        )
    return rows
