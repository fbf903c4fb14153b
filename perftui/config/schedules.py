"""Schedules as they are written in the configuration: an action, when, and how far it may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from perftui.config.settings import option

if TYPE_CHECKING:  # made when a session asks for them
    from perftui.model.schedule import Schedule


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """One action done by the clock."""

    action: str = option("", "Id of the action, as the page of actions lists it.")
    source: str = option("", "Backend it is done on; empty: the first that can.")
    params: Mapping[str, Any] = field(
        default_factory=dict, metadata={"help": "What the action takes, as on the command line."}
    )
    cron: str = option("", "When: five fields, in `timezone`.")
    every: str = option("", "Or how often, such as 15 m; aligned to the epoch, the same on every host.")
    timezone: str = option("UTC", "Zone of `cron`, such as Europe/Berlin.")
    jitter: float = option(0.0, "Spread the firings of `cron` over so many seconds.")
    missed: Literal["skip", "once"] = option("skip", "What becomes of firings nobody was there for.")
    budget: int = option(4, "Most runs an hour.")
    confirm: str = option("", "What the action's plan wants typed, when it destroys something.")
    mode: Literal["off", "observe", "on"] = option(
        "observe", "How it begins, until somebody sets it: observe only says what it would do."
    )
    env: str = option("", "Environment it belongs to; empty: every one.")

    def __post_init__(self) -> None:
        if bool(self.cron) == bool(self.every):
            raise ValueError("needs one of `cron` and `every`")
        if self.jitter < 0 or self.budget < 1:
            raise ValueError("`jitter` cannot be negative and `budget` is at least 1")
        from perftui.analysis.schedule import check, parse_every

        if self.every:
            parse_every(self.every)
        else:
            check(self.cron, self.timezone)

    def schedule(self, name: str) -> Schedule:
        """As what runs it takes it."""
        from perftui.analysis.schedule import parse_every
        from perftui.model.schedule import Mode, Schedule

        return Schedule(
            name,
            self.action,
            self.source,
            self.params,
            self.cron,
            parse_every(self.every) if self.every else 0.0,
            self.timezone,
            self.jitter,
            self.missed == "once",
            self.budget,
            self.confirm,
            Mode(self.mode),
        )
