"""CLUSTER SLOT-STATS: keys, CPU time and bytes of every hash slot, as each primary counts its own.

Sources: https://valkey.io/commands/cluster-slot-stats (Valkey 8.0),
https://redis.io/commands/cluster-slot-stats (Redis 8.2). Without `cluster-slot-stats-enabled yes` there
are keys alone. `ORDERBY … LIMIT` is no use here: it orders by what was counted since the server began, so a
slot that is hot now would be told after hours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

import hiredis

from perftui.analysis.slots import SLOTS
from perftui.analysis.slottraffic import SlotMeter, part_of
from perftui.backends.valkey.link import Link, translated
from perftui.model.cachecluster import ClusterMember, Range
from perftui.model.errors import BackendError, Protocol, Unsupported
from perftui.model.slottraffic import SlotCount, SlotFacts, SlotMap

PARTS: Final = 6
"""Pieces that looks read the slots in, one after the other."""

EVERY: Final = 10.0
"""Seconds between two pieces: all slots have been told of after a minute."""

PIECE: Final = 1024
"""Slots of one answer in a whole look: in between the server does what others ask."""

AGAIN: Final = 60.0
"""Seconds until a server that refused, or has no such command, is asked again."""

FEW, MANY = 4, 10
"""Slots of each primary that looks tell one by one, and that a whole look does. No more than four can have
40 % of its time or of its bytes."""

NAMED: Final = 0.3
"""Part of its primary's traffic from which a slot's only key is asked for by name."""

LONGEST: Final = 1024
"""Bytes of such a name; longer ones are not kept."""

ASKED: Final = "cluster|slot-stats"
FIGURES: Final = (b"key-count", b"cpu-usec", b"network-bytes-in", b"network-bytes-out")

Primaries = Mapping[str, tuple[ClusterMember, Link]]
"""Those that answer, by address, each with the connection to ask it by."""

Held = Mapping[str, Sequence[Range]]
"""Slots by the address of their primary, also of those that are silent."""


class SlotLooks:
    """What the primaries told of their slots, piece by piece or all at once, and why one does not."""

    def __init__(self) -> None:
        self._meter = SlotMeter()
        self._held: Held = {}
        self._index = 0
        self._due = 0.0
        self._why: dict[str, str] = {}
        self._again: dict[str, float] = {}
        self._whole = asyncio.Lock()
        self.facts = SlotFacts()

    async def part(self, primaries: Primaries, held: Held, within: float) -> SlotFacts:
        """The next piece at every primary when it is time, one round trip; else what is known.

        What is known changes when all pieces have come round, or something cannot be read any more. A server
        that does not answer is left out: the look it is part of does not fail for it.
        """
        now = time.monotonic()
        if now < self._due:
            return self.facts
        self._due, index = now + EVERY, self._index
        self._index = (index + 1) % PARTS
        self._follow(held)
        asked = [
            self._read(place, link, [piece], within)
            for place, (member, link) in primaries.items()
            if (piece := part_of(member.slots, index, PARTS)) is not None
        ]
        before = dict(self._why)
        await asyncio.gather(*asked)
        if self._index == 0 or self._why != before:
            self.facts = self._meter.facts(FEW, self._why)
        return self.facts

    async def whole(self, primaries: Primaries, held: Held, within: float) -> SlotMap:
        """Every slot at every primary, PIECE after PIECE; who asks while this goes on waits for its end.

        Raises:
            BackendError: no primary tells of its slots; why the first of them does not.
        """
        async with self._whole:
            self._follow(held)
            asked = [
                self._read(place, link, _pieces(member.slots), within)
                for place, (member, link) in primaries.items()
            ]
            await asyncio.gather(*asked)
            self._due = time.monotonic() + EVERY  # it has all that the next piece would tell
            found = self._meter.map(time.time(), MANY, self._why)
            self.facts = _shorter(found.facts)
        if not any(shard.slots for shard in found.facts.shards):
            raise Unsupported(found.facts.why or "no primary of the cluster answers")
        return found

    def _follow(self, held: Held) -> None:
        if held != self._held:
            self._held = held
            self._meter.follow(held)
            self._why = {place: why for place, why in self._why.items() if place in held}

    async def _read(self, place: str, link: Link, pieces: Sequence[Range], within: float) -> None:
        if time.monotonic() < self._again.get(place, 0.0):
            return
        try:
            hot = self._hot(place)
            told: set[bool] = set()
            for piece in pieces:
                counts, hot = await self._piece(place, link, piece, hot, within), []
                told |= {count.cpu_s is not None for count in counts}
        except BackendError as error:
            self._why[place] = str(error)
            self._again[place] = time.monotonic() + AGAIN
        else:
            self._why.pop(place, None)
            if told == {False}:
                self._why[place] = f"{place} counts keys alone: cluster-slot-stats-enabled is off there"

    async def _piece(
        self, place: str, link: Link, piece: Range, hot: Sequence[int], within: float
    ) -> list[SlotCount]:
        """Take in what a primary tells of its slots from one to another, and the only keys of `hot` ones."""
        commands: list[tuple[str | int, ...]] = [("CLUSTER", "SLOT-STATS", "SLOTSRANGE", *piece)]
        commands += [("CLUSTER", "GETKEYSINSLOT", slot, 2) for slot in hot]
        stats, *names = await link.ask(commands, within)
        counts = parse(stats, link.where)
        self._meter.take(place, time.monotonic(), counts)
        for slot, reply in zip(hot, names, strict=True):
            self._meter.name(slot, _only(reply))
        return counts

    def _hot(self, place: str) -> list[int]:
        """Slots of a primary that have much of its traffic and a single key."""
        shard = self.facts.shard(place)
        top = shard.top if shard is not None else ()
        return [one.slot for one in top if one.share >= NAMED and one.keys == 1]


class SlotPowers:
    """SlotReader over the connections of looks.

    `benchmarks.cache_slots` prints what it costs.
    """

    deadline: ClassVar[float]
    _known: tuple[ClusterMember, ...]
    _looks: Mapping[str, Any]
    _slots: SlotLooks
    read: Callable[[], Any]

    async def slot_map(self) -> SlotMap:
        """Keys and traffic of all slots since the look at each before; the first one has keys alone.

        Raises:
            BackendError: no primary tells; before Valkey 8.0 and Redis 8.2 none can.
        """
        if not self._known:
            await self.read()
        return await self._slots.whole(self._counting(), self._serving(), self.deadline)

    async def slot_facts(self, within: float) -> SlotFacts:
        """What is known after the next piece, where it is time for that; never fails."""
        return await self._slots.part(self._counting(), self._serving(), within)

    def _counting(self) -> dict[str, tuple[ClusterMember, Link]]:
        """Primaries that answer and hold slots, with the connection of looks at each."""
        return {
            member.address: (member, self._looks[member.address].link)
            for member in self._known
            if member.role == "primary" and member.slots and member.reading is not None
            if member.address in self._looks
        }

    def _serving(self) -> Held:
        serving = (m for m in self._known if m.role == "primary" and m.slots and not m.failed)
        return {member.address: member.slots for member in serving}


def parse(reply: Any, where: str) -> list[SlotCount]:
    """What a primary counts of slots; figures it does not tell are None, others it tells are left out.

    Raises:
        Unsupported: it has no such command. Refused: the login may not use it. Protocol: it is no answer.
    """
    if isinstance(reply, hiredis.ReplyError):
        error = translated(reply, ASKED, where)
        if isinstance(error, Unsupported):
            raise Unsupported(f"{where} counts no slots: CLUSTER SLOT-STATS needs Valkey 8.0 or Redis 8.2")
        raise error
    odd = Protocol(f"{where} answered CLUSTER SLOT-STATS with something else than counts")
    if not isinstance(reply, list) or len(reply) > SLOTS:
        raise odd
    try:
        return list(_counts(reply))
    except (IndexError, TypeError, ValueError) as error:
        raise odd from error


def _counts(rows: Sequence[Any]) -> Iterator[SlotCount]:
    """Row by row: there are thousands, so where the figures stand is looked up where rows begin to differ."""
    names: Any = None
    spots: tuple[int, ...] = ()
    for slot, told in rows:
        if told[::2] != names:
            names, spots = told[::2], _spots(told)
        figures = [slot, *[told[spot] for spot in spots]]
        if set(map(type, figures)) != {int} or min(figures) < 0 or slot >= SLOTS:
            raise ValueError("no figure, or no slot")
        if len(figures) == 2:
            yield SlotCount(slot, figures[1])
        else:
            yield SlotCount(slot, figures[1], figures[2] / 1e6, float(figures[3] + figures[4]))


def _spots(told: Any) -> tuple[int, ...]:
    """Where FIGURES stand in a row: all of them, or keys alone."""
    if not isinstance(told, list):
        raise TypeError("no names and figures")
    names = told[::2]
    wanted = FIGURES if all(name in names for name in FIGURES) else FIGURES[:1]
    return tuple(2 * names.index(name) + 1 for name in wanted)


def _shorter(facts: SlotFacts) -> SlotFacts:
    """With as few slots of each primary as looks tell."""
    few = (replace(one, top=one.top[:FEW], fullest=one.fullest[:FEW]) for one in facts.shards)
    return SlotFacts(tuple(few))


def _only(reply: Any) -> bytes:
    """The name of the only key told; empty where there is another one, or it is too long to keep."""
    told = reply if isinstance(reply, list) else []
    return told[0] if len(told) == 1 and isinstance(told[0], bytes) and len(told[0]) <= LONGEST else b""


def _pieces(held: Sequence[Range]) -> list[Range]:
    count = -(-sum(last - first + 1 for first, last in held) // PIECE)
    return [piece for index in range(count) if (piece := part_of(held, index, count)) is not None]
