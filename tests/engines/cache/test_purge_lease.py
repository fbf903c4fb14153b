"""One purge of a server at a time: what another console is told, and what a dead or sleeping one costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.worklease import KEY, told_by
from perftui.engines.cache import worklease
from perftui.engines.cache.purge import PurgeKeys
from perftui.engines.cache.worklease import Hold
from perftui.model.action import Progress
from perftui.model.errors import Cancelled, PartlyDone, PlanRejected
from perftui.model.options import ValkeyClusterOptions
from perftui.model.worklease import PURGE, Working
from tests.backends.test_valkey import options
from tests.conftest import need_valkey
from tests.engines.cache.test_purge import ask, fill, ignore, left
from tests.topologies import a_cluster
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.valkey import ValkeyServer

OTHER = "b" * 32


@pytest.fixture
async def consoles(valkey: ValkeyServer) -> AsyncIterator[tuple[Valkey, Valkey]]:
    pair = Valkey("cache", options(valkey)), Valkey("cache", options(valkey))
    await ask(pair[0], ("FLUSHALL",))
    yield pair
    for one in pair:
        await one.close()


def elsewhere(power: Any, pattern: str) -> PurgeKeys:
    """The same purge in another process."""
    made = PurgeKeys(power, "cache", pattern=pattern)
    made._hold = Hold(power, "cache", pattern, OTHER)
    return made


async def two_at_once(here: PurgeKeys, there: PurgeKeys, then: PurgeKeys) -> tuple[str, str]:
    """What one who plans, and one who planned before, are told while `here` runs."""
    await here.plan()
    await there.plan()
    begun = asyncio.Event()

    def told(progress: Progress) -> None:
        if progress.done >= 500:
            begun.set()

    running = asyncio.ensure_future(here.run(told))
    await begun.wait()
    said = []
    for late in (then.plan(), there.run(ignore)):
        with pytest.raises(PlanRejected) as caught:
            await late
        said.append(str(caught.value))
    assert not running.done()
    await running
    assert (await then.plan()).count == 0
    return said[0], said[1]


async def test_the_second_is_told_who_purges_and_how_far_it_is(
    consoles: tuple[Valkey, Valkey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worklease, "EVERY", 0.0)
    here, there = consoles
    await fill(here, 20_000, "page")
    purge = PurgeKeys(here, "cache", pattern="page:*", keep=0)
    for text in await two_at_once(purge, elsewhere(there, "page:*"), elsewhere(there, "page:1*")):
        assert "@" in text
        assert "purges page:* of cache right now: " in text
        assert " of 20,000 keys so far" in text
    assert await left(here) == set()


async def test_one_that_was_killed_stands_in_the_way_for_its_lease_alone(
    consoles: tuple[Valkey, Valkey],
) -> None:
    here, there = consoles
    await fill(here, 10, "page")
    assert await there.hold_work(PURGE, OTHER, Working("page:*", 3, 10), 0.3) is None
    with pytest.raises(PlanRejected, match="3 of 10 keys so far"):
        await PurgeKeys(here, "cache", pattern="page:*").plan()

    async def free() -> bool:
        return await here.working(PURGE, "a" * 32) is None

    await auntil(free)
    purge = PurgeKeys(here, "cache", pattern="page:*")
    await purge.plan()
    assert (await purge.run(ignore)).done == 10


async def test_one_that_slept_does_not_go_on_beside_the_next(
    consoles: tuple[Valkey, Valkey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worklease, "EVERY", 0.0)
    here, there = consoles
    await fill(here, 20_000, "page")
    purge = PurgeKeys(here, "cache", pattern="page:*")
    await purge.plan()
    taking: list[asyncio.Task[Any]] = []

    async def take() -> None:
        value = OTHER.encode() + b'{"who": "ann@box", "what": "all", "done": 1, "of": 2}'
        await ask(there, ("SET", KEY, value, "PX", 5000))

    def told(progress: Progress) -> None:
        if progress.done and not taking:
            taking.append(asyncio.create_task(take()))

    with pytest.raises(PartlyDone, match="ann@box purges all of cache right now: 1 of 2 keys"):
        await purge.run(told)
    assert await here.working(PURGE, "a" * 32) is not None  # and it lets the other's lease alone
    await there.release_work(PURGE, OTHER)


async def test_cancelled_or_done_it_lets_go(consoles: tuple[Valkey, Valkey]) -> None:
    here, there = consoles
    await fill(here, 5000, "page")
    purge = PurgeKeys(here, "cache", pattern="page:*")
    await purge.plan()
    begun = asyncio.Event()
    running = asyncio.ensure_future(purge.run(lambda _: begun.set()))
    await begun.wait()
    running.cancel()
    with pytest.raises(Cancelled):
        await running
    assert await there.working(PURGE, OTHER) is None
    rest = elsewhere(there, "page:*")
    await rest.plan()
    await rest.run(ignore)
    assert await here.working(PURGE, "a" * 32) is None


async def test_a_full_server_is_purged_without_a_lease(consoles: tuple[Valkey, Valkey]) -> None:
    here, _ = consoles
    await fill(here, 100, "page")
    before = (await ask(here, ("CONFIG", "GET", "maxmemory")))[0][1]
    await ask(here, ("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", 1))
    try:
        purge = PurgeKeys(here, "cache", pattern="page:*", keep=0)
        await purge.plan()
        assert (await purge.run(ignore)).done == 100
        await ask(here, ("CONFIG", "SET", "maxmemory", 0))
        await fill(here, 100, "page")
        await ask(here, ("CONFIG", "SET", "maxmemory", 1))
        kept = PurgeKeys(here, "cache", pattern="page:*")
        await kept.plan()
        receipt = await kept.run(ignore)
        assert receipt.done == 100
        assert (await kept.undo(receipt)).done == 100
        assert len(await left(here)) == 100
    finally:
        await ask(here, ("CONFIG", "SET", "maxmemory", before, "maxmemory-policy", "allkeys-lru"))


async def test_a_lease_that_others_wrote_is_inert(consoles: tuple[Valkey, Valkey]) -> None:
    here, _ = consoles
    for value in (b"x" * 1_000_000, OTHER.encode() + b'{"who": "\x1b[2J", "done": 1e999}', b"\xff" * 99):
        await ask(here, ("SET", KEY, value))
        with pytest.raises(PlanRejected) as caught:
            await PurgeKeys(here, "cache", pattern="page:*").plan()
        assert "right now" in str(caught.value)
        assert str(caught.value).isprintable()
    await ask(here, ("DEL", KEY), ("RPUSH", KEY, "x"))
    assert (await PurgeKeys(here, "cache", pattern="page:*").plan()).count == 0
    await ask(here, ("DEL", KEY))


def test_what_a_lease_says() -> None:
    assert told_by(None) is told_by(b"") is None
    text = b'{"who": "ann@box", "what": "a*", "done": 5, "of": null}'
    assert told_by(OTHER.encode() + text) == Working("a*", 5, None, "ann@box")
    assert told_by(OTHER.encode() + b"[]") == Working("something", 0, None, "somebody")


async def test_a_cluster_has_one_too(server_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    need_valkey()
    monkeypatch.setattr(worklease, "EVERY", 0.0)
    made = a_cluster(server_folder)
    try:
        await made.start()
        first = made.masters[0]
        how = ValkeyClusterOptions(url=f"redis+cluster://{first.host}:{first.port}", password=first.password)
        here, there = ValkeyCluster("cache", how), ValkeyCluster("cache", how)
        await here.read()
        await filled(here, 9000)
        purge = PurgeKeys(here, "cache", pattern="page:*", keep=0)
        said = await two_at_once(purge, elsewhere(there, "page:*"), elsewhere(there, "page:1*"))
        assert all("of 9,000 keys so far" in text for text in said)
        await here.close()
        await there.close()
    finally:
        await made.stop()


async def filled(cluster: ValkeyCluster, n: int) -> None:
    names = [b"page:%d" % k for k in range(n)]
    for shard, some in cluster._at(names):
        await shard.work.ask([("SET", name, "v") for name in some], 5)
