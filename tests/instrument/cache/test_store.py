"""L2 on one server: what is asked, what fails and how soon."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache.address import Address
from perftui.instrument.cache.node import BEAT, Node
from perftui.instrument.cache.ports import LinkChange, LinkEvent, Store
from perftui.instrument.cache.resp import IN_FLIGHT, Answered, Late, Wire
from perftui.instrument.cache.store import SingleStore, open_store
from perftui.model.errors import BackendError, ConfigError, Lost, Protocol, Refused, Unsupported
from tests.instrument.cache.talker import GREETING, Script
from tests.waiting import until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

STAMP = [b"PB\x01\x00" + bytes([n]) * 16 for n in range(10)]


async def test_values_of_any_bytes_come_back(store: Store) -> None:
    for value in (b"", b"\0\r\n$5\r\n", os.urandom(300_000)):
        await store.put(b"k\r\n\xff", value, 60)
        assert await store.get(b"k\r\n\xff") == value
    assert await store.get(b"absent") is None
    assert await store.get_many([b"absent", b"k\r\n\xff", b"absent"]) == [None, value, None]
    assert await store.get_many([]) == []


async def test_lives_are_the_servers(store: Store) -> None:
    await store.put(b"short", b"v", 0.05)
    await store.put(b"long", b"v", None)
    assert await store.command("TTL", b"long", key=b"long") == -1
    assert 0 < await store.command("PTTL", b"short", key=b"short") <= 50


async def test_an_older_stamp_does_not_hide_a_newer_one(store: Store) -> None:
    assert await store.put_if_newer(b"k", STAMP[5] + b"five", 60)
    assert not await store.put_if_newer(b"k", STAMP[4] + b"four", 60)
    assert await store.get(b"k") == STAMP[5] + b"five"
    assert await store.put_if_newer(b"k", STAMP[6] + b"six", None)
    assert await store.command("TTL", b"k", key=b"k") == -1
    await store.put(b"k", b"somebody else's", 60)
    assert await store.put_if_newer(b"k", STAMP[1], 60)
    await store.command("SCRIPT", "FLUSH", key=b"k")
    assert not await store.put_if_newer(b"k", STAMP[0], 60)


async def test_the_servers_clock_is_known(store: Store) -> None:
    seconds, micros = await store.command("TIME", key=b"")
    assert store.now() == pytest.approx(int(seconds) + int(micros) / 1e6, abs=0.05)


async def test_errors_say_what_they_mean(store: Store) -> None:
    with pytest.raises(Unsupported, match="unknown command"):
        await store.command("NONSENSE", key=b"")
    await store.put(b"text", b"v", 60)
    with pytest.raises(Answered) as caught:
        await store.command("LPUSH", b"text", "x", key=b"text")
    assert caught.value.code == "WRONGTYPE"


async def test_a_wrong_password_is_refused_and_never_told(l2: ValkeyServer) -> None:
    store = open_store(f"redis://:secretly-wrong@{l2.host}:{l2.port}")
    with pytest.raises(Refused) as caught:
        await store.get(b"k")
    assert "secretly-wrong" not in f"{caught.value!r} {vars(store)} {store.node.address!r}"  # type: ignore[attr-defined]
    await store.close()


async def test_nobody_there_is_said_at_once(l2: ValkeyServer) -> None:
    store = open_store("redis://127.0.0.1:1")
    loop = asyncio.get_running_loop()
    with pytest.raises(Lost, match=r"127\.0\.0\.1:1"):
        await store.get(b"k", within=1)
    began = loop.time()
    for _ in range(100):
        with pytest.raises(Lost):
            await store.get(b"k", within=1)
    assert loop.time() - began < 0.5
    await store.close()
    await store.close()
    with pytest.raises(Lost, match="closed"):
        await store.get(b"k")


@pytest.mark.parametrize(
    "url", ["http://x", "redis://h:port", "redis://h/db", "redis+sentinel://h:1", "", "redis://h:99999"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        open_store(url)


def test_an_address_may_have_everything() -> None:
    store = open_store("rediss://me:p%40ss@[::1]:7000/3?verify=no")
    assert isinstance(store, SingleStore)
    at = store.node.address
    assert (at.host, at.port, at.username, at.password, at.database) == ("::1", 7000, "me", "p@ss", 3)
    assert (at.tls, at.verify) == (True, False)


async def test_a_unix_socket_and_another_database(l2: ValkeyServer, store: Store) -> None:
    there = open_store(f"unix://:{l2.password}@{l2.socket}?db=2")
    await there.put(b"k", b"two", 60)
    assert await there.get(b"k") == b"two"
    assert await store.get(b"k") is None
    await there.close()


async def test_callers_who_give_up_leave_the_others_their_replies(store: Store) -> None:
    for n in range(100):
        await store.put(b"%d" % n, b"%d" % n, 60)
    asked = [asyncio.ensure_future(store.get(b"%d" % n)) for n in range(100)]
    await asyncio.sleep(0)
    for task in asked[::3]:
        task.cancel()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [a for n, a in enumerate(answers) if n % 3] == [b"%d" % n for n in range(100) if n % 3]
    assert all(isinstance(a, asyncio.CancelledError) for a in answers[::3])


async def test_more_callers_than_may_be_in_flight(store: Store) -> None:
    await store.put(b"k", b"v", 60)
    answers = await asyncio.gather(*(store.get(b"k", within=30) for _ in range(IN_FLIGHT + 2000)))
    assert answers == [b"v"] * (IN_FLIGHT + 2000)


async def test_a_hung_server_costs_the_deadline_then_nothing(l2: ValkeyServer, store: Store) -> None:
    await store.put(b"k", b"v", 60)
    loop, events = asyncio.get_running_loop(), Events(store)
    await l2.pause()
    try:
        began = loop.time()
        answers = await asyncio.gather(
            *(store.get(b"k", within=0.05) for _ in range(500)), return_exceptions=True
        )
        assert all(isinstance(a, Late) for a in answers)
        assert loop.time() - began < 0.5
        await until(lambda: events.changes == ["up", "down"])
        assert loop.time() - began < 4 * BEAT
        began = loop.time()
        with pytest.raises(Lost):
            await store.get(b"k", within=5)
        assert loop.time() - began < 0.1
    finally:
        await l2.resume()
    began = loop.time()
    await until(lambda: events.changes == ["up", "down", "up"], 10)
    assert await store.get(b"k") == b"v"


async def test_a_killed_server_is_lost_at_once_and_found_again(l2: ValkeyServer, store: Store) -> None:
    await store.get(b"k")
    events = Events(store)
    await l2.kill()
    await until(lambda: events.changes == ["up", "down"])
    with pytest.raises(Lost):
        await store.put(b"k", b"v", 60)
    await l2.start()
    await until(lambda: events.changes == ["up", "down", "up"], 5)
    await store.put(b"k", b"v", 60)


async def test_a_read_outlives_its_connection(store: Store, other: Store) -> None:
    await store.put(b"k", b"v", 60)
    mine = await store.command("CLIENT", "ID", key=b"")
    asked = [asyncio.ensure_future(store.get(b"k")) for _ in range(50)]
    await other.command("CLIENT", "KILL", "ID", mine, key=b"")
    assert await asyncio.gather(*asked) == [b"v"] * 50


async def test_greetings_are_said_again_on_each_connection(store: Store, other: Store) -> None:
    refusals: list[Exception | None] = []
    events = Events(store)
    store.greet("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "ns:", "NOLOOP")
    store.greet("CLIENT", "NONSENSE", answered=lambda _, error: refusals.append(error))
    store.greet("SUBSCRIBE", "news")
    await until(lambda: refusals)

    async def heard() -> None:
        events.pushes.clear()
        await other.put(b"ns:a", b"v", 60)
        await other.command("PUBLISH", "news", "hello", key=b"")
        await until(lambda: [b"invalidate", [b"ns:a"]] in events.pushes)
        await until(lambda: [b"message", b"news", b"hello"] in events.pushes)

    await heard()
    await store.put(b"ns:own", b"v", 60)
    await store.get(b"ns:own")
    assert not any(b"ns:own" in str(p).encode() for p in events.pushes)
    await other.command("CLIENT", "KILL", "ID", await store.command("CLIENT", "ID", key=b""), key=b"")
    await until(lambda: events.changes[-2:] == ["down", "up"])
    await heard()


class Events:
    """What a store told."""

    def __init__(self, store: Store) -> None:
        self.changes: list[str] = []
        self.pushes: list[Any] = []
        store.watch(self)

    def __call__(self, event: LinkEvent) -> None:
        if event.change is LinkChange.PUSH:
            self.pushes.append(list(event.payload))
        else:
            self.changes.append(event.change.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"\x00garbage\r\n", Protocol),
        (b"$99999999999999\r\n", BackendError),
        (b"*-5\r\n", BackendError),
        (b"+" + b"x" * 100, Late),
        (b"+one\r\n+two\r\n", None),
    ],
)
async def test_answers_that_cannot_be_read(answer: bytes, error: type[Exception] | None) -> None:
    async with Script(GREETING, answer) as port:
        store = open_store(f"redis://127.0.0.1:{port}")
        if error is None:
            assert await store.get(b"k", within=0.3) == b"one"
        else:
            with pytest.raises(error):
                await store.get(b"k", within=0.3)
        await store.close()


async def test_an_old_server_is_spoken_to_in_resp2() -> None:
    old = b"-ERR unknown command 'HELLO'\r\n"
    async with Script([], old, b"+OK\r\n", b"-ERR unknown command 'TIME'\r\n", b"$1\r\nv\r\n") as port:
        store = open_store(f"redis://127.0.0.1:{port}")
        assert await store.get(b"k", within=1) == b"v"
        await store.close()


async def test_a_reply_nobody_asked_for_ends_the_connection() -> None:
    ended: list[BackendError] = []
    wire = Wire(lambda _: None, ended.append)
    wire.data_received(b"+OK\r\n")
    assert isinstance(ended[0], Protocol)
    with pytest.raises(Protocol):
        await wire.ask(("GET", "k"))


async def test_a_node_that_is_closed_frees_those_who_wait() -> None:
    async with Script([]) as port:
        node = Node(Address(port=port), lambda _: None, [], "t")
        asked = asyncio.ensure_future(node.call(("GET", "k"), 5))
        await asyncio.sleep(0)
        await node.close()
        asked.cancel()
        with pytest.raises((Lost, asyncio.CancelledError)):
            await asked
