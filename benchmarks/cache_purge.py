"""100,000 of 600,000 keys are purged while another client reads: how long that one waits, how quick it is.

    python -m benchmarks.cache_purge [--rounds 5] [--keys 600000] [--purged 100000]

The console's purge (with the look that plans it), deleting at once, into the quarantine in the server and
into a file, each with its undo, beside KEYS with one DEL, and SCAN 1000 with UNLINK, by redis-py. The file is
in the folder for temporary ones (TMPDIR), synced before each 4,000 keys are deleted. Figures: the longest
command by the server's own clock (its slow log), the reader's longest wait and 99th percentile, and keys a
second, medians over rounds in which all come in turn. The target is judged by the longest command, for nobody
is served meanwhile: of the kind that takes longest the 99th percentile (of a kind that came less than a
hundred times its longest), in the round with the least. What else the machine does only adds to it; the
reader alone is a row for that.

`--cluster`: the console's purge alone, on three masters with a replica each (nobody reads beside it), with
the CPU of its process. What the plan takes is not in the keys a second.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cache_cluster import backend
from benchmarks.cache_purge_reader import STOP
from benchmarks.contest import Contestant, Target, client, table, verdict, with_server, words
from perftui.backends.valkey.standalone import Valkey
from perftui.engines.cache.keyfile import contents
from perftui.engines.cache.purge import PurgeKeys
from perftui.engines.cache.purgefile import PurgeToFile
from perftui.engines.cache.restore import restore
from perftui.engines.cache.restorefile import restore_from
from perftui.lab.cluster import Cluster
from perftui.lab.folders import Folder, server_owner
from perftui.model.action import Progress
from perftui.model.options import ValkeyOptions

PEER = "benchmarks.cache_purge_reader"
PURGED = "purged:*"
FILE = Path(tempfile.gettempdir()) / f"perftui-bench-{os.getpid()}.keys"
AT_ONCE = 1000
ALONE = 2.0
LOGGED = 50  # microseconds from which a command is in the slow log


class Took(NamedTuple):
    """Seconds of the purge, of the reader's longest wait and 99th percentile, of the longest command."""

    seconds: float
    most: float
    p99: float
    command: float


def fill(server: Any, prefix: str, keys: int) -> None:
    """Store keys of 100 bytes."""
    with client(server) as redis:
        for first in range(0, keys, AT_ONCE):
            redis.mset({f"{prefix}:{n}": b"v" * 100 for n in range(first, min(keys, first + AT_ONCE))})


def keys_del(server: Any) -> None:
    """KEYS and one DEL."""
    with client(server) as redis:
        redis.delete(*redis.keys("purged:*"))


def scan_unlink(server: Any) -> None:
    """SCAN by the thousand, and UNLINK of what each found."""
    with client(server) as redis:
        cursor = -1
        while cursor:
            cursor, names = redis.scan(max(0, cursor), "purged:*", AT_ONCE)
            if names:
                redis.unlink(*names)


def ours(server: Any, work: Callable[[Valkey], Awaitable[Any]]) -> None:
    """What the console does, over a connection of its own."""

    async def run() -> None:
        power = Valkey("bench", ValkeyOptions(url=server.bare_url, password=server.password))
        await power.open()
        try:
            await work(power)
        finally:
            await power.close()

    asyncio.run(run())


def quiet(_progress: Progress) -> None:
    """Nobody looks."""


async def done(action: Any) -> None:
    """Planned and run."""
    await action.plan()
    await action.run(quiet)


def purge(server: Any, keep: float) -> None:
    """Deleting, or into the quarantine in the server."""
    id_ = "bench" if keep else ""
    ours(server, lambda power: done(PurgeKeys(power, "bench", pattern=PURGED, keep=keep, quarantine=id_)))


def to_file(server: Any) -> None:
    """Into a file."""
    ours(server, lambda power: done(PurgeToFile(power, "bench", pattern=PURGED, file=str(FILE))))


