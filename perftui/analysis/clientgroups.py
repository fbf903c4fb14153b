"""Clients of cache servers told together: by name, library, address or database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from perftui.model.cacheclients import Client, ClientGroup

OF: Final[Mapping[str, Callable[[Client], str]]] = {
    "name": lambda one: one.name,
    "library": lambda one: one.library,
    "address": lambda one: one.address.rpartition(":")[0],
    "db": lambda one: f"db{one.db}",
}
"""What a client is told by."""


def grouped(clients: Iterable[Client], by: str) -> tuple[ClientGroup, ...]:
    """A group for each name, the largest first."""
    found: dict[str, list[Client]] = {}
    for one in clients:
        found.setdefault(OF[by](one), []).append(one)
    made = (_group(by, name, some) for name, some in found.items())
    return tuple(sorted(made, key=lambda group: (-group.clients, group.name)))


def members(clients: Iterable[Client], group: ClientGroup) -> tuple[Client, ...]:
    """The clients of a group."""
    return tuple(one for one in clients if OF[group.by](one) == group.name)


def _group(by: str, name: str, some: list[Client]) -> ClientGroup:
    def count(letter: str) -> int:
        return sum(letter in one.flags for one in some)

    return ClientGroup(
        by,
        name,
        len(some),
        max(one.idle_s for one in some),
        sum(one.output_bytes for one in some),
        sum(one.memory_bytes for one in some),
        count("b"),
        count("x"),
        count("t"),
        count("S"),
    )
