"""A failover that was rehearsed: what happened when, how long writes failed, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from perftui.model.cachecluster import Range

TOPIC: Final = "cache.rehearsals"
SHELF: Final = "rehearsals"
"""Where they are kept, as a place beside the backends."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something of a failover, `after_s` the kill, as the first of the nodes, or sentinels, showed it.

    `kind` is one of killed, suspected (one gets no answer), failed (a majority, or the quorum, agrees),
    election (a replica, or a sentinel, asks for votes), promoted, agreed (all know), revived, rejoined.
    """

    after_s: float
    kind: str
    node: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Slots that could not be written, from the first write that failed to the next that did not.

    `until_s` is None where none went through as long as it was watched.
    """

    slots: Range
    since_s: float
    until_s: float | None
    errors: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen of a failover: `at` is the kill in epoch seconds, times count from there.

    `gaps` are the killed primary's, `other_errors` writes that failed elsewhere meanwhile; `taken_by` is the
    new primary, empty where none took over.
    """

    at: float
    steps: tuple[Step, ...]
    gaps: tuple[Gap, ...]
    other_errors: int = 0
    taken_by: str = ""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One primary killed on purpose. `lag_bytes`: how far its replica was behind before; that is lost.

    `node_timeout_s` is the time without an answer after which one is suspected; without slots it is a group.
    """

    source: str
    node: str
    slots: tuple[Range, ...]
    node_timeout_s: float
    budget_s: float
    seen: Measured
    lag_bytes: int = 0

    @property
    def outage_s(self) -> float | None:
        """The longest time without a write; None where writes never came back."""
        ends = [None if gap.until_s is None else gap.until_s - gap.since_s for gap in self.seen.gaps]
        known = [end for end in ends if end is not None]
        return max(known, default=0.0) if self.seen.taken_by and len(known) == len(ends) else None

    @property
    def errors(self) -> int:
        """Writes that failed, everywhere."""
        return sum(gap.errors for gap in self.seen.gaps) + self.seen.other_errors

    @property
    def passed(self) -> bool:
        """Whether it stayed in its budget, and others saw nothing."""
        return self.outage_s is not None and self.outage_s <= self.budget_s and not self.seen.other_errors

    @property
    def score(self) -> int:
        """0 to 100: the budget by the outage, 100 within it; 10 less where other primaries failed writes."""
        if self.outage_s is None:
            return 0
        share = min(1.0, self.budget_s / self.outage_s) if self.outage_s > 0 else 1.0
        return max(0, round(100 * share) - (10 if self.seen.other_errors else 0))

    def after(self, kind: str) -> float | None:
        """When the first step of a kind was, in seconds from the kill; None without one."""
        return next((step.after_s for step in self.seen.steps if step.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Rehearsals:
    """The newest ones of an environment, newest first."""

    found: tuple[Rehearsal, ...] = ()
