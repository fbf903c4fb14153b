"""When a key ends, set on a real server and set back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.engines.cache.keyttl import SetKeyTtl
from perftui.instrument.cache import Cache
from perftui.model.errors import PlanRejected
from perftui.model.options import ValkeyOptions
from tests.waiting import auntil


@pytest.fixture
async def server(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await made._work.one("FLUSHALL", deadline=5)
    yield made
    await made.close()


async def left(server: Valkey, key: str) -> int:
    found: int = await server._work.one("PTTL", key, deadline=2)
    return found


def setting(server: Valkey, key: str, ttl: str) -> SetKeyTtl:
    return SetKeyTtl(server, "cache", key=key.encode(), ttl=ttl)


def quiet(_progress: object) -> None:
    """Nobody looks."""


async def test_set_and_back_to_when_it_would_have_ended(server: Valkey) -> None:
    await server._work.ask([("SET", "k", "v", "EX", 500), ("SET", "stays", "v")], 2)
    for key, ttl, low, high in (
        ("k", "1h", 3_590_000, 3_600_000),
        ("k", "never", -1, -1),
        ("stays", "90s", 89_000, 90_000),
    ):
        action = setting(server, key, ttl)
        before, plan = await left(server, key), await action.plan()
        assert plan.reversible
        assert not plan.warnings
        receipt = await action.run(quiet)
        assert low <= await left(server, key) <= high
        await action.undo(receipt)
        assert before - 5000 < await left(server, key) <= before


async def test_what_somebody_set_since_stands(server: Valkey) -> None:
    await server._work.one("SET", "k", "v", deadline=2)
    action = setting(server, "k", "5m")
    await action.plan()
    receipt = await action.run(quiet)
    await server._work.one("SET", "k", "another", "EX", 900, deadline=2)
    with pytest.raises(PlanRejected, match=r"k will end in 1[45] m .* somebody changed it since"):
        await action.undo(receipt)
    assert 890_000 < await left(server, "k") <= 900_000
    await server._work.one("PERSIST", "k", deadline=2)
    with pytest.raises(PlanRejected, match="k will never end by now"):
        await action.undo(receipt)


async def test_an_entry_of_the_library_has_its_own_end(server: Valkey, valkey: Any) -> None:
    async with Cache("shop", l2=valkey.url, publish=False) as cache:
        await cache.set("k", 1, ttl=60)
    plan = await setting(server, "shop:k", "1h").plan()
    assert "also has its end inside" in plan.warnings[0]
    assert "ends in" in plan.affects[0]


@pytest.mark.parametrize("ttl", ["soon", "0s", "-5m", "400d", "nan", "inf"])
async def test_what_is_no_time_is_refused(server: Valkey, ttl: str) -> None:
    await server._work.one("SET", "k", "v", deadline=2)
    with pytest.raises(PlanRejected):
        await setting(server, "k", ttl).plan()


async def test_gone_or_past_it_is_not_undone(server: Valkey) -> None:
    with pytest.raises(PlanRejected, match="not there"):
        await setting(server, "k", "5m").plan()
    await server._work.one("SET", "k", "v", "PX", 30, deadline=2)
    action = setting(server, "k", "5m")
    await action.plan()
    receipt = await action.run(quiet)
    end = int((receipt.undo or {})["end"])
    await auntil(lambda: _past(server, end))
    with pytest.raises(PlanRejected, match="purge it"):
        await action.undo(receipt)
    await server._work.one("DEL", "k", deadline=2)
    with pytest.raises(PlanRejected, match="not there"):
        await action.run(quiet)
    await server._work.one("SET", "k", "v", deadline=2)
    with pytest.raises(PlanRejected, match="never ends as it is"):
        await setting(server, "k", "never").plan()


async def _past(server: Valkey, end: int) -> bool:
    return (await server.key_end(b"k")).now > end
