"""What keeps alerts bearable: silences, critical ones that mute warnings, flapping; and what history says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from perftui.analysis.alertstate import flaps
from perftui.analysis.matchers import matches
from perftui.analysis.routing import inhibited, leads
from perftui.model.alerts import (
    Ack,
    Alert,
    AlertEvent,
    AlertState,
    Matcher,
    RuleGroup,
    RuleStats,
    Silence,
)
from perftui.model.finding import Severity

ORDER = ("firing", "flapping", "pending", "acknowledged", "muted", "silenced", "resolved")


def dressed(
    alerts: Iterable[Alert],
    acks: Mapping[tuple[str, float], Ack],
    silences: Sequence[Silence],
    now: float,
    group: RuleGroup | None = None,
) -> tuple[Alert, ...]:
    """The alerts with what people and other alerts make of them, those that want somebody first.

    Of `group` the inhibitions count; a critical alert mutes lesser ones of its source without any.
    """
    found = tuple(alerts)
    running = [silence for silence in silences if silence.runs(now)]
    loud = {a.source: a.fingerprint for a in found if _loud(a)}
    hushed = inhibited(found, group.inhibitions, dict(group.labels)) if group else {}

    def dress(alert: Alert) -> Alert:
        ack = acks.get((alert.fingerprint, alert.began))
        muted, _ = hushed.get(alert.fingerprint, ("", ""))
        if not muted and alert.source and alert.severity < Severity.CRITICAL:
            muted = loud.get(alert.source, "")
            muted = "" if leads(hushed, muted, alert.fingerprint) else muted
        return replace(
            alert,
            ack=ack if ack is not None and ack.stands(now) else None,
            silence=_silence(alert, running),
            muted_by=muted if alert.state is not AlertState.RESOLVED else "",
            flapping=flaps(alert, now),
        )

    return tuple(sorted(map(dress, found), key=_rank))


def hush(alert: Alert, alerts: Iterable[Alert], silences: Iterable[Silence], group: RuleGroup) -> str:
    """Who keeps an alert quiet, in words: a silence, a maintenance window, another alert; "" for nobody."""
    silence = next((s for s in silences if s.id == alert.silence), None)
    if silence is not None:
        return f"by {silence.name}"
    known = tuple(alerts)
    by = next((a for a in known if a.fingerprint == alert.muted_by), None)
    if by is None:
        return ""
    _, rule = inhibited(known, group.inhibitions, dict(group.labels)).get(alert.fingerprint, ("", ""))
    of = f"of {by.source} " if by.source and by.source != alert.source else ""
    return f"while {by.rule} {of}fires ({rule or 'critical mutes lesser'}, {by.fingerprint})"


def _loud(alert: Alert) -> bool:
    return alert.state is AlertState.FIRING and alert.severity is Severity.CRITICAL


def _silence(alert: Alert, running: Iterable[Silence]) -> str:
    return next((silence.id for silence in running if reaches(silence.matchers, alert)), "")


def reaches(matchers: Iterable[Matcher], alert: Alert) -> bool:
    """Whether matchers hold for an alert's labels, its rule's name under both names and its severity."""
    known = {"rule": alert.rule, "alertname": alert.rule, "severity": alert.severity.name.lower()}
    return matches(matchers, {**known, **dict(alert.labels)})


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
