"""What the last minutes say of a cache server, or of several told as one: hits, and when it will be full."""

from __future__ import annotations

from perftui.model.frame import SeriesReader
from perftui.model.series import SeriesKey

MINUTE = 60.0
TREND = 300.0
ENOUGH = 0.9  # of that time from which growth is believed


def hit_ratio(history: SeriesReader, source: str, start: float, end: float) -> tuple[float | None, float]:
    """Hits of all lookups in a window, and lookups a minute: sums of rates, never a mean of ratios."""
    hits = [s.value for s in history.series(SeriesKey(source, "hits_per_s"), start, end)]
    misses = [s.value for s in history.series(SeriesKey(source, "misses_per_s"), start, end)]
    total = sum(hits) + sum(misses)
    if not hits or total <= 0:
        return None, 0.0
    return sum(hits) / total, total / len(hits) * MINUTE


def mean(history: SeriesReader, source: str, name: str, start: float, end: float) -> float | None:
    """Of a gauge's samples in a window; None without any."""
    values = [s.value for s in history.series(SeriesKey(source, name), start, end)]
    return sum(values) / len(values) if values else None


def full_in(history: SeriesReader, source: str, used: float, most: float, now: float) -> float | None:
    """Seconds until `most` bytes are used at the pace since five minutes ago.

    None when it does not grow, or was not looked at for nearly as long: a cache that has just come up fills.
    `most` 0: there is no limit.
    """
    samples = list(history.series(SeriesKey(source, "used_bytes"), now - TREND, now))
    if not most or len(samples) < 10:
        return None
    first, last = samples[0], samples[-1]
    if last.at - first.at < ENOUGH * TREND:
        return None
    pace = (last.value - first.value) / max(1.0, last.at - first.at)
    room = most - used
    return room / pace if pace > 0 and room > 0 else None
