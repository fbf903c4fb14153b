"""Numbers a key holds, by a few commands that read and are quick whatever the key's size."""

from __future__ import annotations

from perftui.backends.valkey.link import Link
from perftui.model.business import Figure
from perftui.model.errors import Protocol, Unsupported

QUICK = ("GET", "LLEN", "ZCARD", "SCARD", "HLEN", "XLEN", "PFCOUNT", "HGET", "ZCOUNT")
DEADLINE = 2.0


class FigurePowers:
    """FigureSource: `ZCARD active`, `GET total`, over the working connection."""

    _work: Link

    async def figures(self, read: str) -> tuple[Figure, ...]:
        """The one number a command answers with; a key that is not there is 0."""
        words = read.split()
        if len(words) < 2 or words[0].upper() not in QUICK:
            raise Unsupported(f"{self._work.where}: {read!r} is none of {', '.join(QUICK)} with a key")
        reply = await self._work.one(words[0].upper(), *words[1:], deadline=DEADLINE)
        try:
            return (Figure(float(reply or 0)),)
        except (TypeError, ValueError) as error:
            raise Protocol(f"{self._work.where}: {read!r} is no number") from error
