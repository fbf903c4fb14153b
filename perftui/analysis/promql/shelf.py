"""Series in memory: where a ruler or a scrape writes what expressions read at the same instant."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from perftui.analysis.promql.patterns import matching
from perftui.model.alerts import Labels, Matcher
from perftui.model.metrics import Window


@dataclass(slots=True)
class _Row:
    at: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))


class Shelf:
    """Series in memory, a `MetricReader`: what a scrape or a ruler writes and expressions read."""

    def __init__(self, most: int = 20_000, seconds: float = 0.0) -> None:
        self.most = most  # samples kept of one series
        self.seconds = seconds  # kept that long, 0: forever
        self._rows: dict[Labels, _Row] = {}
        self._index: dict[tuple[str, str], dict[Labels, _Row]] = {}  # by every pair, the name's too

    def append(self, labels: Labels, at: float, value: float) -> bool:
        """Add a sample; one that is not newer than the last is refused (False)."""
        row = self._rows.get(labels) or self._new(labels)
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
        found = [(labels, row) for labels, row in self._candidates(matchers).items() if holds(labels)]
        found.sort(key=_first)
        return [_cut(labels, row, start, end) for labels, row in found]

    def expire(self, before: float) -> None:
        """Forget series that have no sample since."""
        gone = [labels for labels, row in self._rows.items() if not row.at or row.at[-1] < before]
        for labels in gone:
            del self._rows[labels]
            for pair in labels:
                del self._index[pair][labels]
                if not self._index[pair]:
                    del self._index[pair]

    def _new(self, labels: Labels) -> _Row:
        row = self._rows[labels] = _Row()
        for pair in labels:
            self._index.setdefault(pair, {})[labels] = row
        return row

    def _candidates(self, matchers: Sequence[Matcher]) -> dict[Labels, _Row]:
        """The fewest series that one exact matcher leaves."""
        exact = [(m.name, m.value) for m in matchers if m.op == "=" and m.value]
        return min((self._index.get(pair, {}) for pair in exact), key=len, default=self._rows)


def _first(item: tuple[Labels, _Row]) -> Labels:
    return item[0]


def _cut(labels: Labels, row: _Row, start: float, end: float) -> Window:
    lo, hi = bisect_left(row.at, start), bisect_right(row.at, end)
    return Window(labels, row.at[lo:hi], row.values[lo:hi])
