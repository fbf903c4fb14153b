"""Reads of keys from a short, bounded look at the command stream, for policies to be rehearsed on."""

from __future__ import annotations

from collections.abc import Iterable

from perftui.backends.valkey.keys import WORK_DEADLINE
from perftui.backends.valkey.link import Link
from perftui.backends.valkey.monitor import MOST_COMMANDS, MOST_SECONDS
from perftui.backends.valkey.prefixhits import fetched
from perftui.model.accesses import Access, AccessBurst


class AccessPowers:
    """CommandSampler's reads: MONITOR for a moment on a connection of its own, then sizes on the other."""

    _stream: Link
    _work: Link

    async def watch_accesses(self, limit: int, seconds: float) -> AccessBurst:
        """Reads among at most `limit` commands or `seconds`; slows the server meanwhile.

        Left out: other databases, and what consoles and the cache library keep for themselves.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        most, longest = min(limit, MOST_COMMANDS), min(seconds, MOST_SECONDS)
        lines, took = await self._stream.watch(("MONITOR",), longest, most, 2.0)
        reads = [read for line in lines for read in fetched(line, self._stream.address.db)]
        sizes = await self._sizes(dict.fromkeys(key for _, key in reads))
        return AccessBurst(took, len(lines), tuple(Access(at, key, sizes.get(key, 0)) for at, key in reads))

    async def _sizes(self, keys: Iterable[bytes]) -> dict[bytes, int]:
        """Bytes of those that are there, where the server tells."""
        names, found = list(keys), dict[bytes, int]()
        for start in range(0, len(names), 1000):
            part = names[start : start + 1000]
            replies = await self._work.ask([("MEMORY", "USAGE", name) for name in part], WORK_DEADLINE)
            found |= {n: reply for n, reply in zip(part, replies, strict=True) if type(reply) is int}
        return found
