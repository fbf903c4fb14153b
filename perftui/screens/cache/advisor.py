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
from perftui.draw.gain import gain, gain_order
from perftui.draw.rows import Rows, Size
from perftui.draw.table import Cell, Column
from perftui.draw.text import line, wrap
from perftui.model.finding import Finding, Severity
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.rehearsal import TOPIC, Rehearsal
from perftui.model.serverconfig import TOPIC as SETTINGS
from perftui.model.serverconfig import SettingRow
from perftui.screens.cache import applied, rehearsals, settings, waiting
from perftui.screens.cache.base import EMPTY, CacheTab
from perftui.screens.cache.library import node_key
from perftui.screens.cache.tierrows import WORDS
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

TOPICS = ("cache", "cachecluster")
VIEWS = ("waiting", "rehearsals", "applied", "settings", "heard")
ALONE = frozenset({"heard", "applied", "settings"})  # views that take the whole width
FULL, SPACE = "cache.memory-near-limit", "cache.keyspace"
PAGES = 64  # random places of a sample of the keys


class AdvisorTab(CacheTab):
    """Findings with their evidence; below, nodes that have something waiting or hear nothing.

    The settings of a server take the place of the findings.
    """

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
    AdvisorTab.settings #upper { height: 7; }
    AdvisorTab.settings #found { display: none; }
    AdvisorTab.settings #evidence { width: 1fr; height: 1fr; }
    """
    id_: ClassVar[str] = "cache.advisor"
    title: ClassVar[str] = "Advisor"
    topics: ClassVar[tuple[str, ...]] = (*TOPICS, TOPIC, "events", SETTINGS)
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
        self._settings = settings.Asked()

    def compose(self) -> Iterable[Widget]:
        """The findings take the keys."""
        with Widget(id="upper"):
            yield LiveTable(finding_columns(), key=finding_key, title="Findings", id="found")
            yield Panel("Evidence", id="evidence")
        with Widget(id="lower"):
            yield LiveTable(
                waiting.waiting_columns(),
                key=node_key,
                title="Waiting at nodes",
                empty=waiting.NOBODY,
                id="waiting",
            )
            yield LiveTable(
                waiting.heard_columns(),
                key=waiting.heard_key,
                title="Changes heard after",
                empty=waiting.UNMEASURED,
                id="heard",
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
            yield LiveTable(settings.columns(), key=settings.setting_key, title="Settings", id="settings")

    def on_shown(self) -> None:
        """Others may have rehearsed meanwhile."""
        rehearsals.ask(self)

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns one below the other, and below these one table; `v` changes it."""
        wide = layout >= 120
        self.set_class(not wide, "narrow")
        self.set_class(self.below == "settings", "settings")
        beside = wide and self.below not in ALONE
        for name in VIEWS:
            self.query_one(f"#{name}").display = name == self.below or (beside and name not in ALONE)

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """All servers and clusters together."""
        looked = [frames[topic] for topic in TOPICS if frames[topic].report is not None]
        found = sorted(
            chain(*(frame.findings for frame in looked)), key=lambda f: (-f.severity, f.source, f.id)
        )
        table = self.query_one("#found", LiveTable)
        age = fmt.age(max(0.0, frames["cache"].at - max((frame.at for frame in looked), default=0.0)))
        silent = sorted(
            name for frame in looked for name, h in frame.health.items() if h.link not in waiting.KNOWN
        )
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
        if self.below == "settings" and (node := self.node) is not None:
            self._settings.look(self, node, self.frame_of(node).at)
            settings.show(self.query_one("#settings", LiveTable), self.told(SETTINGS, node), node.source)
        self._explain()
        queues, late = self.query_one("#waiting", LiveTable), self.query_one("#heard", LiveTable)
        queues.empty = unknown or waiting.NOBODY
        queues.set_items(waiting.waiting(self.nodes))
        late.empty = unknown or waiting.UNMEASURED
        late.set_items(waiting.heard(self.nodes))

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
        if self.below == "settings":
            row = self.query_one("#settings", LiveTable).current
            panel.title = "What it does"
            panel.set_rows(
                lambda size, _look: settings.explained(row, size) if isinstance(row, SettingRow) else []
            )
            return
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

    @property
    def _chosen(self) -> Finding | None:
        """The finding under the cursor; of settings, the one about the setting there."""
        found = self.query_one("#found", LiveTable)
        if self.below != "settings":
            return found.current if isinstance(found.current, Finding) else None
        row = self.query_one("#settings", LiveTable).current
        here = [one for one in found.view.items.values() if one.source == self.source]
        return settings.finding_of(row, here) if isinstance(row, SettingRow) else None

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The finding under the cursor."""
        current = self._chosen if self.frames else None
        if current is None:
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
            told = "; ".join(self._chosen.evidence) if self._chosen is not None else "nothing to say"
            self.toast(inert(told, 400))
        else:
            return super().on_command(id)
        return True

    def _mend(self) -> None:
        current = self._chosen
        offer = current.offer if current is not None else None
        if offer is None:
            self.toast(
                "no action mends this by itself" if current is not None else "there is nothing to mend"
            )
        elif offer.action == "cache.purge" and not offer.params:
            self.ask_purge("")
        else:
            self.perform(offer.action, offer.source, self._settings.forget, **dict(offer.params))


def finding_key(finding: Finding) -> tuple[str, str, str]:
    """What tells two findings apart."""
    return finding.source, finding.id, finding.title


def _severity(severity: Severity) -> Cell:
    word = WORDS[severity]
    return word, word


def _short(text: str) -> str:
    return text.replace("requests/s", "req/s")  # the evidence spells it out, with room for it


def finding_columns() -> list[Column]:
    """Columns of findings, worst first."""
    return [
        Column("severity", "", _severity, width=4),
        Column("title", "What", width=24, grow=True),
        Column("source", "Where", width=12, priority=2),
        Column("gain", "Gain", _short, value=gain, width=12, align="right", priority=3, order=gain_order),
        Column("effort", "Effort", lambda effort: effort.name.lower(), width=8, priority=4),
        Column("offer", "Key", lambda offer: ("A", "accent") if offer else "", width=3),
    ]


def evidence_rows(finding: Finding, size: Size) -> Rows:
    """Everything measured about one finding, and what mends it."""
    rows: Rows = [*wrap(inert(finding.title), size.width, "text bold")]
    for text in finding.evidence:
        rows += wrap(inert(text), size.width, "text")
    effort = finding.effort.name.lower()
    rows.append(line(size.width, ("gain ", "muted"), gain(finding), ("  effort ", "muted"), effort))
    if finding.offer is not None:
        rows += wrap(inert(f"A: {finding.offer.title}"), size.width, "accent")
    return rows
