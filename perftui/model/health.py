"""How the link to one backend stands, in words the screens can show."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Link(Enum):
    """State of the link to a backend."""

    WAITING = "waiting"  # nothing read yet
    LIVE = "live"  # the last read came back in time
    LATE = "late"  # a read is running past its period, not yet past its deadline
    LOST = "lost"  # unreachable or past the deadline; retried with backoff
    REFUSED = "refused"  # login or permission refused; waits for `retry`
    OFF = "off"  # not configured, or switched off


@dataclass(frozen=True, slots=True)
class Health:
    """State of one link. `since`, `retry_at` and `seen` are epoch seconds (UTC)."""

    link: Link
    since: float
    error: str = ""
    retry_at: float | None = None
    seen: float | None = None  # when the last good reading was taken

    def age(self, now: float) -> float | None:
        """Seconds since the last good reading, or None if there was none."""
        return None if self.seen is None else max(0.0, now - self.seen)
