"""An agent's watch over pairs of regions: a lost primary is replaced, one that comes back follows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from perftui.model.action import Action, Plan
from perftui.model.errors import PerftuiError
from perftui.runtime.clock import Clock
from perftui.runtime.conductor import Conductor
from perftui.runtime.leases import Leases, Turn
from perftui.runtime.tasks import Crew

log = logging.getLogger(__name__)

AGAIN = 1.0  # seconds before what failed is tried again, and between looks whether it is our turn
PAIR = "RegionPair"

Attend = Callable[[str], Awaitable[tuple[str, str, str]]]


class RegionWatch:
    """Acts for those of `sources` whose configuration says so, while it holds their lease.

    `attend` waits until something is to be done for one of them; `make` makes an action of the registry.
    """

    def __init__(
        self,
        sources: Sequence[str],
        attend: Attend,
        make: Callable[..., Action],
        conductor: Callable[[], Conductor],
        leases: Leases,
        env: str,
        clock: Clock,
    ) -> None:
        self._sources = tuple(sources)
        self._attend = attend
        self._make = make
        self._conductor = conductor
        self._turn = Turn(leases, f"regions/{env}", clock)
        self._said = ""

    def said(self) -> str:
        """What it did last."""
        return self._said

    async def run(self) -> None:
        """Watch all, until cancelled."""
        async with Crew("regions") as crew:
            try:
                crew.start("lease", self._turn.keep(_unheard))
                for source in self._sources:
                    crew.start(source, self._watch(source))
                await asyncio.Event().wait()
            finally:
                await self._turn.drop()

    async def _watch(self, source: str) -> None:
        while True:
            try:
                what, node, primary = await self._attend(source)
                if self._turn.lease is None:
                    await asyncio.sleep(AGAIN)
                    continue
                to = {} if what == "takeover" else {"to": primary}
                action = self._make(f"cache.{what}", source, node=node, **to)
                receipt = await self._conductor().perform(action, self._allowed, policy=True)
                self._tell(f"{source}: {receipt.summary}")
            except PerftuiError as error:
                self._tell(f"{source}: {error}", failed=True)
                await asyncio.sleep(AGAIN)

    async def _allowed(self, _action: Action, _plan: Plan) -> bool:
        """The configuration allowed it; the lease may have passed on meanwhile."""
        return self._turn.lease is not None

    def _tell(self, text: str, *, failed: bool = False) -> None:
        if text != self._said:
            self._said = text
            log.log(logging.WARNING if failed else logging.INFO, "%s", text)


async def _unheard(_lease: Any) -> None:
    """Whose turn it is, is looked at when it matters."""
