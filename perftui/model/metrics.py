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
from perftui.model.errors import ExpressionError

NAME = "__name__"
STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""The one NaN that is no value: the series ended here."""
MOST_POINTS = 11_000  # of one series in a range: what a server allows
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


class Speech(NamedTuple):
    """The dialect that expressions over our own series are read in, and the `server` it was learned from."""

    server: str = ""
    dialect: Dialect = GENERATION_2

    @property
    def note(self) -> str:
        """One line for a rule's details."""
        why = f"as {self.server} does" if self.server else "as no server is connected whose it would follow"
        return f"evaluated like {self.dialect.note}, {why}"


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


@dataclass(frozen=True, slots=True)
class Flavour:
    """Which server answers: `product` is what its build tells, `dialect` how it evaluates."""

    product: str = "Prometheus"
    version: str = ""
    dialect: Dialect = GENERATION_2
    exact: bool = True  # whether its digits are Prometheus'


@dataclass(frozen=True, slots=True)
class MetricMeta:
    """What a server knows of a metric from its targets."""

    type: str
    help: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class ServerRule:
    """A rule as a server evaluates it; `kind` is `alerting` or `recording`."""

    group: str
    file: str
    interval: float
    kind: str
    name: str
    expr: str
    hold: float
    labels: Labels
    annotations: Labels
    health: str
    error: str
    state: str
    took: float


@dataclass(frozen=True, slots=True)
class ServerAlert:
    """An alert as a server holds it; `since` is epoch seconds."""

    labels: Labels
    annotations: Labels
    state: str
    since: float
    value: float


@dataclass(frozen=True, slots=True)
class PromReading:
    """One look at a server: which it is, how many targets it has and how many of them answer."""

    flavour: Flavour
    targets: int
    targets_up: int


def check_points(start: float, end: float, step: float) -> None:
    """ExpressionError unless a range has a step, an order, and no more points than a server gives."""
    if step <= 0:
        raise ExpressionError("the step of a range must be longer than 0")
    if end < start:
        raise ExpressionError("a range ends after it begins")
    if (end - start) / step > MOST_POINTS:
        better = shortest_step(end - start)
        raise ExpressionError(f"more than {MOST_POINTS} points a series: a step of {better}s would do")


def shortest_step(seconds: float) -> int:
    """The shortest step (whole seconds) that a range may have."""
    return -int(-seconds // MOST_POINTS)


def fitting_step(seconds: float, columns: int) -> float:
    """The step (whole seconds from one up) that gives about so many points and never too many."""
    wanted = seconds / max(1, min(columns, MOST_POINTS))
    return max(0.001, wanted if wanted < 1 else -float(-wanted // 1))
