"""What can be configured: one frozen dataclass a section, from which check, docs and schema are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from perftui.config import paths
from perftui.config.cache import CacheSettings
from perftui.config.grafana import GrafanaSettings
from perftui.config.lines import line_of
from perftui.config.notices import Notices
from perftui.config.price import PriceSettings
from perftui.config.remote import RemoteWriteSettings
from perftui.config.rules import AlertSettings
from perftui.config.secret import resolve
from perftui.model.anomaly import SERIES, Watch
from perftui.model.business import TEMPLATES, Metric
from perftui.model.dashboards import HOST
from perftui.model.errors import ConfigError
from perftui.model.target import DEFAULTS, Target

if TYPE_CHECKING:
    from perftui.config.schedules import ScheduleSettings
    from perftui.model.alerts import RuleGroup
    from perftui.model.notify import Telling
    from perftui.model.schedule import Schedule
    from perftui.model.targets import Kinds

Theme = Literal["dark", "light", "high-contrast", "colour-blind", "mono", "terminal"]

# What a series' name ends in tells its base unit.
_UNITS = {"_per_s": "1/s", "_s": "s", "_bytes": "bytes", "_ratio": "ratio"}


def option(default: Any, help_: str, **more: Any) -> Any:
    """A setting with its default and the sentence that explains it everywhere."""
    return field(default=default, metadata={"help": help_, **more})


@dataclass(frozen=True, slots=True)
class UiSettings:
    """How the console looks and listens."""

    theme: Theme = option(  # noqa: RUF009 - the alias hides from the linter that this is a field
        "dark", "Colours; mono is attributes alone, terminal your own sixteen."
    )
    mouse: bool = option(True, "Listen to the mouse; everything has a key as well.")
    ascii: bool = option(False, "Draw with ASCII only, for terminals without Unicode blocks.")
    diff: bool = option(True, "Send only changed cells to the terminal.")
    ring: Literal["none", "bell", "desktop"] = option(
        "none", "When an alert opens: the terminal's bell, or a notice of the desktop (OSC 9)."
    )
    timezone: str = option("UTC", "Zone of the times shown: UTC, local or a name like Europe/Berlin.")


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """What is remembered of the samples."""

    max_bytes: int = option(1 << 30, "Bytes the history may take; the oldest detail goes first.")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where history and shared state live."""

    url: str = option(
        "", "Database URL (postgresql://… when shared); empty: SQLite in the state folder.", url=True
    )


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What an agent (or a console with `--metrics`) serves to other machines."""

    metrics: str = option("127.0.0.1:9464", "Address of /metrics, /health and /events; empty: none.")
    token: str = option("", "Bearer token that /metrics and /events want.", secret=True)
    certificate: str = option("", "PEM file with the certificate chain, for TLS.")
    key: str = option("", "PEM file with its key, when it is not in the same file.")


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Where pictures and tables are written."""

    folder: str = option("", "Folder of exports; empty: `exports` in the state folder.")


@dataclass(frozen=True, slots=True)
class AnomalySettings:
    """Series watched for values that are unusual for them."""

    series: tuple[str, ...] = option(SERIES, "Which: `backend/series`, `@kind/series` or `*/series`.")
    every: float = option(10.0, "Seconds a judged point stands for.")
    sigmas: float = option(3.0, "Distance, in standard deviations, from which a point is odd.")
    trees: bool = option(True, "Name what is rare about a point, with half-space trees.")
    learner: Literal["trees", "neighbours"] = option(
        "trees",
        "`neighbours` compares the last hour with fourteen days, learned in another process (extra `[ml]`).",
    )
    rare: float = option(0.001, "How rare a minute must be for neighbours to tell of it: 0.001, 1 in 1,000.")

    def __post_init__(self) -> None:
        if self.every < 1 or self.every > 600:
            raise ValueError("`every` is 1 to 600 s")
        if self.learner == "neighbours" and self.every > 60:
            raise ValueError("`every` is 60 s at most for neighbours: they look at minutes")
        if not 0.0002 <= self.rare <= 0.1:
            raise ValueError("`rare` is 0.0002 to 0.1")
        if self.sigmas < 1:
            raise ValueError("`sigmas` cannot be below 1: half of all points would be odd")
        if self.series != SERIES:
            from perftui.analysis.matchers import parse_selector

            try:
                for text in self.series:
                    parse_selector(text)
            except ConfigError as error:
                raise ValueError(str(error)) from error

    def watch(self) -> Watch:
        """What is to be watched, as whoever watches takes it."""
        return Watch(self.series, self.every, self.sigmas, self.trees, self.learner, self.rare)


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """One objective: a figure that should stay below or above a goal (base units)."""

    title: str = option("", "Words shown for it; empty: its name.")
    series: str = option("", "The figure, as `backend/series`; empty for the built-in targets.")
    below: float | None = option(None, "Met while the figure is below this (seconds, bytes, ratio 0-1).")
    above: float | None = option(None, "Met while the figure is above this.")

    def over(self, base: Target) -> Target:
        """`base` with what is set here; the unit of an own figure follows from its name."""
        target = dataclasses.replace(base, title=self.title or base.title, below=self.below, above=self.above)
        if not self.series:
            return target
        source, _, series = self.series.rpartition("/")
        unit = next((unit for end, unit in _UNITS.items() if series.endswith(end)), "1")
        return dataclasses.replace(target, source=source, series=series, unit=unit, kind="", connect="")


