"""What nodes of a namespace have under way and waiting, on its detail; ending a load, trying writes again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.table import Cell, Column
from perftui.model.nodework import letters, oldest
from perftui.model.tierview import TierNode
from perftui.screens.tab import Tab

LOAD = "load"
ACTS = ("cache.cancel-load", "cache.retry-writes")
SLOW_S, HANGS_S = 5.0, 30.0


class WorkRow(NamedTuple):
    """A load that runs, or something that waits; `mark` names a load's key exactly."""

    what: str
    key: str
    node: str
    age_s: float
    mark: str = ""


def rows(nodes: Sequence[TierNode]) -> list[WorkRow]:
    """Loads first, then what waits, each the oldest first."""
    loads = [
        WorkRow(LOAD, load.key, node, load.age_s, load.mark)
        for node, load in oldest((one.node, one.work) for one in nodes)
    ]
    items = [
        WorkRow(item.what, item.key, node.node, item.age_s)
        for node in nodes
        if node.work is not None
        for item in node.work.waiting
    ]
    return loads + sorted(items, key=lambda row: -row.age_s)


def row_key(row: WorkRow) -> tuple[str, str, str, str]:
    """What tells two rows apart: a cut key may stand for several."""
    return row.what, row.node, row.key, row.mark


def columns() -> list[Column]:
    """Columns of what runs and waits."""
    return [
        Column(
            "what",
            "What",
            width=7,
            help="a load that runs, a write for the database, or what L2, nodes or the edge did not take",
        ),
        Column("key", "Key", _key, width=12, grow=True, help="its begin, where it is long"),
        Column("node", "Node", lambda node: inert(node[:8], 8), width=8),
        Column("age_s", "For", _age, width=10, align="right", help="how long already"),
    ]


def _key(key: str) -> str:
    return inert(key) or "the empty key"


def _age(seconds: float) -> Cell:
    style = "crit" if seconds >= HANGS_S else "warn" if seconds >= SLOW_S else ""
    return fmt.duration(seconds), style


def title(nodes: Sequence[TierNode] = ()) -> str:
    """What the table is of, with what it leaves out."""
    long = sum(node.work.long - len(node.work.loads) for node in nodes if node.work is not None)
    return "Runs and waits" + (f", +{fmt.count(long)} loads" if long > 0 else "")


def note(nodes: Sequence[TierNode]) -> str:
    """Dead letters, and what keys do."""
    dead = letters((node.dead for node in nodes), (node.dead_shared for node in nodes))
    told = f"{fmt.count(dead)} dead letter{'' if dead == 1 else 's'} · " if dead else ""
    return f"{told}x cancel · r retry"


def worth(nodes: Sequence[TierNode]) -> bool:
    """Whether there is anything to show."""
    return bool(rows(nodes)) or any(node.dead or node.dead_shared for node in nodes)


def act(tab: Tab, id_: str, source: str, namespace: str, row: WorkRow | None) -> None:
    """Plan what the key stands for."""
    if not namespace:
        tab.toast("no namespace of the cache library is here")
    elif id_ == "cache.retry-writes":
        tab.perform(id_, source, namespace=namespace)
    elif row is None or row.what != LOAD:
        tab.toast("choose a load that runs: enter opens a namespace, which lists those of a second and more")
    else:
        tab.perform(id_, source, namespace=namespace, key=row.key, mark=row.mark)
