"""Settings of real servers: Valkey, Redis 7.0, one whose ACL forbids them, and six of a cluster that differ."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import hiredis
import pytest

from perftui.analysis.cachesettings import ASKED, rows
from perftui.backends.valkey import Valkey, configuration
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.link import Link, parse_url
from perftui.model.errors import Refused, Unsupported
from perftui.model.options import ValkeyClusterOptions, ValkeyOptions
from perftui.model.serverconfig import DEFAULT_USER, ServerConfig
from tests.conftest import need_valkey
from tests.redis7 import redis
from tests.topologies import a_cluster

if TYPE_CHECKING:
    from perftui.lab.folders import Folder


def backend(server: Any, **more: str) -> Valkey:
    login = {"password": server.password, **more}
    return Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{server.port}/0", **login))


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url), "other")
    yield link
    await link.ask([("ACL", "DELUSER", "limited")], 5)
    await link.close()


async def one(made: Valkey) -> ServerConfig:
    try:
        (server,) = (await made.configuration()).servers
    finally:
        await made.close()
    return server


async def test_a_server_tells_what_it_has_set_and_no_secret(valkey: Any, raw: Link) -> None:
    server = await one(backend(valkey))
    values = dict(server.values)
    assert (server.product, server.role) == ("Valkey", "primary")
    assert (
        values["maxmemory-policy"]
        == (await raw.one("CONFIG", "GET", "maxmemory-policy", deadline=5))[1].decode()
    )
    assert values[DEFAULT_USER] == "password"
    assert set(values) <= {*ASKED, DEFAULT_USER}
    assert valkey.password not in repr(server)
    assert server.limits == ()


async def test_a_replica_says_that_it_is_one(valkey_replica: Any) -> None:
    assert (await one(backend(valkey_replica))).role == "replica"


async def test_without_the_right_the_rule_is_named(valkey: Any, raw: Link) -> None:
    rules = ("on", ">secret-of-mine", "~*", "+@all", "-config", "-acl")
    await raw.one("ACL", "SETUSER", "limited", "reset", *rules, deadline=5)
    with pytest.raises(Refused, match=r"its ACL needs \+config\|get"):
        await one(backend(valkey, username="limited", password="secret-of-mine"))
    await raw.one("ACL", "SETUSER", "limited", "+config|get", deadline=5)
    server = await one(backend(valkey, username="limited", password="secret-of-mine"))
    assert dict(server.values)["hz"]
    assert DEFAULT_USER not in dict(server.values)
    assert "its ACL needs +acl|getuser" in server.limits[0]


def test_a_managed_server_without_the_command_says_so() -> None:
    with pytest.raises(Unsupported, match="has no CONFIG: managed ones leave it out"):
        configuration._values(hiredis.ReplyError("ERR unknown command 'CONFIG', with args"), "here")


async def test_redis_7_has_no_command_log(server_folder: Folder) -> None:
    async with redis(server_folder, "redis-settings") as server:
        told = await one(backend(server))
    values = dict(told.values)
    assert (told.product, told.version[:2]) == ("Redis", "7.")
    assert "commandlog-reply-larger-than" not in values
    assert values["slowlog-max-len"]


async def test_before_redis_7_each_is_asked_for_alone(valkey: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Link.ask

    async def old(self: Link, commands: Any, deadline: float, into: Any = None) -> Any:
        replies = await ask(self, commands, deadline, into)
        text = "ERR Unknown subcommand or wrong number of arguments for 'get'. Try CONFIG HELP."
        return [
            hiredis.ReplyError(text) if command[:2] == ("CONFIG", "GET") and len(command) > 3 else reply
            for command, reply in zip(commands, replies, strict=True)
        ]

    whole = dict((await one(backend(valkey))).values)
    monkeypatch.setattr(Link, "ask", old)
    assert dict((await one(backend(valkey))).values) == whole


async def test_a_cluster_names_who_has_another_value(server_folder: Folder) -> None:
    need_valkey()
    cluster = a_cluster(server_folder)
    await cluster.start()
    try:
        odd = cluster.masters[1]
        await odd.ask("CONFIG", "SET", "maxmemory-samples", "3")
        url = f"redis+cluster://127.0.0.1:{cluster.masters[0].port}"
        made = ValkeyCluster("shards", ValkeyClusterOptions(url=url, password=odd.password))
        try:
            await cluster.replicas[0].stop()
            look = await made.configuration()
        finally:
            await made.close()
    finally:
        await cluster.stop()
    assert {one.role for one in look.servers} == {"primary", "replica"}
    assert [at for at, _ in look.silent] == [f"127.0.0.1:{cluster.replicas[0].port}"]
    samples = next(row for row in rows(look) if row.name == "maxmemory-samples")
    assert ("3", (f"127.0.0.1:{odd.port}",)) in samples.differs
    assert {row.group for row in rows(look)} >= {"cluster", "memory", "access"}
