"""What a server's allocator keeps, and having it let go."""

from __future__ import annotations

from perftui.backends.valkey import info
from perftui.backends.valkey.eachserver import EachServer
from perftui.backends.valkey.facts import loose_of
from perftui.model.serverports import MemoryLook

DEADLINE = 5.0
"""Seconds: it takes a tenth of a second for each GB, in which the server does nothing else."""


class MemoryPowers(EachServer):
    """The power MemoryKeeper, over a connection for each question."""

    async def memory_kept(self, node: str = "") -> MemoryLook:
        """As INFO has it, which the server renews ten times a second."""
        async with self._linked(node) as link:
            fields = info.parse(await link.one("INFO", deadline=DEADLINE))
        loose = loose_of(fields)
        freed, fragments = (loose.freed, loose.fragments) if loose is not None else (0, 0)
        allocator, resident = fields.get("mem_allocator", "?"), info.whole(fields, "used_memory_rss")
        return MemoryLook(allocator, resident, freed, fragments)

    async def give_back(self, node: str = "") -> None:
        """MEMORY PURGE."""
        async with self._linked(node) as link:
            await link.one("MEMORY", "PURGE", deadline=DEADLINE, asked="MEMORY PURGE")
