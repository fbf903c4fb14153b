"""Heat on the slot map and the hottest slots: by key on six real servers, without colour, and in the shell."""

from __future__ import annotations

import asyncio
import csv
import json
from typing import TYPE_CHECKING

import pytest

from perftui.analysis.slots import slot_of
from perftui.cli import main
from tests.screens.cache.shards import CARTS, PAGES, Open, cluster, config, console
from tests.screens.cache.test_shards_tabs import fits, load_on

if TYPE_CHECKING:
    from perftui.lab.cluster import Cluster

__all__ = ["cluster", "config", "console"]

HOT = slot_of(b"page:7")


@pytest.mark.slow
async def test_the_map_shows_keys_time_and_bytes_and_the_table_the_hottest_slots(
    console: Open, cluster: Cluster
) -> None:
    async with load_on(cluster), console("cache.cluster", (160, 48)) as it:
        await it.sees("16,384 of 16,384 served")
        await it.sees("Events")
        await it.press("m")
        await it.sees(r"Hash slots by keys .* slot \d+: \d+ keys at 127\.0\.0\.1:\d+")
        await it.sees(r"<60%  █ up to \d+ keys in slots \d+-\d+")
        await it.sees("Fullest slots")
        await it.press("m")
        await it.sees(
            rf"Hash slots by time of commands .* slot {HOT}: \d+\.\d+% of 127\.0\.0\.1:\d+'s time", 40
        )
        await it.sees(r"█ up to [\d.]+ (µs|ms)/s in slots")
        await it.sees(rf"Hottest slots(.|\n)*\b{HOT} +\d+\.\d+% +\d+\.\d+%")
        await it.press("m")
        await it.sees(rf"Hash slots by bytes both ways .* slot {HOT}: \d+\.\d+% of 127\.0\.0\.1:\d+'s bytes")
        await it.sees(r"█ up to [\d.]+ (K|M)iB/s in slots|█ up to \d+ B/s in slots")
        await it.press("m")
        await it.sees("16,384 of 16,384 served")


@pytest.mark.slow
async def test_a_look_at_the_commands_names_the_key_of_a_hot_slot(console: Open, cluster: Cluster) -> None:
    async with load_on(cluster), console("cache.cluster", (200, 60)) as it:
        await it.sees("16,384 of 16,384 served")
        await it.press("m", "m")
        await it.sees(rf"\b{HOT} +\d+\.\d+%(.|\n)*not watched", 40)
        it.app.go("cache.keys")
        await it.sees("keys 4,900(.|\n)*scanned, f goes on")
        await it.press("H")
        await it.sees("primaries are slower meanwhile")
        await it.press("enter")
        await it.sees(r"page:7 ")
        it.app.go("cache.cluster")
        await it.sees(rf"\b{HOT} +\d+\.\d+%.* page:7", 40)
        await it.sees(rf"slot {HOT}: .* keys?, page:7")


async def test_on_a_small_screen_without_colour_or_blocks(console: Open, cluster: Cluster) -> None:
    size = (80, 24)
    async with (
        load_on(cluster),
        console("cache.cluster", size, {"NO_COLOR": "1", "TERM": "vt100"}) as it,
    ):
        await it.sees("16,384 of 16,384 served")
        await it.press("m")
        await it.sees(r"\. <2%  : <10%  \+ <30%  % <60%  # up to \d+ keys in slots")
        await it.press("v")
        await it.sees("Events")
        await it.press("v", "m")
        await it.sees(rf"Hottest slots(.|\n)*\b{HOT} +\d+\.\d+%", 40)
        text = await it.text()
        assert "█" not in text
        assert "░" not in text
        fits(text, size)
        await it.press("v")
        await it.sees("Nodes")


@pytest.mark.slow
async def test_the_slot_under_the_cursor_is_what_is_moved(console: Open, cluster: Cluster) -> None:
    async with load_on(cluster), console("cache.cluster", (120, 40)) as it:
        await it.sees("16,384 of 16,384 served")
        await it.press("v", "v")
        await it.sees(rf"Hottest slots(.|\n)*\b{HOT} +\d", 40)
        await it.press("home")
        await it.sees(rf"▸ *{HOT} ")
        await it.press("R")
        await it.sees("Move slots to")
        await it.press("enter")
        await it.sees("Move slots of 127")
        await it.press("enter")
        await it.sees(f"slots {HOT} with [1-9] keys?")
        await it.press("escape")


@pytest.mark.slow
async def test_the_shell_says_the_same(
    config: str, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    async def slots(*words: str) -> int:
        return await asyncio.to_thread(main, ["cache", "cluster", "--slots", "--config", config, *words])

    async with load_on(cluster):
        assert await slots() == 0
        text = capsys.readouterr().out
        assert text.count(" slots, ") == 3
        assert f"slot {HOT:>5}  " in text
        assert await slots("--json") == 0
        rows = json.loads(capsys.readouterr().out)
        assert await slots("--csv", "--source", "shards") == 0
        table = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    top = next(row for row in rows if row["slot"] == HOT)
    assert top["source"] == "shards"
    assert 0.2 < top["cpu_share"] <= 1
    assert top["keys"] == sum(slot_of(key) == HOT for key in _keys())
    assert any(int(row["slot"]) == HOT for row in table)
    assert {"slot", "node", "keys", "cpu", "bytes_per_s"} <= table[0].keys()


def _keys() -> list[bytes]:
    return [b"page:%d" % n for n in range(PAGES)] + [b"cart:%d" % n for n in range(CARTS)]
