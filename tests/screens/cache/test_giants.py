"""A value of half a gigabyte and a list of a million: looked at, weighed, purged, and never read whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from perftui.backends.valkey.link import Link
from perftui.cli import main
from tests.screens.cache.conftest import Open

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

pytestmark = pytest.mark.slow

HALF_A_GIGABYTE = 512 << 20
READ = 8 << 20  # bytes the server may say while all this is looked at


@pytest.fixture
async def giants(raw: Link, valkey: ValkeyServer) -> AsyncIterator[Link]:
    """Both of them, in a server that has room."""
    kept = (await raw.one("CONFIG", "GET", "maxmemory", deadline=2))[1]
    await raw.one("CONFIG", "SET", "maxmemory", 0, deadline=2)
    await raw.one("SETRANGE", "giant:value", HALF_A_GIGABYTE - 1, "x", deadline=60)
    for _ in range(100):
        await raw.one("RPUSH", "giant:list", *(b"%d" % n for n in range(10_000)), deadline=10)
    yield raw
    await raw.one("FLUSHALL", deadline=60)
    await raw.one("CONFIG", "SET", "maxmemory", kept, deadline=2)


async def said(raw: Link) -> int:
    """Bytes the server has sent to anybody so far."""
    text = (await raw.one("INFO", "stats", deadline=2)).decode()
    return int(text.split("total_net_output_bytes:")[1].split()[0])


async def test_looking_at_them_reads_little(console: Open, giants: Link) -> None:
    before = await said(giants)
    async with console("cache.keys", (160, 48)) as it:
        await it.sees("of 507")
        await it.press("=")
        await it.types("giant:*")
        await it.sees("giant:value")
        await it.sees(r"5\d\d MiB|6\d\d MiB|0\.5 GiB|512")
        for name, more in (("giant:value", "512 MiB"), ("giant:list", "1,000,000 elements")):
            await it.press("=", *["backspace"] * 12)
            await it.types(name)
            await it.sees(f"▸{name}")
            await it.press("enter")
            await it.sees(f"f goes on of {more}")
            await it.press("f", "escape")
        for key in ("escape", "s", "s"):
            await it.press(key)
            await it.text()
        it.app.go("cache.memory")
        await it.sees("giant:")
        await it.press("v", "v", "v", "r")
        await it.text()
        it.app.go("cache.keys")
        await it.press("p")
        await it.types("giant:*")
        await it.sees("2 of 507 keys match")
        await it.types("giant:*")
        await it.sees("2 keys moved to quarantine", within=30)
        await it.press("u")
        await it.sees("undo: 2 keys moved")
        await it.press("y")
        await it.sees("2 keys restored", within=30)
    assert await giants.one("STRLEN", "giant:value", deadline=2) == HALF_A_GIGABYTE
    assert await said(giants) - before < READ


@pytest.mark.parametrize(
    "words", [["big"], ["memory"], ["keys", "giant:*"], ["keys", "--prefixes"], ["doctor"]]
)
async def test_a_shell_reads_little(
    config: str, giants: Link, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = await said(giants)
    verb, *more = words
    await asyncio.to_thread(main, ["cache", verb, *more, "--config", config])
    out = capsys.readouterr().out
    assert "giant" in out or verb == "doctor"
    assert await said(giants) - before < READ
