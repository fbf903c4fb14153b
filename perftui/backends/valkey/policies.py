"""The policy of a namespace of the cache library, kept in this server for its nodes to obey."""

from __future__ import annotations

from typing import Any, Final

import hiredis

from perftui.backends.valkey.link import verify
from perftui.model.namespacepolicy import TTL, policy_key, ttl_of

DEADLINE: Final = 3.0


class PolicyPowers:
    """TtlKeeper, with NodePowers, over the working connection."""

    _work: Any  # a Link, or a whole cluster as one
    own_hits: int
    own_misses: int

    async def namespace_ttl(self, namespace: str) -> float | None:
        """What is set, in seconds; None: nothing that nodes would obey.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        (reply,) = await self._work.ask([("ZSCORE", policy_key(namespace), TTL)], DEADLINE)
        if reply is None:
            self.own_misses += 1
        else:
            self.own_hits += 1
        if _other(reply):
            return None
        try:
            return ttl_of(verify(reply, "ZSCORE", self._work.where))
        except ValueError:
            return None

    async def set_namespace_ttl(self, namespace: str, ttl: float | None) -> None:
        """Set it, or take it away with None; what else is there and no policy goes.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        key = policy_key(namespace)
        change = ("ZREM", key, TTL) if ttl is None else ("ZADD", key, repr(ttl), TTL)
        (reply,) = await self._work.ask([change], DEADLINE)
        if _other(reply):
            await self._work.one("UNLINK", key, deadline=DEADLINE)
            (reply,) = await self._work.ask([change], DEADLINE)
        verify(reply, change[0], self._work.where)


def _other(reply: Any) -> bool:
    """Whether the key is of another type."""
    return isinstance(reply, hiredis.ReplyError) and str(reply).startswith("WRONGTYPE")
