"""Powers over how cache servers are set up; `perftui.model.ports` has all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from perftui.model.risk import Risk

CONFIGURE: Final = (
    "cache.configure",
    "Set a server parameter",
    Risk.CHANGES,
    "ServerTuner",
    "perftui.engines.cache.configure:SetParameter",
    "CONFIG SET of one of a few parameters at every server that has another; undo gives each its own back.",
)
"""Its row of the table of actions, which has no room."""
GIVE_BACK: Final = (
    "cache.give-back",
    "Give freed memory back",
    Risk.CHANGES,
    "MemoryKeeper",
    "perftui.engines.cache.giveback:GiveBack",
    "MEMORY PURGE: what values left free goes to the system at once, where the allocator is jemalloc.",
)
KILL: Final = (
    "cache.kill-client",
    "Kill this client's connection",
    Risk.DESTROYS,
    "ClientKiller",
    "perftui.engines.cache.killclient:KillClient",
    "CLIENT KILL by id and address, of the very client shown and never of perftui; no undo.",
)
SERVER_ACTIONS: Final = (CONFIGURE, GIVE_BACK, KILL)


@runtime_checkable
class ConfigReader(Protocol):
    """Servers that tell the settings which matter for a cache; never a secret."""

    async def configuration(self) -> Any:
        """A `ConfigLook` (`perftui.model.serverconfig`) of every server; Refused where none may tell."""


@runtime_checkable
class ServerTuner(Protocol):
    """Servers whose running configuration can be read and set, one parameter at a time."""

    async def parameters(self, name: str) -> Any:
        """A `ParameterLook` (`perftui.model.serverconfig`): the value at each server now.

        Unsupported when they have no such parameter.
        """

    async def set_parameter(self, name: str, value: str, node: str = "") -> None:
        """Set it at one server (the only one needs no name) until it restarts; Refused without the right."""


@dataclass(frozen=True, slots=True)
class MemoryLook:
    """Who keeps a server's memory: bytes resident, and of them `freed`, which no value is in any more.

    `fragments` lie between values in pages that are in use: only moving these frees them. Both are 0 where
    the allocator is not jemalloc: others do not say.
    """

    allocator: str
    resident: int
    freed: int
    fragments: int


@runtime_checkable
class MemoryKeeper(Protocol):
    """Servers that tell what their allocator keeps, and can be asked to let go of it, one at a time."""

    async def memory_kept(self, node: str = "") -> MemoryLook:
        """As it is now; the only server there is needs no name."""
        ...

    async def give_back(self, node: str = "") -> None:
        """Let the system have what is freed; Refused without the right to."""
        ...


@runtime_checkable
class ClientLister(Protocol):
    """Servers that tell who is connected to them."""

    async def clients(self) -> Any:
        """A `ClientLook` (`perftui.model.cacheclients`), of ten seconds ago at most."""


@runtime_checkable
class ClientKiller(Protocol):
    """Servers that end connections of others."""

    async def find_client(self, node: str, id_: int) -> Any:
        """The `Client` of that id as it is now; None where it has gone."""

    async def kill_client(self, node: str, id_: int, address: str) -> bool:
        """End the very connection with that id from that address; False where there is none."""
