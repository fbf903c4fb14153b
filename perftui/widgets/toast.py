"""Short notices that never take the focus and never cover the footer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perftui.draw.clean import inert
from perftui.draw.palette import glyph, state_style
from perftui.draw.rows import Look, Rows, Span
from perftui.draw.text import line, wrap

MOST = 3
LASTS = 6.0
MOST_ROWS = 4
_WORD = {"info": "ok", "warn": "warn", "crit": "crit"}


@dataclass(frozen=True, slots=True)
class Toast:
    """One notice; `until` is monotonic seconds, `severity` info, warn or crit."""

    text: str
    until: float
    severity: str = "info"


class Toasts:
    """The notices on show: at most three, each for six seconds."""

    def __init__(self) -> None:
        self.items: tuple[Toast, ...] = ()

    def add(self, text: str, now: float, severity: str = "info") -> None:
        """Show a notice from `now` (monotonic seconds) on; the oldest gives way to a fourth."""
        toast = Toast(inert(text, 400), now + LASTS, severity)
        others = tuple(t for t in self.items if t.text != toast.text)
        self.items = (*others, toast)[-MOST:]

    def prune(self, now: float) -> None:
        """Drop those whose time is over."""
        if any(t.until <= now for t in self.items):
            self.items = tuple(t for t in self.items if t.until > now)


def _breakable(text: str, width: int) -> str:
    """Long words, such as paths, with blanks where a row ends: they must be readable to their end."""
    return " ".join(
        " ".join(word[at : at + width] for at in range(0, len(word), width)) for word in text.split()
    )


def toast_rows(toasts: Sequence[Toast], width: int, look: Look) -> Rows:
    """The notices below each other, each in at most four rows, in exactly `width` cells."""
    rows: Rows = []
    for toast in toasts:
        word = _WORD.get(toast.severity, "ok")
        body = wrap(_breakable(toast.text, width - 5), width - 5)[:MOST_ROWS]
        for index, row in enumerate(body):
            sign = glyph(word, look) if index == 0 else " "
            text = "".join(span.text for span in row)
            rows.append(line(width, Span(f" {sign} ", state_style(word)), Span(text, "select")))
    return [tuple(Span(s.text, s.style or "select") for s in row) for row in rows]
