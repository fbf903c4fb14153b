"""Local copies in the processes of a namespace that keep none: lent to all its nodes, and taken back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from perftui.analysis.localcopy import holders
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.obeyed import SetPolicy
from perftui.model.finding import Offer
from perftui.model.namespacepolicy import LOCAL_LIFE, ON, read_local
from perftui.model.tiers import LocalCopies, TierStats
from perftui.model.tierview import TierFacts
from perftui.model.warmports import LocalKeeper

NOT_REACHED: Final = ("not reached: calls that skip L1 by their options, and processes that publish nothing",)


class KeepCopies(SetPolicy[int, LocalCopies]):
    """Set it `on` or `off`, or let each node do as its options say (`default`), and see it obeyed."""

    id: ClassVar[str] = "cache.local-copies"
    title: str = "Keep local copies of a namespace"
    field = "local"
    mute = "they have no L1 and hear nothing of what others change, or a version that knows of none"
    not_reached = NOT_REACHED

    def __init__(self, power: LocalKeeper, source: str, *, namespace: str, local: str) -> None:
        super().__init__(power, source, namespace, local)
        self._power = power

    def read(self, text: str) -> int | None:
        """`on`, `off` or `default`."""
        return read_local(text)

    async def kept(self, namespace: str) -> int | None:
        """What is set now."""
        return await self._power.namespace_local(namespace)

    async def keep(self, namespace: str, value: int | None) -> None:
        """Set it, or nothing."""
        await self._power.set_namespace_local(namespace, value)

    def told(self, stats: TierStats) -> LocalCopies | None:
        """What a node says of its L1."""
        return stats.local

    def wanted(self, told: LocalCopies, value: int | None) -> int:
        """What would be in force at a node; one that has an L1 by its options keeps it."""
        return told.own if value is None or (value and told.own) else value

    def words(self, value: int | None) -> str:
        """It as a noun."""
        return "the nodes' own way" if value is None else _l1(value)

    def line(self, told: LocalCopies, value: int | None) -> str:
        """From what it changes to what, and what its options say."""
        own = "" if told.own == told.now else f", {_l1(told.own)} by its options"
        return f"{_l1(told.now)} → {_l1(self.wanted(told, value))}{own}"

    def cautions(self, nodes: Mapping[str, LocalCopies], value: int | None) -> Iterator[str]:
        """What copies cost, and what their lack does."""
        changes = {(told.now, self.wanted(told, value)) for told in nodes.values()}
        if any(after > now for now, after in changes):
            yield (
                f"a copy that is lent is fresh for {fmt.duration(LOCAL_LIFE)} at most, and not once its node"
                " hears of a change; each process takes memory for them"
            )
        if any(after < now for now, after in changes):
            yield "what was answered from memory is then asked of the server"
            yield "refreshing and predictions of hot keys see none where there is no L1"


def lent(source: str, facts: TierFacts | None, key: bytes) -> Offer | None:
    """Copies for the namespace that a key is of; None where a node could not have any, or all have an L1."""
    nodes = holders(facts, key)
    if not any(node.local is not None and not node.local.now for node in nodes):
        return None
    params = (("namespace", nodes[0].namespace), ("local", ON))
    return Offer(
        "cache.local-copies", source, f"Keep local copies of {inert(nodes[0].namespace, 40)}", params
    )


def _l1(entries: int) -> str:
    return f"an L1 of {fmt.many(entries, 'entry', 'entries')}" if entries else "no L1"
