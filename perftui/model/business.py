"""What the business counts: declared figures, where they are read, and how they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from perftui.model.series import SeriesKey

TOPIC = "business"
SOURCE = "business"  # of the series; their label `metric` names the figure, `part` a row of it
VALUE = "business.value"
USERS, ADOPTION = "business.users", "business.adoption_ratio"  # of a part: different users, their share

Kind = Literal["counter", "sum", "gauge", "distinct", "usage"]
MOST_PARTS = 200  # names of one figure; what comes beyond is `other`


@dataclass(frozen=True, slots=True)
class Figure:
    """One number a source tells, with its labels."""

    value: float
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One declared figure.

    `counter`, `sum` and `usage` are read as totals and shown a minute; `gauge` and `distinct` as they are.
    `source` is a backend, `read` what it is asked (a metric with matchers, a SELECT, a key's command). `by`
    is the label whose values are told apart: money is never added up over them. `users` and `active` are
    asked for as well: different users of each part, and of all, for the share that uses a part.
    """

    name: str
    title: str
    kind: Kind
    source: str
    read: str
    unit: str = ""
    by: str = ""
    target: float | None = None
    owner: str = ""
    every: float = 10.0
    users: str = ""
    active: str = ""

    @property
    def counted(self) -> bool:
        """Whether totals are read, so that what is shown is their growth."""
        return self.kind in ("counter", "sum", "usage")


@dataclass(frozen=True, slots=True)
class Cost:
    """What an incident cost so far: expected - actual from `since` on, and within which bounds.

    `until` is when it ended, None while it lasts.
    """

    since: float
    amount: float
    least: float
    most: float
    until: float | None = None


@dataclass(frozen=True, slots=True)
class MetricView:
    """A figure now. `parts` are its rows by label, the largest first; `value` is None before there is one.

    `users` are different users by part, `active` all there are, `unknown` why they could not be asked.
    `week` is the value a week ago, `low` and `high` the expected band, None where nothing is known.
    """

    metric: Metric
    at: float
    value: float | None = None
    parts: tuple[tuple[str, float], ...] = ()
    error: str = ""
    seen: float = 0.0
    week: float | None = None
    low: float | None = None
    high: float | None = None
    cost: Cost | None = None
    users: tuple[tuple[str, float], ...] = ()
    active: float | None = None
    unknown: str = ""

    def adoption(self, part: str) -> tuple[float | None, float | None]:
        """Different users of a part, and their share of the active ones; None where that is not known."""
        found = dict(self.users).get(part)
        return found, found / self.active if found is not None and self.active else None

    @property
    def on_target(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.metric.target is None or self.value is None:
            return None
        return self.value >= self.metric.target


@dataclass(frozen=True, slots=True)
class BusinessReport:
    """Every declared figure, in the order of the configuration."""

    metrics: tuple[MetricView, ...] = ()


def series_key(name: str, part: str = "") -> SeriesKey:
    """Under which key a figure, or one part of it, is remembered."""
    labels = (("metric", name), ("part", part)) if part else (("metric", name),)
    return SeriesKey(SOURCE, VALUE, labels)


TEMPLATES: dict[str, tuple[str, Kind, str, str]] = {
    "signups": ("Sign-ups", "counter", "", ""),
    "messages": ("Messages sent", "counter", "", ""),
    "revenue": ("Revenue", "sum", "", "currency"),
    "sessions": ("Active sessions", "gauge", "", ""),
    "features": ("Feature usage", "usage", "", "feature"),
}
"""Title, kind, unit and label of what most count; a figure of that name or `template` begins with it."""
