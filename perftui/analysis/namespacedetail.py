"""What the records of a namespace's nodes say together: latencies, what left L1, how values are packed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from perftui.analysis.quantile import Sketch
from perftui.model.noderecord import NodesLook

Quantiles = tuple[float, float, float, float]
"""p50, p95, p99, p99.9 in seconds."""


@dataclass(frozen=True, slots=True)
class NamespaceDetail:
    """Counts since the nodes began, summed over them.

    `latencies` are (`load`, `l2.get`, …, quantiles), of which `staleness` is how long changes took to be
    heard; `evicted` and `codecs` are (cause, or codec, count); `troubles` are (what, count) of what went
    wrong. `packed_in` and `packed_out` are bytes before and after packing, `small` and `kept_raw` values left
    as they were.
    """

    namespace: str
    nodes: int
    latencies: tuple[tuple[str, Quantiles], ...] = ()
    evicted: tuple[tuple[str, int], ...] = ()
    codecs: tuple[tuple[str, int], ...] = ()
    troubles: tuple[tuple[str, int], ...] = ()
    packed_in: int = 0
    packed_out: int = 0
    small: int = 0
    kept_raw: int = 0

    @property
    def ratio(self) -> float | None:
        """Bytes before for one after packing; None where nothing was written."""
        return self.packed_in / self.packed_out if self.packed_out else None


TROUBLES = (
    "load.failed",
    "load.timeout",
    "lease.failed",
    "notice.failed",
    "edge.failed",
    "background.failed",
    "serialize.failed",
    "stale.failed",
    "staleness.lost",
)
LATENCIES = ("load", "l2.get", "l2.set", "staleness")
UNREADABLE = "unreadable."  # begins the counters of values in L2 that were none
CODECS = "codec.by."  # begins the counters of values that a codec packed


def detail(look: NodesLook, namespace: str) -> NamespaceDetail:
    """Of the nodes that hold it; nothing but its name where none does."""
    mine = [record.stats for record in look.records if record.stats.namespace == namespace]
    counts: Counter[str] = Counter()
    sketches: dict[str, Sketch] = {}
    for stats in mine:
        counts.update(stats.counters)
        for name, data in stats.sketches.items():
            sketches.setdefault(name, Sketch()).merge(Sketch.unpack(data))
    unreadable = (name for name in sorted(counts) if name.startswith(UNREADABLE))
    told = ((name, _quantiles(sketches[name])) for name in LATENCIES if name in sketches)
    return NamespaceDetail(
        namespace,
        len(mine),
        tuple((name, found) for name, found in told if not math.isnan(found[0])),
        below(counts, "evicted."),
        below(counts, CODECS),
        tuple((name, counts[name]) for name in (*TROUBLES, *unreadable) if counts[name]),
        counts["codec.bytes_in"],
        counts["codec.bytes_out"],
        counts["codec.small"],
        counts["codec.kept_raw"],
    )


def _quantiles(sketch: Sketch) -> Quantiles:
    return sketch.quantile(0.5), sketch.quantile(0.95), sketch.quantile(0.99), sketch.quantile(0.999)


def below(counts: Mapping[str, int], head: str) -> tuple[tuple[str, int], ...]:
    """Counters whose names begin so, without that, the highest first."""
    found = [(name.removeprefix(head), n) for name, n in counts.items() if name.startswith(head) and n]
    return tuple(sorted(found, key=lambda pair: -pair[1]))
