"""The one shape every drawing returns: rows of spans whose style is a word, not a colour.

A span's style is a palette token (`text muted faint title accent ok warn crit lost axis grid
cursor select s1 … s8 h1 … h5 hit`) optionally followed by attributes: `"crit bold"`,
`"s1 underline"`, `"text reverse"`. Palettes (`perftui.draw.palette`) turn words into colours, or
into attributes alone where there are none. `""` is the default text style.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Span(NamedTuple):
    """A run of cells of one style; `text` is inert (no control characters)."""

    text: str
    style: str = ""


Row = tuple[Span, ...]
Rows = list[Row]


@dataclass(frozen=True, slots=True)
class Size:
    """Cells available to a drawing."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Look:
    """How to draw: `colour` False means shapes must tell states apart; `ascii_` forbids Unicode blocks;
    `muted` draws the last good picture of a lost backend; `tz` names the zone of time labels.
    """

    colour: bool = True
    ascii_: bool = False
    muted: bool = False
    tz: str = "UTC"


def plain(rows: Sequence[Row]) -> list[str]:
    """The rows' text without styles, for tests and text export."""
    return ["".join(span.text for span in row) for row in rows]
