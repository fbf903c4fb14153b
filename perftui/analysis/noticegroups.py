"""When a group of alerts is worth a message: waiting, repeating, escalating, ending; pure of any clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from perftui.analysis.routing import due_steps
from perftui.model.alerts import Labels
from perftui.model.finding import Severity
from perftui.model.notify import EscalationPolicy, Route, What

MOST_MEMBERS = 2000  # remembered of one group; the message says how many there are


@dataclass(frozen=True, slots=True)
class Member:
    """One alert of a group as it stands: `quiet` ones (silenced, muted) cause no message."""

    fingerprint: str
    began: float
    acked_by: str = ""
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A channel, and whom there, that has heard of the group."""

    channel: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts told together. `opened` names this incident; `said` is what its places know.

    `ended` is when it was told to be over: it is remembered for `group_interval`, so that an alert that
    comes straight back does not make a message each time.
    """

    key: str
    route: str
    labels: Labels
    thread: str
    opened: float
    places: tuple[Place, ...] = ()
    said: tuple[str, ...] = ()
    sent_at: float = 0.0
    sequence: int = 0
    step: int = 0
    acked_by: str = ""
    ended: float | None = None
    title: str = ""
    severity: Severity = Severity.INFO

    @property
    def incident(self) -> str:
        """Its name among all that ever were."""
        return f"{self.thread}@{self.opened:.3f}"


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to say of a group to its `places`."""

    group: Group
    what: What
    places: tuple[Place, ...]
    who: str = ""
    note: str = ""


def advanced(
    group: Group | None,
    key: str,
    route: Route,
    labels: Labels,
    members: Sequence[Member],
    policy: EscalationPolicy | None,
    now: float,
) -> tuple[Group | None, tuple[Message, ...]]:
    """The group after `now`, and what is to be said; None when there is nothing to remember."""
    loud = [m for m in members if not m.quiet]
    if group is None or (group.ended is not None and loud):
        if not loud:
            return None, ()
        since = now if group is None else max(now, group.sent_at + route.group_interval - route.group_wait)
        places = tuple(Place(channel) for channel in route.channels)
        group = Group(key, route.name, labels, loud[0].fingerprint, since, places)
    if group.ended is not None:
        return (group if now < group.ended + route.group_interval else None), ()
    if not group.sequence:
        return _opening(group, route, members, now)
    if not members:
        return _said(group, What.RESOLVE, (), now, ended=now)
    return _going_on(group, route, members, policy, now)


def _opening(
    group: Group, route: Route, members: Sequence[Member], now: float
) -> tuple[Group | None, tuple[Message, ...]]:
    """Not told yet: what ends or is hushed within the wait is never told at all."""
    if not any(not m.quiet for m in members):
        return None, ()
    if now < group.opened + route.group_wait:
        return group, ()
    acker = _acker(members)
    told, messages = _said(group, What.TRIGGER, members, now)
    if acker:
        return replace(told, acked_by=acker), messages
    return told, messages


def _going_on(
    group: Group, route: Route, members: Sequence[Member], policy: EscalationPolicy | None, now: float
) -> tuple[Group, tuple[Message, ...]]:
    loud = [m for m in members if not m.quiet]
    acker = _acker(members)
    if acker and not group.acked_by:
        return _said(replace(group, acked_by=acker), What.ACKNOWLEDGE, members, now, who=acker)
    taken_back = bool(group.acked_by) and not acker
    group = replace(group, acked_by=acker)
    fresh = {m.fingerprint for m in loud} - set(group.said)
    if taken_back or (fresh and now >= group.sent_at + route.group_interval):
        return _said(group, What.UPDATE, members, now)
    if not loud or acker:
        return group, ()
    steps = due_steps(policy, group.step, now - group.opened)
    if steps:
        new = tuple(Place(step.channel, step.to) for step in steps)
        known = tuple(dict.fromkeys((*group.places, *new)))
        group = replace(group, places=known, step=group.step + len(steps))
        return _said(group, What.ESCALATE, members, now, places=new)
    if now >= group.sent_at + route.repeat_interval:
        return _said(group, What.REPEAT, members, now)
    return group, ()


def _acker(members: Iterable[Member]) -> str:
    """Who has acknowledged, when nobody's alert is left open; quiet ones ask for nobody."""
    open_ = [m for m in members if not m.quiet]
    return open_[0].acked_by if open_ and all(m.acked_by for m in open_) else ""


def _said(
    group: Group,
    what: What,
    members: Sequence[Member],
    now: float,
    *,
    who: str = "",
    places: tuple[Place, ...] = (),
    ended: float | None = None,
) -> tuple[Group, tuple[Message, ...]]:
    known = {m.fingerprint for m in members if not m.quiet} | (set(group.said) if members else set())
    said = tuple(sorted(known))[:MOST_MEMBERS]
    after = replace(group, sequence=group.sequence + 1, sent_at=now, said=said, ended=ended)
    told = after if members else replace(after, said=group.said)  # whose end it is
    return after, (Message(told, what, places or group.places, who),)


def next_step(group: Group, policy: EscalationPolicy | None) -> float | None:
    """When somebody else will be told, unless an acknowledgement comes first."""
    if group.acked_by or group.ended is not None or policy is None or group.step >= len(policy.steps):
        return None
    return group.opened + policy.steps[group.step].after
