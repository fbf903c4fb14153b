"""Metric families as they are exposed: a name, a type, a sentence, and rows bounded in number and length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]

MOST_ROWS = 1000  # a family; what comes beyond is folded into one
MOST_CHARS = 128  # of a label's value
OTHER = "other"
SUMMED = ("counter", "histogram", "summary")


def bounded(labels: Iterable[tuple[str, str]]) -> Labels:
    """Labels with values of a bearable length."""
    return tuple((name, value[:MOST_CHARS]) for name, value in labels)


@dataclass(slots=True)
class Family:
    """`name` without `_total`; rows by labels: one value, or for histograms and summaries several.

    `cells` of a row are (suffix, further labels, value), written in order.
    """

    name: str
    type: str  # counter gauge histogram summary info
    help: str
    rows: dict[Labels, tuple[Cell, ...]] = field(default_factory=dict)
    folded: int = 0
    exemplars: dict[tuple[Labels, str, Labels], str] = field(default_factory=dict)  # row, suffix, its labels

    def put(self, labels: Iterable[tuple[str, str]], value: float) -> None:
        """One value under these labels."""
        self.put_cells(labels, (("_total" if self.type == "counter" else "", (), value),))

    def put_cells(self, labels: Iterable[tuple[str, str]], cells: Sequence[Cell]) -> None:
        """Several at once; under labels that are there already, or one too many, they are folded."""
        self.put_bounded(bounded(labels), cells)

    def put_bounded(self, kept: Labels, cells: Sequence[Cell]) -> None:
        """The same for labels that are short enough already."""
        before = self.rows.get(kept)
        if before is not None or len(self.rows) >= MOST_ROWS:
            self.folded += 1
            if before is None:
                kept = tuple((name, OTHER) for name, _ in kept)
                before = self.rows.get(kept)
        self.rows[kept] = tuple(cells) if before is None else self._joined(before, cells)

    def _joined(self, before: Sequence[Cell], cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """Counts add up; of levels the higher stands."""
        known = {(suffix, labels): value for suffix, labels, value in before}
        for suffix, labels, value in cells:
            old = known.get((suffix, labels), 0.0)
            adds = self.type in SUMMED and not any(name == "quantile" for name, _ in labels)
            known[suffix, labels] = old + value if adds else max(old, value)
        return tuple((suffix, labels, value) for (suffix, labels), value in known.items())


Cell = tuple[str, Labels, float]


class Families:
    """Families by name, each made once whatever asks for it first."""

    def __init__(self) -> None:
        self._all: dict[str, Family] = {}

    def family(self, name: str, type_: str, help_: str) -> Family:
        """The family of that name."""
        found = self._all.get(name)
        if found is None:
            found = self._all[name] = Family(name, type_, help_)
        return found

    def sorted(self) -> list[Family]:
        """Those with rows, by name; what was folded is told in one of its own."""
        folded = [family for family in self._all.values() if family.folded]
        if folded:
            told = self.family(
                "perftui_folded_series", "counter", "Rows folded into others in this exposition."
            )
            for family in folded:
                told.put((("family", family.name),), family.folded)
        return sorted((f for f in self._all.values() if f.rows), key=lambda f: f.name)
