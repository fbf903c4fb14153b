"""Whether processes of a namespace that miss a key together load it once, or once each: set and undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from perftui.draw.clean import inert
from perftui.engines.cache.obeyed import SetPolicy
from perftui.model.finding import Offer
from perftui.model.namespacepolicy import ON, read_shared
from perftui.model.tiers import SharedLoads, TierStats
from perftui.model.tierview import TierFacts
from perftui.model.warmports import LoadSharer

NOT_REACHED: Final = (
    (
        "not reached: calls that give `options` of their own, loads that run already, and processes"
        " that publish nothing"
    ),
)


class ShareLoads(SetPolicy[bool, SharedLoads]):
    """Set it `on` or `off`, or let each node do as its options say (`default`), and see it obeyed."""

    id: ClassVar[str] = "cache.share-loads"
    title: str = "Share the loads of a namespace"
    field = "shared"
    mute = "they have no lock that others see, or a version that knows of none"
    not_reached = NOT_REACHED

    def __init__(self, power: LoadSharer, source: str, *, namespace: str, shared: str) -> None:
        super().__init__(power, source, namespace, shared)
        self._power = power

    def read(self, text: str) -> bool | None:
        """`on`, `off` or `default`."""
        return read_shared(text)

    async def kept(self, namespace: str) -> bool | None:
        """What is set now."""
        return await self._power.namespace_shared(namespace)

    async def keep(self, namespace: str, value: bool | None) -> None:
        """Set it, or nothing."""
        await self._power.set_namespace_shared(namespace, value)

    def told(self, stats: TierStats) -> SharedLoads | None:
        """What a node says of its loads."""
        return stats.shared

    def wanted(self, told: SharedLoads, value: bool | None) -> bool:
        """What would be in force at a node."""
        return told.own if value is None else value

    def words(self, value: bool | None) -> str:
        """It as a noun."""
        return "the nodes' own way" if value is None else _load(value)

    def line(self, told: SharedLoads, value: bool | None) -> str:
        """From what it changes to what, and what its options say."""
        own = "" if told.own == told.now else f", {_load(told.own)} by its options"
        return f"{_load(told.now)} → {_load(self.wanted(told, value))}{own}"

    def cautions(self, nodes: Mapping[str, SharedLoads], value: bool | None) -> Iterator[str]:
        """What a lease costs, and what its lack does."""
        after = {self.wanted(told, value) for told in nodes.values() if self.wanted(told, value) != told.now}
        if True in after:
            yield "each load then takes a lease in L2: a round trip more before it, another to let it go"
        if False in after:
            yield "a key that many ask for is then loaded by every process at once when it ends"


def shared(source: str, facts: TierFacts | None, key: bytes) -> Offer | None:
    """One load for all processes of the namespace that a key is of; None where that is so, or not known."""
    nodes = [node for node in (facts.nodes if facts is not None else ()) if node.shared is not None]
    names = {node.namespace for node in nodes if key.startswith(f"{node.namespace}:".encode())}
    name = max(names, key=len, default="")
    if not any(node.namespace == name and node.shared is not None and not node.shared.now for node in nodes):
        return None
    params = (("namespace", name), ("shared", ON))
    return Offer("cache.share-loads", source, f"Share loads of {inert(name, 40)} among its processes", params)


def _load(together: bool) -> str:
    return "one load for all processes" if together else "a load in each process"
