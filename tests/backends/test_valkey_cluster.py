"""The cluster backend against six real servers: one map of many, switchovers, outages that were measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from perftui.analysis.slots import slot_of
from perftui.backends.valkey import clustermap, nodelook, slotmoves
from perftui.backends.valkey.beats import key_of
from perftui.backends.valkey.cluster import ValkeyCluster, seeds
from perftui.instrument.cache.cluster import ClusterStore
from perftui.instrument.cache.store import open_store
from perftui.lab.cluster import Cluster
from perftui.model.cachecluster import ClusterReading, words
from perftui.model.errors import BackendError, ConfigError, Lost, PlanRejected, Protocol, Unsupported
from perftui.model.options import ValkeyClusterOptions
from perftui.model.ports import FailoverDriver, ReplicaAttacher, SlotMover, SlotReader
from tests.backends.contract import At, BackendContract, Make
from tests.backends.valkeypowers import KEYS, LIBRARY, SERVERS
from tests.conftest import need_valkey
from tests.topologies import a_cluster
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.valkey import ValkeyServer


@pytest.fixture(scope="module")
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    yield made
    await made.stop()


def options(cluster: Cluster, port: int | None = None, **more: object) -> ValkeyClusterOptions:
    places = f"127.0.0.1:{port}" if port else ",".join(f"{m.host}:{m.port}" for m in cluster.masters[:2])
    return ValkeyClusterOptions(
        url=f"redis+cluster://{places}", **{"password": cluster.masters[0].password, **more}
    )


async def look(backend: ValkeyCluster) -> ClusterReading:
    facts = (await backend.read()).facts
    assert isinstance(facts, ClusterReading)
    return facts


class TestContract(BackendContract):
    """The house's contract."""

    powers = (*LIBRARY, *SERVERS, *KEYS, FailoverDriver, ReplicaAttacher, SlotMover, SlotReader)

    @pytest.fixture
    def live(self, cluster: Cluster) -> Make:
        return lambda: ValkeyCluster("shards", options(cluster, heartbeat=0.05))

    @pytest.fixture
    def at(self, cluster: Cluster) -> At:
        return lambda port: ValkeyCluster("shards", options(cluster, port))

    @pytest.fixture
    def wrong_login(self, cluster: Cluster) -> Make:
        return lambda: ValkeyCluster("shards", options(cluster, password="wrong"))

    @pytest.fixture
    def secret(self, cluster: Cluster) -> str:
        return cluster.masters[0].password


