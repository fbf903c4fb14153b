"""Every way in which asking by HTTP can go wrong, against servers that really do it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from perftui.backends.httperrors import bounded, clock_of
from perftui.model.errors import BackendError, Lost, Protocol, Unsupported
from tests.backends.contract import free_port


@asynccontextmanager
async def answering(said: bytes, *, silent: bool = False) -> AsyncIterator[str]:
    """The address of a server that says this, or nothing at all, to whoever asks."""
    done = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if silent:
            await done.wait()
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    finally:
        done.set()
        server.close()


async def ask(url: str, seconds: float = 5.0) -> None:
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client, bounded("one", url, seconds):
        await client.get(url)


BROKEN = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (b"SSH-2.0-OpenSSH\r\n", Protocol, "does not speak HTTP"),
        (b"", Protocol, "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Protocol, "does not speak HTTP"),
        (BROKEN, Protocol, "does not speak HTTP"),
    ],
)
async def test_what_is_not_http(said: bytes, kind: type[BackendError], words: str) -> None:
    async with answering(said) as url:
        with pytest.raises(kind, match=words) as raised:
            await ask(url)
    assert str(raised.value).startswith("one: http://127.0.0.1:")
    assert isinstance(raised.value.__cause__, httpx.HTTPError)


async def test_no_answer_in_time() -> None:
    async with answering(b"", silent=True) as url:
        with pytest.raises(Lost, match=r"no answer from http://127.0.0.1:.* in time"):
            await ask(url, 0.1)


async def test_nobody_there() -> None:
    with pytest.raises(Lost, match=r"cannot reach http://127.0.0.1:.*: ConnectError"):
        await ask(f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "127.0.0.1:9", "http://127.0.0.1:port/"])
async def test_no_address(url: str) -> None:
    with pytest.raises(Unsupported, match="is no http address"):
        await ask(url)


@pytest.mark.parametrize("ours", [Lost("one: not open"), ValueError("a bad row")])
async def test_what_is_ours_goes_through(ours: Exception) -> None:
    with pytest.raises(type(ours), match=str(ours)):
        async with bounded("one", "here", 1.0):
            raise ours


async def test_a_cancel_stays_a_cancel() -> None:
    started = asyncio.Event()

    async def wait(then: Callable[[], object]) -> None:
        async with bounded("one", "here", 5.0):
            then()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait(started.set))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_clock_of_who_answers():
    told = {"date": "Thu, 01 Jan 1970 00:16:40 GMT"}  # 1000 s, a whole second
    assert clock_of(told, 1000.4, 0.1) == 0.0
    assert clock_of(told, 990.0, 1.0) == 9.0
    assert clock_of(told, 1011.0, 1.0) == -10.0
    assert clock_of({**told, "age": "7"}, 990.0, 1.0) is None  # of a cache, which tells when it was filled
    for odd in ({}, {"date": "soon"}, {"date": "Thu, 99 Jan 1970 00:16:40 GMT"}, {"date": ""}):
        assert clock_of(odd, 1000.0, 1.0) is None


@pytest.mark.parametrize("told", ["Thu, 01 Jan {} 00:16:40 GMT", "Thu, 01 Jan 1970 00:16:40 +{}"])
def test_a_date_beyond_any_number_tells_nothing(told: str):
    assert clock_of({"date": told.format("9" * 20)}, 1000.0, 1.0) is None
