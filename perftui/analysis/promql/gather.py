"""Which samples an expression will need: every selector is read once, for all instants together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from perftui.analysis.promql.tree import Node, Selector, Subquery, children
from perftui.model.metrics import MetricReader, Window

Rows = dict[int, tuple[Window, ...]]
"""A selector's identity → its series, sorted by labels."""


class Need(NamedTuple):
    """One selector and the span of samples (seconds) its evaluation can touch."""

    selector: Selector
    start: float
    end: float


def needs(root: Node, query: tuple[int, int], lookback: int) -> list[Need]:
    """All selectors of a tree with what they need for the instants of `query` (ms)."""
    found: list[Need] = []
    _walk(root, query, query, lookback, found)
    return found


def gather(root: Node, series: MetricReader, query: tuple[int, int], lookback: int) -> Rows:
    """Read what an expression needs."""
    return {id(need.selector): _read(series, need) for need in needs(root, query, lookback)}


def shifted(node: Selector | Subquery, now: int, query: tuple[int, int]) -> int:
    """The instant (ms) a selector or subquery looks back from: its `@`, then its offset."""
    match node.moment:
        case None:
            base = now
        case "start":
            base = query[0]
        case "end":
            base = query[1]
        case fixed:
            base = int(fixed)
    return base - node.offset


def _walk(
    node: Node, span: tuple[int, int], query: tuple[int, int], lookback: int, found: list[Need]
) -> None:
    if isinstance(node, Selector):
        start, end = shifted(node, span[0], query), shifted(node, span[1], query)
        found.append(Need(node, (start - (node.window or lookback)) / 1000, end / 1000))
    elif isinstance(node, Subquery):
        inner = (shifted(node, span[0], query) - node.window, shifted(node, span[1], query))
        _walk(node.expr, inner, query, lookback, found)
    else:
        for child in children(node):
            _walk(child, span, query, lookback, found)


def _read(series: MetricReader, need: Need) -> tuple[Window, ...]:
    windows: Iterable[Window] = series.select(need.selector.matchers, need.start, need.end)
    return tuple(window for window in windows if len(window.at))
