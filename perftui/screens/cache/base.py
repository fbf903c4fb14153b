"""What every cache tab does alike: a server or cluster in front, its header line, purging, another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from perftui.analysis.wholecluster import fronts
from perftui.draw.rows import Look, Rows, Size
from perftui.model.cache import CacheNode, CacheReport
from perftui.model.cachecluster import ClusterReport
from perftui.model.frame import Frame
from perftui.screens.cache import purging
from perftui.screens.cache.rows import head_row
from perftui.screens.tab import Tab
from perftui.widgets.panel import Panel

EMPTY = '\nconnect one: [env.NAME.backends.cache] kind = "valkey", url = "redis://127.0.0.1:6379/0"'


class CacheTab(Tab):
    """A tab about one server, or a cluster told as one: the primary, or the one chosen with `t`."""

    verbs: ClassVar[Mapping[str, str]] = {
        "purge": "[--namespace NS] [--tag TAG] [--rate N] [--quarantine FILE] [PATTERN]  purge keys"
    }

    def __init__(self) -> None:
        super().__init__()
        self.chosen = ""
        self._clusters: tuple[Frame | None, tuple[CacheNode, ...]] = None, ()

    @property
    def report(self) -> CacheReport | None:
        """The report of single servers."""
        frame = self.frames.get("cache")
        return frame.report if frame and isinstance(frame.report, CacheReport) else None

    @property
    def nodes(self) -> tuple[CacheNode, ...]:
        """Every server, then each cluster or group that the tab follows, as one."""
        frame = self.frames.get("cachecluster")
        if frame is not self._clusters[0]:
            told = frame.report if frame is not None else None
            self._clusters = frame, fronts(told) if isinstance(told, ClusterReport) else ()
        return (*(self.report.nodes if self.report else ()), *self._clusters[1])

    @property
    def node(self) -> CacheNode | None:
        """The one the tab is about."""
        nodes, first = self.nodes, self.report.primary if self.report else None
        chosen = next((node for node in nodes if node.source == self.chosen), None)
        if chosen is not None or (first is not None and first.reading is not None):
            return chosen or first
        return next((node for node in nodes if node.reading is not None), next(iter(nodes), None))

    @property
    def source(self) -> str:
        """Its name, '' before the first report."""
        return self.node.source if self.node else ""

    def frame_of(self, node: CacheNode) -> Frame:
        """The frame that tells of it."""
        mine = self.report is not None and self.report.node(node.source) is not None
        return self.frames["cache" if mine else "cachecluster"]

    def told(self, topic: str, node: CacheNode) -> Frame:
        """What a probe of this very server brought; an empty frame where the newest is another's."""
        frame = self.frames[topic]
        if not frame.health or node.source in frame.health:
            return frame
        return replace(frame, report=None, error="")

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """The header line; tabs draw the rest in `paint`."""
        node = self.node
        if node is None:
            return
        at = self.frame_of(node).at
        head = self.query("#head")
        if head:
            head.first(Panel).set_rows(lambda size, look: [head_row(node, at, size.width, look)])
        self.paint(frames, node)

    def paint(self, frames: Mapping[str, Frame], node: CacheNode) -> None:
        """Draw what the tab is about."""

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The server."""
        return {"source": self.source} if self.source else None

    def health_of(self, node: CacheNode) -> None:
        """Let every panel but the header say how the link stands."""
        at = self.frame_of(node).at
        for panel in self.query(Panel):
            if panel.id != "head":
                panel.set_health(node.health, at)

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`p` asks for a pattern, `t` for a server."""
        if id == "cache.purge":
            self.ask_purge("")
        elif id == "cache.which":
            self._ask_which()
        else:
            return False
        return True

    def on_verb(self, verb: str, words: tuple[str, ...]) -> bool:
        """`:purge` and what is typed behind `p`: a pattern, `--namespace NS`, `--tag TAG` and their like."""
        text = " ".join(words)
        if verb != "purge" or not words:
            return False
        if problem := purging.check(text):
            self.toast(problem, "warn")
        else:
            purging.purge(self, self.purge_source(), text, self.namespace_here)
        return True

    def purge_source(self) -> str:
        """Where a purge goes: the server in front when it can be written to, else the primary."""
        node = self.node
        if node is not None and node.role == "replica" and self.report is not None and self.report.primary:
            return self.report.primary.source
        return self.source or self.source_for("KeyPurger")

    @property
    def namespace_here(self) -> str:
        """The cache whose tag is meant where none is named: the only one there is; '' of several."""
        names = [view.namespace for view in self.node.namespaces] if self.node else []
        return names[0] if len(names) == 1 else ""

    def ask_purge(self, pattern: str) -> None:
        """Ask for the pattern, or whatever else says what goes, then plan."""
        purging.ask(self, self.purge_source(), pattern, self.namespace_here)

    def _ask_which(self) -> None:
        if len(self.nodes) < 2:
            self.toast("there is only this server")
            return
        options = [(node.source, f"{node.source}  {node.role}") for node in self.nodes]
        self.choose("Which server", options, self._choose)

    def _choose(self, source: str) -> None:
        self.chosen = source
        self.chosen_changed()
        self.redraw()

    def chosen_changed(self) -> None:
        """Another server is in front: what belongs to the one before must be asked again."""


def blank(_size: Size, _look: Look) -> Rows:
    """Nothing."""
    return []
