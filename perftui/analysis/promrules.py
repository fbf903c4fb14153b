"""Rules of a file as rules of ours: identity, ticks, and the elements that an expression's result becomes."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from perftui.analysis.gofuncs import Query
from perftui.analysis.gotemplate import expand
from perftui.model.alerts import Alert, AlertState, Element, Labels, Rule, Selector
from perftui.model.finding import Severity
from perftui.model.rulefile import FileGroup, FileRule, RuleFile

INTERVAL: Final = 15.0  # seconds between two evaluations of a group that names none
TICK: Final = 5.0  # seconds between two looks of the ruler
NAME: Final = "__name__"
SOURCE: Final = "perftui_source"  # annotation that names the server an expression is asked of
WORDS: Final = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "error": Severity.CRITICAL,
    "info": Severity.INFO,
    "none": Severity.INFO,
}


@dataclass(frozen=True, slots=True)
class Group:
    """A group that is evaluated: at whole multiples of `interval` after `offset`."""

    name: str
    rules: tuple[Rule, ...]
    interval: float
    offset: float
    query_offset: float = 0.0

    def due(self, now: float) -> float:
        """The newest instant at or before `now` at which it is to be evaluated."""
        return math.floor((now - self.offset) / self.interval) * self.interval + self.offset


def groups_of(file: RuleFile) -> tuple[Group, ...]:
    """The groups of a file, every rule with a name of its own."""
    taken = Counter(rule.name for rule in file.rules)
    seen: Counter[str] = Counter()
    found: list[Group] = []
    for group in file.groups:
        interval = group.interval or INTERVAL
        rules = tuple(_rule(rule, group, file.path, taken, seen) for rule in group.rules)
        offset = _offset(f"{file.path};{group.name}", interval)
        found.append(Group(group.name, rules, interval, offset, group.query_offset))
    return tuple(found)


def _offset(identity: str, interval: float) -> float:
    """The same on every console and after every start, so that groups don't all come at once."""
    step = TICK if interval % TICK == 0 else 1.0
    places = max(1, int(interval // step))
    digest = hashlib.sha256(identity.rpartition("/")[2].encode()).digest()
    return int.from_bytes(digest[:8], "big") % places * step


def _rule(rule: FileRule, group: FileGroup, path: str, taken: Counter[str], seen: Counter[str]) -> Rule:
    name = rule.name if taken[rule.name] == 1 else f"{group.name}/{rule.name}"
    seen[name] += 1
    name = name if seen[name] == 1 else f"{name}#{seen[name]}"
    labels = {**dict(group.labels), **dict(rule.labels)}
    return Rule(
        name,
        rule.name,
        Selector(rule.name),
        op="",
        hold=rule.hold,
        keep=rule.keep,
        severity=WORDS.get(labels.get("severity", "").lower(), Severity.WARNING),
        labels=tuple(labels.items()),
        limit=group.limit,
        expr=rule.expr,
        annotations=rule.annotations,
        record=rule.record,
        group=group.name,
        place=f"{path}:{rule.line}",
    )


def unreplaced(own: Iterable[Rule], filed: Iterable[Rule]) -> tuple[Rule, ...]:
    """Our own rules but for those a file has an alert of the same name for: that one holds instead."""
    names = {rule.title for rule in filed if not rule.record}
    return tuple(rule for rule in own if rule.name not in names)


def source_of(rule: Rule) -> str:
    """The server that a rule's expression is asked of, "" for our own history."""
    return dict(rule.annotations).get(SOURCE, "")


def elements(
    rule: Rule,
    vector: Iterable[tuple[Labels, float]],
    query: Query,
    external: Mapping[str, str] | None = None,
) -> tuple[Element, ...]:
    """What a rule's alerts are made of: labels and annotations filled in, as a server does it."""
    found = []
    for labels, value in vector:
        known = dict(labels)

        def filled(text: str, known: Mapping[str, str] = known, value: float = value) -> str:
            return expand(text, known, value, query, external, rule.title)

        mine = {name: text for name, text in known.items() if name != NAME}
        mine |= {name: filled(text) for name, text in rule.labels}
        mine["alertname"] = rule.title
        notes = tuple((name, filled(text)) for name, text in rule.annotations)
        whole = tuple(sorted((name, text) for name, text in mine.items() if text))
        found.append(_element(rule, whole, value, dict(notes), notes))
    return tuple(found)


def _element(rule: Rule, labels: Labels, value: float, said: Mapping[str, str], notes: Labels) -> Element:
    title = said.get("summary") or said.get("message") or rule.title
    evidence = tuple(filter(None, (said.get("description", ""),)))
    severity = WORDS.get(dict(labels).get("severity", "").lower())
    return Element(labels, value, title, evidence, annotations=notes, severity=severity)


def recorded(rule: Rule, vector: Iterable[tuple[Labels, float]]) -> tuple[tuple[Labels, float], ...]:
    """The series a recording rule writes; ValueError when two have the same labels."""
    found: dict[Labels, float] = {}
    for labels, value in vector:
        known = {**dict(labels), **dict(rule.labels), NAME: rule.title}
        whole = tuple(sorted((name, text) for name, text in known.items() if text))
        if whole in found:
            raise ValueError("vector contains metrics with the same labelset after applying rule labels")
        found[whole] = value
    return tuple(found.items())


def traces(alerts: Iterable[Alert]) -> tuple[tuple[Labels, float], ...]:
    """`ALERTS` and `ALERTS_FOR_STATE` of alerts that are pending or firing."""
    found: list[tuple[Labels, float]] = []
    for alert in alerts:
        if alert.state is not AlertState.RESOLVED:
            state = (*alert.labels, (NAME, "ALERTS"), ("alertstate", alert.state.value))
            found.append((tuple(sorted(state)), 1.0))
            since = (*alert.labels, (NAME, "ALERTS_FOR_STATE"))
            found.append((tuple(sorted(since)), float(math.floor(alert.active_at))))
    return tuple(found)


class Wanted(Exception):  # a question in the midst of a template
    """A template asks for the result of `expression`, which is to be got before it can be filled in."""

    def __init__(self, expression: str) -> None:
        super().__init__(expression)
        self.expression = expression


def samples(points: Sequence[tuple[Labels, float]]) -> tuple[dict[str, object], ...]:
    """A result as templates see it."""
    return tuple({"Labels": dict(labels), "Value": value} for labels, value in points)
