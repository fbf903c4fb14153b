"""Hot slots and uneven keys: when they are told, on what evidence, and which slots are then to move."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.analysis.slots import slot_of
from perftui.engines import ACTIONS
from perftui.engines.cachecluster import ClusterEngine
from perftui.engines.cachecluster.hotslots import BUSY, HELD, SHARE, hot
from perftui.engines.cachecluster.slotfindings import MANY, WATCHED
from perftui.model.cache import CommandSample, HotKey
from perftui.model.cachecluster import ClusterMember, ClusterReading
from perftui.model.finding import Effort, Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Reading
from perftui.model.slottraffic import ShardTraffic, SlotFacts, SlotTraffic
from perftui.model.tierview import TierFacts, TierNode
from perftui.runtime.rings import Rings
from tests.engines.cachecluster.test_cluster import facts, primary, replica

SLOT = slot_of(b"shop:product:1")
SLOTS = ((0, 5460), (5461, 10_921), (10_922, 16_383))


def member(id_: str, index: int, keys: int = 100) -> ClusterMember:
    made = primary(id_, *SLOTS[index], f"{id_}r")
    assert made.reading is not None
    return replace(made, reading=replace(made.reading, keys=keys))


MEMBERS = tuple(member(id_, n) for n, id_ in enumerate("abc"))
HOLDER = next(m for m in MEMBERS if m.slots[0][0] <= SLOT <= m.slots[0][1])
OTHERS = tuple(m.address for m in MEMBERS if m is not HOLDER)


def shard(address: str, cpu: float, share: float = 0.0, keys: int = 12, **more: object) -> ShardTraffic:
    top = SlotTraffic(SLOT, address, keys, share * cpu, 100.0, share, 0.01)
    top = replace(top, **more)  # type: ignore[arg-type]
    return ShardTraffic(address, 5461, 100, 5461, cpu, 1000.0, (top,), (top,))


def whole(cpu: float, share: float, beside: float = 0.01, **more: object) -> ClusterReading:
    """The holder of SLOT is busy, of which that has its share; the others do `beside`."""
    shards = (shard(HOLDER.address, cpu, share, **more), *(shard(place, beside) for place in OTHERS))
    replicas = tuple(replica(f"{m.id}r", m.id) for m in MEMBERS)
    return ClusterReading(3, (*MEMBERS, *replicas), 6, slots=SlotFacts(shards))


def found(*readings: ClusterReading, apart: float = HELD) -> dict[str, Finding]:
    """What is told after these looks."""
    engine, told = ClusterEngine(), {}
    for n, reading in enumerate(readings):
        at = 1000.0 + n * apart
        look = Look(
            "shards", "valkey-cluster", Reading("shards", at, 0.0, (), reading), Health(Link.LIVE, 0.0)
        )
        report = engine.observe(at, {"shards": look}, Rings())
        told = {finding.id: finding for finding in engine.findings(report)}
    return told


def test_a_hot_slot_is_told_when_it_lasts_and_moved_where_that_helps() -> None:
    busy = whole(0.1, 0.5)
    assert found(busy) == {}
    told = found(busy, busy)["cache.slot-hot"]
    assert (told.severity, told.effort) == (Severity.WARNING, Effort.KEY)
    assert told.title == f"shards: slot {SLOT} takes a large part of {HOLDER.address}'s traffic"
    assert told.evidence[0] == "50.0% of the time of its commands: 50.0 ms/s of 100 ms/s, for 1 m 15 s"
    assert told.evidence[1] == f"{HOLDER.address} has 2.5 times the mean of 3 primaries (40.0 ms/s)"
    assert told.evidence[2].startswith("12 keys in it; a look at the command stream")
    assert told.evidence[3].endswith("the busier of the two has 60.0 ms/s in place of 100 ms/s")
    assert told.gain == pytest.approx(0.04)
    assert told.labels == (("node", HOLDER.address), ("slot", str(SLOT)))
    offer = told.offer
    assert offer is not None
    assert offer.action in ACTIONS
    assert dict(offer.params) == {"node": HOLDER.address, "to": OTHERS[0], "slots": f"{SLOT}-{SLOT}"}


def test_a_burst_and_one_that_went_are_not_told() -> None:
    busy, calm = whole(0.1, 0.5), whole(0.1, 0.1)
    assert found(busy, calm, busy) == {}
    assert found(busy, busy, calm) == {}
    assert found(busy, busy, apart=HELD - 1) == {}


@pytest.mark.parametrize(
    ("cpu", "share", "beside"),
    [
        (0.1, SHARE - 0.01, 0.01),  # its part is not large
        (BUSY["cpu"] * 0.9, 0.9, 0.0),  # the primary has little to do
        (0.1, 0.9, 0.1),  # all have as much
    ],
)
def test_what_is_in_nobody_s_way_is_not_told(cpu: float, share: float, beside: float) -> None:
    reading = whole(cpu, share, beside)
    assert found(reading, reading) == {}


def test_nothing_is_told_before_all_primaries_told_of_nearly_all_their_slots() -> None:
    reading = whole(0.1, 0.5)
    assert reading.slots is not None
    shards = reading.slots.shards
    for odd in (
        replace(shards[1], measured=4000),
        ShardTraffic(shards[1].node, why="it has no such command"),
    ):
        half = replace(reading, slots=SlotFacts((shards[0], odd, shards[2])))
        assert list(hot(half.slots, 1.0)) == []
    assert list(hot(SlotFacts((shards[0],)), 1.0)) == []
    assert list(hot(None, 1.0)) == []


def test_a_slot_hot_by_bytes_alone_is_told_by_these() -> None:
    big = 40.0 * (1 << 20)
    reading = whole(0.001, 0.1)
    assert reading.slots is not None
    one, *rest = reading.slots.shards
    top = replace(one.top[0], bytes_per_s=big * 0.6, bytes_share=0.6)
    told = SlotFacts((replace(one, bytes_per_s=big, top=(top,)), *rest))
    reading = replace(reading, slots=told)
    finding = found(reading, reading)["cache.slot-hot"]
    assert finding.evidence[0].startswith("60.0% of its bytes: 24.0 MiB/s of 40.0 MiB/s")
    assert finding.gain == 0.0


def test_one_key_cannot_be_split_and_a_local_copy_is_named() -> None:
    alone = whole(0.1, 0.97, keys=1, only=b"shop:product:1")
    node = TierNode("shop", "n1", 1.0, l1=False)
    told = found(*[replace(alone, tiers=TierFacts((node,)))] * 2)["cache.slot-hot"]
    assert told.offer is None
    assert told.effort is Effort.HOURS
    assert told.evidence[2] == "one key in it: shop:product:1"
    assert "one slot cannot be split" in told.evidence[3]
    assert "the only node of shop has no L1" in told.evidence[3]


def test_the_last_look_at_the_commands_names_the_key() -> None:
    keys = (HotKey(b"elsewhere", 900, 0.5, 0.01), HotKey(b"\x1b{shop:product:1}", 300, 0.2, 0.01))
    sample = CommandSample(1000.0, 0.5, 1500, keys, ())
    busy = replace(whole(0.1, 0.5), watched=replace(sample, at=1000.0 + HELD))
    told = found(busy, busy)["cache.slot-hot"]
    assert (
        told.evidence[2] == "12 keys in it; \\x1b{shop:product:1} has 20.0% ± 1.0% of the cluster's commands"
    )
    old = replace(busy, watched=replace(sample, at=1000.0 + HELD - WATCHED - 1))
    assert "names the one" in found(old, old)["cache.slot-hot"].evidence[2]


def test_slots_that_are_under_way_are_not_moved_again() -> None:
    busy = whole(0.1, 0.5)
    moving = tuple(replace(m, moving=("7>",)) if m.id == HOLDER.id else m for m in busy.members)
    told = found(*[replace(busy, members=moving)] * 2)["cache.slot-hot"]
    assert told.offer is None
    assert "cannot give slots now" in told.evidence[3]
    taken = tuple(replace(m, moving=("7<",)) if m.address == OTHERS[0] else m for m in busy.members)
    offer = found(*[replace(busy, members=taken)] * 2)["cache.slot-hot"].offer
    assert offer is not None
    assert dict(offer.params)["to"] == OTHERS[1]


def test_a_primary_without_slots_takes_them_first() -> None:
    new = ClusterMember("n", "n:1", "primary", epoch=9, reading=facts())
    busy = whole(0.1, 0.5)
    offer = found(*[replace(busy, members=(*busy.members, new))] * 2)["cache.slot-hot"].offer
    assert offer is not None
    assert dict(offer.params)["to"] == "n:1"


def test_traffic_that_is_uneven_for_one_slot_is_told_of_once() -> None:
    busy = whole(0.1, 0.5)
    loaded = tuple(
        replace(m, reading=replace(m.reading, ops_per_s=9000.0)) if m.id == HOLDER.id and m.reading else m
        for m in busy.members
    )
    reading = replace(busy, members=loaded)
    assert set(found(reading)) == {"cluster.traffic-uneven"}
    assert set(found(reading, reading)) == {"cache.slot-hot"}
    other = replace(reading, slots=None)
    assert set(found(other, other)) == {"cluster.traffic-uneven"}


def uneven(*keys: int, slots: SlotFacts | None = None) -> ClusterReading:
    made = tuple(member(id_, n, count) for n, (id_, count) in enumerate(zip("abc", keys, strict=True)))
    replicas = tuple(replica(f"{m.id}r", m.id) for m in made)
    return ClusterReading(3, (*made, *replicas), 6, slots=slots)


def test_keys_that_lie_unevenly_are_evened_out_on_servers_that_count_no_slots_too() -> None:
    told = found(uneven(60_000, 15_000, 15_000))["cache.slots-unbalanced"]
    assert told.title == "shards: a:1 has 67% of all keys"
    assert told.evidence[0] == "60,000 of 90,000 keys, 2.0 times the mean of 3"
    assert told.offer is not None
    params = dict(told.offer.params)
    assert (params["node"], params["to"]) == ("a:1", "b:1")
    first, last = map(int, params["slots"].split("-"))
    assert last - first + 1 == pytest.approx(5461 * 22_500 / 60_000, abs=2)
    assert told.evidence[2] == "the move leaves the fuller of the two 37,510 keys"


def test_even_keys_and_few_are_no_finding() -> None:
    assert found(uneven(30_000, 31_000, 29_000)) == {}
    assert found(uneven(MANY - 3, 1, 1)) == {}


def test_one_full_slot_cannot_be_split() -> None:
    full = SlotTraffic(77, "a:1", 59_000)
    slots = SlotFacts((ShardTraffic("a:1", 5461, 60_000, 0, fullest=(full,)),))
    told = found(uneven(60_000, 15_000, 15_000, slots=slots))["cache.slots-unbalanced"]
    assert "slot 77 alone has 59,000 of them" in told.evidence
    assert told.evidence[-1].startswith("one slot cannot be split")
    assert told.offer is None
    lighter = replace(full, keys=30_000)
    slots = SlotFacts((ShardTraffic("a:1", 5461, 60_000, 0, fullest=(lighter,)),))
    offer = found(uneven(60_000, 15_000, 15_000, slots=slots))["cache.slots-unbalanced"].offer
    assert offer is not None
    assert dict(offer.params)["slots"] == "77-77"


KEY = b"shop:product:1"


def asked(share: float, part: float, count: int = 40, key: bytes = KEY) -> ClusterReading:
    """A look at the stream: of the holder's commands, `part` of all, the key had `share`."""
    others = (1 - part) / 2
    parts = ((HOLDER.address, part), *((place, others) for place in OTHERS))
    hot = HotKey(key, count, share * part, 0.02 * part)
    return replace(whole(0.0, 0.0), watched=CommandSample(990.0, 2.0, 500, (hot,), (), parts))


