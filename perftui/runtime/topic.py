"""Newest value wins: how figures reach whoever looks, without a queue that could fall behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Hold:
    """Demand for a topic without iterating it: a context manager, or `release()` by hand."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        """Drop the demand; further calls do nothing."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Topic(Generic[T]):
    """A value that changes, and how many look at it.

    Belongs to one event loop: publish from its thread only. A slow watcher misses values in
    between and never the newest.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._value: T | None = None
        self._version = 0
        self._changed = asyncio.Event()
        self._demand = 0
        self._glances = 0
        self._listeners: list[Callable[[bool], None]] = []

    @property
    def value(self) -> T | None:
        """The newest value, or None before the first."""
        return self._value

    @property
    def version(self) -> int:
        """How many values were published; cheap to compare for "did it change"."""
        return self._version

    @property
    def demand(self) -> int:
        """How many watch or hold it."""
        return self._demand

    @property
    def level(self) -> int:
        """How closely it is looked at: 2 watched, 1 glanced at, 0 not at all."""
        return 2 if self._demand else 1 if self._glances else 0

    def publish(self, value: T) -> None:
        """Replace the value and wake every watcher."""
        self._value = value
        self._version += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def watch(self, *, glance: bool = False) -> AsyncIterator[T]:
        """Yield the current value at once (if any), then each newest one; leaving drops the demand."""
        seen = 0
        with self.hold(glance=glance):
            while True:
                while self._version == seen:
                    await self._changed.wait()
                seen = self._version
                yield self._value  # type: ignore[misc]  # published, so it is a T

    def hold(self, *, glance: bool = False) -> Hold:
        """Keep demand until the hold is released; a `glance` wants news now and then, not at full pace."""
        step = (0, 1) if glance else (1, 0)
        self._count(*step)
        return Hold(lambda: self._count(-step[0], -step[1]))

    def on_demand(self, listener: Callable[[bool], None]) -> Callable[[], None]:
        """Call `listener(wanted)` whenever `level` changes; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _count(self, watching: int, glancing: int) -> None:
        before = self.level
        self._demand += watching
        self._glances += glancing
        if before != self.level:
            for listener in tuple(self._listeners):
                listener(self.level > 0)


class Tap(Topic[T]):
    """A topic that also tells one listener of every value, without counting as demand."""

    def __init__(self, name: str, told: Callable[[T], None]) -> None:
        super().__init__(name)
        self._told = told

    def publish(self, value: T) -> None:
        """Publish, then tell."""
        super().publish(value)
        self._told(value)
