"""What a cache of another size would miss, as a node publishes it and the console draws it: few points.

Sizes are entries; ratios are 0-1. What is read may have been written by anybody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

MOST_POINTS: Final = 32
_LARGEST: Final = 1 << 50
FACTORS: Final = tuple(2 ** (step / 3) for step in range(-12, 13))
"""Sizes a curve is published at, as multiples of the present one: a sixteenth to sixteen times."""


@dataclass(frozen=True, slots=True)
class Point:
    """The share of accesses that a cache of `entries` misses, and half the width of its 95 % interval."""

    entries: int
    miss_ratio: float
    error: float


@dataclass(frozen=True, slots=True)
class MissCurve:
    """The curve of one namespace.

    `room` is how many entries there is room for now, `entry_bytes` the mean bytes of one (0: not known),
    `seen` the accesses it rests on (those of half an hour ago count half), `rate` the share of keys looked
    at, `nodes` how many nodes it was merged of. The curve is LRU's, and only room counts: what
    expires or is removed is a hit here.
    """

    room: int
    entry_bytes: float
    seen: float
    rate: float
    points: tuple[Point, ...]
    nodes: int = 1


def packed(curve: MissCurve) -> dict[str, Any]:
    """As JSON takes it; not over MOST_POINTS."""
    points = curve.points[:MOST_POINTS]
    return {
        "room": curve.room,
        "entry_bytes": round(curve.entry_bytes, 1),
        "seen": round(curve.seen, 1),
        "rate": float(f"{curve.rate:.3g}"),
        "points": [[p.entries, round(p.miss_ratio, 5), round(p.error, 5)] for p in points],
    }


def unpacked(value: Any) -> MissCurve:
    """The curve again.

    Raises:
        ValueError, TypeError, KeyError: it is none: a figure out of its bounds, sizes that do not rise.
    """
    points = tuple(_point(entries, miss, error) for entries, miss, error in _bounded(value["points"]))
    if not all(a.entries < b.entries for a, b in pairwise(points)):
        raise ValueError("sizes do not rise")
    return MissCurve(
        int(_figure(value["room"], 1, _LARGEST)),
        _figure(value["entry_bytes"], 0, _LARGEST),
        _figure(value["seen"], 1, _LARGEST),
        _figure(value["rate"], 0, 1),
        points,
    )


def _bounded(value: Any) -> Sequence[Any]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_POINTS:
        raise ValueError("no points")
    return value


def _point(entries: Any, miss: Any, error: Any) -> Point:
    return Point(int(_figure(entries, 1, _LARGEST)), _figure(miss, 0, 1), _figure(error, 0, 1))


def _figure(value: Any, low: float, high: float) -> float:
    if type(value) not in {int, float} or not math.isfinite(value) or not low <= value <= high:
        raise ValueError("no figure")
    return float(value)
