"""Queues and pools on the API tab of the real console."""

from __future__ import annotations

import asyncio

import pytest

from perftui.backends.valkey.link import Link, parse_url
from perftui.draw.rows import Look, Size, plain
from perftui.lab import Lab
from perftui.lab.datastores import ValkeyPart
from perftui.model.queues import QueueDepth
from perftui.screens.overview import queues
from tests.console import console, state_dir

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


async def test_queues_of_the_server_and_pools_are_there_with_depth_and_pace(lab: Lab) -> None:
    link = Link(parse_url(lab.part(ValkeyPart).primary.url))
    try:
        jobs = [("RPUSH", "bull:mail:wait", *range(30)), ("SET", "bull:mail:id", 30)]
        await link.ask([("HSET", "bull:mail:meta", "v", 6), *jobs], 5)
        async with console(lab, "overview.api", (160, 50)) as seen:
            await seen.sees(r"mail +BullMQ +30 ", within=60)
            await seen.sees(r"max_connections +[█░]+ \d+ of \d+ in use")
            await seen.sees(r"shop pool")
            await link.ask([("RPUSH", "bull:mail:wait", *range(20)), ("SET", "bull:mail:id", 50)], 5)
            await seen.sees(r"mail +BullMQ +50 .* 0(\.0+)?/?s? ", within=30)
            await seen.pilot.resize_terminal(80, 24)
            await seen.sees(r"mail +BullMQ +50")
    finally:
        await link.ask([("DEL", "bull:mail:wait", "bull:mail:id", "bull:mail:meta")], 5)
        await link.close()
        await asyncio.sleep(0)


def depth(at: float, waiting: int, added: int) -> QueueDepth:
    return QueueDepth("c", "BullMQ", "q", at, waiting, added=added)


def test_a_pace_survives_being_drawn_twice() -> None:
    paces = queues.Paces()
    paces.views([depth(100, 10, 10)])
    (view,) = paces.views([depth(110, 5, 30)])
    assert (view.in_per_s, view.out_per_s) == (2, 2.5)
    assert paces.views([depth(110, 5, 30)]) == [view]
    assert paces.views([]) == []


def test_a_pool_is_a_bar_with_its_limit() -> None:
    rows = queues.pool_rows([("db max_connections", 95, 100, 3), ("x pool", 1, 0, 0)], Size(80, 3), Look())
    text = plain(rows)
    assert "█" * 19 + "░ 95 of 100 in use, 3 waiting" in text[0]
    assert rows[0][1].style == "crit" or any(span.style == "crit" for span in rows[0])
    assert "1 of 0 in use" in text[1]
    assert all(len(row) == 80 for row in text)
