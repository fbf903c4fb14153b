"""Keys of a whole cluster moved to quarantine, deleted and brought back: each at the primary of its slot."""

from __future__ import annotations

import asyncio
import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from perftui.analysis.keyspace import SLOT_BITS, slotted_share
from perftui.analysis.slots import owners, slot_of
from perftui.backends.valkey.accesses import AccessPowers
from perftui.backends.valkey.dumps import DumpPowers, DumpShards, Group, elsewhere
from perftui.backends.valkey.keys import WORK_DEADLINE, Paged
from perftui.backends.valkey.link import Address, Link, verify
from perftui.backends.valkey.monitor import MonitorPowers
from perftui.backends.valkey.quarantine import (
    MOVE,
    RESTORE,
    RESTORE_OVER,
    home,
    original,
    written,
)
from perftui.backends.valkey.values import ValuePowers, ValueShards
from perftui.backends.valkey.worklease import pinged
from perftui.model.cache import CacheReading, KeyInfo, KeySurvey, KeyTally
from perftui.model.cachecluster import ClusterMember, Range
from perftui.model.errors import Lost

MOST = 1000
"""Primaries: a cursor over all of them has room for as many."""


class Shard(DumpPowers, MonitorPowers, AccessPowers, ValuePowers):
    """One primary over a working connection of its own. A script's keys share a slot.

    `slots` are those it holds as far as is known.
    """

    def __init__(self, address: Address) -> None:
        self._work = Link(address)
        self._stream = Link(address)
        self.name = self._work.where
        self.own_hits = self.own_misses = 0
        self.lfu = False
        self.slots: tuple[Range, ...] = ()
        self.watched = None
        self.watch_every = 0.0

    def learn(self, member: ClusterMember) -> None:
        """What its newest look says of it."""
        self.slots = member.slots
        if member.reading is not None:
            self.lfu = member.reading.policy.endswith("lfu")
            self._even = slotted(member.reading)

    @property
    def work(self) -> Link:
        """The connection."""
        return self._work

    async def close(self) -> None:
        """Hang up."""
        await self._work.close()
        await self._stream.close()

    def scanned(self, cursor: int) -> float:
        """The share of its keys that a SCAN has gone through."""
        return slotted_share(cursor, self.slots) if self._even else super().scanned(cursor)

    def _together(self, names: Iterable[bytes]) -> list[list[bytes]]:
        return by_slot(names)

    async def _random_pages(self, pages: int) -> list[list[bytes]]:
        """From a table for each slot: a slot by how many keys it has, then a random place in its table.

        A page ends with its slot: SCAN would go on to the next one, and favour slots behind empty ones.
        """
        if not self._even:
            return await super()._random_pages(pages)
        held = [slot for first, last in self.slots for slot in range(first, last + 1)]
        counts: list[int] = []
        for start in range(0, len(held), 1000):
            asked = [("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in held[start : start + 1000]]
            replies = await self._work.ask(asked, WORK_DEADLINE)
            counts += [int(verify(reply, "CLUSTER", self.name)) for reply in replies]
        if not any(counts):
            return []
        draw, met = random.SystemRandom(), sum(n * n for n in counts) / sum(counts)  # keys of a slot so drawn
        picked = draw.choices(held, counts, k=round(pages * max(1.0, 10 / met)))
        found = await self._pages_at(
            [draw.getrandbits(64 - SLOT_BITS) << SLOT_BITS | slot for slot in picked]
        )
        return [[n for n in names if slot_of(n) == slot] for slot, names in zip(picked, found, strict=True)]

    async def quarantine_keys(
        self, keys: Sequence[bytes], quarantine: str, keep: float, tally: KeyTally
    ) -> None:
        """Move `keys` away; Lost when some of them are another node's by now."""
        where, life = home(quarantine), int(keep * 1000)
        groups = [(names, [len(names), *names, where, life, *map(written, names)]) for names in by_slot(keys)]
        answers: list[Any] = []
        try:
            await self._scripts(MOVE, groups, tally, answers)
        finally:  # PTTL is a lookup
            self._met_by_scripts(answers)

    async def restore_keys(
        self, names: Sequence[bytes], quarantine: str, tally: KeyTally, over: bool = False
    ) -> None:
        """Bring quarantined `names` back; Lost when some are another node's by now."""
        groups: list[Group] = []
        for some in by_slot(names):
            pairs = [original(name, quarantine) for name in some]
            keys = [part for name, (key, _) in zip(some, pairs, strict=True) for part in (name, key)]
            groups.append(([key for key, _ in pairs], [len(keys), *keys, *(dies for _, dies in pairs)]))
        await self._scripts(RESTORE_OVER if over else RESTORE, groups, tally)

    async def delete_keys(self, keys: Sequence[bytes], tally: KeyTally) -> None:
        """UNLINK those of a slot by one command; Lost when some are another node's by now."""
        groups = by_slot(keys)
        replies: list[Any] = []
        try:
            await self._work.ask([("UNLINK", *names) for names in groups], WORK_DEADLINE, replies)
        finally:
            tally.unsure += sum(map(len, groups[len(replies) :]))
            for names, reply in zip(groups, replies, strict=False):
                if type(reply) is int:
                    self._count(names, [1] * reply + [0] * (len(names) - reply), tally, sent=False)
                elif not elsewhere(reply):
                    self._count(names, [reply] * len(names), tally, sent=False)
        self._whole(replies)


def slotted(facts: CacheReading) -> bool:
    """Whether a node keeps a table for each slot, whose number is in its cursors: Valkey 8, Redis 7.4."""
    if facts.mode != "cluster":
        return False
    numbers = [int(part) for part in facts.version.split(".")[:2] if part.isdecimal()]
    return numbers >= ([8] if facts.product == "Valkey" else [7, 4])


def by_slot(names: Iterable[bytes]) -> list[list[bytes]]:
    """Names that share a slot, together."""
    found: dict[int, list[bytes]] = {}
    for name in names:
        found.setdefault(slot_of(name), []).append(name)
    return list(found.values())


class ShardPowers(DumpShards, Paged, ValueShards):
    """KeyPurger over all primaries. A change of the map in the middle of a scan is Lost: it begins anew."""

    name: str
    _known: tuple[ClusterMember, ...]
    _shards: dict[str, Shard]
    _scanned: tuple[str, ...]
    _sizes: tuple[int, ...] = ()
    address: Callable[[str], Address]
    read: Callable[[], Any]

    async def _primaries(self) -> tuple[Shard, ...]:
        """Those that hold slots, by a new look; Lost while one of them is away or slots are nobody's."""
        await self.read()
        serving = [m for m in self._known if m.role == "primary" and m.slots and not m.failed]
        bare = [slots for slots, id_ in owners((m.id, m.epoch, m.slots) for m in serving) if not id_]
        silent = next((m for m in serving if m.state != "ok"), None)
        if bare or silent is not None:
            why = f"{silent.address} is {silent.state}" if silent else f"nobody serves slots {bare[0]}"
            raise Lost(f"{self.name} is not whole: {why}")
        return tuple(self._shard(m.address) for m in sorted(serving, key=lambda m: m.slots))

    async def probe_purge(self) -> float:
        """Seconds of a PING there and back, the slowest primary's.

        Raises:
            Lost: no primary is known, or one does not answer.
        """
        if not self._known:
            await self.read()
        places = [member.address for member in self._known if member.role == "primary" and not member.failed]
        if not places:
            raise Lost(f"{self.name} has no primary that answers")
        return max(await asyncio.gather(*(pinged(self._shard(place).work) for place in places)))

    def _shard(self, place: str) -> Shard:
        if place not in self._shards:
            self._shards[place] = Shard(self.address(place))
        for member in self._known:
            if member.address == place:
                self._shards[place].learn(member)
        return self._shards[place]

    def _at(self, names: Sequence[bytes]) -> list[tuple[Shard, list[bytes]]]:
        """Names by who holds them, as the newest map has it."""
        claims = [(m.address, m.epoch, m.slots) for m in self._known if m.role == "primary" and not m.failed]
        ranges = owners(claims)
        firsts, places = [first for (first, _), _ in ranges], [place for _, place in ranges]
        found: dict[str, list[bytes]] = {}
        for name in names:
            slot = slot_of(name)
            place = places[bisect_right(firsts, slot) - 1]
            if not place:
                raise Lost(f"nobody serves slot {slot} of {self.name}")
            found.setdefault(place, []).append(name)
        return [(self._shard(place), some) for place, some in found.items()]

    async def scan(self, pattern: bytes, cursor: int, count: int) -> tuple[int, tuple[bytes, ...]]:
        """One SCAN step at one primary; the cursor says at which and where."""
        index, at = cursor % MOST, cursor // MOST
        if cursor == 0:
            self._scanned = tuple(shard.name for shard in await self._primaries())
        if index >= len(self._scanned):
            raise Lost(f"the map of {self.name} changed while it was scanned")
        following, names = await self._shard(self._scanned[index]).scan(pattern, at, count)
        if following:
            return following * MOST + index, names
        return (index + 1) % len(self._scanned), names

    async def size(self) -> int:
        """Keys of those primaries that are being scanned."""
        shards = [self._shard(place) for place in self._scanned]
        self._sizes = tuple(await asyncio.gather(*(shard.size() for shard in shards)))
        return sum(self._sizes)

    def scanned(self, cursor: int) -> float:
        """The share of all keys that a scan has gone through, as the last `size` had them."""
        index, at = cursor % MOST, cursor // MOST
        if cursor == 0 or index >= len(self._sizes):
            return 1.0
        here = self._shard(self._scanned[index]).scanned(at) if at else 0.0
        return (sum(self._sizes[:index]) + here * self._sizes[index]) / max(1, sum(self._sizes))

    async def scan_quarantine(self, quarantine: str, cursor: int) -> tuple[int, tuple[bytes, ...]]:
        """One step over the names of a quarantine."""
        return await self.scan(home(quarantine) + b"*", cursor, 1000)

    async def weigh(self, names: Sequence[bytes]) -> tuple[KeyInfo, ...]:
        """Type, TTL and bytes of those that exist."""
        parts = await asyncio.gather(*(shard.weigh(some) for shard, some in self._at(names)))
        return tuple(row for part in parts for row in part)

    async def survey_keys(self, pattern: bytes, sample: int = 200) -> KeySurvey:
        """What matches at every primary, together."""
        shards = await self._primaries()
        return together(
            await asyncio.gather(*(shard.survey_keys(pattern, sample) for shard in shards)), sample
        )

    async def quarantine_keys(
        self, keys: Sequence[bytes], quarantine: str, keep: float, tally: KeyTally
    ) -> None:
        """Move `keys` away, each with its TTL."""
        await self._every(keys, lambda shard, some: shard.quarantine_keys(some, quarantine, keep, tally))

    async def delete_keys(self, keys: Sequence[bytes], tally: KeyTally) -> None:
        """Delete `keys` for good."""
        await self._every(keys, lambda shard, some: shard.delete_keys(some, tally))

    async def restore_keys(
        self, names: Sequence[bytes], quarantine: str, tally: KeyTally, over: bool = False
    ) -> None:
        """Bring quarantined `names` back."""
        await self._every(names, lambda shard, some: shard.restore_keys(some, quarantine, tally, over))

    async def hand_on(self, within: float) -> bool:
        """Wait for a replica of each primary that has any."""
        return all(await asyncio.gather(*(shard.hand_on(within) for shard in await self._primaries())))


def together(parts: Sequence[KeySurvey], sample: int) -> KeySurvey:
    """Surveys of several servers as one; their errors are independent."""
    total = sum(part.total for part in parts)
    kept = max(1, sample // len(parts))
    policies = {part.policy for part in parts}
    return KeySurvey(
        pattern=parts[0].pattern,
        count=sum(part.count for part in parts),
        scanned=sum(part.scanned * part.total for part in parts) / total if total else 1.0,
        sample=tuple(row for part in parts for row in part.sample[:kept]),
        bytes_=sum(part.bytes_ for part in parts),
        bytes_error=round(math.hypot(*(part.bytes_error for part in parts))),
        total=total,
        role="primary",
        policy=policies.pop() if len(policies) == 1 else "policies that differ",
        name_bytes=sum(part.name_bytes for part in parts),
    )
