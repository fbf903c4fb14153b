"""What a message says of a group of alerts: its worst one's words, a line each, and a key that is unique."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from perftui.analysis.noticegroups import Group
from perftui.draw import format as fmt
from perftui.model.alerts import Alert, AlertState
from perftui.model.notify import SMS, Line, What

LINES = 20  # alerts named in one message
ALERTMANAGER = "alertmanager"
PUSHED = 1000  # alerts of one push there


def titled(group: Group | None, alerts: Sequence[Alert]) -> Group | None:
    """With the words of its worst alert, kept for when that is gone."""
    loud = [alert for alert in alerts if not (alert.silence or alert.muted_by)]
    if group is None or not loud:
        return group
    worst = max(loud, key=lambda alert: (alert.severity, -(alert.fired_at or alert.began)))
    return replace(group, title=worst.title[:200], severity=worst.severity)


def line(alert: Alert) -> Line:
    """One alert, with bounded words."""
    goal = f" {alert.op} {fmt.value(alert.threshold, alert.unit).strip()}" if alert.op else ""
    return Line(
        alert.fingerprint,
        alert.rule,
        alert.title[:200],
        alert.severity,
        alert.source,
        f"{fmt.value(alert.value, alert.unit).strip()}{goal}" if alert.op else "",
        alert.fired_at or alert.began,
        tuple((k, v[:500]) for k, v in alert.labels[:40]),
        alert.state is AlertState.RESOLVED,
        tuple(text[:500] for text in (*alert.evidence, *alert.witness)[:10]),
    )


def lines(alerts: Iterable[Alert], kind: str) -> tuple[Line, ...]:
    """The alerts that a message to a channel of that kind names, the worst first.

    An Alertmanager is told of every one: it groups and words them itself, and shows no evidence.
    """
    worst = sorted(alerts, key=lambda alert: -alert.severity)
    if kind == ALERTMANAGER:
        return tuple(replace(line(alert), evidence=()) for alert in worst[:PUSHED])
    return tuple(map(line, worst[:LINES]))


def line_of_gone(group: Group, what: What) -> Line:
    """A group whose alerts are gone, by what it still knows of them."""
    labels = dict(group.labels)
    rule, source = labels.get("rule", group.thread), labels.get("source", "")
    over = what is What.RESOLVE
    return Line(group.thread, rule, group.title, group.severity, source, labels=group.labels, over=over)


def unique(group: Group, channel: str, to: str) -> str:
    """The same for the same message, whoever writes it."""
    text = "\x00".join((group.key, group.incident, str(group.sequence), channel, to))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:40]


def way_recipients(kind: str, options: Callable[[], object], numbers: tuple[str, ...]) -> tuple[str, ...]:
    """Only short messages go to persons; every other channel is a place."""
    if kind not in SMS:
        return ("",)
    return numbers or tuple(getattr(options(), "to", ()))
