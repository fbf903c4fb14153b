"""Slots' keys and traffic on six real servers, beside another client's count, and servers that talk nonsense."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.slots import SLOTS, slot_of
from perftui.backends.valkey import slotstats
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.link import Address, Link
from perftui.backends.valkey.slotstats import PARTS, SlotLooks, parse
from perftui.engines.cachecluster import ClusterEngine
from perftui.engines.cachecluster.hotslots import HELD, hot
from perftui.engines.cachecluster.reshard import MoveSlots
from perftui.instrument.cache.store import open_store
from perftui.lab.cluster import Cluster
from perftui.model.cachecluster import ClusterMember, ClusterReading
from perftui.model.errors import Protocol, Refused, Unsupported
from perftui.model.finding import Finding
from perftui.model.health import Health
from perftui.model.health import Link as LinkState
from perftui.model.options import ValkeyClusterOptions
from perftui.model.ports import SlotReader
from perftui.model.reading import Look, Reading
from perftui.model.slottraffic import GROUP, SlotMap
from perftui.runtime.rings import Rings
from tests.conftest import need_valkey
from tests.topologies import a_cluster, unhurried
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

KEYS = 3000


@pytest.fixture(scope="module")
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    await unhurried(made)
    store = open_store(made.url)
    await asyncio.gather(*(store.put(b"key:%d" % n, b"v" * 20, None) for n in range(KEYS)))
    await store.close()
    yield made
    await made.stop()


@pytest.fixture
async def backend(cluster: Cluster) -> AsyncIterator[ValkeyCluster]:
    places = ",".join(f"{m.host}:{m.port}" for m in cluster.masters)
    options = ValkeyClusterOptions(f"redis+cluster://{places}", "", cluster.masters[0].password)
    made = ValkeyCluster("shards", options)
    yield made
    await made.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look takes the next piece and waits for it, and what failed is asked for again."""
    monkeypatch.setattr(slotstats, "EVERY", 0.0)
    monkeypatch.setattr(slotstats, "AGAIN", 0.0)
    monkeypatch.setattr(ValkeyCluster, "deadline", 30.0)


async def look(backend: ValkeyCluster) -> ClusterReading:
    facts = (await backend.read()).facts
    assert isinstance(facts, ClusterReading)
    return facts


async def measured(backend: ValkeyCluster) -> SlotMap:
    """A whole look that can be compared with one before."""

    async def twice() -> SlotMap | None:
        found = await backend.slot_map()
        return found if found.facts.measured else None

    found = await auntil(twice, 20)
    assert found is not None
    return found


async def all_say(cluster: Cluster, *words: str) -> None:
    for member in cluster.members.values():
        await member.ask(*words)


