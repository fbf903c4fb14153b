"""What the export dialog offers beside the table in front: the past as samples, report and post-mortem."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from perftui.config import paths

if TYPE_CHECKING:
    from perftui.export.story import Story
    from perftui.screens.live import LiveScreen
    from perftui.session import Session

PAST: dict[str, str] = {
    "samples.csv": "samples as CSV, a row each",
    "wide.csv": "samples as CSV, a column a series",
    "samples.json": "samples as JSON",
    "samples.ndjson": "samples as JSON, one a line",
    "pdf": "report of everything as PDF",
    "post-mortem.md": "post-mortem of everything as Markdown, charts beside",
}
"""Ending of the file → what it is, of the forms that take a range of time."""
RANGES: tuple[tuple[str, float], ...] = (
    ("15 m", 900.0),
    ("1 h", 3600.0),
    ("6 h", 21600.0),
    ("24 h", 86400.0),
    ("7 d", 604800.0),
    ("30 d", 2592000.0),
)

LATELY = 3600.0  # seconds up to the instant shown that Grafana is linked to and told of


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen last: the ending, and the seconds looked back."""

    form: str = ""
    seconds: float = 3600.0


def remembered() -> Choice:
    """The choice of the last console here; the default where there is none to read."""
    try:
        found = json.loads((paths.state_dir() / "export.json").read_text(encoding="utf-8"))
        return Choice(str(found["form"])[:40], float(found["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Choice()


def remember(choice: Choice) -> None:
    """Keep a choice for the next console; not worth a word when it cannot be."""
    try:
        paths.write_private(paths.state_dir() / "export.json", json.dumps(asdict(choice)))
    except OSError:
        return


def has_past(session: Session) -> bool:
    """Whether this console remembers anything."""
    return getattr(session, "memory", None) is not None


async def write_past(session: Session, screen: LiveScreen, form: str, path: Path, seconds: float) -> str:
    """Write the stretch up to the instant shown to a new file and say what it was."""
    from perftui.export import pdf, samples
    from perftui.export.gather import gather, of_session, series_of
    from perftui.export.postmortem import charts_beside, lines

    past, end = of_session(session), session.clock.now().at
    window = (end - seconds, end)
    if path.exists():
        raise FileExistsError(17, "there is such a file already", str(path))
    if form in {"pdf", "post-mortem.md"}:
        story: Story = await gather(past, session.config, *window)
        if form == "pdf":
            paths.write_private(path, "")
            await asyncio.to_thread(pdf.write, str(path), story)
            return f"report of {len(story.chapters)} layers"
        charts = charts_beside(story, path)
        paths.write_private(path, "\n".join(lines(story, charts)) + "\n")
        return f"post-mortem and {len(charts)} charts"
    write = {
        "wide.csv": samples.wide_csv,
        "samples.json": samples.json_array,
        "samples.ndjson": samples.ndjson,
    }
    keys, step = series_of(past, sources_of(screen)), samples.step_of(seconds)
    with paths.private_file(path) as out:
        count = await write.get(form, samples.long_csv)(out, past, keys, window, step)
    return f"{count:,} rows of {len(keys)} series"


def sources_of(screen: LiveScreen) -> set[str]:
    """The systems behind the tab in front."""
    topics = screen.tab.topics if screen.tab is not None else ()
    frames = [screen.frames[topic] for topic in topics if topic in screen.frames]
    return {name for frame in frames for name in frame.health}


def grafana_link(screen: LiveScreen) -> str:
    """Where Grafana shows the tab in front over the hour to the instant shown; "" when none is configured."""
    from perftui.export.grafana import link

    session = screen.session
    end = session.clock.now().at
    chosen = (screen.tab.selection or {}).get("source", "") if screen.tab is not None else ""
    source = str(chosen) if chosen in session.env.backends else ""
    window = (end - LATELY, end)
    return link(session.config.grafana, screen.tab_name, window, env=session.env.name, source=source)


def push_to_grafana(screen: LiveScreen) -> None:
    """Plan and ask for writing our dashboards, and as annotations what happened in the hour shown."""
    from perftui.export.grafana import annotation, dashboards
    from perftui.model.dashboards import HOST

    session = screen.session
    if HOST not in session.sources("DashboardHost"):
        screen.toast('no Grafana to push to: [grafana] url = "https://…" and its token', "warn")
        return
    end = session.clock.now().at
    found = session.frame("events").report
    events = [e for e in getattr(found, "events", ()) if end - LATELY <= e.at <= end and e.source != HOST]
    what = {
        "dashboards": dashboards(session.config.grafana),
        "annotations": [annotation(event, session.env.name) for event in events],
    }
    screen.perform("grafana.push", HOST, None, what)
