"""A cluster as a part of the lab, with a service of little work that keeps what it looked up there."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

from perftui.lab.cluster import Cluster
from perftui.lab.folders import state_dir

if TYPE_CHECKING:
    from perftui.instrument.cache import Cache
    from perftui.lab.whole import Lab

KEYS = 4000
PAUSE = 0.02  # seconds between two lookups
POPULAR = 1.2  # the shape of the Pareto distribution that keys are drawn from
BEAT = 0.1


class ShardsPart:
    """Three masters and their replicas, read and filled through the cache library 50 times a second.

    The cluster is one of its own at every `up`: a node that was killed or removed is whole again then.
    """

    name = "shards"
    needs: tuple[str, ...] = ()

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._started = 0
        self.cluster: Cluster | None = None
        self._visits: asyncio.Task[None] | None = None

    async def up(self) -> None:
        """Start the nodes; the service begins when they serve."""
        self._started += 1
        self.cluster = Cluster(self._lab.folder, f"shards-{self._started}")
        try:
            await self.cluster.start()
        except BaseException:
            await self.down()
            raise
        self._visits = asyncio.create_task(visit(self.cluster.url))

    async def down(self) -> None:
        """Stop all; never raises, may be called twice."""
        visits, self._visits = self._visits, None
        if visits is not None:
            visits.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await visits
        cluster, self.cluster = self.cluster, None
        if cluster is not None:
            await cluster.stop()

    def status(self) -> dict[str, Any]:
        """Its nodes by number."""
        if self.cluster is None:
            return {"running": False}
        nodes = {str(n): member.status() for n, member in self.cluster.members.items()}
        return {"running": any(node["running"] for node in nodes.values()), "nodes": nodes}

    def endpoints(self) -> dict[str, Any]:
        """The URL with the password."""
        return {"url": self.cluster.url} if self.cluster is not None else {}

    def backends(self) -> dict[str, dict[str, Any]]:
        """`shards`, whose primaries are written ten times a second to see for how long they cannot be."""
        if self.cluster is None:
            return {}
        first = next(iter(self.cluster.members.values()))
        places = ",".join(f"{m.host}:{m.port}" for m in self.cluster.members.values())
        return {
            "shards": {
                "kind": "valkey-cluster",
                "url": f"redis+cluster://{places}",
                "password": f"file:{self._lab.folder.secret('shards', first.password)}",
                "heartbeat": BEAT,
                "control": str(state_dir() / "lab.json"),
            }
        }


async def visit(url: str) -> None:
    """Look things up until cancelled; few of them are asked for often."""
    from perftui.instrument.cache import RESILIENT, Cache

    async with Cache("shards", l2=url, l1=500, defaults=RESILIENT.but(ttl="1m")) as cache:
        while True:
            await look_up(cache, min(int(random.paretovariate(POPULAR)), KEYS))
            await asyncio.sleep(PAUSE)


async def look_up(cache: Cache, number: int) -> bytes:
    """What a slower system would have to be asked for."""

    async def load() -> bytes:
        return b"%d " % number * 80

    value: bytes = await cache.get_or_set(f"item:{number}", load, tags=["items"])
    return value
