"""Powers of servers that follow another one, or could; `perftui.model.ports` has all of them."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class ReplicaPromoter(Protocol):
    """A server that follows another one, or could."""

    async def replication(self) -> Any:
        """Its `Replication` (`perftui.model.cache`) now."""

    async def promote(self) -> float:
        """Follow nobody any more; seconds it took."""

    async def follow(self, host: str, port: int) -> None:
        """Follow that one: what it holds is replaced by what the other has."""


@runtime_checkable
class ReplicaAttacher(Protocol):
    """A server, or several, of which one can be made to follow the primary that is one now.

    A node is host:port, reached with the login of all; empty where there is only the one server. Where not
    `one_leads` there are several primaries, and `leader` is only who the node's own is.
    """

    one_leads: bool

    async def leader(self, node: str) -> str:
        """Who the primary is now for one of ours, as host:port; empty: nobody says.

        PlanRejected: it is none of ours.
        """

    async def standing(self, node: str) -> Any:
        """How a server stands, one of ours or not: its `Standing` (`perftui.model.reattach`)."""

    async def attach(self, node: str, host: str, port: int) -> None:
        """Have one of ours follow that one: what it holds is replaced by what the other has."""
