"""What every cache tab does alike: one server in front, its header line, purging, choosing another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from perftui.draw.rows import Look, Rows, Size
from perftui.model.cache import CacheNode, CacheReport
from perftui.model.frame import Frame
from perftui.screens.cache.rows import head_row
from perftui.screens.tab import Tab
from perftui.widgets.panel import Panel

EMPTY = '\nconnect one: [env.NAME.backends.cache] kind = "valkey", url = "redis://127.0.0.1:6379/0"'


class CacheTab(Tab):
    """A tab about one server: the primary, or the one chosen with `t`."""

    verbs: ClassVar[Mapping[str, str]] = {"purge": "PATTERN  purge keys by pattern"}

    def __init__(self) -> None:
        super().__init__()
        self.chosen = ""

    @property
    def report(self) -> CacheReport | None:
        """The report in front."""
        frame = self.frames.get("cache")
        return frame.report if frame and isinstance(frame.report, CacheReport) else None

    @property
    def node(self) -> CacheNode | None:
        """The server the tab is about."""
        report = self.report
        if report is None:
            return None
        return (report.node(self.chosen) if self.chosen else None) or report.primary

    @property
    def source(self) -> str:
        """Its name, '' before the first report."""
        return self.node.source if self.node else ""

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """The header line; tabs draw the rest in `paint`."""
        frame = frames["cache"]
        if self.report is None:
            return
        node = self.node
        head = self.query("#head")
        if head:
            head.first(Panel).set_rows(lambda size, look: [head_row(node, frame.at, size.width, look)])
        if node is not None:
            self.paint(frames, node)

    def paint(self, frames: Mapping[str, Frame], node: CacheNode) -> None:
        """Draw what the tab is about."""

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The server."""
        return {"source": self.source} if self.source else None

    def health_of(self, frames: Mapping[str, Frame], node: CacheNode) -> None:
        """Let every panel but the header say how the link stands."""
        for panel in self.query(Panel):
            if panel.id != "head":
                panel.set_health(node.health, frames["cache"].at)

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
        """`:purge PATTERN`."""
        if verb != "purge" or not words:
            return False
        self.perform("cache.purge", self.purge_source(), pattern=" ".join(words))
        return True

    def purge_source(self) -> str:
        """Where a purge goes: the server in front when it can be written to, else the primary."""
        node = self.node
        if node is not None and node.role == "replica" and self.report is not None and self.report.primary:
            return self.report.primary.source
        return self.source or self.source_for("KeyPurger")

    def ask_purge(self, pattern: str) -> None:
        """Ask for the pattern, then plan."""
        source = self.purge_source()
        self.ask(
            f"Purge keys of {source}",
            "pattern, such as product:* (the plan comes first)",
            lambda text: self.perform("cache.purge", source, pattern=text.strip()),
            value=pattern,
            check=lambda text: "" if text.strip() else "a pattern, such as product:*",
        )

    def _ask_which(self) -> None:
        report = self.report
        if report is None or len(report.nodes) < 2:
            self.toast("there is only this server")
            return
        self.choose("Which server", [(n.source, f"{n.source}  {n.role}") for n in report.nodes], self._choose)

    def _choose(self, source: str) -> None:
        self.chosen = source
        self.chosen_changed()
        self.redraw()

    def chosen_changed(self) -> None:
        """Another server is in front: what belongs to the one before must be asked again."""


def blank(_size: Size, _look: Look) -> Rows:
    """Nothing."""
    return []
