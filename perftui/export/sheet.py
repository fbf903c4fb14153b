"""Pages of a PDF written from top to bottom: headings, tables, charts; real text in an embedded font."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from perftui.analysis.buckets import Window
from perftui.config.secret import mask
from perftui.draw.clean import inert
from perftui.export.plot import Plot, placed, plot
from perftui.export.story import Curve
from perftui.model.errors import ConfigError

PAPERS = {"a4": (595.276, 841.890), "letter": (612.0, 792.0)}
MARGIN = 48.0
TEXT, BOLD = "Vera", "VeraBd"
INK, MUTED, RULE, LINE, GOAL = "#1b2733", "#5b6875", "#d8dee4", "#0072B2", "#D55E00"
CHART = 118.0  # height of one chart with its title and axis
INSTALL = "a PDF needs reportlab: pip install 'perftui[report]'"


def canvas_class() -> Any:
    """The canvas of reportlab, or a ConfigError with the line that installs it."""
    try:
        from reportlab.pdfgen.canvas import Canvas
    except ImportError as error:
        raise ConfigError(INSTALL) from error
    return Canvas


def _fonts() -> dict[str, Any]:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    fonts = {name: TTFont(name, f"{name}.ttf") for name in (TEXT, BOLD)}
    for font in fonts.values():
        pdfmetrics.registerFont(font)
    return fonts


class Sheet:
    """A document being written; `y` is where the next thing goes."""

    def __init__(self, path: str, paper: str, title: str) -> None:
        canvas = canvas_class()
        self._glyphs = _fonts()[TEXT].face.charToGlyph
        self.width, self.height = PAPERS[paper]
        self._canvas = canvas(path, pagesize=(self.width, self.height), pageCompression=1)
        self._canvas.setTitle(self.printable(title, 200))
        self._canvas.setCreator("perftui")
        self._title, self._page = title, 0
        self.y = 0.0
        self.page()

    @property
    def room(self) -> float:
        """Points from one margin to the other."""
        return self.width - 2 * MARGIN

    def printable(self, text: str, longest: int = 400) -> str:
        """What the font can show of a stranger's text; the rest as escapes, secrets masked."""
        kept = inert(mask(" ".join(text.split())), longest)
        return "".join(c if ord(c) in self._glyphs else f"\\u{ord(c):04x}" for c in kept)

    def page(self) -> None:
        """Begin a page."""
        if self._page:
            self._canvas.showPage()
        self._page += 1
        self.y = self.height - MARGIN
        self.put(f"{self._title} · page {self._page}", 7, MUTED, at=(MARGIN, MARGIN - 20))

    def need(self, height: float) -> None:
        """A new page unless so much is left of this one."""
        if self.y - height < MARGIN:
            self.page()

    def put(
        self,
        text: str,
        size: float,
        colour: str = INK,
        *,
        bold: bool = False,
        at: tuple[float, float],
        right: bool = False,
    ) -> None:
        """Text at a point."""
        self._canvas.setFont(BOLD if bold else TEXT, size)
        self._canvas.setFillColor(colour)
        draw = self._canvas.drawRightString if right else self._canvas.drawString
        draw(*at, self.printable(text))

    def heading(self, text: str, size: float = 14) -> None:
        """A line that stands out."""
        self.need(size * 4)
        self.y -= size * 1.4
        self.put(text, size, bold=True, at=(MARGIN, self.y))
        self.y -= size * 0.8

    def paragraph(self, text: str, size: float = 9, colour: str = INK) -> None:
        """Text over as many lines as it takes."""
        for line in self.wrapped(text, size, self.room):
            self.need(size * 1.4)
            self.y -= size * 1.4
            self.put(line, size, colour, at=(MARGIN, self.y))

    def wrapped(self, text: str, size: float, width: float) -> list[str]:
        """Words in lines that fit."""
        lines, line = [], ""
        for word in self.printable(text, 2000).split():
            longer = f"{line} {word}".strip()
            if line and self._canvas.stringWidth(longer, TEXT, size) > width:
                lines.append(line)
                longer = word
            line = longer
        return [*lines, line]

    def cut(self, text: str, size: float, width: float) -> str:
        """As much of the text as fits on one line."""
        kept = self.printable(text)
        measured = self._canvas.stringWidth(kept, TEXT, size)
        if measured <= width:
            return kept
        kept = kept[: max(1, int(len(kept) * width / measured))]
        while len(kept) > 1 and self._canvas.stringWidth(f"{kept}…", TEXT, size) > width:
            kept = kept[:-1]
        return f"{kept}…"

    def table(self, header: Sequence[str], shares: Sequence[float], rows: Sequence[Sequence[str]]) -> None:
        """Rows of one line each; the header again on every page."""
        size, step = 7.5, 12.0
        whole = self.room / sum(shares)
        lefts = [MARGIN + whole * sum(shares[:n]) for n in range(len(shares))]

        def head() -> None:
            self.y -= step
            for left, text in zip(lefts, header, strict=True):
                self.put(text, size, MUTED, bold=True, at=(left, self.y))
            self._rule(self.y - 3)

        self.need(step * 3)
        head()
        for row in rows:
            if self.y - step < MARGIN:
                self.page()
                head()
            self.y -= step
            for left, share, text in zip(lefts, shares, row, strict=True):
                self.put(self.cut(text, size, whole * share - 5), size, at=(left, self.y))
        self.y -= step

    def _rule(self, y: float) -> None:
        self._canvas.setStrokeColor(RULE)
        self._canvas.setLineWidth(0.5)
        self._canvas.line(MARGIN, y, self.width - MARGIN, y)

    def charts(self, curves: Sequence[Curve], window: Window) -> None:
        """Two a row."""
        width = (self.room - 16) / 2
        for number, curve in enumerate(curves):
            if number % 2 == 0:
                self.need(CHART)
                self.y -= CHART
            self._chart(curve, window, MARGIN + (number % 2) * (width + 16), self.y, width)

    def _chart(self, curve: Curve, window: Window, x: float, y: float, width: float) -> None:
        drawn = plot(curve, window)
        box = (x + 44, y + 18, width - 44, CHART - 42)
        self.put(self.cut(curve.title, 8, width), 8, bold=True, at=(x, y + CHART - 16))
        self._axes(drawn, box)
        if drawn.empty:
            self.put("no sample stored", 8, MUTED, at=(box[0] + 10, y + CHART / 2))
        for band in drawn.bands:
            self._trace(placed(band, *box), fill=True)
        for line in drawn.lines:
            self._trace(placed(line, *box), fill=False)
        if drawn.goal is not None:
            self._goal(box, drawn.goal)

    def _axes(self, drawn: Plot, box: tuple[float, float, float, float]) -> None:
        x, y, width, height = box
        self._canvas.setLineWidth(0.4)
        for up, text in drawn.y_ticks:
            at = y + up * height
            self._canvas.setStrokeColor(RULE)
            self._canvas.line(x, at, x + width, at)
            self.put(text, 6, MUTED, at=(x - 4, at - 2), right=True)
        for right, text in drawn.x_ticks:
            self.put(text, 6, MUTED, at=(x + right * width - 8, y - 9))

    def _trace(self, points: Sequence[tuple[float, float]], *, fill: bool) -> None:
        path = self._canvas.beginPath()
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        if len(points) == 1:
            path.lineTo(points[0][0] + 0.5, points[0][1])
        self._canvas.setStrokeColor(LINE)
        self._canvas.setLineWidth(0.9)
        self._canvas.setFillColor("#cce3f0")
        if fill:
            path.close()
        self._canvas.drawPath(path, stroke=0 if fill else 1, fill=1 if fill else 0)

    def _goal(self, box: tuple[float, float, float, float], goal: float) -> None:
        x, y, width, height = box
        self._canvas.setStrokeColor(GOAL)
        self._canvas.setDash(3, 2)
        self._canvas.line(x, y + goal * height, x + width, y + goal * height)
        self._canvas.setDash()

    def save(self) -> None:
        """Write the file."""
        self._canvas.save()


def stamp(at: float) -> str:
    """An instant as reports show it, UTC."""
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
