"""Queues in a real server: BullMQ by its own client where it is installed, and the layouts they document."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from perftui.backends.valkey import Valkey, queues
from perftui.backends.valkey.link import Link, parse_url
from perftui.model.options import ValkeyOptions
from perftui.model.queues import QueueDepth, pace
from tests.needs import needs

MODULES = os.environ.get("PERFTUI_NODE_MODULES", "")
SCRIPT = """
const { Queue, Worker } = require('bullmq');
const connection = { host: '127.0.0.1', port: +process.argv[1], password: process.argv[2], maxRetriesPerRequest: null };
(async () => {
  const q = new Queue('mail', { connection });
  for (let i = 0; i < 7; i++) await q.add('send', { i });
  for (let i = 0; i < 2; i++) await q.add('urgent', { i }, { priority: 1 });
  for (let i = 0; i < 3; i++) await q.add('later', { i }, { delay: 3600000 });
  const c = await q.getJobCounts('wait', 'prioritized', 'delayed', 'active', 'failed', 'completed');
  console.log(JSON.stringify(c));
  const held = [];
  const w = new Worker('mail', () => new Promise(done => held.push(done)), { connection, concurrency: 2 });
  while (held.length < 2) await new Promise(r => setTimeout(r, 10));
  console.log(JSON.stringify(await q.getJobCounts('wait', 'prioritized', 'delayed', 'active', 'failed', 'completed')));
  process.stdin.once('data', () => process.exit(0));
})();
"""


@pytest.fixture
async def raw(valkey):
    link = Link(parse_url(valkey.url))
    await link.one("FLUSHALL", deadline=5)
    yield link
    await link.close()


@pytest.fixture
async def server(valkey, raw):
    options = ValkeyOptions(
        url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password, queues=("jobs", "events")
    )
    made = Valkey("cache", options)
    await made.open()
    yield made
    await made.close()


async def by_name(server):
    return {(look.system, look.name): look for look in await server.queues()}


@pytest.fixture
def at_once(monkeypatch):
    """A look at queues with every read, and a search with each."""
    monkeypatch.setattr(queues, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(queues, "FIND_RARELY", 0.0)


def figures(reading, queue):
    return {
        m.key.name.removeprefix("queue."): m.value
        for m in reading.samples
        if m.key.name.startswith("queue.") and dict(m.key.labels)["queue"] == queue
    }


async def bullmq(valkey):
    """A producer and a worker of BullMQ's own client, that have told their counts; `stdin` ends them."""
    node = shutil.which("node")
    needs(
        "bullmq", bool(node) and (Path(MODULES) / "bullmq").is_dir(), "PERFTUI_NODE_MODULES names its folder"
    )
    return await asyncio.create_subprocess_exec(
        node,
        "-e",
        SCRIPT,
        str(valkey.port),
        valkey.password,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_PATH": MODULES},
    )


async def test_a_look_at_the_server_has_figures_of_its_bullmq_queues(server, valkey, at_once):
    process = await bullmq(valkey)
    try:
        async with asyncio.timeout(30):
            await process.stdout.readline()
            counts = json.loads(await process.stdout.readline())
        reading = await server.read()
        (view,) = (view for view in reading.facts.queues if view.depth.system == "BullMQ")
        said = figures(reading, "mail")
        assert said["waiting"] == view.depth.waiting == counts["wait"] + counts["prioritized"]
        assert (said["active"], said["delayed"], said["failed"]) == (2, 3, 0)
        assert 0 <= said["oldest_s"] < 60
        said = figures(await server.read(), "mail")
        assert (said["in_per_s"], said["out_per_s"]) == (0, 0)
    finally:
        process.stdin.write(b"end\n")
        await process.wait()


