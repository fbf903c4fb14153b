"""What nodes of the cache library publish and obey at several servers: asked for where the key is held."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from perftui.backends.valkey.dictionaries import DictionaryPowers
from perftui.backends.valkey.link import Link
from perftui.backends.valkey.nodelook import NodeLook
from perftui.backends.valkey.nodes import NodePowers, TierRates
from perftui.backends.valkey.orders import OrderPowers
from perftui.backends.valkey.policies import PolicyPowers
from perftui.backends.valkey.purges import PurgeQueuePowers
from perftui.backends.valkey.routed import Routed
from perftui.backends.valkey.shardkeys import Shard
from perftui.backends.valkey.warmqueue import WarmQueuePowers
from perftui.model.errors import BackendError
from perftui.model.tierview import TierFacts


class PublishedPowers(
    NodePowers, DictionaryPowers, WarmQueuePowers, PolicyPowers, OrderPowers, PurgeQueuePowers
):
    """What a single server does for nodes of the library, with a connection for each key."""

    own_hits: int = 0
    own_misses: int = 0

    def _route(
        self,
        name: str,
        work: Callable[[bytes], Awaitable[Link]],
        look: Callable[[bytes], Awaitable[Link]],
        looked: Callable[[bytes, bool], None],
    ) -> None:
        """Where keys are asked for, working and by looks; `looked` hears of each lookup, and if it hit."""
        self._work, self._look = Routed(name, work, looked), Routed(name, look, looked)
        self._tiers = TierRates()

    async def published(self, within: float) -> TierFacts | None:
        """What nodes of the library do, in three round trips of `within` seconds at most; None: not known."""
        try:
            seconds, micros = await self._look.one("TIME", deadline=within)
            return await self.tiers(int(seconds) + int(micros) / 1e6, within)
        except (BackendError, KeyError):  # a primary that no look has met yet
            return None


class ShardPublished(PublishedPowers):
    """The same where ShardPowers say which primary holds a key."""

    read: Callable[[], Any]
    _known: Sequence[Any]
    _looks: Mapping[str, NodeLook]
    _at: Callable[[Sequence[bytes]], list[tuple[Shard, list[bytes]]]]

    def _route_shards(self, name: str) -> None:
        self._route(name, self._link_at, self._looking_at, self._looked_at)

    async def _link_at(self, key: bytes) -> Link:
        """The working connection to the primary of a key, as the newest look has it."""
        if not self._known:
            await self.read()
        ((shard, _),) = self._at([key])
        return shard.work

    async def _looking_at(self, key: bytes) -> Link:
        """The same, by the connection of looks: they never wait behind a purge or a scan."""
        ((shard, _),) = self._at([key])
        return self._looks[shard.name].link

    def _looked_at(self, key: bytes, found: bool) -> None:
        ((shard, _),) = self._at([key])
        if (look := self._looks.get(shard.name)) is not None:
            look.own["keyspace_hits" if found else "keyspace_misses"] += 1
