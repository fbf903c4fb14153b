"""How long a primary could not be written: one small key each, set again and again wherever its slot goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import hiredis

from perftui.analysis.slots import slot_of
from perftui.backends.valkey.link import Address, Link
from perftui.model.cachecluster import ClusterMember, Outage, Range
from perftui.model.errors import BackendError

LIFE = 10  # seconds a key lives after its last beat
PATIENCE = 0.25  # seconds a beat waits for its answer
AGAIN = 0.01  # seconds after a beat that failed until the next
HASTE = 10.0  # seconds of an outage in which they follow so fast
KEPT = 50


@dataclass(slots=True)
class Beat:
    """The key of one slot: where its primary is thought to be, and how the last beats went."""

    key: bytes
    slots: Range
    node: str
    failing: Outage | None = None
    ended: list[Outage] = field(default_factory=list)


class Beats:
    """A beat each `every` seconds for each primary known; `address` tells how to reach a node."""

    def __init__(self, every: float, address: Callable[[str], Address]) -> None:
        self._every = every
        self._address = address
        self._beats: dict[int, Beat] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._links: dict[str, Link] = {}
        self._owners: tuple[ClusterMember, ...] = ()

    def follow(self, members: Sequence[ClusterMember]) -> None:
        """The map as it is now: a beat for the first slots of each primary; those there are go on."""
        self._owners = tuple(m for m in members if m.role == "primary" and m.slots and not m.failed)
        for member in self._owners:
            if not any(_held(member, slot) for slot in self._beats):
                slot, key = key_of(member.slots)
                self._beats[slot] = Beat(key, member.slots[0], member.address)
                self._tasks[slot] = asyncio.create_task(self._beat_on(slot))

    def outages(self) -> tuple[Outage, ...]:
        """Those under way, then those that ended, newest first."""
        now = [b.failing for b in self._beats.values() if b.failing is not None]
        past = sorted((o for b in self._beats.values() for o in b.ended), key=lambda o: -o.since)
        return (*now, *past[:KEPT])

    async def close(self) -> None:
        """Stop, and hang up."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        for link in self._links.values():
            await link.close()

    async def _beat_on(self, slot: int) -> None:
        beat = self._beats[slot]
        due = time.monotonic()
        while True:
            due = max(due + self._every, time.monotonic())
            sent, node = time.time(), beat.node
            if await self._written(beat):
                self._alive(beat, time.time())
            else:
                self._missed(beat, node, sent)
                if beat.failing is not None and sent - beat.failing.since < HASTE:
                    due = min(due, time.monotonic() + AGAIN)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _written(self, beat: Beat) -> bool:
        """One write, where the slot is; who holds it after a failover MOVED tells, or the map."""
        link = self._links.get(beat.node)
        if link is None:
            link = self._links[beat.node] = Link(self._address(beat.node))
        try:
            (reply,) = await link.ask([("SET", beat.key, "1", "EX", LIFE)], PATIENCE)
        except BackendError:
            self._elsewhere(beat)
            return False
        if isinstance(reply, hiredis.ReplyError):
            word, _, rest = str(reply).partition(" ")
            place = rest.rpartition(" ")[2]
            if word == "MOVED" and place.rpartition(":")[0]:
                beat.node = place
            elif word == "READONLY":
                self._elsewhere(beat)
            return False
        return True

    def _elsewhere(self, beat: Beat) -> None:
        """After a failure: the primary of the newest map, or any other, who will say where the slot is."""
        holder = next((m.address for m in self._owners if _held(m, slot_of(beat.key))), "")
        others = [m.address for m in self._owners if m.address != beat.node]
        if holder and holder != beat.node:
            beat.node = holder
        elif others:
            beat.node = others[(others.index(holder) + 1) % len(others) if holder in others else 0]

    @staticmethod
    def _alive(beat: Beat, now: float) -> None:
        if beat.failing is not None:
            beat.ended = [*beat.ended[-KEPT + 1 :], replace(beat.failing, until=now)]
            beat.failing = None

    @staticmethod
    def _missed(beat: Beat, node: str, sent: float) -> None:
        if beat.failing is None:
            beat.failing = Outage(node, beat.slots, sent)
        beat.failing = replace(beat.failing, missed=beat.failing.missed + 1)


def _held(member: ClusterMember, slot: int) -> bool:
    return any(first <= slot <= last for first, last in member.slots)


def key_of(slots: Sequence[Range]) -> tuple[int, bytes]:
    """A slot of these, and a key in it: one in three names is right with three primaries."""
    for n in range(1_000_000):
        key = b"perftui:beat:%d" % n
        slot = slot_of(key)
        if any(first <= slot <= last for first, last in slots):
            return slot, key
    raise AssertionError("a million names fall into every slot")
