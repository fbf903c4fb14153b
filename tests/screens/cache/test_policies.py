"""Policies tried by a key on the Memory tab of a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey.link import Link, parse_url
from perftui.engines.cache import policytrial
from perftui.engines.cache.policytrial import PolicyTrial
from perftui.model.policytable import PolicyRow
from perftui.screens.cache.policies import columns
from tests.screens.cache.conftest import Open
from tests.sizes import sizes


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40)))
async def test_policies_are_tried_by_a_key(
    console: Open,
    raw: Link,
    valkey: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    monkeypatch.setattr(PolicyTrial.__init__, "__kwdefaults__", PolicyTrial.__init__.__kwdefaults__ | SHORT)

    async def visit() -> None:
        link = Link(parse_url(valkey.url), "visitor")
        try:
            for turn in range(10**9):
                await link.ask([("GET", f"product:{turn % 7}"), ("GET", f"product:{turn % 400}")], 5)
        finally:
            await link.close()

    async with console("cache.memory", size) as it:
        await it.sees("Prefixes")
        task = asyncio.create_task(visit())
        try:
            await it.press("T")
            await it.sees("record what main is asked for in 2 looks")
            await it.sees("none yet: T records|more CPU")
            await it.press("y")
            await it.sees("reads of main are in|Of keys +Entries", within=40)
            await it.sees(r"1(\.\d)?% .* \d", within=40)
            await it.sees("S3-FIFO|s3fifo")
            await it.sees("optimum")
        finally:
            task.cancel()
    assert policytrial.LOOKS == 20
    assert len(list((tmp_path / "state" / "traces").glob("*.trace"))) == 1


SHORT = {"looks": 2, "length": 0.3, "pause": 0.0}


def test_the_best_of_a_row_is_lit_and_the_optimum_is_none() -> None:
    row = PolicyRow(10, 0.1, (("lru", 0.5), ("arc", 0.75), ("optimum", 0.9)))
    cells = {column.key: column.cell(row) for column in columns()}
    assert cells["share"] == ("10.0%", "")
    lit = [key for key, (_, style) in cells.items() if style == "ok"]
    assert len(lit) <= 1
