"""The sentinel backend against three servers and three sentinels: who is what, a switch, a primary that dies."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey.sentinel import ValkeySentinel, parse_group
from perftui.engines.cache.reattach import Reattach
from perftui.engines.cachecluster.findings import findings
from perftui.engines.cachecluster.switch import SwitchOver
from perftui.lab.sentinel import GROUP, SentinelGroup
from perftui.model.cachecluster import ClusterReading, ClusterReport, ClusterView
from perftui.model.errors import ConfigError, PlanRejected, Protocol
from perftui.model.health import Health, Link
from perftui.model.options import ValkeySentinelOptions
from perftui.model.ports import GroupFailover, ReplicaAttacher
from tests.backends.contract import At, BackendContract, Make
from tests.backends.valkeypowers import KEYS, LIBRARY, SERVERS
from tests.conftest import need_valkey
from tests.topologies import a_group, a_server
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.lab.folders import Folder


@pytest.fixture(scope="module")
async def group(server_folder: Folder) -> AsyncIterator[SentinelGroup]:
    need_valkey()
    made = a_group(server_folder)
    await made.start()
    yield made
    await made.stop()


def options(
    group: SentinelGroup, *, port: int | None = None, name: str = GROUP, **more: Any
) -> ValkeySentinelOptions:
    told = {"password": group.data[0].password, "sentinel_password": group.sentinels[0].password}
    at = port or group.sentinels[0].port
    return ValkeySentinelOptions(f"redis+sentinel://127.0.0.1:{at}/{name}", **{**told, **more})


async def look(backend: ValkeySentinel) -> ClusterReading:
    facts = (await backend.read()).facts
    assert isinstance(facts, ClusterReading)
    return facts


class TestContract(BackendContract):
    """The house's contract."""

    powers = (*LIBRARY, *SERVERS, *KEYS, GroupFailover, ReplicaAttacher)

    @pytest.fixture
    def live(self, group: SentinelGroup) -> Make:
        return lambda: ValkeySentinel("group", options(group, heartbeat=0.05))

    @pytest.fixture
    def at(self, group: SentinelGroup) -> At:
        return lambda port: ValkeySentinel("group", options(group, port=port))

    @pytest.fixture
    def wrong_login(self, group: SentinelGroup) -> Make:
        return lambda: ValkeySentinel("group", options(group, sentinel_password="wrong"))

    @pytest.fixture
    def secret(self, group: SentinelGroup) -> str:
        return group.sentinels[0].password


async def test_one_sentinel_finds_all_and_a_switch_is_undone(group: SentinelGroup) -> None:
    backend = ValkeySentinel("group", options(group))
    try:
        await look(backend)

        async def whole() -> bool:
            return all(m.state == "ok" for m in (await look(backend)).members)

        await auntil(whole, 10)
        reading = await look(backend)
        roles = {m.address: m.role for m in reading.members}
        assert roles == {
            f"127.0.0.1:{group.data[0].port}": "primary",
            **{f"127.0.0.1:{r.port}": "replica" for r in group.data[1:]},
            **{f"127.0.0.1:{s.port}": "sentinel" for s in group.sentinels},
        }
        assert (reading.views, reading.quorum, reading.slotted) == (3, 2, False)
        assert reading.lag(reading.replicas(reading.primaries[0].id)[0]) is not None
        primary = reading.primaries[0].address
        with pytest.raises(PlanRejected, match="name the primary"):
            await SwitchOver(backend, "group", node=f"127.0.0.1:{group.data[1:][0].port}").plan()
        action = SwitchOver(backend, "group", node=primary)
        assert f"127.0.0.1:{group.data[1:][0].port}" in (await action.plan()).affects[0]
        receipt = await action.run(lambda _p: None)
        new = str((receipt.undo or {})["now"])
        assert new in {f"127.0.0.1:{r.port}" for r in group.data[1:]}

        async def turned() -> bool:
            now = await look(backend)
            old = now.member(primary)
            linked = old is not None and old.reading is not None and old.reading.replication.link_up
            return now.primaries[0].address == new and linked and old is not None and old.role == "replica"

        await auntil(turned, 20)
    finally:
        await backend.close()


