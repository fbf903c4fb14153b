"""A group of servers that sentinels watch, as one backend: what the sentinels say, and each server of itself.

Source: https://valkey.io/topics/sentinel (the API and its flags).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit, urlunsplit

from perftui.backends.valkey.attaching import AttachPowers, elsewhere
from perftui.backends.valkey.beats import Beats
from perftui.backends.valkey.labnodes import LabNodes
from perftui.backends.valkey.link import Address, Link, parse_url, verify
from perftui.backends.valkey.nodelook import NodeLook, measures, named
from perftui.backends.valkey.published import ShardPublished
from perftui.backends.valkey.rehearsinggroup import LabGroup
from perftui.backends.valkey.serverpowers import ServerPowers
from perftui.backends.valkey.shardkeys import Shard, ShardPowers
from perftui.backends.valkey.shardlooks import ShardLooks
from perftui.backends.valkey.tagkeys import TagPowers
from perftui.backends.valkey.worklease import WorkLeasePowers
from perftui.model.cache import CacheReading
from perftui.model.cachecluster import SLOTS, ClusterMember, ClusterReading
from perftui.model.errors import BackendError, ConfigError, Lost, PlanRejected, Protocol
from perftui.model.options import ValkeySentinelOptions
from perftui.model.reading import Reading

MOST = 64
"""Replicas, and sentinels, of a group that are looked at."""

STEP = 0.02  # seconds between looks at whether a failover has come to its end


@dataclass(frozen=True, slots=True)
class View:
    """What one sentinel says: its own address, the master, replicas and the other sentinels."""

    at: str
    master: dict[str, str]
    replicas: tuple[dict[str, str], ...]
    others: tuple[str, ...]

    @property
    def epoch(self) -> int:
        """Configuration epoch: it grows with every switch of the master."""
        return int(self.master.get("config-epoch", "0"))


def place(facts: dict[str, str]) -> str:
    """host:port of a server or a sentinel."""
    return f"{facts['ip']}:{int(facts['port'])}"


def parse_group(options: ValkeySentinelOptions) -> tuple[list[Address], str]:
    """Sentinels and the group's name, of `redis[s]+sentinel://[user:password@]host:port,host:port/NAME`.

    Raises:
        ConfigError: it is no such URL; without its secrets.
    """
    parts = urlsplit(options.url)
    scheme = parts.scheme.removesuffix("+sentinel")
    name = unquote(parts.path.strip("/"))
    if scheme == parts.scheme or not name:
        raise ConfigError("write redis+sentinel://host:26379,host:26379/NAME, NAME being the group's")
    login, at, places = parts.netloc.rpartition("@")
    told = {"username": options.username, "password": options.password, "ca_file": options.ca_file}
    found = [
        parse_url(urlunsplit((scheme, f"{login}{at}{one}", "", "", "")), **told)
        for one in places.split(",")
        if one
    ]
    if not found:
        raise ConfigError("the URL names no sentinel; write redis+sentinel://host:26379/NAME")
    return found, name


class ValkeySentinel(
    ShardPowers, ShardLooks, TagPowers, WorkLeasePowers, ShardPublished, AttachPowers, ServerPowers
):
    """Servers by the login of the URL or the options, sentinels by `sentinel_password`.

    Keys are looked at, and purged, at the primary of the moment; nodes of the cache library publish there.
    """

    kind: ClassVar[str] = "valkey-sentinel"
    layer: ClassVar[str] = "cache"
    Options: ClassVar[type] = ValkeySentinelOptions
    period: ClassVar[float] = 1.0
    idle_period: ClassVar[float] = 5.0
    deadline: ClassVar[float] = 2.0

    def __init__(self, name: str, options: ValkeySentinelOptions) -> None:
        self.name = name
        self._login, self._group = parse_group(options)
        self._watching = Address(password=options.sentinel_password)  # its repr keeps the secret
        self._sentinels = {str(a): Link(self._watcher(str(a))) for a in self._login}
        self._looks: dict[str, NodeLook] = {}
        self._known: tuple[ClusterMember, ...] = ()
        self._shards: dict[str, Shard] = {}
        self._scanned: tuple[str, ...] = ()
        self.address = self._server
        self._route_shards(name)
        self.watch_every = options.watch_every
        self._beats = Beats(options.heartbeat, self._server) if options.heartbeat > 0 else None
        if options.control:  # else it has no such power
            nodes, known = LabNodes(options.control), lambda: tuple(self._sentinels)
            self.lab = LabGroup(nodes, self._server, self._watcher, known, self._group)

    def __repr__(self) -> str:
        return f"<group {self._group} of {self.name} by {', '.join(self._sentinels)}>"

    def _server(self, at: str) -> Address:
        host, _, port = at.rpartition(":")
        return replace(self._login[0], host=host.strip("[]"), port=int(port), path="")

    def _watcher(self, at: str) -> Address:
        return replace(self._server(at), username="", password=self._watching.password)

    async def open(self) -> None:
        """Reach at least one sentinel."""
        await self._views(self.deadline * 0.9)

    async def close(self) -> None:
        """Hang up everywhere."""
        if self._beats is not None:
            await self._beats.close()
        for link in (*self._sentinels.values(), *(look.link for look in self._looks.values())):
            await link.close()
        for shard in self._shards.values():
            await shard.close()

    async def _primaries(self) -> tuple[Shard, ...]:
        """The primary, by a new look; Lost while it is away."""
        await self.read()
        found = next((m for m in self._known if m.role == "primary"), None)
        if found is None or found.state == "failed" or found.reading is None:
            raise Lost(f"the primary of {self.name} does not answer")
        return (self._shard(found.address),)

    def _at(self, names: Sequence[bytes]) -> list[tuple[Shard, list[bytes]]]:
        primary = next((m for m in self._known if m.role == "primary"), None)
        if primary is None:
            raise Lost(f"{self.name} has no primary now")
        return [(self._shard(primary.address), list(names))]

    async def read(self) -> Reading:
        """Sentinels first, then every server they name.

        Raises:
            Lost: no sentinel answers.
        """
        at, started, half = time.time(), time.monotonic(), self.deadline * 0.45
        views, silent = await self._views(half)
        newest = max(views, key=lambda view: view.epoch)
        servers = self._servers(views, newest)
        for one in servers:
            self._looks.setdefault(one.address, NodeLook(self._server(one.address)))
        for gone in self._looks.keys() - {one.address for one in servers}:
            await self._looks.pop(gone).link.close()
        facts, why = await self._facts([one.address for one in servers], half)
        told = [replace(m, reading=facts.get(m.address), why=why.get(m.address, "")) for m in servers]
        self._known = (*told, *self._watchers(views, silent))
        if self._beats is not None:
            whole = ((0, SLOTS - 1),)
            self._beats.follow([replace(m, slots=whole) for m in told if m.role == "primary"])
        outages = self._beats.outages() if self._beats is not None else ()
        quorum = int(newest.master.get("quorum", "0"))
        left = self.deadline * 0.9 - (time.monotonic() - started)
        led = any(m.role == "primary" and m.reading is not None for m in told)
        reading = ClusterReading(
            newest.epoch,
            self._known,
            len(views),
            outages,
            self._beats is not None,
            slotted=False,
            quorum=quorum,
            tiers=await self.published(max(0.1, left / 4)) if led else None,
            watched=self.watched,
        )
        return Reading(
            self.name, at, time.monotonic() - started, tuple(measures(self.name, reading)), reading
        )

    async def _views(self, deadline: float) -> tuple[list[View], dict[str, str]]:
        """What each sentinel says, and why some say nothing; new ones are asked from the next look on."""
        links = list(self._sentinels.items())
        asked = (self._view(at, link, deadline) for at, link in links)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        views: list[View] = []
        silent: dict[str, str] = {}
        failure: BackendError = Lost(f"no sentinel of {self.name} answers")
        for (at, _), answer in zip(links, answers, strict=True):
            if isinstance(answer, View):
                views.append(answer)
            elif isinstance(answer, BackendError):
                silent[at], failure = str(answer), answer
            elif isinstance(answer, BaseException):
                raise answer
        if not views:
            raise failure
        for other in {one for view in views for one in view.others} - self._sentinels.keys():
            if len(self._sentinels) < MOST:
                self._sentinels[other] = Link(self._watcher(other))
        return views, silent

    async def _view(self, at: str, link: Link, deadline: float) -> View:
        asked = [("SENTINEL", word, self._group) for word in ("MASTER", "REPLICAS", "SENTINELS")]
        replies = await link.ask(asked, deadline)
        master, replicas, others = (verify(reply, "SENTINEL", at) for reply in replies)
        try:
            known = tuple(_facts(row) for row in replicas[:MOST])
            return View(at, _facts(master), known, tuple(place(_facts(row)) for row in others[:MOST]))
        except (ValueError, KeyError, TypeError) as error:
            raise Protocol(f"{at} answered SENTINEL with something else than a group") from error

    def _servers(self, views: Sequence[View], newest: View) -> list[ClusterMember]:
        """The master of the newest configuration and its replicas; how many sentinels think each down."""
        primary = place(newest.master)
        rows: dict[str, list[dict[str, str]]] = {primary: []}
        for view in views:
            if place(view.master) == primary:
                rows[primary].append(view.master)
            for row in view.replicas:
                rows.setdefault(place(row), []).append(row)
        return [
            ClusterMember(
                at,
                at,
                "primary" if at == primary else "replica",
                "" if at == primary else primary,
                newest.epoch,
                suspected_by=sum("s_down" in row.get("flags", "") for row in said),
                failed=any("o_down" in row.get("flags", "") for row in said),
            )
            for at, said in rows.items()
        ]

    @staticmethod
    def _watchers(views: Sequence[View], silent: dict[str, str]) -> list[ClusterMember]:
        named = {at: "" for view in views for at in (view.at, *view.others)} | silent
        answered = {view.at for view in views}
        return [
            ClusterMember(at, at, "sentinel", why=why or ("" if at in answered else "not asked yet"))
            for at, why in sorted(named.items())
        ]

    async def _facts(
        self, places: Sequence[str], deadline: float
    ) -> tuple[dict[str, CacheReading], dict[str, str]]:
        for at in places:
            if at in self._shards:
                self._looks[at].lent = self._shards[at].own
        answers = await asyncio.gather(
            *(self._looks[at].facts(deadline) for at in places), return_exceptions=True
        )
        facts: dict[str, CacheReading] = {}
        why: dict[str, str] = {}
        for at, answer in zip(places, answers, strict=True):
            if isinstance(answer, CacheReading):
                facts[at] = answer
            elif isinstance(answer, BackendError):
                why[at] = str(answer)
            elif isinstance(answer, BaseException):
                raise answer
        return facts, why

    async def members(self) -> tuple[ClusterMember, ...]:
        """Servers and sentinels as they are now, also those that were only heard of before this look."""
        known = len(self._sentinels)
        await self.read()
        if len(self._sentinels) > known:
            await self.read()
        return self._known

    async def lag(self, member: ClusterMember) -> int | None:
        """Bytes a replica is behind its primary, as that one says; None where it says nothing."""
        return ClusterReading(0, self._known, 0).lag(member)

    # ReplicaAttacher, and the powers over servers

    async def _places(self) -> tuple[str, ...]:
        if not self._known:
            await self.read()
        return tuple(m.address for m in self._known if m.role != "sentinel")

    def _set_at(self, node: str) -> None:
        for look in self._looks.values():
            if look.link.where == node:
                look.look_anew()

    def _reached(self, node: str) -> Address:
        return elsewhere(self._login[0], node)

    async def leader(self, node: str) -> str:
        """Whom the newest configuration of the sentinels names, whether or not that one answers."""
        member = await self.member(node)
        if member.role == "sentinel":
            raise PlanRejected(f"{member.address} is a sentinel: name a replica")
        return next((m.address for m in self._known if m.role == "primary"), "")

    # the power GroupFailover

    async def member(self, node: str) -> ClusterMember:
        """A server of the group as it is now.

        Raises:
            PlanRejected: there is none.
        """
        reading = (await self.read()).facts
        assert isinstance(reading, ClusterReading)
        return named(reading, node, self.name)

    async def candidates(self, primary: ClusterMember) -> tuple[ClusterMember, ...]:
        """Replicas that could take over, by the last look."""
        replicas = ClusterReading(0, self._known, 0).replicas(primary.id)
        return tuple(
            r for r in replicas if r.state == "ok" and r.reading is not None and r.reading.replication.link_up
        )

    async def switch(self, primary: ClusterMember, deadline: float) -> tuple[str, float]:
        """Let a sentinel promote the replica it chooses; its address, and seconds until all asked name it.

        From Valkey 9.0 the primary stops its clients and hands over (COORDINATED); elsewhere its last writes
        may be lost.

        Raises:
            Lost: not within `deadline` seconds.
        """
        views, _ = await self._views(self.deadline * 0.45)
        link, began = self._sentinels[views[0].at], time.monotonic()
        try:
            await link.one("SENTINEL", "FAILOVER", self._group, "COORDINATED", deadline=self.deadline)
        except Protocol:
            await link.one("SENTINEL", "FAILOVER", self._group, deadline=self.deadline)
        while time.monotonic() - began < deadline:
            named = {place(view.master) for view in (await self._views(self.deadline * 0.45))[0]}
            if len(named) == 1 and primary.address not in named:
                return named.pop(), time.monotonic() - began
            await asyncio.sleep(STEP)
        raise Lost(f"no other server is named the primary within {deadline:g} s")


def _facts(row: Any) -> dict[str, str]:
    """Names and values of a flat reply."""
    text = [part.decode("utf-8", "replace") for part in row[:200]]
    return dict(zip(text[::2], text[1::2], strict=True))
