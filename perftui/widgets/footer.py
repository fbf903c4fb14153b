"""The last row: the keys that work now, and why the others do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perftui.draw.rows import Row, Span
from perftui.draw.text import line, row_width

MOST = 10

_SHOWN = {
    "escape": "esc",
    "enter": "enter",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "space": "space",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
}


@dataclass(frozen=True, slots=True)
class Hint:
    """One key of the footer; `reason` says why it does not work now."""

    key: str
    title: str
    reason: str = ""


def key_label(key: str) -> str:
    """A key as people read it: `esc`, `ctrl+e`, `g 1`."""
    return _SHOWN.get(key, key)


def footer(hints: Sequence[Hint], width: int) -> Row:
    """As many hints as fit, at most ten; one that does not work now is muted and in brackets."""
    spans: list[Span] = []
    for hint in hints[:MOST]:
        piece = _hint(hint)
        if row_width(spans) + row_width(piece) > width:
            break
        spans += piece
    return line(width, *spans)


def _hint(hint: Hint) -> list[Span]:
    key = key_label(hint.key)
    if hint.reason:
        return [Span(f" ({key} {hint.title})", "faint")]
    return [Span(f" {key}", "accent bold"), Span(f" {hint.title} ", "text")]
