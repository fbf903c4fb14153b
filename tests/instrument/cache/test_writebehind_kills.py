"""Kill -9 of a node that writes behind, of its journal's primary, or of both: nothing acknowledged is lost."""

import asyncio
import json
import random
import sys
from pathlib import Path

import pytest

from perftui.instrument.cache import streamjournal, writebehind, writequeue
from perftui.instrument.cache.journal import FileJournal, Item, dead_of
from perftui.instrument.cache.store import open_store
from perftui.instrument.cache.streamjournal import GROUP, StreamJournal
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.lab.valkey import ValkeyServer
from perftui.model.errors import Unsupported
from tests.conftest import need_valkey
from tests.waiting import auntil, until

ROOT = Path(__file__).parents[3]
COUNT, KILLS = 10_000, 3
SCHEDULES = [pytest.param(seed, marks=() if seed < 3 else pytest.mark.slow) for seed in range(20)]


class Pair:
    """A primary with a replica, either of which may become the other."""

    def __init__(self, folder, name):
        self.primary = ValkeyServer(folder, f"{name}-a")
        self.replica = ValkeyServer(folder, f"{name}-b", self.primary)

    async def start(self):
        for server in (self.primary, self.replica):
            await server.start()
            await self._keep_all(server)

    async def _keep_all(self, server):
        """The lab's servers may evict anything, which a journal's must not."""
        async with server.client() as client:
            await client.config_set("maxmemory-policy", "noeviction")

    async def fail_over(self):
        """Kill the primary, promote the replica; the old one comes back as the new one's replica."""
        await self.primary.kill()
        async with self.replica.client() as client:
            await client.execute_command("REPLICAOF", "NO", "ONE")
        self.primary, self.replica = self.replica, self.primary
        self.primary.primary, self.replica.primary = None, self.primary
        await self.replica.start()
        await self._keep_all(self.replica)

    async def stop(self):
        for server in (self.replica, self.primary):
            await server.stop()


