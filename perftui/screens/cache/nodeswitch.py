"""What nodes of a namespace do or leave, on the Tiers tab: loads shared (`f`), or early (`X`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from perftui.model.namespacepolicy import DEFAULT, OFF, ON
from perftui.model.tierview import NamespaceView
from perftui.screens.tab import Tab


@dataclass(frozen=True, slots=True)
class Switch:
    """One policy: what nodes tell of it in `field` of a view, which is also what its action takes.

    `word` says a value of it. `mute` is what is said where no node tells.
    """

    field: str
    action: str
    word: Callable[[Any], str]
    mute: str

    def words(self, view: NamespaceView) -> str:
        """In force, and where from; empty where no node says it, or none does it as it was made to."""
        nodes = getattr(view, self.field)
        if not any(told.now or told.own for told in nodes):
            return ""
        now = {told.now for told in nodes}
        if len(now) != 1:
            return "differs from node to node"
        own = all(told.now == told.own for told in nodes)
        return f"{self.word(now.pop())} " + ("by the nodes' own options" if own else "set here")

    def change(self, tab: Tab, source: str, view: NamespaceView) -> None:
        """Plan the other way: on where any node does not, else back to the options, else off."""
        nodes = getattr(view, self.field)
        if not nodes:
            tab.toast(self.mute)
            return
        to = ON
        if all(told.now for told in nodes):
            to = OFF if all(told.own for told in nodes) else DEFAULT
        params: dict[str, Any] = {"namespace": view.namespace, self.field: to}
        tab.perform(self.action, source, **params)


SHARE: Final = Switch(
    "shared",
    "cache.share-loads",
    lambda together: "one for all processes" if together else "each process its own",
    "its nodes have no lock that others see, or a version that knows of none",
)
EARLY: Final = Switch(
    "early",
    "cache.load-early",
    lambda beta: f"by chance, beta {beta:g}" if beta else "none",
    "its nodes are of a version that knows of no early loads",
)
