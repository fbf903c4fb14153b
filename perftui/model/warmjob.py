"""Warm jobs: which keys of a cache are to be warmed, when, and how fast; and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from perftui.model.schedule import Schedule
from perftui.model.warmqueue import What

WARMING = "warming"  # where a backend's name would stand, the loop that runs them, and its lease
JOBS_TOPIC = "cache.jobs"


class Missed(Enum):
    """What becomes of firings that nobody was there for."""

    SKIP = "skip"
    ONCE = "once"  # one run stands for all of them


@dataclass(frozen=True, slots=True)
class WarmJob:
    """A job: `namespace` and `warm_set` say whose loader loads, `what` which keys.

    At `cron` in `timezone`, or `every` so many seconds; `rate` loads a second at most. `named` keys go with
    it where it names them; the `top` hottest where it means those. `backend` is the cache server; empty: the
    first in which nodes look for runs.
    """

    name: str
    namespace: str
    warm_set: str = "start"
    what: What = What.SET
    named: int = 0
    top: int = 0
    cron: str = ""
    every: float = 0.0
    timezone: str = "UTC"
    rate: float = 50.0
    missed: Missed = Missed.SKIP
    backend: str = ""
    on: bool = True

    @property
    def schedule(self) -> Schedule:
        """Its clock."""
        once = self.missed is Missed.ONCE
        when = {"cron": self.cron, "every": self.every, "timezone": self.timezone}
        return Schedule(self.name, "cache.warm-job", self.backend, run_missed=once, **when)  # type: ignore[arg-type]

    @property
    def keys(self) -> str:
        """Which keys, in words."""
        return {
            What.SET: f"set {self.warm_set}",
            What.KEYS: "1 named key" if self.named == 1 else f"{self.named:,} named keys",
            What.TOP: f"the top {self.top:,}",
        }[self.what]


class Ended(Enum):
    """How a run ended."""

    DONE = "done"
    PARTLY = "partly"  # some keys failed
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # its time came and nobody was there


@dataclass(frozen=True, slots=True)
class JobState:
    """What a job last did. Instants are epoch seconds, 0: never.

    `slot` is the firing dealt with last; `run` the run under way ("": none), which `holder` waits for and
    counts `beat` up while it does. Keys in `total` (None: not known yet), of which so many loaded, fresh
    already, failed.
    """

    slot: float = 0.0
    run: str = ""
    holder: str = ""
    beat: int = 0
    began: float = 0.0
    ended: float = 0.0
    outcome: Ended | None = None
    result: str = ""
    total: int | None = None
    loaded: int = 0
    fresh: int = 0
    failed: int = 0

    @property
    def settled(self) -> int:
        """Keys that nothing more is done about."""
        return self.loaded + self.fresh + self.failed

    def rate(self, now: float) -> float:
        """Loads a second over the run, up to its end or `now`."""
        spent = (self.ended or now) - self.began
        return self.loaded / spent if self.began and spent > 0 else 0.0


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it stands; `version` counts its changes, `by` made the last, at `since`; its next firings."""

    job: WarmJob
    state: JobState = JobState()
    version: int = 0
    by: str = ""
    since: float = 0.0
    upcoming: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class JobsReport:
    """All jobs of an environment; `holder` runs them (empty: nobody), `agent` is there day and night."""

    at: float
    rows: tuple[JobRow, ...] = ()
    paused: bool = False
    holder: str = ""
    agent: str = ""

    def named(self, name: str) -> JobRow | None:
        """The job of that name."""
        return next((row for row in self.rows if row.job.name == name), None)