class Node:
    """A process that writes behind; its lines are read as they come."""

    def __init__(self, told):
        self.told, self.lines, self.errors = told, [], ""

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.instrument.cache.writenode", json.dumps(self.told),
            cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self.reading = asyncio.gather(self._read(), self._read_errors())
        return self

    async def _read(self):
        async for line in self.process.stdout:
            self.lines.append(line.decode().split())

    async def _read_errors(self):
        self.errors = (await self.process.stderr.read()).decode()[-2000:]

    @property
    def acknowledged(self):
        return [int(line[1]) for line in self.lines if line[0] == "ack"]

    @property
    def tried(self):
        return [int(line[1]) for line in self.lines if line[0] in {"ack", "failed"}]

    async def kill(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self.reading


@pytest.fixture
async def pair(server_folder, request):
    need_valkey()
    pair = Pair(server_folder, f"wb-{abs(hash(request.node.name)) % 10**6}")
    await pair.start()
    yield pair
    await pair.stop()


@pytest.fixture
async def stores():
    """Makes stores, and closes them at the end."""
    made = []

    def store(server):
        made.append(open_store(server.url))
        return made[-1]

    yield store
    for one in made:
        await one.close()


@pytest.fixture
async def table(postgres):
    """An empty table that `shop` may write, and a connection to look at it."""
    admin = await postgres.admin()
    await admin.execute(
        "DROP TABLE IF EXISTS written; CREATE TABLE written (at bigserial, key text, sequence bigint, n bigint, "
        "PRIMARY KEY (key, sequence)); GRANT ALL ON written TO shop; GRANT ALL ON SEQUENCE written_at_seq TO shop"
    )
    yield admin
    await admin.execute("DROP TABLE written")
    await admin.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", SCHEDULES)
async def test_every_acknowledged_write_is_there_once_and_in_order(seed, pair, table, postgres, tmp_path):
    chance = random.Random(seed)
    told = {
        "dsn": postgres.dsn_of("shop"), "journal": "file" if seed % 3 == 0 else "stream", "path": str(tmp_path / "w.db"),
        "servers": [{"host": s.host, "port": s.port, "password": s.password} for s in (pair.primary, pair.replica)],
        "namespace": f"shop-{seed}", "node": "one", "first": 0, "seed": seed,
    }  # fmt: skip
    acknowledged, deeds = [], ["node", "primary", "both"]
    chance.shuffle(deeds)
    node = await Node(told).start()
    for deed in deeds[:KILLS]:
        goal = len(node.acknowledged) + chance.randrange(20, COUNT // KILLS)
        await until(lambda: len(node.acknowledged) >= goal or node.process.returncode is not None, 30)  # noqa: B023
        assert node.process.returncode is None, node.errors
        if deed != "node":
            failing = asyncio.create_task(pair.fail_over())
            if deed == "both":
                await asyncio.sleep(0)
        if deed != "primary":
            await node.kill()
            acknowledged += node.acknowledged
        if deed != "node":
            await failing
        if deed != "primary":
            told["first"] = max(node.tried, default=told["first"]) + 1 + 16
            node = await Node(told).start()
    await until(lambda: len(acknowledged) + len(node.acknowledged) > COUNT, 30)
    node.process.stdin.close()
    await until(lambda: ["done"] in node.lines or node.process.returncode is not None, 60)
    await node.kill()
    assert ["done"] in node.lines, node.errors
    acknowledged += node.acknowledged

    rows = await table.fetch("SELECT key, sequence, n FROM written ORDER BY at")
    assert len(acknowledged) > COUNT
    assert set(acknowledged) <= {row["n"] for row in rows}
    assert len({row["n"] for row in rows}) == len(rows)
    for key in {row["key"] for row in rows}:
        mine = [(row["sequence"], row["n"]) for row in rows if row["key"] == key]
        assert mine == sorted(mine)


async def test_what_a_dead_node_left_is_written_by_another(pair, stores, monkeypatch):
    monkeypatch.setattr(streamjournal, "CLAIM_S", 0.5)
    monkeypatch.setattr(writebehind, "TAKE_OVER_S", 0.3)
    seen = {}

    class Book:
        async def write(self, items):
            seen.update((w.key, w.value) for w in items)

    class Deaf:
        async def write(self, items):
            await asyncio.Event().wait()

    async def node(name, writer):
        behind = WriteBehind(writer, StreamJournal(stores(pair.primary), "shop-x", name))
        await behind.start()
        return behind

    dying, living = await node("dying", Deaf()), await node("living", Book())
    await asyncio.gather(*(dying.put(f"k{n}", n) for n in range(700)), living.put("own", 1))
    for task in dying._tasks:  # it says and does nothing any more
        task.cancel()
    await until(lambda: len(seen) == 701, 20)
    assert living.counts.taken_over == 700
    assert seen["k699"] == 699
    async with pair.primary.client() as client:
        await auntil(lambda: _is_empty(client, "__writes:shop-x"))
    await living.close()
    await dying.close(0.05)


async def _is_empty(client, key):
    return await client.xlen(key) == 0 and (await client.xpending(key, "writers"))["pending"] == 0


async def test_without_a_replica_nothing_is_acknowledged_by_the_stream(pair, stores, tmp_path):
    await pair.replica.kill()
    async with pair.primary.client() as client:

        async def alone():
            return (await client.info("replication"))["connected_slaves"] == 0

        await auntil(alone)
        journal = StreamJournal(stores(pair.primary), "shop-y", "one")
        assert await journal.open() == []
        with pytest.raises(Unsupported, match="0 replicas"):
            await journal.commit([Item(1, "a", b"\x01")], [])
        assert await client.xlen("__writes:shop-y") == 0

        seen = []

        class Book:
            async def write(self, items):
                seen.extend(w.value for w in items)

        behind = WriteBehind(Book(), journal, fallback=FileJournal(tmp_path / "w.db"))
        await behind.start()
        await asyncio.gather(*(behind.put(f"k{n}", n) for n in range(20)))
        assert behind.counts.through == 0
        assert await behind.flush() == 0
        await behind.close()
        assert sorted(seen) == list(range(20))


async def test_a_server_that_may_evict_the_journal_is_refused(valkey, stores):
    with pytest.raises(Unsupported, match="allkeys-lru may evict"):
        await StreamJournal(stores(valkey), "shop-z", "one").open()


async def test_a_stream_that_others_wrote_into_does_no_harm(pair, stores):
    store = stores(pair.primary)
    journal = StreamJournal(store, "shop-w", "one")
    await journal.open()
    items = [Item(n, f"k\x1b{n}", b"\x01" if n % 2 else None) for n in range(1, 4)]
    await journal.commit(items, [])
    async with pair.primary.client() as client:
        key = "__writes:shop-w"
        for fields in (
            {"x": "y"},
            {"q": "9" * 400, "k": "a"},
            {"q": "8", "k": b"\xff\xfe"},
            {"q": "-1", "k": "b"},
        ):
            name = await client.xadd(key, fields)
            await client.xclaim(key, GROUP, "one", 0, [name], force=True, justid=True)
        again = StreamJournal(store, "shop-w", "one")
        assert await again.open() == items
        assert again.damaged == 4
        assert await client.xlen(key) == 3
        await again.bury(dead_of(items[:2], ValueError("no\x1b such")))
        assert [d.item for d in await again.dead()] == items[:2]
        assert await client.xlen(key) == 1
        assert await again.revive([1]) == items[:1]
        assert [d.item for d in await again.dead()] == items[1:2]
        assert sorted(i.sequence for i in await StreamJournal(store, "shop-w", "one").open()) == [1, 3]


async def test_dead_letters_are_tried_again_by_one_node_of_several(pair, stores, monkeypatch):
    monkeypatch.setattr(writequeue, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(writequeue, "GROWTH", 1.2)
    written, refuse = [], True

    class Book:
        async def write(self, items):
            if refuse:
                raise ValueError("no such column")
            written.extend(w.key for w in items)

    nodes = []
    for name in ("one", "two", "three"):
        nodes.append(WriteBehind(Book(), StreamJournal(stores(pair.primary), "shop-v", name)))
        await nodes[-1].start()
    async with pair.primary.client() as client:

        async def misses():
            return (await client.info("stats"))["keyspace_misses"]

        await nodes[0].count_dead()
        before = await misses()
        journal = nodes[0]._commits.journals[0]
        assert [await journal.dead_count() for _ in range(20)] == [0] * 20
        assert await misses() - before < 10  # what looks for dead nodes meanwhile
        await asyncio.gather(*(nodes[0].put(f"k{n}", n) for n in range(30)))
        await until(lambda: nodes[0].counts.buried == 30, 20)
        for node in nodes:
            await node.count_dead()
        assert [(node.dead_own, node.dead_shared) for node in nodes] == [(0, 30)] * 3
        refuse = False
        assert sum(await asyncio.gather(*(node.retry() for node in nodes))) == 30
        await until(lambda: len(written) == 30)
        assert sorted(written) == sorted(f"k{n}" for n in range(30))
        await nodes[2].count_dead()
        assert nodes[2].dead_shared == 0
        assert await client.exists("__dead-writes-lease:shop-v") == 0
    for node in nodes:
        await node.close()
