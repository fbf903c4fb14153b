"""A pair of real regions under an agent that may act: nobody is there, and writes go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from perftui.instrument.cache.region import RegionStore
from perftui.instrument.cache.store import open_store
from perftui.lab.regions import Regions
from perftui.model.errors import Lost
from tests.agents import agent, written
from tests.conftest import need_valkey
from tests.topologies import a_server, regions
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

CONFIG = """
[store]
url = "sqlite://{folder}/store.db"
[env.lab]
kind = "lab"
read_only = {read_only}
[env.lab.backends.pair]
kind = "valkey-regions"
url = "redis+region://{places}"
password = "file:{folder}/password"
automatic = {automatic}
"""


@pytest.fixture
async def pair(server_folder: Folder) -> AsyncIterator[Regions]:
    need_valkey()
    made = regions(server_folder)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


def configured(folder, pair, *, automatic="true", read_only="false"):
    places = ",".join(f"{s.host}:{s.port}" for s in pair.servers.values())
    written(folder / "password", pair.servers[1].password)
    told = {"folder": folder, "places": places, "automatic": automatic, "read_only": read_only}
    return written(folder / "c.toml", CONFIG.format(**told))


async def in_step(pair, number):
    rows = {row["node"]: row for row in (await pair.status())["nodes"]}
    other = rows[3 - number]
    mine = rows[number]
    return mine["role"] == "replica" and mine["link"] == "connected" and mine["offset"] == other["offset"]


async def test_writes_go_on_when_a_region_is_lost_and_when_it_is_back(pair, tmp_path):
    store = open_store(pair.url)
    assert isinstance(store, RegionStore)
    last = safe = 0

    async def write():
        nonlocal last, safe
        while True:
            last += 1
            await store.put(b"n", b"%d" % last, None, within=10)
            with suppress(Lost):  # under way when its server dies it is not sent again
                if await store.command("WAIT", 1, 100, key=b"n", within=10):
                    safe = last

    async with agent(configured(tmp_path, pair), tmp_path / "state") as one:
        await one.says("evaluates rules")
        writing = asyncio.create_task(write())
        await until(lambda: safe > 100 or writing.done(), 10)
        await pair.kill(1)
        await one.says("is a primary at offset")
        kept, seen = safe, last
        await until(lambda: last > seen + 10 or writing.done(), 20)
        assert not writing.done()
        assert store.node.address.port == pair.servers[2].port
        assert int(await pair.servers[2].ask("GET", "n")) >= kept > 100

        await pair.revive(1)
        await one.says("follows 127.0.0.1")
        await until(lambda: safe > kept + 50 or writing.done(), 20)
        writing.cancel()
        await auntil(lambda: in_step(pair, 1), 10)
        assert await pair.servers[1].ask("GET", "n") == await pair.servers[2].ask("GET", "n")
        audit = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
        assert {"cache.takeover", "cache.rejoin"} <= {line.get("action") for line in audit}
    await store.close()


@pytest.mark.slow
async def test_of_three_regions_one_hangs_and_both_others_go_on(pair, tmp_path, server_folder):
    third = pair.servers[3] = a_server(server_folder, pair.servers[1])
    await third.start()
    async with agent(configured(tmp_path, pair), tmp_path / "state") as one:
        await one.says("evaluates rules")
        await pair.servers[1].ask("SET", "k", "v")
        for number in (2, 3):
            await auntil(lambda server=pair.servers[number]: holds(server), 10)
        await pair.servers[1].pause()
        try:
            await one.says("is a primary at offset")
            heir = 2 if (await pair.servers[2].role())["role"] == "master" else 3
            await auntil(lambda: follows(pair.servers[5 - heir], pair.servers[heir]), 30)
        finally:
            await pair.servers[1].resume()
        await auntil(lambda: follows(pair.servers[1], pair.servers[heir]), 30)
        for server in pair.servers.values():
            assert await server.ask("GET", "k") == b"v"
        audit = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
        done = [line["action"] for line in audit if line.get("action")]
        assert list(dict.fromkeys(done)) == ["cache.takeover", "cache.reattach", "cache.rejoin"]


async def holds(server):
    return bool(await server.ask("EXISTS", "k"))


async def follows(server, other):
    said = await server.role()
    return (said.get("master_port"), said.get("master_link_status")) == (str(other.port), "up")


@pytest.mark.slow
@pytest.mark.parametrize(("automatic", "read_only"), [("false", "false"), ("true", "true")])
async def test_an_agent_that_may_not_promotes_nobody(pair, tmp_path, automatic, read_only):
    config = configured(tmp_path, pair, automatic=automatic, read_only=read_only)
    async with agent(config, tmp_path / "state") as one:
        await one.says("evaluates rules")
        await pair.kill(1)
        await auntil(lambda: down_for(pair, 3), 20)
        assert (await pair.status())["nodes"][1]["role"] == "replica"


async def down_for(pair, seconds):
    """Whether B is without its primary for so long: many times what an agent takes."""
    return int((await pair.servers[2].role()).get("master_link_down_since_seconds", 0)) >= seconds
