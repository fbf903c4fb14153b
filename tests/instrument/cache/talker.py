"""A server that says what a test wants, byte for byte."""

from __future__ import annotations

import asyncio

HELLO = b"%1\r\n+server\r\n+other\r\n"
TIME = b"*2\r\n$1\r\n1\r\n$1\r\n0\r\n"
GREETING = [HELLO, TIME, TIME, TIME]  # what a connection asks before anybody else does


class Script:
    """Each connection is greeted with `greeting`; the next `answers` go to whoever asks, once each.

    `%d` in an answer becomes the port.
    """

    def __init__(self, greeting: list[bytes], *answers: bytes) -> None:
        self.greeting = greeting
        self.answers = list(answers)
        self.connections = 0
        self.ends = False  # hang up after the greeting

    async def __aenter__(self) -> int:
        self.server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self.port

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            for answer in self.greeting:
                if not await reader.read(65536):
                    return
                writer.write(answer)
            if self.ends:
                return
            while self.answers:
                if not await reader.read(65536):
                    return
                writer.write(self.answers.pop(0).replace(b"%d", b"%d" % self.port))
            await reader.read()
        finally:
            writer.close()
