"""The last happenings in memory: links, actions, findings that come and go, and what engines report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from perftui.model.event import Event, Events
from perftui.model.finding import Finding
from perftui.model.health import Health, Link

CAPACITY = 2000
GONE = 30.0
"""Seconds a finding must stay away before its span ends: one that flickers is one span."""

Identity = tuple[str, str, float, str, str]


class EventLog:
    """A bounded list of events that tells each change; the same event counts once.

    What was added or changed since `take` waits to be stored.
    """

    def __init__(self, told: Callable[[Events], None]) -> None:
        self._told = told
        self._events: dict[Identity, Event] = {}
        self._unsaved: dict[Identity, Event] = {}
        self._links: dict[str, Link] = {}

    def add(self, *events: Event) -> None:
        """Keep what is new, and what is known better now; order by time."""
        new = {e.identity: e for e in events if self._events.get(e.identity) != e}
        if new:
            self._unsaved |= new
            self._keep(new)

    def note(self, at: float, where: str, text: str) -> None:
        """What somebody here wants remembered."""
        from perftui.runtime.audit import who

        self.add(Event(at, "note", where, text, actor=who()[0]))

    def tell(self) -> None:
        """Say again what there is, as of now: a picture of the last hour goes on though nothing happens."""
        self._told(Events(tuple(self._events.values())))

    def restore(self, events: Iterable[Event]) -> None:
        """Events of earlier runs, which are stored already."""
        old = {e.identity: e for e in events if e.identity not in self._events}
        if old:
            self._keep(old)

    def take(self) -> tuple[Event, ...]:
        """What is not stored yet."""
        taken, self._unsaved = tuple(self._unsaved.values()), {}
        return taken

    def put_back(self, events: Iterable[Event]) -> None:
        """Events that could not be stored wait, unless they changed meanwhile."""
        merged = {e.identity: e for e in events} | self._unsaved
        self._unsaved = dict(list(merged.items())[-CAPACITY:])

    def link(self, source: str, health: Health) -> None:
        """Note a change of a backend's link; LATE and WAITING are no news, nor is the first LIVE."""
        before = self._links.get(source)
        if health.link in (Link.LATE, Link.WAITING) or health.link is before:
            return
        self._links[source] = health.link
        if before is not None or health.link is not Link.LIVE:
            self.add(Event(health.since, "link", source, f"{source} {health.link.value}", health.error))

    def _keep(self, events: Mapping[Identity, Event]) -> None:
        merged = sorted({**self._events, **events}.values(), key=lambda event: event.at)
        self._events = {event.identity: event for event in merged[-CAPACITY:]}
        self.tell()


class Spans:
    """Findings as events that last from the first look they were in to the last one."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._open: dict[tuple[str, str], tuple[Event, float]] = {}  # the event, and when it was last seen

    def resume(self, events: Iterable[Event], now: float) -> None:
        """Go on with what was open when the last console ended."""
        for event in events:
            if event.kind == "finding" and event.until is None:
                self._open.setdefault((event.source, event.ref), (event, now))

    def observe(self, findings: Iterable[Finding], now: float) -> None:
        """All findings that stand now."""
        fresh: list[Event] = []
        for finding in findings:
            key = (finding.source, reference(finding))
            if key not in self._open:
                detail = "; ".join(finding.evidence[:2])
                event = Event(now, "finding", finding.source, finding.title, detail, ref=key[1])
                fresh.append(event)
                self._open[key] = (event, now)
            self._open[key] = (self._open[key][0], now)
        self._log.add(*fresh, *self._ended(now))

    def _ended(self, now: float) -> Sequence[Event]:
        gone = {key: pair for key, pair in self._open.items() if now - pair[1] >= GONE}
        for key in gone:
            del self._open[key]
        return [replace(event, until=seen) for event, seen in gone.values()]


def reference(finding: Finding) -> str:
    """What names a finding for as long as it stands, whatever its figures say."""
    return finding.id + "".join(f" {name}={value}" for name, value in finding.labels)
