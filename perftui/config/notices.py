"""Who is told of alerts, as the configuration has it: channels, routes, escalation, who is on call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perftui.model.errors import ConfigError

if TYPE_CHECKING:  # most starts tell nobody: what routes are made of is imported when one is made
    from perftui.config.settings import BackendConfig
    from perftui.model.notify import EscalationPolicy, Rota, Route, Telling

SMS = ("sms", "sns")  # carriers of short messages, as `perftui.model.notify` has them
# Whom each severity goes to where no route is written: the first kind that is configured.
ORDER: Mapping[str, tuple[str, ...]] = {
    "critical": ("pagerduty", "slack", "email", "webhook", "alertmanager", *SMS),
    "warning": ("slack", "email", "webhook", "alertmanager", "pagerduty"),
    "info": ("email", "slack", "webhook", "alertmanager"),
}
HEARTBEAT = "heartbeat"  # the kind that is told that we watch, never of an alert
DIGEST = 900.0  # seconds that information waits for more of its kind
TURNS = ("oncall", "second", "all")


def _option(help_: str, default: Any) -> Any:
    return field(default=default, metadata={"help": help_})


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """One branch of the tree of routes; the first that matches decides."""

    match: str = _option(
        """Alerts that match, such as `severity="critical", source=~"db.*"`; empty: all.""", ""
    )
    channels: tuple[str, ...] = _option("Channels that are told.", ())
    under: str = _option("The route this one grows on; empty: the trunk.", "")
    go_on: bool = _option("Ask the routes after this one too (Alertmanager's `continue`).", False)
    group_by: tuple[str, ...] = _option(
        'Labels by which alerts are told together; "..." is all of them.', ("rule", "source")
    )
    group_wait: float = _option("Seconds a new group waits for more.", 30.0)
    group_interval: float = _option("Seconds between two messages about changes of a group.", 300.0)
    repeat_interval: float = _option("Seconds after which an unacknowledged group is told again.", 14400.0)
    escalation: str = _option("Name of the `[escalation.NAME]` that begins when nobody acknowledges.", "")

    def __post_init__(self) -> None:
        from perftui.analysis.matchers import parse_matchers

        try:
            parse_matchers(self.match)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        for name in ("group_wait", "group_interval", "repeat_interval"):
            if not 0 <= getattr(self, name) <= 30 * 86400:
                raise ValueError(f"`{name}` is between 0 and 30 days of seconds")

    def route(self, name: str) -> Route:
        """As the tree has it."""
        from perftui.analysis.matchers import parse_matchers
        from perftui.model.notify import Route

        times = (self.group_wait, self.group_interval, max(self.repeat_interval, 1.0))
        return Route(
            name,
            parse_matchers(self.match),
            self.channels,
            self.under,
            self.go_on,
            self.group_by,
            *times,
            self.escalation,
        )


@dataclass(frozen=True, slots=True)
class StepSettings:
    """One step: whom to tell when nobody has acknowledged."""

    after: float = _option("Seconds since the incident opened.", 300.0)
    channel: str = _option("Channel to tell.", "")
    to: str = _option(
        "A person of `[oncall.people]`, `oncall`, `second` or `all`; empty: the channel's own.", ""
    )


@dataclass(frozen=True, slots=True)
class EscalationSettings:
    """Who hears next."""

    steps: tuple[StepSettings, ...] = _option("Steps, each `{ after, channel, to }`, in order of time.", ())

    def policy(self, name: str) -> EscalationPolicy:
        """As the notifier has it."""
        from perftui.model.notify import EscalationPolicy, Step

        steps = sorted(self.steps, key=lambda step: step.after)
        return EscalationPolicy(name, tuple(Step(one.after, one.channel, one.to) for one in steps))


@dataclass(frozen=True, slots=True)
class OncallSettings:
    """Who is on call."""

    people: Mapping[str, str] = field(
        default_factory=dict, repr=False, metadata={"help": "Telephone number (+E.164) by name."}
    )
    rota: tuple[str, ...] = _option("Names in the order of their turns.", ())
    shift: float = _option("Seconds of a turn.", 604800.0)
    since: str = _option("When the first turn began, as 2026-01-05T09:00:00Z.", "2026-01-05T09:00:00Z")
    schedule: str = _option(
        "Id of PagerDuty's schedule that says who is on call, such as PI7DH85, asked by the channel that has "
        "an `api_token`. `people` are named as there, or by their ids; without an answer `rota` holds.",
        "",
    )
    second_schedule: str = _option("The same for who is second; empty: the rota's next.", "")

    def __post_init__(self) -> None:
        from perftui.model.channels import number_is_fine

        for name, number in self.people.items():
            if not number_is_fine(number or ""):
                raise ValueError(f"people.{name}: {str(number)[:30]!r} is no number like +4915112345678")
            if name in TURNS:
                raise ValueError(f"people.{name}: the name means a turn; take another")
        for name in self.rota:
            if name not in self.people:
                raise ValueError(f"rota: {name} is not among `people`")
        if self.shift < 3600:
            raise ValueError("`shift` is an hour at least")
        for schedule in (self.schedule, self.second_schedule):
            if schedule and not (schedule.isascii() and schedule.isalnum() and len(schedule) <= 32):
                raise ValueError(f"{schedule[:30]!r} is no id of a schedule like PI7DH85")
        if self.second_schedule and not self.schedule:
            raise ValueError("`second_schedule` needs a `schedule`")
        if self.schedule and not self.people:
            raise ValueError("`schedule` names people: set their numbers in `people`")
        _epoch(self.since)

    def made(self, keeper: str = "") -> Rota:
        """As the notifier has it."""
        from perftui.model.notify import Rota

        schedules = (self.schedule, self.second_schedule) if keeper else ("", "")
        return Rota(dict(self.people), self.rota, self.shift, _epoch(self.since), *schedules, keeper)


def _epoch(text: str) -> float:
    import datetime as dt

    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"since: {text[:40]!r} is no time like 2026-01-05T09:00:00Z") from None
    return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class Notices:
    """All of it, checked against each other."""

    channels: Mapping[str, BackendConfig] = field(default_factory=dict)
    routes: Mapping[str, RouteSettings] = field(default_factory=dict)
    escalation: Mapping[str, EscalationSettings] = field(default_factory=dict)
    oncall: OncallSettings = field(default_factory=OncallSettings)

    def tree(self) -> tuple[Route, ...]:
        """The routes in force: those that are written, else the shipped ones over what is configured."""
        written = tuple(one.route(name) for name, one in self.routes.items())
        return written or tuple(self._shipped())

    def policies(self) -> dict[str, EscalationPolicy]:
        """The escalations that are written, and the shipped one where there is a rota and SMS."""
        from perftui.model.notify import EscalationPolicy, Step

        found = {name: one.policy(name) for name, one in self.escalation.items()}
        sms = self._first(SMS)
        if sms and (self.oncall.rota or self.oncall.schedule) and not self.routes:
            steps = (Step(300.0, sms, "oncall"), Step(900.0, sms, "second"), Step(1800.0, sms, "all"))
            found.setdefault("shipped", EscalationPolicy("shipped", steps))
        return found

    def _first(self, kinds: tuple[str, ...]) -> str:
        return next((n for kind in kinds for n, one in self.channels.items() if one.kind == kind), "")

    def _shipped(self) -> Any:
        from perftui.analysis.matchers import parse_matchers
        from perftui.model.notify import Route

        sms = self._first(SMS)
        steps = "shipped" if "shipped" in self.policies() else ""
        if sms:
            loud = parse_matchers('severity="critical", env="production", outage="true"')
            yield Route("outage", loud, (sms,), go_on=True, group_wait=0.0)
        for severity, kinds in ORDER.items():
            channel = self._first(kinds)
            if channel:
                wait = {"critical": 0.0, "warning": 30.0, "info": DIGEST}[severity]
                by = ("severity",) if severity == "info" else ("rule", "source")
                matchers = parse_matchers(f'severity="{severity}"')
                step = steps if severity == "critical" else ""
                yield Route(severity, matchers, (channel,), group_by=by, group_wait=wait, escalation=step)

    def telling(self, env: str, kind: str) -> Telling:
        """All of it for one environment; imports no sender and fetches no secret."""
        from perftui.backends import CHANNELS, POST
        from perftui.model.notify import Telling, Way

        every = {n: Way(one.kind, CHANNELS[one.kind], one.resolved) for n, one in self.channels.items()}
        ways = {n: way for n, way in every.items() if way.kind != HEARTBEAT}
        beats = {n: way for n, way in every.items() if way.kind == HEARTBEAT}
        labels = self.labels(env, kind)
        rota = self.oncall.made(self._keeper())
        return Telling(env, labels, ways, beats, POST, self.tree(), self.policies(), rota)

    def _keeper(self) -> str:
        """The channel that can be asked for schedules."""
        kept = (n for n, one in self.channels.items() if getattr(one.options, "api_token", ""))
        return next(kept, "") if self.oncall.schedule else ""

    @staticmethod
    def labels(env: str, kind: str) -> dict[str, str]:
        """What matchers of routes and inhibitions see beside an alert's own labels."""
        return {"env": kind, "environment": env}

    def problems(self) -> list[tuple[tuple[str, ...], str]]:
        """Names that lead nowhere, as (key, sentence)."""
        found: list[tuple[tuple[str, ...], str]] = []
        if self.oncall.schedule and not self._keeper():
            said = "oncall.schedule: no channel of kind pagerduty has an `api_token` to ask with"
            found.append((("oncall", "schedule"), said))
        telling = {name for name, one in self.channels.items() if one.kind != HEARTBEAT}
        for name, route in self.routes.items():
            key = ("routes", name)
            missing = [one for one in route.channels if one not in telling]
            found += [(key, f"routes.{name}: there is no channel {one}") for one in missing]
            if route.under and (route.under not in self.routes or route.under == name):
                found.append((key, f"routes.{name}: there is no route {route.under} to grow on"))
            if route.escalation and route.escalation not in self.escalation:
                found.append((key, f"routes.{name}: there is no escalation {route.escalation}"))
        for name, policy in self.escalation.items():
            for step in policy.steps:
                key = ("escalation", name)
                if step.channel not in telling:
                    found.append((key, f"escalation.{name}: there is no channel {step.channel!r}"))
                if step.to and step.to not in (*TURNS, *self.oncall.people):
                    found.append((key, f"escalation.{name}: there is nobody called {step.to}"))
        return found