@dataclass(frozen=True, slots=True)
class BusinessSettings:
    """One figure of the business: what it is, and where it is read."""

    source: str = option("", "Backend that tells it: scrape, statsd, postgres or valkey.")
    read: str = option(
        "", 'What it is asked: `orders_total{shop="1"}`, a SELECT, `ZCARD key`, a StatsD name.'
    )
    template: str = option(
        "", "Begin with: signups, messages, revenue, sessions, features; default: its name."
    )
    title: str = option("", "Words shown for it.")
    kind: Literal["counter", "sum", "gauge", "distinct", "usage"] | None = option(
        None, "Counter, sum and usage are totals shown a minute; gauge and distinct are shown as read."
    )
    unit: str = option("", "Its unit, for people: EUR cents, users.")
    by: str = option("", "Label whose values are told apart; money is never added up over them.")
    target: float | None = option(None, "The value, a minute where it is counted, that should be reached.")
    owner: str = option("", "Who wants to know when it is missed.")
    every: float = option(10.0, "Seconds between two reads.")
    users: str = option("", "Asked too: different users of each part, as a StatsD set's `NAME by TAG`.")
    active: str = option("", "Asked too: all active users, of whom those of a part are the share shown.")

    def __post_init__(self) -> None:
        if not self.source or not self.read:
            raise ValueError("needs `source` and `read`")
        if self.every < 1:
            raise ValueError("`every` is a second or more")
        if self.template and self.template not in TEMPLATES:
            raise ValueError(f"`template` is one of {', '.join(TEMPLATES)}")

    def metric(self, name: str) -> Metric:
        """What is to be read, with what the template leaves open filled in."""
        title, kind, unit, by = TEMPLATES.get(self.template or name, (name, "gauge", "", ""))
        return Metric(
            name,
            self.title or title,
            self.kind or kind,
            self.source,
            self.read,
            self.unit or unit,
            self.by or by,
            self.target,
            self.owner,
            self.every,
            self.users,
            self.active,
        )


@dataclass(frozen=True, slots=True)
class BackendConfig:
    """One configured system. `options` is the backend's own Options; secrets in it are references."""

    name: str
    kind: str
    options: Any
    place: str = ""  # file and key, for error sentences

    def resolved(self, *, writes: bool = True) -> Any:
        """The options with secrets fetched from where they point; ConfigError names what is missing.

        Without `writes` all that would write by itself is at its default: a session may change nothing.
        """
        changes: dict[str, Any] = {}
        for spec in dataclasses.fields(self.options):
            value = getattr(self.options, spec.name)
            if not writes and spec.metadata.get("writes"):
                changes[spec.name] = spec.default
            elif isinstance(value, str) and (is_secret(spec) or is_url(spec)):
                changes[spec.name] = resolve(value, f"{self.place}.{spec.name}")
        return dataclasses.replace(self.options, **changes)


@dataclass(frozen=True, slots=True)
class EnvironmentSettings:
    """The keys of `[env.NAME]`, beside its backends."""

    kind: Literal["production", "staging", "development", "test", "lab"] = option(
        "development", "What mistakes cost here; production asks more before it changes anything."
    )
    label: str = option("", "Words for the header; empty: the name.")
    read_only: bool = option(False, "Refuse every change here, for good.")
    depends_on: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict,
        metadata={"help": "Backend to the backends it rests on: where causes are looked for."},
    )


@dataclass(frozen=True, slots=True)
class Environment:
    """A named set of systems. `read_only` here is for good: no running console can lift it."""

    name: str
    kind: str
    label: str
    read_only: bool
    backends: Mapping[str, BackendConfig]
    depends_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def production(self) -> bool:
        """Whether mistakes here hurt customers."""
        return self.kind == "production"

    @property
    def kinds(self) -> Kinds:
        """Kinds of its backends by name, and of what stands behind them."""
        from perftui.model.targets import Kinds

        return Kinds({name: one.kind for name, one in self.backends.items()})


