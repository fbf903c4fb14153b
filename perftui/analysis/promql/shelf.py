"""Series in memory: where a ruler or a scrape writes what expressions read at the same instant."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from perftui.analysis.promql.patterns import matching
from perftui.model.alerts import Labels, Matcher
from perftui.model.metrics import NAME, Window


@dataclass(slots=True)
class _Row:
    at: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))


class Shelf:
    """Series in memory, a `MetricReader`: what a scrape or a ruler writes and expressions read."""

    def __init__(self, most: int = 20_000, seconds: float = 0.0) -> None:
        self.most = most  # samples kept of one series
        self.seconds = seconds  # kept that long, 0: forever
        self._rows: dict[str, dict[Labels, _Row]] = {}

    def append(self, labels: Labels, at: float, value: float) -> bool:
        """Add a sample; one that is not newer than the last is refused (False)."""
        rows = self._rows.setdefault(dict(labels).get(NAME, ""), {})
        row = rows.setdefault(labels, _Row())
        if row.at and at <= row.at[-1]:
            return False
        row.at.append(at)
        row.values.append(value)
        old = bisect_left(row.at, at - self.seconds) if self.seconds else 0
        drop = max(old, len(row.at) - self.most)
        if drop > len(row.at) // 10:
            del row.at[:drop], row.values[:drop]
        return True

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterable[Window]:
        """Windows of [start, end], sorted by labels."""
        holds = matching(matchers)
        found = [(labels, row) for labels, row in self._named(matchers) if holds(labels)]
        found.sort(key=_first)
        return [_cut(labels, row, start, end) for labels, row in found]

    def expire(self, before: float) -> None:
        """Forget series that have no sample since."""
        for name, rows in list(self._rows.items()):
            for labels in [labels for labels, row in rows.items() if not row.at or row.at[-1] < before]:
                del rows[labels]
            if not rows:
                del self._rows[name]

    def _named(self, matchers: Sequence[Matcher]) -> Iterable[tuple[Labels, _Row]]:
        exact = [m.value for m in matchers if m.name == NAME and m.op == "="]
        if exact:
            return self._rows.get(exact[0], {}).items()
        return (item for rows in self._rows.values() for item in rows.items())


def _first(item: tuple[Labels, _Row]) -> Labels:
    return item[0]


def _cut(labels: Labels, row: _Row, start: float, end: float) -> Window:
    lo, hi = bisect_left(row.at, start), bisect_right(row.at, end)
    return Window(labels, row.at[lo:hi], row.values[lo:hi])
