"""Whether values of a namespace are loaded shortly before their end, by chance (XFetch): set and undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from perftui.analysis.localcopy import holders
from perftui.draw.clean import inert
from perftui.engines.cache.obeyed import SetPolicy
from perftui.model.finding import Offer
from perftui.model.namespacepolicy import ON, read_early
from perftui.model.tiers import EarlyLoads, TierStats
from perftui.model.tierview import TierFacts
from perftui.model.warmports import EarlyKeeper

NOT_REACHED: Final = (
    (
        "not reached: calls that give `options` of their own, what was set and not loaded, what never ends,"
        " and processes that publish nothing"
    ),
)


class LoadEarly(SetPolicy[float, EarlyLoads]):
    """Set it `on` or `off`, or let each node do as its options say (`default`), and see it obeyed."""

    id: ClassVar[str] = "cache.load-early"
    title: str = "Load values of a namespace early"
    field = "early"
    mute = "their version knows of none"
    not_reached = NOT_REACHED

    def __init__(self, power: EarlyKeeper, source: str, *, namespace: str, early: str) -> None:
        super().__init__(power, source, namespace, early)
        self._power = power

    def read(self, text: str) -> float | None:
        """`on`, `off` or `default`."""
        return read_early(text)

    async def kept(self, namespace: str) -> float | None:
        """What is set now."""
        return await self._power.namespace_early(namespace)

    async def keep(self, namespace: str, value: float | None) -> None:
        """Set it, or nothing."""
        await self._power.set_namespace_early(namespace, value)

    def told(self, stats: TierStats) -> EarlyLoads | None:
        """What a node says of its loads."""
        return stats.early

    def wanted(self, told: EarlyLoads, value: float | None) -> float:
        """What would be in force at a node; one that has a beta by its options keeps it."""
        return told.own if value is None or (value and told.own) else value

    def words(self, value: float | None) -> str:
        """It as a noun."""
        return "the nodes' own way" if value is None else _loads(value)

    def line(self, told: EarlyLoads, value: float | None) -> str:
        """From what it changes to what, and what its options say."""
        own = "" if told.own == told.now else f", {_loads(told.own)} by its options"
        return f"{_loads(told.now)} → {_loads(self.wanted(told, value))}{own}"

    def cautions(self, nodes: Mapping[str, EarlyLoads], value: float | None) -> Iterator[str]:
        """What early loads cost, and what their lack does."""
        changes = {(told.now, self.wanted(told, value)) for told in nodes.values()}
        if any(after > now for now, after in changes):
            yield "keys that are asked for often are loaded somewhat more often than their TTL says"
            yield "a key that is asked for less often than a load lasts is still found gone"
        if any(after < now for now, after in changes):
            yield "who asks for a key when it ends then waits for its load again"


def early(source: str, facts: TierFacts | None, key: bytes) -> Offer | None:
    """Early loads for the namespace that a key is of; None where all its nodes do it, or none says it."""
    nodes = holders(facts, key)
    if not any(node.early is not None and not node.early.now for node in nodes):
        return None
    params = (("namespace", nodes[0].namespace), ("early", ON))
    title = f"Load values of {inert(nodes[0].namespace, 40)} before they end"
    return Offer("cache.load-early", source, title, params)


def _loads(beta: float) -> str:
    return f"early loads, beta {beta:g}" if beta else "no early loads"
