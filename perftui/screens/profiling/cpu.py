"""Where a process spends its time: flame graph with zoom, search and threshold, and its hot functions."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from textual.widget import Widget

from perftui.analysis.flame import prune, search
from perftui.draw.flame import FlameRect
from perftui.draw.table import Column
from perftui.model.flameview import FlameState, step
from perftui.model.frame import Frame
from perftui.model.profiler import Profile, ProfilerReport, TreeArrays
from perftui.model.resources import ProcessRow
from perftui.screens import processes
from perftui.screens.profiling import flametext
from perftui.screens.profiling.base import ProfilingTab
from perftui.screens.profiling.graph import Graph
from perftui.screens.profiling.overview import recording_note
from perftui.screens.tab import Files
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

STEPS = {
    "profiling.hot": "hot",
    "profiling.whole": "whole",
    "profiling.flip": "flip",
    "profiling.heavier": "heavier",
    "profiling.lighter": "lighter",
    "profiling.view": "view",
}


class Shown:
    """The tree that is drawn: the whole one, or what a threshold left of it."""

    def __init__(self, whole: TreeArrays, floor: float) -> None:
        self.whole = self.tree = whole
        self.hidden = 0
        self._origin: array[int] | None = None
        self._at: dict[int, int] = {}
        if floor > 0:  # else nothing is copied: a million nodes are ordinary
            self.tree, self._origin, self.hidden = prune(whole, floor)
            self._at = {old: new for new, old in enumerate(self._origin)}

    def origin(self, node: int) -> int:
        """The node of the whole tree that a drawn one stands for."""
        return node if self._origin is None else self._origin[node]

    def hits(self, nodes: Iterable[int]) -> set[int]:
        """Drawn nodes among these of the whole tree."""
        if self._origin is None:
            return set(nodes)
        return {self._at[node] for node in nodes if node in self._at}

    def nearest(self, node: int) -> int:
        """The drawn node that stands for `node`, or for the nearest of its callers."""
        if self._origin is None:
            return node
        at, frame = self._at, self.whole.frame
        while node and (node not in at or self.tree.frame[at[node]] != frame[node]):
            node = self.whole.parent[node]
        return at[node]


class Laid(NamedTuple):
    """The bars drawn, and the pruned tree behind them with what each node of it stands for."""

    key: tuple[str, int, str, float]
    bars: Callable[[int, int, int], Sequence[FlameRect]]
    shown: Shown


class CpuTab(ProfilingTab):
    """The newest profile; `state` says where the reader stands in it."""

    DEFAULT_CSS = """
    CpuTab { layout: grid; grid-size: 1; grid-columns: 1fr; grid-rows: 2 1fr 2; grid-gutter: 0 1; }
    CpuTab #functions { display: none; }
    CpuTab.table #graph { display: none; }
    CpuTab.table #functions { display: block; }
    CpuTab.middle { grid-rows: 2 2fr 1fr 2; }
    CpuTab.wide { grid-size: 2; grid-columns: 2fr 1fr; }
    CpuTab.wide #head, CpuTab.wide #status { column-span: 2; }
    CpuTab.middle #functions, CpuTab.wide #functions { display: block; }
    CpuTab.middle #graph, CpuTab.wide #graph { display: block; }
    """
    id_: ClassVar[str] = "profiling.cpu"
    title: ClassVar[str] = "CPU"
    topics: ClassVar[tuple[str, ...]] = ("profiler", processes.TOPIC)
    empty: ClassVar[str] = (
        "would show where a Python process spends its time\n"
        'connect the sampler: [env.NAME.backends.pyspy] kind = "pyspy"'
    )
    verbs: ClassVar[Mapping[str, str]] = {
        "search": "REGEX  light the frames whose name or file matches",
        "threshold": "PERCENT  hide what weighs less than this share",
    }

    def __init__(self) -> None:
        super().__init__()
        self.state = FlameState()
        self._of = ""  # id of the profile that the state is about
        self._laid: Laid | None = None

    def compose(self) -> Iterable[Widget]:
        """The graph takes the keys."""
        yield Panel(id="head")
        yield Graph(
            "Flame graph", empty="no profile yet", hint="R records one, P opens a kept one", id="graph"
        )
        yield LiveTable(
            function_columns(),
            key=lambda f: f.frame,
            title="Functions",
            id="functions",
            sort="own",
            reverse=True,
            empty="no samples",
        )
        yield Panel(id="status")

    def arrange_for(self, layout: int) -> None:
        """From 120 columns on the table stands below the graph, from 160 on beside it."""
        self.set_class(layout == 120, "middle")
        self.set_class(layout >= 160, "wide")

    @property
    def profile(self) -> Profile | None:
        """The profile shown."""
        return self.report.newest if self.report else None

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest profile; a new one is looked at from its root."""
        frame, report = frames["profiler"], self.report
        if self.processes is None:
            processes.refresh(self, frame.at)
        if report is None:
            return
        profile = report.newest
        if profile is not None and profile.meta.id != self._of:
            self._of = profile.meta.id
            self.state = FlameState(view=self.state.view, floor=self.state.floor, icicle=self.state.icicle)
            self.query_one("#graph", Graph).filter_text = ""
        self.set_class(self.state.view == "functions", "table")
        graph = self.query_one("#graph", Graph)
        graph.note = recording_note(report, frame.at)
        self.query_one("#functions", LiveTable).set_items(report.functions)
        self._draw_graph(graph, report)

    def _draw_graph(self, graph: Graph, report: ProfilerReport) -> None:
        profile, state = report.newest, self.state
        if profile is None:
            graph.set_flame(None)
            return
        laid = self._layout(profile)
        shown = laid.shown
        graph.title = flametext.title(profile, state, shown.hidden)
        selected = shown.nearest(state.selected)
        graph.set_flame(
            laid.bars,
            selected=selected,
            depth=shown.tree.depth(selected),
            hits=shown.hits(state.matches),
            up=not state.icicle,
            zoomed=bool(state.trail),
        )
        self.query_one("#head", Panel).set_rows(lambda size, look: flametext.head(report, profile, size))
        self.query_one("#status", Panel).set_rows(
            lambda size, look: flametext.status(profile, state, size, look)
        )

    def _layout(self, profile: Profile) -> Laid:
        """What is drawn now; the same object while the same bars are wanted."""
        state = self.state
        key = (profile.meta.id, state.root, state.order, state.floor)
        if self._laid is None or self._laid.key != key:
            shown = self._shown(profile)
            bars = flametext.bars(profile, shown.tree, shown.nearest(state.root), state.order)
            self._laid = Laid(key, bars, shown)
        return self._laid

    def _shown(self, profile: Profile) -> Shown:
        """The tree of this threshold, the last one while it still fits."""
        floor = self.state.floor
        if self._laid is not None and self._laid.key[::3] == (profile.meta.id, floor):
            return self._laid.shown
        return Shown(profile.tree, floor * profile.total)

    def _step(self, word: str) -> None:
        profile = self.profile
        if profile is None:
            return
        width = max(1, self.query_one("#graph", Graph).size.width)
        sliver = max(profile.tree.total[self.state.root] / width, self.state.floor * profile.total)
        self.state = step(self.state, word, profile.tree, sliver)
        self.redraw()

    def on_flame_panel_stepped(self, asked: Graph.Stepped) -> None:
        """A key walks the graph."""
        asked.stop()
        self._step(asked.word)

    def on_flame_panel_picked(self, picked: Graph.Picked) -> None:
        """A click selects, a double click zooms."""
        picked.stop()
        if self._laid is not None and self.profile is not None:
            self.state = replace(self.state, selected=self._laid.shown.origin(picked.id))
            self._step("zoom" if picked.zoom else "")

    def on_graph_searched(self, asked: Graph.Searched) -> None:
        """Light the matches and go to the first."""
        asked.stop()
        self.look_up(asked.text)

    def look_up(self, text: str) -> None:
        """Search names and files by a regular expression."""
        profile = self.profile
        if profile is None:
            return
        try:
            pattern = re.compile(text, re.IGNORECASE)
        except re.error as error:
            self.toast(f"not a regular expression: {error}", "warn")
            return
        found, weight = search(profile.tree, profile.frames, pattern) if text else ([], 0)
        self.state = replace(self.state, search=text, matches=tuple(found), lit=weight)
        if text and not found:
            self.toast(f"nothing matches {text}", "warn")
        self._step("next")

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """Steps in the graph, threshold, and what both tabs do."""
        if id in STEPS:
            self._step(STEPS[id])
        elif id == "close" and self.state.trail:
            self._step("unzoom")
        elif id == "profiling.threshold":
            self.ask(
                "Hide what weighs less than",
                "percent of the whole",
                self.set_floor,
                value=f"{self.state.floor * 100:g}",
                check=wrong_percent,
            )
        else:
            return super().on_command(id)
        return True

    def on_verb(self, verb: str, words: tuple[str, ...]) -> bool:
        """`:search REGEX`, `:threshold PERCENT`."""
        if verb == "search":
            self.look_up(" ".join(words))
        elif verb == "threshold" and words and not wrong_percent(words[0]):
            self.set_floor(words[0])
        else:
            return False
        return True

    def set_floor(self, text: str) -> None:
        """Hide lighter subtrees from now on."""
        self.state = replace(self.state, floor=float(text.rstrip("% ")) / 100)
        self.redraw()

    def export_files(self) -> Files:
        """The profile for other tools."""
        from perftui.export.profile import writers

        return writers(self.profile) if self.profile is not None else {}

    def target(self) -> ProcessRow | None:
        """The process of the profile shown, while it still lives."""
        profile, listed = self.profile, self.processes
        if profile is None or listed is None:
            return None
        return next((r for r in listed.rows if r.pid == profile.meta.target.pid), None)

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The frame under the cursor."""
        profile = self.profile
        if profile is None:
            return {"source": self.sampler} if self.sampler else None
        return {"source": self.sampler, **flametext.facts(profile, self.state.selected)}


def wrong_percent(text: str) -> str:
    """What is wrong with a share in percent, or ''."""
    try:
        good = 0 <= float(text.rstrip("% ")) < 100
    except ValueError:
        good = False
    return "" if good else "a percentage, such as 1 or 0.5"


def function_columns() -> list[Column]:
    """Hot functions: shares with their interval, and the place."""
    return [
        Column("own", "Self", flametext.share, value=lambda f: f.share_self, width=6, align="right"),
        Column(
            "margin", "±", flametext.share, width=5, align="right", priority=4, help="95% interval of self"
        ),
        Column("total", "Total", flametext.share, value=lambda f: f.share_total, width=6, align="right"),
        Column("samples", "Samples", value=lambda f: f.own, width=7, align="right", priority=5),
        Column("name", "Function", flametext.clean, value=lambda f: f.frame.name, width=20, grow=True),
        Column(
            "where", "Place", flametext.place, value=lambda f: f.frame.where, width=24, grow=True, priority=2
        ),
    ]
