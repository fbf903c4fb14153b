"""The last happenings in memory: link changes, actions and what engines report, oldest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from perftui.model.event import Event
from perftui.model.health import Health, Link

CAPACITY = 500


@dataclass(frozen=True, slots=True)
class Events:
    """The newest events, oldest first."""

    events: tuple[Event, ...]


class EventLog:
    """A bounded list of events that tells each change; the same event counts once."""

    def __init__(self, told: Callable[[Events], None]) -> None:
        self._told = told
        self._events: deque[Event] = deque(maxlen=CAPACITY)
        self._links: dict[str, Link] = {}

    def add(self, *events: Event) -> None:
        """Keep what is new; order by time."""
        new = [event for event in events if event not in self._events]
        if not new:
            return
        merged = sorted([*self._events, *new], key=lambda event: event.at)
        self._events = deque(merged, maxlen=CAPACITY)
        self._told(Events(tuple(self._events)))

    def link(self, source: str, health: Health) -> None:
        """Note a change of a backend's link; LATE and WAITING are no news, nor is the first LIVE."""
        before = self._links.get(source)
        if health.link in (Link.LATE, Link.WAITING) or health.link is before:
            return
        self._links[source] = health.link
        if before is not None or health.link is not Link.LIVE:
            self.add(Event(health.since, "link", source, f"{source} {health.link.value}", health.error))
