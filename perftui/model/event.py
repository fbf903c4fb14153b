"""Something that happened, with who and why: the rows of the timeline."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One happening. `at` and `until` are epoch seconds (UTC); `until` None: a moment.

    `kind` is one of link, action, scale, config, alert, deploy, note, incident.
    """

    at: float
    kind: str
    source: str
    title: str
    detail: str = ""
    actor: str = ""
    until: float | None = None
    ref: str = ""
