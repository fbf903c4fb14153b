"""Hit ratios over a quarter of an hour and a day on the Tiers tab, from history."""

from __future__ import annotations

from perftui.draw.hitpast import words
from perftui.model.cache import CacheNode
from perftui.model.frame import Frame
from perftui.model.hitpast import SHELF, TOPIC, HitPast
from perftui.screens.tab import Tab

EVERY = 30.0
"""Seconds between two looks at the history of one server."""


class HitsAsked:
    """Asks for the ratios of the server in front, now and then, and has what came."""

    def __init__(self) -> None:
        self._source, self._at = "", 0.0

    def ask(self, tab: Tab, source: str, at: float) -> None:
        """Ask where the last answer is old or another server's; nothing where there is no store."""
        if source == self._source and at - self._at < EVERY:
            return
        if SHELF in tab.session.sources("HitShelf"):
            self._source, self._at = source, at
            tab.probe(TOPIC, SHELF, "HitShelf", lambda kept: kept.hits(source))


def told(frame: Frame, node: CacheNode) -> HitPast | None:
    """What is known of this very server."""
    report = frame.report
    return report if isinstance(report, HitPast) and report.source == node.source else None


def note(past: HitPast | None, *, attached: bool) -> str:
    """Of the chart: what the server hit, and above it the memory of the library's nodes."""
    if past is None:
        return ""
    if attached and past.l1:
        return f"L2 {words(past.l2)}; L1 {words(past.l1)}"
    return words(past.l2)
