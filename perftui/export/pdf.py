"""The report as PDF: cover, targets, alerts, timeline, a page a layer, findings, settings."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.analysis.buckets import Window
from perftui.analysis.budget import ALLOWED, Objective
from perftui.draw import format as fmt
from perftui.export.sheet import MARGIN, MUTED, Sheet, stamp
from perftui.export.story import Story
from perftui.model.event import Event


def write(path: str, story: Story, paper: str = "a4") -> None:
    """Write the story to a file; ConfigError when reportlab is not installed."""
    sheet = Sheet(path, paper, f"perftui report · {story.title}")
    _cover(sheet, story)
    sheet.page()
    _targets(sheet, story.objectives)
    _alerts(sheet, story)
    sheet.heading("Timeline")
    _events(sheet, story.happenings, "nothing else happened")
    for chapter in story.chapters:
        sheet.page()
        sheet.heading(f"Layer: {chapter.name}")
        sheet.charts(chapter.curves, Window(story.start, story.end))
    sheet.page()
    sheet.heading("Findings")
    _events(sheet, story.findings, "no finding stood in this time")
    _actions(sheet, story)
    sheet.heading("Appendix: settings")
    sheet.table(("setting", "value"), (2, 5), story.settings)
    sheet.save()


def _cover(sheet: Sheet, story: Story) -> None:
    sheet.y -= 160
    sheet.heading("Performance report", 26)
    sheet.heading(story.title, 18)
    sheet.y -= 20
    lines = (
        ("Environment", f"{story.env} ({story.kind})"),
        ("From", f"{stamp(story.start)} UTC"),
        ("Until", f"{stamp(story.end)} UTC"),
        ("Made by", story.who),
        ("Made at", f"{stamp(story.made)} UTC"),
    )
    for name, text in lines:
        sheet.y -= 18
        sheet.put(name, 10, MUTED, at=(MARGIN, sheet.y))
        sheet.put(text, 10, at=(MARGIN + 110, sheet.y))
    sheet.y -= 30
    for sentence in story.summary():
        sheet.paragraph(sentence, 10)


def _targets(sheet: Sheet, objectives: Sequence[Objective]) -> None:
    sheet.heading("Targets")
    sheet.paragraph(
        f"In breach: share of the observed time on the wrong side; the error budget is {ALLOWED:.1%} of it.",
        8,
        MUTED,
    )
    spans = next((tuple(name for name, _ in one.spent) for one in objectives if one.spent), ())
    header = ("target", "goal", "value", *(f"breach {name}" for name in spans), "budget left")
    rows = [_target_row(one, len(spans)) for one in objectives]
    sheet.table(header, (3, 2, 2, *(2 for _ in spans), 2), rows)


def _target_row(one: Objective, spans: int) -> tuple[str, ...]:
    sign = "<" if one.target.below is not None else ">"
    goal = f"{sign} {fmt.value(one.target.goal, one.target.unit)}"
    value = fmt.value(one.value, one.target.unit) if one.value is not None else "no figure"
    ratios = [spent.ratio for _, spent in one.spent]
    breach = ["–" if ratio is None else f"{ratio:.2%}" for ratio in ratios] or ["–"] * spans
    left = one.spent[-1][1].left if one.spent else None
    return (one.target.title, goal, value, *breach, _budget(left))


def _budget(left: float | None) -> str:
    if left is None:
        return "–"
    return f"{left:.0%}" if left >= 0 else f"spent {1 - left:,.1f} times"


def _alerts(sheet: Sheet, story: Story) -> None:
    sheet.heading("Alerts")
    if not story.alerts:
        sheet.paragraph("No alert changed its state in this time.")
        return
    rows = [
        (stamp(e.at), e.kind, e.severity.name.lower(), e.source, e.title, f"{e.who} {e.note}".strip())
        for e in story.alerts
    ]
    sheet.table(("UTC", "state", "severity", "where", "alert", "by"), (3.6, 2, 1.8, 2, 6, 2), rows)


def _events(sheet: Sheet, events: Sequence[Event], otherwise: str) -> None:
    if not events:
        sheet.paragraph(f"{otherwise[0].upper()}{otherwise[1:]}.")
        return
    rows = [(stamp(e.at), e.kind, e.source, e.title, e.detail, lasted(e), e.actor) for e in events]
    sheet.table(("UTC", "kind", "where", "what", "more", "lasted", "by"), (3.6, 1.5, 2, 5, 4, 1.5, 1.5), rows)


def lasted(event: Event) -> str:
    """How long, in words."""
    if event.until is None:
        return "open" if event.kind == "finding" else ""
    return fmt.duration(event.until - event.at)


def _actions(sheet: Sheet, story: Story) -> None:
    sheet.heading("Actions")
    if not story.actions:
        sheet.paragraph("Nothing was changed through perftui in this time.")
        return
    rows = [(stamp(a.at), a.outcome.value, a.user, a.target, a.plan, a.detail) for a in story.actions]
    sheet.table(("UTC", "outcome", "who", "target", "plan", "detail"), (3.6, 2, 2, 2, 5, 4), rows)
