"""Who does something to a server that one does at a time, whichever consoles and shells there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

PURGE: Final = "purge"
SLOTS: Final = "slots"  # moves of hash slots


@dataclass(frozen=True, slots=True)
class Working:
    """Work under way: what of, how much is done, of how much planned; `who` does it is known once told."""

    what: str
    done: int = 0
    of: int | None = None
    who: str = ""


@runtime_checkable
class WorkLease(Protocol):
    """A server or cluster on which one purge runs at a time, and one move of slots."""

    async def hold_work(self, work: str, token: str, now: Working, life: float) -> Working | None:
        """Take the lease, or renew it with how far we are; None: it is ours, else who has it."""

    async def working(self, work: str, token: str) -> Working | None:
        """Who has it, if anybody but us."""

    async def release_work(self, work: str, token: str) -> None:
        """Give it back, if it is ours."""


@runtime_checkable
class PurgeProbe(Protocol):
    """A server or cluster that tells how long somebody else's command would wait now."""

    async def probe_purge(self) -> float:
        """Seconds of a PING there and back, of several servers the slowest's."""
