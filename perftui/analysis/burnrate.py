"""A promise with its budget as rules: error ratios, alerts on how fast the budget burns, what is left.

Source of windows and factors: the multi-window, multi-burn-rate alerts of Google's SRE workbook, chapter 5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from perftui.analysis.promduration import show_duration
from perftui.model.errors import ConfigError

WINDOW: Final = "$window"
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,60}\Z")


@dataclass(frozen=True, slots=True)
class Burn:
    """One alert: the budget burns `factor` times too fast, over the long window and still in the short."""

    long: str
    short: str
    factor: float
    severity: str


BURNS: Final = (
    Burn("1h", "5m", 14.4, "critical"),
    Burn("6h", "30m", 6.0, "critical"),
    Burn("3d", "6h", 1.0, "warning"),
)
RECORDED: Final = tuple(dict.fromkeys(w for burn in BURNS for w in (burn.short, burn.long)))


@dataclass(frozen=True, slots=True)
class Promise:
    """At least `objective` (0.999) goes well over `days`; `ratio` of what fails is PromQL with `$window`."""

    name: str
    objective: float
    ratio: str
    days: int = 30

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ConfigError(f"{self.name!r} is no name such as checkout")
        if not 0 < self.objective < 1:
            raise ConfigError("an objective is above 0 % and below 100 %")
        if WINDOW not in self.ratio:
            raise ConfigError(f"the ratio needs {WINDOW} for its range, such as rate(errors[{WINDOW}])")
        if not 1 <= self.days <= 365:
            raise ConfigError("a promise is for 1 to 365 days")

    @property
    def budget(self) -> float:
        """What may fail."""
        return round(1 - self.objective, 12)


def promise_rules(promise: Promise) -> str:
    """The rule file of a promise."""
    return "\n".join(("groups:", *_lines(promise))) + "\n"


def _lines(p: Promise) -> Iterator[str]:
    named = f'{{slo="{p.name}"}}'
    yield f"# {p.objective:.6%} over {p.days} d of what fails: {' '.join(p.ratio.split())}"
    yield f"- name: slo-{p.name}"
    yield "  interval: 1m"
    yield "  rules:"
    for window in RECORDED:
        yield from _record(p, f"slo:error_ratio:{window}", p.ratio.replace(WINDOW, window))
    whole = f"slo:error_ratio:{p.days}d"
    if f"{p.days}d" not in RECORDED:
        yield from _record(p, whole, p.ratio.replace(WINDOW, f"{p.days}d"))
    yield from _record(p, "slo:budget_left:ratio", f"1 - {whole}{named} / {p.budget!r}")
    burning = f"(slo:error_ratio:6h{named} / {p.budget!r} > 0)"
    left = f"slo:budget_left:ratio{named} * {p.days}"
    yield from _record(p, "slo:budget_left:days", f"{left} / {burning}")
    for burn in BURNS:
        yield from _alert(p, burn, named)


def _record(p: Promise, name: str, expr: str) -> Iterator[str]:
    yield f"  - record: {name}"
    yield f"    expr: {json.dumps(expr, ensure_ascii=False)}"
    yield f"    labels: {{slo: {json.dumps(p.name)}}}"


def _alert(p: Promise, burn: Burn, named: str) -> Iterator[str]:
    limit = f"{burn.factor:g} * {p.budget!r}"
    both = " and ".join(f"slo:error_ratio:{window}{named} > {limit}" for window in (burn.long, burn.short))
    gone = show_duration(round(p.days * 24 / burn.factor) * 3600.0)
    yield "  - alert: SloBudgetBurns"
    yield f"    expr: {json.dumps(both)}"
    yield f"    labels: {{slo: {json.dumps(p.name)}, severity: {burn.severity}, window: {burn.long}}}"
    yield "    annotations:"
    yield f'      summary: "{p.name}: {{{{ $value | humanizePercentage }}}} fail over {burn.long}"'
    yield f'      description: "at this rate the whole budget of {p.days} d is gone in {gone}"'
