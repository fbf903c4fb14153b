"""Servers and stores of the cache library's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.store import open_store
from tests.conftest import need_valkey

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.valkey import ValkeyServer


@pytest.fixture(scope="session")
async def l2(server_folder: Folder) -> AsyncIterator[ValkeyServer]:
    """A Valkey for the library alone: tests kill, hang and flush it."""
    from perftui.lab.valkey import ValkeyServer

    need_valkey()
    server = ValkeyServer(server_folder, "cache-l2")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def store(l2: ValkeyServer) -> AsyncIterator[Store]:
    """A store on it, flushed."""
    if not l2.pid:
        await l2.start()
    made = open_store(l2.url)
    await made.command("FLUSHALL", key=b"")
    yield made
    await made.close()


@pytest.fixture
async def other(l2: ValkeyServer, store: Store) -> AsyncIterator[Store]:
    """Another process' store on the same server."""
    made = open_store(l2.url)
    await made.command("PING", key=b"")
    yield made
    await made.close()
