"""A server that is to follow the primary that is one now, as it stands before that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from perftui.model.risk import Risk

if TYPE_CHECKING:
    from perftui.model.cache import Replication

REATTACH: Final = (
    "cache.reattach",
    "Attach the replica again",
    Risk.CHANGES,
    "ReplicaAttacher",
    "perftui.engines.cache.reattach:Reattach",
    "REPLICAOF to the primary that is one now, never a guess: its keys go for a copy of that one's.",
)
"""Its row of the table of actions, which has no room."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Whom a server follows, or who follows it, and how many keys it holds; asked at `address`."""

    address: str
    replication: Replication
    keys: int