def undo(server: Any) -> None:
    """What `u` does after the purge to quarantine."""
    ours(server, lambda power: restore(power, "bench", 0, quiet))


def undo_file(server: Any) -> None:
    """What `u` does after the purge to a file: it is looked through, then restored. Then it goes."""
    ours(server, lambda power: restore_from(power, contents(FILE), quiet))
    FILE.unlink()


WAYS: dict[str, Callable[[Any], None]] = {
    "the reader alone": lambda _server: time.sleep(ALONE),
    "KEYS and DEL": keys_del,
    "SCAN and UNLINK": scan_unlink,
    "ours, deleting": lambda server: purge(server, 0.0),
    "ours, to quarantine": lambda server: purge(server, 3600.0),
    "ours, undo": undo,
    "ours, to a file": to_file,
    "ours, undo from the file": undo_file,
}


def beside(reader: Contestant, server: Any, work: Callable[[Any], None]) -> Took:
    """The work while the reader reads."""
    with client(server) as redis:
        redis.config_set("slowlog-log-slower-than", LOGGED)
        redis.config_set("slowlog-max-len", 100_000)
        redis.slowlog_reset()
        redis.config_resetstat()
    reader.ask(most=100.0)
    began = time.monotonic()
    work(server)
    seconds = time.monotonic() - began
    with client(server) as redis:
        redis.set(STOP, 1)
        said = reader.answer()
        redis.delete(STOP)
        redis.config_set("slowlog-log-slower-than", -1)
        longest = longest_command(redis)
    return Took(seconds, said["most"], said["p99"], longest)


def longest_command(redis: Any) -> float:
    """Seconds of the kind that takes longest, by the server's slow log and its counts."""
    calls = {name.removeprefix("cmdstat_"): c["calls"] for name, c in redis.info("commandstats").items()}
    took: dict[str, list[int]] = {}
    for one in redis.slowlog_get(100_000):
        took.setdefault(one["command"].split(b" ", 1)[0].decode().lower(), []).append(one["duration"])
    found = [LOGGED]
    for name, slow in took.items():
        if name in {"slowlog", "config"}:  # the benchmark's own
            continue
        before = calls.get(name, len(slow)) // 100
        found += sorted(slow, reverse=True)[before : before + 1]
    return max(found) / 1e6


def race(said: Any, server: Any) -> None:
    """All ways in turn, round by round."""
    fill(server, "kept", said.keys - said.purged)
    reader = Contestant(sys.executable, PEER, "reader", server)
    took: dict[str, list[Took]] = {name: [] for name in WAYS}
    try:
        for _ in range(said.rounds):
            for name, work in WAYS.items():
                if "undo" not in name:  # what that brings back was purged before
                    fill(server, "purged", said.purged)
                took[name].append(beside(reader, server, work))
                check(server, name, said)
    finally:
        reader.close()
    show(took, said.purged)


def check(server: Any, name: str, said: Any) -> None:
    """It did what it was to do."""
    with client(server) as redis:
        left = sum(1 for _ in redis.scan_iter("purged:*", 10_000))
    wanted = said.purged if name == "the reader alone" or "undo" in name else 0
    assert left == wanted, f"{name} left {left} of {said.purged}"


