"""A primary of a lab's servers killed, and what its fellows and writers saw of it, to some 20 ms."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from perftui.analysis.clusternodes import NodeLine
from perftui.backends.valkey import clustermap
from perftui.backends.valkey.beats import Beats
from perftui.backends.valkey.labnodes import LabNodes
from perftui.backends.valkey.link import Address, Link
from perftui.model.cachecluster import ClusterMember, Outage
from perftui.model.errors import BackendError, Lost
from perftui.model.rehearsal import Gap, Measured, Step

BEAT = 0.02  # seconds between two writes to each primary
LOOK = 0.02  # and between two looks at the map of each node that lives
PATIENCE = 0.25
CALM = 10  # beats that go well before the kill

Tell = Callable[[Step], None]


@dataclass(slots=True)
class Watch:
    """What was seen so far; `began` is the kill on the monotonic clock, `at` on the wall.

    `living` are those that tell who takes over, `called` what they are; `tasks` listen to them.
    """

    victim: ClusterMember
    living: tuple[ClusterMember, ...]
    tell: Tell
    called: str = "nodes"
    at: float = 0.0
    began: float = 0.0
    steps: list[Step] = field(default_factory=list)
    heirs: dict[str, str] = field(default_factory=dict)  # who tells → whom it takes for the new primary
    epoch: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def step(self, kind: str, node: str = "", text: str = "") -> None:
        """Note it, the first time it is seen."""
        if all(known.kind != kind for known in self.steps):
            found = Step(time.monotonic() - self.began, kind, node, text)
            self.steps.append(found)
            self.tell(found)

    def named(self, by: str, place: str, text: str) -> None:
        """One of those that live takes `place` for the new primary."""
        self.heirs[by] = place
        self.step("promoted", place, text)
        if self.agreed:
            self.step("agreed", self.taken_by, f"all {len(self.living)} {self.called} know")

    @property
    def taken_by(self) -> str:
        """The new primary, as the first says that knows one."""
        return next(iter(self.heirs.values()), "")

    @property
    def agreed(self) -> bool:
        """Whether all that live know the same new primary."""
        return len(self.heirs) == len(self.living) and len(set(self.heirs.values())) == 1

    def seen(self, by: ClusterMember, view: Sequence[NodeLine], epoch: int) -> None:
        """One node's map."""
        lines = {line.id: line for line in view}
        dead = lines.get(self.victim.id)
        if dead is not None and "fail?" in dead.flags:
            self.step("suspected", by.address, f"{by.address} gets no answer from it")
        if dead is not None and "fail" in dead.flags:
            self.step("failed", by.address, "a majority of primaries agrees")
        if epoch > self.epoch:
            self.step("election", by.address, f"epoch {self.epoch} to {epoch}")
        slots = self.victim.slots
        heir = next((ln for ln in view if ln.leads and ln.slots == slots and ln.id != self.victim.id), None)
        if heir is not None:
            place = f"{heir.host}:{heir.port}" if heir.host else by.address
            self.named(by.address, place, f"holds its slots at epoch {heir.epoch}")


class LabServers(ABC):
    """What a rehearsal does with servers of a lab: `address` tells how to reach one of them."""

    def __init__(self, nodes: LabNodes, address: Callable[[str], Address]) -> None:
        self._nodes = nodes
        self._address = address

    async def number(self, member: ClusterMember) -> int | None:
        """The number by which the lab knows a server; None for one that it does not hold."""
        own = await self._identity(member)
        return (await self._nodes.numbers()).get(own) if own else None

    @abstractmethod
    async def _identity(self, member: ClusterMember) -> str:
        """What the lab tells it from all others by; no two servers ever had the same."""

    @abstractmethod
    def _begin(self, victim: ClusterMember, members: Sequence[ClusterMember], tell: Tell) -> Watch:
        """Who is to be watched."""

    @abstractmethod
    def _asks(self, place: str) -> Link:
        """A connection to one that is watched."""

    @abstractmethod
    def _written(self, members: Sequence[ClusterMember]) -> Sequence[ClusterMember]:
        """Primaries whose writes are counted, with slots."""

    @abstractmethod
    async def _prepare(self, watch: Watch, links: dict[str, Link], beats: Beats) -> None:
        """What must be known, or listened to, before the kill."""

    @abstractmethod
    async def _attend(self, watch: Watch, links: dict[str, Link], beats: Beats) -> None:
        """Look on until all know who took over."""

    async def rehearse(
        self, victim: ClusterMember, members: Sequence[ClusterMember], patience: float, tell: Tell
    ) -> Measured:
        """Kill a primary, watch until all know who took over or `patience` seconds went by, and revive it.

        It is revived whatever happens, also when this is cancelled. `tell` hears of every step.

        Raises:
            Lost, Refused: the lab does not do it; nothing was killed then.
        """
        number = await self.number(victim)
        if number is None:
            raise Lost(f"the lab does not hold {victim.address}")
        watch = self._begin(victim, members, tell)
        beats = Beats(BEAT, self._address)
        links = {m.address: self._asks(m.address) for m in watch.living}
        try:
            beats.follow(self._written(members))
            await self._prepare(watch, links, beats)
            await asyncio.sleep(BEAT * CALM)
            before = {(o.node, o.since) for o in beats.outages()}
            try:
                await self._kill(watch, number)
                await self._watch(watch, links, beats, patience)
            finally:
                await asyncio.shield(self._revive(watch, number))
            gaps = [o for o in beats.outages() if (o.node, o.since) not in before]
        finally:
            for task in watch.tasks:
                task.cancel()
            await asyncio.gather(*watch.tasks, return_exceptions=True)
            await beats.close()
            for link in links.values():
                await link.close()
        return _measured(watch, gaps)

    async def _kill(self, watch: Watch, number: int) -> None:
        watch.at, watch.began = time.time(), time.monotonic()
        await self._nodes.kill(number)
        watch.step("killed", watch.victim.address, "SIGKILL")

    async def _watch(self, watch: Watch, links: dict[str, Link], beats: Beats, patience: float) -> None:
        """Until all know who took over and writes go through again."""
        try:
            async with asyncio.timeout(patience):
                await self._attend(watch, links, beats)
                while True:
                    if all(outage.until is not None for outage in beats.outages()):
                        return
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            return

    async def _revive(self, watch: Watch, number: int) -> None:
        """Start it again, and see it follow whoever took over."""
        await self._nodes.revive(number)
        watch.step("revived", watch.victim.address)
        link = Link(self._address(watch.victim.address))
        try:
            async with asyncio.timeout(10.0):
                while not _follows(said := await _replication(link)):
                    if not watch.taken_by and b"role:master" in said:
                        return  # nobody took over: it is what it was
                    await asyncio.sleep(LOOK)
            watch.step("rejoined", watch.victim.address, "as a replica, in step")
        except TimeoutError:
            return
        finally:
            await link.close()


