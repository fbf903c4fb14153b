"""A screen as a picture that needs no network and no particular font: cells, not text flow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from rich.cells import get_character_cell_size
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI

from perftui.export.glyphs import HEIGHT, SHADES, WIDTH, Rect, rectangles

FONTS = "'DejaVu Sans Mono',Menlo,Consolas,'Liberation Mono',monospace"
FONT_SIZE = 20
_BASELINE = 18.0
_UNDERLINE = Rect(0, 20.5, WIDTH, 1.5)
_STRIKE = Rect(0, 12.0, WIDTH, 1.5)
DARK = ("#d7dde5", "#0f141a")
"""Foreground and background where the theme leaves both to the terminal."""


@dataclass(slots=True)
class _Sheet:
    """What is drawn, gathered by colour so that each appears once."""

    foreground: str
    background: str
    grounds: dict[str, list[str]] = field(default_factory=dict)
    shapes: dict[tuple[str, float], list[str]] = field(default_factory=dict)
    words: dict[tuple[str, str], list[str]] = field(default_factory=dict)


def picture(
    lines: Sequence[Iterable[Segment]], size: tuple[int, int], title: str, foreground: str, background: str
) -> str:
    """Screen lines of `size` (columns, rows) as SVG; colours as `#rrggbb`, empty for a plain dark ground.

    Words stand at their cells and block, box and braille characters are shapes, so that columns
    stay aligned in every viewer.
    """
    sheet = _Sheet(foreground or DARK[0], background or DARK[1])
    for row, line in enumerate(lines):
        column = 0
        for segment in line:
            if not segment.control:
                column = _segment(sheet, segment.text, segment.style or Style.null(), column, row)
    return _written(sheet, size[0] * WIDTH, size[1] * HEIGHT, title)


def _segment(sheet: _Sheet, text: str, style: Style, column: int, row: int) -> int:
    ink, ground = _colours(sheet, style)
    opacity = 0.6 if style.dim else 1.0
    x, y = column * WIDTH, row * HEIGHT
    cells = sum(map(get_character_cell_size, text))
    if ground != sheet.background:
        sheet.grounds.setdefault(ground, []).append(_path(x, y, Rect(0, 0, cells * WIDTH, HEIGHT)))
    for on, rect in ((style.underline, _UNDERLINE), (style.strike, _STRIKE)):
        if on:
            wide = rect._replace(width=cells * WIDTH)
            sheet.shapes.setdefault((ink, opacity), []).append(_path(x, y, wide))
    _glyphs(sheet, text, (ink, _attributes(style)), opacity, column, row)
    return column + cells


def _glyphs(sheet: _Sheet, text: str, key: tuple[str, str], opacity: float, column: int, row: int) -> None:
    word, start = "", column
    for char in f"{text} ":
        rects = () if char == " " else rectangles(char)
        if rects is None:
            start = column if not word else start
            word += char
        else:
            _word(sheet, key, word, start, column, row)
            word = ""
            shade = opacity * SHADES.get(char, 1.0)
            for rect in rects:
                sheet.shapes.setdefault((key[0], shade), []).append(_path(column * WIDTH, row * HEIGHT, rect))
        column += get_character_cell_size(char)


def _word(sheet: _Sheet, key: tuple[str, str], word: str, start: int, end: int, row: int) -> None:
    if not word:
        return
    fitted = f' textLength="{_number((end - start) * WIDTH)}" lengthAdjust="spacingAndGlyphs"'
    at = f'x="{_number(start * WIDTH)}" y="{_number(row * HEIGHT + _BASELINE)}"'
    sheet.words.setdefault(key, []).append(
        f"<text {at}{fitted if end - start > 1 else ''}>{escape(_legal(word))}</text>"
    )


def _written(sheet: _Sheet, width: float, height: float, title: str) -> str:
    name, wide, tall = _legal(title), _number(width), _number(height)
    box = f'viewBox="0 0 {wide} {tall}" width="{wide}" height="{tall}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label={quoteattr(name)}>',
        f"<title>{escape(name)}</title>",
        f'<rect width="100%" height="100%" fill="{sheet.background}"/>',
    ]
    parts += [f'<path fill="{colour}" d="{"".join(d)}"/>' for colour, d in sheet.grounds.items()]
    parts += [
        f'<path fill="{colour}"{_opacity(opacity)} d="{"".join(d)}"/>'
        for (colour, opacity), d in sheet.shapes.items()
    ]
    parts.append(f'<g font-family="{FONTS}" font-size="{FONT_SIZE}" xml:space="preserve">')
    for (colour, attributes), words in sheet.words.items():
        parts.append(f'<g fill="{colour}"{attributes}>{"".join(words)}</g>')
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _colours(sheet: _Sheet, style: Style) -> tuple[str, str]:
    ink = _hex(style.color, sheet.foreground)
    ground = _hex(style.bgcolor, sheet.background)
    return (ground, ink) if style.reverse else (ink, ground)


def _hex(colour: Color | None, default: str) -> str:
    if colour is None or colour.is_default:
        return default
    return colour.get_truecolor(DIMMED_MONOKAI).hex


def _attributes(style: Style) -> str:
    bold = ' font-weight="bold"' if style.bold else ""
    italic = ' font-style="italic"' if style.italic else ""
    dim = ' opacity=".6"' if style.dim else ""
    return f"{bold}{italic}{dim}"


def _opacity(opacity: float) -> str:
    return "" if opacity == 1.0 else f' fill-opacity="{_number(opacity)}"'


def _path(x: float, y: float, rect: Rect) -> str:
    left, top = _number(x + rect.x), _number(y + rect.y)
    wide, tall = _number(rect.width), _number(rect.height)
    return f"M{left} {top}h{wide}v{tall}h-{wide}z"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _legal(text: str) -> str:
    """Text without what XML forbids; screens show controls as escapes already."""
    return "".join(
        c if c >= " " and c not in "\ufffe\uffff" and not "\ud800" <= c <= "\udfff" else "\ufffd"
        for c in text
    )
