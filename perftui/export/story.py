"""All that happened in a range of time, gathered once and told as PDF or Markdown."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from perftui.analysis.budget import Objective
from perftui.model.alerts import AlertEvent
from perftui.model.auditlog import AuditEntry
from perftui.model.event import Event


@dataclass(frozen=True)
class Curve:
    """One figure over the range: time, mean and extremes of each row; `goal` is a target's line."""

    title: str
    unit: str
    at: array[float]
    mean: array[float]
    low: array[float]
    high: array[float]
    goal: float | None = None


@dataclass(frozen=True)
class Chapter:
    """A layer: its name and its figures."""

    name: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Story:
    """One environment between two instants. `who` made the report at `made`.

    `objectives` are as they stood at the end, `missed` the titles of targets missed at any time of the range.
    """

    env: str
    kind: str
    start: float
    end: float
    who: str
    made: float
    objectives: tuple[Objective, ...] = ()
    missed: tuple[str, ...] = ()
    alerts: tuple[AlertEvent, ...] = ()
    events: tuple[Event, ...] = ()
    actions: tuple[AuditEntry, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    settings: tuple[tuple[str, str], ...] = field(default=())

    @property
    def findings(self) -> tuple[Event, ...]:
        """Findings that stood in the range."""
        return tuple(event for event in self.events if event.kind == "finding")

    @property
    def happenings(self) -> tuple[Event, ...]:
        """Everything else that happened."""
        return tuple(event for event in self.events if event.kind != "finding")

    @property
    def title(self) -> str:
        """Its name, with the word that must not be missed."""
        return f"PRODUCTION {self.env}" if self.kind == "production" else self.env

    def summary(self) -> Sequence[str]:
        """What the range held, in sentences."""
        fired = sum(event.kind == "firing" for event in self.alerts)
        watched = sum(len(chapter.curves) for chapter in self.chapters)
        told = ", ".join(
            (
                f"{counted(fired, 'alert')} fired",
                f"{counted(len(self.findings), 'finding')} stood",
                counted(len(self.happenings), "other event"),
                f"{counted(len(self.actions), 'line')} of audit",
            )
        )
        named = ", ".join(self.missed)
        missing = f"Targets missed at some time: {named}." if named else "No target was seen missed."
        said = [f"{told[0].upper()}{told[1:]}.", missing]
        return said if watched else [*said, "No sample was stored in this range: no chart can be drawn."]


def counted(number: int, noun: str) -> str:
    """`3 alerts`, `1 alert`, `no alert`."""
    return f"{number or 'no'} {noun}{'s' if number > 1 else ''}"
