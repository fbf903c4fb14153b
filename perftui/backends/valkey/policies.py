"""The policy of a namespace of the cache library, kept in this server for its nodes to obey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import hiredis

from perftui.backends.valkey.link import verify
from perftui.model.namespacepolicy import (
    EARLY,
    LOCAL,
    SHARED,
    TTL,
    early_of,
    local_of,
    policy_key,
    shared_of,
    ttl_of,
)

T = TypeVar("T")

DEADLINE: Final = 3.0


class PolicyPowers:
    """TtlKeeper, LoadSharer, LocalKeeper and EarlyKeeper, with NodePowers, over the working connection."""

    _work: Any  # a Link, or a whole cluster as one
    own_hits: int
    own_misses: int

    async def namespace_ttl(self, namespace: str) -> float | None:
        """What is set, in seconds; None: nothing that nodes would obey.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        return await self._kept(namespace, TTL, ttl_of)

    async def set_namespace_ttl(self, namespace: str, ttl: float | None) -> None:
        """Set it, or take it away with None; what else is there and no policy goes.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        await self._keep(namespace, TTL, ttl)

    async def namespace_shared(self, namespace: str) -> bool | None:
        """Whether loads are to be shared; None: nothing that nodes would obey.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        return await self._kept(namespace, SHARED, shared_of)

    async def set_namespace_shared(self, namespace: str, shared: bool | None) -> None:
        """Set it, or take it away with None; what else is there and no policy goes.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        await self._keep(namespace, SHARED, None if shared is None else float(shared))

    async def namespace_local(self, namespace: str) -> int | None:
        """Entries that nodes without an L1 keep in one, 0: none has any; None: nothing that nodes would obey.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        return await self._kept(namespace, LOCAL, local_of)

    async def set_namespace_local(self, namespace: str, entries: int | None) -> None:
        """Set it, or take it away with None; what else is there and no policy goes.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        await self._keep(namespace, LOCAL, None if entries is None else float(entries))

    async def namespace_early(self, namespace: str) -> float | None:
        """XFetch's beta for nodes that have none, 0: none loads early; None: nothing that nodes would obey.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        return await self._kept(namespace, EARLY, early_of)

    async def set_namespace_early(self, namespace: str, beta: float | None) -> None:
        """Set it, or take it away with None; what else is there and no policy goes.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        await self._keep(namespace, EARLY, beta)

    async def _kept(self, namespace: str, field: bytes, read: Callable[[Any], T | None]) -> T | None:
        (reply,) = await self._work.ask([("ZSCORE", policy_key(namespace), field)], DEADLINE)
        if reply is None:
            self.own_misses += 1
        else:
            self.own_hits += 1
        if _other(reply):
            return None
        try:
            return read(verify(reply, "ZSCORE", self._work.where))
        except ValueError:
            return None

    async def _keep(self, namespace: str, field: bytes, score: float | None) -> None:
        key = policy_key(namespace)
        change = ("ZREM", key, field) if score is None else ("ZADD", key, repr(score), field)
        (reply,) = await self._work.ask([change], DEADLINE)
        if _other(reply):
            await self._work.one("UNLINK", key, deadline=DEADLINE)
            (reply,) = await self._work.ask([change], DEADLINE)
        verify(reply, change[0], self._work.where)


def _other(reply: Any) -> bool:
    """Whether the key is of another type."""
    return isinstance(reply, hiredis.ReplyError) and str(reply).startswith("WRONGTYPE")