def show(took: dict[str, list[Took]], purged: int) -> None:
    """The table and the targets."""
    middle = {
        name: Took(*(statistics.median(f) for f in zip(*r, strict=True)))._replace(
            command=min(one.command for one in r)
        )
        for name, r in took.items()
    }
    rows = [
        (
            name,
            f"{t.command * 1000:.2f}",
            f"{t.most * 1000:.1f}",
            f"{t.p99 * 1000:.2f}",
            "" if name == "the reader alone" else f"{purged / t.seconds:,.0f}",
        )
        for name, t in middle.items()
    ]
    head = ("beside the reader", "longest command ms", "longest wait ms", "p99 ms", "keys/s")
    table(head, rows)
    purges = ("ours, deleting", "ours, to quarantine", "ours, to a file")
    worst = max(purges, key=lambda name: middle[name].command)
    share = middle["KEYS and DEL"].command / middle[worst].command
    back, filed = (purged / middle[name].seconds for name in ("ours, undo", "ours, undo from the file"))
    verdict(
        (
            Target(f"longest command, {worst}", f"1/{share:.0f} of KEYS and DEL", "1/50", share >= 50),
            Target("undo", f"{back:,.0f} keys/s", "30,000 keys/s", back >= 30_000),
            Target("undo from the file", f"{filed:,.0f} keys/s", "30,000 keys/s", filed >= 30_000),
        )
    )


async def filled(cluster: Cluster, prefix: str, keys: int) -> None:
    """The same in a cluster, each key at its master."""
    from redis.asyncio.cluster import ClusterNode, RedisCluster

    nodes = [ClusterNode(m.host, m.port) for m in cluster.members.values()]
    async with RedisCluster(startup_nodes=nodes, password=cluster.masters[0].password) as redis:
        for first in range(0, keys, AT_ONCE):
            pipe = redis.pipeline()
            for n in range(first, min(keys, first + AT_ONCE)):
                pipe.set(f"{prefix}:{n}", b"v" * 100)
            await pipe.execute()


async def clustered(said: Any) -> None:
    """Purges of a cluster: deleting, into quarantine, and back."""
    folder = Folder.create(server_owner())
    cluster = Cluster(folder)
    took: dict[str, list[tuple[float, float]]] = {"deleting": [], "to quarantine": [], "undo": []}
    power = None
    try:
        await cluster.start()
        await filled(cluster, "kept", said.keys - said.purged)
        power = backend(cluster)
        await power.open()
        for _ in range(said.rounds):
            for name, keep in (("deleting", 0.0), ("to quarantine", 3600.0)):
                await filled(cluster, "purged", said.purged)
                purge = PurgeKeys(power, "bench", pattern=PURGED, keep=keep)
                await purge.plan()
                began, cpu = time.monotonic(), time.process_time()
                receipt = await purge.run(quiet)
                took[name].append((time.monotonic() - began, time.process_time() - cpu))
                assert receipt.done == said.purged, f"{name}: {receipt.summary}"
            began, cpu = time.monotonic(), time.process_time()
            back = await purge.undo(receipt)
            took["undo"].append((time.monotonic() - began, time.process_time() - cpu))
            assert back.done == said.purged, f"undo: {back.summary}"
    finally:
        if power is not None:
            await power.close()
        await cluster.stop()
        folder.remove()
    middle = {name: [statistics.median(f) for f in zip(*r, strict=True)] for name, r in took.items()}
    rows = [(n, f"{said.purged / s:,.0f}", f"{c / said.purged * 1e6:.1f}") for n, (s, c) in middle.items()]
    table(("in a cluster", "keys/s", "CPU µs a key"), rows)
    quick, undone = (said.purged / middle[name][0] for name in ("deleting", "undo"))
    verdict(
        (
            Target("deleting in a cluster", f"{quick:,.0f} keys/s", "130,000 keys/s", quick >= 130_000),
            Target("undo in a cluster", f"{undone:,.0f} keys/s", "30,000 keys/s", undone >= 30_000),
        )
    )


def main() -> None:
    """Print the table."""
    parser = words(__doc__)
    parser.add_argument("--keys", type=int, default=600_000)
    parser.add_argument("--purged", type=int, default=100_000)
    parser.add_argument("--cluster", action="store_true", help="purge a cluster instead")
    said = parser.parse_args()
    if said.cluster:
        asyncio.run(clustered(said))
    else:
        with_server(lambda server: race(said, server), memory="2gb")


if __name__ == "__main__":
    main()
