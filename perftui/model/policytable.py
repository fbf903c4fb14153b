"""What each eviction policy would have hit on a recorded trace, at several sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TOPIC: Final = "cache.policies"


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One size: `hits` has the hit ratio of each policy, by its name, in the order of the table."""

    entries: int
    share: float
    hits: tuple[tuple[str, float], ...]

    def of(self, policy: str) -> float | None:
        """The hit ratio of one policy; None where it was not rehearsed."""
        return dict(self.hits).get(policy)


@dataclass(frozen=True, slots=True)
class PolicyTable:
    """A trace of `accesses` to `keys` keys of `source`, and its rehearsal; `file` has the trace."""

    source: str
    began: float
    accesses: int
    keys: int
    mean_bytes: float
    rows: tuple[PolicyRow, ...]
    file: str = ""
