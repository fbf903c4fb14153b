"""Agents as processes of their own on a store, for tests that kill and stop them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.waiting import until


class AgentProcess:
    """`perftui agent` with its log; `says` waits for words in it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode().rstrip())

    async def says(self, words: str, timeout: float = 30.0) -> str:
        """The newest line with these words."""
        await until(lambda: any(words in line for line in self.lines) or self._ended(words), timeout)
        return next(line for line in reversed(self.lines) if words in line)

    def _ended(self, words: str) -> bool:
        assert self.process.returncode is None, f"ended without {words!r}:\n" + "\n".join(self.lines)
        return False

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code after a signal."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        async with asyncio.timeout(20):
            code = await self.process.wait()
            await self.reader
        return code


@asynccontextmanager
async def agent(config: Path, folder: Path, *words: str, **environment: str) -> AsyncIterator[AgentProcess]:
    """One agent with a state folder of its own, ended at the end."""
    folder.mkdir(exist_ok=True)
    words = words or ("--metrics", "off")  # the usual port is one, and tests run beside each other
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "perftui",
        "agent",
        "--config",
        str(config),
        *words,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PERFTUI_STATE_DIR": str(folder), **environment},
    )
    one = AgentProcess(process)
    try:
        yield one
    finally:
        if process.returncode is None:
            await one.end(signal.SIGKILL)


def written(path: Path, text: str) -> Path:
    """A configuration file only its owner can read."""
    path.write_text(text)
    path.chmod(0o600)
    return path
