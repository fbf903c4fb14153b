"""The live miss ratio curve of a namespace: the uses of a few keys, taken where a hit pays nothing for it.

Keys are chosen by their hash (SHARDS, see analysis/missratio.py). A hit tells of its use where its entry is
marked; which are is decided when an entry is stored. So a hit of any other costs what it did, and what a use
costs is bounded by how many are taken: 256 in two seconds, after which fewer keys are looked at. Of the same
uses it is told when keys come again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from perftui.analysis.missratio import MASK, MissRatio
from perftui.instrument.cache.reuse import Reuse
from perftui.model.misscurve import FACTORS, MissCurve, Point

MARKED: Final = -4  # in an entry's uses: the two lower bits stay those of its eviction policy
KEYS: Final = 1024  # looked at, at most
TAKEN: Final = 256  # uses, at most, in PERIOD seconds
PERIOD: Final = 2.0
FRESH: Final = 20.0  # seconds a curve is given out before it is drawn anew
HALF_LIFE: Final = 1800.0  # seconds after which an access counts half
LEAST, LEAST_KEYS = 200, 16  # accesses, and keys of a sample, before there is a curve
HOT: Final = 8.0  # uses while as many accesses pass as there is room for, from which a key is hot
_FEWEST: Final = 1 << 10  # of 2^24 keys: what the rate does not fall below


class Sampling:
    """Uses of sampled keys, and the curve they make. `lookups` counts all accesses, sampled or not."""

    __slots__ = (
        "_below",
        "_curve",
        "_drained",
        "_drawn",
        "_faded",
        "_hot",
        "_lookups",
        "_now",
        "_ratio",
        "_reuse",
        "_reuse_told",
        "_room",
        "_seen",
        "_waiting",
    )

    def __init__(self, now: Callable[[], float], lookups: Callable[[], int]) -> None:
        self._now, self._lookups = now, lookups
        self._ratio = MissRatio(1.0, most=KEYS)
        self._below = self._ratio.below
        self._waiting: list[int] = []
        self._hot: set[int] = set()
        self._room = 1
        self._seen = 0
        self._drained = self._faded = self._drawn = now()
        self._curve: MissCurve | None = None
        self._reuse = Reuse()
        self._reuse_told: tuple[float, Mapping[str, bytes]] = (-math.inf, {})

    def takes(self, key: str) -> bool:
        """Whether uses of this key are looked at."""
        hashed = hash(key)
        return hashed & MASK < self._below and hashed not in self._hot

    def used(self, key: str) -> bool:
        """A use of a key that may be looked at; whether it is."""
        hashed = hash(key)
        if hashed & MASK >= self._below or hashed in self._hot:
            return False
        if len(self._waiting) < TAKEN or self._make_room(hashed):
            self._waiting.append(hashed)
        return True

    def curve(self, room: int, entry_bytes: float) -> MissCurve | None:
        """The curve around `room` entries, at most 20 s old; None of too few accesses or keys."""
        self._room = room
        now = self._now()
        if now - self._drained >= PERIOD or self._curve is None:
            self._drain()
        if (self._curve is None or now - self._drawn >= FRESH) and self._enough:
            self._drawn = now
            self._curve = MissCurve(room, entry_bytes, self._ratio.seen, self._ratio.rate, self._points(room))
            self._fade(now)
        return self._curve

    def reuse(self) -> Mapping[str, bytes]:
        """Sketches of when keys come again, as a record has them, at most 20 s old."""
        now = self._now()
        if now - self._drained >= PERIOD:
            self._drain()
        at, told = self._reuse_told
        if now - at >= FRESH or not told:
            self._reuse_told = now, self._reuse.packed(now)
        return self._reuse_told[1]

    @property
    def _enough(self) -> bool:
        ratio = self._ratio
        return ratio.seen >= LEAST and (ratio.rate == 1.0 or ratio.sampled + len(self._hot) >= LEAST_KEYS)

    def _points(self, room: int) -> tuple[Point, ...]:
        return self._ratio.curve(sorted({max(1, round(room * factor)) for factor in FACTORS}))

    def _fade(self, now: float) -> None:
        self._ratio.fade(0.5 ** ((now - self._faded) / HALF_LIFE))
        self._faded = now

    def _make_room(self, hashed: int) -> bool:
        """Count what waits, or look at half as many keys; whether there is room for this one."""
        if self._now() - self._drained >= PERIOD:
            self._drain()
        self._leave_out_hot()
        before = self._below
        while len(self._waiting) > TAKEN // 2 and self._below > _FEWEST:
            self._below //= 2
            self._waiting = [one for one in self._waiting if one & MASK < self._below]
        self._ratio.narrow(self._below)
        if self._below < before:
            self._reuse.narrow(self._below, self._now())
        return len(self._waiting) < TAKEN and hashed & MASK < self._below and hashed not in self._hot

    def _leave_out_hot(self) -> None:
        """Keys that come again before a few others: counting their uses tells little, and costs most."""
        since = self._lookups() - self._seen
        soon = max(8.0, HOT * since / self._room)
        hot = {key for key, uses in Counter(self._waiting).items() if uses >= soon}
        if hot and len(self._hot) < KEYS:
            self._hot |= hot
            self._waiting = [one for one in self._waiting if one not in hot]
            self._ratio.leave_out(hot)
            self._reuse.leave_out(hot)

    def _drain(self) -> None:
        lookups, now = self._lookups(), self._now()
        self._ratio.extend(self._waiting)
        self._ratio.skip(max(0, lookups - self._seen - len(self._waiting)))
        self._reuse.visited(self._waiting, self._drained, now)
        before, self._below = self._below, self._ratio.below
        if self._below < before:
            self._reuse.narrow(self._below, now)
        self._seen, self._drained = lookups, now
        self._waiting.clear()
