"""Cost of reading this host and a service's metrics, beside the usual libraries in the same run.

    python benchmarks/collectors.py

Prints CPU milliseconds a read (median of rounds) and our share of the peer's.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from perftui.analysis.promtext import Scanner
from perftui.backends.host import Host, HostOptions
from perftui.backends.host.processes import Processes
from perftui.backends.scrape.red import reading
from perftui.backends.scrape.roles import Names, Roles

ROUNDS = 15
ATTRIBUTES = ["pid", "name", "cmdline", "username", "cpu_times", "memory_info", "num_threads"]


def cost(work: Callable[[], Any], times: int) -> float:
    """Median CPU milliseconds of one call."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - began) / times * 1000)
    return statistics.median(found)


def by_psutil() -> None:
    """What a host read tells, asked of psutil."""
    psutil.cpu_times(percpu=True)
    psutil.cpu_stats()
    psutil.virtual_memory()
    psutil.swap_memory()
    psutil.disk_io_counters(perdisk=True)
    psutil.net_io_counters(pernic=True)
    psutil.getloadavg()
    for part in psutil.disk_partitions():
        psutil.disk_usage(part.mountpoint)


def exposition(routes: int) -> str:
    """Metrics of a service with that many routes."""
    registry = CollectorRegistry()
    seconds = Histogram(
        "http_request_duration_seconds", "d", ["method", "route", "status"], registry=registry
    )
    for i in range(routes):
        seconds.labels("GET", f"/route/{i}", "200").observe(0.05)
    return generate_latest(registry).decode()


def rescan(processes: Processes) -> None:
    """A scan that is not answered from the one before."""
    processes._scanned_at = 0.0  # noqa: SLF001 - the benchmark defeats the half-second rule on purpose
    processes.scan()


def scrape_work(text: str) -> Callable[[], Any]:
    """All that follows the transfer of a scrape: scan, roles, rates, quantiles."""
    scanner, roles = Scanner(), Roles(Names())
    before = roles.sort(scanner.scan(text), 0.0, 0.0)
    return lambda: reading("s", roles.sort(scanner.scan(text), 0.0, 10.0), before, roles.role)


async def host_costs() -> tuple[float, float]:
    """A host read, and the same of psutil."""
    host = Host("host", HostOptions())
    await host.open()
    await host.read()

    def read() -> None:
        coroutine = host.read()
        try:
            coroutine.send(None)
        except StopIteration:
            return

    ours = cost(read, 50)
    await host.close()
    return ours, cost(by_psutil, 20)


def row(name: str, ours: float, peer: str, theirs: float) -> None:
    """One line of the table."""
    print(f"{name:<34} {ours:8.3f} ms   {peer:<26} {theirs:8.3f} ms   {ours / theirs:6.2f} of it")


def main() -> int:
    """Print the table."""
    total = len(psutil.pids())
    print(f"{sys.platform}, {os.cpu_count()} cores, {total} processes, CPU time a read")
    ours, theirs = asyncio.run(host_costs())
    row("host: counters of everything", ours, "psutil, the same figures", theirs)
    processes = Processes()
    ours = cost(lambda: rescan(processes), 3)
    theirs = cost(lambda: list(psutil.process_iter(ATTRIBUTES)), 2)
    row("host: all processes", ours, "psutil.process_iter", theirs)
    processes.close()
    for routes in (20, 300):
        text = exposition(routes)
        samples = sum(1 for line in text.splitlines() if not line.startswith("#"))
        ours = cost(scrape_work(text), 5)
        theirs = cost(lambda text=text: list(text_string_to_metric_families(text)), 2)  # type: ignore[misc]
        row(f"scrape: {samples} samples, to RED", ours, "prometheus_client, parse", theirs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
