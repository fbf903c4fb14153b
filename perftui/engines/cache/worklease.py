"""One action's hold on its server: another console is told who does the like there, and how far that is."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, TypeVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.errors import BackendError, Lost, PlanRejected, Refused
from perftui.model.worklease import PURGE, SLOTS, Working, WorkLease

LIFE: Final = 10.0  # seconds after which one that was killed no longer stands in the way
EVERY: Final = 2.0
OURS: Final = secrets.token_hex(16)

T = TypeVar("T")


class Act(NamedTuple):
    """What is done under a lease, in words: of which `work`, the verb, what is counted."""

    work: str
    verb: str
    unit: str


PURGES: Final = Act(PURGE, "purges", "key")
MOVES: Final = Act(SLOTS, "moves", "slot")


class Hold:
    """One action's lease. A server that knows no scripts, or has no room for it, is changed without."""

    def __init__(self, power: Any, source: str, what: str, token: str = OURS, act: Act = PURGES) -> None:
        self._lease = power if isinstance(power, WorkLease) else None
        self._source, self._what, self._token, self._act = source, what, token, act
        self._renewed = 0.0

    async def look(self) -> None:
        """Before a plan.

        Raises:
            PlanRejected: somebody else does it there.
        """
        if self._lease is not None:
            with contextlib.suppress(BackendError):
                other = await self._lease.working(self._act.work, self._token)
                if other is not None:
                    raise PlanRejected(self._said(other))

    async def take(self, of: int | None) -> None:
        """Before anything is changed.

        Raises:
            PlanRejected: somebody else began meanwhile.
            Lost: the server is away.
        """
        other = await self._hold(0, of)
        if other is not None:
            raise PlanRejected(self._said(other))

    async def keep(self, done: int, of: int | None) -> None:
        """Now and then.

        Raises:
            Refused: we were asleep for so long that somebody else began.
            Lost: the server is away.
        """
        if time.monotonic() - self._renewed < EVERY:
            return
        other = await self._hold(done, of)
        if other is not None:
            raise Refused(self._said(other))

    async def during(self, work: Coroutine[Any, Any, T], done: Callable[[], int], of: int) -> T:
        """What `work` comes to; the lease is renewed meanwhile. A server away does not end the work.

        Raises:
            Refused: we were asleep for so long that somebody else began; the work was cancelled.
        """
        running = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({running}, timeout=EVERY))[0]:
                with contextlib.suppress(Lost):
                    await self.keep(done(), of)
            return await running
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait({running})

    async def let_go(self) -> None:
        """At the end, however it came; a server that is away lets it end by itself."""
        if self._lease is not None and self._renewed:
            with contextlib.suppress(BackendError):
                await self._lease.release_work(self._act.work, self._token)

    async def _hold(self, done: int, of: int | None) -> Working | None:
        if self._lease is None:
            return None
        try:
            now = Working(self._what, done, of)
            other = await self._lease.hold_work(self._act.work, self._token, now, LIFE)
        except Lost:
            raise
        except BackendError:
            if not self._renewed:
                self._lease = None
            return None
        self._renewed = time.monotonic() if other is None else 0.0
        return other

    def _said(self, other: Working) -> str:
        of = "" if other.of is None else f"{fmt.count(other.done)} of "
        done = of + fmt.many(other.done if other.of is None else other.of, self._act.unit)
        return (
            f"{inert(other.who, 80)} {self._act.verb} {inert(other.what, 80)} of {self._source} right now:"
            f" {done} so far; wait for its end"
        )
