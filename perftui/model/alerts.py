"""The words of alerting: what is watched for, what is happening, who knows about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import Enum

from perftui.model.calendar import CalendarFile
from perftui.model.finding import Severity
from perftui.model.series import SeriesKey

Labels = tuple[tuple[str, str], ...]

UP = "up"  # the series every backend has without reporting it: 1 while its link is good, 0 when lost


LINKS = "links"  # the source that keeps the past of `up`, of all backends at the same instants


def up_key(source: str) -> SeriesKey:
    """Under which key it is kept whether a backend could be read."""
    return SeriesKey(LINKS, UP, (("source", source),))


class AlertState(Enum):
    """Where an alert stands in its life."""

    PENDING = "pending"  # true, not yet for long enough
    FIRING = "firing"
    RESOLVED = "resolved"  # kept a while so that everybody learns of it


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label: `op` is `=`, `!=`, `=~` or `!~` (patterns match the whole value)."""

    name: str
    op: str
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.name}{self.op}"{escaped}"'


@dataclass(frozen=True, slots=True)
class Selector:
    """Which series: `source` a backend's name or "" for any, `kind` narrows those to one kind of backend.

    A kind that ends in `*` means every kind that begins so.
    """

    name: str
    source: str = ""
    kind: str = ""
    matchers: tuple[Matcher, ...] = ()

    def of_kind(self, kind: str) -> bool:
        """Whether backends of that kind are meant."""
        return self.kind in ("", kind) or (self.kind.endswith("*") and kind.startswith(self.kind[:-1]))

    def __str__(self) -> str:
        tail = "{" + ", ".join(map(str, self.matchers)) + "}" if self.matchers else ""
        return f"{self.source or (f'@{self.kind}' if self.kind else '*')}/{self.name}{tail}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition over series, true for `hold` seconds before it fires (Prometheus' `for`).

    `how` reduces the samples of the last `over` seconds (`avg`, `min`, `max`; `last` takes the newest).
    `per` divides by another series of the same backend. While the sum of the `traffic` series is below
    `traffic_above` nothing is concluded: an idle system does not alarm. `keep` is `keep_firing_for`,
    `limit` the most alerts at once (0: as many as an evaluation may make). Base units throughout.
    A rule of a file has `expr` (PromQL) instead of `series` and what follows it, `labels` and
    `annotations` are templates then, `group` and `place` (file:line) say where it stands.
    """

    name: str
    title: str
    series: Selector
    op: str = ">"
    threshold: float = 0.0
    unit: str = "1"
    how: str = "last"
    over: float = 0.0
    per: str = ""
    hold: float = 0.0
    keep: float = 0.0
    severity: Severity = Severity.WARNING
    labels: Labels = ()
    traffic: tuple[str, ...] = ()
    traffic_above: float = 0.0
    limit: int = 0
    off: bool = False
    expr: str = ""
    annotations: Labels = ()
    record: bool = False
    group: str = ""
    place: str = ""

    @property
    def of_finding(self) -> bool:
        """Whether it stands for an engine's finding instead of a condition over series."""
        return self.name.startswith(FINDING)


FINDING = "finding:"


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert matches `source`, those that match `target` are not told, `equal` labels being equal."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()
    name: str = ""


