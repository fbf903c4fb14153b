"""What the Alerts tab shows of an alert about an unusual value: the value, in the band expected of it."""

from __future__ import annotations

from perftui.draw.band import Band
from perftui.model.alerts import Alert
from perftui.model.anomaly import HIGH, LOW, SOURCE, told
from perftui.model.finding import Finding
from perftui.model.frame import Frame, SeriesReader
from perftui.model.series import Series, SeriesKey


def judged(alert: Alert, history: SeriesReader) -> SeriesKey | None:
    """The series an alert about an unusual value means; None for every other alert."""
    name = dict(alert.labels).get("series", "")
    if alert.source != SOURCE or "/" not in name:
        return None
    source, _, rest = name.partition("/")
    known = history.keys(source, rest.partition("{")[0])
    return next((key for key in known if str(key) == name), None)


def course(alert: Alert, history: SeriesReader, start: float, end: float) -> tuple[Series, Band | None]:
    """What to draw for an alert: its series, and the band where there is one."""
    assert alert.key is not None
    key = judged(alert, history)
    if key is None:
        return history.series(alert.key, start, end), None
    low, high = (history.series(told(edge, key), start, end) for edge in (LOW, HIGH))
    return history.series(key, start, end), Band.of(low, high)


def said_of(alert: Alert, frame: Frame) -> list[Finding]:
    """The finding behind an alert about an unusual value."""
    name = dict(alert.labels).get("series", "")
    if alert.source != SOURCE:
        return []
    return [finding for finding in frame.findings if dict(finding.labels).get("series") == name]
