"""A server and its replicas in other regions, as one backend: each as it tells of itself, and who counts.

Nobody watches such a pair but us: there are no votes. Of two primaries the one promoted last counts, by the
number in `perftui.model.regions`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from typing import ClassVar, Final
from urllib.parse import urlsplit, urlunsplit

from perftui.backends.valkey.accesses import AccessPowers
from perftui.backends.valkey.attaching import AttachPowers, elsewhere
from perftui.backends.valkey.beats import Beats
from perftui.backends.valkey.link import Address, Link, parse_url
from perftui.backends.valkey.monitor import MonitorPowers
from perftui.backends.valkey.nodelook import NodeLook, measures, named
from perftui.backends.valkey.pairjudge import due, heir, latest
from perftui.backends.valkey.published import PublishedPowers
from perftui.backends.valkey.regions import RegionPowers
from perftui.backends.valkey.serverpowers import ServerPowers
from perftui.model.accesses import AccessBurst
from perftui.model.cache import CacheReading, CommandSample
from perftui.model.cachecluster import SLOTS, ClusterMember, ClusterReading
from perftui.model.errors import BackendError, ConfigError, Lost
from perftui.model.options import ValkeyRegionsOptions
from perftui.model.reading import Measure, Reading
from perftui.model.regionlag import lag_of
from perftui.model.regions import EPOCH_KEY, epoch_of
from perftui.model.series import SeriesKey
from perftui.model.tierview import TierFacts

HEALTH: Final = 1.0  # seconds between questions, and until an answer to one
FAILURES: Final = 5
AGAIN: Final = 0.01  # seconds between questions to a server that refuses connections: its machine is there
HASTE: Final = 100  # questions so close to each other
PROOF: Final = 2.0  # seconds that a replica has to reach anew a primary that owes us answers
SHORTEST: Final = 3.0  # a pause of a second or two is no loss
LONGEST: Final = 3600.0
MOST: Final = 8


def parse_regions(options: ValkeyRegionsOptions) -> list[Address]:
    """Servers of `redis[s]+region://[user:password@]host:port,host:port[/db]`; they share a login.

    Raises:
        ConfigError: it is no such URL; without its secrets.
    """
    parts = urlsplit(options.url)
    scheme = parts.scheme.removesuffix("+region")
    login, at, places = parts.netloc.rpartition("@")
    told = {"username": options.username, "password": options.password, "ca_file": options.ca_file}
    found = [
        replace(parse_url(urlunsplit((scheme, f"{login}{at}{one}", "", "", "")), **told), db=0)
        for one in places.split(",")
        if one and scheme != parts.scheme
    ]
    if not 2 <= len({str(one) for one in found}) <= MOST:
        raise ConfigError("write redis+region://host:6379,host:6379: a server and its replica elsewhere")
    return found


class Region(RegionPowers, MonitorPowers, AccessPowers):
    """One of the servers, with the powers of a replica."""

    def __init__(self, address: Address) -> None:
        self.look = NodeLook(address)
        self._work, self._stream = Link(address), Link(address)
        self.own_hits = self.own_misses = 0
        self.name = self._work.where
        self.watching = Link(address, "perftui-watch")
        self.last: CacheReading | None = None
        self.epoch = 0

    async def facts(self, deadline: float) -> CacheReading:
        """What it says of itself, and how often somebody was promoted."""
        self.look.lent = {"keyspace_hits": self.own_hits, "keyspace_misses": self.own_misses}
        self.last = await self.look.facts(deadline)
        (said,) = await self.look.link.ask([("GET", EPOCH_KEY)], deadline)
        self.look.own["keyspace_hits" if said else "keyspace_misses"] += 1
        self.epoch = epoch_of(said)
        return self.last

    @property
    def work(self) -> Link:
        """The working connection."""
        return self._work

    async def close(self) -> None:
        """Hang up."""
        for link in (self.look.link, self._work, self._stream, self.watching):
            await link.close()


@dataclass(slots=True)
class Silence:
    """A primary that owes answers: since when (monotonic), how many, and how many connections were refused.

    `proved` is whether its replicas were made to reach it anew.
    """

    since: float = 0.0
    owed: int = 0
    refused: int = 0
    proved: bool = False

    def more(self, asked: float, *, refused: bool) -> None:
        """One more question, asked at `asked`, was not answered, or the connection was refused."""
        self.since = self.since or asked
        self.owed += 1
        self.refused += refused

    def lasts(self, seconds: float) -> bool:
        """Whether it has lasted for so long."""
        return self.owed > 0 and time.monotonic() - self.since >= seconds


class ValkeyRegions(PublishedPowers, AttachPowers, ServerPowers):
    """Servers that share the login of the URL or the options.

    Nodes of the cache library publish at the primary.
    """

    kind: ClassVar[str] = "valkey-regions"
    layer: ClassVar[str] = "cache"
    Options: ClassVar[type] = ValkeyRegionsOptions
    period: ClassVar[float] = 1.0
    idle_period: ClassVar[float] = 5.0
    deadline: ClassVar[float] = 2.0

    def __init__(self, name: str, options: ValkeyRegionsOptions) -> None:
        self.name = name
        self.bound, self.watch_every = options.bound, options.watch_every
        self.watched: CommandSample | None = None
        if not SHORTEST <= options.lost_after <= LONGEST:
            raise ConfigError(f"`lost_after` is {SHORTEST:g} to {LONGEST:g} s, not {options.lost_after:g}")
        self._lost_after = options.lost_after
        self._regions = {str(at): Region(at) for at in parse_regions(options)}
        self._addresses = {at: region.look.link.address for at, region in self._regions.items()}
        self._known: tuple[ClusterMember, ...] = ()
        self._refusing: set[str] = set()  # machines that are there, without a server
        self._silence = Silence()
        self._route(name, self._working_at, self._looking_at, self._looked_at)
        self._beats = Beats(options.heartbeat, self._addresses.__getitem__) if options.heartbeat > 0 else None

    def __repr__(self) -> str:
        return f"<regions of {self.name} at {', '.join(self._regions)}>"

    async def open(self) -> None:
        """Reach at least one region."""
        await self._members(self.deadline * 0.9)

    async def close(self) -> None:
        """Hang up everywhere."""
        if self._beats is not None:
            await self._beats.close()
        for region in self._regions.values():
            await region.close()

    async def read(self) -> Reading:
        """Every region at once.

        Raises:
            Lost: none answers.
        """
        at, started = time.time(), time.monotonic()
        members = self._known = await self._members(self.deadline * 0.45)
        if self._beats is not None:
            whole = ((0, SLOTS - 1),)
            self._beats.follow([replace(m, slots=whole) for m in members if m.role == "primary"])
        outages = self._beats.outages() if self._beats is not None else ()
        answered = sum(m.reading is not None for m in members)
        reading = ClusterReading(
            max(m.epoch for m in members),
            members,
            answered,
            outages,
            self._beats is not None,
            slotted=False,
            regions=True,
            tiers=await self._of_nodes(self.deadline * 0.9 - (time.monotonic() - started)),
            watched=self.watched,
        )
        return Reading(self.name, at, time.monotonic() - started, tuple(self._measures(reading)), reading)

    def _measures(self, reading: ClusterReading) -> list[Measure]:
        found = list(measures(self.name, reading))
        for member in reading.members:
            lag = lag_of(reading, member)
            labels = (("node", member.address),)
            if lag.bytes_ is not None and reading.lag(member) is None:
                found.append(Measure(SeriesKey(self.name, "lag_bytes", labels), float(lag.bytes_), "bytes"))
            if lag.seconds is not None:
                found.append(Measure(SeriesKey(self.name, "lag_s", labels), lag.seconds, "s"))
        return found

    async def _members(self, deadline: float) -> tuple[ClusterMember, ...]:
        """All regions; one that is silent has the role it had, unless another is the primary now."""
        answers = await asyncio.gather(
            *(region.facts(deadline) for region in self._regions.values()), return_exceptions=True
        )
        told: dict[str, CacheReading] = {}
        why: dict[str, BackendError] = {}
        self._refusing.clear()
        for at, answer in zip(self._regions, answers, strict=True):
            if isinstance(answer, CacheReading):
                told[at] = answer
            elif isinstance(answer, BackendError):
                why[at] = answer
                if isinstance(answer.__cause__, ConnectionError):
                    self._refusing.add(at)
            elif isinstance(answer, BaseException):
                raise answer
        if not told:
            raise next(iter(why.values()))
        led = any(facts.replication.role == "primary" for facts in told.values())
        return tuple(self._member(at, told.get(at), str(why.get(at, "")), led=led) for at in self._regions)

    def _member(self, at: str, facts: CacheReading | None, why: str, *, led: bool) -> ClusterMember:
        region = self._regions[at]
        known = facts or region.last
        if known is None or (facts is None and led):
            return ClusterMember(at, at, "lost" if led else "unknown", epoch=region.epoch, why=why)
        replication = known.replication
        primary = self._named(replication.primary) if replication.role == "replica" else ""
        return ClusterMember(at, at, replication.role, primary, region.epoch, reading=facts, why=why)

    def _named(self, place: str) -> str:
        """A server as the URL names it, where its replica knows it by another address."""
        if place in self._regions:
            return place
        same = [at for at in self._regions if at.rpartition(":")[2] == place.rpartition(":")[2]]
        return same[0] if len(same) == 1 else place

    # RegionPair, ReplicaAttacher, and the powers over servers

    async def _places(self) -> tuple[str, ...]:
        return tuple(self._regions)

    def _set_at(self, node: str) -> None:
        self._regions[node].look.look_anew()

    def region(self, node: str) -> Region:
        """The powers of one region.

        Raises:
            PlanRejected: there is none of that address.
        """
        members = self._known or tuple(ClusterMember(at, at, "unknown") for at in self._regions)
        return self._regions[named(ClusterReading(0, members, 0), node, self.name).address]

    # the powers of a server where nodes of the library publish: replicas have copies of what is there

    def _leading(self) -> Region:
        led = latest(self._known)
        if led is None:
            raise Lost(f"{self.name} has no primary now, or two that were promoted as often")
        return self._regions[led.address]

    async def _of_nodes(self, left: float) -> TierFacts | None:
        return await self.published(max(0.1, left / 4)) if latest(self._known) is not None else None

    async def sample_commands(self, limit: int, seconds: float) -> CommandSample:
        """At most `limit` commands or `seconds` at the primary; slows it meanwhile."""
        self.watched = await (await self._led()).sample_commands(limit, seconds)
        return self.watched

    async def watch_accesses(self, limit: int, seconds: float) -> AccessBurst:
        """Reads among as many there."""
        return await (await self._led()).watch_accesses(limit, seconds)

    async def _led(self) -> Region:
        if not self._known:
            await self.read()
        return self._leading()

    async def _working_at(self, _key: bytes) -> Link:
        return (await self._led()).work

    async def _looking_at(self, _key: bytes) -> Link:
        return self._leading().look.link

    def _looked_at(self, _key: bytes, found: bool) -> None:
        self._leading().look.own["keyspace_hits" if found else "keyspace_misses"] += 1

    def _reached(self, node: str) -> Address:
        return self._addresses.get(node) or elsewhere(next(iter(self._addresses.values())), node)

    async def leader(self, node: str) -> str:
        """The primary that answers and was promoted last; empty where there is none, or two say the same."""
        self.region(node)
        members = await self._members(self.deadline * 0.45)
        led = latest(members)
        return led.address if led is not None else ""

    async def attend(self) -> tuple[str, str, str]:
        """Wait until something is to be done: what, for which region, and its primary.

        That is a "takeover" by a replica of a lost primary, a "rejoin" of a primary that is one no more, or
        to "reattach" a replica of one that is not there.

        A primary is lost once it has owed answers for `lost_after` seconds, asked for each second, or its
        machine refused five connections, and all replicas that answer have lost it too: while one hears it
        none is promoted. A replica learns of a primary that hangs by reaching it anew, see `_prove`.
        """
        self._silence = Silence()
        while True:
            began = time.monotonic()
            try:
                members = await self._members(HEALTH)
            except Lost:
                await asyncio.sleep(HEALTH)
                continue
            primaries = [m for m in members if m.role == "primary" and m.reading is not None]
            if primaries:
                self._silence = Silence()
                wanted = due(primaries, members, self._lost_after)
                if wanted is not None:
                    return wanted
                await self._held(primaries[0])
                continue
            silence = self._silence
            refused = any(m.address in self._refusing for m in members if m.role != "replica")
            silence.more(began, refused=refused)
            lost = silence.refused >= FAILURES or silence.lasts(self._lost_after)
            if lost and (one := heir(await self._replicas(members))) is not None:
                return ("takeover", one.address, one.primary)
            if silence.lasts(self._lost_after - PROOF) and not silence.proved:
                silence.proved = True
                await self._prove(members)
            # Whether or not there is an heir yet: the replica may learn of the loss a moment later than we.
            hasty = refused and silence.refused < HASTE
            await asyncio.sleep(AGAIN if hasty else max(AGAIN, began + HEALTH - time.monotonic()))

    async def _prove(self, members: tuple[ClusterMember, ...]) -> None:
        """Have replicas that get nothing from a primary which owes us answers reach it anew.

        Its connections outlive a primary that hangs, and one that lives may say nothing for 10 s: only a new
        one tells them apart. It is made within some round trips and goes on where the old one was, or not at
        all. One that may not be told to waits for SILENT.
        """
        quiet = self._lost_after - PROOF - 2 * HEALTH
        for member in members:
            if member.role != "replica" or member.reading is None:
                continue
            now = member.reading.replication
            if now.link_up and now.last_io_s is not None and now.last_io_s >= quiet:
                with contextlib.suppress(BackendError):
                    await self._regions[member.address].reach_anew()

    async def _replicas(self, members: tuple[ClusterMember, ...]) -> list[ClusterMember]:
        """Replicas as they are now: they answered when the look began, and the primary kept it waiting."""
        asked = [m.address for m in members if m.role == "replica" and m.reading is not None]
        answers = await asyncio.gather(
            *(self._regions[at].facts(HEALTH) for at in asked), return_exceptions=True
        )
        odd = next((one for one in answers if not isinstance(one, CacheReading | BackendError)), None)
        if isinstance(odd, BaseException):
            raise odd
        told = [(at, one) for at, one in zip(asked, answers, strict=True) if isinstance(one, CacheReading)]
        return [self._member(at, facts, "", led=False) for at, facts in told]

    async def _held(self, primary: ClusterMember) -> None:
        """Until the next question is due, or the connection to the primary ends."""
        try:
            await self._regions[primary.address].watching.watch(("SUBSCRIBE", "__region"), HEALTH, 1, HEALTH)
        except Lost:
            await asyncio.sleep(AGAIN)
        except BackendError:  # it may not subscribe: then questions alone
            await asyncio.sleep(HEALTH)
