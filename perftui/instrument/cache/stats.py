"""A node's counts for others: published in L2 for the console, printed for a metrics endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Final

from perftui.analysis.codec import Savings
from perftui.analysis.quantile import Sketch
from perftui.instrument.cache.names import node_key
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.model.errors import BackendError
from perftui.model.noderecord import EVERY, INDEX, LIFE, pack
from perftui.model.reuse import SKETCHES
from perftui.model.tiers import TierStats

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
QUANTILES: Final = (0.5, 0.95, 0.99, 0.999)
FORGET_S: Final = 60.0  # after which the index drops a node that published no more
_OTHER = re.compile(r"[^a-z0-9_]")


def of_savings(savings: Savings) -> dict[str, int]:
    """Counters of packing, to be put beside a cache's own."""
    counts = {"bytes_in": savings.bytes_in, "bytes_out": savings.bytes_out, "small": savings.small}
    counts |= {"packed": savings.packed, "kept_raw": savings.kept_raw}
    counts |= {f"by.{name}": count for name, count in savings.by_codec.items()}
    return {f"codec.{name}": count for name, count in counts.items()}


def of_writes(behind: WriteBehind) -> tuple[dict[str, int], dict[str, float]]:
    """Counters and gauges of write-behind."""
    counts = {f"writes.{name}": n for name, n in asdict(behind.counts).items() if isinstance(n, int)}
    gauges = {"writes.waiting": float(behind.waiting), "writes.oldest_s": behind.oldest_s}
    letters = {"writes.dead": float(behind.dead_own), "writes.dead_shared": float(behind.dead_shared)}
    return counts, gauges | letters


class Publisher:
    """Puts `read()` into L2 every 2 s, to be gone 10 s after the last time; a server away costs nothing.

    The names of all nodes' keys are in one sorted set, by the server's time. `look` is awaited before each.
    """

    def __init__(
        self,
        store: Store,
        read: Callable[[], TierStats],
        look: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._read = read
        self._look = look
        self._task: asyncio.Task[None] | None = None
        self.failed = 0

    def start(self) -> None:
        """Begin; once is enough."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="cache stats")

    async def publish(self) -> None:
        """Once, now.

        Raises:
            BackendError: L2 did not take it.
        """
        stats, now = self._read(), self._store.now()
        key = node_key(stats.namespace, stats.node)
        record, life = pack(stats, now), str(round(LIFE * 1000))
        await asyncio.gather(
            self._store.command("SET", key, record, "PX", life, key=key),
            self._store.command("ZADD", INDEX, f"{now:.3f}", key, key=INDEX),
            self._store.command("ZREMRANGEBYSCORE", INDEX, "-inf", f"{now - FORGET_S:.3f}", key=INDEX),
        )

    async def close(self) -> None:
        """Stop, and take the record away; twice is harmless."""
        if self._task is None:
            return
        task, self._task = self._task, None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stats = self._read()
        key = node_key(stats.namespace, stats.node)
        with contextlib.suppress(BackendError):
            await self._store.command("UNLINK", key, key=key, within=0.5)
            await self._store.command("ZREM", INDEX, key, key=INDEX, within=0.5)

    async def _run(self) -> None:
        while True:
            try:
                if self._look is not None:
                    await self._look()
                await self.publish()
            except BackendError:
                self.failed += 1
            await asyncio.sleep(EVERY)


def open_metrics(nodes: Iterable[TierStats]) -> str:
    """OpenMetrics text of some namespaces of this process: counters, gauges, and summaries of latencies.

    `perftui_cache_hit_l1_total{namespace="shop"}`, `perftui_cache_load_seconds{namespace=…,quantile="0.99"}`.
    """
    families: dict[tuple[str, str], list[str]] = {}
    for stats in nodes:
        label = f'namespace="{_escaped(stats.namespace)}"'
        for name, count in stats.counters.items():
            line = f"{_metric(name)}_total{{{label}}} {count}"
            families.setdefault((_metric(name), "counter"), []).append(line)
        for name, value in stats.gauges.items():
            families.setdefault((_metric(name), "gauge"), []).append(f"{_metric(name)}{{{label}}} {value!r}")
        for name, data in stats.sketches.items():
            if name in SKETCHES:
                continue
            metric = f"{_metric(name)}_seconds"
            families.setdefault((metric, "summary"), []).extend(_summary(metric, label, Sketch.unpack(data)))
    lines: list[str] = []
    taken: set[str] = set()
    for (metric, kind), rows in families.items():
        if metric not in taken:  # a counter and a gauge of one name would be one family of two kinds
            taken.add(metric)
            lines += [f"# TYPE {metric} {kind}", *rows]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _summary(metric: str, label: str, sketch: Sketch) -> list[str]:
    quantiles = [(q, sketch.quantile(q)) for q in QUANTILES]
    rows = [f'{metric}{{{label},quantile="{q:g}"}} {v!r}' for q, v in quantiles if not math.isnan(v)]
    return [*rows, f"{metric}_count{{{label}}} {sketch.count}", f"{metric}_sum{{{label}}} {sketch.total!r}"]


def _metric(name: str) -> str:
    return "perftui_cache_" + _OTHER.sub("_", name)


def _escaped(text: str) -> str:
    plain = text.encode("utf-8", "replace").decode()
    return plain.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