async def test_every_key_is_counted_in_its_slot(cluster: Cluster, backend: ValkeyCluster) -> None:
    assert isinstance(backend, SlotReader)
    found = await backend.slot_map()
    keys = Counter(slot_of(b"key:%d" % n) // GROUP for n in range(KEYS))
    assert {place: n for place, n in enumerate(found.keys) if n} == dict(keys)
    assert sum(shard.slots for shard in found.facts.shards) == SLOTS
    sizes = {f"127.0.0.1:{m.port}": await m.ask("DBSIZE") for m in cluster.masters}
    assert {shard.node: shard.keys for shard in found.facts.shards} == sizes
    fullest = found.facts.fullest[0]
    said = await next(m for m in cluster.masters if fullest.node.endswith(f":{m.port}")).ask(
        "CLUSTER", "COUNTKEYSINSLOT", fullest.slot
    )
    assert fullest.keys == said > 0


async def test_traffic_is_that_of_the_keys_asked_for(cluster: Cluster, backend: ValkeyCluster) -> None:
    await measured(backend)
    store = open_store(cluster.url)
    key = b"key:7"
    for _ in range(500):
        await store.get(key)

    async def seen() -> SlotMap | None:
        found = await backend.slot_map()
        return found if found.facts.hottest and found.facts.hottest[0].slot == slot_of(key) else None

    found = await auntil(seen, 10)
    await store.close()
    assert found is not None
    top = found.facts.hottest[0]
    shard = found.facts.shard(top.node)
    assert shard is not None
    assert top.cpu is not None
    assert top.cpu_share is not None
    assert 0.5 < top.cpu_share <= 1
    assert 0 < top.cpu <= (shard.cpu or 0.0)
    assert found.cpu[top.slot // GROUP] == pytest.approx(top.cpu, rel=0.5)
    quiet = [one for one in found.facts.shards if one.node != top.node]
    assert all((one.cpu or 0.0) < top.cpu for one in quiet)


async def test_looks_read_them_piece_by_piece(backend: ValkeyCluster, at_once: None) -> None:
    told: list[int] = []
    for _ in range(PARTS):
        facts = (await look(backend)).slots
        assert facts is not None
        told.append(sum(shard.slots for shard in facts.shards))
    assert told == [0] * (PARTS - 1) + [SLOTS]
    assert sum(shard.keys for shard in facts.shards if facts) == KEYS


async def test_between_two_pieces_nothing_is_asked(
    cluster: Cluster, backend: ValkeyCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slotstats, "EVERY", 3600.0)

    async def calls() -> int:
        said = (await cluster.masters[0].ask("INFO", "commandstats")).decode()
        line = next((x for x in said.splitlines() if x.startswith("cmdstat_cluster|slot-stats")), "calls=0,")
        return int(line.split("calls=")[1].split(",")[0])

    before = await calls()
    for _ in range(3):
        await look(backend)
    assert await calls() == before + 1


async def test_counters_that_were_reset_give_no_negative_rate(
    cluster: Cluster, backend: ValkeyCluster
) -> None:
    store = open_store(cluster.url)
    await asyncio.gather(*(store.get(b"key:%d" % n) for n in range(KEYS)))
    await store.close()
    await measured(backend)
    await all_say(cluster, "CONFIG", "RESETSTAT")
    found = await measured(backend)
    assert all(value >= 0 or value == -1.0 for value in (*found.cpu, *found.bytes_per_s))
    assert all((shard.cpu or 0.0) >= 0 for shard in found.facts.shards)


async def test_where_traffic_is_not_counted_keys_are_and_it_says_so(
    cluster: Cluster, backend: ValkeyCluster
) -> None:
    await all_say(cluster, "CONFIG", "SET", "cluster-slot-stats-enabled", "no")
    try:

        async def of_all() -> SlotMap | None:
            found = await backend.slot_map()
            return found if sum(shard.keys for shard in found.facts.shards) == KEYS else None

        found = await auntil(of_all, 20)  # on a busy machine one of them can be late
        assert found.facts.why.endswith("counts keys alone: cluster-slot-stats-enabled is off there")
        assert found.facts.hottest == ()
        assert (await look(backend)).slots is not None
    finally:
        await all_say(cluster, "CONFIG", "SET", "cluster-slot-stats-enabled", "yes")


async def test_a_login_that_may_not_ask_is_named_and_the_look_goes_on(cluster: Cluster) -> None:
    await all_say(cluster, "ACL", "SETUSER", "watcher", "on", ">pw", "~*", "+@all", "-cluster|slot-stats")
    port = cluster.masters[0].port
    options = ValkeyClusterOptions(f"redis+cluster://127.0.0.1:{port}", "watcher", "pw")
    backend = ValkeyCluster("shards", options)
    try:
        reading = await look(backend)
        assert [m.state for m in reading.members] == ["ok"] * 6
        assert reading.slots is not None
        assert "its ACL needs +cluster|slot-stats" in reading.slots.why
        with pytest.raises(Unsupported, match=r"\+cluster\|slot-stats"):
            await backend.slot_map()
    finally:
        await backend.close()
        await all_say(cluster, "ACL", "DELUSER", "watcher")


def same_primary(cluster: Cluster) -> tuple[bytes, bytes]:
    """Two keys of the first primary's, in different slots that hold nothing else."""
    taken = {slot_of(b"key:%d" % n) for n in range(KEYS)}
    found: dict[int, bytes] = {}
    n = 0
    while len(found) < 2:
        slot = slot_of(b"hot:%d" % n)
        if slot <= 5460 and slot not in taken:
            found.setdefault(slot, b"hot:%d" % n)
        n += 1
    one, other = found.values()
    return one, other


@asynccontextmanager
async def hammered(cluster: Cluster, *keys: bytes) -> AsyncIterator[None]:
    """Values of a megabyte are read in turn for as long as this lasts, none of them always first."""
    store = open_store(cluster.url)
    for key in keys:
        await store.put(key, b"x" * (1 << 20), None)
    stop = asyncio.Event()

    async def read_on() -> None:
        turns = deque(keys * 4)
        while not stop.is_set():
            await asyncio.gather(*map(store.get, turns))
            turns.rotate()

    reading = asyncio.create_task(read_on())
    try:
        yield
    finally:
        stop.set()
        await reading
        for key in keys:
            await store.command("UNLINK", key, key=key)
        await store.close()


async def hot_in(backend: ValkeyCluster, count: int) -> ClusterReading:
    """A look in which so many slots are hot, and the only key of each has been asked for."""

    async def told() -> ClusterReading | None:
        await backend.slot_map()
        reading = await look(backend)
        found = next(hot(reading.slots, 0.0), None)
        if found is None or reading.slots is None:
            return None
        shard = reading.slots.shard(found.traffic.node)
        tops = [one for one in shard.top if one.share > 0.3] if shard is not None else []
        return reading if len(tops) == count and all(one.only for one in tops) else None

    reading = await auntil(told, 30)
    assert reading is not None
    return reading


def concluded(reading: ClusterReading) -> dict[str, Finding]:
    """What the engine says when a minute later it is still so."""
    engine, told = ClusterEngine(), {}
    for at in (1000.0, 1000.0 + HELD):
        health = Health(LinkState.LIVE, at)
        one = Look("shards", "valkey-cluster", Reading("shards", at, 0.0, (), reading), health)
        told = {f.id: f for f in engine.findings(engine.observe(at, {"shards": one}, Rings()))}
    return told


async def test_two_hot_keys_of_one_primary_are_parted_by_the_move_that_is_offered(
    cluster: Cluster, backend: ValkeyCluster
) -> None:
    keys = same_primary(cluster)
    async with hammered(cluster, *keys):
        finding = concluded(await hot_in(backend, 2))["cache.slot-hot"]
    offer = finding.offer
    assert offer is not None
    slot = int(dict(finding.labels)["slot"])
    assert slot in {slot_of(key) for key in keys}
    params = {name: str(value) for name, value in offer.params}
    assert (params["node"], params["slots"]) == (f"127.0.0.1:{cluster.masters[0].port}", f"{slot}-{slot}")
    action = MoveSlots(backend, "shards", **params)
    plan = await action.plan()
    assert plan.count == 1
    receipt = await action.run(lambda _progress: None)
    taker = (await look(backend)).member(params["to"])
    assert taker is not None
    assert (slot, slot) in taker.slots
    await action.undo(receipt)


async def test_one_hot_key_is_named_and_no_move_is_offered(cluster: Cluster, backend: ValkeyCluster) -> None:
    key, _ = same_primary(cluster)
    async with hammered(cluster, key):
        finding = concluded(await hot_in(backend, 1))["cache.slot-hot"]
    assert finding.offer is None
    assert finding.evidence[2] == f"one key in it: {key.decode()}"
    assert "one slot cannot be split" in finding.evidence[3]


async def test_the_last_look_at_the_commands_is_kept(cluster: Cluster, backend: ValkeyCluster) -> None:
    assert (await look(backend)).watched is None
    key, _ = same_primary(cluster)
    async with hammered(cluster, key):
        await backend.sample_commands(500, 1.0)
    watched = (await look(backend)).watched
    assert watched is not None
    assert watched.keys[0].key == key


# servers that talk nonsense


@asynccontextmanager
async def saying(payload: bytes) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A server that answers everything after the greeting with this, as the only primary of a cluster."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(b"+OK\r\n")
        while await reader.read(65_536):
            writer.write(payload)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    place = f"127.0.0.1:{port}"
    link = Link(Address(port=port))
    member = ClusterMember("x" * 40, place, "primary", slots=((0, SLOTS - 1),))
    try:
        yield {place: (member, link)}, {place: member.slots}
    finally:
        await link.close()
        server.close()


ROW = b"*2\r\n:%d\r\n*%d\r\n%s"
KEY_COUNT = b"$9\r\nkey-count\r\n:%d\r\n"


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"-ERR unknown subcommand 'SLOT-STATS'. Try CLUSTER HELP.\r\n", "needs Valkey 8.0 or Redis 8.2"),
        (b"-NOPERM this user has no permissions\r\n", r"its ACL needs \+cluster\|slot-stats"),
        (b"-ERR This instance has cluster support disabled\r\n", "answered cluster"),
        (b":5\r\n", "something else than counts"),
        (b"*1\r\n:5\r\n", "something else than counts"),
        (b"*1\r\n*3\r\n:1\r\n:2\r\n:3\r\n", "something else than counts"),
        (b"*1\r\n" + ROW % (SLOTS, 2, KEY_COUNT % 1), "something else than counts"),
        (b"*1\r\n" + ROW % (-1, 2, KEY_COUNT % 1), "something else than counts"),
        (b"*1\r\n" + ROW % (5, 2, KEY_COUNT % -7), "something else than counts"),
        (b"*1\r\n" + ROW % (5, 2, b"$4\r\nname\r\n:1\r\n"), "something else than counts"),
        (b"*1\r\n" + ROW % (5, 1, b"$9\r\nkey-count\r\n"), "something else than counts"),
        (b"*1\r\n" + ROW % (5, 2, b"*0\r\n:1\r\n"), "something else than counts"),
        (b"*20000\r\n" + (ROW % (5, 2, KEY_COUNT % 1)) * 20_000, "something else than counts"),
        (b"\x1b[2J\xff\r\n", "does not speak the Redis protocol"),
    ],
)
async def test_nonsense_is_named_and_takes_no_look_with_it(payload: bytes, why: str) -> None:
    async with saying(payload) as (primaries, held):
        looks = SlotLooks()
        facts = await looks.part(primaries, held, 5.0)
        assert facts.hottest == ()
        with pytest.raises(Unsupported, match=why):
            await looks.whole(primaries, held, 5.0)


