"""Remote-write: what an agent measures can be asked for at a real Prometheus that never scraped it."""

from __future__ import annotations

import asyncio
import math
import time

import psutil
import pytest

from perftui.backends.httppost import HttpPost
from perftui.config import load
from perftui.export.families import Family
from perftui.export.remotewrite import BACKLOG, Pusher, block, rows_of, write_request
from perftui.model.errors import ConfigError
from perftui.model.health import Link
from perftui.model.metrics import NAME, is_stale
from perftui.model.notify import Reply, Request
from tests.agents import agent, written
from tests.needs import needs
from tests.promserver import PROGRAM, Server
from tests.waiting import auntil, until

CONFIG = """
[env.lab]
kind = "lab"
[env.lab.backends.host]
[remote_write]
url = "{url}/api/v1/write"
every = 1
labels = {{region = "north"}}
"""


@pytest.fixture
def server(tmp_path):
    needs("prometheus", PROGRAM is not None, "install the package prometheus")
    made = Server(tmp_path / "prometheus")
    yield made
    made.stop()


def asked(server, expr, at=None):
    told = server.ask("query", query=expr, **({"time": at} if at else {}))
    return {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in told["data"]["result"]}


@pytest.mark.slow
@pytest.mark.needs("prometheus")
async def test_the_samples_of_an_agent_can_be_asked_for(server, tmp_path):
    config = written(tmp_path / "c.toml", CONFIG.format(url=server.url))
    async with agent(config, tmp_path / "state") as one:

        async def there():
            return await asyncio.to_thread(asked, server, 'node_memory_MemTotal_bytes{region="north"}')

        found = await auntil(there, 60)
        assert list(found.values()) == [psutil.virtual_memory().total]
        rate = 'sum by (region) (rate(node_cpu_seconds_total{region="north"}[1m]))'

        async def used():
            return any(0 < value < 1000 for value in (await asyncio.to_thread(asked, server, rate)).values())

        await auntil(used, 30)
        up = asked(server, 'perftui_source_up{kind="host"}')
        assert [dict(labels)["region"] for labels in up] == ["north"]
        assert await one.end() == 0


@pytest.mark.needs("prometheus")
async def test_every_kind_of_family_arrives_and_a_series_that_is_gone_ends(server):
    histogram = Family("took_seconds", "histogram", "h")
    cells = (("_bucket", (("le", "0.1"),), 3.0), ("_bucket", (("le", "+Inf"),), 4.0), ("_count", (), 4.0))
    histogram.put_cells((("route", "/ü\n"),), cells)
    gauge = Family("level", "gauge", "g")
    gauge.put((("a", ""),), -1.5)
    counter = Family("things", "counter", "c")
    counter.put((), 1e15)
    now, families, told = [time.time() - 30], [histogram, gauge, counter], []

    async def current():
        return list(families)

    post = HttpPost()
    pusher = pusher_of(f"{server.url}/api/v1/write", current, post, lambda: now[0], told)
    await pusher.tick()
    assert [health.link for health in told] == [Link.LIVE]
    at = now[0] + 1
    assert asked(server, "level", at) == {((NAME, "level"), ("region", "n")): -1.5}
    assert list(asked(server, "things_total", at).values()) == [1e15]
    bucket = asked(server, 'took_seconds_bucket{le="0.1", route="/ü\\n"}', at)
    assert list(bucket.values()) == [3.0]
    families.remove(gauge)
    now[0] += 10
    await pusher.tick()
    assert asked(server, "level", now[0] + 1) == {}  # at once, not after five minutes
    assert list(asked(server, "things_total", now[0] + 1).values()) == [1e15]
    await post.close()


def pusher_of(url, families, post, clock, told, ours=lambda: True):
    return Pusher(Request(url, b""), 0.01, {"region": "n"}, families, post, clock, told.append, ours)


class Away:
    """A server that answers as it is told, and keeps what it took."""

    def __init__(self):
        self.status, self.bodies, self.headers = 503, [], {}

    async def __call__(self, request):
        self.headers = request.headers
        if self.status == 200:
            self.bodies.append(request.body)
        return Reply(self.status, b"out of \x1b[2J order")


async def test_what_could_not_be_sent_waits_in_order_and_is_bounded():
    gauge, away, told, now = Family("level", "gauge", "g"), Away(), [], [1000.0]
    gauge.put((), 1.0)

    async def current():
        return [gauge]

    pusher = pusher_of("http://x", current, away, lambda: now[0], told)
    for _ in range(BACKLOG + 3):
        now[0] += 1
        await pusher.tick()
    assert {health.link for health in told} == {Link.LOST}
    assert "503" in told[-1].error
    away.status = 200
    now[0] += 1
    await pusher.tick()
    assert told[-1].link is Link.LIVE
    expected = [block(write_request(rows_of([gauge], {"region": "n"}), at)) for at in instants(now[0])]
    assert away.bodies == expected
    assert away.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    away.status = 400  # it never will take this: no use in trying again
    await pusher.tick()
    assert (told[-1].link, len(pusher._waiting)) == (Link.REFUSED, 0)


def instants(last):
    return [last - n for n in range(BACKLOG - 1, -1, -1)]


async def test_only_the_one_whose_turn_it_is_pushes():
    away, told, turn, looked = Away(), [], [False], []

    def ours():
        looked.append(turn[0])
        return turn[0]

    away.status = 200
    gauge = Family("level", "gauge", "g")
    gauge.put((), 1.0)

    async def current():
        return [gauge]

    pusher = pusher_of("http://x", current, away, time.time, told, ours)
    task = asyncio.ensure_future(pusher.run())
    await until(lambda: len(looked) >= 3)
    assert away.bodies == []
    turn[0] = True
    await until(lambda: len(away.bodies) >= 2)
    task.cancel()


def test_labels_are_sorted_empty_ones_left_out_and_gone_ones_marked():
    family = Family("level", "gauge", "g")
    family.put((("z", "1"), ("a", "2"), ("none", "")), math.inf)
    (labels,) = rows_of([family], {"m": "3"})
    assert labels == ((NAME, "level"), ("a", "2"), ("m", "3"), ("z", "1"))
    assert is_stale(math.nan) is False


def test_a_block_is_what_every_reader_of_snappy_takes():
    assert block(b"") == b"\x00"
    assert block(b"abc") == b"\x03\xf4\x02\x00abc"
    big = block(b"x" * 70_000)
    assert big[:6] == b"\xf0\xa2\x04\xf4\xff\xff"
    assert len(big) == 70_000 + 3 + 2 * 3


@pytest.mark.parametrize(
    ("line", "said"),
    [("every = 0", "1 to 3600"), ('token = "env:A"\nuser = "b"', "either `token` or `user`")],
)
def test_settings_that_cannot_be_are_refused(tmp_path, line, said):
    text = f'[remote_write]\nurl = "http://127.0.0.1:1/w"\n{line}\n'
    with pytest.raises(ConfigError, match=said):
        load(written(tmp_path / "c.toml", text))
