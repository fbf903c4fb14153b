"""Reads of 1 KB from one server, at 64 callers and at one: our L2 path beside other clients.

    python -m benchmarks.cache_l2 [--peers PYTHON] [--rounds 5] [--seconds 1.0]

Each contestant is a process of its own that is asked in turn, all of them in each round. `--peers` names a
Python that has requirements/cache-peers.txt; without it only ours, and redis-py of this one, are measured.
Figures: reads a second and CPU microseconds a read of the client's process (threads of its own counted),
medians over the rounds. Our reads have a deadline of 0.5 s, as the cache gives them.
"""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.cache_l2_peer import CALLERS, CONTESTANTS
from benchmarks.contest import Contestant, chosen, client, table, with_server, words

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

PEER = "benchmarks.cache_l2_peer"


def main() -> None:
    """Print the tables."""
    parser = words(__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    said = parser.parse_args()
    with_server(lambda server: race(said, server))


def race(said: Any, server: ValkeyServer) -> None:
    """All contestants in turn, round by round."""
    with client(server) as redis:
        redis.mset({f"key:{n}": b"v" * 1024 for n in range(1000)})
    pythons = chosen(CONTESTANTS, said.peers) | ({} if said.peers else {"redis-py": sys.executable})
    crowd = [Contestant(python, PEER, name, server) for name, python in pythons.items()]
    try:
        for callers in CALLERS:
            took: dict[str, list[dict[str, float]]] = {one.name: [] for one in crowd}
            for one in crowd:
                one.ask(callers=callers, seconds=0.2)
            for _ in range(said.rounds):
                for one in crowd:
                    took[one.name].append(one.ask(callers=callers, seconds=said.seconds))
            show(callers, took)
    finally:
        for one in crowd:
            one.close()


def show(callers: int, took: dict[str, list[dict[str, float]]]) -> None:
    """One table."""
    print(f"\n{callers} caller{'s' if callers > 1 else ''}")
    rates = {name: statistics.median(r["rate"] for r in rounds) for name, rounds in took.items()}
    cpus = {name: statistics.median(r["cpu"] for r in rounds) for name, rounds in took.items()}
    table(
        ("client", "reads/s", "ours, times as many", "CPU µs a read"),
        [(n, f"{rate:,.0f}", f"{rates['ours'] / rate:.1f}", f"{cpus[n]:.1f}") for n, rate in rates.items()],
    )


if __name__ == "__main__":
    main()
