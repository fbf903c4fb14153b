"""Something that happened, with who and why: the rows of the timeline."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One happening. `at` and `until` are epoch seconds (UTC); `until` None: a moment.

    `kind` is one of link, action, scale, config, finding, alert, deploy, note, incident. A finding's
    event lasts: without `until` it is still open.
    """

    at: float
    kind: str
    source: str
    title: str
    detail: str = ""
    actor: str = ""
    until: float | None = None
    ref: str = ""

    @property
    def identity(self) -> tuple[str, str, float, str, str]:
        """What stays the same when its end or more of its detail becomes known."""
        return self.kind, self.source, self.at, self.title, self.ref


@dataclass(frozen=True, slots=True)
class Events:
    """The newest events, oldest first."""

    events: tuple[Event, ...]
