"""The TTL of a namespace on the Tiers tab: as it is told, and the question behind `i`."""

from __future__ import annotations

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.table import Cell
from perftui.model.namespacepolicy import DEFAULT, read_ttl
from perftui.model.tierview import NamespaceView
from perftui.screens.tab import Tab


def cell(view: NamespaceView) -> Cell:
    """What is in force, marked where it is not by the nodes' own options."""
    if len(view.ttls) > 1:
        return "differs", "warn"
    return fmt.life(view.ttls[0] if view.ttls else None), "accent" if view.ttls != view.own_ttls else ""


def words(view: NamespaceView) -> str:
    """In force, and by the options where that is another one; empty where no node says it."""
    if not view.ttls:
        return ""
    now, own = (" to ".join(dict.fromkeys(map(fmt.life, (t[0], t[-1])))) for t in (view.ttls, view.own_ttls))
    by = "by the nodes' own options"
    return f"{now} set here, {own} {by}" if view.ttls != view.own_ttls else f"{now} {by}"


def edit(tab: Tab, source: str, view: NamespaceView) -> None:
    """Ask for a duration, then plan."""

    def answered(text: str) -> None:
        tab.perform("cache.set-ttl", source, namespace=view.namespace, ttl=text.strip() or DEFAULT)

    now = fmt.life(view.ttls[0]).replace(" ", "") if view.ttls else ""
    value = now if not fault(now) else DEFAULT
    prompt = f"of entries given none, such as 5m; `{DEFAULT}`: as the nodes' own options say"
    tab.ask(f"TTL of {inert(view.namespace, 40)}", prompt, answered, value, check=fault)


def fault(text: str) -> str:
    """What is wrong with a duration, as a sentence; empty when it can be set."""
    try:
        read_ttl(text)
    except ValueError as error:
        return str(error)
    return ""
