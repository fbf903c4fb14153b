"""What a rule would have done on the past, and why it does what it does now."""

from __future__ import annotations

from dataclasses import dataclass

from perftui.model.alerts import Alert, Labels, Rule, Silence
from perftui.model.finding import Severity


@dataclass(frozen=True, slots=True)
class Spell:
    """One firing of one alert; `ended` is None while it goes on at the end of the range."""

    labels: Labels
    pending: float
    fired: float
    ended: float | None = None
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What another `for` or threshold would have made of it: firings and seconds of firing in all."""

    what: str
    setting: float
    fired: int
    firing_s: float
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Backtest:
    """A rule over [start, end], evaluated every `step` seconds with the ruler's own state machine."""

    rule: Rule
    start: float
    end: float
    step: float
    spells: tuple[Spell, ...] = ()
    pending: int = 0  # became true and ended before it fired
    series: int = 0  # that its condition looked at, where it compares with a number
    night: int = 0  # firings from 22 to 7
    choices: tuple[Choice, ...] = ()
    took_s: float = 0.0
    error: str = ""
    known: float | None = None  # the first value it compares with a number; None: none, or nothing compared

    @property
    def firing_s(self) -> float:
        """Seconds of firing in all."""
        return sum((self.end if s.ended is None else s.ended) - s.fired for s in self.spells)

    @property
    def longest_s(self) -> float:
        """Seconds of the longest firing."""
        return max(((self.end if s.ended is None else s.ended) - s.fired for s in self.spells), default=0.0)

    @property
    def woken(self) -> int:
        """Firings that would have got somebody out of bed."""
        return self.night if self.rule.severity is Severity.CRITICAL else 0


@dataclass(frozen=True, slots=True)
class Incident:
    """Trouble that was real, and whether rules would have told of it.

    It was on the timeline as an incident, or somebody acknowledged a critical alert (`of` says which).
    `rule` was the first to fire (empty: none did), `after` seconds from the incident's begin, negative
    where it fired before.
    """

    at: float
    until: float | None
    title: str
    of: str
    rule: str = ""
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule that is being written over what was recorded, and the incidents of that time."""

    found: Backtest
    incidents: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of an expression with what it comes to now: the first few elements of `count`."""

    depth: int
    text: str
    values: tuple[tuple[Labels, float], ...] = ()
    count: int = 0
    error: str = ""

    @property
    def found(self) -> str:
        """How much it comes to, in a word."""
        if self.error:
            return self.error
        return {0: "nothing", 1: ""}.get(self.count, f"{self.count} series")


@dataclass(frozen=True, slots=True)
class Course:
    """A value around a firing; `goal` is what it was compared with, None where it was compared with nothing.

    `marks` are instants with a word each.
    """

    name: str
    unit: str
    start: float
    end: float
    at: tuple[float, ...]
    value: tuple[float, ...]
    goal: float | None = None
    marks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Why:
    """Everything that decides about a rule or one alert of it at `at`; `lines` say it in words.

    `course` is of the first alert, where its value was recorded.
    """

    rule: Rule
    at: float
    parts: tuple[Part, ...] = ()
    alerts: tuple[Alert, ...] = ()
    silences: tuple[Silence, ...] = ()
    next_tick: float = 0.0
    lines: tuple[str, ...] = ()
    course: Course | None = None
