"""Counters of hash slots, told now and then, made keys and traffic: of a slot, of a primary, of the map."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from typing import Final, NamedTuple

from perftui.analysis.slots import SLOTS, Range
from perftui.model.slottraffic import GROUP, ShardTraffic, SlotCount, SlotFacts, SlotMap, SlotTraffic

APART: Final = 0.5
"""Seconds from which two looks at a slot make a rate."""


class Measured(NamedTuple):
    """A slot as last told by `node` at `at` (seconds that only grow), and what it gained a second since."""

    node: str
    at: float
    told: SlotCount
    cpu: float | None = None
    bytes_per_s: float | None = None


class SlotMeter:
    """The newest count of every slot, and the rate since the one before.

    A slot that another primary tells of begins anew there: each counts from when it took the slot.
    """

    def __init__(self) -> None:
        self._slots: dict[int, Measured] = {}
        self._owner: dict[int, str] | None = None
        self._named: dict[int, bytes] = {}

    def take(self, node: str, at: float, counts: Iterable[SlotCount]) -> None:
        """What a primary told at `at` of its own slots; one told of less than APART before stays."""
        for count in counts:
            if self._owner is not None and self._owner.get(count.slot) != node:
                continue
            before = self._slots.get(count.slot)
            if before is None or before.node != node:
                self._named.pop(count.slot, None)
                self._slots[count.slot] = Measured(node, at, count)
            elif (seconds := at - before.at) >= APART:
                cpu = gained(before.told.cpu_s, count.cpu_s, seconds)
                self._slots[count.slot] = Measured(
                    node, at, count, cpu, gained(before.told.bytes_, count.bytes_, seconds)
                )

    def name(self, slot: int, key: bytes) -> None:
        """The name of a slot's only key; empty: it has none that is known."""
        self._named[slot] = key

    def follow(self, held: Mapping[str, Sequence[Range]]) -> None:
        """Forget what was told of slots by primaries that do not hold them, as the map now has it."""
        claims = ((node, pair) for node, ranges in held.items() for pair in ranges)
        owner = {slot: node for node, (first, last) in claims for slot in range(first, last + 1)}
        self._owner = owner
        self._slots = {slot: one for slot, one in self._slots.items() if owner.get(slot) == one.node}
        self._named = {slot: key for slot, key in self._named.items() if slot in self._slots}

    def facts(self, most: int, why: Mapping[str, str]) -> SlotFacts:
        """Every primary that told of slots, or has a reason not to, with `most` hottest and fullest."""
        by_node: dict[str, list[Measured]] = defaultdict(list)
        for one in self._slots.values():
            by_node[one.node].append(one)
        nodes = sorted(by_node.keys() | why.keys())
        return SlotFacts(tuple(self._shard(node, by_node[node], most, why.get(node, "")) for node in nodes))

    def map(self, at: float, most: int, why: Mapping[str, str]) -> SlotMap:
        """The same with figures of every GROUP of slots; `at` is epoch seconds."""
        keys = [-1.0] * (SLOTS // GROUP)
        cpu, bytes_ = keys.copy(), keys.copy()
        for slot, one in self._slots.items():
            place = slot // GROUP
            keys[place] = max(0.0, keys[place]) + one.told.keys
            if one.cpu is not None:
                cpu[place] = max(0.0, cpu[place]) + one.cpu
            if one.bytes_per_s is not None:
                bytes_[place] = max(0.0, bytes_[place]) + one.bytes_per_s
        return SlotMap(
            at,
            self.facts(most, why),
            tuple(map(int, keys)),
            tuple(round(value, 9) for value in cpu),
            tuple(round(value, 3) for value in bytes_),
        )

    def _shard(self, node: str, slots: Sequence[Measured], most: int, why: str) -> ShardTraffic:
        cpu, bytes_ = total(one.cpu for one in slots), total(one.bytes_per_s for one in slots)
        each_cpu, each_byte = 1 / cpu if cpu else 0.0, 1 / bytes_ if bytes_ else 0.0

        def traffic(one: Measured) -> SlotTraffic:
            slot, keys = one.told.slot, one.told.keys
            only = self._named.get(slot, b"") if keys == 1 else b""
            shares = share(one.cpu, cpu), share(one.bytes_per_s, bytes_)
            return SlotTraffic(slot, node, keys, one.cpu, one.bytes_per_s, *shares, only)

        def heat(one: Measured) -> float:
            return max((one.cpu or 0.0) * each_cpu, (one.bytes_per_s or 0.0) * each_byte)

        top = [traffic(one) for one in nlargest(most, slots, key=heat) if heat(one) > 0]
        full = [traffic(one) for one in nlargest(most, slots, key=lambda one: one.told.keys) if one.told.keys]
        keys = sum(one.told.keys for one in slots)
        measured = sum(one.cpu is not None or one.bytes_per_s is not None for one in slots)
        return ShardTraffic(node, len(slots), keys, measured, cpu, bytes_, tuple(top), tuple(full), why)


def gained(before: float | None, now: float | None, seconds: float) -> float | None:
    """What a counter gained a second; None where it is not counted, or fell: it was reset in between."""
    if before is None or now is None or seconds <= 0 or now < before:
        return None
    return (now - before) / seconds


def total(values: Iterable[float | None]) -> float | None:
    """The sum of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def share(part: float | None, whole: float | None) -> float | None:
    """The part of a whole as a ratio; None where either is not known, or there is nothing."""
    return part / whole if part is not None and whole else None


def part_of(held: Sequence[Range], index: int, parts: int) -> Range | None:
    """First and last slot of one of `parts` pieces of what a primary holds; None for an empty piece.

    The pieces hold as many slots each, up to one; between first and last there may be slots of others.
    """
    count = sum(last - first + 1 for first, last in held)
    begin, end = count * index // parts, count * (index + 1) // parts
    return (_nth(held, begin), _nth(held, end - 1)) if end > begin else None


def _nth(held: Sequence[Range], index: int) -> int:
    for first, last in held:
        if index <= last - first:
            return first + index
        index -= last - first + 1
    raise IndexError(index)
