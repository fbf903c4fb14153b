"""Command streams looked at unasked: only those whose options ask for it, and no failure stops the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from perftui.backends.valkey import Valkey
from perftui.lab.datastores import ValkeyPart
from perftui.lab.whole import Lab
from perftui.model.options import ValkeyOptions
from perftui.runtime.streamwatch import StreamWatch
from tests.waiting import auntil


def valkey(lab: Lab, name: str, every: float, password: str = "") -> Valkey:
    """A reader of the lab's primary."""
    primary = lab.part(ValkeyPart).primary
    return Valkey(
        name, ValkeyOptions(primary.bare_url, password=password or primary.password, watch_every=every)
    )


@pytest.fixture
async def servers(lab: Lab) -> AsyncIterator[dict[str, Valkey]]:
    found = {
        "refusing": valkey(lab, "refusing", 0.1, "wrong"),
        "watched": valkey(lab, "watched", 0.1),
        "quiet": valkey(lab, "quiet", 0.0),
    }
    yield found
    for server in found.values():
        await server.close()


async def test_a_hot_key_is_in_the_reading_before_anybody_asks(lab: Lab, servers: dict[str, Valkey]) -> None:
    async with lab.part(ValkeyPart).primary.client() as client:

        async def hammered() -> bool:
            for _ in range(50):
                await client.get("streamwatch:hot")
            return servers["watched"].watched is not None

        watching = asyncio.ensure_future(StreamWatch(servers).run())
        await auntil(hammered, 20)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    reading = await servers["watched"].read()
    assert reading.facts.watched.keys[0].key == b"streamwatch:hot"
    assert servers["quiet"].watched is None
    assert servers["refusing"].watched is None
