"""Labels of jump mode: short, easy to type, enough for everything in sight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, product

from perftui.draw.rows import Row, Span

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


@dataclass(frozen=True, slots=True)
class Target:
    """A place on the screen (cells) and what going there means."""

    x: int
    y: int
    go: Callable[[], object]

    def row(self, label: str) -> Row:
        """The label as it is drawn."""
        return (Span(label, "hit bold"),)


def labels(count: int) -> list[str]:
    """`count` labels none of which begins another: single letters while they last, else pairs."""
    if count <= len(LETTERS):
        return list(LETTERS[:count])
    return ["".join(pair) for pair in islice(product(LETTERS, LETTERS), count)]