CALENDAR = "calendar "  # what begins a `when` that names one
MAINTENANCE = "maintenance:"  # what ids of silences that come again begin with


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A time that comes again in which alerts that match are not told of.

    Each firing of `cron` in `timezone` begins one of `lasting` seconds; a cron of `calendar NAME` means the
    events of that calendar. `place` is the file and line it is declared in, "" when people entered it.
    """

    name: str
    matchers: tuple[Matcher, ...]
    cron: str
    lasting: float
    timezone: str = "UTC"
    who: str = ""
    note: str = ""
    place: str = ""

    @property
    def id(self) -> str:
        """Of the silence that each of its occurrences is."""
        return MAINTENANCE + self.name

    @property
    def calendar(self) -> str:
        """The calendar whose events it is in force at, "" where cron says when."""
        return self.cron.removeprefix(CALENDAR) if self.cron.startswith(CALENDAR) else ""

    @property
    def again(self) -> str:
        """When, in words."""
        return self.cron if self.calendar else f"{self.cron} {self.timezone}"


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules evaluated together, in order, every `interval` seconds; `file` holds the rules in PromQL.

    `findings` are the ids of findings that alert already as warnings; critical ones always do. `windows`
    and `inhibitions` keep alerts quiet; the latter see the environment's `labels` too. From `sigmas` on a
    value is unusual where people's marks say nothing else.
    """

    name: str
    rules: tuple[Rule, ...]
    interval: float = 5.0
    file: str = ""
    findings: tuple[str, ...] = ()
    windows: tuple[Maintenance, ...] = ()
    inhibitions: tuple[Inhibition, ...] = ()
    labels: Labels = ()
    sigmas: float = 3.0
    calendars: tuple[CalendarFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Element:
    """One element of what a rule's condition selected, with the words of a finding where it is one."""

    labels: Labels
    value: float
    title: str = ""
    evidence: tuple[str, ...] = ()
    key: SeriesKey | None = None
    annotations: Labels = ()
    severity: Severity | None = None  # where its own labels say it


@dataclass(frozen=True, slots=True)
class Ack:
    """Somebody knows. `until` is when that no longer counts (epoch seconds), None: until it is resolved."""

    who: str
    at: float
    note: str = ""
    until: float | None = None

    def stands(self, now: float) -> bool:
        """Whether it still counts."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Silence:
    """No notice of alerts whose labels match all `matchers`, from `starts` to `until` (epoch seconds).

    `again` says when one comes again that does (cron and time zone).
    """

    id: str
    matchers: tuple[Matcher, ...]
    starts: float
    until: float
    who: str = ""
    note: str = ""
    again: str = ""

    @property
    def name(self) -> str:
        """What history calls it."""
        return (
            f"maintenance window {self.id.removeprefix(MAINTENANCE)}" if self.again else f"silence {self.id}"
        )

    def runs(self, now: float) -> bool:
        """Whether it is in force."""
        return self.starts <= now < self.until


@dataclass(frozen=True, slots=True)
class Alert:
    """One label set of one rule, while it is true and shortly after.

    `active_at` is when `for` began to count (moved on by time nobody was watching), `began` the same
    unmoved: with the fingerprint it names this one occurrence for ever. `changes` are the instants of
    its last firings and resolutions, `witness` what was to be seen when it fired. The last four fields are
    what people and other alerts make of it.
    """

    fingerprint: str
    rule: str
    title: str
    severity: Severity
    labels: Labels
    value: float
    state: AlertState
    active_at: float
    began: float
    op: str = ""
    threshold: float = 0.0
    unit: str = "1"
    fired_at: float | None = None
    keep_since: float | None = None
    resolved_at: float | None = None
    evidence: tuple[str, ...] = ()
    key: SeriesKey | None = None
    changes: tuple[float, ...] = ()
    annotations: Labels = ()
    witness: tuple[str, ...] = ()
    ack: Ack | None = None
    silence: str = ""
    muted_by: str = ""
    flapping: bool = False

    @property
    def source(self) -> str:
        """The backend it is about, "" when it has none."""
        return dict(self.labels).get("source", "")

    @property
    def open(self) -> bool:
        """Firing and nobody has seen to it: what the header counts."""
        return self.state is AlertState.FIRING and not (self.ack or self.silence or self.muted_by)

    @property
    def word(self) -> str:
        """Its state in one word, as people see it."""
        if self.flapping:
            return "flapping"
        if self.state is not AlertState.FIRING:
            return str(self.state.value)
        if self.silence:
            return "silenced"
        if self.ack:
            return "acknowledged"
        return "muted" if self.muted_by else "firing"

    def bare(self) -> Alert:
        """Without what people and other alerts make of it: what its own row in the store holds."""
        return replace(self, ack=None, silence="", muted_by="", flapping=False)


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One line of history: firing, resolved, flapping, steady, acknowledged, silenced, threshold, …"""

    at: float
    kind: str
    rule: str
    fingerprint: str = ""
    source: str = ""
    title: str = ""
    severity: Severity = Severity.WARNING
    value: float | None = None
    who: str = ""
    note: str = ""
    began: float = 0.0
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class RuleStats:
    """A rule's past: firings, seconds of firing, mean seconds to acknowledge and to resolve (None: never)."""

    rule: str
    fired: int
    firing_s: float
    mtta_s: float | None
    mttr_s: float | None


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """A rule as it was last evaluated; `default` is the threshold of shipped rules and configuration.

    Where rules are evaluated also the largest value of its result (None: it was empty), the instant that
    stands for and the seconds it took. `read_as` is the dialect in which its expression is evaluated,
    `replaces` says that it holds instead of a rule of ours of that name.
    """

    rule: Rule
    default: float
    pending: int = 0
    firing: int = 0
    error: str = ""
    value: float | None = None
    evaluated: float = 0.0
    took_s: float = 0.0
    read_as: str = ""
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a rule would have done from `start` to `end`: each firing as (from, to), and what was found."""

    rule: Rule
    start: float
    end: float
    firings: tuple[tuple[float, float], ...]
    series: int

    @property
    def sentence(self) -> str:
        """Such as: would have fired 3 times, 12 min in all, in the last 24 h."""
        span = self.end - self.start
        long = f"{span / 3600:.0f} h" if span >= 5400 else f"{span / 60:.0f} min"
        if not self.series:
            return f"no series matched in the last {long}: nothing to rehearse"
        times = {0: "never", 1: "once"}.get(len(self.firings), f"{len(self.firings)} times")
        total = sum(end - start for start, end in self.firings) / 60
        spent = f", {total:.0f} min in all," if self.firings else ""
        return f"would have fired {times}{spent} in the last {long}"


@dataclass(frozen=True, slots=True)
class AlertsReport:
    """Everything about alerts at one instant. `evaluated` is when rules were last looked at, by `holder`."""

    at: float
    alerts: tuple[Alert, ...]
    rules: tuple[RuleStatus, ...] = ()
    silences: tuple[Silence, ...] = ()
    history: tuple[AlertEvent, ...] = ()
    stats: tuple[RuleStats, ...] = ()
    evaluated: float = 0.0
    holder: str = ""
    problem: str = field(default="")

    @property
    def open(self) -> tuple[Alert, ...]:
        """Those that want somebody."""
        return tuple(alert for alert in self.alerts if alert.open)


def fingerprint(labels: Labels) -> str:
    """Identity of an alert: a hash of its sorted labels, the same on every console."""
    text = "\x00".join(f"{name}\x01{value}" for name, value in sorted(labels))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
