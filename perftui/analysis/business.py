"""Totals to values a minute, and what an incident cost."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from perftui.analysis.quantile import increase
from perftui.model.business import MOST_PARTS, Cost, Figure

MINUTE = 60.0
OTHER = "other"


class PerMinute:
    """Growth of totals over about the last minute, each part by itself; a reset counts from zero."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Mapping[str, float]]] = deque()
        self._grown: dict[str, float] = {}
        self._last: Mapping[str, float] = {}

    def step(self, at: float, totals: Mapping[str, float]) -> dict[str, float]:
        """Values a minute by part; nothing before the second look. A part that is new began at zero."""
        if self._looks and at <= self._looks[-1][0]:
            return {}
        first = not self._looks
        for part, total in totals.items():
            more = 0.0 if first else increase(total, self._last.get(part, 0.0))
            self._grown[part] = self._grown.get(part, 0.0) + more
        self._last = dict(totals)
        self._looks.append((at, dict(self._grown)))
        while len(self._looks) > 2 and at - self._looks[1][0] >= MINUTE:
            self._looks.popleft()
        if first:
            return {}
        began, before = self._looks[0]
        return {
            part: (grown - before.get(part, 0.0)) * MINUTE / (at - began)
            for part, grown in self._grown.items()
        }


def parts(figures: Iterable[Figure], by: str) -> dict[str, float]:
    """Figures added up by a label ("" is the one part of a figure that has none); bounded in number."""
    found: dict[str, float] = {}
    for figure in figures:
        if not math.isfinite(figure.value):
            continue
        part = dict(figure.labels).get(by, OTHER) if by else ""
        if part not in found and len(found) >= MOST_PARTS:
            part = OTHER
        found[part] = found.get(part, 0.0) + figure.value
    return found


def cost(
    at: Sequence[float], actual: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> Cost | None:
    """What is missing, from values a minute at instants (epoch seconds) and the band they should be in.

    Each value stands until the next, the last for nothing yet. The middle of the band is what was
    expected; its edges say how sure that is. Negative: more than expected came in.
    """
    if len(at) < 2:
        return None
    amount = least = most = 0.0
    for i in range(len(at) - 1):
        minutes = (at[i + 1] - at[i]) / MINUTE
        amount += ((low[i] + high[i]) / 2 - actual[i]) * minutes
        least += (low[i] - actual[i]) * minutes
        most += (high[i] - actual[i]) * minutes
    return Cost(at[0], amount, least, most)
