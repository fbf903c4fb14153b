"""The owner of a load is killed in its middle: how long others wait, and how often it is loaded in all.

    python -m benchmarks.cache_takeover [--rounds 7] [--lease 1.0]

Three processes of 50 callers each wait for the owner's load when SIGKILL ends it, at another instant after
the lease's renewal in each round. Figures: milliseconds from the kill, and from the end of what was left
of the lease then, until the last caller has the value; the second load takes 50 ms, which are taken off.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from benchmarks.cache_stampede_peer import CALLERS
from benchmarks.contest import Contestant, Target, client, table, verdict, with_server, words
from perftui.instrument.cache.names import lease_key

PEER = "benchmarks.cache_stampede_peer"
WAITING = 3
LOAD = 0.05
SLOW = 600.0


def takeover(
    lease: float, key: str, after: float, others: list[Contestant], server: Any
) -> tuple[float, float, int]:
    """Seconds from the kill and from the lease's end, and loads; killed `after` seconds of waiting."""
    owner = Contestant(sys.executable, PEER, "ours", server, str(lease))
    with client(server) as redis:
        owner.begin(key=key, callers=CALLERS, load=SLOW, at=0.0)
        until = time.monotonic() + 20
        while not redis.exists(lease_key("bench", key)):
            if time.monotonic() > until:
                owner.kill()
                raise SystemExit("the owner took no lease in 20 s")
            time.sleep(0.005)
        for one in others:
            one.begin(key=key, callers=CALLERS, load=LOAD, at=0.0)
        time.sleep(after)
        left = redis.pttl(lease_key("bench", key)) / 1000
        killed = time.monotonic()
        owner.kill()
    said = [one.answer() for one in others]
    took = max(s["ended"] for s in said) - killed - LOAD
    return took, took - left, 1 + sum(s["calls"] for s in said)


def race(said: Any, server: Any) -> None:
    """The rounds."""
    others = [Contestant(sys.executable, PEER, "ours", server, str(said.lease)) for _ in range(WAITING)]
    try:
        rounds = [
            takeover(said.lease, f"k{n}", 0.3 + said.lease * n / said.rounds / 3, others, server)
            for n in range(said.rounds)
        ]
    finally:
        for one in others:
            one.close()
    killed, ended, loads = ([r[n] for r in rounds] for n in range(3))
    rows = [
        (name, f"{statistics.median(figures) * 1000:.0f}", f"{max(figures) * 1000:.0f}")
        for name, figures in (("from the kill", killed), ("from the lease's end", ended))
    ]
    table((f"taken over, lease {said.lease:g} s", "median ms", "most ms"), rows)
    verdict(
        (
            Target(
                "after the kill",
                f"{max(killed) * 1000:.0f} ms",
                f"{said.lease * 1000 + 100:.0f} ms",
                max(killed) <= said.lease + 0.1,
            ),
            Target("loads in all, worst round", f"{max(loads):.0f}", "2", max(loads) == 2),
        )
    )


def main() -> None:
    """Print the table."""
    parser = words(__doc__, rounds=7)
    parser.add_argument("--lease", type=float, default=1.0)
    said = parser.parse_args()
    with_server(lambda server: race(said, server))


if __name__ == "__main__":
    main()
