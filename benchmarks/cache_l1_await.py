"""A whole `await get` that memory answers while a server stands behind, beside other libraries.

    python -m benchmarks.cache_l1_await [--peers PYTHON] [--rounds 7] [--calls 30000]

Each contestant is a process of its own that is asked in turn. Figures: CPU microseconds a call, medians over
the rounds.
"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.cache_l1_await_peer import CONTESTANTS
from benchmarks.contest import Contestant, Target, chosen, table, verdict, with_server, words

PEER = "benchmarks.cache_l1_await_peer"


def race(said: Any, server: Any) -> None:
    """All contestants in turn, round by round."""
    crowd = [
        Contestant(python, PEER, name, server) for name, python in chosen(CONTESTANTS, said.peers).items()
    ]
    took: dict[str, list[float]] = {one.name: [] for one in crowd}
    try:
        for one in crowd:
            one.ask(calls=2000)
        for _ in range(said.rounds):
            for one in crowd:
                took[one.name].append(one.ask(calls=said.calls)["cpu"])
    finally:
        for one in crowd:
            one.close()
    cpu = {name: statistics.median(rounds) for name, rounds in took.items()}
    table(
        ("call", "CPU µs", "ours, of its time"),
        [(name, f"{us:.2f}", f"{cpu['ours, get'] / us:.2f}") for name, us in cpu.items()],
    )
    if (peer := "cashews, client side") in cpu:
        share = cpu["ours, get"] / cpu[peer]
        verdict([Target(f"of the time of {peer}", f"{share:.2f}", "0.4", share <= 0.4)])


def main() -> None:
    """Print the table."""
    parser = words(__doc__, rounds=7)
    parser.add_argument("--calls", type=int, default=30_000)
    said = parser.parse_args()
    with_server(lambda server: race(said, server))


if __name__ == "__main__":
    main()
