"""Clusters, groups with sentinels and regions of the lab's, each with folders of its own, that notice a death soon."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from perftui.lab.cluster import Cluster
from perftui.lab.regions import PAIR, Regions
from perftui.lab.sentinel import Data, SentinelGroup

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.valkey import ValkeyServer

NOTICE_MS = 500
CALM_MS = 15_000
_numbers = count()


def a_cluster(folder: Folder) -> Cluster:
    """Three masters and their replicas, not started."""
    return Cluster(folder, f"shards-{next(_numbers)}", NOTICE_MS)


async def unhurried(cluster: Cluster) -> None:
    """Where nobody is to die: on a busy machine a living node can be silent for half a second."""
    for member in cluster.members.values():
        await member.ask("CONFIG", "SET", "cluster-node-timeout", CALM_MS)


def a_group(folder: Folder) -> SentinelGroup:
    """A master, two replicas and three sentinels, not started."""
    return SentinelGroup(folder, f"group-{next(_numbers)}", NOTICE_MS)


def regions(folder: Folder, form: str = PAIR) -> Regions:
    """A primary and its replica, or two servers apart; not started."""
    return Regions(folder, form, f"regions-{next(_numbers)}")


def a_server(folder: Folder, follows: ValkeyServer | None = None) -> Data:
    """One more server, that knows the password of whom it follows; not started."""
    return Data(folder, f"server-{next(_numbers)}", follows)
