"""A range of time as a Markdown document to finish by hand: what happened, what was done, how it looked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from perftui.analysis.buckets import Window
from perftui.config.paths import write_private
from perftui.draw import format as fmt
from perftui.export.chartsvg import chart_svg
from perftui.export.markdown import escaped, table
from perftui.export.pdf import lasted
from perftui.export.sheet import stamp
from perftui.export.story import Story
from perftui.model.event import Event


def lines(story: Story, charts: Mapping[str, str]) -> Iterator[str]:
    """The document; `charts` are the titles of pictures and their files."""
    yield f"# Post-mortem: {escaped(story.title)}"
    yield ""
    yield f"{stamp(story.start)} to {stamp(story.end)} UTC, written by {escaped(story.who)}."
    yield from ("", "## Summary", "")
    yield from (f"- {escaped(sentence)}" for sentence in story.summary())
    yield from ("", "## Timeline", "")
    yield from events(story.happenings)
    yield from ("", "## Alerts", "")
    rows = ((stamp(e.at), e.kind, e.source, e.title, e.who, e.note) for e in story.alerts)
    yield from table(("UTC", "state", "where", "alert", "by", "note"), rows)
    yield from ("", "## Actions", "")
    done = ((stamp(a.at), a.outcome.value, a.user, a.target, a.plan, a.detail) for a in story.actions)
    yield from table(("UTC", "outcome", "who", "target", "plan", "detail"), done)
    yield from ("", "## Findings", "")
    yield from events(story.findings)
    yield from ("", "## Targets", "")
    goals = (
        (one.target.title, fmt.value(one.target.goal, one.target.unit), _figure(one.value, one.target.unit))
        for one in story.objectives
    )
    yield from table(("target", "goal", "at the end"), goals)
    yield from ("", "## Charts", "")
    for title, file in charts.items():
        yield f"![{escaped(title)}]({file})"
    if not charts:
        yield "Charts are written beside the document with `--out FILE.md`, where samples were stored."


def _figure(value: float | None, unit: str) -> str:
    return "no figure" if value is None else fmt.value(value, unit)


def events(found: tuple[Event, ...]) -> Iterator[str]:
    """A table of events."""
    rows = ((stamp(e.at), e.kind, e.source, e.title, e.detail, lasted(e), e.actor) for e in found)
    return table(("UTC", "kind", "where", "what", "more", "lasted", "by"), rows)


def charts_beside(story: Story, document: Path) -> dict[str, str]:
    """Write every chart as SVG beside a document; title to name of the file."""
    files: dict[str, str] = {}
    for curve in (curve for chapter in story.chapters for curve in chapter.curves):
        plain = re.sub(r"[^a-z0-9]+", "-", curve.title.lower())[:40]
        name = f"{document.stem}-{len(files) + 1:02}-{plain}.svg"
        write_private(document.with_name(name), chart_svg(curve, Window(story.start, story.end)))
        files[curve.title] = name
    return files