class LabCluster(LabServers):
    """A cluster: its nodes tell by their maps, and are known by their ids."""

    async def node_timeout(self, member: ClusterMember) -> float:
        """Seconds of silence after which it suspects another one."""
        link = Link(self._address(member.address))
        try:
            told = await link.one("CONFIG", "GET", "cluster-node-timeout", deadline=1.0)
            return float(told[1]) / 1000
        except (IndexError, ValueError) as error:
            raise Lost(f"{member.address} does not say its cluster-node-timeout") from error
        finally:
            await link.close()

    async def _identity(self, member: ClusterMember) -> str:
        return member.id

    def _begin(self, victim: ClusterMember, members: Sequence[ClusterMember], tell: Tell) -> Watch:
        return Watch(victim, tuple(m for m in members if m.id != victim.id and m.answers), tell)

    def _asks(self, place: str) -> Link:
        return Link(self._address(place))

    def _written(self, members: Sequence[ClusterMember]) -> Sequence[ClusterMember]:
        return members

    async def _prepare(self, watch: Watch, links: dict[str, Link], beats: Beats) -> None:
        del beats
        watch.epoch = max([await _epoch(links[m.address]) for m in watch.living], default=0)

    async def _attend(self, watch: Watch, links: dict[str, Link], beats: Beats) -> None:
        del beats
        await asyncio.gather(*(self._look_on(watch, m, links[m.address]) for m in watch.living))

    async def _look_on(self, watch: Watch, member: ClusterMember, link: Link) -> None:
        while not watch.agreed:
            try:
                replies = await link.ask([("CLUSTER", "NODES"), ("CLUSTER", "INFO")], PATIENCE)
                view = clustermap.parse(_bytes(replies[0]), member.address)
                watch.seen(member, view, _current_epoch(_bytes(replies[1])))
            except BackendError:
                pass  # one that is busy is asked again
            await asyncio.sleep(LOOK)


async def _replication(link: Link) -> bytes:
    try:
        return _bytes(await link.one("INFO", "replication", deadline=PATIENCE))
    except BackendError:
        return b""


def _follows(said: bytes) -> bool:
    return b"role:slave" in said and b"master_link_status:up" in said


async def _epoch(link: Link) -> int:
    return _current_epoch(_bytes(await link.one("CLUSTER", "INFO", deadline=1.0)))


def _current_epoch(info: bytes) -> int:
    head = b"cluster_current_epoch:"
    found = next((line[len(head) :] for line in info.splitlines() if line.startswith(head)), b"")
    return int(found) if found.isdigit() else 0


def _bytes(reply: object) -> bytes:
    return reply if isinstance(reply, bytes) else b""


def _measured(watch: Watch, outages: Sequence[Outage]) -> Measured:
    mine, others = [], 0
    for outage in outages:
        if any(first <= outage.slots[0] <= last for first, last in watch.victim.slots):
            until = None if outage.until is None else outage.until - watch.at
            mine.append(Gap(outage.slots, outage.since - watch.at, until, outage.missed))
        else:
            others += outage.missed
    return Measured(watch.at, tuple(watch.steps), tuple(mine), others, watch.taken_by)
