"""What keeps alerts bearable: silences, critical ones that mute warnings, flapping; and what history says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from perftui.analysis.alertstate import flaps
from perftui.analysis.matchers import matches
from perftui.analysis.routing import inhibited, leads
from perftui.model.alerts import (
    FINDING,
    Ack,
    Alert,
    AlertEvent,
    AlertState,
    Labels,
    Matcher,
    RuleGroup,
    RuleStats,
    Silence,
)
from perftui.model.finding import Severity

ORDER = ("firing", "flapping", "pending", "acknowledged", "muted", "silenced", "resolved")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_LEVELS = frozenset(
    ("critical", "full", "high", "info", "low", "page", "saturated", "severe", "slow", "warn", "warning")
)
_OWN = frozenset({"alertname", "rule", "severity"})


def dressed(
    alerts: Iterable[Alert],
    acks: Mapping[tuple[str, float], Ack],
    silences: Sequence[Silence],
    now: float,
    group: RuleGroup | None = None,
) -> tuple[Alert, ...]:
    """The alerts with what people and other alerts make of them, those that want somebody first.

    Of `group` the inhibitions count; without any, a critical alert mutes the lesser ones of its family and
    instance.
    """
    found = tuple(alerts)
    running = [silence for silence in silences if silence.runs(now)]
    loud = _Loud(found)
    hushed = inhibited(found, group.inhibitions, dict(group.labels)) if group else {}

    def dress(alert: Alert) -> Alert:
        ack = acks.get((alert.fingerprint, alert.began))
        muted, _ = hushed.get(alert.fingerprint, ("", ""))
        if not muted and alert.severity < Severity.CRITICAL:
            above = (mark for mark in loud.over(alert) if not leads(hushed, mark, alert.fingerprint))
            muted = next(above, "")
        return replace(
            alert,
            ack=ack if ack is not None and ack.stands(now) else None,
            silence=_silence(alert, running),
            muted_by=muted if alert.state is not AlertState.RESOLVED else "",
            flapping=flaps(alert, now),
        )

    return tuple(sorted(map(dress, found), key=_rank))


class Hush:
    """Who keeps alerts quiet, in words; what is needed of all `alerts` is looked at once for any number."""

    def __init__(self, alerts: Iterable[Alert], silences: Iterable[Silence], group: RuleGroup) -> None:
        self._known = {alert.fingerprint: alert for alert in alerts}
        self._silences = {silence.id: silence for silence in silences}
        self._group = group

    @cached_property
    def _inhibited(self) -> Mapping[str, tuple[str, str]]:
        return inhibited(self._known.values(), self._group.inhibitions, dict(self._group.labels))

    def of(self, alert: Alert) -> str:
        """A silence, a maintenance window, another alert; "" for nobody."""
        silence = self._silences.get(alert.silence)
        if silence is not None:
            return f"by {silence.name}"
        by = self._known.get(alert.muted_by)
        if by is None:
            return ""
        _, rule = self._inhibited.get(alert.fingerprint, ("", ""))
        of = f"of {by.source} " if by.source and by.source != alert.source else ""
        return (
            f"while {by.rule} {of}fires ({rule or 'critical mutes lesser of its family'}, {by.fingerprint})"
        )


class _Loud:
    """The critical alerts that fire, by family and instance."""

    def __init__(self, alerts: Iterable[Alert]) -> None:
        self._by_family: dict[object, dict[tuple[str, ...], dict[Labels, str]]] = {}
        for alert in alerts:
            if alert.state is AlertState.FIRING and alert.severity is Severity.CRITICAL:
                instance = _instance(alert)
                for family in _families(alert):
                    by_names = self._by_family.setdefault(family, {})
                    by_names.setdefault(_names(instance), {})[instance] = alert.fingerprint

    def over(self, alert: Alert) -> Iterator[str]:
        """Marks of those of an alert's family whose labels, as far as both have them, are the same."""
        instance = _instance(alert)
        mine = dict(instance)
        for family in _families(alert):
            for names, known in self._by_family.get(family, {}).items():
                if names == _names(instance):
                    yield from (known[instance],) if instance in known else ()
                else:
                    yield from (m for i, m in known.items() if all(mine.get(n, v) == v for n, v in i))


def _families(alert: Alert) -> tuple[object, ...]:
    """By what it is known what an alert of a source is about: its name without how bad it is, and its series.

    HostCpuHigh, HostCpuCritical and the finding host.cpu-saturated are one family, HostMemoryHigh another.
    """
    words = tuple(word.lower() for word in _WORD.findall(alert.rule.removeprefix(FINDING)))
    while len(words) > 1 and words[-1] in _LEVELS:
        words = words[:-1]
    if not alert.source:
        return ()
    return ((alert.source, words),) if alert.key is None else ((alert.source, words), alert.key)


def _instance(alert: Alert) -> Labels:
    return tuple(sorted(label for label in alert.labels if label[0] not in _OWN))


def _names(instance: Labels) -> tuple[str, ...]:
    return tuple(name for name, _ in instance)


def _silence(alert: Alert, running: Iterable[Silence]) -> str:
    return next((silence.id for silence in running if reaches(silence.matchers, alert)), "")


def reaches(matchers: Iterable[Matcher], alert: Alert) -> bool:
    """Whether matchers hold for an alert's labels, its rule's name under both names and its severity."""
    known = {"rule": alert.rule, "alertname": alert.rule, "severity": alert.severity.name.lower()}
    return matches(matchers, {**known, **dict(alert.labels)})


def told_of(matchers: Iterable[Matcher], event: AlertEvent) -> bool:
    """The same for a line of history."""
    known = {"rule": event.rule, "alertname": event.rule, "severity": event.severity.name.lower()}
    return matches(matchers, {**known, "source": event.source, **dict(event.labels)})


def _rank(alert: Alert) -> tuple[int, int, float, str]:
    return ORDER.index(alert.word), -alert.severity, -(alert.fired_at or alert.began), alert.fingerprint


@dataclass
class _Spell:
    """One occurrence as history tells it."""

    fired: float
    acked: float | None = None
    resolved: float | None = None


def stats(events: Iterable[AlertEvent], now: float) -> tuple[RuleStats, ...]:
    """Per rule: how often it fired, for how long in all, mean time to acknowledge and to resolve.

    Events oldest first; what still fires counts up to `now`.
    """
    spells: dict[str, dict[tuple[str, float], _Spell]] = {}
    for event in events:
        of_rule = spells.setdefault(event.rule, {})
        spell = of_rule.get((event.fingerprint, event.began))
        if event.kind == "firing":
            of_rule.setdefault((event.fingerprint, event.began), _Spell(event.at))
        elif spell is not None and event.kind == "acknowledged" and spell.acked is None:
            spell.acked = event.at
        elif spell is not None and event.kind == "resolved":
            spell.resolved = event.at
    return tuple(_stats(rule, list(found.values()), now) for rule, found in sorted(spells.items()) if found)


def _stats(rule: str, spells: list[_Spell], now: float) -> RuleStats:
    acked = [spell.acked - spell.fired for spell in spells if spell.acked is not None]
    resolved = [spell.resolved - spell.fired for spell in spells if spell.resolved is not None]
    firing = sum((now if spell.resolved is None else spell.resolved) - spell.fired for spell in spells)
    return RuleStats(rule, len(spells), firing, _mean(acked), _mean(resolved))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
