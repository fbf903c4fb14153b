"""A source of cache nodes, for tests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any


class Rows:
    """Counts the loads of each key, fails when told to, and waits at its gate."""

    def __init__(self) -> None:
        self.loads: Counter[str] = Counter()
        self.failing = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, keys: Sequence[str]) -> dict[str, Any]:
        self.loads.update(keys)
        await self.gate.wait()
        if self.failing:
            raise OSError("secret words")
        return dict.fromkeys(keys, 1)
