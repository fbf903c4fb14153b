"""Trouble that comes from shop's own code: faults switched on in its workers."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

from perftui.lab.incidents.kinds import Incident
from perftui.lab.incidents.repeating import Repeating
from perftui.lab.processes import LabError
from perftui.lab.shoppart import ShopPart


class Fault(Incident):
    """A fault of `perftui.lab.shop.faults`, in every worker, also in those that come later."""

    arguments: ClassVar[dict[str, Any]] = {}

    async def start(self) -> None:
        """Switch it on."""
        await self.lab.part(ShopPart).fault(self.name, self.arguments)

    async def stop(self) -> None:
        """Switch it off; a shop that has ended has no faults."""
        shop = self.lab.part(ShopPart)
        if shop.running:
            await shop.fault(self.name, None)


class Stampede(Fault):
    """A refactoring lost the single flight and shortened a TTL."""

    name = "stampede"
    what = "pages live 1 s in the cache, cost a heavy query, and all who miss load at once"
    look = "database.queries"


class NPlusOne(Fault):
    """A loop where a join was."""

    name = "n-plus-one"
    what = "a customer's orders are read by some 40 statements where one did it"
    look = "database.queries"


class ConnectionLeak(Fault):
    """A code path that forgets its connection."""

    name = "connection-leak"
    what = "orders leave connections idle in transaction, up to 6 a worker"
    look = "database.overview"


class CpuHog(Fault):
    """A job that landed in the web process."""

    name = "cpu-hog"
    what = "a thread of one worker burns most of a core"
    look = "profiling.cpu"


class MemoryLeak(Fault):
    """A cache without a bound."""

    name = "memory-leak"
    what = "each product page keeps 512 kB, up to 96 MB a worker"
    look = "overview.hosts"


class BlockingCall(Fault):
    """A synchronous call in the event loop."""

    name = "blocking-call"
    what = "each search stops its worker's event loop for 0.25 s"
    look = "overview.summary"
    arguments: ClassVar[dict[str, Any]] = {"seconds": 0.25}


class ErrorBurst(Fault):
    """A bug in a discount."""

    name = "error-burst"
    what = "30 % of product pages and orders answer 500"
    look = "overview.summary"
    arguments: ClassVar[dict[str, Any]] = {"share": 0.3}


class WorkerCrash(Repeating):
    """A native library that segfaults."""

    name = "worker-crash"
    what = "a worker dies by SIGSEGV every 5 s and is replaced"
    look = "scaling.overview"
    every = 5.0

    async def once(self) -> None:
        """End the oldest worker that serves."""
        await self.lab.part(ShopPart).ask(op="tell", worker="oldest", message={"op": "crash"})

    async def stop(self) -> None:
        """No more, and the last one's replacement serves."""
        await super().stop()
        shop = self.lab.part(ShopPart)
        if shop.running:
            with contextlib.suppress(LabError):
                await shop.settled()
