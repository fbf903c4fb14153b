"""What it costs a cluster to be asked what its hash slots hold and take, and what it costs the console.

    python -m benchmarks.cache_slots [--rounds 20] [--keys 100000]

Three masters that count traffic by slot, and `--keys` in them. `piece`: what a look adds each 10 s, a sixth
of every master's slots. `whole`: every slot, as the Cluster tab asks each 10 s while heat is in front. Server
time is what `INFO commandstats` says of CLUSTER SLOT-STATS, a master's mean; the longest is one answer. Bytes
are what a master sent for it. The console's time is CPU of this process with the figures made of them.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from dataclasses import dataclass, field

from benchmarks.contest import Target, table, verdict
from perftui.analysis.slottraffic import APART
from perftui.backends.valkey import slotstats
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.instrument.cache.store import open_store
from perftui.lab.cluster import Cluster
from perftui.lab.folders import Folder, server_owner
from perftui.model.options import ValkeyClusterOptions

MOST = 0.001  # of a server's core
AT_ONCE = 500


@dataclass
class Costs:
    """Of one kind of look, a master: seconds of server time, bytes; CPU seconds of the console."""

    server: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    console: list[float] = field(default_factory=list)


async def counted(cluster: Cluster) -> tuple[float, float, float]:
    """Seconds, answers and bytes of all masters so far."""
    seconds = answers = sent = 0.0
    for master in cluster.masters:
        said = (await master.ask("INFO", "commandstats", "stats")).decode()
        lines = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
        told = lines.get("cmdstat_cluster|slot-stats", "calls=0,usec=0")
        row = dict(part.split("=") for part in told.split(","))
        seconds += float(row["usec"]) / 1e6
        answers += float(row["calls"])
        sent += float(lines["total_net_output_bytes"])
    return seconds, answers, sent


async def trial(cluster: Cluster, backend: ValkeyCluster, costs: Costs, *, whole: bool) -> None:
    """One look, and what it cost."""
    await asyncio.sleep(APART)  # else the second of two looks makes no rates, and costs less
    idle = [(await counted(cluster))[2] for _ in range(2)]
    before, cpu = await counted(cluster), time.process_time()
    if whole:
        await backend.slot_map()
    else:
        await backend.slot_facts(5.0)
    spent = time.process_time() - cpu
    seconds, answers, sent = (now - was for now, was in zip(await counted(cluster), before, strict=True))
    masters = len(cluster.masters)
    costs.server.append(seconds / masters)
    costs.answers.append(seconds / max(1.0, answers))
    costs.sent.append((sent - (idle[1] - idle[0])) / masters)
    costs.console.append(spent)


async def race(rounds: int, keys: int) -> dict[str, Costs]:
    """Both in turn."""
    folder = Folder.create(server_owner())
    cluster = Cluster(folder, "slots")
    costs = {"piece": Costs(), "whole": Costs()}
    try:
        await cluster.start()
        store = open_store(cluster.url)
        for first in range(0, keys, AT_ONCE):
            names = (b"product:%d" % n for n in range(first, min(keys, first + AT_ONCE)))
            await asyncio.gather(*(store.put(name, b"v" * 100, None) for name in names))
        await store.close()
        places = ",".join(f"{m.host}:{m.port}" for m in cluster.masters)
        options = ValkeyClusterOptions(f"redis+cluster://{places}", "", cluster.masters[0].password)
        backend = ValkeyCluster("slots", options)
        await backend.read()
        slotstats.EVERY = 0.0  # type: ignore[misc]  # each look takes its piece
        for _ in range(rounds):
            for name, one in costs.items():
                await trial(cluster, backend, one, whole=name == "whole")
        await backend.close()
    finally:
        await cluster.stop()
        folder.remove()
    return costs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--keys", type=int, default=100_000)
    said = parser.parse_args()
    every = slotstats.EVERY
    costs = asyncio.run(race(said.rounds, said.keys))
    middle = statistics.median
    table(
        ("look", "server µs a master", "one answer µs", "KB a master", "console ms", "of a server's core"),
        [
            (
                name,
                f"{middle(one.server) * 1e6:.0f}",
                f"{middle(one.answers) * 1e6:.0f}",
                f"{middle(one.sent) / 1e3:.0f}",
                f"{middle(one.console) * 1e3:.1f}",
                f"{middle(one.server) / every:.3%}",
            )
            for name, one in costs.items()
        ],
    )
    parts = {name: middle(one.server) / every for name, one in costs.items()}
    limit = f"{MOST:.1%}"
    verdict(Target(f"of a core, {name}", f"{part:.3%}", limit, part <= MOST) for name, part in parts.items())


if __name__ == "__main__":
    main()
