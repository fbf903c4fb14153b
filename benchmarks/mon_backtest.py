"""How long a week's backtest takes a rule: our own rules and a rule file's, over a folded history.

python -m benchmarks.mon_backtest [DAYS]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.pasts import KINDS, NOW, Then, fill
from perftui.analysis.promrules import groups_of
from perftui.analysis.rulefile import read_rules
from perftui.model.alertrules import DEFAULTS
from perftui.model.backtest import Backtest
from perftui.runtime.backtester import Backtester
from perftui.runtime.store import Store

EVERY = 5.0  # seconds between two readings
TARGET = 1.0  # seconds a rule
EXPRESSIONS = (
    "perftui_host_cpu_busy_ratio > 0.95",
    "avg_over_time(perftui_host_cpu_busy_ratio[5m]) > 0.9",
    "max_over_time(perftui_host_cpu_busy_ratio[1h]) > 1.5",
    "quantile_over_time(0.9, perftui_host_cpu_busy_ratio[10m]) > 0.97",
    "rate(perftui_host_net_rx_bytes[5m]) > 2000",
    "increase(perftui_host_net_rx_bytes[1h]) > 9e6",
    "deriv(perftui_host_memory_used_ratio[10m]) > 0.01",
    "perftui_postgres_connections / perftui_postgres_max_connections > 0.95",
    "sum by (source) (rate(perftui_host_net_rx_bytes[5m])) > 2000",
    "avg_over_time(perftui_host_cpu_busy_ratio[30m] offset 1d) > 0.9",
    "absent(perftui_host_cpu_busy_ratio)",
)
FILE = "groups:\n- name: g\n  interval: 15s\n  rules:\n"


def rules() -> str:
    """A rule file with an alert for each expression."""
    return FILE + "".join(f"  - {{alert: R{n}, expr: '{expr}'}}\n" for n, expr in enumerate(EXPRESSIONS))


async def told(judging: AsyncIterator[Backtest], name: str) -> float:
    """A row of the table: CPU seconds of a rule, and of the clock, which counts what else ran too."""
    began = time.process_time()
    (one,) = [one async for one in judging]
    took = time.process_time() - began
    missed = "" if took <= TARGET else "  MISSED"
    print(f"  {took:5.2f} s CPU  {one.took_s:6.2f} s  {len(one.spells):4} firings  {name}{missed}{one.error}")
    return took


async def main(days: float) -> None:
    """Fill, then judge every rule."""
    with tempfile.TemporaryDirectory(prefix="perftui-bench-") as folder:
        path, then = Path(folder, "store.sqlite"), Then(NOW)
        store, start = Store.open(str(path), "bench"), NOW - days * 86400.0
        history = await fill(store, then, days, EVERY, tuple(KINDS))
        print(f"{days:g} days of 12 series each {EVERY:g} s: {path.stat().st_size / 1e6:.1f} MB")
        tester, took = Backtester(history, KINDS), []
        shipped = [rule for rule in DEFAULTS if rule.series.kind in KINDS.values()]
        took += [await told(tester.own([rule], start, NOW), rule.name) for rule in shipped]
        groups = groups_of(read_rules(rules()))
        filed = enumerate(EXPRESSIONS)
        took += [await told(tester.groups(groups, start, NOW, f"R{n}"), expr) for n, expr in filed]
        await store.close()
    print(f"worst {max(took):.2f} s, median {statistics.median(took):.2f} s a rule; target {TARGET:g} s")


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 7.0))
