"""Pictures as text: exactly the terminal's cells, without the blanks behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from perftui.draw.rows import Row, plain


def of_lines(lines: Iterable[str]) -> str:
    """Screen lines as one text; blanks at line ends go, a last newline stays."""
    return "".join(f"{line.rstrip()}\n" for line in lines)


def of_rows(rows: Sequence[Row]) -> str:
    """A drawing as text."""
    return of_lines(plain(rows))
