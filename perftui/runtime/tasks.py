"""The one place where tasks are born, so that each has a name and none outlives its owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)


async def end(task: asyncio.Task[Any], within: float) -> bool:
    """Cancel `task` and wait at most `within` seconds; whether it ended."""
    task.cancel()
    await asyncio.wait({task}, timeout=within)
    return task.done()


class Crew:
    """Named tasks of one owner, ended together within a bound.

    A task that dies of an exception is logged with its name and listed in `failed`; the others
    go on.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.failed: dict[str, BaseException] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, T], *, watched: bool = False) -> asyncio.Task[T]:
        """Begin `work`; with `watched` the caller looks at the task's exception itself."""
        task = asyncio.create_task(work, name=f"{self.name}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._forget if watched else self._ended)
        return task

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tasks still running."""
        return tuple(sorted(task.get_name() for task in self._tasks))

    async def stop(self, within: float = 2.0) -> tuple[str, ...]:
        """Cancel all and wait at most `within` seconds; the names of those that did not end."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, tasks = await asyncio.wait(tasks, timeout=within)
        stuck = tuple(sorted(task.get_name() for task in tasks))
        if stuck:
            log.error("did not end within %.1f s: %s", within, ", ".join(stuck))
        return stuck

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _forget(self, task: asyncio.Task[Any]) -> BaseException | None:
        self._tasks.discard(task)
        return None if task.cancelled() else task.exception()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        error = self._forget(task)
        if error is not None:
            self.failed[task.get_name()] = error
            log.error("%s died", task.get_name(), exc_info=error)
