"""Tables and text for Markdown in which a stranger's words can neither end a cell nor become markup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

LONGEST = 300


def escaped(text: str, longest: int = LONGEST) -> str:
    """One line of text that stays text."""
    kept = " ".join(text.split())[:longest].replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for sign in "|`*_[]":
        kept = kept.replace(sign, f"\\{sign}")
    return kept


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table."""
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(escaped(cell) for cell in row) + " |"
