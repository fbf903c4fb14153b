"""A server that announces more than anybody would read: refused before a parser makes room for it."""

from __future__ import annotations

import time

import pytest

from perftui.backends.valkey.link import Address as ConsoleAddress
from perftui.backends.valkey.link import Link
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.store import open_store
from perftui.model.errors import BackendError, Protocol
from tests.instrument.cache.talker import GREETING, Script
from tests.waiting import auntil

HOSTILE = [
    b"*2147483647\r\n",
    b"*4194304\r\n" * 5000,
    b"*1\r\n" * 100_000,
    b">2000000000\r\n",
    b"%1\r\n*0\r\n:1\r\n",
    b"%1\r\n+k\r\n*4294967295\r\n",
]
AT_ONCE = 0.5  # seconds; the first took sixteen


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
async def test_the_library_hangs_up(answer: bytes) -> None:
    async with Script(GREETING, answer, b"$1\r\nv\r\n") as port:
        store = open_store(f"redis://127.0.0.1:{port}")
        began = time.process_time()
        with pytest.raises(Protocol, match="no answer that can be read"):
            await store.get(b"k", within=5)
        assert time.process_time() - began < AT_ONCE
        await auntil(lambda: reads(store))
        await store.close()


async def reads(store: Store) -> bool:
    try:
        return await store.get(b"k", within=1) == b"v"
    except BackendError:
        return False


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
async def test_the_console_hangs_up(answer: bytes) -> None:
    async with Script([b"+OK\r\n"], answer, b"$1\r\nv\r\n") as port:
        link = Link(ConsoleAddress(port=port))
        began = time.process_time()
        with pytest.raises(Protocol, match="does not speak the Redis protocol"):
            await link.one("GET", "k", deadline=5)
        assert time.process_time() - began < AT_ONCE
        assert await link.one("GET", "k", deadline=5) == b"v"
        await link.close()
