"""Queues of a real RabbitMQ, filled and emptied by a client of its protocol; it takes seconds to start."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import ClassVar

import pika
import pytest

from perftui.backends.rabbitmq import RabbitMq
from perftui.model.errors import Lost, Protocol, Unsupported
from perftui.model.options import RabbitMqOptions
from perftui.model.ports import QueueReader
from tests.backends.contract import BackendContract
from tests.backends.rabbitserver import Rabbit
from tests.waiting import auntil

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory):
    one = Rabbit(tmp_path_factory.mktemp("rabbit"))
    one.ask("PUT", "users/watcher", {"password": "pa55w0rd", "tags": "monitoring"})
    one.ask("PUT", "users/nobody", {"password": "pa55w0rd", "tags": ""})
    yield one
    one.stop()


@pytest.fixture
def options(rabbit):
    return RabbitMqOptions(rabbit.url, "guest", "guest")


class TestContract(BackendContract):
    powers: ClassVar[tuple[type, ...]] = (QueueReader,)

    @pytest.fixture
    async def live(self, rabbit):
        return lambda: RabbitMq("mq", RabbitMqOptions(rabbit.url, "watcher", "pa55w0rd"))

    @pytest.fixture
    def at(self):
        return lambda port: RabbitMq("mq", RabbitMqOptions(f"http://127.0.0.1:{port}", "a", "pa55w0rd"))

    @pytest.fixture
    def secret(self):
        return "pa55w0rd"

    @pytest.fixture(params=["watcher:wrong", "nobody:pa55w0rd"])
    def wrong_login(self, rabbit, request):
        return lambda: RabbitMq("mq", RabbitMqOptions(rabbit.url, *request.param.split(":")))


@pytest.fixture
async def reader(options):
    made = RabbitMq("mq", options)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def channel(rabbit):
    login = pika.PlainCredentials("guest", "guest")
    connection = pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", rabbit.amqp, credentials=login)
    )
    yield connection.channel()
    connection.close()


async def until_seen(reader, name, what):
    """The queue's view, once the server's statistics say `what`; they are a second old at most."""

    async def look():
        views = {view.depth.name: view for view in (await reader.read()).facts.views}
        return views.get(name) if name in views and what(views[name]) else None

    return await auntil(look, 20)


async def test_ready_unacknowledged_consumers_and_age(rabbit, reader, channel):
    rabbit.declare("mail")
    stamped = pika.BasicProperties(timestamp=int(time.time()) - 90)
    for _ in range(12):
        channel.basic_publish("", "mail", b"x", stamped)
    full = await until_seen(reader, "mail", lambda v: v.depth.waiting == 12)
    assert (full.depth.system, full.depth.active, full.depth.consumers) == ("RabbitMQ", 0, 0)
    assert full.depth.oldest == pytest.approx(90, abs=15)
    channel.basic_qos(prefetch_count=4)
    channel.basic_consume("mail", lambda *_: None)
    channel.connection.process_data_events(0.2)
    held = await until_seen(reader, "mail", lambda v: v.depth.active == 4)
    assert (held.depth.waiting, held.depth.consumers) == (8, 1)


async def test_what_comes_and_goes_is_told_as_the_server_reckons_it(rabbit, reader, channel):
    rabbit.declare("busy")

    async def moves():
        channel.basic_publish("", "busy", b"x")
        channel.basic_publish("", "busy", b"x")
        channel.basic_get("busy", auto_ack=True)
        views = {view.depth.name: view for view in (await reader.read()).facts.views}
        view = views.get("busy")
        return view if view is not None and view.in_per_s > 0 and view.out_per_s > 0 else None

    view = await auntil(moves, 40)
    assert view.in_per_s > view.out_per_s
    assert view.drains_in is None
    samples = {
        m.key.name: m.value for m in (await reader.read()).samples if ("queue", "busy") in m.key.labels
    }
    assert samples["ready"] > 0
    assert {"unacked", "consumers", "in_per_s", "out_per_s"} <= set(samples)


async def test_virtual_hosts_are_told_apart_and_can_be_chosen(rabbit, reader):
    rabbit.ask("PUT", "vhosts/shop%2Feu")
    rabbit.ask("PUT", "permissions/shop%2Feu/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    rabbit.declare("orders", "shop/eu")
    await until_seen(reader, "shop/eu/orders", lambda _: True)
    one = RabbitMq("mq", RabbitMqOptions(rabbit.url, "guest", "guest", vhost="shop/eu"))
    await one.open()
    assert [depth.name for depth in await one.queues()] == ["shop/eu/orders"]
    await one.close()
    none = RabbitMq("mq", RabbitMqOptions(rabbit.url, "guest", "guest", vhost="missing"))
    await none.open()
    with pytest.raises(Unsupported, match="no virtual host 'missing'"):
        await none.read()
    await none.close()


async def test_the_shell_prints_them(rabbit, tmp_path):
    rabbit.declare("jobs")
    file = tmp_path / "config.toml"
    file.write_text(
        f'[env.here]\nkind = "lab"\n[env.here.backends.mq]\nkind = "rabbitmq"\nurl = "{rabbit.url}"\npassword = "env:PW"\n'
    )
    file.chmod(0o600)
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "perftui",
            "monitor",
            "queues",
            "--config",
            str(file),
            "--over",
            "1",
            "--json",
        ),
        env={"PW": "guest", "PERFTUI_STATE_DIR": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    names = {row["depth"]["name"]: row["depth"]["waiting"] for row in json.loads(said)}
    assert (process.returncode, names["jobs"]) == (0, 0)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"items": [{"name": "q", "vhost": "/", "messages_ready": -1}]}', Protocol),
        (b'{"items": [{"name": "q", "vhost": "/", "messages_ready": 1e999}]}', Protocol),
        (b'{"items": [7]}', Protocol),
        (b"[" * 100_000, Protocol),
        (b" " * (5 << 20), Protocol),
    ],
)
async def test_a_hostile_answer_is_an_error_and_bounded(body, kind):
    async def answer(reads, writes):
        await reads.readuntil(b"\r\n\r\n")
        writes.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writes.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    made = RabbitMq("mq", RabbitMqOptions(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    await made.open()
    with pytest.raises(kind):
        await made.read()
    await made.close()
    server.close()


async def test_a_node_that_is_killed_is_lost_and_read_again_when_it_is_back(rabbit, reader):
    """The last one: the node comes back empty-handed of what was not kept."""
    await reader.read()
    rabbit.end_node()
    with pytest.raises(Lost):
        await reader.read()
    await asyncio.to_thread(rabbit.start)
    assert (await reader.read()).facts.views is not None
