"""The policy that a console sets for a namespace, as a node obeys it: TTL, loads, local copies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from perftui.instrument.cache.entry import NEVER
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.resp import Answered
from perftui.model.errors import BackendError
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
from perftui.model.tiers import DefaultTtl, EarlyLoads, SharedLoads

if TYPE_CHECKING:
    from perftui.instrument.cache.wiring import Wired

T = TypeVar("T")

WITHIN: Final = 1.0  # seconds for an answer
FORMER: Final = 16  # TTLs that were in force before


class Policy:
    """Changes a cache's `defaults` as L2 says, and back once L2 says nothing; hits cost what they did."""

    def __init__(self, cache: Wired) -> None:
        self._cache = cache
        self._own = self._in_force = cache.defaults
        self._former: dict[float | None, None] = {}
        self._odd: set[bytes] = set()

    @property
    def ttl(self) -> DefaultTtl:
        """What is in force, and what would be without a policy."""
        return DefaultTtl(*(NEVER if ttl is None else ttl for ttl in (self._in_force.ttl, self._own.ttl)))

    @property
    def shared(self) -> SharedLoads | None:
        """The same of loads; None where no lock could share them."""
        if self._cache.lock is None:
            return None
        return SharedLoads(self._in_force.shared_flight, self._own.shared_flight)

    @property
    def early(self) -> EarlyLoads:
        """The same of loading before the end."""
        return EarlyLoads(self._in_force.early_beta or 0.0, self._own.early_beta or 0.0)

    async def look(self) -> None:
        """Obey what L2 says now. An L2 that does not answer changes nothing.

        What is no such policy is counted as `policy.refused`, once, and is as none. No TTL is obeyed where
        the cache's options let nothing be stored.
        """
        store = self._cache.store
        if store is None:
            return
        try:
            ttl, shared, local, early = await asyncio.gather(
                self._told(store, TTL, ttl_of),
                self._told(store, SHARED, shared_of),
                self._told(store, LOCAL, local_of),
                self._told(store, EARLY, early_of),
            )
        except BackendError:
            return
        self._obey(ttl, shared, early)
        self._cache.lending.obey(local)

    async def _told(self, store: Store, field: bytes, read: Callable[[Any], T | None]) -> T | None:
        key = policy_key(self._cache.name)
        try:
            told = read(await store.command("ZADD", key, "XX", "INCR", "0", field, key=key, within=WITHIN))
        except Answered as error:
            if error.code != "WRONGTYPE":
                raise
        except ValueError:
            pass
        else:
            self._odd.discard(field)
            return told
        if not self._odd:
            self._cache.counters.count("policy.refused")
        self._odd.add(field)
        return None

    def lasting(self, ttl: float) -> float:
        """The TTL of an entry's next value: another one where it lived by a default that is former."""
        now = self._in_force.ttl
        return ttl if ttl not in self._former or now is None else now

    def _obey(self, ttl: float | None, shared: bool | None, early: float | None) -> None:
        cache = self._cache
        if cache.defaults is not self._in_force:  # the service chose others meanwhile
            self._own = self._in_force = cache.defaults
        wanted = own = self._own
        if ttl is not None and (own.ttl is None or own.ttl > 0):
            wanted = wanted.but(ttl=ttl)
        if shared is not None and shared is not own.shared_flight:
            wanted = wanted.but(shared_flight=shared)
        if early is not None and not (early and own.early_beta):  # a node that has a beta of its own keeps it
            wanted = wanted.but(early_beta=early or None)
        if wanted == self._in_force:
            return
        if wanted.ttl != self._in_force.ttl:
            self._former[self._in_force.ttl] = None
            self._former.pop(wanted.ttl, None)
            if len(self._former) > FORMER:
                del self._former[next(iter(self._former))]
        cache.defaults = self._in_force = wanted
