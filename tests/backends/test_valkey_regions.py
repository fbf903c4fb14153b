"""The backend of two real regions: who leads, how far the other is behind, and what is to be done after a loss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey import pairjudge
from perftui.backends.valkey.pair import HEALTH, PROOF, ValkeyRegions, parse_regions
from perftui.engines.cache.reattach import Reattach
from perftui.engines.cache.regions import Rejoin, TakeOver
from perftui.engines.cachecluster.findings import findings
from perftui.lab.regions import Regions
from perftui.model.cachecluster import ClusterMember, ClusterReading, ClusterReport, ClusterView
from perftui.model.errors import ConfigError, PartlyDone, PlanRejected
from perftui.model.health import Health, Link
from perftui.model.options import ValkeyRegionsOptions
from perftui.model.ports import RegionPair, ReplicaAttacher
from perftui.model.regionlag import lag_of
from perftui.model.regions import EPOCH_KEY
from tests.backends.contract import At, BackendContract, Make
from tests.backends.valkeypowers import LIBRARY, SERVERS
from tests.conftest import need_valkey
from tests.engines.cachecluster.test_cluster import facts
from tests.topologies import a_server, regions
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.sentinel import Data


@pytest.fixture(scope="module")
async def standing(server_folder: Folder) -> AsyncIterator[Regions]:
    """A pair that no test changes."""
    need_valkey()
    made = regions(server_folder)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def pair(server_folder: Folder) -> AsyncIterator[Regions]:
    need_valkey()
    made = regions(server_folder)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


@pytest.fixture
async def third(server_folder: Folder, pair: Regions) -> AsyncIterator[Data]:
    """A third region, that follows A as B does."""
    server = a_server(server_folder, pair.servers[1])
    await server.start()
    pair.servers[3] = server
    yield server
    await server.kill()


def options(pair: Regions, **more: Any) -> ValkeyRegionsOptions:
    places = ",".join(f"{s.host}:{s.port}" for s in pair.servers.values())
    told = {"password": pair.servers[1].password, **more}
    return ValkeyRegionsOptions(f"redis+region://{places}", **told)


@asynccontextmanager
async def opened(pair: Regions, **more: Any) -> AsyncIterator[ValkeyRegions]:
    backend = ValkeyRegions("pair", options(pair, **more))
    try:
        yield backend
    finally:
        await backend.close()


async def look(backend: ValkeyRegions) -> ClusterReading:
    facts = (await backend.read()).facts
    assert isinstance(facts, ClusterReading)
    return facts


def found(reading: ClusterReading) -> dict[str, Any]:
    view = ClusterView("pair", Health(Link.LIVE, 0.0), reading)
    return {one.id: one for one in findings(ClusterReport(0.0, (view,)))}


class TestContract(BackendContract):
    """The house's contract."""

    powers = (*LIBRARY, *SERVERS, RegionPair, ReplicaAttacher)

    @pytest.fixture
    def live(self, standing: Regions) -> Make:
        return lambda: ValkeyRegions("pair", options(standing, heartbeat=0.05))

    @pytest.fixture
    def at(self, standing: Regions) -> At:
        secret = standing.servers[1].password
        places = "redis+region://127.0.0.1:{0},localhost:{0}"
        return lambda port: ValkeyRegions("pair", ValkeyRegionsOptions(places.format(port), password=secret))

    @pytest.fixture
    def wrong_login(self, standing: Regions) -> Make:
        return lambda: ValkeyRegions("pair", options(standing, password="wrong"))

    @pytest.fixture
    def secret(self, standing: Regions) -> str:
        return standing.servers[1].password


