"""Who is connected to cache servers, as the servers tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TOPIC: Final = "cache.clients"

EVERY: Final = 10.0
"""Seconds between two lists: of 500 clients one costs the server 2.9 ms."""

MOST: Final = 20_000
"""Clients of a server that are listed; a list of more would hold up the others."""

OURS: Final = frozenset({"perftui", "perftui-look", "perftui-watch"})
"""Names of a console's own connections."""

WAYS: Final = ("name", "library", "address", "db")
"""What clients are told together by."""


@dataclass(frozen=True, slots=True)
class Client:
    """One connection to the server `node`; names are as the client gave them, cut.

    `output_bytes` wait to be read by it, `memory_bytes` are all that its connection takes. `flags` are the
    server's letters, `queued` commands of a MULTI under way (-1: none), `channels` what it is subscribed to.
    """

    id: int
    node: str
    address: str
    name: str = ""
    library: str = ""
    user: str = ""
    db: int = 0
    age_s: float = 0.0
    idle_s: float = 0.0
    output_bytes: int = 0
    memory_bytes: int = 0
    flags: str = ""
    command: str = ""
    queued: int = -1
    channels: int = 0

    @property
    def ours(self) -> bool:
        """Whether it is a console's own."""
        return self.name in OURS

    @property
    def states(self) -> tuple[str, ...]:
        """What it is or does beside asking and being answered."""
        return tuple(word for letter, word in STATES.items() if letter in self.flags)


STATES: Final = {
    "S": "replica",
    "M": "primary",
    "b": "blocked",
    "x": "multi",
    "t": "tracking",
    "P": "subscriber",
    "O": "monitor",
    "c": "closing",
}
"""Letters of CLIENT LIST that say something to an operator."""


@dataclass(frozen=True, slots=True)
class ClientGroup:
    """Clients that share a name, a library, an address or a database; `idle_s` is of the one idle longest."""

    by: str
    name: str
    clients: int
    idle_s: float
    output_bytes: int
    memory_bytes: int
    blocked: int
    multi: int
    tracking: int
    replicas: int


@dataclass(frozen=True, slots=True)
class ClientLook:
    """All clients at `at` (epoch seconds), the hungriest first; of `total` at most MOST are told.

    `silent` are servers that did not tell, each with why.
    """

    at: float
    clients: tuple[Client, ...]
    total: int
    silent: tuple[tuple[str, str], ...] = ()
