"""Advisor: what is wrong with the caches, on what evidence, what waits at nodes, and rehearsed failovers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, ClassVar

from textual import events
from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.failover import failover
from perftui.draw.rows import Rows, Size
from perftui.draw.table import Cell, Column
from perftui.draw.text import line, wrap
from perftui.model.cache import CacheReport
from perftui.model.finding import Finding, Severity
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.rehearsal import TOPIC, Rehearsal
from perftui.model.tierview import TierNode
from perftui.screens.cache import applied, rehearsals
from perftui.screens.cache.base import EMPTY, CacheTab
from perftui.screens.cache.library import node_key
from perftui.screens.cache.tiers import WORDS
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

TOPICS = ("cache", "cachecluster")
VIEWS = ("waiting", "rehearsals", "applied")
KNOWN = {Link.LIVE, Link.LATE}
FULL, SPACE = "cache.memory-near-limit", "cache.keyspace"
PAGES = 64  # random places of a sample of the keys
NOBODY_WAITS = "no node has writes waiting for L2, and all hear what others change"


class AdvisorTab(CacheTab):
    """Findings with their evidence; below, nodes that have something waiting or hear nothing."""

    DEFAULT_CSS = """
    AdvisorTab { layout: vertical; }
    AdvisorTab #upper { height: 2fr; layout: horizontal; }
    AdvisorTab #found { width: 3fr; margin-right: 1; }
    AdvisorTab #evidence { width: 2fr; }
    AdvisorTab #lower { height: 1fr; layout: horizontal; }
    AdvisorTab #waiting { width: 2fr; margin-right: 1; }
    AdvisorTab #rehearsals, AdvisorTab #applied { width: 3fr; }
    AdvisorTab.narrow #waiting { margin-right: 0; }
    AdvisorTab.narrow #upper { layout: vertical; }
    AdvisorTab.narrow #found { width: 1fr; height: 1fr; margin-right: 0; }
    AdvisorTab.narrow #evidence { width: 1fr; height: 6; }
    """
    id_: ClassVar[str] = "cache.advisor"
    title: ClassVar[str] = "Advisor"
    topics: ClassVar[tuple[str, ...]] = (*TOPICS, TOPIC, "events")
    empty: ClassVar[str] = (
        "would show what is wrong with the caches, on what evidence, and what mends it" + EMPTY
    )
    first: ClassVar[str] = "#found"

    def __init__(self) -> None:
        super().__init__()
        self.below = VIEWS[0]
        self._ledger = applied.Ledger()
        self._asked = False
        self._sampled: set[str] = set()

    def compose(self) -> Iterable[Widget]:
        """The findings take the keys."""
        with Widget(id="upper"):
            yield LiveTable(finding_columns(), key=finding_key, title="Findings", id="found")
            yield Panel("Evidence", id="evidence")
        with Widget(id="lower"):
            yield LiveTable(
                waiting_columns(), key=node_key, title="Waiting at nodes", empty=NOBODY_WAITS, id="waiting"
            )
            yield LiveTable(
                rehearsals.rehearsal_columns(self.look.tz),
                key=rehearsals.rehearsal_key,
                title="Rehearsed failovers",
                empty="none yet: K on Cluster, where the lab holds it",
                id="rehearsals",
                sort="at",
                reverse=True,
            )
            yield LiveTable(
                applied.columns(self.look.tz),
                key=lambda row: row.key,
                title="Applied, before and after",
                empty="nothing was done to these servers yet: A applies what mends a finding",
                id="applied",
                sort="at",
                reverse=True,
            )

    def on_shown(self) -> None:
        """Others may have rehearsed meanwhile."""
        rehearsals.ask(self)

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns one below the other, and below these one table; `v` changes it."""
        wide = layout >= 120
        self.set_class(not wide, "narrow")
        beside = wide and self.below != "applied"
        for name in VIEWS:
            self.query_one(f"#{name}").display = name == self.below or (beside and name != "applied")

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """All servers and clusters together."""
        looked = [frames[topic] for topic in TOPICS if frames[topic].report is not None]
        found = sorted(
            chain(*(frame.findings for frame in looked)), key=lambda f: (-f.severity, f.source, f.id)
        )
        table = self.query_one("#found", LiveTable)
        age = fmt.age(max(0.0, frames["cache"].at - max((frame.at for frame in looked), default=0.0)))
        silent = sorted(name for frame in looked for name, h in frame.health.items() if h.link not in KNOWN)
        unknown = f"not known while {inert(', '.join(silent), 60)} does not answer" if silent else ""
        table.empty = unknown or (f"nothing to say; last looked {age} ago" if looked else "not looked yet")
        table.set_items(found)
        self._sample(found)
        if not self._asked:  # the store may be there later than the tab
            self._asked = rehearsals.ask(self)
        self.query_one("#rehearsals", LiveTable).set_items(rehearsals.found(frames[TOPIC]))
        if self.below == "applied":
            known = [name for frame in looked for name in frame.health]
            rows = self._ledger.rows(frames["events"], frames["cache"], known)
            self.query_one("#applied", LiveTable).set_items(rows)
        self._explain()
        waiting = self.query_one("#waiting", LiveTable)
        waiting.empty = unknown or NOBODY_WAITS
        waiting.set_items(self._waiting())

    def _sample(self, found: Iterable[Finding]) -> None:
        """Which keys hold a memory that is nearly full is looked up once, where nobody has lately."""
        for source in {finding.source for finding in found if finding.id == FULL} - self._sampled:
            server = self.report.node(source) if self.report is not None else None
            if server is None or server.reading is None or server.health.link is not Link.LIVE:
                continue
            self._sampled.add(source)
            if server.reading.space is None:
                self.probe(SPACE, source, "KeyspaceReader", lambda power: power.sample_keyspace(b"", PAGES))

    def _explain(self) -> None:
        """The finding under the cursor; while rehearsals have the keys, the one under theirs."""
        panel, table = self.query_one("#evidence", Panel), self.query_one("#rehearsals", LiveTable)
        result = table.current if table.has_focus else None
        if isinstance(result, Rehearsal):
            panel.title = "Failover"
            panel.set_rows(lambda size, look: failover(result, size, look))
            return
        chosen = self.query_one("#found", LiveTable).current
        panel.title = "Evidence"
        panel.set_rows(lambda size, _look: evidence_rows(chosen, size) if isinstance(chosen, Finding) else [])

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        """Another table has the keys: explain what its cursor is on."""
        if self.frames:
            self._explain()

    def on_live_table_opened(self, opened: LiveTable.Opened) -> None:
        """Enter on a rehearsal shows every screen as it was when the node was killed; `.` goes on."""
        if isinstance(opened.item, Rehearsal):
            self.go("cache.cluster")
            self.live.console_app.travel.reach(opened.item.seen.at - rehearsals.LEAD)

    def _waiting(self) -> list[TierNode]:
        report = self.report
        every = report.nodes if isinstance(report, CacheReport) else ()
        servers = [server for server in every if server.health.link in KNOWN]
        tiers = [s.reading.tiers for s in servers if s.reading is not None and s.reading.tiers is not None]
        nodes = [node for facts in tiers for node in facts.nodes]
        return sorted((n for n in nodes if n.waiting or n.breaker_open or not n.linked), key=node_key)

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The finding under the cursor."""
        current = self.query_one("#found", LiveTable).current if self.frames else None
        if not isinstance(current, Finding):
            return None
        return {"source": current.source, "finding": current.id, "title": current.title}

    def on_live_table_cursor_moved(self, _moved: LiveTable.CursorMoved) -> None:
        """Another finding: show its evidence."""
        self.redraw()

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`A` applies what mends the finding under the cursor, `w` says its evidence where little fits."""
        if id == "cache.advice-apply":
            self._mend()
        elif id == "cache.advice-view":
            self.below = VIEWS[(VIEWS.index(self.below) + 1) % len(VIEWS)]
            self.arrange_for(self.layout_now)
            self.query_one(f"#{self.below}").focus()
            self.redraw()
        elif id == "cache.advice-why":
            current = self.query_one("#found", LiveTable).current
            told = "; ".join(current.evidence) if isinstance(current, Finding) else "nothing to say"
            self.toast(inert(told, 400))
        else:
            return super().on_command(id)
        return True

    def _mend(self) -> None:
        current = self.query_one("#found", LiveTable).current
        offer = current.offer if isinstance(current, Finding) else None
        if offer is None:
            self.toast(
                "no action mends this by itself" if current is not None else "there is nothing to mend"
            )
        elif offer.action == "cache.purge" and not offer.params:
            self.ask_purge("")
        else:
            self.perform(offer.action, offer.source, **dict(offer.params))