async def test_one_seed_finds_all_six_and_who_holds_what(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = ValkeyCluster("shards", options(cluster, cluster.replicas[1].port))
    try:
        reading = await look(backend)
        assert {m.address for m in reading.members} == {
            f"127.0.0.1:{m.port}" for m in cluster.members.values()
        }
        assert [words(m.slots) for m in reading.primaries] == ["0-5460", "5461-10921", "10922-16383"]
        assert [m.address for m in reading.primaries] == [f"127.0.0.1:{m.port}" for m in cluster.masters]
        assert all(len(reading.replicas(m.id)) == 1 for m in reading.primaries)
        assert all(m.state == "ok" and m.reading is not None for m in reading.members)
        assert reading.views == 6
        with monkeypatch.context() as patch:
            patch.setattr(nodelook, "APART", 3600.0)
            second = await look(backend)
        assert all(m.reading is not None and m.reading.ops_per_s is None for m in second.members)

        async def rated() -> bool:
            return all(m.reading is not None and m.reading.ops_per_s for m in (await look(backend)).members)

        await auntil(rated, 10)
        replica = second.replicas(second.primaries[0].id)[0]
        assert second.lag(replica) is not None
        assert second.member(replica.id) is second.member(replica.address)
    finally:
        await backend.close()


async def test_looks_that_overlap_each_see_all(cluster: Cluster) -> None:
    backend = ValkeyCluster("shards", options(cluster))
    try:
        for reading in await asyncio.gather(*(look(backend) for _ in range(4))):
            assert [m.state for m in reading.members] == ["ok"] * 6
    finally:
        await backend.close()


async def test_a_single_server_is_no_cluster(valkey: ValkeyServer) -> None:
    backend = ValkeyCluster(
        "one", ValkeyClusterOptions(f"redis+cluster://127.0.0.1:{valkey.port}", "", valkey.password)
    )
    with pytest.raises(Unsupported, match='kind = "valkey"'):
        await backend.open()
    await backend.close()


async def test_a_switchover_and_what_the_heartbeat_saw_of_it(cluster: Cluster) -> None:
    backend = ValkeyCluster("shards", options(cluster, heartbeat=0.01))
    try:
        before = await look(backend)
        primary = before.primaries[0]
        replica = before.replicas(primary.id)[0]
        with pytest.raises(PlanRejected, match="no node elsewhere:1"):
            await backend.member("elsewhere:1")
        assert await backend.lag(replica) is not None
        began = time.time()
        assert 0 < await backend.fail_over(replica, 5.0) < 5.0

        async def turned() -> bool:
            now = (await look(backend)).member(primary.id)
            return now is not None and now.role == "replica" and now.primary == replica.id

        await auntil(turned, 5)
        after = await look(backend)
        new = after.member(replica.id)
        assert new is not None
        assert (new.role, new.slots) == ("primary", primary.slots)
        assert new.epoch > primary.epoch
        assert after.epoch == max(m.epoch for m in after.members)
        for outage in after.outages:  # there may be none: the primary's clients only wait
            assert outage.since >= began - 1
        old = after.member(primary.id)
        assert old is not None
        await backend.fail_over(old, 5.0)

        async def as_before() -> bool:
            now = (await look(backend)).member(replica.id)
            return now is not None and now.primary == primary.id

        await auntil(as_before, 5)
    finally:
        await backend.close()


async def read_on(store: ClusterStore, keys: list[bytes], wrong: list[object], stop: asyncio.Event) -> int:
    """Reads all keys until told to stop; what was not their value."""
    rounds = 0
    while not stop.is_set():
        try:
            answers = await store.get_many(keys, within=2.0)
            wrong += [key for key, answer in zip(keys, answers, strict=True) if answer != key]
        except BackendError as error:
            wrong.append(error)
        rounds += 1
    return rounds


@pytest.mark.parametrize("whole", [True, False])
async def test_slots_move_while_their_keys_are_read(
    cluster: Cluster, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_old(*_: object) -> None:
        raise Unsupported("before 9.0")

    if not whole:
        monkeypatch.setattr(slotmoves, "move_whole", too_old)
    backend = ValkeyCluster("shards", options(cluster))
    store = open_store(cluster.url)
    assert isinstance(store, ClusterStore)
    told: list[tuple[int, str]] = []
    try:
        giver, taker = (await look(backend)).primaries[:2]
        slots = ((0, 39), (60, 60))
        keys = [key for n in range(60_000) if slot_of(key := b"%d" % n) in {*range(40), 60}]
        assert len(keys) > 100
        await asyncio.gather(*(store.put(key, key, 600) for key in keys))
        assert await backend.slot_keys(giver, slots) == len(keys)
        wrong: list[object] = []
        stop = asyncio.Event()
        reading = asyncio.create_task(read_on(store, keys, wrong, stop))
        assert await backend.move_slots(giver, taker, slots, lambda n, note: told.append((n, note))) is whole
        stop.set()
        assert await reading > 0
        assert wrong == []
        after = await look(backend)
        new = after.member(taker.id)
        assert new is not None
        assert new.slots[:2] == slots
        assert await backend.slot_keys(new, slots) == len(keys)
        assert whole or told[-1] == (41, "")
        old = after.member(giver.id)
        assert old is not None
        assert await backend.move_slots(new, old, slots, lambda *_: None) is whole
        back = await look(backend)
        assert [words(m.slots) for m in back.primaries] == ["0-5460", "5461-10921", "10922-16383"]
    finally:
        await store.close()
        await backend.close()


async def test_a_move_that_is_stopped_ends_the_slot_under_way(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_old(*_: object) -> None:
        raise Unsupported("before 9.0")

    monkeypatch.setattr(slotmoves, "move_whole", too_old)
    backend = ValkeyCluster("shards", options(cluster))
    told: list[int] = []
    try:
        giver, taker = (await look(backend)).primaries[:2]
        moving = asyncio.create_task(
            backend.move_slots(giver, taker, ((0, 999),), lambda n, _note: told.append(n))
        )
        await auntil(_reached(told, 5), 10)
        moving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await moving
        after = await look(backend)
        assert [m.moving for m in after.members] == [()] * 6
        new = after.member(taker.id)
        assert new is not None
        assert new.slots[0] == (0, told[-1] - 1)
        await backend.move_slots(new, giver, (new.slots[0],), lambda *_: None)
    finally:
        await backend.close()


def _reached(told: list[int], count: int) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return bool(told) and told[-1] >= count

    return reached


async def test_an_atomic_move_that_is_stopped_is_taken_back_or_done(cluster: Cluster) -> None:
    backend = ValkeyCluster("shards", options(cluster))
    try:
        giver, taker = (await look(backend)).primaries[:2]
        told: list[int] = []
        moving = asyncio.create_task(
            backend.move_slots(giver, taker, ((0, 99),), lambda n, _note: told.append(n))
        )
        await until(lambda: told or moving.done(), 10)
        moving.cancel()
        (outcome,) = await asyncio.gather(moving, return_exceptions=True)
        assert outcome is True or isinstance(outcome, asyncio.CancelledError)

        async def settled() -> bool:
            jobs = await cluster.masters[0].ask("CLUSTER", "GETSLOTMIGRATIONS")
            return all(job[b"state"] in {b"success", b"failed", b"canceled", b"cancelled"} for job in jobs)

        await auntil(settled, 10)
        after = await look(backend)
        first = after.primaries[0]
        if first.id == taker.id:  # it was faster
            await backend.move_slots(first, giver, ((0, 99),), lambda *_: None)
        else:
            assert first.slots == ((0, 5460),)
    finally:
        await backend.close()


async def test_a_dead_primary_is_suspected_failed_replaced_and_the_outage_measured(
    server_folder: Folder,
) -> None:
    need_valkey()
    own = a_cluster(server_folder)
    await own.start()
    backend = ValkeyCluster("shards", options(own, heartbeat=0.02))
    try:
        victim = own.masters[1]
        await look(backend)

        async def beating() -> bool:
            return bool(await own.masters[1].ask("DBSIZE"))

        await auntil(beating, 5)
        killed = time.time()
        await victim.kill()

        async def replaced() -> bool:
            reading = await look(backend)
            dead = reading.member(f"127.0.0.1:{victim.port}")
            assert dead is not None
            taken = any(p.slots == ((5461, 10_921),) and p.address != dead.address for p in reading.primaries)
            return (
                dead.state == "failed" and taken and bool(dead.why) and any(o.until for o in reading.outages)
            )

        await auntil(replaced, 15)
        reading = await look(backend)
        (outage,) = (o for o in reading.outages if o.node == f"127.0.0.1:{victim.port}")
        assert outage.until is not None
        assert killed - 0.3 <= outage.since <= killed + 0.3
        assert 0.3 < outage.until - outage.since < 10
        assert outage.missed > 3
        assert outage.slots == (5461, 10_921)
    finally:
        await backend.close()
        await own.stop()


async def test_when_no_node_answers_the_seeds_are_tried_again(server_folder: Folder) -> None:
    need_valkey()
    own = a_cluster(server_folder)
    await own.start()
    backend = ValkeyCluster("shards", options(own))
    try:
        await look(backend)
        await asyncio.gather(*(m.pause() for m in own.members.values()))
        with pytest.raises(Lost):
            await backend.read()
        await asyncio.gather(*(m.resume() for m in own.members.values()))

        async def whole() -> bool:
            try:
                return len((await look(backend)).members) == 6
            except Lost:
                return False

        await auntil(whole, 10)
    finally:
        await backend.close()
        await own.stop()


MAP = (
    b"aa 10.0.0.1:7000@17000,h1 myself,master - 0 0 3 connected 0-99 200 [150->-bb] [151-<-cc]\n"
    b"bb 10.0.0.2:7000@17000 master,fail? - 0 0 4 connected 100-199\n"
    b"cc :0@0 slave,noaddr aa 0 0 3 disconnected\n"
    b"dd 10.0.0.4:7000@17000 slave aa 0 0 3 disconnected\n"
)


def test_a_map_line_by_line() -> None:
    lines = clustermap.parse(MAP, "10.0.0.1:7000")
    assert [line.id for line in lines] == ["aa", "bb", "dd"]
    assert (lines[0].slots, lines[0].moving) == (((0, 99), (200, 200)), ("150>", "151<"))
    members = {m.id: m for m in clustermap.joined([lines])}
    assert (members["bb"].suspected_by, members["bb"].failed, members["bb"].state) == (1, False, "suspected")
    assert (members["dd"].role, members["dd"].primary) == ("replica", "aa")
    own = MAP.replace(b"10.0.0.1:7000@17000,h1", b":7000@17000")
    (here, *_) = clustermap.parse(own, "seed:1")
    assert (here.host, here.port) == ("seed", 1)
    v6 = MAP.replace(b"10.0.0.2:7000", b"::1:7000")
    members = {m.id: m for m in clustermap.joined([clustermap.parse(v6, "seed:1")])}
    assert members["bb"].address == "::1:7000"


def test_what_a_node_says_of_itself_outranks_what_others_do() -> None:
    other = b"bb 10.0.0.2:7000@1 myself,slave aa 0 0 9 connected\naa 10.0.0.1:7000@1 master,fail - 0 0 3 connected\n"
    members = {m.id: m for m in clustermap.joined([clustermap.parse(t, "x:1") for t in (MAP, other)])}
    assert (members["bb"].role, members["bb"].slots) == ("replica", ())
    assert members["aa"].failed
    assert members["aa"].slots == ((0, 99), (200, 200))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nonsense",
        b"a b c d e f g h",
        MAP.replace(b"100-199", b"100-99999"),
        b"x\n" * 2000,
        MAP[:60] + b"\xff",
    ],
)
def test_no_map_is_an_error_of_the_house(text: bytes) -> None:
    with pytest.raises(Protocol):
        clustermap.parse(text, "x:1")


@pytest.mark.parametrize(
    "url", ["redis://h:1", "redis+cluster://", "redis+cluster://h:x", "http+cluster://h:1"]
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError):
        seeds(ValkeyClusterOptions(url))


def test_urls_name_nodes_and_may_carry_the_login() -> None:
    first, second = seeds(ValkeyClusterOptions("rediss+cluster://me:p%40ss@a:7000,b:7001"))
    assert (first.host, first.port, first.username, first.password, first.tls) == (
        "a",
        7000,
        "me",
        "p@ss",
        True,
    )
    assert (second.host, second.port, second.password) == ("b", 7001, "p@ss")


@pytest.mark.parametrize("slots", [((0, 5460),), ((16_000, 16_100), (3, 3)), ((9000, 9001),)])
def test_a_heartbeat_s_key_lies_in_the_slots(slots: tuple[tuple[int, int], ...]) -> None:
    slot, key = key_of(slots)
    assert slot_of(key) == slot
    assert any(first <= slot <= last for first, last in slots)
