"""What values left free given back by a real Redis, which has jemalloc, and refused by who has none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.engines.cache.configure import SetParameter
from perftui.engines.cache.giveback import LEAST, GiveBack
from perftui.model.cache import CacheReading
from perftui.model.errors import PlanRejected, Protocol
from perftui.model.options import ValkeyOptions
from tests.redis7 import redis
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

FILL = "for i = 1, 150000 do redis.call('SET', 'k' .. i, string.rep('x', 800)) end"
DROP = "for i = 1, 150000 do redis.call('DEL', 'k' .. i) end"
BETWEEN = "for i = 1, 150000 do if i % 10 ~= 0 then redis.call('DEL', 'k' .. i) end end"
UNBOUNDED = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"


@pytest.fixture
async def console(server_folder: Folder) -> AsyncIterator[Valkey]:
    """On a Redis whose jemalloc gives nothing back by itself for a while."""
    async with redis(server_folder, "kept") as server:
        made = Valkey("kept", ValkeyOptions(url=server.url))
        await made._work.one("CONFIG", "SET", "jemalloc-bg-thread", "no", deadline=5)
        yield made
        await made.close()


def quiet(_progress: object) -> None:
    """Nobody looks."""


async def loose(console: Valkey) -> Any:
    facts = (await console.read()).facts
    assert isinstance(facts, CacheReading)
    return facts.loose


async def test_what_was_freed_goes_to_the_system(console: Valkey) -> None:
    await console._work.one("EVAL", FILL, 0, deadline=20)
    with pytest.raises(PlanRejected, match="there is little to give"):
        await GiveBack(console, "kept").plan()
    await console._work.one("EVAL", DROP, 0, deadline=20)
    await auntil(lambda: _freed(console))
    action = GiveBack(console, "kept")
    plan = await action.plan()
    assert plan.summary.startswith("kept gives up to ")
    assert not plan.reversible
    receipt = await action.run(quiet)
    assert receipt.facts["after"] < receipt.facts["before"] / 2
    assert "resident" in receipt.summary
    with pytest.raises(PlanRejected, match="taken again as it is needed"):
        await action.undo(receipt)


async def _freed(console: Valkey) -> bool:
    return bool((await loose(console)).freed > 4 * LEAST)


async def test_what_lies_between_values_stays(console: Valkey) -> None:
    await console._work.one("EVAL", FILL, 0, deadline=20)
    await console._work.one("EVAL", BETWEEN, 0, deadline=20)

    async def fragmented() -> bool:
        return bool((await loose(console)).fragments > 4 * LEAST)

    await auntil(fragmented)
    with pytest.raises(PlanRejected, match="there is little to give"):
        await GiveBack(console, "kept").plan()
    moving = SetParameter(console, "kept", parameter="activedefrag", value="yes")
    await moving.plan()
    with pytest.raises(Protocol, match="Active defragmentation cannot be enabled"):
        await moving.run(quiet)  # Debian's Redis has the system's jemalloc


async def test_the_bound_of_buffers_is_set_and_set_back(console: Valkey) -> None:
    name = "client-output-buffer-limit"
    bounding = SetParameter(console, "kept", parameter=name, value="normal 67108864 16777216 60")
    await bounding.plan()
    receipt = await bounding.run(quiet)
    assert ((await console.parameters(name)).values[0][1]).startswith("normal 67108864 16777216 60 slave")
    await bounding.undo(receipt)
    assert (await console.parameters(name)).values[0][1] == UNBOUNDED


async def test_libc_gives_nothing_back(valkey: Any) -> None:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    try:
        assert await loose(made) is None
        with pytest.raises(PlanRejected, match="uses libc, which gives nothing back"):
            await GiveBack(made, "cache").plan()
    finally:
        await made.close()
