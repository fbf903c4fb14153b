"""Alert rules as they are written in the configuration, laid over the shipped ones."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from perftui.config.quiet import CalendarSettings, InhibitSettings, MaintenanceSettings
from perftui.model.errors import ConfigError

if TYPE_CHECKING:  # most starts read no rule: what rules are made of is imported when one is made
    from pathlib import Path

    from perftui.model.alerts import Inhibition, Rule, RuleGroup

How = Literal["last", "avg", "min", "max"]
Word = Literal["info", "warning", "critical"]

LONGEST = 1200.0  # seconds of samples kept in memory: no rule can look further back
# What a series' name ends in tells its base unit.
UNITS = {"_per_s": "1/s", "_s": "s", "_bytes": "bytes", "_ratio": "ratio"}


def _option(help_: str, default: Any = None) -> Any:
    return field(default=default, metadata={"help": help_})


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """One rule; what is left out is the shipped rule's of that name. Base units throughout."""

    title: str | None = _option("Words shown for it; the name when left out.")
    series: str | None = _option(
        "What it watches: `backend/series`, `@kind/series` or `*/series`, with matchers in braces."
    )
    above: float | None = _option("True while the value is above this.")
    below: float | None = _option("True while the value is below this.")
    how: How | None = _option(  # noqa: RUF009 - as in settings
        "How the samples of `over` become the value."
    )
    over: float | None = _option("Seconds of samples that `avg`, `min` and `max` take in, up to 1200.")
    per: str | None = _option("Divide by this series of the same backend.")
    lasting: float | None = _option("Seconds it must be true before it fires (Prometheus' `for`).")
    keep: float | None = _option("Seconds it goes on firing when no longer true (`keep_firing_for`).")
    severity: Word | None = _option(  # noqa: RUF009 - as in settings
        "How bad it is."
    )
    labels: Mapping[str, str] | None = _option("Labels its alerts carry.")
    traffic: tuple[str, ...] | None = _option("Series of the backend whose sum must reach `traffic_above`.")
    traffic_above: float | None = _option("While less than this is asked of the system nothing is concluded.")
    limit: int | None = _option(
        "Most alerts of this rule at once; more are an error, and its alerts stand as they were. 0: 10,000."
    )
    off: bool | None = _option("Do not evaluate it.")

    def __post_init__(self) -> None:
        if self.above is not None and self.below is not None:
            raise ValueError("takes one of `above` and `below`")
        if self.series is not None:
            from perftui.analysis.matchers import parse_selector

            try:
                parse_selector(self.series)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        for name in ("over", "lasting", "keep", "limit"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"`{name}` cannot be negative")
        if (self.over or 0) > LONGEST:
            raise ValueError(f"`over` can be {LONGEST:g} s at most")

    def over_rule(self, base: Rule) -> Rule:
        """`base` with what is set here."""
        from perftui.analysis.matchers import parse_selector
        from perftui.model.finding import Severity

        plain = ("title", "how", "over", "per", "keep", "traffic", "traffic_above", "limit", "off")
        given: dict[str, Any] = {n: getattr(self, n) for n in plain if getattr(self, n) is not None}
        if self.lasting is not None:
            given["hold"] = self.lasting
        if self.severity is not None:
            given["severity"] = Severity[self.severity.upper()]
        if self.labels is not None:
            given["labels"] = tuple(sorted(self.labels.items()))
        if self.above is not None:
            given |= {"op": ">", "threshold": self.above}
        if self.below is not None:
            given |= {"op": "<", "threshold": self.below}
        if self.series is not None:
            selector = parse_selector(self.series)
            given |= {"series": selector, "unit": "ratio" if self.per else unit_of(selector.name)}
        return dataclasses.replace(base, **given)


