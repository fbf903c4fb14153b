"""Below a target: its error budget over three spans, and what became of it since the baseline."""

from __future__ import annotations

from perftui.analysis.budget import ALLOWED, TargetsReport
from perftui.draw import format as fmt
from perftui.draw.rows import Look, Row, Span
from perftui.draw.text import line
from perftui.model.target import Target


def under(target: Target, value: float | None, report: TargetsReport | None, width: int, look: Look) -> Row:
    """One row: share of the observed time in breach, then before and now."""
    spans = [Span("missed ", "faint")]
    found = report.of(target.id) if report is not None else None
    for name, spent in found.spent if found is not None else ():
        if spent.ratio is not None:
            style = "warn" if spent.ratio > ALLOWED else "muted"
            spans.append(Span(f"{name.replace(' ', '')} {fmt.ratio(spent.ratio).strip()}  ", style))
    before = report.pinned.values.get(target.id) if report is not None and report.pinned is not None else None
    if before is not None and value is not None:
        spans.append(since(target, before, value, look))
    if len(spans) == 1:
        spans.append(Span("not measured yet", "faint"))
    return line(width, *spans)


def since(target: Target, before: float, now: float, look: Look) -> Span:
    """`120 ms → 50 ms, -58 %`, in the colour of better or worse."""
    arrow = "->" if look.ascii_ else "→"
    moved = f", {(now - before) / before:+.0%}" if before else ""
    better = now < before if target.below is not None else now > before
    style = "muted" if now == before else "ok" if better else "warn"
    said = f"{fmt.value(before, target.unit).strip()} {arrow} {fmt.value(now, target.unit).strip()}{moved}"
    return Span(said, style)
