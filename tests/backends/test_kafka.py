"""Lag of consumer groups, told by a real broker."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import aclosing
from typing import ClassVar

import pytest

from perftui.backends.kafka import Kafka
from perftui.config import load
from perftui.model.errors import Unsupported
from perftui.model.health import Link
from perftui.model.options import KafkaOptions
from perftui.model.ports import QueueReader
from perftui.session import Session
from tests.backends.contract import BackendContract
from tests.backends.kafkabroker import Broker, commit, create, produce
from tests.waiting import auntil


@pytest.fixture(scope="module")
def broker():
    one = Broker()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def guarded():
    """A broker that wants a login, and knows nobody."""
    one = Broker("--authentication")
    yield one
    one.stop()


class TestContract(BackendContract):
    powers: ClassVar[tuple[type, ...]] = (QueueReader,)

    @pytest.fixture
    async def live(self, broker):
        return lambda: Kafka("events", KafkaOptions(broker.address))

    @pytest.fixture
    def at(self):
        return lambda port: Kafka("events", KafkaOptions(f"127.0.0.1:{port}", "anna", "pa55w0rd"))

    @pytest.fixture
    def secret(self):
        return "pa55w0rd"

    @pytest.fixture
    def wrong_login(self, guarded):
        return lambda: Kafka("events", KafkaOptions(guarded.address, "anna", "pa55w0rd"))


@pytest.fixture
async def reader(broker):
    made = Kafka("events", KafkaOptions(broker.address))
    await made.open()
    yield made
    await made.close()


def measured(reading):
    return {(m.key.name, *(value for _, value in m.key.labels)): m.value for m in reading.samples}


async def test_lag_is_the_end_less_what_is_committed_per_group_topic_and_partition(broker, reader):
    await create(broker, "orders", 2)
    await produce(broker, "orders", 100)
    await produce(broker, "orders", 7, partition=1)
    await commit(broker, "billing", "orders", 40)
    await commit(broker, "billing", "orders", 2, partition=1)
    await commit(broker, "audit", "orders", 100)
    found = {view.depth.name: view.depth for view in (await reader.read()).facts.views}
    billing, audit = found["orders@billing"], found["orders@audit"]
    assert [(p.name, p.waiting, p.added) for p in billing.parts] == [("0", 60, 100), ("1", 5, 7)]
    assert (billing.system, billing.waiting, billing.added, billing.consumers) == ("Kafka", 65, 107, 0)
    assert [(p.name, p.waiting) for p in audit.parts] == [("0", 0)]  # where it committed nothing it is not


async def test_pace_and_time_to_drain_follow_from_two_looks(broker, reader):
    await create(broker, "paces")
    await produce(broker, "paces", 100)
    await commit(broker, "g", "paces", 10)
    first = await reader.read()
    await produce(broker, "paces", 20)
    await commit(broker, "g", "paces", 60)
    second = await reader.read()
    seconds = second.at - first.at
    figures = measured(second)
    assert figures["lag", "g", "paces"] == 60 == figures["partition.lag", "g", "0", "paces"]
    assert figures["in_per_s", "g", "paces"] * seconds == pytest.approx(20, rel=0.2)
    assert figures["out_per_s", "g", "paces"] * seconds == pytest.approx(50, rel=0.2)
    assert figures["drain_s", "g", "paces"] == pytest.approx(60 / (30 / seconds), rel=0.2)
    view = next(v for v in second.facts.views if v.depth.name == "paces@g")
    assert view.drains_in == figures["drain_s", "g", "paces"]


async def test_a_partition_that_is_first_consumed_now_does_not_count_its_past_as_come(broker, reader):
    await create(broker, "late", 2)
    await produce(broker, "late", 50)
    await produce(broker, "late", 500, partition=1)
    await commit(broker, "g", "late", 50)
    await reader.read()
    await commit(broker, "g", "late", 500, partition=1)
    figures = measured(await reader.read())
    assert figures["in_per_s", "g", "late"] == figures["out_per_s", "g", "late"] == 0


async def test_members_are_consumers_and_patterns_choose(broker):
    from aiokafka import AIOKafkaConsumer

    await create(broker, "mail.in")
    await create(broker, "mail.out")
    await produce(broker, "mail.in", 3)
    await commit(broker, "ops", "mail.in", 1)
    await commit(broker, "ops", "mail.out", 0)
    chosen = Kafka("events", KafkaOptions(broker.address, groups=("op*",), topics=("*.in",)))
    await chosen.open()
    consumer = AIOKafkaConsumer(
        "mail.in", bootstrap_servers=broker.address, group_id="ops", enable_auto_commit=False
    )
    await consumer.start()
    try:
        (depth,) = await chosen.queues()
        assert (depth.name, depth.waiting, depth.consumers) == ("mail.in@ops", 2, 1)
        assert await chosen.queues() == (depth,)  # as young as a read is: not asked again
    finally:
        await consumer.stop()
        await chosen.close()


async def test_without_its_library_it_says_what_to_install(broker, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiokafka.client", None)
    with pytest.raises(Unsupported, match=r"pip install 'perftui\[kafka\]'"):
        await Kafka("events", KafkaOptions(broker.address)).open()


@pytest.fixture
def own():
    one = Broker()
    yield one
    one.stop()


@pytest.fixture
def config(own, tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    file = tmp_path / "config.toml"
    file.write_text(
        f'[env.here]\nkind = "lab"\n[env.here.backends.events]\nkind = "kafka"\nbootstrap = "{own.address}"\n'
    )
    file.chmod(0o600)
    return file


async def test_a_broker_that_is_killed_is_lost_and_live_when_it_is_back(own, config):
    loaded = load(config, "here", {})
    session = Session.open(loaded, loaded.environment)
    await session.start()

    async def becomes(link):
        async with asyncio.timeout(30):
            async with aclosing(session.watch("resources")) as frames:
                async for _ in frames:
                    if session.looks["events"].health.link is link:
                        return

    try:
        await becomes(Link.LIVE)
        own.stop()
        session.retry("events")
        await becomes(Link.LOST)
        own.start()
        await becomes(Link.LIVE)
    finally:
        await session.close()


@pytest.mark.slow
async def test_the_shell_tells_lag_pace_and_partitions(own, config):
    await create(own, "orders", 2)
    await produce(own, "orders", 100)
    await commit(own, "billing", "orders", 40)
    words = [sys.executable, "-m", "perftui", "monitor", "queues", "--config", str(config), "--over", "6"]
    process = await asyncio.create_subprocess_exec(
        *words, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    plain = await asyncio.create_subprocess_exec(*words, "--parts", stdout=subprocess.PIPE)
    said, narrated = await process.communicate()
    (row,) = json.loads(said)
    assert (process.returncode, narrated) == (0, b"")
    assert (row["depth"]["waiting"], row["in_per_s"], row["out_per_s"]) == (60, 0, 0)
    lines = (await plain.communicate())[0].decode().splitlines()
    assert lines[1].split()[:4] == ["orders@billing", "Kafka", "events", "60"]
    assert lines[2].split()[:4] == ["orders@billing/0", "Kafka", "events", "60"]

    async def lost():
        own.stop()
        gone = await asyncio.create_subprocess_exec(
            *words[:-1], "1", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        _, told = await gone.communicate()
        return gone.returncode == 3 and b"events: LOST" in told.upper().replace(b"EVENTS", b"events")

    await auntil(lost, 40)
