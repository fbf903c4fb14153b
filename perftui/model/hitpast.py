"""What was hit over longer than a minute, as history tells it, and how much of that time it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TOPIC: Final = "cache.hits"
SHELF: Final = "hits"
"""Where it is asked for, as a place beside the backends."""

WINDOWS: Final = (900.0, 86400.0)
"""Seconds of the windows: a quarter of an hour, a day."""

ENOUGH: Final = 0.95
"""The part of a window that must be recorded for its ratio to stand for it."""


@dataclass(frozen=True, slots=True)
class PastRatio:
    """Hits of all lookups in the last `window` seconds; None where none was recorded.

    `seen_s` are the seconds of it that were recorded, to the minute: nothing is known of the others.
    """

    window: float
    ratio: float | None
    seen_s: float

    @property
    def whole(self) -> bool:
        """Whether (nearly) all of the window was recorded."""
        return self.seen_s >= ENOUGH * self.window


@dataclass(frozen=True, slots=True)
class HitPast:
    """A server's ratios of each window, as of `at` (epoch seconds).

    `l2` are the server's own lookups, `l1` those of the library's nodes that publish there which their memory
    had; `namespaces` are hits of either tier by namespace.
    """

    source: str
    at: float
    l2: tuple[PastRatio, ...]
    l1: tuple[PastRatio, ...] = ()
    namespaces: tuple[tuple[str, tuple[PastRatio, ...]], ...] = ()

    def of(self, namespace: str) -> tuple[PastRatio, ...]:
        """Those of a namespace; none where it recorded nothing."""
        return dict(self.namespaces).get(namespace, ())
