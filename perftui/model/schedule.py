"""Control loops and schedules: what runs by itself, how far it may go, and what it last decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

TUNING = "tuning"  # where a backend's name would stand
TUNING_TOPIC = "overview.tuning"


class Mode(Enum):
    """How far a loop may go."""

    OFF = "off"  # does nothing
    OBSERVE = "observe"  # decides, and says what it would have done
    ON = "on"  # acts, through the Conductor


@dataclass(frozen=True, slots=True)
class Schedule:
    """An action that is done by the clock.

    `cron` is in `timezone`, or `every` is seconds; `jitter` seconds are spread over its firings. One that
    was missed is skipped, or run once. At most `budget` runs an hour; `confirm` is what an action that
    destroys wants typed.
    """

    name: str
    action: str
    source: str
    params: Mapping[str, Any] = field(default_factory=dict)
    cron: str = ""
    every: float = 0.0
    timezone: str = "UTC"
    jitter: float = 0.0
    run_missed: bool = False
    budget: int = 4
    confirm: str = ""
    mode: Mode = Mode.OBSERVE

    @property
    def when(self) -> str:
        """When it runs, in words."""
        return f"{self.cron} {self.timezone}" if self.cron else f"every {_span(self.every)}"


def _span(seconds: float) -> str:
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds / size:g} {letter}"
    return f"{seconds:g} s"


@dataclass(frozen=True, slots=True)
class LoopState:
    """What a loop last did, as its holder wrote it. Instants are epoch seconds, 0: never.

    `slot` is the firing that was last dealt with, `acts` when it acted in the last hour, `running` what it
    is doing now.
    """

    slot: float = 0.0
    decided_at: float = 0.0
    decision: str = ""
    reason: str = ""
    acted_at: float = 0.0
    result: str = ""
    running: str = ""
    acts: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class LoopRow:
    """One loop or schedule as it stands. `version` counts its mode's changes; `by` made the last, at `since`.

    `modes` are those it knows, `upcoming` its next firings, `budget` runs an hour (0: not counted).
    """

    name: str
    kind: str  # loop, schedule
    about: str
    mode: Mode
    modes: tuple[Mode, ...]
    holder: str = ""
    state: LoopState = LoopState()
    version: int = 0
    by: str = ""
    since: float = 0.0
    upcoming: tuple[float, ...] = ()
    budget: int = 0

    def acts_since(self, at: float) -> int:
        """How often it acted since then."""
        return sum(acted >= at for acted in self.state.acts)


@dataclass(frozen=True, slots=True)
class TuningReport:
    """All loops of an environment; `agent` is who does them day and night, empty for nobody."""

    at: float
    rows: tuple[LoopRow, ...]
    agent: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """A mode as the store has it."""

    mode: Mode
    version: int
    by: str
    since: float
