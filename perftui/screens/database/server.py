"""Which server the screen speaks about, and what to say while it has nothing to show."""

from __future__ import annotations

from perftui.draw.clean import inert
from perftui.model.database import DatabaseReport, ServerReport
from perftui.model.frame import Frame


def shown_server(frame: Frame) -> ServerReport | None:
    """The server the screen speaks about."""
    report = frame.report
    return report.primary if isinstance(report, DatabaseReport) else None


def nothing_ran(server: ServerReport) -> tuple[str, str]:
    """Why there are no statements to show, and the line that would change it."""
    for limit in server.reading.limits:
        if "statistics" in limit.what:
            return limit.what, inert(limit.remedy)
    if server.reading.workload is None:
        return "counting: the first figures need two looks", ""
    return "no statement finished in the last minute", ""
