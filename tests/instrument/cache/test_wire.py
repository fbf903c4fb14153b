"""The connection itself: order, bounds, refusals, TLS, and servers of other makes and ages."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perftui.instrument.cache import resp
from perftui.instrument.cache.address import Address
from perftui.instrument.cache.node import BEAT, Node
from perftui.instrument.cache.ports import LinkChange, LinkEvent, Store
from perftui.instrument.cache.resp import Away, Late, Wire
from perftui.instrument.cache.store import SingleStore, open_store
from perftui.model.errors import ConfigError, Lost, Protocol, Refused
from tests.instrument.cache.talker import GREETING, Script
from tests.needs import needs
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.valkey import ValkeyServer


async def test_a_command_that_cannot_be_written_takes_no_place(store: Store) -> None:
    await store.put(b"k", b"v", 60)
    for bad in (None, True, "\ud800"):
        with pytest.raises((TypeError, UnicodeEncodeError)):
            await store.command("GET", bad, key=b"k")  # type: ignore[arg-type]
    assert await store.get(b"k") == b"v"
    assert await store.command("ECHO", "next", key=b"k") == b"next"


async def test_commands_above_the_bound_are_held_back_in_order(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resp, "IN_FLIGHT", 10)
    assert isinstance(store, SingleStore)
    wire = store.node._wire
    assert wire is not None
    asked = [asyncio.ensure_future(store.command("ECHO", n, key=b"")) for n in range(100)]
    asked[50].cancel()
    most = 0
    while not all(task.done() for task in asked):
        most = max(most, wire.in_flight)
        await asyncio.sleep(0)
    assert most == 10
    said = [task.result() for n, task in enumerate(asked) if n != 50]
    assert said == [b"%d" % n for n in range(100) if n != 50]


async def test_held_back_commands_have_their_deadlines(
    l2: ValkeyServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resp, "IN_FLIGHT", 10)
    await store.get(b"k")
    await l2.pause()
    try:
        began = time.monotonic()
        answers = await asyncio.gather(
            *(store.get(b"k", within=0.05) for _ in range(1000)), return_exceptions=True
        )
        assert {type(a) for a in answers} == {Late}
        assert time.monotonic() - began < 2, "ten at a time, each with all of its deadline, would be 5 s"
    finally:
        await l2.resume()
    await auntil(lambda: _works(store), 5)


async def _works(store: Store) -> bool:
    try:
        return await store.get(b"k", within=0.2) is None
    except Lost:
        return False


async def test_large_values_wait_for_the_socket(store: Store) -> None:
    values = [os.urandom(2_000_000) for _ in range(8)]
    await asyncio.gather(*(store.put(b"%d" % n, value, 60) for n, value in enumerate(values)))
    assert await store.get_many([b"%d" % n for n in range(8)]) == values


async def test_an_answer_that_takes_long_to_arrive_is_no_silence() -> None:
    gap = 1.3 * BEAT  # a link is asked meanwhile, and its answer queues behind this one
    connections = []

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        for answer in GREETING:
            await reader.read(65536)
            writer.write(answer)
        await reader.read(65536)
        for part in (b"$3\r\n", b"s", b"l", b"o\r\n"):
            writer.write(part)
            due = time.monotonic() + gap
            await until(lambda due=due: time.monotonic() > due)  # type: ignore[misc]
        writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    store = open_store(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert await store.get(b"k", within=10) == b"slo"
    assert len(connections) == 1
    await store.close()
    server.close()


async def test_a_silent_link_is_lost_within_a_second(l2: ValkeyServer, store: Store) -> None:
    await store.get(b"k")
    lost = asyncio.Event()
    store.watch(lambda event: lost.set() if event.change is LinkChange.DOWN else None)
    await l2.pause()
    try:
        began = time.monotonic()
        await asyncio.wait_for(lost.wait(), 3)
        assert BEAT < time.monotonic() - began < 1.1
    finally:
        await l2.resume()


async def test_errors_of_many_callers_keep_nobody_elses_frames() -> None:
    store = open_store("redis://127.0.0.1:1")
    seen = []
    for _ in range(50):
        with pytest.raises(Lost) as caught:
            await store.get(b"k", within=1)
        seen.append(caught.value)
    assert len({id(error) for error in seen}) == len(seen)
    assert {len(traceback.extract_tb(error.__traceback__)) for error in seen[1:]} == {
        len(traceback.extract_tb(seen[1].__traceback__))
    }
    await store.close()


async def test_a_subscription_that_is_refused_leaves_the_rest_in_order(
    l2: ValkeyServer, store: Store
) -> None:
    await store.command("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "+@all", "resetchannels", key=b"")
    deaf = open_store(f"redis://deaf:pw@{l2.host}:{l2.port}")
    refusals: list[Exception | None] = []
    try:
        await deaf.put(b"k", b"v", 60)
        deaf.greet("SUBSCRIBE", "news", answered=lambda _, error: refusals.append(error))
        await until(lambda: refusals)
        assert isinstance(refusals[0], Refused)
        assert await deaf.get(b"k") == b"v"
        await store.command("CLIENT", "KILL", "USER", "deaf", key=b"")
        await auntil(lambda: _reads(deaf))
        assert len(refusals) == 2
    finally:
        await deaf.close()
        await store.command("ACL", "DELUSER", "deaf", key=b"")


async def _reads(store: Store) -> bool:
    try:
        return await store.get(b"k", within=0.2) == b"v"
    except Lost:
        return False


async def test_a_command_the_user_may_not_use_is_refused(l2: ValkeyServer, store: Store) -> None:
    await store.command("ACL", "SETUSER", "narrow", "on", ">pw", "~*", "+get", "+hello", key=b"")
    narrow = open_store(f"redis://narrow:pw@{l2.host}:{l2.port}")
    try:
        assert await narrow.get(b"absent") is None
        with pytest.raises(Refused, match="NOPERM"):
            await narrow.put(b"k", b"v", 60)
        assert await narrow.get(b"absent") is None
    finally:
        await narrow.close()
        await store.command("ACL", "DELUSER", "narrow", key=b"")


async def test_a_refused_login_is_not_tried_over_and_over() -> None:
    async with Script([b"-WRONGPASS invalid\r\n"] * 2) as port:
        store = open_store(f"redis://:no@127.0.0.1:{port}")
        for _ in range(200):
            with pytest.raises(Refused, match="WRONGPASS"):
                await store.get(b"k", within=1)
        await store.close()


async def test_a_link_that_ends_at_once_is_not_made_in_a_storm() -> None:
    script = Script(GREETING)
    script.ends = True
    async with script as port:
        node = Node(Address(port=port), lambda _: None, [], "t")
        node.wake()
        began = time.monotonic()
        await until(lambda: script.connections >= 4)
        took = time.monotonic() - began
        await node.close()
    assert took > 0.05


async def test_a_server_that_loads_is_away_not_broken() -> None:
    async with Script(GREETING, b"-LOADING dataset in memory\r\n", b"$1\r\nv\r\n") as port:
        store = open_store(f"redis://127.0.0.1:{port}")
        with pytest.raises(Away) as caught:
            await store.get(b"k", within=1)
        assert caught.value.code == "LOADING"
        assert await store.get(b"k", within=1) == b"v"
        await store.close()


async def test_a_reply_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resp, "LARGEST", 100_000)
    ended: list[Exception] = []
    wire = Wire(lambda _: None, ended.append)
    asked = wire.ask(("GET", "k"))
    wire.data_received(b"*1000000\r\n")
    for _ in range(200):
        wire.data_received(b"$1000\r\n" + b"x" * 1000 + b"\r\n")
        if ended:
            break
    assert isinstance(ended[0], Protocol)
    with pytest.raises(Protocol, match="more than"):
        await asked


@pytest.mark.parametrize(
    "push", [b">0\r\n", b">1\r\n*0\r\n", b">2\r\n$9\r\nsubscribe\r\n:1\r\n", b">1\r\n_\r\n"]
)
async def test_strange_pushes_disturb_nobody(push: bytes) -> None:
    events: list[LinkEvent] = []
    async with Script(GREETING, push + b"$1\r\nv\r\n") as port:
        store = open_store(f"redis://127.0.0.1:{port}")
        store.watch(events.append)
        assert await store.get(b"k", within=1) == b"v"
        assert LinkChange.PUSH in [event.change for event in events]
        await store.close()


def test_secrets_by_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_PASSWORD", "p@ss/w:rd")
    monkeypatch.setenv("CACHE_URL", "valkey://:env:CACHE_PASSWORD@there:7000/2")
    for url in ("valkey://:env:CACHE_PASSWORD@there:7000/2", "env:CACHE_URL"):
        store = open_store(url)
        assert isinstance(store, SingleStore)
        at = store.node.address
        assert (at.name, at.database, at.password) == ("there:7000", 2, "p@ss/w:rd")
        assert "p@ss" not in repr(at)
    store = open_store("redis://:env%3ACACHE_PASSWORD@there")
    assert isinstance(store, SingleStore)
    assert store.node.address.password == "env:CACHE_PASSWORD"
    with pytest.raises(ConfigError, match="NO_SUCH"):
        open_store("env:NO_SUCH")


# other makes


@pytest.fixture(scope="module")
async def redis7(server_folder: Folder) -> AsyncIterator[tuple[int, int, Path]]:
    """Debian's Redis: its port, its port for TLS, and the certificate to trust."""
    from perftui.lab.folders import write_private
    from perftui.lab.ports import free_port
    from perftui.lab.processes import Command, spawn

    program, openssl = shutil.which("redis-server"), shutil.which("openssl")
    needs("redis-server", program is not None, "apt install redis-server")
    needs("openssl", openssl is not None, "apt install openssl")
    assert program is not None
    assert openssl is not None
    home = server_folder.part("redis7")
    own = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    own += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    both = [*own, "-keyout", "/dev/stdout", "-out", "/dev/stdout"]
    made = await asyncio.to_thread(subprocess.run, both, capture_output=True, check=True, text=True)
    pem = write_private(home / "own.pem", made.stdout, server_folder.owner)
    plain, tls = free_port(), free_port()
    flags = f"--port {plain} --tls-port {tls} --bind 127.0.0.1 --dir {home} --tls-auth-clients no"
    flags += f" --tls-cert-file {pem} --tls-key-file {pem} --tls-ca-cert-file {pem}"
    command = Command([program, *flags.split(), "--save", ""], home, home / "redis.log", server_folder.owner)
    child = await spawn("redis7", command)
    store = open_store(f"redis://127.0.0.1:{plain}")
    await auntil(lambda: _answers(store), 10)
    await store.close()
    yield plain, tls, pem
    await child.stop()


