"""Has another process learn what is usual for a series, and gives it up when that takes too long."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from perftui.analysis.neighbours import Neighbours
from perftui.model.errors import PerftuiError

DEADLINE = 60.0  # seconds for one series
MOST = 4 << 20  # bytes of what comes back
INSTALL = "neighbours need numpy: pip install 'perftui[ml]'; half-space trees judge meanwhile"
WORKER = ("-P", "-m", "perftui.runtime.learnerworker")


class Unlearned(PerftuiError):
    """Nothing was learned, and why."""


class Missing(Unlearned):
    """The library is not there."""


class Learner:
    """One process for as long as the `async with`; asked for one series after the other."""

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def learn(self, at: Sequence[float], value: Sequence[float], seed: int = 0) -> Neighbours:
        """What is usual; Unlearned says why not, Missing that the library is not installed."""
        asked = await asyncio.to_thread(_line, at, value, seed)
        try:
            async with asyncio.timeout(self._deadline):
                return Neighbours.read(await self._ask(asked))
        except TimeoutError:
            await self._end()
            raise Unlearned(f"learning took more than {self._deadline:g} s") from None

    async def _ask(self, asked: bytes) -> dict[str, object]:
        if self._process is None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *WORKER,
                stdin=pipe,
                stdout=pipe,
                stderr=asyncio.subprocess.DEVNULL,
                limit=MOST,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(asked)
            await process.stdin.drain()
            answer = await process.stdout.readline()
            said = json.loads(answer) if answer else {}
        except (OSError, ValueError):
            said = {}
        if "model" not in said:
            code = None if said else await process.wait()
            if not said:
                self._process = None
            if code == 3:
                raise Missing(INSTALL)
            raise Unlearned(str(said.get("problem", f"the process that learns ended ({code})")))
        found: dict[str, object] = said["model"]
        return found

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


def _line(at: Sequence[float], value: Sequence[float], seed: int) -> bytes:
    return json.dumps({"at": list(at), "value": list(value), "seed": seed}).encode() + b"\n"
