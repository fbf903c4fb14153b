"""What watched reads found by prefix, as backends hand it on to screens and the command line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PrefixHits:
    """What the watched reads of a prefix found; `ratio` is of those that could be judged, None without any.

    `low` to `high` is its 95 % interval, in which what could not be judged may be either.
    """

    prefix: bytes
    reads: int
    hits: int
    misses: int
    ratio: float | None
    low: float
    high: float

    @property
    def unsure(self) -> int:
        """Reads that could not be judged."""
        return self.reads - self.hits - self.misses