@pytest.mark.slow
async def test_a_dead_primary_is_told_by_the_sentinels_and_replaced(server_folder: Folder) -> None:
    need_valkey()
    own = a_group(server_folder)
    await own.start()
    backend = ValkeySentinel("group", options(own, heartbeat=0.02))
    try:
        await look(backend)

        async def known() -> bool:
            reading = await look(backend)
            return len(reading.members) == 6 and all(m.state == "ok" for m in reading.members)

        await auntil(known, 10)
        dead = f"127.0.0.1:{own.data[0].port}"
        killed = time.time()
        await own.data[0].kill()

        async def replaced() -> bool:
            reading = await look(backend)
            old = reading.member(dead)
            assert old is not None
            taken = reading.primaries[0].address != dead and reading.primaries[0].state == "ok"
            return old.state in {"suspected", "failed"} and taken and any(o.until for o in reading.outages)

        await auntil(replaced, 20)
        reading = await look(backend)
        (outage,) = (o for o in reading.outages if o.until is not None)
        assert outage.until is not None
        assert (outage.node, outage.slots) == (dead, (0, 16_383))
        assert killed - 0.3 <= outage.since < outage.until
        await own.sentinels[1].kill()
        await own.sentinels[2].kill()

        async def gone() -> bool:
            return sum(m.state == "ok" for m in (await look(backend)).members if m.role == "sentinel") == 1

        await auntil(gone, 10)
        view = ClusterView("group", Health(Link.LIVE, 0.0), await look(backend), 1.0)
        found = {f.id: f for f in findings(ClusterReport(1.0, (view,)))}
        assert found["cluster.quorum-lost"].title == "group: 1 of 3 sentinels answer, a failover takes 2"
        assert "cluster.slots-uncovered" not in found
    finally:
        await backend.close()
        await own.stop()


async def test_a_replica_that_follows_a_stranger_is_brought_back(server_folder: Folder) -> None:
    need_valkey()
    own = a_group(server_folder)
    await own.start()
    stranger = a_server(server_folder, own.data[0])
    stranger.primary = None
    await stranger.start()
    backend = ValkeySentinel("group", options(own))
    primary, replica = (f"127.0.0.1:{server.port}" for server in own.data[:2])
    try:
        await look(backend)
        with pytest.raises(PlanRejected, match=f"follows {primary} already"):
            await Reattach(backend, "group", node=replica).plan()
        with pytest.raises(PlanRejected, match="is a sentinel: name a replica"):
            await Reattach(backend, "group", node=f"127.0.0.1:{own.sentinels[0].port}").plan()
        with pytest.raises(PlanRejected, match="is a primary"):
            await Reattach(backend, "group", node=primary).plan()
        for sentinel in own.sentinels:  # after that time they would bring it back themselves
            await sentinel.ask("SENTINEL", "SET", GROUP, "failover-timeout", 60_000)
        await own.data[1].ask("REPLICAOF", stranger.host, stranger.port)

        async def astray() -> bool:
            view = ClusterView("group", Health(Link.LIVE, 0.0), await look(backend), 1.0)
            told = {f.id: f for f in findings(ClusterReport(1.0, (view,)))}
            one = told.get("cluster.replica-astray")
            return one is not None and one.offer is not None and dict(one.offer.params) == {"node": replica}

        await auntil(astray, 10)
        action = Reattach(backend, "group", node=replica)
        plan = await action.plan()
        assert plan.summary == f"let {replica} follow {primary}, the primary that is one now"
        assert f"it follows 127.0.0.1:{stranger.port}" in plan.affects[0]
        assert not plan.reversible
        with pytest.raises(PlanRejected, match=f"{primary} is the primary now, not"):
            await Reattach(backend, "group", node=replica, to=f"127.0.0.1:{stranger.port}").plan()
        assert (await action.run(lambda _p: None)).undo is None
        said = await own.data[1].role()
        assert (said["master_port"], said["master_link_status"]) == (str(own.data[0].port), "up")
    finally:
        await backend.close()
        await own.stop()
        await stranger.kill()


async def test_a_group_that_no_sentinel_knows_is_said(group: SentinelGroup) -> None:
    backend = ValkeySentinel("group", options(group, name="nobody"))
    with pytest.raises(Protocol, match="No such master"):
        await backend.read()
    await backend.close()


@pytest.mark.parametrize(
    "url", ["redis://h:1/x", "redis+sentinel://h:1", "redis+sentinel:///x", "redis+sentinel://h:x/n"]
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError):
        parse_group(ValkeySentinelOptions(url))


def test_urls_name_sentinels_and_the_group() -> None:
    (first, second), name = parse_group(ValkeySentinelOptions("rediss+sentinel://u:p@a:1,b:2/my%20shop"))
    assert (first.host, second.port, first.password, first.tls, name) == ("a", 2, "p", True, "my shop")
