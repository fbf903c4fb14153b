"""The same backend on Redis 7.0: the last one under its old licence, and what many still run."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from perftui.backends.valkey import Valkey
from perftui.engines.cache.purge import PurgeKeys
from perftui.lab.valkey import ValkeyServer
from tests.backends.test_valkey import HOSTILE, options
from tests.backends.test_valkey import TestContract as Contract
from tests.needs import needs


@pytest.fixture(scope="session")
async def redis_server(server_folder: Any) -> AsyncIterator[ValkeyServer]:
    program = shutil.which("redis-server")
    needs("redis-server", program is not None, "apt install redis-server")
    assert program is not None
    with patch("perftui.lab.valkey.server_program", return_value=Path(program)):
        server = ValkeyServer(server_folder, "alone-redis")
        await server.start()
    yield server
    await server.stop()


@pytest.fixture
def valkey(redis_server: ValkeyServer) -> ValkeyServer:
    """What the contract's fixtures ask for."""
    return redis_server


class TestRedis(Contract):
    """The contract, on Redis."""

    async def test_every_figure_is_there(self, redis_server: ValkeyServer) -> None:
        made = Valkey("cache", options(redis_server))
        await made._work.ask([("SET", "a", 1), ("GET", "a"), ("GET", "b")], 2)
        for _ in range(2):
            await made.read()
        await made._work.ask([("GET", "a")] * 30 + [("GET", "b")] * 10, 2)
        facts = (await made.read()).facts
        assert (facts.product, facts.version[:2]) == ("Redis", "7.")
        assert [what for what, _ in facts.limits] == ["large"]  # COMMANDLOG is not in it
        assert facts.hit_ratio == pytest.approx(0.75)
        assert [part.name for part in facts.latency] == ["read"]
        await made.close()

    async def test_purge_and_undo(self, redis_server: ValkeyServer) -> None:
        made = Valkey("cache", options(redis_server))
        await made._work.ask([("FLUSHALL",), *(("SET", name, "v", "EX", 90) for name in HOSTILE)], 5)
        action = PurgeKeys(made, "cache", pattern="*")
        assert (await action.plan()).count == len(HOSTILE)
        receipt = await action.run(lambda _progress: None)
        assert receipt.done == len(HOSTILE)
        assert (await action.undo(receipt)).done == len(HOSTILE)
        assert 80 < await made._work.one("TTL", HOSTILE[1], deadline=2) <= 90
        await made.close()
