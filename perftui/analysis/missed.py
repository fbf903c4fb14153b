"""Which real incidents rules would have told of, and which they would have missed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from perftui.model.alerts import AlertEvent
from perftui.model.backtest import Backtest, Incident
from perftui.model.event import Event
from perftui.model.finding import Severity

BEFORE = 300.0  # seconds: a rule that fired so long before trouble was seen has told of it
TIMELINE, ACKNOWLEDGED = "on the timeline", "acknowledged"
MOST = 200


def incidents(
    events: Iterable[Event], history: Iterable[AlertEvent], start: float, end: float
) -> tuple[Incident, ...]:
    """What was real in [start, end], oldest first: what the timeline calls an incident, and critical alerts
    that somebody acknowledged, each once, the newest `MOST`.
    """
    found = [Incident(e.at, e.until, e.title, TIMELINE) for e in events if e.kind == "incident"]
    fired: dict[tuple[str, float], AlertEvent] = {}
    ended: dict[tuple[str, float], float] = {}
    taken = set[tuple[str, float]]()
    for line in history:
        key = line.fingerprint, line.began
        if line.kind == "firing":
            fired.setdefault(key, line)
        elif line.kind == "acknowledged":
            taken.add(key)
        elif line.kind == "resolved":
            ended[key] = line.at
    found += [
        Incident(line.at, ended.get(key), line.title, ACKNOWLEDGED)
        for key, line in fired.items()
        if key in taken and line.severity is Severity.CRITICAL
    ]
    inside = [one for one in found if one.at <= end and (one.at if one.until is None else one.until) >= start]
    return tuple(sorted(inside, key=lambda one: one.at)[-MOST:])


def told(real: Sequence[Incident], tests: Iterable[Backtest]) -> tuple[Incident, ...]:
    """The same with the rule that fired first for each: while it lasted, or up to `BEFORE` before."""
    spells = [
        (spell.fired, test.end if spell.ended is None else spell.ended, test.rule.name)
        for test in tests
        for spell in test.spells
    ]
    spells.sort()
    found = []
    for one in real:
        until = one.at + BEFORE if one.until is None else one.until
        first = next(
            (s for s in spells if one.at - BEFORE <= s[0] <= until or (s[0] <= one.at < s[1])),
            None,
        )
        found.append(one if first is None else replace(one, rule=first[2], after=first[0] - one.at))
    return tuple(found)
