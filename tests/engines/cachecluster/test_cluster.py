"""What happened to a cluster, what is wrong with it, and who may take over from whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.engines.cachecluster import ClusterEngine
from perftui.engines.cachecluster.behind import BEHIND
from perftui.engines.cachecluster.failover import MOST_BEHIND, FailOver
from perftui.engines.cachecluster.happenings import KEPT, happened
from perftui.engines.cachecluster.reshard import MoveSlots, chosen, counted, first
from perftui.model.cache import CacheReading, ReplicaLink, Replication
from perftui.model.cachecluster import ClusterMember, ClusterReading, ClusterReport, Outage, Range
from perftui.model.errors import Cancelled, Lost, PartlyDone, PlanRejected
from perftui.model.finding import Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Reading
from perftui.runtime.rings import Rings


def facts(role: str = "primary", ops: float = 10.0, **more: object) -> CacheReading:
    return CacheReading(
        product="Valkey",
        version="9",
        mode="cluster",
        uptime_s=9.0,
        used_bytes=1000,
        rss_bytes=1000,
        peak_bytes=1000,
        max_bytes=1 << 20,
        policy="allkeys-lru",
        allocator="libc",
        clients=1,
        blocked_clients=0,
        max_clients=10,
        keys=5,
        expiring_keys=0,
        replication=Replication(role, **more),  # type: ignore[arg-type]
        ops_per_s=ops,
    )


def primary(
    id_: str, first: int, last: int, *replicas: str, ops: float = 10.0, lag: int = 0
) -> ClusterMember:
    links = tuple(ReplicaLink(f"{r}:1", "online", lag, 0.0) for r in replicas)
    return ClusterMember(
        id_, f"{id_}:1", "primary", epoch=1, slots=((first, last),), reading=facts(ops=ops, replicas=links)
    )


def replica(id_: str, of: str) -> ClusterMember:
    return ClusterMember(id_, f"{id_}:1", "replica", of, epoch=1, reading=facts("replica", primary=f"{of}:1"))


LIVE = Health(Link.LIVE, 0.0)
WHOLE = ClusterReading(
    3,
    (
        primary("a", 0, 8000, "c"),
        primary("b", 8001, 16_383, "d"),
        replica("c", "a"),
        replica("d", "b"),
    ),
    4,
)


def changed(reading: ClusterReading, **by_id: ClusterMember | None) -> ClusterReading:
    kept = [by_id.pop(m.id, m) for m in reading.members]
    return replace(reading, members=tuple(m for m in (*kept, *by_id.values()) if m is not None))


def told(before: ClusterReading, now: ClusterReading) -> list[tuple[str, str]]:
    return [(event.kind, event.node) for event in happened(before, now, 5.0)]


def found(reading: ClusterReading) -> dict[str, Finding]:
    engine = ClusterEngine()
    looks = {"shards": Look("shards", "valkey-cluster", Reading("shards", 1.0, 0.0, (), reading), LIVE)}
    report = engine.observe(2.0, looks, Rings())
    return {finding.id: finding for finding in engine.findings(report)}


def test_figures_of_the_primaries_together() -> None:
    a, b = (
        replace(m.reading, hits_per_s=h, misses_per_s=2.0)
        for m, h in zip(WHOLE.members, (6.0, 0.0), strict=False)
        if m.reading
    )
    busy = changed(WHOLE, a=replace(WHOLE.members[0], reading=a), b=replace(WHOLE.members[1], reading=b))
    assert (busy.total("ops_per_s"), busy.total("keys"), busy.hit_ratio) == (20.0, 10.0, 0.6)
    assert WHOLE.hit_ratio is None
    assert WHOLE.total("hits_per_s") is None


def test_the_first_look_and_an_equal_one_tell_nothing() -> None:
    assert happened(None, WHOLE, 1.0) == ()
    assert happened(WHOLE, WHOLE, 2.0) == ()
    assert found(WHOLE) == {}


def test_a_failure_as_it_is_seen() -> None:
    a, c = WHOLE.members[0], WHOLE.members[2]
    silent = changed(WHOLE, a=replace(a, reading=None, why="connection refused"))
    assert told(WHOLE, silent) == [("silent", "a:1")]
    suspected = changed(silent, a=replace(a, reading=None, suspected_by=2))
    assert told(silent, suspected) == [("suspected", "a:1")]
    failed = changed(suspected, a=replace(a, reading=None, suspected_by=0, failed=True))
    assert told(suspected, failed) == [("failed", "a:1"), ("slots", "")]
    taken = changed(failed, c=replace(c, role="primary", primary="", slots=a.slots, epoch=4))
    assert told(failed, taken) == [("promoted", "c:1")]
    back = changed(taken, a=replace(a, role="replica", primary="c", slots=(), epoch=4))
    assert told(taken, back) == [("demoted", "a:1"), ("back", "a:1")]
    events = happened(failed, taken, 5.0)
    assert events[0].text == "epoch 1 to 4, was replica"
    assert "nobody serves slots 0-8000" in happened(suspected, failed, 5.0)[1].text
    assert told(changed(taken, a=None), back) == [("joined", "a:1")]
    assert told(back, changed(back, d=None)) == [("left", "d:1")]


def test_slots_that_moved_and_outages_that_ended() -> None:
    a, b = WHOLE.members[:2]
    moved = changed(WHOLE, a=replace(a, slots=((0, 7999),)), b=replace(b, slots=((8000, 16_383),), epoch=2))
    assert told(WHOLE, moved) == [("slots", "a:1"), ("slots", "b:1")]
    lasting = replace(WHOLE, outages=(Outage("a:1", (0, 8000), 2.0, None, 3),))
    assert told(WHOLE, lasting) == []
    ended = replace(WHOLE, outages=(Outage("a:1", (0, 8000), 2.0, 2.5, 9),))
    (event,) = happened(lasting, ended, 5.0)
    assert (event.at, event.kind, event.text) == (
        2.5,
        "outage",
        "500 ms without writes of slots 0-8000, 9 tried",
    )
    assert happened(ended, ended, 6.0) == ()


def test_the_newest_events_are_kept_over_looks_and_a_lost_link() -> None:
    engine, at = ClusterEngine(), 0.0

    def seen(reading: ClusterReading, link: Link = Link.LIVE) -> ClusterReport:
        look = Look("shards", "valkey-cluster", Reading("shards", at, 0.0, (), reading), Health(link, 0.0))
        return engine.observe(at, {"shards": look}, Rings())

    c = WHOLE.members[2]
    for n in range(KEPT):
        at += 1.0
        seen(changed(WHOLE, c=replace(c, reading=None)) if n % 2 else WHOLE)
    view = seen(WHOLE, Link.LOST).clusters[0]
    assert len(view.events) == KEPT - 1
    assert [e.kind for e in view.events[:3]] == ["silent", "back", "silent"]
    at += 1.0
    assert len(seen(WHOLE).clusters[0].events) == KEPT
    assert (
        engine.observe(at, {"new": Look("new", "valkey-cluster", None, LIVE)}, Rings()).clusters[0].reading
        is None
    )
    offers = engine.actions(seen(WHOLE))
    assert [dict(o.params)["node"] for o in offers] == ["c:1", "d:1"]


def test_what_is_wrong_is_named_with_its_evidence() -> None:
    a, b, c, d = WHOLE.members
    holed = found(changed(WHOLE, a=replace(a, slots=((0, 7999),))))
    assert holed["cluster.slots-uncovered"].evidence == ("slots 8000",)
    assert holed["cluster.slots-uncovered"].severity is Severity.CRITICAL
    dead = found(changed(WHOLE, a=replace(a, failed=True, reading=None, why="connection refused")))
    assert dead["cluster.node-failed"].evidence[1:] == ("primary of 8,001 slots", "connection refused")
    assert "cluster.replica-missing" not in dead
    alone = found(changed(WHOLE, c=None))
    assert alone["cluster.replica-missing"].title == "shards: a:1 has no replica that could take over"
    down = replace(c, reading=facts("replica", link_up=False))
    assert "the link of c:1 is down" in found(changed(WHOLE, c=down))["cluster.replica-missing"].evidence
    behind = found(changed(WHOLE, a=primary("a", 0, 8000, "c", lag=BEHIND + 1)))
    assert behind["cluster.replica-behind"].title == "shards: c:1 is 16 MiB behind its primary"
    hot = found(changed(WHOLE, b=primary("b", 8001, 16_383, "d", ops=900.0)))
    assert hot["cluster.traffic-uneven"].title == "shards: b:1 serves 99% of all commands"
    offer = hot["cluster.traffic-uneven"].offer
    assert offer is not None
    assert (offer.action, dict(offer.params)["node"]) == ("cache.reshard", "b:1")
    assert int(dict(offer.params)["slots"]) > 0
    near = found(changed(WHOLE, c=replace(c, address="a:2"), d=d))
    assert near["cluster.replica-same-host"].evidence == ("a:2",)
    local = [replace(m, address=f"127.0.0.1:{n}") for n, m in enumerate(WHOLE.members)]
    assert "cluster.replica-same-host" not in found(replace(WHOLE, members=tuple(local)))
    assert b.slots == ((8001, 16_383),)


IN_STEP = ReplicaLink("c:1", "online", 0, 0.0)


def test_a_replica_of_a_group_that_follows_another_is_to_come_back() -> None:
    lead = ClusterMember("a:1", "a:1", "primary", reading=facts(stream="s1", replicas=(IN_STEP,)))
    near = ClusterMember("c:1", "c:1", "replica", "a:1", reading=facts("replica", primary="a:1", stream="s1"))
    group = ClusterReading(1, (lead, near), 3, slotted=False)
    assert found(group) == {}

    def told(replica: CacheReading | None) -> dict[str, Finding]:
        return found(replace(group, members=(lead, replace(near, reading=replica))))

    one = told(facts("replica", primary="x:1", stream="s2"))["cluster.replica-astray"]
    assert (one.severity, one.evidence[0]) == (Severity.WARNING, "it follows x:1")
    assert one.offer is not None
    assert (one.offer.action, dict(one.offer.params)) == ("cache.reattach", {"node": "c:1"})
    down = told(facts("replica", primary="x:1", stream="s2", link_up=False))
    assert down["cluster.replica-missing"].offer == one.offer
    # By another name, or behind a replica of it: the same stream.
    assert told(facts("replica", primary="x:1", stream="s1")) == {}
    assert told(facts("replica", primary="a:1", stream="s0")) == {}
    assert "cluster.replica-astray" not in told(facts("primary", stream="s2"))
    slots = replace(group, slotted=True, members=(replace(lead, slots=((0, 16_383),)), near))
    assert found(slots) == {}


class Driver:
    """The power on a cluster that is a value."""

    def __init__(self, reading: ClusterReading, lag: int | None = 10) -> None:
        self.reading, self.behind, self.ordered = reading, lag, [""]

    async def member(self, node: str) -> ClusterMember:
        member = self.reading.member(node)
        if member is None:
            raise PlanRejected(f"no node {node}")
        return member

    async def lag(self, _member: ClusterMember) -> int | None:
        return self.behind

    async def fail_over(self, member: ClusterMember, _deadline: float) -> float:
        self.ordered.append(member.address)
        old = await self.member(member.primary)
        up = replace(member, role="primary", primary="", slots=old.slots)
        self.reading = changed(
            self.reading, **{member.id: up, old.id: replace(old, role="replica", primary=member.id, slots=())}
        )
        return 0.02


async def test_a_switchover_is_planned_run_and_undone() -> None:
    driver = Driver(WHOLE)
    action = FailOver(driver, "shards", node="c:1")
    plan = await action.plan()
    assert plan.summary == "make c:1 the primary in place of a:1"
    assert "8,001 slots of shards change hands" in plan.affects
    receipt = await action.run(lambda _p: None)
    assert receipt.summary == "c:1 is the primary of 8,001 slots after 20.0 ms"
    back = await action.undo(receipt)
    assert driver.ordered == ["", "c:1", "a:1"]
    assert back.summary.startswith("a:1 is the primary")


@pytest.mark.parametrize(
    ("node", "reading", "lag", "why"),
    [
        ("a:1", WHOLE, 0, "is a primary: name the replica"),
        ("x:1", WHOLE, 0, "no node x:1"),
        ("c:1", WHOLE, None, "does not count c:1 among its replicas"),
        ("c:1", WHOLE, MOST_BEHIND + 1, "let it catch up first"),
        (
            "c:1",
            changed(WHOLE, c=replace(WHOLE.members[2], reading=None, why="refused")),
            0,
            "c:1 is silent: refused",
        ),
        ("c:1", changed(WHOLE, a=replace(WHOLE.members[0], failed=True)), 0, "elects a replica by itself"),
    ],
)
async def test_what_cannot_take_over(node: str, reading: ClusterReading, lag: int | None, why: str) -> None:
    with pytest.raises(PlanRejected, match=why):
        await FailOver(Driver(reading, lag), "shards", node=node).plan()


async def test_a_switchover_that_does_not_come_about_is_told() -> None:
    class Stuck(Driver):
        async def fail_over(self, member: ClusterMember, deadline: float) -> float:
            raise Lost(f"{member.address} has not become the primary within {deadline:g} s")

    with pytest.raises(Lost, match="within 10 s"):
        await FailOver(Stuck(WHOLE), "shards", node="c:1").run(lambda _p: None)


class Mover(Driver):
    """The power to move slots, on a cluster that is a value: `fails` after that many slots."""

    def __init__(self, reading: ClusterReading, fails: int | None = None, stops: int | None = None) -> None:
        super().__init__(reading)
        self.fails, self.stops, self.whole = fails, stops, False

    async def slot_keys(self, _member: ClusterMember, slots: Sequence[Range]) -> int:
        return 10 * counted(slots)

    async def move_slots(
        self,
        holder: ClusterMember,
        taker: ClusterMember,
        slots: Sequence[Range],
        tell: Callable[[int, str], None],
    ) -> bool:
        for done in range(counted(slots)):
            tell(done, "")
            if done == self.fails:
                raise Lost("a step was not answered")
            if done == self.stops:
                raise asyncio.CancelledError
        kept = ((slots[-1][1] + 1, holder.slots[0][1]),) if slots[0][0] == 0 else holder.slots
        self.reading = changed(
            self.reading,
            **{
                holder.id: replace(holder, slots=kept),
                taker.id: replace(taker, slots=(*slots, *taker.slots)),
            },
        )
        return self.whole


async def test_slots_are_moved_verified_and_moved_back() -> None:
    mover = Mover(WHOLE)
    action = MoveSlots(mover, "shards", node="a:1", to="b:1", slots="0-99")
    plan = await action.plan()
    assert plan.summary == "move 100 slots from a:1 to b:1"
    assert plan.affects[0] == "slots 0-99 with 1,000 keys"
    seen: list[int] = []
    receipt = await action.run(lambda progress: seen.append(progress.done))
    assert receipt.summary == "100 slots are at b:1, one after the other"
    assert seen[:3] == [0, 1, 2]
    assert receipt.undo == {"node": "a:1", "to": "b:1", "slots": "0-99", "source": "shards"}
    mover.whole = True
    assert (await action.undo(receipt)).summary == "100 slots are at a:1, at once"


async def test_a_move_cut_short_says_what_arrived() -> None:
    with pytest.raises(PartlyDone) as partly:
        await MoveSlots(Mover(WHOLE, fails=7), "shards", node="a:1", to="b:1", slots="0-99").run(print)
    assert (partly.value.receipt.done, partly.value.receipt.untouched) == (7, 93)
    assert (partly.value.receipt.undo or {})["slots"] == "0-6"
    with pytest.raises(Lost):
        await MoveSlots(Mover(WHOLE, fails=0), "shards", node="a:1", to="b:1", slots="0-99").run(print)
    with pytest.raises(Cancelled) as stopped:
        await MoveSlots(Mover(WHOLE, stops=1), "shards", node="a:1", to="b:1", slots="0-99").run(print)
    receipt = stopped.value.receipt
    assert receipt is not None
    assert (receipt.undo or {})["slots"] == "0-0"  # a single number would be a count

    class Loses(Mover):
        async def move_slots(self, *_: object) -> bool:
            return True

    with pytest.raises(PartlyDone, match="does not hold all"):
        await MoveSlots(Loses(WHOLE), "shards", node="a:1", to="b:1", slots="0-99").run(print)


@pytest.mark.parametrize(
    ("node", "to", "slots", "why"),
    [
        ("a:1", "a:1", "1", "there already"),
        ("c:1", "b:1", "1", "c:1 is a replica"),
        ("a:1", "b:1", "", "name slots"),
        ("a:1", "b:1", "x", "ranges such as"),
        ("a:1", "b:1", "5-1", "ranges such as"),
        ("a:1", "b:1", "0-20000", "ranges such as"),
        ("a:1", "b:1", "7999-8001", "holds slots 0-8000, not 7999-8001"),
        ("a:1", "b:1", "0-5,3-9", "holds slots"),
        ("a:1", "b:1", "9000", "holds 8,001 slots"),
        ("a:1", "b:1", "0", "holds 8,001 slots"),
    ],
)
async def test_what_cannot_be_moved(node: str, to: str, slots: str, why: str) -> None:
    with pytest.raises(PlanRejected, match=why):
        await MoveSlots(Mover(WHOLE), "shards", node=node, to=to, slots=slots).plan()


async def test_slots_under_way_are_left_alone() -> None:
    busy = changed(WHOLE, b=replace(WHOLE.members[1], moving=("9000<",)))
    with pytest.raises(PlanRejected, match="under way already: 9000<"):
        await MoveSlots(Mover(busy), "shards", node="a:1", to="b:1", slots="1").plan()


@given(st.lists(st.integers(0, 300), min_size=2, max_size=8, unique=True), st.integers(1, 300))
def test_a_number_of_slots_is_that_many_from_the_end(edges: list[int], count: int) -> None:
    bounds = sorted(edges)[: len(edges) // 2 * 2]
    ranges = tuple(zip(bounds[::2], bounds[1::2], strict=True))
    member = ClusterMember("a", "a:1", "primary", slots=ranges)
    count = min(count, member.slot_count)
    every = [slot for begin, last in ranges for slot in range(begin, last + 1)]
    taken = [slot for begin, last in chosen(str(count), member) for slot in range(begin, last + 1)]
    assert taken == every[-count:]
    begun = [slot for begin, last in first(ranges, count) for slot in range(begin, last + 1)]
    assert begun == every[:count]
