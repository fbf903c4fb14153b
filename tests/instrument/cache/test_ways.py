"""Ways to use the cache: decorated functions, writes to the database, pages, and what it publishes."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perftui.analysis.codec import NAMES
from perftui.analysis.codecchoice import FIRST, SelfChoosing
from perftui.instrument.cache import MISS, Cache, EntryOptions, cached
from perftui.instrument.cache.edge import EdgeHeaders, page
from perftui.instrument.cache.names import value_key
from perftui.instrument.cache.ports import Store, Write
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.model.envelope import Envelope, unpack
from perftui.model.errors import Lost
from perftui.model.noderecord import INDEX
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer


class Database:
    """Rows, and whether it answers."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.failing = False
        self.reads = 0

    async def write(self, items: Sequence[Write]) -> None:
        if self.failing:
            raise OSError("the database is away")
        for item in items:
            if item.value is None:
                self.rows.pop(item.key, None)
            else:
                self.rows[item.key] = item.value

    async def load(self, keys: Sequence[str]) -> dict[str, Any]:
        self.reads += 1
        return {key: self.rows[key] for key in keys if key in self.rows}


class TestDecorated:
    async def test_a_function_is_asked_once_for_each_set_of_arguments(self) -> None:
        cache, asked = Cache("f"), []

        @cached(cache, ttl="1m", key="product:{0}", tags=["products", "product:{0}"])
        async def product(id_: int) -> dict[str, int]:
            asked.append(id_)
            return {"id": id_}

        assert [await product(1), await product(1), await product(2)] == [{"id": 1}, {"id": 1}, {"id": 2}]
        assert asked == [1, 2]
        assert await cache.get("product:1") == {"id": 1}
        await cache.remove_by_tag("product:1")
        await product(1)
        await product(2)
        assert asked == [1, 2, 1]
        assert await product.uncached(3) == {"id": 3}  # type: ignore[attr-defined]

    async def test_without_a_key_the_arguments_are_it(self) -> None:
        made: list[Cache] = []

        @cached(lambda: made[0])
        async def total(a: int, *, b: int = 0) -> int:
            return a + b

        made.append(Cache("later"))
        assert (await total(1, b=2), await total(1), await total(1, b=2)) == (3, 1, 3)
        assert made[0].stats().of("load") == 2


class TestDatabase:
    async def test_read_through(self) -> None:
        database = Database()
        database.rows = {"a": 1}
        cache = Cache("rows", source=database)
        assert (await cache.get_or_set("a"), await cache.get_or_set("a")) == (1, 1)
        assert database.reads == 1
        with pytest.raises(KeyError):
            await cache.get_or_set("unknown")
        with pytest.raises(TypeError, match="needs a loader"):
            await Cache("bare").get_or_set("a")

    async def test_write_through_the_database_is_the_authority(self) -> None:
        database = Database()
        cache = Cache("rows", writer=database)
        await cache.write("a", 1)
        assert (database.rows["a"], cache.peek("a")) == (1, 1)
        database.failing = True
        with pytest.raises(OSError, match="away"):
            await cache.write("a", 2)
        assert cache.peek("a") == 1

    async def test_and_a_cache_that_fails_afterwards_does_not_fail_the_write(
        self, l2: ValkeyServer, store: Store
    ) -> None:
        database = Database()
        async with Cache("rows", l2=l2.url, writer=database) as cache:
            await cache.get("x")
            await l2.kill()
            await until(lambda: cache.stats().of("link.down"))
            await cache.write("a", 1)
            assert database.rows["a"] == 1
            await l2.start()
            await until(lambda: cache.stats().gauges["recovery.queue"] == 0, 10)
            async with Cache("rows", l2=l2.url) as other:
                assert await other.get("a") == 1

    async def test_write_around_removes(self) -> None:
        database = Database()
        cache = Cache("rows", writer=database, source=database)
        await cache.write("a", 1)
        await cache.write("a", 2, how="around")
        assert cache.peek("a") is MISS
        assert await cache.get_or_set("a") == 2

    async def test_written_behind_it_is_read_from_what_is_on_its_way(self) -> None:
        database = Database()
        database.failing = True
        behind = WriteBehind(database)
        await behind.start()
        async with Cache("rows", writes=behind, source=database) as cache:
            await cache.write("a", 1, how="behind")
            assert await cache.get("a") == 1
            await cache.remove("a")
            assert await cache.get_or_set("a") == 1
            assert database.reads == 0
            assert cache.stats().gauges["writes.waiting"] == 1
            database.failing = False
            await until(lambda: database.rows == {"a": 1}, 10)
        with pytest.raises(TypeError, match="WriteBehind"):
            await Cache("bare").write("a", 1, how="behind")

    async def test_a_write_through_comes_after_what_waits_of_its_key(self) -> None:
        database = Database()
        behind = WriteBehind(database)
        await behind.start()
        async with Cache("rows", writes=behind) as cache:
            await cache.write("a", 1, how="behind")
            await cache.write("a", 2)
            assert (database.rows["a"], cache.peek("a"), behind.waiting) == (2, 2, 0)
            database.failing = True
            with pytest.raises(OSError, match="away"):
                await cache.write("a", 3)
            assert (await cache.get("a"), behind.pending("a")) == (2, False)
            with pytest.raises(ValueError, match="through"):
                await cache.write("a", 4, how="sideways")
            database.failing = False
        assert database.rows["a"] == 2


