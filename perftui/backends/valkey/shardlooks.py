"""Keys of a whole cluster looked at: prefixes from samples at every primary, and those asked for most."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from perftui.analysis.prefixhits import together
from perftui.backends.valkey.keys import told
from perftui.backends.valkey.shardkeys import Shard
from perftui.model.accesses import AccessBurst
from perftui.model.cache import CommandSample, HotKey, Keyspace

FEWEST = 8
"""Pages of a primary: fewer would say little of how far its keys differ."""


class ShardLooks:
    """KeyspaceReader's samples and CommandSampler over all primaries; replicas are not looked at."""

    watch_every: float = 0.0
    watched: CommandSample | None = None
    _primaries: Callable[[], Any]

    async def sample_keyspace(self, base: bytes, pages: int) -> Keyspace:
        """Prefix shares under `base` from about `pages` random places, at each primary by its keys."""
        shards: tuple[Shard, ...] = await self._primaries()
        sizes = await asyncio.gather(*(shard.size() for shard in shards))
        parts = [max(FEWEST, round(pages * size / max(1, sum(sizes)))) for size in sizes]
        drawn = [shard.draw(part) for shard, part in zip(shards, parts, strict=True)]
        strata = await asyncio.gather(*drawn)
        looked = [shard.biggest(stratum, base) for shard, stratum in zip(shards, strata, strict=True)]
        big = await asyncio.gather(*looked)
        return told(strata, [key for part in big for key in part], base)

    async def sample_commands(self, limit: int, seconds: float) -> CommandSample:
        """At most `limit` commands or `seconds` of all primaries at once; slows them meanwhile."""
        shards: tuple[Shard, ...] = await self._primaries()
        each = max(1, limit // len(shards))
        samples = await asyncio.gather(*(shard.sample_commands(each, seconds) for shard in shards))
        self.watched = merged(samples, [shard.name for shard in shards])
        return self.watched

    async def watch_accesses(self, limit: int, seconds: float) -> AccessBurst:
        """Reads of all primaries at once, until the first of them has its part of `limit`."""
        shards: tuple[Shard, ...] = await self._primaries()
        each = max(1, limit // len(shards))
        bursts = await asyncio.gather(*(shard.watch_accesses(each, seconds) for shard in shards))
        cut = [burst.accesses[-1].at for burst in bursts if burst.commands >= each and burst.accesses]
        found = (access for burst in bursts for access in burst.accesses)
        kept = [access for access in found if not cut or access.at <= min(cut)]
        kept.sort(key=lambda access: access.at)
        took = max(burst.took_s for burst in bursts)
        return AccessBurst(took, sum(burst.commands for burst in bursts), tuple(kept))


def merged(samples: Sequence[CommandSample], places: Sequence[str] = ()) -> CommandSample:
    """Samples of several servers as one, each weighed by its commands a second: a busy one is full sooner.

    `places` are their addresses.
    """
    rates = [sample.commands / max(sample.took_s, 1e-6) for sample in samples]
    total = sum(rates) or 1.0
    keys: dict[bytes, HotKey] = {}
    names: Counter[str] = Counter()
    for sample, rate in zip(samples, rates, strict=True):
        part = rate / total
        names.update(dict(sample.names))
        for hot in sample.keys:
            share, error, have = hot.share * part, hot.error * part, keys.get(hot.key)
            keys[hot.key] = HotKey(  # of two servers a key is only while its slot moves
                hot.key,
                hot.count + (have.count if have else 0),
                share + (have.share if have else 0.0),
                error + (have.error if have else 0.0),
                hot.writes + (have.writes if have else 0),
                hot.writers + (have.writers if have else 0),
                hot.loads + (have.loads if have else 0),
                hot.ttl_s if have is None or hot.ttl_s is not None else have.ttl_s,
            )
    weighed = [(1 / max(sample.took_s, 1e-6), sample.hits) for sample in samples]
    hottest = sorted(keys.values(), key=lambda hot: -hot.share)[:50]
    return CommandSample(
        max(sample.at for sample in samples),
        max(sample.took_s for sample in samples),
        sum(sample.commands for sample in samples),
        tuple(hottest),
        tuple(names.most_common(20)),
        tuple((place, rate / total) for place, rate in zip(places, rates, strict=False)),
        together(weighed),
        next((sample.hits_limit for sample in samples if sample.hits_limit), ""),
    )
