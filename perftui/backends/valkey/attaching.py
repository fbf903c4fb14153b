"""Replicas attached again: how a server at any place stands, and whom one of ours is told to follow."""

from __future__ import annotations

from dataclasses import replace

from perftui.backends.valkey import info
from perftui.backends.valkey.eachserver import EachServer
from perftui.backends.valkey.link import Address, Link
from perftui.model.errors import BackendError, PlanRejected
from perftui.model.reattach import Standing

PATIENCE = 2.0
HOPS = 4
"""Replicas of replicas that are gone through to find the primary at their end."""


def elsewhere(known: Address, place: str) -> Address:
    """How to reach host:port with the login of a server that is known.

    Raises:
        PlanRejected: it is no host:port.
    """
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal():
        raise PlanRejected(f"there is no server at {place!r}: write host:port")
    return replace(known, host=host.strip("[]"), port=int(port), path="")


class AttachPowers(EachServer):
    """The power `ReplicaAttacher`; backends of several servers say themselves who leads."""

    one_leads: bool = True

    async def standing(self, node: str) -> Standing:
        """How the server there stands, as it says itself."""
        link = Link(self._reached(node))
        try:
            told = info.parse(await link.one("INFO", deadline=PATIENCE))
        finally:
            await link.close()
        return Standing(link.where, info.replication(told), info.keyspace(told)[0])

    async def leader(self, node: str) -> str:
        """The primary at the end of whom it follows; empty where one on the way does not answer."""
        at = (await self.standing(node)).replication.primary
        for _ in range(HOPS if at else 0):
            try:
                its = (await self.standing(at)).replication
            except BackendError:
                return ""
            if its.role == "primary":
                return at
            at = its.primary
        return ""

    async def attach(self, node: str, host: str, port: int) -> None:
        """REPLICAOF host port."""
        link = Link(self._reached(node))
        try:
            await link.one("REPLICAOF", host, port, deadline=PATIENCE)
        finally:
            await link.close()
