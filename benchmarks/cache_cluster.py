"""A cluster on this machine: how soon it serves, and how long its writes stand still when its master goes.

    python -m benchmarks.cache_cluster [--rounds 5]

`up`: six servers from nothing to a cluster that serves all slots. `switchover`: a replica is made the master
by the console's action. `kill`: SIGKILL of a master, at node timeouts of 500 and 1,000 ms. A writer of its
own, by redis-py's cluster client without retries, sets one key of the master's slots every 2 ms: its gap is
the longest between two acknowledged writes, its errors are counted. Beside it stands how long the console's
heartbeat (every 20 ms) says that the slots could not be written.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.contest import Target, table, verdict
from perftui.analysis.slots import slot_of
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.lab.cluster import Cluster
from perftui.lab.folders import Folder, server_owner
from perftui.model.cachecluster import ClusterReading
from perftui.model.options import ValkeyClusterOptions

BEAT = 0.02
EVERY = 0.002
SETTLED = 1.0  # seconds of writes before and after


@dataclass
class Writer:
    """Another client, and the instants at which its writes were acknowledged."""

    cluster: Cluster
    key: str
    done: list[float] = field(default_factory=list)
    errors: int = 0
    stopped: bool = False

    async def run(self) -> None:
        """Write until `stopped`: a cancel in the middle of a time-out is lost in the client."""
        from redis.asyncio.cluster import ClusterNode, RedisCluster
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        nodes = [ClusterNode(m.host, m.port) for m in self.cluster.members.values()]
        client = RedisCluster(
            startup_nodes=nodes,
            password=self.cluster.masters[0].password,
            socket_timeout=0.25,
            socket_connect_timeout=0.25,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            while not self.stopped:
                try:
                    await client.set(self.key, "1")
                    self.done.append(time.time())
                except (RedisError, OSError):
                    self.errors += 1
                await asyncio.sleep(EVERY)
        finally:
            await client.aclose()

    @property
    def gap(self) -> float:
        """The longest between two acknowledged writes, in seconds."""
        return max((b - a for a, b in pairwise(self.done)), default=0.0)


def backend(cluster: Cluster) -> ValkeyCluster:
    """The console's adapter."""
    places = ",".join(f"{m.host}:{m.port}" for m in cluster.members.values())
    secret = cluster.masters[0].password
    options = ValkeyClusterOptions(f"redis+cluster://{places}", "", secret, heartbeat=BEAT)
    return ValkeyCluster("shards", options)


async def reading(of: ValkeyCluster) -> ClusterReading:
    """A look."""
    facts = (await of.read()).facts
    assert isinstance(facts, ClusterReading)
    return facts


async def until_whole(of: ValkeyCluster, seconds: float = 20.0) -> None:
    """Until every slot is served and no outage lasts."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        now = await reading(of)
        serving = [p for p in now.primaries if p.slots and p.state == "ok"]
        if sum(p.slot_count for p in serving) >= 16_384 and all(o.until for o in now.outages):
            return
        await asyncio.sleep(0.05)
    raise SystemExit("the cluster is not whole again")


async def trial(folder: Folder, name: str, timeout_ms: int, kill: bool) -> dict[str, float]:
    """One cluster, one trouble."""
    cluster = Cluster(folder, name, timeout_ms)
    began = time.monotonic()
    await cluster.start()
    up = time.monotonic() - began
    console = backend(cluster)
    key = next(k for k in (f"w{n}" for n in range(1000)) if slot_of(k.encode()) < 5000)
    writer = Writer(cluster, key)
    writing = asyncio.create_task(writer.run())
    try:
        await reading(console)
        await asyncio.sleep(SETTLED)
        writer.errors, before = 0, len(writer.done)
        if not before:
            raise SystemExit("the writer does not write")
        first = (await reading(console)).primaries[0]
        if kill:
            await cluster.kill(1)
        else:
            await console.fail_over((await reading(console)).replicas(first.id)[0], 5.0)
        await asyncio.sleep(SETTLED)
        await until_whole(console)
        await asyncio.sleep(SETTLED)
        outages = [o for o in (await reading(console)).outages if o.until and o.node == first.address]
        told = max(((o.until or 0) - o.since for o in outages), default=0.0)
        return {"up": up, "gap": writer.gap, "errors": writer.errors, "told": told}
    finally:
        writer.stopped = True
        await asyncio.gather(writing, return_exceptions=True)
        await console.close()
        await cluster.stop()


async def main(rounds: int) -> None:
    """The rounds, interleaved."""
    folder = Folder.create(server_owner())
    kinds = {"switchover": (1000, False), "kill at 500 ms": (500, True), "kill at 1,000 ms": (1000, True)}
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in kinds}
    try:
        for n in range(rounds):
            for index, (name, (timeout_ms, kill)) in enumerate(kinds.items()):
                seen[name].append(await trial(folder, f"c{n}-{index}", timeout_ms, kill))
    finally:
        folder.remove()
    ups = [one["up"] for trials in seen.values() for one in trials]
    table(
        ("what", "median s", "most s", "errors", "console off by ms, most"),
        [
            ("up", f"{statistics.median(ups):.2f}", f"{max(ups):.2f}", "", ""),
            *(
                (
                    name,
                    f"{statistics.median(t['gap'] for t in trials):.3f}",
                    f"{max(t['gap'] for t in trials):.3f}",
                    f"{statistics.median(t['errors'] for t in trials):.0f}",
                    f"{max(abs(t['told'] - t['gap']) for t in trials) * 1000:.0f}" if kinds[name][1] else "–",
                )
                for name, trials in seen.items()
            ),
        ],
    )

    def median(name: str, what: str) -> float:
        return statistics.median(one[what] for one in seen[name])

    off = max(abs(t["told"] - t["gap"]) for name, trials in seen.items() if kinds[name][1] for t in trials)
    verdict(
        (
            Target("up", f"{statistics.median(ups):.2f} s", "3 s", statistics.median(ups) <= 3),
            Target(
                "switchover, gap of writes",
                f"{median('switchover', 'gap') * 1000:.0f} ms",
                "100 ms",
                median("switchover", "gap") <= 0.1,
            ),
            Target(
                "switchover, errors",
                f"{median('switchover', 'errors'):.0f}",
                "0",
                median("switchover", "errors") == 0,
            ),
            Target(
                "kill -9 at a node timeout of 500 ms",
                f"{median('kill at 500 ms', 'gap'):.2f} s",
                "1.1 s",
                median("kill at 500 ms", "gap") <= 1.1,
            ),
            Target(
                "outage as the console tells it, off by at most", f"{off * 1000:.0f} ms", "100 ms", off <= 0.1
            ),
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    print(f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    asyncio.run(main(parser.parse_args().rounds))
