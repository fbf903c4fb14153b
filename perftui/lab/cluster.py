"""A cluster of Valkey on this machine: three masters and a replica each, set up by commands.

Source: https://valkey.io/topics/cluster-spec. A node takes 2 s after its start before it serves as a master
(CLUSTER_WRITABLE_DELAY in its source): the rest of the bootstrap passes within that time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from perftui.analysis.clusternodes import NodeLine, parse
from perftui.analysis.slots import SLOTS
from perftui.lab.folders import Folder
from perftui.lab.holding import Operation
from perftui.lab.ports import free_port
from perftui.lab.processes import LabError, until
from perftui.lab.valkey import ValkeyServer

S = TypeVar("S", bound=ValkeyServer)

MASTERS = 3
NODE_TIMEOUT_MS = 1000
ASK_SECONDS = 5.0
JOIN_SECONDS = 15.0
LOOK_SECONDS = 0.05
SHORT = 8  # characters of a node's id that people are shown
SERVING = (b"cluster_state:ok", b"cluster_slots_ok:%d" % SLOTS)


class Asked(ValkeyServer):
    """A server that is asked for what it says, as it is on the wire."""

    async def ask(self, *words: bytes | str | int) -> Any:
        """Its answer.

        Raises:
            LabError: it refuses, or says nothing for ASK_SECONDS.
        """
        from redis.exceptions import RedisError

        try:
            async with self.client(ASK_SECONDS) as client:
                client.response_callbacks.clear()
                return await client.execute_command(*words)
        except (RedisError, OSError) as error:
            raise LabError(f"{self.name} on port {self.port}: {error}") from error


class Member(Asked):
    """One node of a cluster; all of them share a password. Its id is known once it is up."""

    def __init__(self, folder: Folder, name: str, node_timeout_ms: int) -> None:
        super().__init__(folder, name)
        self.bus = free_port()
        self.node_timeout_ms = node_timeout_ms
        self.node_id = ""

    def _config(self) -> str:
        return super()._config() + (
            f"cluster-enabled yes\ncluster-port {self.bus}\n"
            f"cluster-node-timeout {self.node_timeout_ms}\n"
            "cluster-require-full-coverage no\ncluster-replica-validity-factor 0\n"
        )

    async def start(self) -> None:
        """Start and wait for PONG; it counts traffic by slot where it can."""
        await super().start()
        with contextlib.suppress(LabError):  # Redis 7 cannot, and would not start with it in its file
            await self.ask("CONFIG", "SET", "cluster-slot-stats-enabled", "yes")
        self.node_id = (await self.ask("CLUSTER", "MYID")).decode()

    async def nodes(self) -> dict[str, NodeLine]:
        """All nodes as this one sees them."""
        try:
            return {line.id: line for line in parse(await self.ask("CLUSTER", "NODES"))}
        except ValueError as error:
            raise LabError(f"what {self.name} says of the cluster cannot be read: {error}") from error

    async def says(self, section: str, *words: bytes) -> bool:
        """Whether CLUSTER INFO, or a section of INFO, holds all these words."""
        said = await self.ask(*section.split())
        return all(word in said for word in words)

    async def meet(self, other: Member) -> None:
        """Tell it where another one is; they know each other soon after."""
        await self.ask("CLUSTER", "MEET", other.host, other.port, other.bus)


def numbered(servers: Mapping[int, S], number: int, noun: str, *, runs: bool | None = None) -> S:
    """The server of that number.

    Raises:
        LabError: there is none, or it runs, or does not, other than it should.
    """
    if number not in servers:
        raise LabError(f"no {noun} {number}; there are: {', '.join(map(str, servers))}")
    found = servers[number]
    if runs is not None and bool(found.pid) != runs:
        raise LabError(f"{noun} {number} {'does not run' if runs else 'runs'}")
    return found


class Cluster:
    """Nodes numbered from 1, and never with a number that another had: 1 to 3 begin as `masters` of a third
    of the slots each, 4 to 6 as their `replicas`.

    `name` begins the names of their folders, and no other cluster in `folder` had it; `node_timeout_ms` is
    how long one may be silent before it is suspected.
    """

    def __init__(self, folder: Folder, name: str = "cluster", node_timeout_ms: int = NODE_TIMEOUT_MS) -> None:
        self._folder, self._name, self._timeout = folder, name, node_timeout_ms
        self._made = 0
        self._password = ""
        self.members = dict(self._make() for _ in range(2 * MASTERS))
        self.masters = list(self.members.values())[:MASTERS]
        self.replicas = list(self.members.values())[MASTERS:]
        self.operations: dict[str, Operation] = {
            "kill": self._kill_asked,
            "revive": self._revive_asked,
            "add": self._add_asked,
            "remove": self._remove_asked,
        }

    @property
    def url(self) -> str:
        """What the cache library takes, password inside; the nodes that run."""
        places = ",".join(f"{m.host}:{m.port}" for m in self._running() or self.members.values())
        return f"redis+cluster://:{self._password}@{places}"

    async def start(self) -> None:
        """Bring all six up as one cluster; it serves all slots when this returns.

        Raises:
            LabError: why it does not; `stop` ends what came up.
        """
        members = list(self.members.values())
        await all_of(*(member.start() for member in members))
        await all_of(*(_endow(n, member) for n, member in enumerate(members)))
        await all_of(*(member.meet(members[0]) for member in members[1:]))
        await soon(lambda: self._known(members), "the nodes' meeting")
        pairs = list(zip(self.masters, self.replicas, strict=True))
        await all_of(*(replica.ask("CLUSTER", "REPLICATE", master.node_id) for master, replica in pairs))
        await soon(lambda: self._whole(pairs), "a cluster that serves all slots")

    async def stop(self) -> None:
        """End all nodes; never raises, may be called twice."""
        await asyncio.gather(*(member.kill() for member in self.members.values()))

    async def kill(self, number: int) -> None:
        """End a node by SIGKILL, as a crash does.

        Raises:
            LabError: there is no such node, or it does not run.
        """
        await numbered(self.members, number, "node", runs=True).kill()

    async def revive(self, number: int) -> None:
        """Start a node that was killed again, with the identity it had; the others tell it who it is now.

        Raises:
            LabError: there is no such node, it runs, or it does not join the others again.
        """
        await numbered(self.members, number, "node", runs=False).start()
        await soon(lambda: self._known(self._running()), f"the return of node {number}")

    async def add(self, *, master: bool = False, of: int | None = None) -> int:
        """Start one more node and join it; its number.

        It replicates node `of`, or the master with fewest replicas; as a `master` it has no slots yet.

        Raises:
            LabError: it cannot be joined; it is gone again then.
        """
        view = await self._view()
        followed = None if master else self._followed(view, of)
        number, member = self._make()
        running = self._running()
        try:
            await member.start()
            await member.meet(running[0])
            await soon(lambda: self._known([*running, member]), f"the joining of node {number}")
            if followed is not None:
                await member.ask("CLUSTER", "REPLICATE", followed.id)
                pair = [(self._by_id(followed.id), member)]
                await soon(lambda: self._followed_by(pair), f"the replication of node {number}")
        except BaseException:
            await member.kill()
            with contextlib.suppress(LabError):
                await self._forget(member)
            raise
        self.members[number] = member
        return number

    async def remove(self, number: int) -> None:
        """End a node and have all others forget it.

        Raises:
            LabError: it has slots or replicas, or one of the others does not answer (then ask again).
        """
        member = numbered(self.members, number, "node")
        view = await self._view()
        line = view.get(member.node_id)
        if line is not None and line.slots:
            raise LabError(f"node {number} has the slots {' '.join(ranges(line))}: move them first")
        followers = {line.id for line in view.values() if line.primary == member.node_id}
        following = [str(n) for n, m in self.members.items() if m.node_id in followers]
        if following:
            raise LabError(f"node {number} has replicas: remove {', '.join(following)} first")
        await member.stop()
        await self._forget(member)
        del self.members[number]

    async def status(self) -> dict[str, Any]:
        """JSON-able: every node's role, port, id, slots, link and whom it replicates."""
        try:
            view = await self._view()
        except LabError:
            view = {}
        rows = [self._row(number, view) for number in self.members]
        return {"running": all(row["pid"] for row in rows), "nodes": rows}

    def _row(self, number: int, view: dict[str, NodeLine]) -> dict[str, Any]:
        member = self.members[number]
        line = view.get(member.node_id)
        numbers = {m.node_id: n for n, m in self.members.items()}
        return {
            "node": number,
            "role": role(line) if line else "unknown",
            "port": member.port,
            "id": member.node_id,
            "short": member.node_id[:SHORT],
            "slots": ranges(line) if line else [],
            "link": (state(line) if line else "unknown") if member.pid else "down",
            "replica_of": numbers.get(line.primary) if line else None,
            "epoch": line.epoch if line else 0,
            "pid": member.pid,
        }

    async def _kill_asked(self, question: dict[str, Any]) -> dict[str, Any]:
        await self.kill(int(question["node"]))
        return {"killed": int(question["node"])}

    async def _revive_asked(self, question: dict[str, Any]) -> dict[str, Any]:
        await self.revive(int(question["node"]))
        return {"revived": int(question["node"])}

    async def _add_asked(self, question: dict[str, Any]) -> dict[str, Any]:
        number = await self.add(master=bool(question.get("master")), of=question.get("of"))
        return {"added": number, "port": self.members[number].port}

    async def _remove_asked(self, question: dict[str, Any]) -> dict[str, Any]:
        await self.remove(int(question["node"]))
        return {"removed": int(question["node"])}

    def _make(self) -> tuple[int, Member]:
        self._made += 1
        member = Member(self._folder, f"{self._name}-{self._made}", self._timeout)
        self._password = member.password = self._password or member.password
        return self._made, member

    def _by_id(self, node_id: str) -> Member:
        return next(member for member in self.members.values() if member.node_id == node_id)

    def _running(self) -> list[Member]:
        return [member for member in self.members.values() if member.pid]

    async def _view(self) -> dict[str, NodeLine]:
        """The nodes as the first that answers sees them."""
        why = "no node of the cluster runs"
        for member in self._running():
            try:
                return await member.nodes()
            except LabError as error:
                why = str(error)
        raise LabError(why)

    def _followed(self, view: dict[str, NodeLine], of: int | None) -> NodeLine:
        """Whom a new replica follows: node `of`, or the running master with slots that has fewest."""
        lines = [view[m.node_id] for m in self._running() if m.node_id in view]
        masters = [line for line in lines if line.leads]
        if of is not None:
            wanted = [line for line in masters if line.id == numbered(self.members, of, "node").node_id]
            if not wanted:
                raise LabError(f"node {of} is no master that runs")
            return wanted[0]
        masters = [line for line in masters if line.slots]
        if not masters:
            raise LabError("no master that runs has slots")
        followed = [line.primary for line in lines]
        return min(masters, key=lambda line: followed.count(line.id))

    async def _known(self, members: list[Member]) -> bool:
        """Whether each of them knows every other by its own id."""
        for member in members:
            seen = await member.nodes()
            if not all(other.node_id in seen and seen[other.node_id].joined for other in members):
                return False
        return True

    async def _whole(self, pairs: list[tuple[Member, Member]]) -> bool:
        """Whether each node says that all slots are served, which comes last, and all replicas follow."""
        for member in [member for pair in pairs for member in pair]:
            if not await member.says("CLUSTER INFO", *SERVING):
                return False
        return await self._followed_by(pairs)

    async def _followed_by(self, pairs: list[tuple[Member, Member]]) -> bool:
        """Whether each replica is in step with its master, and every running node knows."""
        for _, replica in pairs:
            if not await replica.says("INFO replication", b"master_link_status:up"):
                return False
        views = [await member.nodes() for member in self._running()]
        return all(seen[r.node_id].primary == m.node_id for seen in views for m, r in pairs)

    async def _forget(self, gone: Member) -> None:
        """Take a node out of every other one's table; for a minute gossip cannot bring it back."""
        for member in self._running():
            if member is not gone and gone.node_id in await member.nodes():
                await member.ask("CLUSTER", "FORGET", gone.node_id)


async def _endow(n: int, member: Member) -> None:
    """Give the nth node an epoch of its own, so that none need be agreed on, and a master its slots."""
    await member.ask("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
    if n < MASTERS:
        first, end = SLOTS * n // MASTERS, SLOTS * (n + 1) // MASTERS
        await member.ask("CLUSTER", "ADDSLOTSRANGE", first, end - 1)


async def soon(ready: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until servers say so.

    Raises:
        LabError: not within JOIN_SECONDS; the text names `what`.
    """
    await until(ready, JOIN_SECONDS, what, LOOK_SECONDS)


async def all_of(*works: Awaitable[Any]) -> None:
    """Await all to their ends, then raise what the first of them raised: none is left half begun."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def role(line: NodeLine) -> str:
    """`master` or `replica`."""
    return "master" if line.leads else "replica"


def state(line: NodeLine) -> str:
    """`failed` when the cluster agreed on it, `suspected` when one thinks so, else how its link is."""
    if "fail" in line.flags:
        return "failed"
    return "suspected" if "fail?" in line.flags else line.link


def ranges(line: NodeLine) -> list[str]:
    """Its slots as people write them: `0-5460`, `7000`."""
    return [f"{first}-{last}" if first != last else str(first) for first, last in line.slots]
