"""A purge's hold on its server: another console is told who purges there, and how far that is."""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import Any, Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.errors import BackendError, Lost, PlanRejected, Refused
from perftui.model.purgelease import PurgeLease, Purging

LIFE: Final = 10.0  # seconds after which a purge that was killed no longer stands in the way
EVERY: Final = 2.0
OURS: Final = secrets.token_hex(16)


class Hold:
    """One purge's lease. A server that knows no scripts, or has no room for it, is purged without."""

    def __init__(self, power: Any, source: str, what: str, token: str = OURS) -> None:
        self._lease = power if isinstance(power, PurgeLease) else None
        self._source, self._what, self._token = source, what, token
        self._renewed = 0.0

    async def look(self) -> None:
        """Before a plan.

        Raises:
            PlanRejected: somebody else purges there.
        """
        if self._lease is not None:
            with contextlib.suppress(BackendError):
                other = await self._lease.purging(self._token)
                if other is not None:
                    raise PlanRejected(self._said(other))

    async def take(self, of: int | None) -> None:
        """Before the first key goes.

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

    async def let_go(self) -> None:
        """At the end, however it came; a server that is away lets it end by itself."""
        if self._lease is not None and self._renewed:
            with contextlib.suppress(BackendError):
                await self._lease.release_purge(self._token)

    async def _hold(self, done: int, of: int | None) -> Purging | None:
        if self._lease is None:
            return None
        try:
            other = await self._lease.hold_purge(self._token, Purging(self._what, done, of), LIFE)
        except Lost:
            raise
        except BackendError:
            self._lease = None
            return None
        self._renewed = time.monotonic() if other is None else 0.0
        return other

    def _said(self, other: Purging) -> str:
        of = "" if other.of is None else f"{fmt.count(other.done)} of "
        keys = of + fmt.many(other.done if other.of is None else other.of, "key")
        return (
            f"{inert(other.who, 80)} purges {inert(other.what, 80)} of {self._source} right now:"
            f" {keys} so far; wait for its end"
        )
