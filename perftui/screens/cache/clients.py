"""Who is connected: told together, and the clients of one group or all, with what each of them holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perftui.analysis.clientgroups import grouped, members
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.table import Column
from perftui.model.cache import CacheNode
from perftui.model.cacheclients import EVERY, TOPIC, WAYS, Client, ClientGroup, ClientLook
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.screens.cache.base import CacheTab
from perftui.widgets.livetable import LiveTable

ENDED: Final = "no client is connected"


class Clients:
    """What is looked at of the clients of a server: by what they are told together, or which are listed."""

    def __init__(self) -> None:
        self.by = WAYS[0]
        self.group: ClientGroup | None = None
        self._source, self._at = "", 0.0

    def turn(self) -> None:
        """Tell them together by something else."""
        self.by = WAYS[(WAYS.index(self.by) + 1) % len(WAYS)]
        self.group = None

    def look(self, tab: CacheTab, node: CacheNode, now: float) -> None:
        """Ask, where the last answer is of another server or ten seconds old."""
        if node.source != self._source and self._source:
            self.group = None
        if node.health.link is Link.LIVE and (node.source != self._source or now - self._at >= EVERY):
            self._source, self._at = node.source, now
            tab.probe(TOPIC, node.source, "ClientLister", lambda power: power.clients())

    def ask_again(self, *_done: object) -> None:
        """With the next look."""
        self._at = 0.0

    def show(self, groups: LiveTable, listed: LiveTable, told: Frame, tz: str) -> None:
        """Fill both tables."""
        look = told.report if isinstance(told.report, ClientLook) else None
        clients = look.clients if look is not None else ()
        note = told.error or (" · ".join(_notes(look, tz)) if look is not None else "")
        groups.title, groups.note = f"Clients by {self.by}", note
        listed.note = note
        groups.empty = listed.empty = told.error or (ENDED if look is not None else "reading the list")
        groups.set_items(grouped(clients, self.by))
        if self.group is not None:
            listed.title = f"Clients of {self.group.by} {named(self.group)}"
            clients = members(clients, self.group)
        else:
            listed.title = "Clients"
        listed.set_items(clients)


def _notes(look: ClientLook, tz: str) -> Iterator[str]:
    kept = len(look.clients)
    yield fmt.many(look.total, "client") if kept == look.total else f"{kept:,} of {look.total:,} clients"
    yield fmt.clock(look.at, tz)
    yield from (inert(f"{node}: {why}", 60) for node, why in look.silent[:1])


def named(group: ClientGroup) -> str:
    """What its clients share."""
    return inert(group.name, 60) or "(none given)"


def group_key(group: ClientGroup) -> tuple[str, str]:
    """What tells two groups apart."""
    return group.by, group.name


def client_key(one: Client) -> tuple[str, int, str]:
    """What tells two clients apart: ids begin anew with a server."""
    return one.node, one.id, one.address


def _number(key: str, title: str, width: int, priority: int, text: str = "") -> Column:
    return Column(key, title, fmt.count, width=width, align="right", priority=priority, help=text)


def group_columns() -> list[Column]:
    """Columns of groups."""
    return [
        Column(
            "name",
            "Clients of",
            lambda name: inert(name, 80) or ("(none given)", "muted"),
            width=18,
            grow=True,
        ),
        _number("clients", "Clients", 8, 1),
        Column("idle_s", "Idle up to", fmt.duration, width=10, align="right", priority=2),
        Column(
            "output_bytes", "Unread", fmt.bytes_, width=9, align="right", help="replies it did not read yet"
        ),
        Column(
            "memory_bytes", "Memory", fmt.bytes_, width=9, align="right", help="all that connections take"
        ),
        _number("blocked", "Blocked", 7, 3, "wait for a key"),
        _number("multi", "Multi", 5, 4, "in a transaction"),
        _number("tracking", "Track", 5, 4, "are told which keys change"),
        _number("replicas", "Repl", 5, 5),
    ]


def client_columns() -> list[Column]:
    """Columns of clients."""
    return [
        Column("name", "Client", lambda name: inert(name, 80) or ("(no name)", "muted"), width=14, grow=True),
        Column("address", "Address", width=21),
        Column("memory_bytes", "Memory", fmt.bytes_, width=9, align="right"),
        Column(
            "output_bytes", "Unread", fmt.bytes_, width=9, align="right", help="replies it did not read yet"
        ),
        Column("idle_s", "Idle", fmt.duration, width=9, align="right", priority=2),
        Column("age_s", "Age", fmt.duration, width=9, align="right", priority=3),
        Column("states", "Is", ", ".join, width=10, priority=4),
        Column("command", "Last", width=14, priority=5),
        Column("db", "Db", width=3, align="right", priority=6),
        Column("user", "User", width=9, priority=6),
        Column("library", "Library", width=14, priority=7),
        Column("node", "Server", width=15, priority=8),
        Column("id", "Id", width=7, align="right", priority=9),
    ]
