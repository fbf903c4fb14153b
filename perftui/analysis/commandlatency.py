"""Latency of commands from the power-of-two buckets that servers count in, of one server or of several."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from perftui.model.cache import CommandLatency

NAMES = ("read", "write", "other")


def latency(name: str, counts: Mapping[int, float], seconds: float) -> CommandLatency | None:
    """Rate, quantiles and buckets of one class's counts in `seconds`; None when nothing ran.

    A bucket is its upper bound as a power of two of microseconds.
    """
    total = sum(counts.values())
    if not total:
        return None
    p50, p95, p99 = (quantile(counts, total, q) for q in (0.5, 0.95, 0.99))
    buckets = tuple((2.0**b / 1e6, counts[b] / seconds) for b in sorted(counts))
    return CommandLatency(name, total / seconds, p50, p95, p99, buckets)


def quantile(counts: Mapping[int, float], total: float, q: float) -> float:
    """Seconds below which a share `q` ran: geometric interpolation inside its power-of-two bucket."""
    below, wanted = 0.0, q * total
    for bucket in sorted(counts):
        if below + counts[bucket] >= wanted:
            inside = (wanted - below) / counts[bucket]
            return float(2.0 ** (bucket - 1 + inside) / 1e6)
        below += counts[bucket]
    return float(2.0 ** max(counts) / 1e6)


def together(parts: Iterable[CommandLatency]) -> tuple[CommandLatency, ...]:
    """Latency of the same classes at several servers: their buckets added, quantiles taken anew."""
    counts: dict[str, Counter[int]] = {}
    for part in parts:
        mine = counts.setdefault(part.name, Counter())
        for bound, rate in part.buckets:
            mine[round(math.log2(bound * 1e6))] += rate  # type: ignore[assignment]  # it adds any number
    found = (latency(name, counts.get(name, {}), 1.0) for name in NAMES)
    return tuple(one for one in found if one is not None)
