"""Clients and large commands on the Latency tab: told together, listed, one killed after its number was typed."""

from __future__ import annotations

from typing import Any

import pytest

from perftui.backends.valkey.link import Link, parse_url
from perftui.model.errors import Lost
from tests.screens.cache.conftest import Open
from tests.sizes import sizes


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40), (200, 60)))
async def test_a_client_is_found_and_killed(
    console: Open, raw: Link, valkey: Any, size: tuple[int, int]
) -> None:
    worker = Link(parse_url(valkey.url), "worker-7")
    number = await worker.one("CLIENT", "ID", deadline=5)
    try:
        async with console("cache.latency", size) as it:
            await it.sees("Slow log")
            await it.press("K")
            await it.sees("choose a client first")
            await it.press("b")
            await it.sees(r"Clients by name")
            await it.press("slash", *"worker", "enter")
            await it.sees(r"▸worker-7 +1 ")
            await it.press("enter")
            await it.sees("Clients of name worker-7")
            await it.sees(r"▸worker-7 +127\.0\.0\.1:\d+")
            text = await it.text()
            assert all(len(line) <= size[0] for line in text.splitlines())
            await it.press("K")
            await it.sees("end the connection of worker-7")
            await it.types(str(number))
            await it.sees("killed client")
            with pytest.raises(Lost):
                await worker.one("PING", deadline=5)
            await it.press("escape")
            await it.sees("Clients by name")
            await it.press("b")
            await it.sees("Clients by library")
    finally:
        await worker.close()


async def test_who_may_not_list_them_learns_which_rule_is_missing(console: Open, raw: Link) -> None:
    async with console("cache.latency", (120, 40)) as it:
        await it.sees("Slow log")
        await raw.one("ACL", "SETUSER", "default", "-client|list", deadline=5)
        try:
            await it.press("b")
            await it.sees(r"its ACL needs \+client\|list")
        finally:
            await raw.one("ACL", "SETUSER", "default", "+@all", deadline=5)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_large_requests_stand_beside_the_slow_log(
    console: Open, raw: Link, size: tuple[int, int]
) -> None:
    kept = await raw.one("CONFIG", "GET", "commandlog-request-larger-than", deadline=5)
    await raw.one("CONFIG", "SET", "commandlog-request-larger-than", "5000", deadline=5)
    try:
        async with console("cache.latency", size) as it:
            await raw.one("SET", "page:\x1b[31m", b"x" * 9000, deadline=5)
            await it.sees("Slow log")
            await it.press("v", "v")
            await it.sees(r"8\.8\d KiB request +SET page:")
            assert "\x1b" not in await it.text()
    finally:
        await raw.ask([("CONFIG", "SET", *kept), ("COMMANDLOG", "RESET", "large-request")], 5)
