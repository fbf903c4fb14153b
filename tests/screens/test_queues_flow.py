"""Queues and pools on the API tab of the real console."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import pytest

from perftui.analysis.queues import Paces, lying
from perftui.app import Options, PerftuiApp
from perftui.backends.valkey.link import Link, parse_url
from perftui.config import load
from perftui.draw.rows import Look, Size, plain
from perftui.lab import Lab
from perftui.lab.datastores import ValkeyPart
from perftui.model.queues import QueueDepth
from perftui.model.series import SeriesKey
from perftui.screens.overview import queues
from perftui.session import Session
from tests.console import Console, console, state_dir
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


JOBS = [
    ("HSET", "bull:mail:meta", "v", 6),
    ("RPUSH", "bull:mail:wait", *range(30)),
    ("SET", "bull:mail:id", 30),
]
MORE = [("RPUSH", "bull:mail:wait", *range(20)), ("SET", "bull:mail:id", 50)]


@pytest.fixture
async def link(lab: Lab) -> AsyncIterator[Link]:
    made = Link(parse_url(lab.part(ValkeyPart).primary.url))
    await made.ask(JOBS, 5)
    yield made
    await made.ask([("DEL", "bull:mail:wait", "bull:mail:id", "bull:mail:meta")], 5)
    await made.close()


@pytest.mark.usefixtures("link")
async def test_queues_of_the_server_and_pools_are_there(lab: Lab) -> None:
    async with console(lab, "overview.api", (160, 50)) as seen:
        await seen.sees(r"mail +BullMQ +30 ", within=60)
        await seen.sees(r"max_connections +[█░]+ \d+ of \d+ in use")
        await seen.sees(r"shop pool")
        await seen.pilot.resize_terminal(80, 24)
        await seen.sees(r"mail +BullMQ +30")


@pytest.mark.usefixtures("link")
async def test_queues_are_shown_and_remembered_where_a_cache_server_is_all_there_is(lab: Lab) -> None:
    config = load(lab.config_path(), "lab", {})
    cache = next(name for name, backend in config.environment.backends.items() if backend.kind == "valkey")
    app = PerftuiApp(
        lambda env: Session.open(config, config.environment, only={cache}),
        Options(screen="overview.api"),
        environment={"TERM": "xterm-256color"},
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await Console(app, pilot).sees(r"mail +BullMQ +30 ", within=30)
        key = SeriesKey(cache, "queue.waiting", (("queue", "mail"), ("system", "BullMQ")))
        found = await until(lambda: app.session.rings.series(key, 0.0, math.inf), 30)
        assert [sample.value for sample in found] == [30.0] * len(found)
        assert [view.depth.name for view in lying(app.session.frame("cache").report)] == ["mail"]


@pytest.mark.slow
async def test_a_queue_that_grows_has_a_pace(lab: Lab, link: Link) -> None:
    async with console(lab, "overview.api", (160, 50)) as seen:
        await seen.sees(r"mail +BullMQ +30 ", within=60)
        await link.ask(MORE, 5)
        await seen.sees(r"mail +BullMQ +50 .* [\d.]+/s +0/s ", within=30)


def depth(at: float, waiting: int, added: int) -> QueueDepth:
    return QueueDepth("c", "BullMQ", "q", at, waiting, added=added)


def test_a_pace_survives_being_drawn_twice() -> None:
    paces = Paces()
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