async def test_lists_and_streams_have_figures_whose_cost_is_not_taken_for_traffic(server, raw, at_once):
    await raw.ask(
        [
            ("LPUSH", "jobs", *range(4)),
            ("XADD", "events", "*", "f", 1),
            ("HSET", "a:b:meta", "x", 1),
            ("SADD", "rq:queues", "rq:queue:default"),
            ("RPUSH", "rq:queue:default", "gone"),
        ],
        5,
    )
    await server.read()
    await raw.ask([("LPUSH", "jobs", 5), ("XADD", "events", "*", "f", 1)], 5)
    reading = await server.read()
    assert figures(reading, "jobs") == {"waiting": 5, "active": 0, "delayed": 0, "failed": 0}
    assert figures(reading, "events")["waiting"] == 2
    assert figures(reading, "events")["in_per_s"] > 0
    assert figures(reading, "default")["waiting"] == 1
    assert not figures(reading, "b")  # a key with such a name makes no queue
    again = await server.read()  # between these two nobody but the console asked
    assert (again.facts.hits_per_s, again.facts.misses_per_s) == (0, 0)


async def test_queues_are_looked_at_every_ten_seconds_and_not_with_every_read(server, raw):
    await raw.ask([("LPUSH", "jobs", *range(4))], 5)
    first = await server.read()
    await raw.one("CONFIG", "RESETSTAT", deadline=5)
    reading = await server.read()
    assert reading.facts.queues == first.facts.queues != ()
    assert not figures(reading, "jobs")
    said = (await raw.one("INFO", "commandstats", deadline=5)).decode()
    assert "cmdstat_llen" not in said
    assert "cmdstat_scan" not in said


async def test_a_user_who_may_not_look_at_queues_is_told_so_and_asked_rarely(valkey, raw, monkeypatch):
    monkeypatch.setattr(queues, "LOOK_EVERY", 0.0)
    await raw.one("ACL", "SETUSER", "narrow", "on", ">pass", "~*", "+@all", "-scan", deadline=5)
    options = ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", username="narrow", password="pass")
    made = Valkey("cache", options)
    try:
        await made.open()
        reading = await made.read()
        assert "+scan" in reading.facts.limit("queues")
        assert reading.facts.used_bytes > 0
        await raw.one("CONFIG", "RESETSTAT", deadline=5)
        assert "+scan" in (await made.read()).facts.limit("queues")
        assert "cmdstat_scan" not in (await raw.one("INFO", "commandstats", deadline=5)).decode()
    finally:
        await made.close()
        await raw.one("ACL", "DELUSER", "narrow", deadline=5)


async def test_a_stream_that_is_deleted_costs_only_itself(server, raw):
    await raw.ask([("LPUSH", "jobs", *range(4)), ("XADD", "events", "*", "f", 1)], 5)
    assert ("stream", "events") in await by_name(server)
    await raw.ask([("DEL", "events"), ("LPUSH", "events", 1)], 5)
    assert set(await by_name(server)) == {("list", "jobs")}
    assert ("list", "events") in await by_name(server)


async def test_bullmq_is_counted_as_its_own_client_counts(server, valkey):
    process = await bullmq(valkey)
    try:
        async with asyncio.timeout(30):
            json.loads(await process.stdout.readline())
            counts = json.loads(await process.stdout.readline())
        look = (await by_name(server))["BullMQ", "mail"]
        assert look.waiting == counts["wait"] + counts["prioritized"]
        assert (
            (look.active, look.delayed, look.failed)
            == (2, 3, 0)
            == (counts["active"], counts["delayed"], counts["failed"])
        )
        assert look.added == 12
        assert 0 <= look.oldest < 60
    finally:
        process.stdin.write(b"end\n")
        await process.wait()


