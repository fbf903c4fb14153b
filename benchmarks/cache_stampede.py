"""Four processes, in each 50 callers who miss one key at the same instant: loads, and how long they wait.

    python -m benchmarks.cache_stampede [--peers PYTHON] [--rounds 5]

The loader takes 50 ms. Figures: loads and milliseconds until the last caller has the value, medians over the
rounds, in each of which all contestants come in turn with a new key.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.cache_stampede_peer import CALLERS, CONTESTANTS
from benchmarks.contest import Contestant, Target, chosen, table, verdict, with_server, words

PEER = "benchmarks.cache_stampede_peer"
PROCESSES = 4
LOAD = 0.05
SOON = 0.1  # seconds until they begin: all were told by then


def stampede(
    herd: list[Contestant], key: str, callers: int = CALLERS, load: float = LOAD
) -> tuple[int, float]:
    """Loads, and seconds until the last has it."""
    at = time.monotonic() + SOON
    for one in herd:
        one.begin(key=key, callers=callers, load=load, at=at)
    said = [one.answer() for one in herd]
    return sum(s["calls"] for s in said), max(s["ended"] for s in said) - at


def race(said: Any, server: Any) -> None:
    """All contestants in turn, round by round."""
    herds = {
        name: [Contestant(python, PEER, name, server) for _ in range(PROCESSES)]
        for name, python in chosen(CONTESTANTS, said.peers).items()
    }
    took: dict[str, list[tuple[int, float]]] = {name: [] for name in herds}
    try:
        for name, herd in herds.items():
            stampede(herd, f"{name}:first")
        for n in range(said.rounds):
            for name, herd in herds.items():
                took[name].append(stampede(herd, f"{name}:{n}"))
    finally:
        for herd in herds.values():
            for one in herd:
                one.close()
    rows = []
    for name, rounds in took.items():
        calls, wall = (statistics.median(figures) for figures in zip(*rounds, strict=True))
        rows.append((name, f"{calls:.0f}", max(c for c, _ in rounds), f"{wall * 1000:.0f}"))
    table(("contestant", "loads", "most loads", "ms until all have it"), rows)
    most = max(calls for calls, _ in took["ours"])
    wall = statistics.median(wall for _, wall in took["ours"])
    verdict(
        (
            Target("loads, in the worst round", str(most), "1", most == 1),
            Target("until all have it, in loads", f"{wall / LOAD:.2f}", "1.5", wall <= 1.5 * LOAD),
        )
    )


def main() -> None:
    """Print the table."""
    said = words(__doc__).parse_args()
    with_server(lambda server: race(said, server))


if __name__ == "__main__":
    main()
