"""The library's tests of a shared L2, all over again with Redis 7.0 as that L2."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.lab.valkey import ValkeyServer
from tests.instrument.cache import test_bad_days, test_orders, test_shared, test_stats, test_store
from tests.redis7 import on_redis, redis

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

pytestmark = pytest.mark.slow

for module in (test_orders, test_store, test_shared, test_stats, test_bad_days):
    globals().update({name: what for name, what in vars(module).items() if not name.startswith("__")})


@pytest.fixture(scope="module")
async def redis_l2(server_folder: Folder) -> AsyncIterator[ValkeyServer]:
    async with redis(server_folder, "cache-l2-redis") as server:
        yield server


@pytest.fixture
def l2(redis_l2: ValkeyServer) -> Any:
    """What the fixtures of the library's tests ask for; restarted, it is Redis again."""
    with on_redis():
        yield redis_l2


async def test_it_is_redis(l2: ValkeyServer) -> None:
    async with l2.client() as client:
        assert (await client.info("server"))["redis_version"].startswith("7.")
