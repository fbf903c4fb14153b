"""The life of alerts, step by step, exactly as Prometheus' alerting rules live it.

Source of the semantics: Prometheus' documentation of `for` and `keep_firing_for`, and what its rule
manager does at each evaluation; the time of an outage is not counted as pending time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from perftui.model.alerts import Alert, AlertState, Element, Labels, Rule, fingerprint
from perftui.model.errors import PerftuiError

RETENTION = 900.0  # seconds a resolved alert stays, so that everybody learns of it
OUTAGE = 3600.0  # after so many seconds of not watching everything starts anew
FLAP_WINDOW = 600.0
MOST = 10_000  # alerts of a rule that names no limit; some 2 kB each
FLAPS = 4  # more changes than these within the window are flapping

Active = Mapping[str, Alert]


class Step(NamedTuple):
    """What an evaluation made of a rule's alerts, and those that began firing or were resolved in it."""

    active: dict[str, Alert]
    changed: tuple[Alert, ...] = ()


class EvaluationError(PerftuiError):
    """A rule's result cannot be used; its alerts stay as they were."""


def step(
    rule: Rule, active: Active, vector: Sequence[Element], now: float, blind: Collection[str] = ()
) -> Step:
    """One evaluation at `now` (epoch seconds): the new alerts of `rule` from the old and its result.

    Every element is active whatever its value. Alerts of sources in `blind` (not yet looked at since we
    began to watch) stay as they are when absent. EvaluationError: two elements with the same labels, or
    more alerts than the rule's limit (a server drops them all then: everybody would be told they are over).
    """
    seen = _seen(rule, vector)
    after: dict[str, Alert] = {}
    changed: list[Alert] = []
    for mark in dict.fromkeys((*active, *seen)):
        old, element = active.get(mark), seen.get(mark)
        if element is None and old is not None and old.source in blind:
            after[mark] = old
            continue
        new = _present(rule, mark, old, element, now) if element else _absent(rule, old, now)
        if new is None:
            continue
        if (
            new.state is not (old.state if old else AlertState.PENDING)
            and new.state is not AlertState.PENDING
        ):
            new = replace(new, changes=(*_recent(new.changes, now), now))
            changed.append(new)
        after[mark] = new
    live = sum(alert.state is not AlertState.RESOLVED for alert in after.values())
    if live > (rule.limit or MOST):
        raise EvaluationError(f"{rule.name}: {live} alerts, more than its limit of {rule.limit or MOST}")
    return Step(after, tuple(changed))


def _seen(rule: Rule, vector: Sequence[Element]) -> dict[str, Element]:
    seen: dict[str, Element] = {}
    for element in vector:
        labels = element.labels if rule.expr else alert_labels(rule, element.labels)
        mark = fingerprint(labels)
        if mark in seen:
            raise EvaluationError(f"{rule.name}: two results with the labels {dict(labels)}")
        seen[mark] = replace(element, labels=labels)
    return seen


def alert_labels(rule: Rule, labels: Labels) -> Labels:
    """An element's labels, the rule's over them, then the rule's name; sorted."""
    return tuple(sorted({**dict(labels), **dict(rule.labels), "rule": rule.name}.items()))


def _present(rule: Rule, mark: str, old: Alert | None, element: Element, now: float) -> Alert:
    if old is None or old.state is AlertState.RESOLVED:
        alert = _new(rule, mark, element, now, old.changes if old else ())
    else:
        alert = replace(
            old,
            value=element.value,
            title=element.title or rule.title,
            evidence=element.evidence,
            annotations=element.annotations,
            threshold=rule.threshold,
            op=rule.op,
            severity=element.severity or rule.severity,
            keep_since=None,
        )
    if alert.state is AlertState.PENDING and now - alert.active_at >= rule.hold:
        return replace(alert, state=AlertState.FIRING, fired_at=now)
    return alert


def _new(rule: Rule, mark: str, element: Element, now: float, changes: tuple[float, ...]) -> Alert:
    return Alert(
        mark,
        rule.name,
        element.title or rule.title,
        element.severity or rule.severity,
        element.labels,
        element.value,
        AlertState.PENDING,
        active_at=now,
        began=now,
        op=rule.op,
        threshold=rule.threshold,
        unit=rule.unit,
        evidence=element.evidence,
        key=element.key,
        changes=changes,
        annotations=element.annotations,
    )


def _absent(rule: Rule, old: Alert | None, now: float) -> Alert | None:
    if old is None or old.state is AlertState.PENDING:
        return None
    if old.state is AlertState.RESOLVED:
        return None if now - (old.resolved_at or 0.0) > RETENTION else old
    since = now if old.keep_since is None else old.keep_since
    if rule.keep > 0 and now - since < rule.keep:
        return replace(old, keep_since=since)
    return replace(old, state=AlertState.RESOLVED, resolved_at=now, keep_since=None)


def restored(alert: Alert, down_at: float, now: float) -> Alert | None:
    """An alert found again at `now` that nobody watched since `down_at`; None when it starts anew.

    That time is not counted as pending. After more than an hour what was pending is forgotten, and what
    was firing ended when the watching did.
    """
    gap = now - down_at
    if alert.state is AlertState.RESOLVED:
        return alert
    if gap > OUTAGE:
        if alert.state is AlertState.PENDING:
            return None
        return replace(alert, state=AlertState.RESOLVED, resolved_at=down_at, keep_since=None)
    kept = None if alert.keep_since is None else alert.keep_since + gap
    moved = alert.active_at + gap if alert.state is AlertState.PENDING else alert.active_at
    return replace(alert, active_at=moved, keep_since=kept)


def flaps(alert: Alert, now: float) -> bool:
    """Whether it changed more than four times in the last ten minutes."""
    return len(_recent(alert.changes, now)) > FLAPS


def _recent(changes: Sequence[float], now: float) -> tuple[float, ...]:
    return tuple(at for at in changes if now - FLAP_WINDOW < at <= now)