def finding_key(finding: Finding) -> tuple[str, str, str]:
    """What tells two findings apart."""
    return finding.source, finding.id, finding.title


def _severity(severity: Severity) -> Cell:
    word = WORDS[severity]
    return word, word


def _gain(finding: Finding) -> str:
    if not finding.gain:
        return "–"
    known = finding.gain_unit in {"s", "bytes", "ratio", "1/s", "bytes/s"}
    return fmt.value(finding.gain, finding.gain_unit) if known else f"{finding.gain:.3g} {finding.gain_unit}"


def finding_columns() -> list[Column]:
    """Columns of findings, worst first."""
    return [
        Column("severity", "", _severity, width=4),
        Column("title", "What", width=24, grow=True),
        Column("source", "Where", width=12, priority=2),
        Column("gain", "Gain", lambda text: text, value=_gain, width=10, align="right", priority=3),
        Column("effort", "Effort", lambda effort: effort.name.lower(), width=8, priority=4),
        Column("offer", "Key", lambda offer: ("A", "accent") if offer else "", width=3),
    ]


def waiting_columns() -> list[Column]:
    """Columns of nodes that wait."""
    return [
        Column("namespace", "Namespace", width=14, grow=True),
        Column("node", "Node", lambda node: node[:8], width=8),
        Column(
            "waiting", "Writes waiting", fmt.count, width=14, align="right", help="that L2 did not take yet"
        ),
        Column("linked", "Hears", lambda on: ("yes", "ok") if on else ("◌ deaf", "lost"), width=7),
        Column("breaker_open", "L2", lambda o: ("left alone", "warn") if o else ("used", ""), width=10),
    ]


def evidence_rows(finding: Finding, size: Size) -> Rows:
    """Everything measured about one finding, and what mends it."""
    rows: Rows = [*wrap(inert(finding.title), size.width, "text bold")]
    for text in finding.evidence:
        rows += wrap(inert(text), size.width, "text")
    effort = finding.effort.name.lower()
    rows.append(line(size.width, ("gain ", "muted"), _gain(finding), ("  effort ", "muted"), effort))
    if finding.offer is not None:
        rows += wrap(inert(f"A: {finding.offer.title}"), size.width, "accent")
    return rows