async def _answers(store: Store) -> bool:
    try:
        return bool(await store.command("PING", key=b"", within=0.5) == b"PONG")
    except Lost:
        return False


async def test_redis_7_does_all_a_store_does(redis7: tuple[int, int, Path]) -> None:
    store = open_store(f"redis://127.0.0.1:{redis7[0]}")
    stamp = [b"PB\x01\x00" + bytes([n]) * 16 for n in (127, 128, 255)]
    assert await store.put_if_newer(b"k", stamp[1], 60)
    assert not await store.put_if_newer(b"k", stamp[0], 60)
    assert await store.put_if_newer(b"k", stamp[2], None)
    assert await store.get_many([b"k", b"absent"]) == [stamp[2], None]
    pushes: list[LinkEvent] = []
    store.watch(lambda e: pushes.append(e) if e.change is LinkChange.PUSH else None)
    store.greet("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "ns:", "NOLOOP")
    other = open_store(f"redis://127.0.0.1:{redis7[0]}")
    await store.command("PING", key=b"")
    await other.put(b"ns:a", b"v", 60)
    await until(lambda: pushes)
    await other.close()
    await store.close()


async def test_tls_believes_only_whom_it_should(redis7: tuple[int, int, Path]) -> None:
    _, port, pem = redis7
    for url in (f"rediss://localhost:{port}?ca={pem}", f"rediss://127.0.0.1:{port}?verify=no"):
        store = open_store(url)
        await store.put(b"k", b"v" * 100_000, 60)
        assert await store.get(b"k") == b"v" * 100_000
        await store.close()
    doubted = open_store(f"rediss://localhost:{port}")
    with pytest.raises(Refused, match="TLS failed"):
        await doubted.get(b"k")
    await doubted.close()
    absent = open_store(f"rediss://localhost:{port}?ca=/nowhere.pem")
    with pytest.raises(Refused, match="certificate files"):
        await absent.get(b"k")
    await absent.close()


async def test_a_cluster_store_of_an_older_make(redis7: tuple[int, int, Path]) -> None:
    store = open_store(f"redis+cluster://127.0.0.1:{redis7[0]}")
    with pytest.raises(Protocol, match="cluster support disabled"):
        await store.get(b"k")
    await store.close()


async def test_it_runs_on_uvloop_too(l2: ValkeyServer, store: Store) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def there() -> list[bytes | None]:
        fast = open_store(l2.url)
        await fast.put(b"k", b"v", 60)
        with pytest.raises(Lost):
            await open_store("redis://127.0.0.1:1").get(b"k", within=1)
        answers = await asyncio.gather(*(fast.get(b"k", within=1) for _ in range(100)))
        await fast.close()
        return answers

    def run() -> list[bytes | None]:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(there())

    assert await asyncio.to_thread(run) == [b"v"] * 100
