"""Acting on a live system: what it would do, what it did, and how to take it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol

from perftui.model.risk import Risk

__all__ = ["Action", "Made", "Outcome", "Plan", "Progress", "Receipt", "Risk"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would happen, told before anything is sent.

    `affects` are lines for the operator (things touched, sample, counts, sizes), `count` and
    `bytes_` the totals where known, `warnings` what cannot be promised, `challenge` the text the
    operator must type (empty: `y` is enough).
    """

    summary: str
    affects: tuple[str, ...] = ()
    count: int | None = None
    bytes_: int | None = None
    reversible: bool = False
    undo_note: str = ""
    warnings: tuple[str, ...] = ()
    challenge: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What did happen: a sentence, the items done, failed and untouched, and data for undo.

    `undo` is JSON-able and opaque to everybody but the action that wrote it. Together with what the registry
    makes the action of it is all that its `undo` may use: another process may be the one that takes it back.
    """

    summary: str
    done: int = 0
    failed: tuple[str, ...] = ()
    untouched: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    undo: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running action is; `total` None when unknown."""

    done: int
    total: int | None
    note: str = ""


class Made(NamedTuple):
    """Of what the registry made an action, which has it as `made`: the backend's name and the parameters.

    `action` is the id of another action whose undo is the same, "" where it is made again itself.
    """

    source: str
    params: Mapping[str, Any]
    action: str = ""


class Action(Protocol):
    """An act on one target. Only the Conductor runs it.

    `run` calls `report` as it goes and must be safe to cancel at every await; a cancelled or
    failed run that changed something raises `PartlyDone` or `Cancelled` with its receipt.
    """

    id: str
    title: str
    target: str
    risk: Risk
    deadline: float

    async def plan(self) -> Plan:
        """Look and say what would happen; changes nothing."""
        ...

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Do it."""
        ...

    async def undo(self, receipt: Receipt) -> Receipt:
        """Take it back; only called when the plan said `reversible`."""
        ...


class Outcome(Enum):
    """How an action ended, as the audit writes it."""

    STARTED = "started"
    DONE = "done"
    DECLINED = "declined"
    REFUSED = "refused"
    FAILED = "failed"
    PARTLY = "partly"
    CANCELLED = "cancelled"
    UNDONE = "undone"
