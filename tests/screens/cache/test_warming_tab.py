"""The Warming tab on a real cache of this process: its sets, and having one warmed again by a key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey import nodes
from perftui.backends.valkey.link import Link
from perftui.instrument.cache import Cache
from perftui.instrument.cache import stats as publishing
from perftui.instrument.cache.warming import Warming
from perftui.model.warmask import WarmSet
from perftui.screens.cache import warming as tab
from perftui.screens.cache.warming import columns, state
from tests.screens.cache.conftest import Open
from tests.sizes import sizes


class Source:
    """Loads anything, and counts."""

    def __init__(self) -> None:
        self.loads = 0

    async def load(self, keys: Sequence[str]) -> dict[str, Any]:
        self.loads += len(keys)
        return {key: f"value of {key}" for key in keys}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "EVERY", 0.2)
    monkeypatch.setattr(nodes, "EVERY", 0.0)
    monkeypatch.setattr(tab, "EVERY", 0.2)


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40)))
async def test_sets_are_shown_and_warmed_again(
    console: Open, raw: Link, valkey: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    url = f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0"
    async with console("cache.warming", size) as it:
        await it.sees("no process publishes counters")
        source = Source()
        async with Cache("shop", l2=url, source=source) as cache:
            warming = Warming(cache, [f"k{n}" for n in range(40)], rate=None, asked_every=0.2)
            assert await warming.ready(1.0)
            await it.sees(r"shop +start .*warm +40 of 40 .* 1 ")
            assert source.loads == 40
            await cache.clear()
            await it.press("r")
            await it.sees("warm main shop start")
            await it.press("y")
            await it.sees(r"shop +start .*warm +40 of 40 .* 2 ", within=30)
            await it.sees("40 keys loaded at 1 node", within=30)
            assert source.loads == 80
        await it.sees("no process publishes counters", within=30)
        await it.press("r")
        await it.sees("no job or warm set is under the cursor")
    audit = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert {entry["action"] for entry in audit if entry.get("action")} == {"cache.warm"}


def test_what_a_node_does_with_its_set() -> None:
    def one(**more: Any) -> WarmSet:
        fields = {"runs": 0, "loaded": 0, "skipped": 0, "failed": 0, "total": 10, "left": 0, "leads": False}
        return WarmSet("shop", "n" * 32, "start", **{**fields, **more})

    assert [state(o)[0] for o in (one(), one(runs=1), one(left=3, leads=True), one(left=3))] == [
        "not begun",
        "warm",
        "loading",
        "waits",
    ]
    cells = {column.key: column.text(one(left=3)) for column in columns()}
    assert (cells["node"], cells["done"], cells["part"]) == ("nnnnnnnn", "7 of 10", "█" * 11)
    assert {column.key: column.text(one(total=0)) for column in columns()}["part"] == ""
