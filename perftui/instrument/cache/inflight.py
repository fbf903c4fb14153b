"""A load on its way: what is known of it while others wait for it."""

from __future__ import annotations

import asyncio
from typing import Any

from perftui.instrument.cache.causes import ABSENT
from perftui.instrument.cache.echoes import Mark
from perftui.instrument.cache.entry import Entry
from perftui.instrument.cache.waits import retrieved


class Flight:
    """A load that runs. Once `looked` is set, `stale` may be served instead; `why` nothing was fresh.

    `seen` is the fresh value that L2 had, where there is no L1 to have it. `mark` is that of what is fetched
    right now, `since` that of all the flight.
    """

    __slots__ = (
        "began", "eager", "future", "looked", "mark", "seen", "since", "stale", "task", "waiters", "why",
    )  # fmt: skip

    def __init__(self, *, eager: bool) -> None:
        self.eager = eager
        self.began = 0.0
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.future.add_done_callback(retrieved)
        self.looked = asyncio.Event()
        self.stale: Entry | None = None
        self.seen: Entry | None = None
        self.mark: Mark | None = None
        self.since = Mark()
        self.task: asyncio.Task[None] | None = None
        self.waiters, self.why = 0, ABSENT
