"""When keys of a namespace come again: the sketches that nodes publish, and what a console makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ENDED: Final = "reuse"
"""The sketch of times between two visits of a key."""

OPEN: Final = "reuse.open"
"""The sketch of times since the last visit of keys that have not come again, one of each sampled key."""

SKETCHES: Final = frozenset({ENDED, OPEN})
"""Sketches that are no latencies, and say little one without the other."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """How long it takes until a key is asked for again.

    `steps` are (seconds, share of visits that the next one followed after so long), the shortest first. What
    the shares are short of 1 came later than anybody could see yet, or never. `seen` such times were
    measured, of `keys` sampled keys at `nodes` nodes; seconds are those of all nodes together, as if each
    were asked for the same keys.
    """

    steps: tuple[tuple[float, float], ...]
    seen: int
    keys: int
    nodes: int = 1
