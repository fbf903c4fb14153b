"""The most a cache of a given size could have hit, had it known the future: what policies are measured by.

Source: Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 1966;
with bypass: what is not needed before all that is held is not kept, so that no policy can do better.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from heapq import heappop, heappush


def next_uses(keys: Sequence[Hashable]) -> list[int]:
    """For each access the place of the next one of the same key; `len(keys)` when there is none."""
    end = len(keys)
    later: dict[Hashable, int] = {}
    out = [end] * end
    for at in range(end - 1, -1, -1):
        key = keys[at]
        out[at] = later.get(key, end)
        later[key] = at
    return out


def hits(keys: Sequence[Hashable], capacity: int, after: Sequence[int] | None = None) -> list[bool]:
    """Which accesses are hits; `after` is `next_uses(keys)` where it is known.

    Raises:
        ValueError: no room for one.
    """
    if capacity < 1:
        raise ValueError("a cache holds at least one key")
    after = next_uses(keys) if after is None else after
    end = len(keys)
    held: dict[Hashable, int] = {}  # key -> its next use
    furthest: list[tuple[int, int]] = []  # (-next use, access that said so); those overtaken are skipped
    out = [False] * end
    for at, key in enumerate(keys):
        out[at] = key in held
        needed = after[at]
        if needed == end:  # a hole for whoever comes
            held.pop(key, None)
            continue
        held[key] = needed
        heappush(furthest, (-needed, at))
        if len(held) > capacity:
            _let_go(held, furthest, keys)
    return out


def _let_go(held: dict[Hashable, int], furthest: list[tuple[int, int]], keys: Sequence[Hashable]) -> None:
    while True:
        needed, at = heappop(furthest)
        if held.get(keys[at]) == -needed:
            del held[keys[at]]
            return
