"""Times until keys come again, read: how many loads a TTL leaves, which one would do, and what it spares.

A key that has not come again yet may come at any time from now on: counted as nothing it would make re-use
look short, for a node that has run for two minutes has seen no re-use of three. So shares are those of Kaplan
and Meier (Nonparametric Estimation from Incomplete Observations, 1958): of the times that lasted so long at
least, those still open too, the part that ended just then.

An entry ends a TTL after its load, however often it is used meanwhile. Of keys that come every x seconds one
use in 1 + floor(TTL / x) finds it gone; that is reckoned for each measured time as if its key kept to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from perftui.analysis.quantile import Sketch
from perftui.model.namespacepolicy import MOST
from perftui.model.noderecord import NodeRecord
from perftui.model.reuse import ENDED, OPEN, Reuse

LEAST, LEAST_KEYS = 50, 16  # times measured, and keys, before anything is said
FEW: Final = 10  # times that lasted so long at least, below which nothing more is said
MOST_STEPS: Final = 512  # a node has 160 at most: more are somebody else's
COVERED: Final = 0.75
"""Of the re-uses that come too late: how many a proposed TTL covers."""

ROUND: Final = tuple(
    unit * figure
    for unit, figures in (
        (1.0, (1, 2, 3, 5, 10, 15, 20, 30)),
        (60.0, (1, 2, 3, 5, 10, 15, 20, 30)),
        (3600.0, (1, 2, 3, 6, 12)),
        (86400.0, (1, 2, 3, 7, 14, 30, 90, 180, 366)),
    )
    for figure in figures
)
"""TTLs that people choose."""


class Tally:
    """The sketches of one namespace's nodes, put together as their records come."""

    def __init__(self) -> None:
        self._ended, self._open = Sketch(), Sketch()
        self._nodes = 0

    def add(self, record: NodeRecord) -> None:
        """One node's; one that has none is as if it were not there.

        Raises:
            ValueError: what it has is no sketch.
        """
        ended, still = (record.stats.sketches.get(name) for name in (ENDED, OPEN))
        if ended is None or still is None:
            return
        self._ended.merge(Sketch.unpack(ended))
        self._open.merge(Sketch.unpack(still))
        self._nodes += 1

    def told(self) -> Reuse | None:
        """What they say; None of too few times or keys.

        Of n nodes that are asked for the same keys a key comes n times as often as each of them sees. Where
        they are not, re-use is up to n times longer than told.
        """
        ended, still, nodes = self._ended, self._open, max(1, self._nodes)
        if ended.count < LEAST or still.count < LEAST_KEYS:
            return None
        came, left = dict(ended.values()), dict(still.values())
        steps: list[tuple[float, float]] = []
        lasted, share = ended.count + still.count, 1.0
        for seconds in sorted({*came, *left}):
            if lasted < FEW:
                break
            now = share * came.get(seconds, 0) / lasted
            if now:
                steps.append((seconds / nodes, now))
            share -= now
            lasted -= came.get(seconds, 0) + left.get(seconds, 0)
        if not 0 < len(steps) <= MOST_STEPS:
            return None
        return Reuse(tuple(steps), ended.count, still.count, nodes)


def by_namespace(records: Iterable[NodeRecord]) -> dict[str, Reuse]:
    """Of each namespace whose nodes have seen enough."""
    tallies: dict[str, Tally] = {}
    for record in records:
        tallies.setdefault(record.stats.namespace, Tally()).add(record)
    found = ((name, tally.told()) for name, tally in sorted(tallies.items()))
    return {name: reuse for name, reuse in found if reuse is not None}


def late(reuse: Reuse, ttl: float) -> float:
    """The share of visits that the next one follows, and finds the entry gone."""
    return sum(_late(reuse, ttl))


def quantile(reuse: Reuse, q: float, ttl: float) -> float | None:
    """The q-quantile of times after which keys whose entry is gone by then come again.

    What nobody could see counts as longer than all that was seen: None where the quantile is there.
    """
    unseen = max(0.0, 1.0 - sum(share for _, share in reuse.steps))
    return _at(reuse, ttl, q * (late(reuse, ttl) + unseen))


def covering(reuse: Reuse, ttl: float) -> float:
    """A round TTL, not above MOST, within which COVERED of what comes too late at this one comes again."""
    seconds = _at(reuse, ttl, COVERED * late(reuse, ttl)) or reuse.steps[-1][0]
    return next((one for one in ROUND if one >= seconds), MOST)


def spared(reuse: Reuse, ttl: float, then: float) -> float:
    """Of the loads of what had ended, the share that another TTL would do without."""
    now = late(reuse, ttl)
    return max(0.0, 1.0 - late(reuse, then) / now) if now > 0 else 0.0


def ended(reuse: Reuse, ttl: float) -> float:
    """Of all loads, the share of what was there before and had ended; the rest are keys' first ones."""
    known = sum(share for _, share in reuse.steps)
    again = reuse.seen * late(reuse, ttl) / known if known > 0 else 0.0
    return again / (again + reuse.keys) if again > 0 else 0.0


def _late(reuse: Reuse, ttl: float) -> Iterable[float]:
    return (share / (1 + math.floor(ttl / seconds)) for seconds, share in reuse.steps)


def _at(reuse: Reuse, ttl: float, rank: float) -> float | None:
    """The first time up to which so large a share comes too late."""
    passed = 0.0
    for (seconds, _), share in zip(reuse.steps, _late(reuse, ttl), strict=True):
        passed += share
        if passed >= rank * (1 - 1e-9):
            return seconds
    return None
