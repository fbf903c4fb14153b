"""Who is connected to real servers: told seldom and bounded, and one connection ended, never another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from perftui.analysis.clientgroups import grouped, members
from perftui.backends.valkey import Valkey, clients
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.link import Link, parse_url
from perftui.engines.cache.killclient import KillClient
from perftui.model.cacheclients import Client
from perftui.model.errors import BackendError, PlanRejected, Protocol, Refused, Unsupported
from perftui.model.options import ValkeyClusterOptions, ValkeyOptions
from tests.conftest import need_valkey
from tests.redis7 import redis
from tests.topologies import a_cluster
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.lab.folders import Folder


def options(server: Any, **more: str) -> ValkeyOptions:
    return ValkeyOptions(url=f"redis://127.0.0.1:{server.port}/0", **{"password": server.password, **more})


@pytest.fixture
async def server(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", options(valkey))
    yield made
    await made.close()


@pytest.fixture
async def worker(valkey: Any) -> AsyncIterator[Link]:
    """Another client, with a library, in database 3."""
    link = Link(parse_url(f"{valkey.url.rpartition('/')[0]}/3"), "worker")
    await link.ask([("CLIENT", "SETINFO", "lib-name", "shop"), ("CLIENT", "SETINFO", "lib-ver", "2.1")], 5)
    yield link
    await link.close()


def named(look: Any, name: str) -> Client:
    (found,) = [one for one in look.clients if one.name == name]
    return found


async def test_a_client_is_told_as_the_server_knows_it(server: Valkey, worker: Link) -> None:
    await worker.ask([("MULTI",), ("SET", "a", 1)], 5)
    one = named(await server.clients(), "worker")
    assert (one.db, one.library, one.user, one.queued) == (3, "shop 2.1", "default", 1)
    assert one.states == ("multi",)
    assert one.memory_bytes > 0
    assert one.node == server._look.where
    await worker.ask([("DISCARD",)], 5)


async def test_it_is_not_listed_again_within_ten_seconds(
    server: Valkey, worker: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await server.clients()
    assert await server.clients() is first
    monkeypatch.setattr(clients, "EVERY", 0.0)
    assert await server.clients() is not first


async def test_a_blocked_client_waits(server: Valkey, worker: Link) -> None:
    waits = asyncio.create_task(worker.one("BLPOP", "none", 20, deadline=30))
    blocked = False

    async def seen() -> bool:
        nonlocal blocked
        server.listed = None
        blocked = "blocked" in named(await server.clients(), "worker").states
        return blocked

    try:
        await auntil(seen, 15)
        one = named(await server.clients(), "worker")
        action = KillClient(server, "cache", client=one.id, address=one.address, node=one.node)
        plan = await action.plan()
        assert plan.challenge == str(one.id)
        assert any("waits for a key" in text for text in plan.warnings)
        assert (await action.run(lambda _progress: None)).done == 1
        with pytest.raises(BackendError):
            await waits
        assert not [c for c in (await server.clients()).clients if c.id == one.id]
        with pytest.raises(PlanRejected, match="has gone"):
            await action.plan()
        with pytest.raises(PlanRejected, match="nothing was done"):
            await action.run(lambda _progress: None)
    finally:
        waits.cancel()
        with suppress(BackendError, asyncio.CancelledError):
            await waits


async def test_another_clients_id_is_not_killed(server: Valkey, worker: Link) -> None:
    one = named(await server.clients(), "worker")
    assert not await server.kill_client(one.node, one.id, "127.0.0.1:1")
    action = KillClient(server, "cache", client=one.id, address="127.0.0.1:1", node=one.node)
    with pytest.raises(PlanRejected, match="another's by now"):
        await action.plan()
    assert await worker.one("CLIENT", "ID", deadline=5) == one.id


async def test_a_connection_of_perftui_is_left(server: Valkey) -> None:
    await server.read()
    one = next(c for c in (await server.clients()).clients if c.ours and c.command != "client|list")
    action = KillClient(server, "cache", client=one.id, address=one.address)
    with pytest.raises(PlanRejected, match="perftui itself"):
        await action.plan()


async def test_what_the_user_may_not_do_names_the_rule(valkey: Any, worker: Link) -> None:
    rules = ("on", ">mine", "~*", "+@all", "-client|list", "-client|kill")
    await worker.one("ACL", "SETUSER", "limited", "reset", *rules, deadline=5)
    made = Valkey("cache", options(valkey, username="limited", password="mine"))
    try:
        with pytest.raises(Refused, match=r"its ACL needs \+client\|list"):
            await made.clients()
        with pytest.raises(Refused, match=r"its ACL needs \+client\|kill"):
            await made.kill_client("", 1, "127.0.0.1:1")
    finally:
        await made.close()
        await worker.one("ACL", "DELUSER", "limited", deadline=5)


async def test_too_many_clients_or_bytes_are_not_listed(
    server: Valkey, worker: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "MOST", 0)
    with pytest.raises(Unsupported, match="would hold it up"):
        await server.clients()
    monkeypatch.setattr(clients, "MOST", 1000)
    monkeypatch.setattr(clients, "LIST_BYTES", 300)
    with pytest.raises(Protocol, match="answered with more than"):
        await server.clients()


async def test_lines_of_strangers_are_bounded_and_what_is_none_is_left_out() -> None:
    hostile = "id=7 addr=1.2.3.4:5 name=" + "x" * 5000 + "\x1b[31m age=99999999999999999999999 db=no omem=-3"
    found = await clients._parsed(f"nonsense\n\nid=x addr=a\n{hostile}\nid=8\n".encode(), "here")
    assert [one.id for one in found] == [7, 8]
    assert len(found[0].name) == 200
    assert (found[0].db, found[0].queued, found[1].address) == (0, -1, "")
    assert await clients._parsed(None, "here") == ()


async def test_clients_are_told_together(server: Valkey, worker: Link) -> None:
    every = (await server.clients()).clients
    group = next(one for one in grouped(every, "library") if one.name == "shop 2.1")
    assert [one.name for one in members(every, group)] == ["worker"]
    assert group.memory_bytes == named(await server.clients(), "worker").memory_bytes
    (local,) = (one for one in grouped(every, "address") if one.name == "127.0.0.1")
    assert local.clients == len([one for one in every if one.address.startswith("127.0.0.1:")])
    assert "db3" in {one.name for one in grouped(every, "db")}


async def test_redis_7_tells_no_library(server_folder: Folder) -> None:
    async with redis(server_folder, "redis-clients") as alone:
        made = Valkey("cache", options(alone))
        try:
            look = await made.clients()
            assert {one.library for one in look.clients} == {""}
            assert look.total == len(look.clients) > 0
        finally:
            await made.close()


async def test_of_a_cluster_the_server_must_be_named(server_folder: Folder) -> None:
    need_valkey()
    cluster = a_cluster(server_folder)
    await cluster.start()
    try:
        url = f"redis+cluster://127.0.0.1:{cluster.masters[0].port}"
        made = ValkeyCluster("shards", ValkeyClusterOptions(url=url, password=cluster.masters[0].password))
        other = Link(parse_url(cluster.masters[1].url), "worker")
        try:
            await other.one("PING", deadline=5)
            look = await made.clients()
            one = named(look, "worker")
            assert one.node == f"127.0.0.1:{cluster.masters[1].port}"
            assert len({c.node for c in look.clients}) == 6
            assert sum("S" in c.flags for c in look.clients) == 3
            with pytest.raises(PlanRejected, match="is none of these"):
                await made.find_client("", one.id)
            assert await made.kill_client(one.node, one.id, one.address)
        finally:
            await other.close()
            await made.close()
    finally:
        await cluster.stop()