def test_a_hot_key_is_told_with_its_slot_and_primary_and_slots_are_moved_where_that_helps() -> None:
    told = found(asked(0.4, 0.5))["cache.hot-key"]
    assert told.title == f"shards: one key takes a large part of {HOLDER.address}'s traffic"
    assert told.evidence[0] == (
        f"shop:product:1: 40.0% ± 2.0% of the commands of {HOLDER.address}, of 500 watched for 2.00 s"
    )
    assert told.evidence[1] == f"slot {SLOT}; {HOLDER.address} has 50.0% of the cluster's commands"
    assert told.evidence[2].endswith(
        "the busier of the two has 45.0% in place of 50.0% of the cluster's commands"
    )
    assert told.labels == (("node", HOLDER.address), ("slot", str(SLOT)))
    assert (told.effort, told.offer is not None) == (Effort.KEY, True)
    alone = found(asked(0.95, 0.6))["cache.hot-key"]
    assert (alone.offer, alone.effort) == (None, Effort.HOURS)
    assert alone.evidence[2].startswith("no move of slots helps")


def test_no_hot_key_where_the_primary_is_idle_few_were_seen_or_the_look_is_old() -> None:
    assert "cache.hot-key" not in found(asked(0.4, 0.3))
    assert "cache.hot-key" not in found(asked(0.21, 0.5))
    assert "cache.hot-key" not in found(asked(0.4, 0.5, count=7))
    assert "cache.hot-key" not in found(asked(0.4, 0.5, key=b"__node:shop:x"))
    sample = asked(0.4, 0.5).watched
    assert sample is not None
    old = replace(asked(0.4, 0.5), watched=replace(sample, at=1000.0 - WATCHED - 1))
    assert "cache.hot-key" not in found(old)
