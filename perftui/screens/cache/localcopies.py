"""Whether the processes of a namespace keep local copies, on the Tiers tab: as it is told, and `O`."""

from __future__ import annotations

from perftui.draw import format as fmt
from perftui.model.namespacepolicy import DEFAULT, OFF, ON
from perftui.model.tierview import NamespaceView
from perftui.screens.tab import Tab


def words(view: NamespaceView) -> str:
    """What is lent, or taken away; empty where nodes do as their options say, or say nothing."""
    changed = [told for told in view.local if told.now != told.own]
    if not changed:
        return ""
    most = max(told.now for told in changed)
    return f"of {fmt.many(most, 'entry', 'entries')} lent here" if most else "taken away here"


def change(tab: Tab, source: str, view: NamespaceView) -> None:
    """Plan the other way: an L1 where a node never had any, else back to the options, else none for any."""
    if not view.local:
        tab.toast("its nodes have no L1 and hear nothing of changes, or a version that knows of none")
        return
    to = ON
    if any(told.own and not told.now for told in view.local):
        to = DEFAULT
    elif all(told.now for told in view.local):
        to = OFF if all(told.own for told in view.local) else DEFAULT
    tab.perform("cache.local-copies", source, namespace=view.namespace, local=to)
