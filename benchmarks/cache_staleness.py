"""How long one process goes on serving what another, or a foreign program, has replaced.

    python -m benchmarks.cache_staleness [--peers PYTHON] [--rounds 5] [--sets 200]

A process reads one key each millisecond from memory; its number is replaced each 4 ms by (1) another
process with the same library, (2) a foreign client, which puts bytes there, (3) the
first again, while the reader's connections that hear of changes are killed each 0.2 s by CLIENT KILL. In
each round all contestants come in turn. Figures over the rounds: milliseconds from the end of a set to the
first read that has it or a later one (the reader's millisecond is in it), and reads later than 50 ms after
a set that still had an older value.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psutil

from benchmarks.cache_staleness_peer import CONTESTANTS
from benchmarks.contest import (
    Contestant,
    Target,
    chosen,
    client,
    quantile,
    table,
    verdict,
    with_server,
    words,
)

PEER = "benchmarks.cache_staleness_peer"
PAUSE = 0.004
LATE = 0.05
CUT_EVERY = 0.2
WAYS = ("another process", "a foreign client", "another process, link killed")


class Seen(NamedTuple):
    """Of one round: seconds each set took to be seen, how many never were; reads; links killed."""

    lags: list[float]
    unseen: int
    reads: int
    stale: int
    empty: int
    cuts: int


def compare(ends: Sequence[float], reads: Sequence[tuple[float, int]], cuts: int) -> Seen:
    """What the reader saw beside when the writer had ended; both on the machine's one monotonic clock."""
    lags, at = [], 0
    for n, ended in enumerate(ends, 1):
        while at < len(reads) and reads[at][1] < n:
            at += 1
        if at == len(reads):
            break
        lags.append(max(0.0, reads[at][0] - ended))
    stale = sum(0 <= number < bisect_right(ends, began - LATE) for began, number in reads)
    empty = sum(number < 0 for began, number in reads if began > ends[0])
    return Seen(lags, len(ends) - len(lags), len(reads), stale, empty, cuts)


def foreign(redis: Any, raw: str, values: Sequence[bytes]) -> list[float]:
    """A client of another kind sets the key's bytes; when each call had returned."""
    ends = []
    with redis:
        for value in values:
            redis.set(raw, value)
            ends.append(time.monotonic())
            time.sleep(PAUSE)
    return ends


def cutting(server: Any, pid: int, over: threading.Event) -> Callable[[], int]:
    """Kill that process' connections that hear of changes, again and again; the answer ends it: how many."""
    count = 0

    def cut() -> None:
        nonlocal count
        with client(server) as redis:
            while not over.wait(CUT_EVERY):
                ports = {c.laddr.port for c in psutil.Process(pid).net_connections("tcp") if c.laddr}
                for one in redis.client_list():
                    hears = set(one["flags"]) & {"t", "B", "P"}
                    if hears and int(one["addr"].rpartition(":")[2]) in ports:
                        count += bool(redis.client_kill_filter(_id=one["id"]))

    thread = threading.Thread(target=cut)
    thread.start()

    def ended() -> int:
        over.set()
        thread.join()
        return count

    return ended


def once(way: str, pair: Sequence[Contestant], server: Any, key: str, sets: int) -> Seen:
    """One round of one contestant."""
    reader, writer = pair
    how = {"key": key, "last": sets, "pause": PAUSE}
    raw, others = writer.ask(do="raw", **how) if way == WAYS[1] else ("", ())
    redis = client(server)
    values = redis.mget(others) if others else ()
    reader.begin(do="watch", **how)
    ended = cutting(server, reader.pid, threading.Event()) if way == WAYS[2] else lambda: 0
    try:
        ends = foreign(redis, raw, values) if values else writer.ask(do="write", **how)
    finally:
        cuts = ended()
    return compare(ends, reader.answer(), cuts)


def race(said: Any, server: Any) -> None:
    """All contestants in turn, round by round, each way."""
    pairs = {
        name: [Contestant(python, PEER, name, server) for _ in range(2)]
        for name, python in chosen(CONTESTANTS, said.peers).items()
    }
    took: dict[tuple[str, str], list[Seen]] = {}
    try:
        for n in range(said.rounds):
            for way in WAYS:
                for name, pair in pairs.items():
                    key = f"{name.partition(',')[0]}:{WAYS.index(way)}:{n}"
                    took.setdefault((way, name), []).append(once(way, pair, server, key, said.sets))
    finally:
        for pair in pairs.values():
            for one in pair:
                one.close()
    show(took)


def show(took: dict[tuple[str, str], list[Seen]]) -> None:
    """The table and the targets."""
    rows = []
    for (way, name), rounds in took.items():
        lags = [lag for r in rounds for lag in r.lags] or [float("inf")]
        rows.append(
            (
                f"{name}: {way}",
                *(f"{quantile(lags, share) * 1000:.1f}" for share in (0.5, 0.99)),
                f"{max(lags) * 1000:.1f}",
                sum(r.unseen for r in rounds),
                f"{sum(r.reads for r in rounds):,}",
                sum(r.stale for r in rounds),
                sum(r.empty for r in rounds),
                sum(r.cuts for r in rounds) or "",
            )
        )
    head = (
        "reader, replaced by",
        "p50 ms",
        "p99 ms",
        "most ms",
        "sets never seen",
        "reads",
        "stale",
        "empty",
        "kills",
    )
    table(head, rows)
    targets = []
    for way in WAYS[:2]:
        lags = [lag for r in took[way, "ours"] for lag in r.lags]
        p99, most = quantile(lags, 0.99) * 1000, max(lags) * 1000
        targets.append(Target(f"p99, {way}", f"{p99:.1f} ms", "5 ms", p99 <= 5))
        targets.append(Target(f"most, {way}", f"{most:.1f} ms", "50 ms", most <= 50))
    stale = sum(r.stale for r in took[WAYS[2], "ours"])
    targets.append(Target("stale reads while the link is killed", f"{stale}", "0", stale == 0))
    verdict(targets)


def main() -> None:
    """Print the table."""
    parser = words(__doc__)
    parser.add_argument("--sets", type=int, default=200)
    said = parser.parse_args()
    with_server(lambda server: race(said, server))


if __name__ == "__main__":
    main()
