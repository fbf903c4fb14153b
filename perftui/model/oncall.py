"""Who is on call by a schedule that somebody else keeps, such as PagerDuty's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Duty:
    """`who` (a name) is on call by `schedule` until `until`, epoch seconds.

    `id` is how the schedule's keeper knows them; `level` counts from 1 how soon they would be called there.
    """

    schedule: str
    who: str
    id: str
    until: float = math.inf
    level: int = 1


@dataclass(frozen=True, slots=True)
class Roll:
    """The duties of this moment, or (`said`) why they could not be learned."""

    duties: tuple[Duty, ...] = ()
    said: str = ""


@runtime_checkable
class DutyReader(Protocol):
    """A sender that can say who is on call over there."""

    async def on_duty(self, schedules: Sequence[str]) -> Roll:
        """Who is on call now by each of `schedules` (their ids); what happens outside is told, not raised."""
        ...


@dataclass(frozen=True, slots=True)
class OnCallReport:
    """Who would be called now: names in order, and `by` what; `said` is why not by the schedule."""

    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    by: str = ""
    said: str = ""

    @property
    def words(self) -> str:
        """One line for people."""
        if not self.first and not self.by and not self.said:
            return "nobody: no rota and no schedule is configured, [oncall]"
        first, second = (", ".join(names) or "nobody" for names in (self.first, self.second))
        return f"{first}, then {second} (by {self.by or 'nothing'})" + (f"; {self.said}" if self.said else "")