async def test_the_documented_layout_of_bullmq_old_and_new(server, raw):
    now = time.time()
    await raw.ask(
        [
            ("HSET", "bull:a:meta", "opts.maxLenEvents", 10000),
            ("SET", "bull:a:id", 40),
            ("RPUSH", "bull:a:wait", "5", "4", "3"),
            ("HSET", "bull:a:3", "timestamp", int((now - 90) * 1000)),
            ("ZADD", "bull:a:prioritized", 1, "6", 2, "7"),
            ("RPUSH", "bull:a:active", "1", "2"),
            ("ZADD", "bull:a:delayed", 1, "8"),
            ("ZADD", "bull:a:failed", 1, "9"),
            ("HSET", "bull:old:meta", "x", 1),
            ("RPUSH", "bull:old:paused", "1", "2"),
            ("RPUSH", "bull:old:wait", "3", "0:0"),
        ],
        5,
    )
    found = await by_name(server)
    a, old = found["BullMQ", "a"], found["BullMQ", "old"]
    assert (a.waiting, a.active, a.delayed, a.failed, a.added) == (5, 2, 1, 1, 40)
    assert a.oldest == pytest.approx(90, abs=5)
    assert (old.waiting, old.oldest, old.added) == (3, None, None)  # the marker is no job


async def test_rq_celery_lists_and_streams(server, raw):
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now - 30)) + ".000000Z"
    await raw.ask(
        [
            ("SADD", "rq:queues", "rq:queue:default"),
            ("RPUSH", "rq:queue:default", "j1", "j2"),
            ("HSET", "rq:job:j1", "enqueued_at", stamp),
            ("ZADD", "rq:wip:default", 1, "j0"),
            ("ZADD", "rq:scheduled:default", 1, "j9"),
            ("SADD", "_kombu.binding.celery", "celery\x06\x16\x06\x16celery"),
            ("SADD", "_kombu.binding.celeryev", "worker.#"),
            ("LPUSH", "celery", "x", "y", "z"),
            ("LPUSH", "jobs", *range(4)),
            ("XGROUP", "CREATE", "events", "g", "0", "MKSTREAM"),
            *(("XADD", "events", f"{int((now - 20) * 1000)}-{n}", "f", n) for n in range(1, 6)),
        ],
        5,
    )
    found = await by_name(server)
    rq = found["RQ", "default"]
    assert (rq.waiting, rq.active, rq.delayed) == (2, 1, 1)
    assert rq.oldest == pytest.approx(30, abs=5)
    assert found["Celery", "celery"].waiting == 3
    assert ("Celery", "celeryev") not in found
    assert found["list", "jobs"].waiting == 4
    events = found["stream", "events"]
    assert (events.waiting, events.active, events.added) == (5, 0, 5)
    assert events.oldest == pytest.approx(20, abs=5)
    await raw.one("XREADGROUP", "GROUP", "g", "me", "COUNT", 2, "STREAMS", "events", ">", deadline=5)
    events = (await by_name(server))["stream", "events"]
    assert (events.waiting, events.active) == (3, 2)


async def test_an_empty_server_has_no_queues_and_wrong_kinds_harm_nothing(server, raw):
    await raw.ask(
        [
            ("SET", "rq:queues", "odd"),
            ("SET", "jobs", "word"),
            ("SET", "bull:x:wait", "odd"),
            ("SET", "bull:x:meta", 1),
        ],
        5,
    )
    found = await by_name(server)
    assert ("list", "jobs") not in found
    assert found["BullMQ", "x"].waiting == 0


def test_pace_follows_from_what_came_and_what_is_inside():
    def at(t, waiting, added, active=0):
        return QueueDepth("c", "BullMQ", "q", t, waiting, active, added=added)

    view = pace(at(110, 50, 400, 2), at(100, 60, 300, 2))
    assert (view.in_per_s, view.out_per_s) == (10, 11)
    assert view.drains_in == 50
    assert pace(at(110, 70, 400), at(100, 60, 300)).drains_in is None
    assert pace(at(110, 1, 5), at(100, 1, 300)).in_per_s is None  # begun anew
    assert pace(at(110, 1, None), at(100, 1, None)).out_per_s is None
    assert pace(at(110, 1, 5), None).in_per_s is None
