"""Functions that make labels, or read the meaning of one: label_replace, label_join, histogram_quantile."""

from __future__ import annotations

import math
import re

from perftui.analysis.promql.labelsets import Points, nameless, unique, with_label
from perftui.analysis.promql.patterns import compiled, fits
from perftui.analysis.promql.tree import Node, Selector, Subquery, bare
from perftui.analysis.quantile import histogram_quantile
from perftui.model.alerts import Labels
from perftui.model.errors import ExpressionError
from perftui.model.metrics import NAME, Point

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_DOLLAR = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))", re.ASCII)
ALMOST = 1e-12  # relative difference between bucket counts that generation 3 takes for none
_TINY = 2.2250738585072014e-308


def label_replace(points: Points, target: str, replacement: str, source: str, pattern: str) -> Points:
    """Set `target` from what `pattern` found in `source`."""
    if not _LABEL.match(target):
        raise ExpressionError(f"invalid destination label name in label_replace(): {target}")
    rule = compiled(pattern)
    found: Points = []
    for labels, value in points:
        own = dict(labels).get(source, "")
        match = rule.fullmatch(own) if fits(pattern, own) else None
        new = with_label(labels, target, _expanded(replacement, match)) if match else labels
        found.append(Point(new, value))
    return unique(found)


def _expanded(template: str, match: re.Match[str]) -> str:
    """Go's Expand: the longest name after a dollar, empty where there is no such group."""

    def part(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        name = found[2] or found[3]
        if name.isdigit():
            return (match[int(name)] or "") if int(name) <= (match.re.groups or 0) else ""
        return match.groupdict().get(name) or ""

    return _DOLLAR.sub(part, template)


def label_join(points: Points, target: str, separator: str, sources: list[str]) -> Points:
    """Set `target` to the values of `sources`, joined."""
    if not _LABEL.match(target):
        raise ExpressionError(f"invalid destination label name in label_join(): {target}")
    for source in sources:
        if not _LABEL.match(source):
            raise ExpressionError(f"invalid source label name in label_join(): {source}")
    found: Points = []
    for labels, value in points:
        have = dict(labels)
        joined = separator.join(have.get(source, "") for source in sources)
        found.append(Point(with_label(labels, target, joined), value))
    return unique(found)


def quantiles(q: float, points: Points, generation: int) -> Points:
    """`histogram_quantile`: each group of buckets that differ in `le` alone gives one element."""
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for labels, value in points:
        bound = _bound(dict(labels).get("le", ""))
        if bound is not None:
            key = tuple(pair for pair in nameless(labels) if pair[0] != "le")
            groups.setdefault(key, []).append((bound, value))
    return [Point(labels, _quantile(q, sorted(cells), generation)) for labels, cells in groups.items()]


def _bound(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _quantile(q: float, cells: list[tuple[float, float]], generation: int) -> float:
    merged: dict[float, float] = {}
    for bound, count in cells:
        merged[bound] = merged[bound] + count if bound in merged else count
    counts = list(merged.values())
    if generation >= 3:
        _smooth(counts)
    return histogram_quantile(q, list(merged), counts)


def _smooth(counts: list[float]) -> None:
    """Counts that differ by rounding alone are made equal, as generation 3 does."""
    before = counts[0]
    for place, count in enumerate(counts):
        if count < before or _close(before, count):
            counts[place] = before
        else:
            before = count


def _close(a: float, b: float) -> bool:
    if a == b:
        return True
    apart, together = abs(a - b), abs(a) + abs(b)
    if a == 0 or b == 0 or together < _TINY:
        return apart < ALMOST * _TINY
    return apart / min(together, math.inf) < ALMOST


def absent_labels(node: Node) -> Labels:
    """What `absent` can know of the series that is not there: labels matched with `=` once."""
    inner = bare(node)
    if not isinstance(inner, Selector) or isinstance(inner, Subquery):
        return ()
    found: dict[str, str] = {}
    unsure: set[str] = set()
    for matcher in inner.matchers:
        if matcher.name == NAME:
            continue
        if matcher.op == "=" and matcher.name not in found:
            found[matcher.name] = matcher.value
        else:
            unsure.add(matcher.name)
    return tuple(sorted((n, v) for n, v in found.items() if n not in unsure and v))
