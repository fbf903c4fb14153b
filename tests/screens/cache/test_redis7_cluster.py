"""The Cluster tab on Redis 7.0: slots move key by key, since it cannot move them at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from perftui.cli import main
from perftui.lab.cluster import Cluster
from tests.redis7 import redis_cluster
from tests.screens.cache.test_cluster_tab import (
    Open,
    config,
    console,
    test_a_dead_primary_on_a_small_screen,
    test_map_nodes_and_a_switchover_undone,
)

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

__all__ = [
    "config",
    "console",
    "test_a_dead_primary_on_a_small_screen",
    "test_map_nodes_and_a_switchover_undone",
]
pytestmark = pytest.mark.slow


@pytest.fixture
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    async with redis_cluster(server_folder) as made:
        yield made


async def test_slots_move_one_after_the_other(
    cluster: Cluster, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (f"{m.host}:{m.port}" for m in cluster.masters[:2])
    how = ["--config", config, "--yes"]
    code = await asyncio.to_thread(main, ["cache", "reshard", first, second, "20", *how])
    assert (code, "one after the other" in capsys.readouterr().out) == (0, True)


async def test_what_it_cannot_count_is_named_and_the_rest_works(
    cluster: Cluster, config: str, console: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    async with console() as it:
        await it.sees("16,384 of 16,384 served")
        await it.press("m")
        await it.sees(r"Hash slots by keys .*counts no slots")
        await it.sees(r"A 127.0.0.1:\d+ +primary +ok")
        await it.press("m", "m", "m")
        await it.sees("16,384 of 16,384 served")
    words = ["cache", "cluster", "--config", config]
    assert await asyncio.to_thread(main, [*words, "--slots"]) == 1
    assert "CLUSTER SLOT-STATS needs Valkey 8.0 or Redis 8.2" in capsys.readouterr().err
    assert await asyncio.to_thread(main, words) == 0
