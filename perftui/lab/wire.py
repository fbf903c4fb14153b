"""A small HTTP/1.1 client that keeps load cheap: pooled connections, each used a bounded number of times."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

REQUESTS_PER_CONNECTION = 100


class Gone(OSError):
    """The connection ended before a response began."""


@dataclass(slots=True)
class Reply:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class Wire(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.used = 0
        self.open = False
        self._kept = True
        self._parser: Any = None
        self._reply = Reply()
        self._waiting: asyncio.Future[Reply] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.open = transport, True

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self.open = False
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(Gone("closed before the response was complete"))

    async def ask(self, request: bytes) -> Reply:
        """Send and wait for the whole response.

        Raises:
            Gone: the connection ended first.
        """
        import httptools

        if not self.open or self._transport is None:
            raise Gone("closed")
        self._parser = httptools.HttpResponseParser(self)
        self._reply, self.used = Reply(), self.used + 1
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        reply = await self._waiting
        if not self._kept or self.used >= REQUESTS_PER_CONNECTION:
            self.close()
        return reply

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        import httptools

        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Part of httptools' protocol."""
        self._reply.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Part of httptools' protocol."""
        self._reply.body += body

    def on_message_complete(self) -> None:
        """Part of httptools' protocol."""
        self._reply.status = self._parser.get_status_code()
        self._kept = self._parser.should_keep_alive()  # known only here: the parser then begins afresh
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(self._reply)

    @property
    def begun(self) -> bool:
        """Whether any of the response had come."""
        return bool(self._reply.headers)

    def close(self) -> None:
        """End the connection."""
        self.open = False
        if self._transport is not None:
            self._transport.close()


class Wires:
    """Connections to one target."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.retried = 0
        self._idle: deque[Wire] = deque()

    async def ask(self, request: bytes, *, again: bool, timeout: float = 10.0) -> Reply:
        """One request. `again`: it may be repeated on a fresh connection when a kept one had just been
        closed by the other side, as every browser does.

        Raises:
            OSError, TimeoutError: no complete response.
        """
        async with asyncio.timeout(timeout):
            wire = await self._take()
            fresh = wire.used == 0
            try:
                reply = await wire.ask(request)
            except Gone:
                if fresh or wire.begun or not again:
                    raise
                self.retried += 1
                wire = await self._connect()
                reply = await wire.ask(request)
            except asyncio.CancelledError:
                wire.close()
                raise
        if wire.open:
            self._idle.append(wire)
        return reply

    async def _take(self) -> Wire:
        while self._idle:
            wire = self._idle.popleft()
            if wire.open:
                return wire
        return await self._connect()

    async def _connect(self) -> Wire:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(Wire, self.host, self.port)
        return wire

    def close(self) -> None:
        """End all idle connections."""
        while self._idle:
            self._idle.pop().close()


async def status_of(port: int, path: str, timeout: float = 1.0) -> int:
    """Status of one GET to a server on this machine; 0 when it does not answer within `timeout` seconds."""
    wires = Wires("127.0.0.1", port)
    try:
        reply = await wires.ask(
            f"GET {path} HTTP/1.1\r\nhost: lab\r\n\r\n".encode(), again=False, timeout=timeout
        )
    except (OSError, TimeoutError):
        return 0
    finally:
        wires.close()
    return reply.status
