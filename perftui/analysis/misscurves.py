"""Miss ratio curves read: between their points, over several nodes, and what size they speak for."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from perftui.model.misscurve import FACTORS, MissCurve, Point
from perftui.model.noderecord import NodesLook

GAIN: Final = 0.01  # of accesses that become hits: a doubling that brings less is not recommended
GB: Final = 1e9
TIMES: Final = 4.0  # as large as what is there, at most, a shared memory is asked to be


@dataclass(frozen=True, slots=True)
class Advice:
    """What a curve says of sizes; ratios 0-1, entries and bytes of all nodes together, bytes None: not known.

    `half_costs` and `double_brings` are shares of all accesses; `price_now` and `price_then` as one GB costs.
    `error` is half the width of the 95 % interval of the present miss ratio; differences between sizes of
    one curve, which share their sample, are nearer. `open_end`: the last doubling that the curve knows of
    still brought GAIN, so that a larger size might bring more.
    """

    now: Point
    half_costs: float
    double_brings: float
    entries: int
    then: Point
    bytes_now: float | None
    bytes_then: float | None
    open_end: bool
    price_now: float | None = None
    price_then: float | None = None

    @property
    def error(self) -> float:
        """Of the present miss ratio."""
        return self.now.error


def at(curve: MissCurve, entries: float) -> Point:
    """The curve at a size, straight over the logarithm of sizes between its points; its ends beyond them."""
    points = curve.points
    place = bisect_left(points, entries, key=lambda p: p.entries)
    if place == 0 or place == len(points):
        end = points[min(place, len(points) - 1)]
        return Point(max(1, round(entries)), end.miss_ratio, end.error)
    a, b = points[place - 1], points[place]
    share = math.log(entries / a.entries) / math.log(b.entries / a.entries)
    return Point(
        round(entries),
        a.miss_ratio + (b.miss_ratio - a.miss_ratio) * share,
        a.error + (b.error - a.error) * share,
    )


def merged(curves: Sequence[MissCurve]) -> MissCurve:
    """One curve of the nodes of a namespace, whose memories would all become larger or smaller alike.

    At each multiple of the present sizes a node's miss ratio weighs by its accesses; sizes are sums. Each
    node samples other keys (its hashes are its own), so that errors add as squares.
    """
    if len(curves) == 1:
        return curves[0]
    room = sum(curve.room for curve in curves)
    seen = sum(curve.seen for curve in curves)
    points: dict[int, Point] = {}
    for factor in FACTORS:
        parts = [(curve.seen / seen, at(curve, max(1.0, curve.room * factor))) for curve in curves]
        entries = max(1, round(room * factor))
        miss = sum(weight * part.miss_ratio for weight, part in parts)
        points[entries] = Point(entries, miss, math.hypot(*(weight * part.error for weight, part in parts)))
    known = [curve for curve in curves if curve.entry_bytes]
    held = sum(curve.room for curve in known)
    mean = sum(curve.room * curve.entry_bytes for curve in known) / held if held else 0.0
    rate = min(curve.rate for curve in curves)
    return MissCurve(room, mean, seen, rate, tuple(points.values()), sum(curve.nodes for curve in curves))


def by_namespace(look: NodesLook, most: int | None = None) -> dict[str, MissCurve]:
    """One curve a namespace, merged over its nodes, or over the first `most` of them that have one."""
    found: dict[str, list[MissCurve]] = {}
    for record in look.records:
        mine = found.setdefault(record.stats.namespace, []) if record.stats.curve is not None else []
        if record.stats.curve is not None and (most is None or len(mine) < most):
            mine.append(record.stats.curve)
    return {name: merged(found[name]) for name in sorted(found)}


def advice(curve: MissCurve, per_gb: float | None = None) -> Advice:
    """The smallest size after which no doubling within the curve brings GAIN of the accesses any more."""
    now, largest = at(curve, curve.room), curve.points[-1].entries
    half, double = at(curve, max(1.0, curve.room / 2)), at(curve, curve.room * 2)
    worth = [i for i, p in enumerate(curve.points) if 2 * p.entries <= largest and _gain(curve, p) >= GAIN]
    entries = curve.points[worth[-1] + 1 if worth else 0].entries
    bytes_now, bytes_then = (
        curve.entry_bytes * n if curve.entry_bytes else None for n in (curve.room, entries)
    )
    prices = [None if per_gb is None or b is None else per_gb * b / GB for b in (bytes_now, bytes_then)]
    return Advice(
        now,
        half.miss_ratio - now.miss_ratio,
        now.miss_ratio - double.miss_ratio,
        entries,
        at(curve, entries),
        bytes_now,
        bytes_then,
        bool(worth) and 2 * entries > largest,
        *prices,
    )


def _gain(curve: MissCurve, point: Point) -> float:
    return point.miss_ratio - at(curve, 2 * point.entries).miss_ratio


@dataclass(frozen=True, slots=True)
class Shared:
    """How many times its entries a memory that all nodes share should have; the curve now, and then."""

    times: float
    now: Point
    then: Point

    @property
    def error(self) -> float:
        """Half the width of the 95 % interval of either; their difference is nearer."""
        return max(self.now.error, self.then.error)


def shared(curve: MissCurve, entries: float) -> Shared | None:
    """The smallest size from `entries` on after which a doubling brings less than GAIN, up to TIMES as large.

    Each node's own curve is asked at that size: they are taken to be asked for the same keys. None where
    twice that lies beyond the curve, or the memory of one node has more room already.
    """
    here, largest = entries * curve.nodes, curve.points[-1].entries
    if not max(curve.room, curve.points[0].entries) <= here <= largest / 2:
        return None
    times = 1.0
    while times < TIMES and 2 * here * times <= largest:
        if at(curve, here * times).miss_ratio - at(curve, 2 * here * times).miss_ratio < GAIN:
            break
        times = min(TIMES, times * 2 ** (1 / 3))
    return Shared(times, at(curve, here), at(curve, here * times))
