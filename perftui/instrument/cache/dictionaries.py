"""The zstd dictionaries of a namespace in L2: every node learns them, one of them is written with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from perftui.analysis.codec import Packer
from perftui.instrument.cache.ports import Store
from perftui.model.dictionaries import BEFORE, CURRENT, LARGEST, MOST, PREFIX, number_of
from perftui.model.errors import BackendError, Unsupported

EVERY, LOOK = 30.0, 1.0  # seconds between two refreshes, and between two looks whether one is needed


class Dictionaries:
    """Keeps a packer in step with what L2 has; values packed with older dictionaries stay readable."""

    def __init__(self, store: Store, namespace: str, packer: Packer) -> None:
        self._store = store
        self._key = (PREFIX + namespace).encode("utf-8", "surrogatepass")
        self._packer = packer
        self._without = packer.codec  # what to write with when no dictionary is in force
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def follow(self, missed: Callable[[], int]) -> None:
        """Refresh every half minute, and soon after `missed()` values needed a dictionary not known here."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow(missed), name="cache dictionaries")

    def stop(self) -> None:
        """Follow no more; twice is harmless."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def refresh(self) -> int:
        """Learn what is new, write with what is in force; its number, 0 for none.

        To be called at start, after an envelope had an unknown dictionary, and now and then. What is no
        dictionary is passed over.

        Raises:
            BackendError: L2 could not be asked, or has more dictionaries than a namespace can need.
        """
        async with self._lock:
            numbers = await self._ask("HKEYS")
            if len(numbers) > MOST + 2:
                raise Unsupported(
                    f"{len(numbers)} dictionaries are more than the {MOST} a namespace may have"
                )
            for field in numbers:
                if field.isdigit() and int(field) not in self._packer.known:
                    await self._learn(field)
            return self._write_with(number_of(await self._ask("HGET", CURRENT)))

    async def roll_out(self, dictionary: bytes) -> int:
        """Put it in force for all nodes, as they next refresh; its number.

        Raises:
            ValueError: it is no dictionary, or larger than 1 MiB.
            BackendError: L2 could not be told.
        """
        if len(dictionary) > LARGEST:
            raise ValueError(f"a dictionary of {len(dictionary)} bytes is larger than the {LARGEST} allowed")
        number = self._packer.learn(dictionary)
        now = await self._ask("HGET", CURRENT) or b"0"
        await self._ask("HSET", str(number), dictionary, CURRENT, str(number), BEFORE, now)
        return self._write_with(number)

    async def roll_back(self) -> int:
        """Put the one before in force again (0: none), which can itself be rolled back; its number."""
        now, before = await self._ask("HGET", CURRENT) or b"0", await self._ask("HGET", BEFORE) or b"0"
        await self._ask("HSET", CURRENT, before, BEFORE, now)
        return self._write_with(number_of(before))

    async def _follow(self, missed: Callable[[], int]) -> None:
        seen, again_at, clock = missed(), 0.0, asyncio.get_running_loop().time
        while True:
            if clock() >= again_at or missed() != seen:
                seen, again_at = missed(), clock() + EVERY
                with contextlib.suppress(BackendError):
                    await self.refresh()
            await asyncio.sleep(LOOK)

    async def _learn(self, field: bytes) -> None:
        if await self._ask("HSTRLEN", field) > LARGEST:
            return
        try:
            self._packer.learn(await self._ask("HGET", field) or b"")
        except ValueError:
            return  # somebody else's bytes: values that need it stay misses

    def _write_with(self, number: int) -> int:
        self._packer.put_in_force(number if number in self._packer.known else 0, self._without)
        return self._packer.dictionary

    async def _ask(self, name: str, *rest: bytes | str) -> Any:
        return await self._store.command(name, self._key, *rest, key=self._key)
