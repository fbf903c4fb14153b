"""Label sets taken apart and compared: without the name, by a grouping, written for an error."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from perftui.model.alerts import Labels
from perftui.model.errors import ExpressionError
from perftui.model.metrics import NAME, Point

Points = list[Point]


@lru_cache(maxsize=65536)
def nameless(labels: Labels) -> Labels:
    """Labels without the metric's name."""
    return tuple(pair for pair in labels if pair[0] != NAME)


@lru_cache(maxsize=65536)
def kept(labels: Labels, names: tuple[str, ...]) -> Labels:
    """Only these labels."""
    return tuple(pair for pair in labels if pair[0] in names)


@lru_cache(maxsize=65536)
def dropped(labels: Labels, names: tuple[str, ...]) -> Labels:
    """All but these and the metric's name."""
    return tuple(pair for pair in labels if pair[0] not in names and pair[0] != NAME)


def with_label(labels: Labels, name: str, value: str) -> Labels:
    """Labels with one set, or removed by an empty value."""
    rest = [pair for pair in labels if pair[0] != name]
    return tuple(sorted([*rest, (name, value)] if value else rest))


def unique(points: Points) -> Points:
    """The same points; ExpressionError when two carry the same labels."""
    if len(points) > 1 and len({labels for labels, _ in points}) != len(points):
        raise ExpressionError("vector cannot contain metrics with the same labelset")
    return points


def names_of(pairs: Iterable[tuple[str, str]]) -> set[str]:
    """The names alone."""
    return {name for name, _ in pairs}
