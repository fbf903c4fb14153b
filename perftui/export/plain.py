"""What changes, as sentences: for screen readers, logs and whoever wants no picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.alerts import Alert, AlertsReport, AlertState
from perftui.model.event import Event, Events
from perftui.model.finding import Finding
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.runtime.events import reference

LONGEST = 400  # characters of a line
QUIET = (Link.LATE, Link.WAITING)  # links that are on their way to another state


class News:
    """Turns frames into lines, each thing said once: `STAMP KIND SOURCE: what`, times in zone `tz`.

    What stands already is said at first, what happened before `began` (epoch seconds) is not.
    """

    def __init__(self, began: float, tz: str = "UTC") -> None:
        self._began, self._tz = began, tz
        self._links: dict[str, Link] = {}
        self._alerts: dict[str, tuple[str, str]] = {}
        self._findings: dict[tuple[object, ...], bool] = {}  # by identity: whether it has ended
        self._events: set[tuple[object, ...]] = set()
        self._problem = ""

    def links(self, health: Mapping[str, Health], now: float) -> Iterator[str]:
        """Links that stand elsewhere than when they were last told."""
        for name, one in health.items():
            if one.link not in QUIET and self._links.get(name) is not one.link:
                self._links[name] = one.link
                yield self._line(now, "link", name, one.link.value, one.error)

    def alerts(self, report: object, now: float) -> Iterator[str]:
        """Alerts that fire, are acknowledged or silenced, and resolve."""
        for alert in report.alerts if isinstance(report, AlertsReport) else ():
            if alert.state is AlertState.PENDING:
                continue
            stands = (alert.word, alert.ack.who if alert.ack else "")
            before, self._alerts[alert.fingerprint] = self._alerts.get(alert.fingerprint), stands
            if stands != before and (before or alert.state is AlertState.FIRING):
                yield self._alert(alert, now)

    def _alert(self, alert: Alert, now: float) -> str:
        by = alert.ack.who if alert.ack and alert.word == "acknowledged" else ""
        said = f"{alert.word}, {alert.severity.name.lower()}: {alert.title}"
        return self._line(now, "alert", alert.source, said, "; ".join(alert.evidence[:2]), by)

    def events(self, frame: Frame, findings: Iterable[Finding] = ()) -> Iterator[str]:
        """Findings that come and go (`findings` know how grave), actions, settings, notes, deploys."""
        grave = {(f.source, reference(f)): f.severity.name.lower() for f in findings}
        for event in frame.report.events if isinstance(frame.report, Events) else ():
            if event.kind == "finding":
                yield from self._finding(event, grave.get((event.source, event.ref), ""))
            elif event.kind not in {"link", "alert"}:  # told by their own states
                yield from self._moment(event)

    def _finding(self, event: Event, severity: str) -> Iterator[str]:
        known, ended = event.identity in self._findings, event.until is not None
        if ended and not known and max(event.at, event.until or 0.0) < self._began:
            return
        if not known:
            self._findings[event.identity] = False
            said = f"{severity}: {event.title}" if severity else event.title
            yield self._line(event.at, "finding", event.source, said, event.detail)
        if event.until is not None and not self._findings[event.identity]:
            self._findings[event.identity] = True
            lasted = fmt.duration(event.until - event.at).strip()
            yield self._line(event.until, "finding", event.source, f"gone after {lasted}: {event.title}")

    def _moment(self, event: Event) -> Iterator[str]:
        at = event.at if event.until is None else event.until
        if event.identity not in self._events and at >= self._began:
            self._events.add(event.identity)
            yield self._line(at, event.kind, event.source, event.title, event.detail, event.actor)

    def problem(self, text: str, now: float) -> Iterator[str]:
        """Why the store or the audit cannot be written, and that it can be again."""
        if text != self._problem:
            self._problem = text
            yield self._line(now, "problem", "perftui", text or "over")

    def _line(self, at: float, kind: str, source: str, said: str, detail: str = "", by: str = "") -> str:
        whole = f"{source}: {said}" if source else said
        whole += (f": {detail}" if detail else "") + (f", by {by}" if by else "")
        return inert(f"{fmt.stamp(at, self._tz)} {kind} {whole}", LONGEST)
