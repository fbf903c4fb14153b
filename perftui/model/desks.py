"""Powers that are the session's own, not a system's: where people see to what perftui does by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:  # as in ports
    from perftui.model.action import Action
    from perftui.model.alerts import Ack, Alert, Maintenance, Matcher, Rehearsal, Rule, Silence
    from perftui.model.backtest import Trial
    from perftui.model.calendar import CalendarsReport
    from perftui.model.hitpast import HitPast
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


@runtime_checkable
class AlertDesk(Protocol):
    """Where alerts are seen to: one an environment, named `alerts`. StoreError: it cannot be written."""

    async def alert(self, fingerprint: str) -> Alert:
        """The alert as it is now; PlanRejected when there is none (any more)."""
        ...

    async def acknowledge(self, alert: Alert, note: str, until: float | None) -> tuple[Ack, bool]:
        """Say that one knows; the acknowledgement that stands, and whether it is this or an earlier one."""
        ...

    async def unacknowledge(self, alert: Alert) -> None:
        """Take one's own acknowledgement back."""
        ...

    async def silence(self, matchers: Sequence[Matcher], seconds: float, note: str) -> Silence:
        """No notice of what matches, from now on."""
        ...

    async def unsilence(self, id: str) -> Silence:  # noqa: A002
        """End a silence now; PlanRejected when there is none of that id."""
        ...

    async def running(self, id: str) -> Silence:  # noqa: A002
        """A silence, or the occurrence of a window that runs or comes next; PlanRejected: none."""
        ...

    async def resume(self, silence: Silence) -> None:
        """Let the occurrence of a maintenance window that was ended go on."""
        ...

    async def maintain(self, name: str, window: Maintenance | None) -> Maintenance | None:
        """Enter a maintenance window, None: take it away; the one before. PlanRejected: it is declared."""
        ...

    async def calendars(self) -> CalendarsReport:
        """What the calendars say around now."""
        ...

    async def reached(self, matchers: Sequence[Matcher]) -> Sequence[Alert]:
        """The alerts that a silence would reach now."""
        ...

    async def fired(self, matchers: Sequence[Matcher], seconds: float) -> int:
        """How often alerts that such a silence reaches began to fire in the last `seconds`."""
        ...

    async def rule(self, name: str) -> Rule:
        """The rule as it is in force; PlanRejected when there is none of that name."""
        ...

    async def set_threshold(self, name: str, threshold: float | None) -> float | None:
        """Set a rule's threshold for every console, None: as configured; the override before."""
        ...

    async def mark(self, alert: Alert, *, normal: bool) -> tuple[str, float, float | None]:
        """The threshold a series would have by what people say of its alert: series, new, before."""
        ...

    async def set_sigmas(self, series: str, sigmas: float | None, kind: str, alert: Alert) -> None:
        """Enter a series' own threshold, None: as configured; `kind` is what history says of the alert."""
        ...

    async def rehearse(self, rule: Rule, seconds: float) -> Rehearsal:
        """What the rule would have done in the last `seconds`."""
        ...


@runtime_checkable
class RuleTrier(Protocol):
    """Says what a rule would have done that is in force nowhere yet; the desk `alerts` can."""

    async def try_rule(self, rule: Rule, seconds: float) -> Trial | None:
        """Over the last `seconds`, with the incidents of that time; None where its past is not kept here."""
        ...


@runtime_checkable
class HitShelf(Protocol):
    """Where hit ratios over a quarter of an hour and a day are asked for: one, named `hits`."""

    async def hits(self, source: str) -> HitPast:
        """A server's ratios until now; StoreError when the history cannot be read."""
        ...
