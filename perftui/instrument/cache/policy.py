"""The policy that a console sets for a namespace, as a node obeys it: the TTL of entries given none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from perftui.instrument.cache.entry import NEVER
from perftui.instrument.cache.resp import Answered
from perftui.model.errors import BackendError
from perftui.model.namespacepolicy import TTL, policy_key, ttl_of
from perftui.model.tiers import DefaultTtl

if TYPE_CHECKING:
    from perftui.instrument.cache.wiring import Wired

WITHIN: Final = 1.0  # seconds for an answer
FORMER: Final = 16  # TTLs that were in force before


class Policy:
    """Changes a cache's `defaults` as L2 says, and back once L2 says nothing; hits cost what they did."""

    def __init__(self, cache: Wired) -> None:
        self._cache = cache
        self._own = self._in_force = cache.defaults
        self._former: dict[float | None, None] = {}
        self._odd = False

    @property
    def ttl(self) -> DefaultTtl:
        """What is in force, and what would be without a policy."""
        return DefaultTtl(*(NEVER if ttl is None else ttl for ttl in (self._in_force.ttl, self._own.ttl)))

    async def look(self) -> None:
        """Obey what L2 says now. An L2 that does not answer changes nothing.

        What is no TTL is counted as `policy.refused`, once, and is as none. Nor is one obeyed where the
        cache's options let nothing be stored.
        """
        cache = self._cache
        if cache.store is None:
            return
        key, ttl = policy_key(cache.name), None
        try:
            ttl = ttl_of(
                await cache.store.command("ZADD", key, "XX", "INCR", "0", TTL, key=key, within=WITHIN)
            )
        except BackendError as error:
            if not isinstance(error, Answered) or error.code != "WRONGTYPE":
                return
            self._refused()
        except ValueError:
            self._refused()
        else:
            self._odd = False
        self._obey(ttl)

    def lasting(self, ttl: float) -> float:
        """The TTL of an entry's next value: another one where it lived by a default that is former."""
        now = self._in_force.ttl
        return ttl if ttl not in self._former or now is None else now

    def _refused(self) -> None:
        if not self._odd:
            self._cache.counters.count("policy.refused")
        self._odd = True

    def _obey(self, ttl: float | None) -> None:
        cache = self._cache
        if cache.defaults is not self._in_force:  # the service chose others meanwhile
            self._own = self._in_force = cache.defaults
        own = self._own
        stores = own.ttl is None or own.ttl > 0
        wanted = own if ttl is None or not stores else own.but(ttl=ttl)
        if wanted.ttl == self._in_force.ttl:
            return
        self._former[self._in_force.ttl] = None
        self._former.pop(wanted.ttl, None)
        if len(self._former) > FORMER:
            del self._former[next(iter(self._former))]
        cache.defaults = self._in_force = wanted
