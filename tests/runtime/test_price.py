"""What it costs to watch a real server, beside what that server counted itself."""

from __future__ import annotations

import asyncio
import time

import pytest

from perftui.backends.valkey import Valkey
from perftui.engines.price import PriceEngine
from perftui.model.options import ValkeyOptions
from perftui.model.price import Budget
from perftui.runtime.clock import Clock
from perftui.runtime.poller import Poller
from perftui.runtime.price import Price, resident, usual_worst
from perftui.runtime.rings import MOST_SERIES, Rings
from perftui.runtime.tasks import Crew
from perftui.runtime.topic import Topic
from perftui.runtime.wires import OWNER, Wire, listen
from tests.waiting import until


@pytest.fixture
async def crew():
    async with Crew("price") as made:
        yield made


def poller_of(valkey):
    options = ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password)
    return Poller(Valkey("cache", options), Topic(), Clock())


async def test_reads_waiting_and_bytes_are_what_the_server_saw(valkey, crew):
    poller = poller_of(valkey)
    rings, topic = Rings(), Topic("price")
    price = Price(PriceEngine(Budget()), {"cache": poller}, rings, Clock(), topic, rings.record, lambda: 5000)
    before = await counted(valkey)
    with poller.topic.hold():
        crew.start("poll", poller.run())
        price._mark()
        await until(lambda: poller.reads >= 3, 20)
        price._late.clear()
        price._late.append(0.125)
        told = len(poller.topic.value.reading.samples)
        price.tick()
        after = await counted(valkey)
    report = topic.value.report
    (one,) = report.sources
    assert (one.name, one.kind, report.loop_lag_s) == ("cache", "valkey", 0.125)
    assert one.reads_per_s * report.window == pytest.approx(poller.reads, abs=1)
    assert 0 < one.wait_ratio * report.window == pytest.approx(poller.waited, rel=0.5)
    assert one.mean_s == pytest.approx(one.wait_ratio / one.reads_per_s)
    # The server's own counters hold what this test asked as well: a few hundred bytes.
    got, sent = one.in_bytes_per_s * report.window, one.out_bytes_per_s * report.window
    assert got > 1000
    assert 0 < sent < after["in"] - before["in"]
    assert got <= after["out"] - before["out"] <= got + 60_000
    assert report.terminal_bytes_per_s == 0  # nothing was sent between the two marks
    assert report.rss_bytes == pytest.approx(resident(), rel=0.5)
    assert report.series == told >= 10
    assert report.most_series == MOST_SERIES
    names = {key.name for key in rings.keys("perftui")}
    assert {"cpu_ratio", "rss_bytes", "loop_lag_s", "terminal_bytes_per_s", "backend.wait_ratio"} <= names


async def counted(valkey):
    async with valkey.client() as client:
        info = await client.info("stats")
    return {"in": info["total_net_input_bytes"], "out": info["total_net_output_bytes"]}


async def test_cpu_and_lag_are_noticed(crew):
    topic = Topic("price")
    price = Price(PriceEngine(Budget()), {}, Rings(), Clock(), topic, lambda _reading: None, lambda: None)
    price._mark()
    beat = crew.start("beat", price._beat(0.01))
    await asyncio.sleep(0)
    end = time.process_time() + 0.3
    while time.process_time() < end:  # hold the loop up, on purpose
        pass
    await beat
    price.tick()
    report = topic.value.report
    assert report.loop_lag_s > 0.2
    assert report.cpu_ratio * report.window == pytest.approx(0.3, abs=0.2)
    assert report.terminal_bytes_per_s is None


async def test_bytes_of_connections_that_were_closed_still_count(crew):
    async def serve(reader, writer):
        writer.write(b"x" * 5000 + await reader.readexactly(100))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    wire, port = Wire(), server.sockets[0].getsockname()[1]
    listen(asyncio.get_running_loop())
    assert wire.count() is None

    async def ask():
        OWNER.set(wire)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"y" * 100)
        assert len(await reader.read()) == 5100  # to the end: the next turn of the loop closes it
        writer.close()
        await writer.wait_closed()

    await crew.start("ask", ask(), watched=True)
    await crew.start("ask", ask(), watched=True)
    sent, received = wire.count()
    assert (received // 10, sent // 10) == (1020, 20)  # the end of a stream counts for a byte
    await asyncio.sleep(0)
    sent, received = wire.count()
    assert (received // 10, sent // 10) == (1020, 20)

    async def elsewhere():
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    await elsewhere()
    assert wire.count() == (sent, received)
    server.close()


def test_one_bad_moment_in_a_minute_is_not_its_lag():
    assert usual_worst([]) == 0.0
    assert usual_worst([0.01] * 238 + [3.0, 2.0]) == 0.01
    assert usual_worst([0.01] * 200 + [0.5] * 40) == 0.5
