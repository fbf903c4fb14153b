"""Redis 7.0 where the lab's servers are Valkey: the last one under its old licence, and what many still run."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from perftui.lab.cluster import Cluster
from perftui.lab.valkey import ValkeyServer
from tests.needs import needs
from tests.topologies import a_cluster


@contextmanager
def on_redis() -> Iterator[None]:
    """What the lab starts meanwhile is Redis."""
    program = shutil.which("redis-server")
    needs("redis-server", program is not None, "apt install redis-server")
    assert program is not None
    with patch("perftui.lab.valkey.server_program", return_value=Path(program)):
        yield


@asynccontextmanager
async def redis(folder: Any, name: str, primary: ValkeyServer | None = None) -> AsyncIterator[ValkeyServer]:
    """One server, or a replica."""
    server = ValkeyServer(folder, name, primary)
    with on_redis():
        await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def redis_cluster(folder: Any) -> AsyncIterator[Cluster]:
    """Three masters and their replicas."""
    made = a_cluster(folder)
    try:
        with on_redis():
            await made.start()
        yield made
    finally:
        await made.stop()