async def test_a_lost_region_is_replaced_and_follows_when_it_is_back(pair: Regions) -> None:
    a, b = (f"127.0.0.1:{pair.servers[n].port}" for n in (1, 2))
    async with opened(pair, heartbeat=0.02) as backend:
        reading = await look(backend)
        assert {m.address: (m.role, m.primary) for m in reading.members} == {
            a: ("primary", ""),
            b: ("replica", a),
        }
        assert (reading.slotted, reading.regions, found(reading)) == (False, True, {})
        lag = lag_of(reading, reading.members[1])
        assert lag.bytes_ is not None
        assert lag.seconds is not None
        with pytest.raises(PlanRejected, match="is a primary already"):
            await TakeOver(backend, "pair", node=a).plan()
        with pytest.raises(PlanRejected, match="has no node nowhere"):
            TakeOver(backend, "pair", node="nowhere:1")

        attending = asyncio.create_task(backend.attend())
        async with pair.servers[1].client() as client:
            await client.set("k", "v")
            assert await client.wait(1, 2000) == 1
        await pair.kill(1)
        assert await asyncio.wait_for(attending, 10) == ("takeover", b, a)
        reading = await look(backend)
        told = found(reading)["region.primary-lost"]
        assert told.offer is not None
        assert (told.offer.action, dict(told.offer.params)) == ("cache.takeover", {"node": b})
        receipt = await TakeOver(backend, "pair", node=b).run(lambda _: None)
        assert receipt.undo == {"primary": a, "source": f"pair {b}"}
        reading = await look(backend)
        assert [m.role for m in reading.members] == ["lost", "primary"]
        assert reading.epoch == 1
        assert set(found(reading)) == {"region.silent"}
        assert await pair.servers[2].ask("GET", "k") == b"v"

        await pair.revive(1)
        reading = await look(backend)
        split = found(reading)["region.split"]
        assert split.offer is not None
        assert dict(split.offer.params) == {"node": a, "to": b}
        assert await asyncio.wait_for(backend.attend(), 10) == ("rejoin", a, b)
        action = Rejoin(backend, "pair", node=a, to=b)
        assert "is replaced by a copy" in (await action.plan()).affects[0]
        await action.run(lambda _: None)
        await auntil(lambda: healthy(backend), 10)
        reading = await look(backend)
        assert [m.role for m in reading.members] == ["replica", "primary"]
        assert [m.epoch for m in reading.members] == [1, 1]
        assert await pair.servers[1].ask("GET", "k") == b"v"
        assert [o.node for o in reading.outages if o.until is not None][-1:] == [a]


async def test_what_is_asked_is_no_traffic_of_others(pair: Regions) -> None:
    async with opened(pair) as backend:
        await look(backend)

        async def rated() -> bool:
            return all(m.reading is not None and m.reading.ops_per_s for m in (await look(backend)).members)

        await auntil(rated, 10)
        assert (await look(backend)).hit_ratio is None


async def healthy(backend: ValkeyRegions) -> bool:
    """Nothing is found, and nothing is missing in the replica."""
    reading = await look(backend)
    behind = [lag_of(reading, m).bytes_ for m in reading.members if m.role == "replica"]
    return not found(reading) and behind == [0]


async def test_nobody_is_promoted_while_the_replica_hears_its_primary(pair: Regions) -> None:
    """What only we cannot reach is not lost."""
    async with opened(pair) as backend:
        first = f"127.0.0.1:{pair.servers[1].port}"
        await look(backend)
        backend._regions[first].look.link.address = parse_regions(
            ValkeyRegionsOptions("redis+region://127.0.0.1:1,127.0.0.1:2")
        )[0]
        backend._regions[first].look.link.drop()
        attending = asyncio.create_task(backend.attend())
        await auntil(lambda: failing(backend), 10)
        done, _ = await asyncio.wait({attending}, timeout=0.5)
        assert not done
        assert set(found(await look(backend))) == {"region.primary-lost"}
        attending.cancel()


async def failing(backend: ValkeyRegions) -> bool:
    return bool(backend._refusing)


async def links(server: Data) -> int:
    """How often a primary let a replica go on where it was, or begin anew."""
    async with server.client() as client:
        said = await client.info("stats")
    return int(said["sync_full"]) + int(said["sync_partial_ok"])


@pytest.mark.slow
@pytest.mark.parametrize("busy", [True, False])
async def test_a_primary_that_hangs_is_lost_as_soon_as_the_configuration_says(
    pair: Regions, busy: bool
) -> None:
    """Nothing ends its connections, and its replica hears nothing of an idle one for ten seconds either."""
    a, b = (f"127.0.0.1:{pair.servers[n].port}" for n in (1, 2))
    async with opened(pair, heartbeat=0.05 if busy else 0.0, lost_after=4.0) as backend:
        await look(backend)
        attending = asyncio.create_task(backend.attend())
        await pair.servers[1].ask("SET", "k", "v")
        await auntil(lambda: has(pair.servers[2], "k"), 10)
        began = time.monotonic()
        await pair.servers[1].pause()
        try:
            assert await asyncio.wait_for(attending, 30) == ("takeover", b, a)
            took = time.monotonic() - began
            assert 4.0 - HEALTH < took < 4.0 + PROOF + 2 * HEALTH
            action = TakeOver(backend, "pair", node=b)
            assert "its primary is gone" in (await action.plan()).affects[1]
            await action.run(lambda _: None)
            assert await pair.servers[2].ask("GET", "k") == b"v"
        finally:
            await pair.servers[1].resume()
        assert await asyncio.wait_for(backend.attend(), 10) == ("rejoin", a, b)


