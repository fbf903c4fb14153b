"""The chart that lies in a mail about an alert: its series before and around the firing."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from perftui.analysis.buckets import Window
from perftui.export.chartsvg import chart_svg
from perftui.export.gather import curve, of_session
from perftui.model.alerts import Alert, AlertsReport
from perftui.model.notify import Notification, Paint, Picture

if TYPE_CHECKING:
    from perftui.session import Session

BEFORE = 3600.0  # seconds drawn before the firing
MOST = 512 << 10  # bytes of a picture


def illustrate(session: Session) -> None:
    """From now on mails of this session have charts."""
    if session.alerts is not None:
        session.alerts.paint = painter(session)


def painter(session: Session) -> Paint:
    """Draws the first alert of a message whose series is known; PNG with the extra `[png]`, else SVG."""

    async def paint(what: Notification) -> Picture | None:
        report = session.frame("alerts").report
        alerts = report.alerts if isinstance(report, AlertsReport) else ()
        marks = {line.fingerprint for line in what.lines}
        alert = next((one for one in alerts if one.fingerprint in marks and one.key is not None), None)
        if alert is None or alert.key is None or session.memory is None:
            return None
        start, end = (alert.fired_at or what.at) - BEFORE, max(what.at, (alert.fired_at or what.at) + 60.0)
        goal = alert.threshold if alert.op else None
        drawn = await curve(of_session(session), alert.key, start, end, goal)
        if not drawn.at:
            return None
        return await asyncio.to_thread(_image, chart_svg(drawn, Window(start, end)), alert)

    return paint


def _image(svg: str, alert: Alert) -> Picture | None:
    words = f"chart of {alert.key}"
    try:
        kind, data = "png", bytes(import_module("resvg_py").svg_to_bytes(svg_string=svg))
    except ImportError:
        kind, data = "svg+xml", svg.encode()
    return Picture(kind, data, words) if len(data) <= MOST else None
