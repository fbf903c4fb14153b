"""Talking with our own children over their pipes, and with supervisors over unix sockets: line-JSON both."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from perftui.lab.processes import Child, LabError

LINE_LIMIT = 4 * 1024 * 1024


class Talker:
    """The two pipes of a child started with `pipes=True`."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self._reader = asyncio.StreamReader(limit=LINE_LIMIT)
        self._transport: asyncio.BaseTransport | None = None

    async def open(self) -> None:
        """Begin to listen."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader), self.child.popen.stdout
        )

    def say(self, message: dict[str, Any]) -> None:
        """Send a line; lines are far below a pipe's buffer.

        Raises:
            LabError: the child has ended.
        """
        stdin = self.child.popen.stdin
        try:
            assert stdin is not None
            stdin.write(json.dumps(message).encode() + b"\n")
            stdin.flush()
        except (OSError, ValueError) as error:
            raise LabError(f"{self.child.name} has ended") from error

    async def hear(self, seconds: float) -> dict[str, Any]:
        """The next line.

        Raises:
            LabError: none within `seconds`, or the child has ended.
        """
        try:
            async with asyncio.timeout(seconds):
                line = await self._reader.readline()
        except TimeoutError as error:
            raise LabError(f"{self.child.name} said nothing for {seconds:g} s") from error
        if not line:
            raise LabError(f"{self.child.name} has ended")
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()


async def ask(path: str | Path, question: dict[str, Any], seconds: float = 5.0) -> dict[str, Any]:
    """One question to a unix socket and its answer.

    Raises:
        LabError: nobody answers within `seconds`, or the answer is a refusal.
    """
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=LINE_LIMIT)
            try:
                writer.write(json.dumps(question).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise LabError(f"no answer from {path}: {error or 'timed out'}") from error
    if not line:
        raise LabError(f"no answer from {path}: the connection was closed")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise LabError(str(answer["error"].get("message", answer["error"])))
    return answer