async def test_a_page_has_the_tags_and_the_life_of_what_it_was_made_of() -> None:
    cache = Cache("shop", pages=True)
    await cache.set("tea", {"price": 3}, ttl=60, tags=["products"])
    sent: list[dict[str, Any]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        page(ttl="1h")
        await cache.get_or_set("tea", None, ttl=60) if cache.source else await cache.get("tea")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"tea"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/tea", "headers": []}
    await EdgeHeaders(app)(scope, None, send)
    headers = dict(sent[0]["headers"])
    assert b"products" in headers[b"surrogate-key"].split()
    assert int(headers[b"cdn-cache-control"].split(b"max-age=")[1].split(b",")[0]) <= 60


@pytest.mark.parametrize("by_tag", [False, True])
async def test_a_page_made_of_what_was_ended_is_not_kept(by_tag: bool) -> None:
    cache = Cache("shop", pages=True, defaults=EntryOptions(ttl=600, fail_safe=True))
    lent: list[float] = []
    cache._used = lambda _name, _key, _tags, left, _modified: lent.append(left)
    await cache.set("tea", 3, tags=["products"])
    await (cache.remove_by_tag("products") if by_tag else cache.expire("tea"))
    assert await cache.get("tea", allow_stale=True) == 3
    assert lent[0] <= 0


@pytest.mark.parametrize("l1", [None, 100])
async def test_a_page_made_of_what_no_memory_keeps_is_not_kept(l1: int | None) -> None:
    """Its tags are not known then: no removal would reach it."""
    cache = Cache("shop", pages=True, l1=l1)
    lent: list[tuple[Any, ...]] = []
    cache._used = lambda *what: lent.append(what)

    async def load() -> int:
        return 3

    assert await cache.get_or_set("tea", load, ttl=0, tags=["products"]) == 3
    assert lent == [("shop", "tea", (), 0.0)]
    assert await cache.get("milk") is MISS
    assert len(lent) == 1


async def test_removals_reach_the_edge_and_wait_for_one_that_is_away() -> None:
    class Edge:
        def __init__(self) -> None:
            self.told: list[Any] = []
            self.away = True

        async def purge(self, **what: Any) -> None:
            if self.away:
                raise Lost("no edge")
            self.told.append(what)

    edge = Edge()
    async with Cache("shop", edge=edge) as cache:
        await cache.remove("k")
        await cache.remove_by_tag("t")
        await cache.clear()
        assert cache.stats().of("edge.failed") == 3
        edge.away = False
        await until(lambda: len(edge.told) == 3)
        assert {"everything": True} in edge.told
        assert {"keys": ("k",), "tags": ()} in edge.told


async def test_counts_are_published_and_gone_with_the_node(l2: ValkeyServer, store: Store) -> None:
    async with Cache("shop", l2=l2.url) as cache:
        await cache.set("k", "x" * 5000)
        await auntil(lambda: _count(store, 1))
        stats = cache.stats()
        assert stats.of("set") == 1
        assert stats.of("codec.packed") == 1
        assert {"l2.set"} <= set(stats.sketches)
    assert await _count(store, 0)


async def _count(store: Store, wanted: int) -> bool:
    return bool(await store.command("ZCARD", INDEX, key=INDEX) == wanted)


async def test_a_lock_wait_never_outlasts_the_hard_timeout() -> None:
    cache, never = Cache("shop"), asyncio.Event()

    async def slow() -> None:
        await never.wait()

    first = asyncio.ensure_future(cache.get_or_set("k", slow))
    await until(lambda: cache.stats().of("load"))
    from perftui.instrument.cache import LoadTimeout

    with pytest.raises(LoadTimeout):
        await cache.get_or_set("k", slow, options=EntryOptions(lock_timeout=0.01, hard_timeout=0.03))
    first.cancel()


def test_a_service_imports_nothing_of_the_console() -> None:
    """The five lines of the docs, run as they stand there."""
    text = Path("docs/cache-library.md").read_text(encoding="utf-8")
    code = text.split("```python\n", 1)[1].split("```", 1)[0]
    heavy = (
        "textual",
        "rich",
        "httpx",
        "redis",
        "asyncpg",
        "psutil",
        "sqlalchemy",
        "kubernetes",
        "perftui.session",
    )
    check = f"\nimport sys\nassert not set({heavy!r}) & set(sys.modules), sorted(sys.modules)\nassert app"
    done = subprocess.run([sys.executable, "-c", code + check], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


async def test_the_service_of_the_docs_serves(l2: ValkeyServer) -> None:
    text = Path("docs/cache-library.md").read_text(encoding="utf-8")
    code = text.split("```python\n", 1)[1].split("```", 1)[0]
    assert code.count("redis://127.0.0.1:6379/0") == 1
    made: dict[str, Any] = {}
    exec(code.replace("redis://127.0.0.1:6379/0", l2.url), made)
    told: asyncio.Queue[str] = asyncio.Queue()
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, str]:
        return {"type": await told.get()}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    running = asyncio.create_task(made["app"]({"type": "lifespan"}, receive, send))
    await told.put("lifespan.startup")
    await until(lambda: said and said[-1]["type"] == "lifespan.startup.complete")
    for path in ("/a", "/a", "/b"):
        await made["app"]({"type": "http", "path": path}, receive, send)
        assert said[-2]["status"] == 200
        assert said[-1]["body"] == f"made for {path}".encode()
    assert made["caches"]["pages"].stats().of("load") == 2
    await told.put("lifespan.shutdown")
    await asyncio.wait_for(running, 10)
    assert said[-1]["type"] == "lifespan.shutdown.complete"


async def test_the_codecs_of_the_docs_are_written_with(l2: ValkeyServer, store: Store) -> None:
    text = Path("docs/cache-library.md").read_text(encoding="utf-8")
    code = next(block for block in text.split("```python\n") if "SelfChoosing()" in block).split("```")[0]
    made: dict[str, Any] = {}
    exec(code, made)
    caches: dict[str, Cache] = made["caches"](l2.url)
    assert set(caches) == {"snappy", "zstd", "auto"}
    for name, cache in caches.items():
        async with cache:
            for n in range(FIRST + 1):
                await cache.set("k", "the same words " * (40 + n % 2))
            await cache.set("k", "the same words " * 200)
            written = unpack(await store.get(value_key(cache.name, "k")) or b"")
            assert isinstance(written, Envelope)
            packer = cache._sealer.packer
            assert written.codec == packer.codec
            assert isinstance(packer, SelfChoosing) == (name == "auto")
            assert packer.trials if isinstance(packer, SelfChoosing) else packer.codec == NAMES[name]


FOR_PARTS = {"arrived", "beside", "clock", "hears", "later", "lock", "memory", "node", "parts", "store"}
"""What a part beside a cache needs of it."""


def test_the_docs_name_everything_a_service_may_use() -> None:
    text = Path("docs/cache-library.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", text))
    calls = {name for name in dir(Cache) if not name.startswith("_")} - FOR_PARTS
    given = set(inspect.signature(Cache.__init__).parameters) - {"self"}
    options = {field.name for field in dataclasses.fields(EntryOptions)}
    assert (calls | given | options) - words == set()
