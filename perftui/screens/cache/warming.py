"""Warming: jobs that warm caches by the clock, and the sets of keys that nodes of the library keep warm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.table import Cell, Column
from perftui.model.cache import CacheNode
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.schedule import TUNING
from perftui.model.warmask import WarmSet, warm_sets
from perftui.model.warmjob import JOBS_TOPIC, WARMING, JobRow, JobsReport
from perftui.model.warmused import newest
from perftui.screens.cache import warmjobs
from perftui.screens.cache.base import EMPTY, CacheTab
from perftui.screens.cache.predicted import PredictedPanel
from perftui.screens.cache.rows import Interval, share_bar
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

SETS = "cache.warm"
OF_A_JOB = {"cache.job-edit", "cache.job-switch", "cache.job-remove"}
EVERY = 2.0  # seconds between two looks, as often as nodes publish
NONE = 'no node has a warm set: Warming(cache, Path("hot.keys")) in docs/cache-library.md makes one'


class WarmingTab(CacheTab):
    """A row a job, below them one a set and node; `r` runs what is under the cursor of the table in front."""

    DEFAULT_CSS = """
    WarmingTab { layout: vertical; }
    WarmingTab #head { height: 1; }
    WarmingTab #jobs { height: 1fr; }
    WarmingTab #sets { height: 1fr; }
    """
    id_: ClassVar[str] = "cache.warming"
    title: ClassVar[str] = "Warming"
    topics: ClassVar[tuple[str, ...]] = ("cache", "cachecluster", SETS, JOBS_TOPIC)
    empty: ClassVar[str] = "would show which sets of keys services keep warm, and how far they are" + EMPTY
    first: ClassVar[str] = "#jobs"

    def __init__(self) -> None:
        super().__init__()
        self._asked_at = float("-inf")
        self._asked = ""
        self._used: warmjobs.Used = {}
        self._jobs_asked_at = float("-inf")

    def compose(self) -> Iterable[Widget]:
        """Jobs, sets and what is foretold; the jobs take the keys first."""
        yield Panel(id="head")
        jobs = warmjobs.columns(lambda: self.look, lambda: self._now, lambda: self._used)
        yield LiveTable(jobs, key=job_key, title="Jobs", id="jobs", empty="the store has not said yet")
        yield LiveTable(columns(), key=set_key, title="Warm sets", id="sets")
        yield PredictedPanel()

    def paint(self, frames: Mapping[str, Frame], node: CacheNode) -> None:
        """The newest records of the nodes; they are asked for here, while anybody publishes."""
        now = self.frame_of(node).at
        self.health_of(node)
        self._used = used(self.nodes)
        self._paint_jobs(frames[JOBS_TOPIC], now)
        self.query_one(PredictedPanel).show(node)
        tiers = node.reading.tiers if node.reading is not None else None
        publishing = tiers is not None and bool(tiers.nodes)
        due = now - self._asked_at >= EVERY or self._asked != node.source
        if publishing and due and node.health.link is Link.LIVE:
            self._asked_at, self._asked = now, node.source
            self.probe(SETS, node.source, "NodeReader", _sets)
        told = frames[SETS]
        sets = told.report if isinstance(told.report, tuple) and publishing else ()
        table = self.query_one("#sets", LiveTable)
        if node.health.link not in {Link.LIVE, Link.LATE}:
            table.empty = "not known while the server does not answer"
        else:
            table.empty = told.error or (NONE if publishing else "no process publishes counters: see Tiers")
        table.set_items(sets)

    def _paint_jobs(self, told: Frame, now: float) -> None:
        """The jobs as the store has them; it is no part of the server, and its link says nothing of them."""
        kept = bool(self.session.sources("WarmDesk"))
        if kept and now - self._jobs_asked_at >= EVERY:
            self._jobs_asked_at = now
            self.probe(JOBS_TOPIC, WARMING, "WarmDesk", _jobs)
        report = told.report if isinstance(told.report, JobsReport) else None
        table = self.query_one("#jobs", LiveTable)
        table.set_health(None, now)
        table.title = warmjobs.title(report)
        unknown = "the store has not said yet" if kept else warmjobs.NO_STORE
        table.empty = told.error or (warmjobs.FIRST if report is not None else unknown)
        table.set_items(report.rows if report is not None else ())

    @property
    def _now(self) -> float:
        told = self.frames.get(JOBS_TOPIC)
        return max(told.at, self.frames["cache"].at) if told is not None else 0.0

    @property
    def current(self) -> JobRow | WarmSet | None:
        """What is under the cursor of the table that has the keys; where that has nothing, of the other."""
        tables = [self.query_one(name, LiveTable) for name in ("#jobs", "#sets")]
        tables.sort(key=lambda table: not table.has_focus)
        found = (table.current for table in tables)
        return next((one for one in found if isinstance(one, JobRow | WarmSet)), None)

    @property
    def job(self) -> JobRow | None:
        """The job under the cursor."""
        row = self.query_one("#jobs", LiveTable).current
        return row if isinstance(row, JobRow) else None

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """What is under the cursor, with the server."""
        sets = self.query_one("#sets", LiveTable)
        table = sets if sets.has_focus else self.query_one("#jobs", LiveTable)
        return {"source": self.source, **table.selection()} if self.source else None

    def source_for(self, power: str) -> str:
        """Jobs and loops are no server's."""
        desks = {"WarmDesk": WARMING, "TuningDesk": TUNING}
        return desks[power] if power in desks else super().source_for(power)

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`r` runs what is under the cursor, `c` makes a job, `P` pauses all; `i`, `O`, `D` are of a job."""
        if id == "cache.warm":
            self._run()
        elif id == "cache.job-new":
            warmjobs.new_job(
                self, self.source, self.query_one("#sets", LiveTable).view.items.values(), self._again
            )
        elif id == "cache.jobs-pause":
            paused = getattr(self.frames[JOBS_TOPIC].report, "paused", False)
            self._change("tune.set", TUNING, loop=WARMING, mode="on" if paused else "off")
        elif id in OF_A_JOB:
            self._of_job(id)
        else:
            return super().on_command(id)
        return True

    def _of_job(self, id_: str) -> None:
        row = self.job
        if row is None:
            self.toast("there is no job yet: c makes one")
        elif id_ == "cache.job-edit":
            warmjobs.edit_job(self, row, self._again)
        elif id_ == "cache.job-switch":
            self._change("cache.warm-switch", WARMING, job=row.job.name, on=not row.job.on)
        else:
            self._change("cache.warm-remove", WARMING, job=row.job.name)

    def _run(self) -> None:
        current = self.current
        if isinstance(current, JobRow):
            self._change("cache.warm-job", WARMING, job=current.job.name)
        elif isinstance(current, WarmSet):
            self.perform("cache.warm", self.source, namespace=current.namespace, name=current.name)
        else:
            self.toast("no job or warm set is under the cursor")

    def _change(self, action: str, source: str, **how: Any) -> None:
        self.perform(action, source, lambda _receipt: self._again(), **how)

    def _again(self) -> None:
        """The store has something new."""
        self._jobs_asked_at = float("-inf")
        self.redraw()


def used(servers: Iterable[CacheNode]) -> warmjobs.Used:
    """What nodes of all servers say became of the keys of jobs."""
    told = (one.reading.tiers for one in servers if one.reading is not None and one.reading.tiers is not None)
    return newest((node.namespace, one) for tiers in told for node in tiers.nodes for one in node.warmed)


async def _sets(power: Any) -> tuple[WarmSet, ...]:
    return warm_sets((await power.nodes()).records)


async def _jobs(desk: Any) -> JobsReport:
    report: JobsReport = await desk.report()
    return report


def job_key(row: JobRow) -> str:
    """What tells two jobs apart."""
    return row.job.name


def set_key(one: WarmSet) -> tuple[str, str, str]:
    """What tells two rows apart."""
    return one.namespace, one.name, one.node


def state(one: WarmSet) -> Cell:
    """What the node does with it."""
    if not one.left:
        return ("warm", "ok") if one.runs else ("not begun", "muted")
    return ("loading", "accent") if one.leads else ("waits", "muted")


def columns() -> list[Column]:
    """Columns of sets."""

    def count(key: str, title: str, help_: str, priority: int = 1) -> Column:
        return Column(key, title, fmt.count, width=8, align="right", priority=priority, help=help_)

    return [
        Column("namespace", "Namespace", width=14, grow=True),
        Column("name", "Set", width=10),
        Column("node", "Node", lambda node: node[:8], width=8, priority=2),
        Column("state", "State", lambda cell: cell, value=state, width=9),
        Column(
            *("done", "Keys"),
            value=_done,
            width=17,
            align="right",
            help="of the last run",
            order=lambda one: (one.total - one.left, one.total),
        ),
        Column("part", "", share_bar, value=_part, width=16, priority=4),
        count("runs", "Runs", "that ended"),
        count("loaded", "Loaded", "keys, in all runs", 2),
        count("skipped", "Fresh", "keys that L2 had fresh, in all runs", 3),
        count("failed", "Failed", "keys that could not be loaded, in all runs"),
    ]


def _done(one: WarmSet) -> str:
    return f"{fmt.count(one.total - one.left)} of {fmt.count(one.total)}"


def _part(one: WarmSet) -> Interval:
    return ((one.total - one.left) / one.total if one.total else 0.0), 0.0
