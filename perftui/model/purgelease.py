"""Who purges a server's keys right now: one at a time, whichever consoles and shells there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Purging:
    """A purge under way: what it matches, keys done, of how many planned; `who` did it is known once told."""

    what: str
    done: int = 0
    of: int | None = None
    who: str = ""


@runtime_checkable
class PurgeLease(Protocol):
    """A server or cluster on which one purge runs at a time."""

    async def hold_purge(self, token: str, now: Purging, life: float) -> Purging | None:
        """Take the lease, or renew it with how far we are; None: it is ours, else who has it."""

    async def purging(self, token: str) -> Purging | None:
        """Who has it, if anybody but us."""

    async def release_purge(self, token: str) -> None:
        """Give it back, if it is ours."""


@runtime_checkable
class PurgeProbe(Protocol):
    """A server or cluster that tells how long somebody else's command would wait now."""

    async def probe_purge(self) -> float:
        """Seconds of a PING there and back, of several servers the slowest's."""
