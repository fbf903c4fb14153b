"""Powers that are the session's own, not a system's: where people see to what perftui does by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:  # as in ports
    from perftui.model.action import Action
    from perftui.model.schedule import LoopRow, Mode, Schedule, TuningReport


@runtime_checkable
class TuningDesk(Protocol):
    """Where control loops and schedules are seen to: one an environment, named `tuning`."""

    async def report(self) -> TuningReport:
        """All of them as the store has them now."""
        ...

    async def loop(self, name: str) -> LoopRow:
        """One of them; PlanRejected when there is none of that name."""
        ...

    async def set_mode(self, row: LoopRow, mode: Mode) -> LoopRow:
        """Set a mode as of what was seen; PlanRejected says who was faster."""
        ...

    async def set_modes(self, modes: Mapping[str, Mode]) -> None:
        """Set many at once, whatever they were."""
        ...

    def scheduled(self, name: str) -> tuple[Schedule, Action]:
        """A schedule with what it does; PlanRejected when there is none of that name."""
        ...