async def has(server: Data, key: str) -> bool:
    return bool(await server.ask("EXISTS", key) == 1)


@pytest.mark.slow
async def test_a_pause_of_two_seconds_is_no_loss(pair: Regions) -> None:
    async with opened(pair) as backend:
        await look(backend)
        attending = asyncio.create_task(backend.attend())
        before = await links(pair.servers[1])
        for _ in range(2):
            await pair.servers[1].pause()
            try:
                await until(lambda: backend._silence.owed, 10)
                await until(lambda: backend._silence.lasts(2.0), 10)
            finally:
                await pair.servers[1].resume()
            await until(lambda: backend._silence.owed == 0, 10)
        assert not attending.done()
        assert await links(pair.servers[1]) == before  # nor was its replica made to reach it anew
        attending.cancel()


@pytest.mark.slow
async def test_a_replica_that_reaches_its_primary_anew_vouches_for_it(pair: Regions) -> None:
    """Only we cannot reach it: it is asked for once, goes on where it was, and nobody is promoted."""
    async with opened(pair, lost_after=3.0) as backend:
        first = f"127.0.0.1:{pair.servers[1].port}"
        await look(backend)
        before = await links(pair.servers[1])
        quiet = backend._regions[first].look.link
        quiet.address = parse_regions(ValkeyRegionsOptions("redis+region://127.0.0.1:1,127.0.0.1:2"))[0]
        quiet.drop()
        attending = asyncio.create_task(backend.attend())
        await until(lambda: backend._silence.lasts(3.0 + PROOF), 20)
        assert not attending.done()
        assert await links(pair.servers[1]) == before + 1
        async with pair.servers[1].client() as client:
            assert (await client.info("stats"))["sync_full"] == 1
        attending.cancel()


@pytest.mark.slow
async def test_a_third_region_follows_the_one_that_was_promoted(pair: Regions, third: Data) -> None:
    a, b, c = (f"127.0.0.1:{pair.servers[n].port}" for n in (1, 2, 3))
    async with opened(pair, lost_after=3.0) as backend:
        assert [m.role for m in (await look(backend)).members] == ["primary", "replica", "replica"]
        with pytest.raises(PlanRejected, match=r"follows .* already"):
            await Reattach(backend, "pair", node=c).plan()
        with pytest.raises(PlanRejected, match="has no node nowhere"):
            await Reattach(backend, "pair", node="nowhere:1").plan()
        await pair.servers[1].ask("SET", "last", "v")
        await auntil(lambda: has(pair.servers[2], "last"), 10)
        await pair.kill(1)
        with pytest.raises(PlanRejected, match="nobody says who the primary is now"):
            await Reattach(backend, "pair", node=c).plan()
        what, heir, primary = await asyncio.wait_for(backend.attend(), 20)
        assert (what, primary) == ("takeover", a)
        await TakeOver(backend, "pair", node=heir).run(lambda _: None)
        other = c if heir == b else b
        await auntil(lambda: is_found(backend, "region.link-down"), 10)
        told = found(await look(backend))["region.link-down"]
        assert told.offer is not None
        assert (told.offer.action, dict(told.offer.params)) == ("cache.reattach", {"node": other})
        assert await asyncio.wait_for(backend.attend(), 20) == ("reattach", other, heir)
        action = Reattach(backend, "pair", node=other, to=heir)
        assert f"let {other} follow {heir}" in (await action.plan()).summary
        await action.run(lambda _: None)
        reading = await look(backend)
        members = {m.address: (m.role, m.primary) for m in reading.members}
        assert (members[heir], members[other]) == (("primary", ""), ("replica", heir))
        assert set(found(reading)) == {"region.silent"}


