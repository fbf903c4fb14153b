"""What the optimization tabs share: applying a recommendation's own action."""

from __future__ import annotations

from typing import ClassVar

from perftui.draw.gain import gain, gain_order
from perftui.draw.table import Cell, Column
from perftui.model.recommendation import AdviceReport, Recommendation
from perftui.screens.optimization.rows import WORDS
from perftui.screens.tab import Tab

GLYPHS = {"ok": "●", "warn": "▲", "crit": "■"}


class AdviceTab(Tab):
    """A tab drawn from the ranked findings of all engines."""

    topics: ClassVar[tuple[str, ...]] = ("optimization",)
    empty: ClassVar[str] = (
        "would show one score and one ranked list out of what every engine found\n"
        "connect any system: perftui config init writes a configuration to start from"
    )

    @property
    def report(self) -> AdviceReport | None:
        """The newest report, if there is one."""
        report = self.frames["optimization"].report if self.frames else None
        return report if isinstance(report, AdviceReport) else None

    def apply(self, recommendation: Recommendation | None) -> None:
        """Start the action a recommendation offers, or say that it offers none."""
        if recommendation is None:
            self.toast("no recommendation is selected", "warn")
            return
        offer = recommendation.finding.offer
        if offer is None:
            self.toast("no key applies this one: it needs a change elsewhere", "warn")
            return
        source = self.session.target_of(offer)
        able, why = self.session.can(offer.action, source)
        if not able:
            self.toast(why, "warn")
            return
        self.perform(offer.action, source, **dict(offer.params))


def columns() -> list[Column]:
    """Columns of the ranked list."""

    def severity(rec: Recommendation) -> Cell:
        word = WORDS[rec.finding.severity]
        return f"{GLYPHS[word]} {rec.finding.severity.name.lower()}", word

    def applies(rec: Recommendation) -> Cell:
        return ("A", "accent") if rec.finding.offer is not None else ("–", "faint")

    return [
        Column("rank", "Rank", lambda v: f"{v:.1f}", value=lambda r: r.rank_value, width=6, align="right"),
        Column(
            "severity", "Severity", severity, value=lambda r: r, width=10, order=lambda r: r.finding.severity
        ),
        Column("layer", "Layer", value=lambda r: r.layer, width=11, priority=3),
        Column("source", "Source", value=lambda r: r.finding.source, width=12, priority=2),
        Column("title", "What", value=lambda r: r.finding.title, width=28, grow=True),
        Column(
            *("gain", "Gain"),
            value=lambda r: gain(r.finding),
            width=10,
            align="right",
            priority=2,
            order=lambda r: gain_order(r.finding),
        ),
        Column(
            *("effort", "Effort"),
            value=lambda r: r.finding.effort.name.lower(),
            width=8,
            priority=4,
            order=lambda r: r.finding.effort,
        ),
        Column("key", "Key", applies, value=lambda r: r, width=3),
    ]


def row_key(rec: Recommendation) -> tuple[str, str, str]:
    """What tells two recommendations apart; figures in titles may change."""
    finding = rec.finding
    return finding.id, finding.source, str(finding.labels or finding.title)
