"""What nodes of the library tell in a real cluster, group and pair of regions is found; its offers work there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from perftui.analysis.slots import slot_of
from perftui.analysis.wholecluster import front
from perftui.backends.valkey import nodes
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.pair import ValkeyRegions
from perftui.backends.valkey.sentinel import ValkeySentinel
from perftui.engines import spec
from perftui.engines.cache import nodeorders, obeyed
from perftui.engines.cache.hitfindings import hits
from perftui.engines.cachecluster import ClusterEngine
from perftui.engines.cachecluster.libraryfindings import SINGLE, library_findings
from perftui.instrument.cache import Cache, writequeue
from perftui.instrument.cache import stats as publishing
from perftui.instrument.cache.context import MISS, LoadTimeout
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.lab.sentinel import GROUP
from perftui.model.cache import CommandSample, HotKey
from perftui.model.cachecluster import ClusterMember, ClusterReading, ClusterView
from perftui.model.finding import Effort, Finding
from perftui.model.health import Health, Link
from perftui.model.options import ValkeyClusterOptions, ValkeyRegionsOptions, ValkeySentinelOptions
from perftui.model.ports import named
from perftui.model.reading import Look, Reading
from perftui.runtime.loading import load
from tests.conftest import need_valkey
from tests.engines.cache.history import History
from tests.engines.cachecluster.test_cluster import facts, primary
from tests.instrument.cache.test_orders import Book, Hang, long
from tests.topologies import a_cluster, a_group, regions
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "EVERY", 0.0)
    monkeypatch.setattr(publishing, "EVERY", 0.05)
    monkeypatch.setattr(nodeorders, "LOOK", 0.05)
    monkeypatch.setattr(obeyed, "LOOK", 0.05)
    monkeypatch.setattr(writequeue, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(writequeue, "GROWTH", 1.2)


class Several:
    """A backend of several real servers, the URL that services have, and what an engine finds there."""

    def __init__(self, backend: Any, url: str) -> None:
        self.backend, self.url = backend, url
        self._engine, self._history = ClusterEngine(), History()

    async def look(self) -> ClusterReading:
        facts = (await self.read()).facts
        assert isinstance(facts, ClusterReading)
        return facts

    async def read(self) -> Reading:
        reading: Reading = await self.backend.read()
        for measure in reading.samples:
            if not measure.key.labels:
                self._history.put("some", measure.key.name, [measure.value], reading.at)
        return reading

    async def found(self) -> dict[str, Finding]:
        reading = await self.read()
        look = Look("some", self.backend.kind, reading, Health(Link.LIVE, reading.at))
        report = self._engine.observe(reading.at, {"some": look}, self._history)
        return {finding.id: finding for finding in self._engine.findings(report)}

    async def finds(self, id_: str) -> Finding:
        async def there() -> Finding | None:
            return (await self.found()).get(id_)

        finding: Finding = await auntil(there, 20)
        return finding

    async def offers(self, id_: str) -> Finding:
        """Found, with what mends it."""

        async def there() -> Finding | None:
            finding = (await self.found()).get(id_)
            return finding if finding is not None and finding.offer is not None else None

        finding: Finding = await auntil(there, 20)
        return finding

    async def mended(self, finding: Finding) -> Any:
        """The receipt of its offer, and the action."""
        assert finding.offer is not None
        what = spec(finding.offer.action)
        assert isinstance(self.backend, named(what.port))
        action = load(what.factory)(self.backend, "some", **dict(finding.offer.params))
        await action.plan()
        return await action.run(lambda _: None), action


@pytest.fixture(scope="module", params=["cluster", "group", "pair"])
async def places(
    request: pytest.FixtureRequest, server_folder: Folder
) -> AsyncIterator[tuple[type, Any, str]]:
    """A class of backend, its options, and the URL for services."""
    need_valkey()
    made: Any = {"cluster": a_cluster, "group": a_group, "pair": regions}[request.param](server_folder)
    await made.start()
    if request.param == "cluster":
        at = ",".join(f"{m.host}:{m.port}" for m in made.masters)
        password = made.masters[0].password
        yield ValkeyCluster, ValkeyClusterOptions(f"redis+cluster://{at}", password=password), made.url
    elif request.param == "group":
        password, own = made.data[0].password, made.sentinels[0].password
        at = f"redis+sentinel://127.0.0.1:{made.sentinels[0].port}/{GROUP}"
        yield ValkeySentinel, ValkeySentinelOptions(at, password=password, sentinel_password=own), made.url
    else:
        password = made.servers[1].password
        at = ",".join(f"127.0.0.1:{s.port}" for s in made.servers.values())
        services = f"redis+region://:{password}@{at}"
        yield ValkeyRegions, ValkeyRegionsOptions(f"redis+region://{at}", password=password), services
    await made.stop()


@pytest.fixture
async def several(places: tuple[type, Any, str]) -> AsyncIterator[Several]:
    kind, options, url = places
    backend = kind("some", options)
    yield Several(backend, url)
    await backend.close()


@pytest.mark.slow
async def test_a_load_that_hangs_is_found_and_cancelled(several: Several) -> None:
    hang = Hang()
    async with Cache("hangs", l2=several.url) as cache:
        waiting = asyncio.ensure_future(cache.get_or_set("slow", hang))
        await until(lambda: hang.calls == 1)
        long(cache, "slow")
        finding = await several.finds("cache.load-hangs")
        assert finding.title == "hangs: a loader hangs"
        receipt, _ = await several.mended(finding)
        assert receipt.summary.endswith("cancelled at 1 of 1 node")
        with pytest.raises(LoadTimeout):
            await waiting


async def test_letters_are_found_and_tried_again(several: Several) -> None:
    book = Book(5)
    behind = WriteBehind(book)
    await behind.start()
    async with Cache("letters", l2=several.url, writes=behind) as cache:
        await cache.write("order:7", 1, how="behind")
        finding = await several.finds("cache.dead-letters")
        assert "ValueError: no such column" in str(finding.evidence)
        await several.mended(finding)
        await until(lambda: book.writes == [("order:7", 1)])


async def test_few_hits_name_the_namespace_and_its_ttl_is_set_and_taken_back(several: Several) -> None:
    async def nothing() -> int:
        return 1

    async with Cache("short", l1=None, l2=several.url) as cache:
        done = asyncio.Event()

        async def ask() -> None:
            n = 0
            while not done.is_set():
                n += 1
                await cache.get_or_set(f"k{n}", nothing, ttl=2.0)
                due = time.monotonic() + 0.01
                await until(lambda due=due: time.monotonic() > due)

        asking = asyncio.create_task(ask())
        finding = await several.offers("cache.hit-ratio-low")
        done.set()
        await asking
        assert any("of short:*" in text for text in finding.evidence)
        assert finding.offer.action == "cache.set-ttl"
        before = cache.defaults.ttl
        receipt, action = await several.mended(finding)
        assert "obeyed at 1 of 1 node" in receipt.summary
        assert cache.defaults.ttl != before
        await action.undo(receipt)
        await until(lambda: cache.defaults.ttl == before)


async def test_a_herd_of_nodes_is_found_and_their_loads_are_shared(several: Several) -> None:
    caches = [Cache("herd", l1=None, l2=several.url) for _ in range(4)]

    async def slow() -> str:
        await asyncio.sleep(0)
        return "value"

    async def miss_together() -> None:
        await asyncio.gather(*(cache.get_or_set("home", slow, ttl=0.002) for cache in caches))

    await several.look()
    watch = asyncio.ensure_future(several.backend.sample_commands(500, 2.0))
    while not watch.done():
        await miss_together()
    await watch
    finding = await several.finds("cache.stampede")
    assert finding.evidence[0].startswith("herd:home was loaded ")
    receipt, action = await several.mended(await several.offers("cache.stampede"))
    assert "obeyed at 4 of 4 nodes" in receipt.summary
    assert all(cache.defaults.shared_flight for cache in caches)
    await action.undo(receipt)
    for cache in caches:
        await cache.close()


async def watched(several: Several, cache: Cache) -> None:
    """A look at the command stream while one key has half of what is asked for."""
    for n in range(60):
        await cache.set(f"k{n}", n)
    await several.look()
    watch = asyncio.ensure_future(several.backend.sample_commands(300, 2.0))
    while not watch.done():
        await asyncio.gather(*(cache.get(f"k{n // 2 if n % 2 else 7}") for n in range(60)))
    sample = await watch
    assert 0 < sample.commands <= 300


async def test_a_key_that_many_ask_for_is_found_with_its_primary(several: Several) -> None:
    """Its nodes hear nothing of changes: they can have no copies."""
    async with Cache("busy", l1=None, l2=several.url, listen=False) as cache:
        await watched(several, cache)
        finding = await several.finds("cache.hot-key")
        reading = await several.look()
        slot = slot_of(b"busy:k7")
        holders = [m for m in reading.primaries if not reading.slotted or holds(m, slot)]
        assert finding.title == f"some: one key takes a large part of {holders[0].address}'s traffic"
        assert finding.evidence[0].startswith("busy:k7: ")
        assert f"of the commands of {holders[0].address}, of" in finding.evidence[0]
        if not reading.slotted:
            assert finding.offer is None
            return
        assert finding.evidence[1].startswith(f"slot {slot}; {holders[0].address} has ")
        assert ("slot", str(slot)) in finding.labels
        assert finding.offer is not None
        assert finding.offer.action == "cache.reshard"
        receipt, action = await several.mended(finding)
        assert receipt.done
        assert await cache.get("k7") == 7
        await action.undo(receipt)


async def test_copies_of_a_key_that_many_ask_for_are_lent_and_taken_back(several: Several) -> None:
    async with (
        Cache("lent", l1=None, l2=several.url) as cache,
        Cache("lent", l1=None, l2=several.url) as other,
    ):
        await watched(several, cache)
        finding = await several.offers("cache.hot-key")
        assert finding.offer is not None
        assert finding.offer.action == "cache.local-copies"
        assert dict(finding.offer.params) == {"namespace": "lent", "local": "on"}
        receipt, action = await several.mended(finding)
        assert receipt.summary.endswith("an L1 of 1,000 entries, obeyed at 2 of 2 nodes")
        await cache.get("k7")
        assert cache.peek("k7") == 7
        await other.set("k7", "new")
        await until(lambda: cache.peek("k7") is MISS)
        assert await cache.get("k7") == "new"
        await action.undo(receipt)
        await until(lambda: cache.memory is None and other.memory is None)
        assert await cache.get("k7") == "new"


def test_what_is_set_at_one_server_is_offered_for_none_of_several() -> None:
    watched = CommandSample(100.0, 2.0, 400, (HotKey(b"page:1", 40, 0.1, 0.03, loads=20),), ())
    full = replace(facts(), max_bytes=64 << 20, used_bytes=63 << 20, evicted_per_s=5.0)
    members = tuple(replace(primary(*what), reading=full) for what in (("a", 0, 8191), ("b", 8192, 16_383)))
    reading = ClusterReading(3, members, 2, watched=watched)
    view = ClusterView(
        "shards", Health(Link.LIVE, 100.0), reading, 100.0, hit_ratio_1m=0.5, lookups_1m=6000.0
    )
    node = front(view)
    assert node.reading is not None
    (alone,) = hits(100.0, node, node.reading)
    assert alone.offer is not None
    assert alone.offer.action == SINGLE
    found = next(one for one in library_findings(100.0, view) if one.id == alone.id)
    assert (found.offer, found.effort) == (None, Effort.HOURS)


def holds(member: ClusterMember, slot: int) -> bool:
    return any(first <= slot <= last for first, last in member.slots)


async def test_a_node_that_hears_nothing_is_found(several: Several) -> None:
    async with Cache("deaf", l2=several.url) as cache:
        await cache.set("k", 1)
        cache._core.linked_now = False
        finding = await several.finds("cache.link-down")
        assert finding.labels == (("namespace", "deaf"),)
