"""One chart as an SVG of lines and words, to lie beside a document."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from perftui.analysis.buckets import Window
from perftui.draw.clean import inert
from perftui.export.plot import Plot, Point, placed, plot
from perftui.export.story import Curve

WIDTH, HEIGHT = 720, 240
LEFT, TOP, RIGHT, BOTTOM = 70, 30, 15, 30
INK, MUTED, LINE, BAND, GOAL = "#1b2733", "#6b7885", "#0072B2", "#0072B2", "#D55E00"


def chart_svg(curve: Curve, window: Window) -> str:
    """The curve with its axes; light ground, no font or network needed."""
    drawn = plot(curve, window)
    title = escape(inert(curve.title, 120))
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<g font-family="DejaVu Sans,Helvetica,Arial,sans-serif" font-size="11" fill="{MUTED}">',
        f'<text x="{LEFT}" y="18" font-size="13" fill="{INK}">{title}</text>',
        *_axes(drawn),
        *_curves(drawn),
    ]
    if drawn.empty:
        parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle">no sample stored</text>')
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _path(points: Sequence[Point]) -> str:
    inside = placed(points, LEFT, HEIGHT - BOTTOM, WIDTH - LEFT - RIGHT, -(HEIGHT - TOP - BOTTOM))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in inside)


def _axes(drawn: Plot) -> list[str]:
    parts = []
    for up, text in drawn.y_ticks:
        parts.append(f'<polyline points="{_path([(0, up), (1, up)])}" stroke="#d8dee4" fill="none"/>')
        x, y = _path([(0, up)]).split(",")
        parts.append(
            f'<text x="{float(x) - 6:.1f}" y="{float(y) + 4:.1f}" text-anchor="end">{escape(text)}</text>'
        )
    for right, text in drawn.x_ticks:
        x, y = _path([(right, 0)]).split(",")
        parts.append(f'<text x="{x}" y="{float(y) + 16:.1f}" text-anchor="middle">{text}</text>')
    return parts


def _curves(drawn: Plot) -> list[str]:
    parts = [f'<polygon points="{_path(band)}" fill="{BAND}" fill-opacity=".2"/>' for band in drawn.bands]
    parts += [
        f'<polyline points="{_path(line if len(line) > 1 else [line[0], line[0]])}" fill="none" '
        f'stroke="{LINE}" stroke-width="1.5" stroke-linecap="round"/>'
        for line in drawn.lines
    ]
    if drawn.goal is not None:
        ends = _path([(0, drawn.goal), (1, drawn.goal)])
        parts.append(f'<polyline points="{ends}" stroke="{GOAL}" stroke-dasharray="5 4" fill="none"/>')
    return parts
