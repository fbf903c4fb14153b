"""What a rule's condition selects right now, from series alone."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence

from perftui.analysis.alertstate import EvaluationError, step
from perftui.analysis.matchers import matches
from perftui.model.alerts import Alert, AlertState, Element, Rehearsal, Rule
from perftui.model.series import SeriesKey

LOOKBACK = 60.0  # seconds after which a newest sample is no longer the present value

COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
REDUCE: dict[str, Callable[[Sequence[float]], float]] = {
    "last": lambda values: values[-1],
    "avg": lambda values: sum(values) / len(values),
    "min": min,
    "max": max,
}

Read = Callable[[SeriesKey, float, float], Sequence[float]]
"""Values of a series with start < at <= end, oldest first."""


def selected(rule: Rule, keys: Iterable[SeriesKey], kinds: Mapping[str, str]) -> tuple[SeriesKey, ...]:
    """The series a rule is about; `kinds` maps backends to their kind."""
    wanted = rule.series
    return tuple(
        key
        for key in keys
        if key.name == wanted.name
        and wanted.source in ("", key.source)
        and wanted.of_kind(kinds.get(key.source, ""))
        and matches(wanted.matchers, {**dict(key.labels), "source": key.source})
    )


def vector(rule: Rule, keys: Iterable[SeriesKey], read: Read, now: float) -> tuple[Element, ...]:
    """Elements for which the condition holds at `now`; series without a fresh value are absent."""
    held = COMPARE[rule.op]
    found = ((key, value) for key in keys if (value := _value(rule, key, read, now)) is not None)
    return tuple(
        Element((("source", key.source), *key.labels), value, key=key)
        for key, value in found
        if held(value, rule.threshold)
    )


def _value(rule: Rule, key: SeriesKey, read: Read, now: float) -> float | None:
    if rule.traffic and not _busy(rule, key, read, now):
        return None
    value = _reduced(rule, key, read, now)
    if value is None or not rule.per:
        return value
    whole = _reduced(rule, SeriesKey(key.source, rule.per, key.labels), read, now)
    return value / whole if whole else None


def _reduced(rule: Rule, key: SeriesKey, read: Read, now: float) -> float | None:
    values = read(key, now - (rule.over if rule.how != "last" else LOOKBACK), now)
    return REDUCE[rule.how](values) if len(values) else None


def _busy(rule: Rule, key: SeriesKey, read: Read, now: float) -> bool:
    total = 0.0
    for name in rule.traffic:
        for labels in dict.fromkeys((key.labels, ())):
            values = read(SeriesKey(key.source, name, labels), now - LOOKBACK, now)
            if len(values):
                total += values[-1]
                break
    return total >= rule.traffic_above


def rehearse(
    rule: Rule, keys: Sequence[SeriesKey], read: Read, start: float, end: float, tick: float = 15.0
) -> Rehearsal:
    """What `rule` would have done on recorded series, evaluated every `tick` seconds."""
    active: Mapping[str, Alert] = {}
    firing: dict[str, float] = {}
    done: list[tuple[float, float]] = []
    now = start
    while now <= end:
        try:
            active, changed = step(rule, active, vector(rule, keys, read, now), now)
        except EvaluationError:
            changed = ()
        for alert in changed:
            if alert.state is AlertState.FIRING:
                firing[alert.fingerprint] = now
            elif alert.fingerprint in firing:
                done.append((firing.pop(alert.fingerprint), now))
        now += tick
    done += [(since, end) for since in firing.values()]
    return Rehearsal(rule, start, end, tuple(sorted(done)), len(keys))