def unit_of(series: str) -> str:
    """The base unit that the end of a series' name tells."""
    return next((unit for end, unit in UNITS.items() if series.endswith(end)), "1")


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """What alarms. Own and changed rules are tables `[alerts.rules.NAME]`."""

    shipped: bool = field(default=True, metadata={"help": "Evaluate the shipped rules."})
    file: str = field(
        default="",
        metadata={
            "help": "Rule file as Prometheus has them; `rules.yml` beside this file when left out. An alert"
            " in it holds instead of the rule of that name."
        },
    )
    findings: tuple[str, ...] = field(
        default=("sudden",),
        metadata={
            "help": "Ids of findings that alert before they are critical; `sudden`: the shipped ones, of"
            " trouble that just began. Critical ones always do."
        },
    )
    rules: Mapping[str, RuleSettings] = field(
        default_factory=dict, metadata={"help": "Rules by name: changes to shipped ones, and your own."}
    )
    maintenance: Mapping[str, MaintenanceSettings] = field(
        default_factory=dict, metadata={"help": "Times that come again in which nobody is told, by name."}
    )
    calendars: Mapping[str, CalendarSettings] = field(
        default_factory=dict,
        metadata={"help": "Holidays and planned events from calendar files, by name."},
    )
    inhibit: Mapping[str, InhibitSettings] = field(
        default_factory=dict,
        metadata={
            "help": "Alerts that keep others quiet, by name; beside the shipped ones: a lost backend or host"
            " keeps all of its source quiet, a critical alert the lesser ones of its family and"
            " instance (95 % of the CPU those of 80 %)."
        },
    )

    def __post_init__(self) -> None:
        for word, names in (("maintenance", self.maintenance), ("calendars", self.calendars)):
            for name in names:
                if not re.fullmatch(r"[\w.-]{1,60}", name):
                    raise ValueError(f"{word}.{name[:60]}: a name is letters, digits, . _ and -")
        for name, one in self.maintenance.items():
            wanted = one.window(name).calendar if one is not None else ""
            if wanted and wanted not in self.calendars:
                raise ValueError(f"maintenance.{name}: there is no [alerts.calendars.{wanted[:60]}]")
        if not self.rules:
            return
        from perftui.model.alertrules import DEFAULTS

        shipped = {rule.name for rule in DEFAULTS}
        for name, rule in self.rules.items():
            if rule is None:  # already told by whoever read it
                continue
            _check(name, rule, own=name not in shipped)

    def group(
        self, config: Path, labels: Mapping[str, str] = MappingProxyType({}), place: Callable[..., str] = str
    ) -> RuleGroup:
        """The rules in force, switched-off ones included, in order: shipped, then the operator's own.

        `labels` are the environment's; `place` says where a key stands.
        """
        from perftui.model.alertrules import DEFAULTS, SUDDEN
        from perftui.model.alerts import Rule, RuleGroup, Selector

        known = {rule.name: rule for rule in DEFAULTS} if self.shipped else {}
        bases = {rule.name: rule for rule in DEFAULTS}
        for name, changed in self.rules.items():
            known[name] = changed.over_rule(bases.get(name) or Rule(name, name, Selector(name)))
        early = (*self.findings, *(SUDDEN if "sudden" in self.findings else ()))
        windows = (
            one.window(name, place("alerts", "maintenance", name)) for name, one in self.maintenance.items()
        )
        return RuleGroup(
            "rules",
            tuple(known.values()),
            file=str(self.where(config)),
            findings=early,
            windows=tuple(windows),
            inhibitions=(_down(), *(one.inhibition(name) for name, one in self.inhibit.items())),
            labels=tuple(labels.items()),
            calendars=tuple(
                one.calendar(name, config, place("alerts", "calendars", name))
                for name, one in self.calendars.items()
            ),
        )

    def where(self, config: Path) -> Path:
        """The rule file, which need not be there; a relative one lies beside the configuration."""
        from pathlib import Path

        return config.parent / Path(self.file or "rules.yml").expanduser()


def _down() -> Inhibition:
    """The shipped one: of a backend or host that is gone nothing else needs to be told."""
    from perftui.analysis.matchers import parse_matchers
    from perftui.model.alerts import Inhibition

    source, target = parse_matchers('rule=~"BackendLost|HostDown"'), parse_matchers('rule!=""')
    return Inhibition(source, target, ("source",), "lost mutes the rest")


def _check(name: str, rule: RuleSettings, *, own: bool) -> None:
    from perftui.model.alerts import FINDING

    if name.startswith(FINDING):
        raise ValueError(f"rules.{name}: names that begin with {FINDING} belong to the engines' findings")
    if own and rule.series is None:
        raise ValueError(f"rules.{name} is no shipped rule: it needs `series`")
    if own and rule.above is None and rule.below is None:
        raise ValueError(f"rules.{name} needs one of `above` and `below`")
    windowed = rule.how not in (None, "last")
    if own and windowed and not rule.over:
        raise ValueError(f"rules.{name}: `{rule.how}` needs `over`")
