"""Text from outside made inert: nothing a stranger wrote may steer a terminal or break a layout."""

from __future__ import annotations

import re

from rich.cells import cell_len, get_character_cell_size

ELLIPSIS = "…"

# Default-ignorable characters that `str.isprintable` lets through: they take no cell, or draw nothing
# where a cell was counted (fillers, joiners, variation selectors).
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(char: str) -> str:
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def inert(text: str, limit: int = 256) -> str:
    r"""`text` with everything that is not a visible character shown as an escape, at most `limit` characters.

    C0 and C1 controls, ESC, bidirectional overrides, zero-width and unassigned characters, lone
    surrogates and line ends become `\x1b`, `\u202e`, `\n`; what is cut off is marked with `…`.
    Inert text stays as it is: the function may be applied twice.
    """
    cut_off = len(text) > limit
    text = text[:limit]
    if not text.isprintable() or not text.isascii():
        text = "".join(_visible(char) for char in text)
    if cut_off or len(text) > limit:
        text = text[: max(0, limit - 1)] + ELLIPSIS
    return text


def _visible(char: str) -> str:
    if char.isprintable() and not _INVISIBLE.match(char):
        return char
    return _escape(char)


def cell_width(text: str) -> int:
    """Terminal cells `text` occupies: wide characters count two, combining marks none."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, width: int, ellipsis: str = ELLIPSIS) -> str:
    """`text` in at most `width` cells, its end replaced by an ellipsis when it does not fit."""
    if cell_width(text) <= width:
        return text
    if width <= 0:
        return ""
    room = width - cell_width(ellipsis)
    if room < 0:
        return ""
    used = 0
    kept: list[str] = []
    for char in text:
        used += get_character_cell_size(char)
        if used > room:
            break
        kept.append(char)
    # Clusters may measure wider together than one by one; drop characters until the whole fits.
    while kept and cell_width("".join(kept)) > room:
        kept.pop()
    return "".join(kept) + ellipsis


def fit(text: str, width: int, align: str = "left", ellipsis: str = ELLIPSIS) -> str:
    """`text` in exactly `width` cells; `align` is left, right or center."""
    room = width - cell_width(text)
    if room < 0:
        text = cut(text, width, ellipsis)
        room = width - cell_width(text)
    if room <= 0:
        return text
    if align == "right":
        return " " * room + text
    if align == "center":
        left = room // 2
        return " " * left + text + " " * (room - left)
    return text + " " * room
