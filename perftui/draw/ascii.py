"""The last step where only ASCII may leave: drawing characters by their nearest plain sign."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from perftui.draw.clean import cell_width
from perftui.draw.rows import Row, Rows, Span

_LIKE = {
    "-": "─━┄┅╌╍╴╶–—−", "=": "═", "|": "│┃║╵╷▏▎▍▌▋▊▉▐", "+": "┌┐└┘├┤┬┴┼┏┓┗┛╭╮╰╯◆★",
    ">": "▸▶→≥", "<": "◂◀←", "v": "▾▼↓✓", "^": "▴▲↑", "*": "●•", "o": "○◇°", "?": "◌", "#": "■□█▇▆▅",
    ".": "·░", ":": "▒",
    "%": "▓", "_": "▁▂▃▄", "'": "▀‘’", "x": "×✗", "~": "…", "u": "µ", '"': "“”", "&": "±",
}  # fmt: skip
_SIGNS = str.maketrans({char: sign for sign, chars in _LIKE.items() for char in chars})


@lru_cache(maxsize=8192)
def asciify(text: str) -> str:
    """`text` in ASCII and in as many cells: signs by their likeness, letters without accents, else `?`."""
    if text.isascii():
        return text
    return "".join(char if char.isascii() else _plain(char) for char in text.translate(_SIGNS))


def _plain(char: str) -> str:
    width = cell_width(char)
    if 0x2800 <= ord(char) <= 0x28FF:
        return ":" if char != "\u2800" else " "
    base = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return base if len(base) == width else "?" * width


def ascii_rows(rows: Rows) -> Rows:
    """Rows with every span in ASCII."""
    return [ascii_row(row) for row in rows]


def ascii_row(row: Row) -> Row:
    """A row with every span in ASCII, in as many cells."""
    return tuple(Span(asciify(text), style) for text, style in row)
