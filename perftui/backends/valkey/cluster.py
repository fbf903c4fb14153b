"""A cluster of Valkey or Redis servers as one backend: every node is asked, and the answers make one map."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from perftui.analysis.clusternodes import NodeLine
from perftui.backends.valkey import clustermap, slotmoves
from perftui.backends.valkey.attaching import AttachPowers, elsewhere
from perftui.backends.valkey.beats import Beats
from perftui.backends.valkey.labnodes import LabNodes
from perftui.backends.valkey.link import Address, parse_url
from perftui.backends.valkey.nodelook import NodeLook, measures, named
from perftui.backends.valkey.published import ShardPublished
from perftui.backends.valkey.rehearsing import LabCluster
from perftui.backends.valkey.serverpowers import ServerPowers
from perftui.backends.valkey.shardkeys import Shard, ShardPowers
from perftui.backends.valkey.shardlooks import ShardLooks
from perftui.backends.valkey.slotstats import SlotLooks, SlotPowers
from perftui.backends.valkey.tagkeys import TagPowers
from perftui.backends.valkey.worklease import WorkLeasePowers
from perftui.model.cache import CacheReading
from perftui.model.cachecluster import ClusterMember, ClusterReading, Range
from perftui.model.errors import BackendError, ConfigError, Lost, Protocol, Unsupported
from perftui.model.options import ValkeyClusterOptions
from perftui.model.reading import Reading

VIEWS = 9
"""Nodes whose map is read: as many as tell a partition apart, and no more bytes than it takes."""

STEP = 0.005  # seconds between looks at whether a failover has come to its end


def seeds(options: ValkeyClusterOptions) -> list[Address]:
    """The nodes named by `redis[s]+cluster://[user:password@]host:port,host:port`.

    Raises:
        ConfigError: it is no such URL; without its secrets.
    """
    parts = urlsplit(options.url)
    scheme = parts.scheme.removesuffix("+cluster")
    if scheme == parts.scheme:
        raise ConfigError("the cluster's URL must start with redis+cluster:// or rediss+cluster://")
    login, at, places = parts.netloc.rpartition("@")
    told = {"username": options.username, "password": options.password, "ca_file": options.ca_file}
    found = [
        parse_url(urlunsplit((scheme, f"{login}{at}{place}", "", "", "")), **told)
        for place in places.split(",")
        if place
    ]
    if not found or any(not a.host for a in found):
        raise ConfigError("the cluster's URL names no node; write redis+cluster://host:port,host:port")
    return found


class ValkeyCluster(
    ShardPowers,
    ShardLooks,
    SlotPowers,
    TagPowers,
    WorkLeasePowers,
    ShardPublished,
    AttachPowers,
    ServerPowers,
):
    """Every node by a connection of its own; those that join are found, those that left are let go. What
    slots hold and take is read a sixth at a time each 10 s, from servers that count it (Valkey 8, Redis 8.2;
    traffic with `cluster-slot-stats-enabled yes`): about 1 ms and 100 KB of each primary.
    """

    kind: ClassVar[str] = "valkey-cluster"
    layer: ClassVar[str] = "cache"
    Options: ClassVar[type] = ValkeyClusterOptions
    period: ClassVar[float] = 1.0
    idle_period: ClassVar[float] = 5.0
    deadline: ClassVar[float] = 2.0

    def __init__(self, name: str, options: ValkeyClusterOptions) -> None:
        self.name = name
        self._seeds = seeds(options)
        self._looks: dict[str, NodeLook] = {str(a): NodeLook(a) for a in self._seeds}
        self._known: tuple[ClusterMember, ...] = ()
        self._shards: dict[str, Shard] = {}
        self._scanned: tuple[str, ...] = ()
        self._route_shards(name)
        self.watch_every = options.watch_every
        self._slots = SlotLooks()
        self._beats = Beats(options.heartbeat, self.address) if options.heartbeat > 0 else None
        if options.control:  # else it has no such power
            self.lab = LabCluster(LabNodes(options.control), self.address)

    def __repr__(self) -> str:
        return f"<cluster {self.name} at {', '.join(str(a) for a in self._seeds)}>"

    async def open(self) -> None:
        """Reach at least one node."""
        await self._round(list(self._looks), self.deadline * 0.9)

    async def close(self) -> None:
        """Hang up everywhere."""
        if self._beats is not None:
            await self._beats.close()
        for look in self._looks.values():
            await look.link.close()
        for shard in self._shards.values():
            await shard.close()

    def address(self, place: str) -> Address:
        """How to reach a node of the map: as the first seed, elsewhere."""
        host, _, port = place.rpartition(":")
        return replace(self._seeds[0], host=host, port=int(port), path="")

    async def read(self) -> Reading:
        """Every node at once; what does not answer within half the deadline is told as silent.

        Raises:
            Lost: no node answers.
        """
        at, started, half = time.time(), time.monotonic(), self.deadline * 0.45
        places = list(self._looks)
        try:
            facts, views, why = await self._round(places, half)
        except BackendError:
            await self._let_go(set())  # they may all have moved: the next look begins with the seeds
            self._looks = {str(a): NodeLook(a) for a in self._seeds}
            raise
        members = clustermap.joined(views)
        new = [m.address for m in members if m.address not in places]
        if new:  # another look may have met them meanwhile
            made = [place for place in new if place not in self._looks]
            self._looks |= {place: NodeLook(self.address(place)) for place in made}
            more, more_views, more_why = await self._round(new, half)
            facts, why = facts | more, why | more_why
            members = clustermap.joined([*views, *more_views])
            views = [*views, *more_views]
        await self._let_go({m.address for m in members})
        self._known = tuple(
            replace(m, reading=facts.get(m.address), why=why.get(m.address, "")) for m in members
        )
        if self._beats is not None:
            self._beats.follow(self._known)
        epoch = max((m.epoch for m in members), default=0)
        outages = self._beats.outages() if self._beats is not None else ()
        whole = all(m.state == "ok" for m in self._known if m.role == "primary")
        left = self.deadline * 0.9 - (time.monotonic() - started)
        tiers = await self.published(max(0.1, left / 4)) if whole else None
        slots = await self.slot_facts(max(0.1, left / 4))
        beating = self._beats is not None
        reading = ClusterReading(
            epoch,
            self._known,
            len(views),
            outages,
            beating,
            tiers=tiers,
            slots=slots,
            watched=self.watched,
        )
        return Reading(
            self.name, at, time.monotonic() - started, tuple(measures(self.name, reading)), reading
        )

    async def _round(
        self, places: list[str], deadline: float
    ) -> tuple[dict[str, CacheReading], list[tuple[NodeLine, ...]], dict[str, str]]:
        """What each of these nodes says: facts and failures by address, and the maps."""
        places = self._alive(places)
        for place, shard in self._shards.items():
            if place in self._looks:
                self._looks[place].lent = shard.own
        asked = [self._looks[p].read(view=n < VIEWS, deadline=deadline) for n, p in enumerate(places)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        facts: dict[str, CacheReading] = {}
        views: list[tuple[NodeLine, ...]] = []
        why: dict[str, str] = {}
        failure: BackendError = Lost(f"no node of {self.name} answers")
        for place, answer in zip(places, answers, strict=True):
            if isinstance(answer, BackendError):
                why[place], failure = str(answer), answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                facts[place], view = answer
                views += [view] if view else []
        if not views and len(places) == len(self._looks):
            raise failure
        return facts, views, why

    def _alive(self, places: Iterable[str]) -> list[str]:
        """Those that answered last time first: their maps are worth asking for."""
        silent = {m.address for m in self._known if m.reading is None}
        return sorted(places, key=lambda place: place in silent)

    async def _let_go(self, places: set[str]) -> None:
        """Of nodes that no map has any more, seeds too: a seed by another name is known by its own now."""
        for place in [p for p in self._looks if p not in places]:
            await self._looks.pop(place).link.close()

    async def members(self) -> tuple[ClusterMember, ...]:
        """Every node of the map as it is now."""
        await self.read()
        return self._known

    # ReplicaAttacher, and the powers over servers

    one_leads = False

    async def _places(self) -> tuple[str, ...]:
        if not self._known:
            await self.read()
        return tuple(m.address for m in self._known)

    def _set_at(self, node: str) -> None:
        for look in self._looks.values():
            if look.link.where == node:
                look.look_anew()

    def _reached(self, node: str) -> Address:
        return elsewhere(self._seeds[0], node)

    async def leader(self, node: str) -> str:
        """The primary that the map gives one of its replicas."""
        member = await self.member(node)
        found = ClusterReading(0, self._known, 0).member(member.primary) if member.primary else None
        return found.address if found is not None else ""

    async def attach(self, node: str, host: str, port: int) -> None:
        """CLUSTER REPLICATE: it is a replica of that primary from now on."""
        taker, lead = await self.member(node), await self.member(f"{host}:{port}")
        await self._looks[taker.address].link.one("CLUSTER", "REPLICATE", lead.id, deadline=self.deadline)

    async def _of_lease(self, *command: bytes | str | float) -> Any:
        """Of slots that are moved the lease's own may be one: a new look says where it is by now."""
        try:
            return await super()._of_lease(*command)
        except Protocol:
            await self.read()
            return await super()._of_lease(*command)

    # the powers FailoverDriver and SlotMover

    async def member(self, node: str) -> ClusterMember:
        """A node of the map as it is now, by id or address.

        Raises:
            PlanRejected: there is none.
        """
        reading = (await self.read()).facts
        assert isinstance(reading, ClusterReading)
        return named(reading, node, self.name)

    async def lag(self, member: ClusterMember) -> int | None:
        """Bytes a replica is behind its primary, as that one says; None where it says nothing."""
        return ClusterReading(0, self._known, 0).lag(member)

    async def fail_over(self, replica: ClusterMember, deadline: float) -> float:
        """Make a replica the primary of its slots while both live; seconds from the order to its new role.

        CLUSTER FAILOVER: the primary stops its clients, the replica takes in what is left of the stream, and
        is elected; no acknowledged write is lost.

        Raises:
            Lost: it has not become the primary within `deadline`.
        """
        link, began = self._looks[replica.address].link, time.monotonic()
        await link.one("CLUSTER", "FAILOVER", deadline=self.deadline)
        while (left := began + deadline - time.monotonic()) > 0:
            said = await link.one("ROLE", deadline=left)
            if said[0] == b"master":
                return time.monotonic() - began
            await asyncio.sleep(STEP)
        raise Lost(f"{replica.address} has not become the primary within {deadline:g} s")

    async def slot_keys(self, holder: ClusterMember, slots: Sequence[Range]) -> int:
        """Keys in slots that a primary holds."""
        return await slotmoves.count_keys(self._looks[holder.address].link, slots)

    async def move_slots(
        self, holder: ClusterMember, taker: ClusterMember, slots: Sequence[Range], tell: slotmoves.Tell
    ) -> bool:
        """Move slots from one primary to another; whether all at once, else slot by slot: `tell` counts them.

        Cancelled, it takes the order back, or first brings the slot under way to its end.

        Raises:
            Lost, Refused: it failed; all at once nothing was moved, else what `tell` counted was.
        """
        out, into = self._looks[holder.address].link, self._looks[taker.address].link
        try:
            await slotmoves.move_whole(out, taker, slots, tell)
        except Unsupported:
            pass
        else:
            return True
        rest = [m for m in self._known if m.role == "primary" and m.reading is not None]
        others = [self._looks[m.address].link for m in rest if m.id not in {holder.id, taker.id}]
        for done, slot in enumerate(slotmoves.each(slots)):
            tell(done, f"slot {slot}")
            step = asyncio.create_task(slotmoves.move_one(slot, (holder, out), (taker, into), others))
            try:
                await asyncio.shield(step)
            except asyncio.CancelledError:
                await asyncio.wait([step], timeout=slotmoves.PATIENCE)
                tell(done + (step.done() and step.exception() is None), "stopped")
                raise
        tell(sum(last - first + 1 for first, last in slots), "")
        return False
