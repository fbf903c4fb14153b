"""What a user of the cache library chooses for an entry, and what its tiers count; values only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Flag, auto
from typing import Any

from perftui.model.misscurve import MissCurve
from perftui.model.nodework import NodeWork
from perftui.model.predicted import Predicted

LIVES = {"1m": 60.0, "5m": 300.0, "15m": 900.0, "1h": 3600.0, "24h": 86400.0}
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(life: float | str) -> float:
    """A life in seconds: a number, one of the presets, or a number with ms, s, m, h or d (`"90s"`).

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(life, str):
        text = life.strip()
        if text in LIVES:
            return LIVES[text]
        figure = text.rstrip("mshd")
        try:
            return float(figure) * UNITS[text[len(figure) :]]
        except (KeyError, ValueError):
            raise ValueError(f'{life!r} is no duration: try "90s", "5m", "1h", or seconds') from None
    return float(life)


class Skip(Flag):
    """Tiers that one call leaves out."""

    NONE = 0
    L1_READ = auto()
    L1_WRITE = auto()
    L2_READ = auto()
    L2_WRITE = auto()
    L2_READ_WHEN_STALE = auto()  # L2 is not asked while L1 holds a stale copy


@dataclass(frozen=True, slots=True)
class EntryOptions:
    """How one entry lives, loads and fails; seconds throughout, None = without limit.

    ttl            logical life; 0 or less: returned, not stored
    l1_ttl, l2_ttl lives of one tier where they differ (L1's is capped by what remains in L2)
    jitter         one uniform draw in [0, jitter] added to the ttl of a save, the same for all tiers
    fail_safe      a stale value is kept for `fail_safe_max` and served when loading fails;
                   `fail_safe_l2_max` where L2 has its own; `throttle` = how long a stale value counts
                   as fresh once it had to be served
    soft_timeout   how long a caller waits for the loader when there is a stale value (fail_safe)
    hard_timeout   the most any caller waits
    background     a loader that timed out goes on and its success is stored
    eager_at       fraction of the ttl after which a hit starts a background load (0 < x < 1)
    early_beta     XFetch's beta: probabilistic early refresh by measured load time; None = off
    lock_timeout   how long a caller waits for another's load before it takes what is stale, else loads itself
    shared_flight  one load over all processes, under a lease of `lease` seconds in L2
    l2_soft, l2_hard  waiting for L2: soft where L1 has something to fall back on
    l2_background  `set` returns after L1; L2 and the notice follow
    notify         tell other nodes of a write
    raise_l2, raise_backplane, raise_serialization  errors the caller wants to see
    """

    ttl: float | None = 300.0
    l1_ttl: float | None = None
    l2_ttl: float | None = None
    jitter: float = 0.0
    fail_safe: bool = False
    fail_safe_max: float = 86400.0
    fail_safe_l2_max: float | None = None
    throttle: float = 30.0
    soft_timeout: float | None = None
    hard_timeout: float | None = None
    background: bool = True
    eager_at: float | None = None
    early_beta: float | None = None
    lock_timeout: float | None = None
    shared_flight: bool = False
    lease: float = 5.0
    l2_soft: float | None = 0.05
    l2_hard: float | None = 0.5
    l2_background: bool = False
    notify: bool = True
    skip: Skip = Skip.NONE
    raise_l2: bool = False
    raise_backplane: bool = False
    raise_serialization: bool = False

    def __post_init__(self) -> None:
        if self.eager_at is not None and not 0 < self.eager_at < 1:
            raise ValueError(f"eager_at is a fraction between 0 and 1, not {self.eager_at:g}")
        if self.early_beta is not None and not 0 <= self.early_beta < math.inf:
            raise ValueError(f"early_beta is 0 or more, not {self.early_beta:g}")
        for name in ("jitter", "fail_safe_max", "throttle"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} cannot be negative")
        if self.lease <= 0:
            raise ValueError("lease must be longer than 0 s")

    def but(self, **changes: Any) -> EntryOptions:
        """The same with some fields changed; `ttl` also as text."""
        if isinstance(changes.get("ttl"), str):
            changes["ttl"] = seconds(changes["ttl"])
        return replace(self, **changes)


FAST = EntryOptions()
RESILIENT = EntryOptions(fail_safe=True, soft_timeout=0.1, hard_timeout=5.0, eager_at=0.8)
SHARED = EntryOptions(
    fail_safe=True, soft_timeout=0.1, hard_timeout=5.0, shared_flight=True, early_beta=1.0, jitter=5.0
)


@dataclass(frozen=True, slots=True)
class DefaultTtl:
    """Seconds that entries live which are given no TTL: in force `now`, and by the node's `own` options.

    Infinite: they never expire; 0 or less: they are not stored, whatever a policy says.
    """

    now: float
    own: float


@dataclass(frozen=True, slots=True)
class SharedLoads:
    """Whether one load of a key does for all processes: in force `now`, and by the node's `own` options."""

    now: bool
    own: bool


@dataclass(frozen=True, slots=True)
class LocalCopies:
    """Entries that L1 may hold, 0 where there is none: in force `now`, and by the node's `own` options."""

    now: int
    own: int


@dataclass(frozen=True, slots=True)
class EarlyLoads:
    """XFetch's beta, 0: nothing is loaded early by it; in force `now`, and by the node's `own` options."""

    now: float
    own: float


@dataclass(frozen=True, slots=True)
class TierStats:
    """What one node of one namespace has counted since it began; sketches are those of analysis/quantile.

    `curve` is L1's at other sizes, where that is sampled; `predicted` its predictive warming, where there is.
    `ttl` is the default one, and `shared` whether loads are shared, of nodes that say it and could.
    `work` is what it has under way and waiting. `local` is what L1 may hold, of nodes that hear what others
    change, and so may be given one. `early` is whether values are loaded before their end by chance.
    """

    namespace: str
    node: str
    counters: Mapping[str, int] = field(default_factory=dict)
    gauges: Mapping[str, float] = field(default_factory=dict)
    sketches: Mapping[str, bytes] = field(default_factory=dict)
    curve: MissCurve | None = None
    predicted: Predicted | None = None
    ttl: DefaultTtl | None = None
    shared: SharedLoads | None = None
    work: NodeWork | None = None
    local: LocalCopies | None = None
    early: EarlyLoads | None = None

    def of(self, name: str) -> int:
        """A counter; 0 when it never counted."""
        return self.counters.get(name, 0)
