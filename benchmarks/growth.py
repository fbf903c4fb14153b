"""Whether figures of a process grow: a straight line through all looks, and a table that says so."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FLAT = 0.03  # of its level: what memory may grow while it counts as flat
HEAD = (
    "| process | figure | after warming up | at the end | most | growth {per} | allowed | within |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)

Looks = Sequence[tuple[float, float]]
"""When, and how much."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure may grow: so much, or that part of its level."""

    most: float = 0.0
    part: float = 0.0

    def allows(self, looks: Looks) -> float:
        """The allowed growth."""
        return max(self.most, self.part * statistics.median(value for _, value in looks))


def slope(looks: Looks) -> float:
    """Median of the slopes between all pairs, a second (Sen, 1968); at most 400 looks are paired."""
    thin = looks[:: max(1, len(looks) // 400)]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.combinations(thin, 2)]
    return statistics.median(slopes) if slopes else 0.0


def rows(
    name: str, seen: Mapping[str, Looks], bounds: Mapping[str, Bound], per: float, loose: float = 1.0
) -> Iterator[tuple[str, bool]]:
    """A line a bounded figure, and whether it grew no more than it may in `per` seconds, times `loose`."""
    for figure, bound in bounds.items():
        looks = seen[figure]
        grown, allowed = slope(looks) * per, bound.allows(looks) * loose
        most = max(value for _, value in looks)
        line = (
            f"| {name} | {figure} | {looks[0][1]:.1f} | {looks[-1][1]:.1f} | {most:.1f} | {grown:+.2f} | "
            f"{allowed:.2f} | {'yes' if grown <= allowed else '**no**'} |"
        )
        yield line, grown <= allowed


def rollup(pid: int) -> dict[str, float]:
    """What a process's memory comes to, MB, by the kernel's names.

    Growth is judged by `Anonymous`, what it asked for itself, and by `Rss`: pages of files that it shared
    count for more in `Pss`, and begin to in what is private, when others that had them too end.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) / 1024 for name, _, rest in (line.partition(":") for line in lines)}
