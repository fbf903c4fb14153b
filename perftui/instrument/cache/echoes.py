"""Our own writes by script, of which L2 tells us as if they were others': NOLOOP does not know scripts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection

from perftui.instrument.cache.tags import Tokens

HEARD_FOR = 1.0  # seconds after a write in which L2 may still tell of it


class Mark:
    """Something that is being fetched: `void` once what comes of it must not be kept.

    `passed` once the key or one of `tags` was changed meanwhile: whoever asks from then on is not to get it
    either. `told` hears of that, once. `ended` are all tags that were changed meanwhile.
    """

    __slots__ = ("ended", "passed", "tags", "told", "void")

    def __init__(self) -> None:
        self.void = self.passed = False
        self.tags: Tokens = ()
        self.ended: set[str] = set()
        self.told: Callable[[], object] | None = None

    def overtaken(self) -> None:
        """The key was changed."""
        self.void = True
        self._outdated()

    def tags_ended(self, names: Collection[str]) -> None:
        """Tags were changed: what has one of them is stored as what it is, no more current."""
        self.ended.update(names)
        if any(name in names for name, _, _ in self.tags):
            self._outdated()

    def _outdated(self) -> None:
        if not self.passed:
            self.passed = True
            if self.told is not None:
                self.told()


class Echo:
    """One write: its stamp, what was fetched for it, and how often we were told of its key since."""

    __slots__ = ("done", "mark", "stamp", "told")

    def __init__(self, stamp: bytes, mark: Mark | None) -> None:
        self.stamp = stamp
        self.mark = mark
        self.done = False
        self.told = 0


class Echoes:
    """The writes of the last second. What is told of a key in that time may be of ours or of another's.

    `recheck` is to ask L2 which; it is called once the write has ended.
    """

    def __init__(self, recheck: Callable[[str, Echo], None]) -> None:
        self._recheck = recheck
        self._writes: dict[str, Echo] = {}

    @contextlib.asynccontextmanager
    async def writing(self, key: str, stamp: bytes, mark: Mark | None = None) -> AsyncIterator[None]:
        """While L2 is written to."""
        echo = self._writes[key] = Echo(stamp, mark)
        try:
            yield
        finally:
            echo.done = True
            asyncio.get_running_loop().call_later(HEARD_FOR, self._forget, key, echo)
            self.kept(key)

    def mark(self, key: str) -> Mark | None:
        """What a notice of this key need not make void: the fetching whose result we wrote."""
        echo = self._writes.get(key)
        return echo.mark if echo is not None else None

    def told(self, key: str) -> None:
        """L2 told of the key."""
        echo = self._writes.get(key)
        if echo is not None:
            echo.told += 1
            self.kept(key)

    def kept(self, key: str) -> None:
        """L1 may have what was written by now: if we were told of it meanwhile, look again."""
        echo = self._writes.get(key)
        if echo is not None and echo.done and echo.told:
            self._recheck(key, echo)

    def _forget(self, key: str, echo: Echo) -> None:
        if self._writes.get(key) is echo:
            del self._writes[key]
