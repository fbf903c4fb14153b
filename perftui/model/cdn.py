"""What an edge (CDN or reverse cache) serves, holds and forgets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class CacheState(Enum):
    """How an edge answered one request."""

    HIT = "hit"
    MISS = "miss"
    PASS = "pass"  # noqa: S105 (no password: the request went past the cache)
    STALE = "stale"
    REVALIDATED = "revalidated"
    SYNTH = "synth"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Origin:
    """A backend of an edge. `healthy` None: not probed."""

    name: str
    healthy: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EdgeFacts:
    """One look at one edge; rates are over the last interval, None before two looks."""

    product: str
    uptime: float
    requests_per_s: float | None
    hit_ratio: float | None
    bytes_per_s: float | None
    errors_per_s: float | None
    objects: int | None
    stored_bytes: int | None
    limit_bytes: int | None
    by_state: tuple[tuple[str, float], ...]  # requests/s by CacheState value
    origins: tuple[Origin, ...]
    limits: tuple[str, ...] = ()  # what this kind of edge cannot do, in words


@dataclass(frozen=True, slots=True)
class EdgeLook:
    """How an edge answered one GET of one URL.

    `object` tells one stored copy from another, "" where the edge does not say: a HIT on another copy
    than before proves that the former one is gone.
    """

    url: str
    status: int
    state: CacheState | None
    age: float | None
    took: float
    headers: tuple[tuple[str, str], ...] = ()
    object: str = ""


@dataclass(frozen=True, slots=True)
class UrlUse:
    """One URL in an edge's recent log: requests, hits, bytes, mean time to first byte (s), tags."""

    url: str
    requests: int
    hits: int
    bytes_: int
    ttfb: float | None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PurgeRequest:
    """What to forget: `kind` is `url` (targets are paths or URLs) or `tag`."""

    kind: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a GET right after the purge saw. `seconds` runs from the purge's send to the MISS."""

    url: str
    before: CacheState | None
    after: CacheState | None
    seconds: float
    verified: bool


@dataclass(frozen=True, slots=True)
class EdgeView:
    """One edge as the screen shows it."""

    source: str
    facts: EdgeFacts


@dataclass(frozen=True, slots=True)
class CdnReport:
    """Every connected edge."""

    at: float
    edges: tuple[EdgeView, ...]
