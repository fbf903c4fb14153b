"""What a live table shows and where its cursor is, without a terminal: order, filter, marks, freeze."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from perftui.draw.format import MINUS
from perftui.draw.table import Column, sort_items

FREEZE = 2.0  # seconds after a cursor key during which rows keep their places
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class TableView:
    """Items by key, the order they are shown in, and a cursor that stays with its key."""

    def __init__(
        self,
        columns: Sequence[Column],
        key: Callable[[Any], Hashable],
        sort: str | None = None,
        reverse: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.columns = tuple(columns)
        self.key = key
        self.sort = sort
        self.reverse = reverse
        self.filter_text = ""
        self.hidden = {c.key for c in columns if c.hidden}
        self.marks: set[Hashable] = set()
        self.items: dict[Hashable, Any] = {}
        self.order: list[Hashable] = []
        self.cursor_key: Hashable | None = None
        self.index = 0
        self._accept: Callable[[Any], bool] | None = None
        self._clock = clock
        self._frozen_until = 0.0
        self.baseline: dict[Hashable, Any] | None = None  # items of another instant to compare with

    def pin(self) -> None:
        """Keep the items shown now, for columns that tell the difference from then on."""
        self.baseline = dict(self.items)

    @property
    def shown_columns(self) -> list[Column]:
        """Columns the chooser leaves on, at least one; while comparing, a Δ after each that holds numbers."""
        shown = [c for c in self.columns if c.key not in self.hidden] or list(self.columns[:1])
        if not self.baseline:
            return shown
        return [made for c in shown for made in ((c, self._difference(c)) if self._counts(c) else (c,))]

    def _counts(self, column: Column) -> bool:
        """Whether a column is one of figures that can be told apart: not of instants, not of names."""
        if column.align != "right" or column.key in ("pid", "at"):
            return False
        values = [column.of(item) for item in list(self.items.values())[:20]]
        return any(isinstance(v, int | float) and not isinstance(v, bool) for v in values)

    def _difference(self, column: Column) -> Column:
        def change(item: Any) -> float | None:
            then = (self.baseline or {}).get(self.key(item))
            now, before = column.of(item), column.of(then) if then is not None else None
            numbers = isinstance(now, int | float) and isinstance(before, int | float)
            return now - before if numbers else None

        def told(amount: float | None) -> str:
            if amount is None:
                return "new"
            shown = column.format(abs(amount))
            text = (shown if isinstance(shown, str) else shown[0]).strip()
            return "=" if not amount else f"{'+' if amount > 0 else MINUS}{text}"

        width = max(7, column.width)
        return Column(f"{column.key}.change", "Δ", told, change, width, "right", max(2, column.priority))

    @property
    def current(self) -> Any:
        """The item under the cursor, or None."""
        return self.items.get(self.cursor_key) if self.cursor_key is not None else None

    def set_items(self, items: Iterable[Any]) -> None:
        """Take new items; order, cursor and marks follow the keys."""
        self.items = {self.key(item): item for item in items}
        self.marks &= self.items.keys()
        if self._clock() < self._frozen_until:
            self._keep_places()
        else:
            self.arrange()
        self._follow()

    def _keep_places(self) -> None:
        """Rows stay where they are while the cursor moves; new ones queue at the end."""
        accept = self._accept
        kept = [k for k in self.order if k in self.items and (accept is None or accept(self.items[k]))]
        known = set(kept)
        self.order = kept + [
            k for k, item in self.items.items() if k not in known and (accept is None or accept(item))
        ]

    def arrange(self) -> None:
        """Filter and sort anew."""
        items: Sequence[Any] = list(self.items.values())
        if self._accept is not None:
            items = [item for item in items if self._accept(item)]
        column = self.column(self.sort)
        if column is not None:
            items = sort_items(items, column, self.reverse)
        self.order = [self.key(item) for item in items]

    def _follow(self) -> None:
        """Put the cursor back on its key, or on whatever took its place."""
        if not self.order:
            self.cursor_key, self.index = None, 0
            return
        last = len(self.order) - 1
        if self.index <= last and self.order[self.index] == self.cursor_key:
            return
        if self.cursor_key in self.items:
            try:
                self.index = self.order.index(self.cursor_key)
            except ValueError:
                self.index = min(self.index, last)
        self.index = min(self.index, last)
        self.cursor_key = self.order[self.index]

    def column(self, key: str | None) -> Column | None:
        """The column with that key."""
        return next((c for c in (*self.columns, *self.shown_columns) if c.key == key), None)

    def move_to(self, index: int) -> bool:
        """Put the cursor on a row and hold the order for a while; False when it is there already."""
        if not self.order:
            return False
        self._frozen_until = self._clock() + FREEZE
        index = min(max(0, index), len(self.order) - 1)
        moved = self.order[index] != self.cursor_key
        self.index, self.cursor_key = index, self.order[index]
        return moved

    def set_sort(self, key: str | None, reverse: bool) -> None:
        """Sort by a column from now on; an explicit wish ends the freeze."""
        self.sort, self.reverse = key, reverse
        self._frozen_until = 0.0
        self.set_filter(self.filter_text)

    def next_sort(self) -> str | None:
        """The column after the sorted one among those shown."""
        keys = [c.key for c in self.shown_columns]
        place = keys.index(self.sort) + 1 if self.sort in keys else 0
        return keys[place % len(keys)]

    def set_filter(self, text: str) -> None:
        """Show only what matches."""
        from perftui.analysis.rowfilter import Field, compile_filter

        self.filter_text = text
        fields = [Field(c.key, c.title, c.of, c.text) for c in self.columns]
        self._accept = compile_filter(text, fields, self.sort or "")
        self.arrange()
        self._follow()

    def toggle_mark(self) -> None:
        """Mark or unmark the row under the cursor."""
        if self.cursor_key is not None:
            self.marks ^= {self.cursor_key}

    def marked(self) -> tuple[Any, ...]:
        """Marked items in the order shown, hidden ones last."""
        places = {k: i for i, k in enumerate(self.order)}
        keys = sorted(self.marks, key=lambda k: places.get(k, len(places)))
        return tuple(self.items[k] for k in keys)

    def values(self, item: Any) -> dict[str, Any]:
        """True values of all columns of an item."""
        return {c.key: c.of(item) for c in self.columns}

    def csv(self) -> str:
        """The view as RFC 4180 text: shown columns, shown rows, true values.

        Text that a spreadsheet would take for a formula gets a leading apostrophe.
        """
        columns = self.shown_columns
        import csv

        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow([c.key for c in columns])
        for key in self.order:
            writer.writerow([_csv_cell(c.datum(self.items[key])) for c in columns])
        return out.getvalue()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return "" if value is None else value
