"""Block, box and braille characters as rectangles, so that a chart looks right whatever fonts are there."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

WIDTH, HEIGHT = 12.0, 24.0
"""Pixels of one cell; 12 is what a 20 px monospace font advances in the common families."""


class Rect(NamedTuple):
    """Part of a cell, in pixels from its top left corner."""

    x: float
    y: float
    width: float
    height: float


_LIGHT, _HEAVY = 1.5, 3.0
# Characters of one weight and the arms that leave the middle of their cell: left, right, up, down.
_ARMS: dict[str, str] = {
    "─": "lr", "│": "ud", "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu", "├": "udr", "┤": "udl",
    "┬": "lrd", "┴": "lru", "┼": "lrud", "╴": "l", "╶": "r", "╵": "u", "╷": "d",
    "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu",
}  # fmt: skip
_HEAVY_ARMS: dict[str, str] = {
    "━": "lr", "┃": "ud", "┏": "rd", "┓": "ld", "┗": "ru", "┛": "lu", "┣": "udr", "┫": "udl",
    "┳": "lrd", "┻": "lru", "╋": "lrud", "╸": "l", "╺": "r",
}  # fmt: skip
_DASHES = {"╌": (2, _LIGHT), "┄": (3, _LIGHT), "┈": (4, _LIGHT), "╍": (2, _HEAVY), "┅": (3, _HEAVY)}
_QUADRANTS = dict(zip("▖▗▘▙▚▛▜▝▞▟", (4, 8, 1, 13, 9, 7, 11, 2, 6, 14), strict=True))
_BRAILLE = 0x2800
# Bit of a braille pattern → column and row of its dot (Unicode 15, chapter 21.1).
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
_DOT = 3.2
SHADES: dict[str, float] = {"░": 0.25, "▒": 0.5, "▓": 0.75}
"""Characters drawn as a full cell of this opacity."""


@lru_cache(maxsize=512)
def rectangles(char: str) -> tuple[Rect, ...] | None:
    """What to fill for `char`; None for a character that a font must draw."""
    code = ord(char)
    if _BRAILLE <= code < _BRAILLE + 256:
        return _braille(code - _BRAILLE)
    if char in SHADES:
        return (Rect(0, 0, WIDTH, HEIGHT),)
    if 0x2580 <= code < 0x25A0:
        return _block(char, code)
    if char in _ARMS:
        return _arms(_ARMS[char], _LIGHT)
    if char in _HEAVY_ARMS:
        return _arms(_HEAVY_ARMS[char], _HEAVY)
    return _dashed(*_DASHES[char]) if char in _DASHES else None


def _braille(bits: int) -> tuple[Rect, ...]:
    lit = [dot for bit, dot in enumerate(_DOTS) if bits >> bit & 1]
    return tuple(
        Rect((col + 0.5) * WIDTH / 2 - _DOT / 2, (row + 0.5) * HEIGHT / 4 - _DOT / 2, _DOT, _DOT)
        for col, row in lit
    )


def _block(char: str, code: int) -> tuple[Rect, ...]:
    if char in _QUADRANTS:
        lit = [n for n in range(4) if _QUADRANTS[char] >> n & 1]
        return tuple(Rect((n % 2) * WIDTH / 2, (n // 2) * HEIGHT / 2, WIDTH / 2, HEIGHT / 2) for n in lit)
    if char == "▀":
        return (Rect(0, 0, WIDTH, HEIGHT / 2),)
    if char == "▐":
        return (Rect(WIDTH / 2, 0, WIDTH / 2, HEIGHT),)
    if char == "▔":
        return (Rect(0, 0, WIDTH, HEIGHT / 8),)
    if char == "▕":
        return (Rect(WIDTH * 7 / 8, 0, WIDTH / 8, HEIGHT),)
    if code <= 0x2588:
        tall = HEIGHT * (code - 0x2580) / 8
        return (Rect(0, HEIGHT - tall, WIDTH, tall),)
    return (Rect(0, 0, WIDTH * (0x2590 - code) / 8, HEIGHT),)


def _arms(arms: str, thick: float) -> tuple[Rect, ...]:
    middle_x, middle_y, half = WIDTH / 2, HEIGHT / 2, thick / 2
    parts = {
        "l": Rect(0, middle_y - half, middle_x + half, thick),
        "r": Rect(middle_x - half, middle_y - half, middle_x + half, thick),
        "u": Rect(middle_x - half, 0, thick, middle_y + half),
        "d": Rect(middle_x - half, middle_y - half, thick, middle_y + half),
    }
    if set("lr") <= set(arms):
        parts["l"] = parts["r"] = Rect(0, middle_y - half, WIDTH, thick)
    if set("ud") <= set(arms):
        parts["u"] = parts["d"] = Rect(middle_x - half, 0, thick, HEIGHT)
    return tuple(dict.fromkeys(parts[arm] for arm in arms))


def _dashed(count: int, thick: float) -> tuple[Rect, ...]:
    step = WIDTH / count
    return tuple(Rect((n + 0.2) * step, HEIGHT / 2 - thick / 2, step * 0.6, thick) for n in range(count))