async def is_found(backend: ValkeyRegions, id_: str) -> bool:
    return id_ in found(await look(backend))


@pytest.mark.slow
async def test_while_one_of_its_replicas_hears_a_primary_none_is_promoted(pair: Regions, third: Data) -> None:
    async with opened(pair, lost_after=3.0) as backend:
        first = f"127.0.0.1:{pair.servers[1].port}"
        await look(backend)
        await pair.servers[2].ask("CONFIG", "SET", "primaryauth", "wrong")
        await pair.servers[1].ask("CLIENT", "KILL", "TYPE", "replica")
        backend._regions[first].look.link.address = parse_regions(
            ValkeyRegionsOptions("redis+region://127.0.0.1:1,127.0.0.1:2")
        )[0]
        backend._regions[first].look.link.drop()
        attending = asyncio.create_task(backend.attend())
        await until(lambda: backend._silence.lasts(4.0), 20)
        assert not attending.done()
        attending.cancel()
        assert third.pid


def replica(at: str, offset: int, **more: Any) -> ClusterMember:
    told = {"link_up": False, "link_down_s": 3.0, **more}
    own = facts("replica", primary="a:1", offset=offset, **told)
    return ClusterMember(at, at, "replica", "a:1", reading=own)


def test_the_replica_that_got_most_takes_over() -> None:
    def heir(*members: ClusterMember) -> str:
        found = pairjudge.heir(list(members))
        return found.address if found is not None else ""

    assert heir(replica("b:1", 90), replica("c:1", 95)) == "c:1"
    assert heir(replica("b:1", 90), replica("c:1", 95, syncing=True)) == "b:1"
    assert heir(replica("c:1", 95, syncing=True)) == ""
    assert heir(replica("b:1", 90), replica("c:1", 95, link_up=True, last_io_s=1.0)) == ""
    assert heir(replica("b:1", 90), replica("c:1", 95, link_up=True, last_io_s=12.0)) == "c:1"
    assert heir(replica("b:1", 90), replica("c:1", 95, link_up=True, last_io_s=None)) == ""
    assert heir() == ""


@pytest.mark.parametrize("seconds", [2.9, 0.0, -1.0, 3601.0, float("nan")])
def test_a_loss_is_not_judged_in_less_than_three_seconds(seconds: float) -> None:
    with pytest.raises(ConfigError, match="`lost_after` is 3 to 3600 s"):
        ValkeyRegions("pair", ValkeyRegionsOptions("redis+region://a:1,b:2", lost_after=seconds))


async def test_a_promotion_that_cannot_be_counted_is_said(pair: Regions) -> None:
    async with opened(pair) as backend:
        b = f"127.0.0.1:{pair.servers[2].port}"
        await pair.servers[2].ask("ACL", "SETUSER", "default", "-eval")
        with pytest.raises(PartlyDone, match="INCR __region"):
            await TakeOver(backend, "pair", node=b).run(lambda _: None)
        reading = await look(backend)
        assert "clients stay where they are" in found(reading)["region.split"].evidence[-1]
        await pair.servers[2].ask("SET", EPOCH_KEY, "x")
        assert (await look(backend)).epoch == 0


async def test_a_link_that_is_down_is_found(pair: Regions) -> None:
    async with opened(pair) as backend:
        await pair.servers[2].ask("CONFIG", "SET", "primaryauth", "wrong")
        await pair.servers[1].ask("CLIENT", "KILL", "TYPE", "replica")

        async def down() -> bool:
            return "region.link-down" in found(await look(backend))

        await auntil(down, 10)


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1,127.0.0.1:2",
        "redis+region://127.0.0.1:1",
        "redis+region://127.0.0.1:1,127.0.0.1:1",
        "redis+region://:hush@" + ",".join(f"h:{n}" for n in range(1, 10)),
        "redis+region://h:x,h:1",
    ],
)
def test_what_is_no_pair(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_regions(ValkeyRegionsOptions(url))
    assert "hush" not in str(caught.value)


def test_a_pair_shares_a_login() -> None:
    one, two = parse_regions(ValkeyRegionsOptions("rediss+region://me:hush@a:1,b:2/3", ca_file="ca.pem"))
    assert (one.host, one.tls, one.username, one.db, two.port, two.ca_file) == (
        "a",
        True,
        "me",
        0,
        2,
        "ca.pem",
    )
