"""What the ruler sees of its session: series, links, and findings as rules of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from perftui.model.alerts import FINDING, Element, Rule, Selector, up_key
from perftui.model.finding import Finding, Severity
from perftui.model.health import Link
from perftui.model.reading import Look
from perftui.model.series import SeriesKey
from perftui.runtime.rings import Rings

KEEP_FINDING = 30.0  # seconds a finding must be away before its alert is resolved
# Seconds one that is not critical must last: longer than the ten that findings look through, else one
# hiccup that fills them would do.
HOLD_LESSER = 15.0
# What ends the name of its rule, so that a lesser one never hides the critical one.
ENDS = {Severity.CRITICAL: "", Severity.WARNING: ":warning", Severity.INFO: ":info"}


@dataclass
class Sights:
    """What the ruler sees of its session, each asked anew at every evaluation."""

    rings: Rings
    kinds: Mapping[str, str]
    looks: Callable[[], Mapping[str, Look]]
    findings: Callable[[], Iterable[Finding]]


def up_of(looks: Mapping[str, Look], key: SeriesKey) -> Sequence[float]:
    """1 while a backend's link is good, 0 when it is lost, nothing before it was read."""
    link = looks[key.source].health.link if key.source in looks else Link.OFF
    if link in (Link.LOST, Link.REFUSED):
        return (0.0,)
    return (1.0,) if link in (Link.LIVE, Link.LATE) else ()


def ups_of(
    looks: Mapping[str, Look], rings: Rings, key: SeriesKey, start: float, end: float
) -> Sequence[float]:
    """The same now, after what is remembered with start < at <= end."""
    now = up_of(looks, key)
    return (*rings.recent(up_key(key.source), start, end), *now) if now else ()


def found_rules(findings: Iterable[Finding], early: Sequence[str]) -> dict[str, tuple[Element, ...]]:
    """Critical findings, and lesser ones among `early`, by their rule's name; one told twice counts once."""
    found: dict[str, dict[object, Element]] = {}
    for finding in findings:
        if finding.severity is Severity.CRITICAL or finding.id in early:
            labels = (("source", finding.source), *finding.labels)
            element = Element(labels, 1.0, finding.title, finding.evidence)
            name = FINDING + finding.id + ENDS[finding.severity]
            found.setdefault(name, {}).setdefault(tuple(sorted(labels)), element)
    return {name: tuple(elements.values()) for name, elements in found.items()}


def take_found(found: Mapping[str, tuple[Element, ...]], name: str) -> tuple[Element, ...]:
    """The results of one of them."""
    return found.get(name, ())


def finding_rule(name: str) -> Rule:
    """The rule behind a finding's alerts, or behind those of a rule that is no longer there."""
    severity = next((s for s, end in ENDS.items() if end and name.endswith(end)), Severity.CRITICAL)
    title = name.removeprefix(FINDING).removesuffix(ENDS[severity])
    return Rule(
        name,
        title,
        Selector(title),
        op="",
        hold=0.0 if severity is Severity.CRITICAL else HOLD_LESSER,
        keep=KEEP_FINDING if name.startswith(FINDING) else 0.0,
        severity=severity,
    )
