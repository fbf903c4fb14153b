"""Trouble with the cache itself."""

from __future__ import annotations

from perftui.lab.datastores import ValkeyPart
from perftui.lab.incidents.repeating import Repeating
from perftui.lab.processes import LabError


class CacheFlush(Repeating):
    """Somebody's deploy script empties the cache."""

    name = "cache-flush"
    what = "empties Valkey now and every 10 s: hits fall, the database feels it"
    look = "cache.tiers"
    every = 10.0

    async def once(self) -> None:
        """FLUSHALL."""
        from redis.exceptions import RedisError

        try:
            async with self.lab.part(ValkeyPart).primary.client() as client:
                await client.flushall()
        except (RedisError, OSError) as error:
            raise LabError(f"cannot flush Valkey: {error}") from error