@dataclass(frozen=True)
class Config:
    """Everything configured. `read_only` is how to start (flag, file, or a production picked unasked)."""

    path: Path
    ui: UiSettings
    history: HistorySettings
    store: StoreSettings
    export: ExportSettings
    grafana: GrafanaSettings
    alerts: AlertSettings
    anomaly: AnomalySettings
    agent: AgentSettings
    price: PriceSettings
    cache: CacheSettings
    remote_write: RemoteWriteSettings
    keys: Mapping[str, str]
    targets: Mapping[str, TargetSettings]
    business: Mapping[str, BusinessSettings]
    schedules: Mapping[str, ScheduleSettings]
    environments: Mapping[str, Environment]
    chosen: str
    notices: Notices = field(default_factory=Notices)
    read_only: bool = False
    exists: bool = False
    warnings: tuple[str, ...] = ()
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict, repr=False)
    flags: Mapping[str, Any] = field(default_factory=dict, repr=False)
    asked: str | None = None

    @property
    def environment(self) -> Environment:
        """The chosen environment."""
        return self.environments[self.chosen]

    def setting(self, dotted: str) -> Any:
        """The value of `section.key` (`ui.theme`); ConfigError when there is no such setting."""
        value: Any = self
        for part in dotted.split("."):
            known = isinstance(value, Mapping) and part in value
            if not known and not hasattr(value, part):
                raise ConfigError(f"there is no setting {dotted}")
            value = value[part] if known else getattr(value, part)
        return value

    def where(self, *path: str) -> str:
        """`file:line` of a key (or of what holds it), for sentences about it."""
        line = line_of(dict(self.lines), path)
        return str(self.path) if line is None else f"{self.path}:{line}"

    def objectives(self) -> tuple[Target, ...]:
        """The built-in targets with what `[targets]` changes, then the operator's own."""
        known = {target.id: target for target in DEFAULTS}
        for name, wanted in self.targets.items():
            known[name] = wanted.over(known.get(name, Target(name, name, "")))
        return tuple(known.values())

    def figures(self) -> tuple[Metric, ...]:
        """The figures of the business, in the order they are written."""
        return tuple(settings.metric(name) for name, settings in self.business.items())

    def scheduled(self, env: str) -> tuple[Schedule, ...]:
        """The schedules of an environment."""
        return tuple(one.schedule(name) for name, one in self.schedules.items() if one.env in ("", env))

    def rules(self) -> RuleGroup:
        """Every alert rule: the shipped ones with what `[alerts.rules]` changes, then the operator's own."""
        labels = self.notices.labels(self.chosen, self.environment.kind)
        group = self.alerts.group(self.path, labels, self.where)
        return dataclasses.replace(group, sigmas=self.anomaly.sigmas)

    def telling(self) -> Telling:
        """Who is told of alerts in the chosen environment."""
        return self.notices.telling(self.environment.name, self.environment.kind)

    def export_folder(self) -> Path:
        """Where exports go; whoever writes there makes it."""
        named = self.export.folder
        return Path(named).expanduser() if named else paths.state_dir() / "exports"

    def dashboards(self) -> Mapping[str, Any]:
        """The Grafana that is configured, under its name; ConfigError when its token cannot be had."""
        if not self.grafana.url:
            return {}
        from perftui.backends.grafana import Grafana

        token = resolve(self.grafana.token, f"{self.where('grafana', 'token')}: grafana.token")
        return {HOST: Grafana(self.grafana.url, token, self.grafana.folder)}

    def store_url(self) -> str:
        """Database URL of the store with its secret resolved; empty means SQLite in the state folder."""
        return resolve(self.store.url, f"{self.where('store', 'url')}: store.url")

    def store_place(self) -> str:
        """Where the store is, its folder made when it is ours: the URL, else a file in the state folder."""
        return self.store_url() or str(paths.private_dir(paths.state_dir()) / paths.store_file().name)

    def has_store(self) -> bool:
        """Whether there is something to read already."""
        return bool(self.store.url) or paths.store_file().exists()


def is_secret(spec: dataclasses.Field[Any]) -> bool:
    """Whether a field must hold a reference to a secret."""
    return bool(spec.metadata.get("secret"))


def is_url(spec: dataclasses.Field[Any]) -> bool:
    """Whether a field is an address that may be a reference, since URLs can carry passwords."""
    return bool(spec.metadata.get("url")) or spec.name in {"url", "dsn"} or spec.name.endswith("_url")
