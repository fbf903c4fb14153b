"""Whether the processes of a namespace share their loads, on the Tiers tab: as it is told, and `f`."""

from __future__ import annotations

from perftui.model.namespacepolicy import DEFAULT, OFF, ON
from perftui.model.tiers import SharedLoads
from perftui.model.tierview import NamespaceView
from perftui.screens.tab import Tab


def words(view: NamespaceView) -> str:
    """In force, and where from; empty where no node says it, or each loads for itself as it was made to."""
    now = {told.now for told in view.shared}
    if not any(told.now or told.own for told in view.shared):
        return ""
    if len(now) != 1:
        return "differs from node to node" if now else ""
    text = "one for all processes" if True in now else "each process its own"
    return f"{text} {_origin(view.shared)}"


def change(tab: Tab, source: str, view: NamespaceView) -> None:
    """Plan the other way: shared where any node does not, else back to the options, else not shared."""
    if not view.shared:
        tab.toast("its nodes have no lock that others see, or a version that knows of none")
        return
    to = ON
    if all(told.now for told in view.shared):
        to = OFF if all(told.own for told in view.shared) else DEFAULT
    tab.perform("cache.share-loads", source, namespace=view.namespace, shared=to)


def _origin(told: tuple[SharedLoads, ...]) -> str:
    return "by the nodes' own options" if all(one.now == one.own for one in told) else "set here"
