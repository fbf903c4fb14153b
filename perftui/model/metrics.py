"""Prometheus' view of numbers over time: label sets, windows of samples, and who can be asked for them.

A series is its label set: a sorted tuple of pairs of which one is `__name__`. Times are epoch seconds
with millisecond precision, as Prometheus keeps them.

Feed `perftui.analysis.promql` by implementing `MetricReader.select`; `analysis.promql.Shelf` is the one in
memory::

    shelf = Shelf()
    shelf.append(labels_of("up", job="web"), at=1000.0, value=1.0)
    shelf.append(labels_of("up", job="web"), at=1015.0, value=STALE)   # the series ends here
    evaluate(parse('up{job="web"} == 1'), shelf, at=1010.0)            # (Point((("__name__", …)), 1.0),)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from perftui.model.alerts import Labels, Matcher

NAME = "__name__"
STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""The one NaN that is no value: the series ended here."""
LOOKBACK = 300.0  # seconds an instant selector reaches back for the newest sample

_PACK = struct.Struct("<d").pack
_STALE_BYTES = struct.pack("<Q", 0x7FF0000000000002)


def is_stale(value: float) -> bool:
    """Whether a value is the stale marker (an ordinary NaN is not)."""
    return value != value and _PACK(value) == _STALE_BYTES  # noqa: PLR0124 (NaN)


def labels_of(metric: str = "", /, **labels: str) -> Labels:
    """A label set from a name and labels; empty values are left out, as they mean the same."""
    pairs = [(name, value) for name, value in labels.items() if value]
    return tuple(sorted([*pairs, (NAME, metric)] if metric else pairs))


def show_labels(labels: Labels) -> str:
    """`name{a="b", c="d"}` as Prometheus writes it."""
    name = dict(labels).get(NAME, "")
    rest = ", ".join(str(Matcher(n, "=", v)) for n, v in labels if n != NAME)
    return f"{name}{{{rest}}}" if rest or not name else name


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between generations of Prometheus."""

    generation: int = 2

    @property
    def left_open(self) -> bool:
        """Whether the left end of a range and of the look-back is outside (since 3.0)."""
        return self.generation >= 3

    @property
    def note(self) -> str:
        """One line for a rule's details."""
        ends = "the left end is outside" if self.left_open else "both ends are inside"
        return f"Prometheus generation {self.generation}: {ends} of ranges and of the look-back"


GENERATION_2 = Dialect(2)
GENERATION_3 = Dialect(3)


class Point(NamedTuple):
    """One element of an instant vector."""

    labels: Labels
    value: float


Vector = tuple[Point, ...]


class Window(NamedTuple):
    """Samples of one series in time order, stale markers among them: two columns of equal length."""

    labels: Labels
    at: Sequence[float]
    values: Sequence[float]


Matrix = tuple[Window, ...]


class Answer(NamedTuple):
    """What an expression came to: `kind` is `scalar`, `vector`, `matrix` or `string`."""

    kind: str
    vector: Vector = ()
    matrix: Matrix = ()
    text: str = ""
    warnings: tuple[str, ...] = ()


class MetricReader(Protocol):
    """Whatever can be asked for series by their labels."""

    def select(self, matchers: Sequence[Matcher], start: float, end: float) -> Iterable[Window]:
        """Series for which all matchers hold, each with its samples in [start, end], both inside.

        `__name__` is matched like any label, one that is absent counts as empty. Windows may be
        empty, and come sorted by labels where the last digit of sums should be reproducible.
        `analysis.promql.matching(matchers)` makes the test of a label set.
        """
        ...
