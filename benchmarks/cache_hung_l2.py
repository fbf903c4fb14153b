"""What a caller waits while the server hangs (SIGSTOP) and its value is in memory, stale.

    python -m benchmarks.cache_hung_l2 [--peers PYTHON] [--rounds 5] [--most 6]

100 keys are asked for one after another. Ours have a soft limit of 50 ms; the others come as they are, and
have nothing in memory to fall back on. In each round all contestants come in turn, each with a new process,
which gets `--most` seconds. Figures over the rounds: milliseconds a call, and the share of calls that got the
value.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from benchmarks.cache_hung_l2_peer import CONTESTANTS
from benchmarks.contest import Contestant, Target, chosen, quantile, table, verdict, with_server, words

PEER = "benchmarks.cache_hung_l2_peer"


def hang(contestant: Contestant, server: Any, most: float) -> dict[str, Any]:
    """Stop the server while it is asked."""
    try:
        contestant.ask(do="ready")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            said: dict[str, Any] = contestant.ask(do="get", most=most)
        finally:
            os.kill(server.pid, signal.SIGCONT)
    finally:
        contestant.kill()
    return said


def race(said: Any, server: Any) -> None:
    """All contestants in turn, round by round."""
    crowd = chosen(CONTESTANTS, said.peers)
    took: dict[str, list[dict[str, Any]]] = {name: [] for name in crowd}
    for _ in range(said.rounds):
        for name, python in crowd.items():
            took[name].append(hang(Contestant(python, PEER, name, server), server, said.most))
    rows = []
    for name, rounds in took.items():
        calls = [seconds for r in rounds for seconds in r["took"]]
        served = sum(r["served"] for r in rounds) / len(calls)
        above = ">" if any(r["cut"] for r in rounds) else ""
        figures = [f"{quantile(calls, share) * 1000:,.1f}" for share in (0.5, 0.99)]
        rows.append((name, len(calls), *figures, f"{above}{max(calls) * 1000:,.0f}", f"{served:.0%}"))
    table(("contestant", "calls", "p50 ms", "p99 ms", "most ms", "got the value"), rows)
    targets = []
    for name, rounds in took.items():
        if name.startswith("ours"):
            p99 = quantile([seconds for r in rounds for seconds in r["took"]], 0.99) * 1000
            targets.append(Target(f"p99, {name}", f"{p99:.1f} ms", "70 ms (aim 60)", p99 <= 70))
    verdict(targets)


def main() -> None:
    """Print the table."""
    parser = words(__doc__)
    parser.add_argument("--most", type=float, default=6.0)
    said = parser.parse_args()
    with_server(lambda server: race(said, server))


if __name__ == "__main__":
    main()
