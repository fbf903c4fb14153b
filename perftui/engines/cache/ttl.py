"""How long entries of a namespace live that are given no TTL: set for all its nodes, and taken back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.obeyed import SetPolicy
from perftui.model.finding import Offer
from perftui.model.namespacepolicy import MOST, read_ttl
from perftui.model.tiers import DefaultTtl, TierStats
from perftui.model.warmports import TtlKeeper

NOT_REACHED: Final = (
    (
        "not reached: entries stored already, calls that give a `ttl` or `options` of their own,"
        " `l1_ttl` and `l2_ttl` of the nodes' options, and processes that publish nothing"
    ),
)


class SetTtl(SetPolicy[float, DefaultTtl]):
    """Set it (`ttl` such as `5m`) or let each node do as its options say (`default`), and see it obeyed."""

    id: ClassVar[str] = "cache.set-ttl"
    title: str = "Set the TTL of a namespace"
    field = "ttl"
    mute = "their version knows no TTL that is set here"
    not_reached = NOT_REACHED

    def __init__(self, power: TtlKeeper, source: str, *, namespace: str, ttl: str) -> None:
        super().__init__(power, source, namespace, ttl)
        self._power = power

    def read(self, text: str) -> float | None:
        """A duration, or `default`."""
        return read_ttl(text)

    async def kept(self, namespace: str) -> float | None:
        """What is set now, in seconds."""
        return await self._power.namespace_ttl(namespace)

    async def keep(self, namespace: str, value: float | None) -> None:
        """Set it, or nothing."""
        await self._power.set_namespace_ttl(namespace, value)

    def told(self, stats: TierStats) -> DefaultTtl | None:
        """What a node says of its TTL."""
        return stats.ttl

    def wanted(self, told: DefaultTtl, value: float | None) -> float:
        """What would be in force at a node; one whose options let nothing be stored keeps to that."""
        return told.own if value is None or told.own <= 0 else value

    def words(self, value: float | None) -> str:
        """It as a noun."""
        return "the nodes' own TTL" if value is None else f"a TTL of {fmt.life(value)}"

    def goal(self, value: float | None) -> str:
        """What is to be in force."""
        return f"{self.words(value)} for entries given none"

    def line(self, told: DefaultTtl, value: float | None) -> str:
        """From what it changes to what, and what its options say."""
        kept = "" if told.own > 0 else ": its options let nothing be stored"
        own = "" if told.own == told.now else f", {fmt.life(told.own)} by its options"
        return f"{fmt.life(told.now)} → {fmt.life(self.wanted(told, value))}{own}{kept}"

    def cautions(self, nodes: Mapping[str, DefaultTtl], value: float | None) -> Iterator[str]:
        """A longer life is a staler one."""
        if any(told.now < self.wanted(told, value) for told in nodes.values()):
            yield "where it is longer, what changes unseen by the cache is served for longer"


def longer(source: str, namespace: str, ttl: float) -> Offer | None:
    """To set it for a namespace; None where it is none that can be set: it has no end, or nothing is kept."""
    if not 0 < ttl <= MOST:
        return None
    params = (("namespace", namespace), ("ttl", f"{ttl:g}s"))
    return Offer("cache.set-ttl", source, f"Set the TTL of {inert(namespace, 40)} to {fmt.life(ttl)}", params)
