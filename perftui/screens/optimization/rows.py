"""The score and its parts as rows, and the words of a recommendation."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.analysis.scorecurve import value_at
from perftui.draw import format as fmt
from perftui.draw.gain import gain
from perftui.draw.palette import state_span
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import line, wrap
from perftui.model.finding import Severity
from perftui.model.recommendation import AdviceReport, Recommendation
from perftui.model.score import CategoryScore, Check

WORDS = {Severity.INFO: "ok", Severity.WARNING: "warn", Severity.CRITICAL: "crit"}
GOOD, FAIR = 90.0, 50.0


def band(score: float | None) -> str:
    """The state word of a score: 90 and above good, 50 and above fair."""
    if score is None:
        return "off"
    return "ok" if score >= GOOD else "warn" if score >= FAIR else "crit"


def score_rows(report: AdviceReport, size: Size, look: Look) -> Rows:
    """The whole score, then a bar a category with how many checks were judged."""
    score = report.score
    overall = "–" if score.overall is None else f"{score.overall:.0f}"
    head = line(
        size.width,
        state_span(band(score.overall), look),
        Span(f"  {overall} of 100", "bold"),
        Span(f"   judged on {score.judged} of {score.total} checks, table version {score.version}", "muted"),
    )
    rows = [head, *(_category(c, size.width, look) for c in score.categories)]
    for text in report.formula:
        rows += wrap(text, size.width, "faint")
    return rows[: size.height]


def _category(category: CategoryScore, width: int, look: Look) -> Row:
    value = "  –" if category.score is None else f"{category.score:3.0f}"
    room = max(10, width - 44)
    full = 0 if category.score is None else round(category.score / 100 * room)
    on, off = ("#", ".") if look.ascii_ else ("█", "·")
    said = f"  {category.judged}/{len(category.checks)} checks × {category.weight:.0f} %"
    if not category.checks:
        said = "  no source in this version"
    return line(
        width,
        Span(f"{category.name:<9} "),
        Span(f"{value} ", "bold"),
        Span(on * full, {"ok": "ok", "warn": "warn", "crit": "crit"}.get(band(category.score), "muted")),
        Span(off * (room - full), "faint"),
        Span(said, "muted"),
    )


def check_rows(check: Check, size: Size) -> Rows:
    """One check's figure, curve and what would move it by one point."""
    rows = [line(size.width, Span(check.title, "title"))]
    if check.value is None or check.score is None:
        rows += wrap(f"not judged: connect {check.connect}", size.width, "muted")
        return rows[: size.height]
    judged = 1.0 - check.value if check.more_is_better else check.value
    texts = [
        f"{fmt.value(check.value, check.unit)} at {', '.join(check.sources)}: {check.score:.0f} points",
        f"90 points at {_figure(check, check.curve.good)}, 50 at {_figure(check, check.curve.median)}",
    ]
    if 0.5 < check.score < 98.5 and judged > 0:
        texts.append(f"one more point at {_figure(check, value_at(check.score + 1, check.curve))}")
    for text in texts:
        rows += wrap(text, size.width)
    return rows[: size.height]


def _figure(check: Check, judged: float) -> str:
    return fmt.value(1.0 - judged if check.more_is_better else judged, check.unit)


def recommendation_rows(rec: Recommendation, size: Size, look: Look) -> Rows:
    """Everything about one recommendation: evidence, gain, rank, what applies it."""
    return list(_recommendation(rec, size.width, look))[: size.height]


def _recommendation(rec: Recommendation, width: int, look: Look) -> Iterator[Row]:
    finding = rec.finding
    yield line(width, state_span(WORDS[finding.severity], look), Span(f"  {finding.title}", "title"))
    for text in finding.evidence:
        yield from wrap(f"• {text}" if not look.ascii_ else f"- {text}", width)
    effort = finding.effort.name.lower()
    yield line(width, Span("gain ", "muted"), Span(gain(finding)), Span("  effort ", "muted"), Span(effort))
    yield from wrap(f"rank {rec.rank_value:.1f} = {rec.why_rank}", width, "muted")
    if finding.offer is not None:
        yield line(width, Span("A ", "accent bold"), Span(finding.offer.title))
    else:
        yield line(width, Span("no key applies this one: it needs a change elsewhere", "muted"))
    yield line(width, Span(f"{finding.id} on {finding.source}", "faint"))