async def test_a_server_that_is_silent_costs_its_deadline_and_is_left_alone_for_a_while() -> None:
    async with saying(b"") as (primaries, held):
        looks = SlotLooks()
        facts = await looks.part(primaries, held, 0.05)
        assert "no answer within 0.05 s" in facts.why
        with pytest.raises(Unsupported, match=r"no answer within 0\.05 s"):
            await looks.whole(primaries, held, 30.0)


async def test_only_what_is_the_primary_s_own_is_taken(at_once: None) -> None:
    row = ROW % (5, 4, KEY_COUNT % 9 + b"$8\r\ncpu-usec\r\n:12\r\n") + ROW % (9000, 2, KEY_COUNT % 4)
    async with saying(b"*2\r\n" + row) as (primaries, held):
        place = next(iter(held))
        looks = SlotLooks()
        others = {place: ((0, 8191),), "elsewhere:1": ((8192, SLOTS - 1),)}
        for _ in range(PARTS):
            facts = await looks.part(primaries, others, 5.0)
        (shard,) = facts.shards
        assert (shard.slots, shard.keys) == (1, 9)


JUNK = st.recursive(
    st.one_of(st.none(), st.integers(-5, 20_000), st.binary(max_size=4), st.just(b"key-count")),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.one_of(JUNK, st.lists(st.tuples(JUNK, JUNK).map(list), max_size=3)))
def test_any_answer_is_counts_or_no_answer(reply: Any) -> None:
    try:
        counts = parse(reply, "somewhere")
    except Protocol:
        return
    for count in counts:
        assert 0 <= count.slot < SLOTS
        assert count.keys >= 0
        assert count.cpu_s is None or count.cpu_s >= 0
        assert count.bytes_ is None or count.bytes_ >= 0


def test_errors_are_told_apart() -> None:
    with pytest.raises(Unsupported, match="CLUSTER SLOT-STATS needs Valkey"):
        parse(hiredis.ReplyError("ERR unknown subcommand 'SLOT-STATS'"), "here")
    with pytest.raises(Refused, match=r"\+cluster\|slot-stats"):
        parse(hiredis.ReplyError("NOPERM no"), "here")
