"""Which slots to move from a primary that one slot makes busy, and whether that would help at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from perftui.analysis.slots import Range

LEAST: Final = 0.10
"""Part of the busiest primary's load that a move must take off it, to be worth its trouble."""


@dataclass(frozen=True, slots=True)
class Relief:
    """Slots to move to `to`: the heavy one alone, or as many of the `others` beside it as even the two out.

    `before` and `after` are the larger load of the two primaries.
    """

    to: str
    slots: tuple[Range, ...]
    others: bool
    before: float
    after: float


def relief(
    loads: Mapping[str, float], node: str, slot: int, load: float, held: Sequence[Range]
) -> Relief | None:
    """The move from `node`, whose `slot` has `load` of its own, to the least loaded primary.

    The slot alone where that takes LEAST off the larger load, else slots beside it. None where neither does:
    one slot cannot be split, and moved it would load the other as much. What the slots beside it take is
    thought of as even among them.
    """
    rest = {name: value for name, value in loads.items() if name != node}
    if not rest or loads.get(node, 0.0) <= 0:
        return None
    to = min(rest, key=lambda name: rest[name])
    mine, theirs = loads[node], rest[to]
    count = sum(last - first + 1 for first, last in held)
    inside = any(first <= slot <= last for first, last in held)
    enough = (1 - LEAST) * mine
    after = max(mine - load, theirs + load)
    if inside and count > 1 and after <= enough:
        return Relief(to, ((slot, slot),), others=False, before=mine, after=after)
    moved = _count(max(0.0, mine - load), (mine - theirs) / 2, count - inside)
    if not moved:
        return None
    gone = (mine - load) * moved / (count - inside)
    after = max(mine - gone, theirs + gone)
    ranges = last_but(held, slot, moved)
    return Relief(to, ranges, others=True, before=mine, after=after) if after <= enough else None


def _count(beside: float, wanted: float, slots: int) -> int:
    """How many of so many slots, which take `beside` together, take `wanted`."""
    if wanted <= 0 or beside <= 0:
        return 0
    return slots if wanted >= beside else math.floor(slots * wanted / beside)


def last_but(held: Sequence[Range], slot: int, count: int) -> tuple[Range, ...]:
    """The last `count` slots of these ranges without one of them."""
    found: list[Range] = []
    for first, last in reversed(tuple(_without(held, slot))):
        if count <= 0:
            break
        found.insert(0, (max(first, last - count + 1), last))
        count -= last - first + 1
    return tuple(found)


def _without(held: Sequence[Range], slot: int) -> Iterator[Range]:
    for first, last in held:
        if not first <= slot <= last:
            yield first, last
            continue
        if first < slot:
            yield first, slot - 1
        if slot < last:
            yield slot + 1, last
