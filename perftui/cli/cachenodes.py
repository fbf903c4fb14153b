"""`perftui cache nodes`: what each process that holds a cache of the library has counted."""

from __future__ import annotations

import argparse
import math
from typing import Any

from perftui.analysis.quantile import Sketch
from perftui.cli import common
from perftui.model.noderecord import NodeRecord, NodesLook
from perftui.model.reuse import SKETCHES

QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def show(look: NodesLook, args: argparse.Namespace) -> int:
    """Print; 1 when no node publishes."""
    from perftui.draw import format as fmt

    records = sorted(look.records, key=lambda r: (r.stats.namespace, r.stats.node))
    if args.json:
        common.say([_row(record) for record in records], args.json)
    else:
        common.print_lines(line for record in records for line in _lines(record))
    for why, count in (look.unreadable or {}).items():
        common.narrate(f"{fmt.many(count, 'record')} could not be read: {why}")
    if look.more:
        common.narrate(f"only the first {fmt.many(len(records), 'node')} are shown")
    return common.DONE if records else common.NO


def _row(record: NodeRecord) -> dict[str, Any]:
    stats = record.stats
    return {
        "namespace": stats.namespace,
        "node": stats.node,
        "at": record.at,
        "counters": dict(stats.counters),
        "gauges": dict(stats.gauges),
        "latency_s": {name: _quantiles(data) for name, data in _latencies(record)},
    }


def _latencies(record: NodeRecord) -> list[tuple[str, bytes]]:
    return sorted(one for one in record.stats.sketches.items() if one[0] not in SKETCHES)


def _quantiles(data: bytes) -> dict[str, float | None]:
    sketch = Sketch.unpack(data)
    found = {name: sketch.quantile(q) for name, q in QUANTILES}
    return {name: None if math.isnan(value) else value for name, value in found.items()}


def _lines(record: NodeRecord) -> list[str]:
    from perftui.draw import format as fmt
    from perftui.draw.clean import inert

    stats = record.stats
    counts = " · ".join(f"{name} {fmt.count(n)}" for name, n in sorted(stats.counters.items()) if n)
    gauges = " · ".join(f"{name} {value:g}" for name, value in sorted(stats.gauges.items()))
    times = " · ".join(
        f"{name} p50 {fmt.duration(q['p50'])} p99 {fmt.duration(q['p99'])}"
        for name, q in ((name, _quantiles(data)) for name, data in _latencies(record))
    )
    told = [f"{inert(stats.namespace)} {inert(stats.node)} at {fmt.stamp(record.at)}"]
    return told + [f"  {line}" for line in (counts, gauges, times) if line]
