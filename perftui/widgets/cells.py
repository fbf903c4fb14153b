"""What the terminal shows and what it should show, so that only the difference goes out.

A cell is a character and a pen. Wide characters fill their second cell with `""`; combining marks
stay with the character before them. Nothing here knows Textual.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import get_character_cell_size

GAP = 6
"""Unchanged cells between two changed ones that are cheaper sent again than jumped over."""


@dataclass(frozen=True, slots=True, eq=False)
class Pen:
    """How a cell is drawn; pens are made once each, so that identity is equality."""

    attributes: frozenset[str] = frozenset()
    foreground: str = ""
    background: str = ""
    link: str = ""


class Pens:
    """Every pen in use, and the shortest way from one to the next."""

    def __init__(self) -> None:
        self.plain = Pen()
        self._pens: dict[tuple[frozenset[str], str, str, str], Pen] = {(frozenset(), "", "", ""): self.plain}
        self._ways: dict[tuple[Pen, Pen], str] = {}

    def pen(
        self, attributes: frozenset[str], foreground: str = "", background: str = "", link: str = ""
    ) -> Pen:
        """The one pen of these parts; all are SGR codes without `ESC[` and `m`."""
        key = (attributes, foreground, background, link)
        found = self._pens.get(key)
        if found is None:
            found = self._pens[key] = Pen(*key)
        return found

    def blank(self, pen: Pen) -> Pen:
        """The pen as far as it shows on a blank."""
        if pen.attributes & {"4", "7", "9"} or pen.link:
            return pen
        return self.pen(frozenset(), "", pen.background)

    def way(self, old: Pen, new: Pen) -> str:
        """The escape sequences that turn one pen into another."""
        key = (old, new)
        found = self._ways.get(key)
        if found is None:
            if len(self._ways) > 8192:
                self._ways.clear()
            found = self._ways[key] = _way(old, new)
        return found


def _way(old: Pen, new: Pen) -> str:
    if old.attributes <= new.attributes:
        codes = sorted(new.attributes - old.attributes)
        if new.foreground != old.foreground:
            codes.append(new.foreground or "39")
        if new.background != old.background:
            codes.append(new.background or "49")
    else:
        codes = ["0", *sorted(new.attributes), *(c for c in (new.foreground, new.background) if c)]
        if codes == ["0"]:
            codes = [""]
    out = f"\x1b[{';'.join(codes)}m" if codes else ""
    if new.link != old.link:
        out += f"\x1b]8;;{new.link}\x1b\\"
    return out


@lru_cache(maxsize=1024)
def cells_of(text: str) -> list[str]:
    """The text's cells: one string each, `""` after a wide one."""
    if text.isascii():
        return list(text)
    out: list[str] = []
    for char in text:
        width = get_character_cell_size(char)
        if width == 1:
            out.append(char)
        elif width == 2:
            out += (char, "")
        elif out:
            out[-1 if out[-1] or len(out) < 2 else -2] += char
    return out


class Shadow:
    """Two pictures of the terminal: the one wanted and the one sent."""

    def __init__(self, width: int = 0, height: int = 0, pens: Pens | None = None) -> None:
        self.pens = pens or Pens()
        self.width = width
        self.height = height
        self.reset()

    def reset(self) -> None:
        """Nothing is known about the terminal any more; the wanted picture stays."""
        chars = getattr(self, "want", None)
        if chars is None or len(chars) != self.height or (chars and len(chars[0]) != self.width):
            self.want: list[list[str]] = [[" "] * self.width for _ in range(self.height)]
            self.want_pen: list[list[Pen]] = [[self.pens.plain] * self.width for _ in range(self.height)]
        self.sent: list[list[str]] = [["?"] * self.width for _ in range(self.height)]
        self.sent_pen: list[list[Pen]] = [[self.pens.plain] * self.width for _ in range(self.height)]
        self.dirty: dict[int, None] = dict.fromkeys(range(self.height))
        self.cleared = False

    def resize(self, width: int, height: int) -> None:
        """Take another size; everything is sent again."""
        self.width, self.height = width, height
        self.reset()

    def put(self, y: int, x: int, pieces: Iterable[tuple[str, Pen]]) -> None:
        """Want these pieces from column `x` of row `y` on; what lies outside is cut."""
        if not 0 <= y < self.height:
            return
        chars, pens = self.want[y], self.want_pen[y]
        changed = False
        for text, pen in pieces:
            cells = cells_of(text)
            count = min(len(cells), self.width - x)
            if count <= 0:
                break
            if count < len(cells):
                cells = [*cells[: count - 1], " " if cells[count] == "" else cells[count - 1]]
            if text.isspace():
                pen = self.pens.blank(pen)  # noqa: PLW2901 - colour of a blank is its ground
            if chars[x : x + count] != cells:
                chars[x : x + count] = cells
                changed = True
            row_pens = [pen] * count
            if pens[x : x + count] != row_pens:
                pens[x : x + count] = row_pens
                changed = True
            x += count
        if changed:
            self.dirty.pop(y, None)
            self.dirty[y] = None

    def clear(self) -> str:
        """Sequence that empties the terminal; afterwards only what is not a plain blank is sent."""
        self.sent = [[" "] * self.width for _ in range(self.height)]
        self.sent_pen = [[self.pens.plain] * self.width for _ in range(self.height)]
        return "\x1b[m\x1b[2J"

    def flush(self, limit: int = 1 << 30) -> str:
        """Sequences for the rows that differ, the newest first, stopping after about `limit` characters.

        Rows left over stay dirty. Ends with the plain pen; empty when nothing differs.
        """
        out: list[str] = []
        size = 0
        pen = self.pens.plain
        rows = list(reversed(self.dirty)) if limit < 1 << 30 else sorted(self.dirty)
        for y in rows:
            del self.dirty[y]
            for start, end in self._ranges(y):
                text, pen = self._run(y, start, end, pen)
                out.append(text)
                size += len(text)
            if size >= limit:
                break
        if out:
            out.append(self.pens.way(pen, self.pens.plain))
        return "".join(out)

    def _ranges(self, y: int) -> Sequence[tuple[int, int]]:
        """Changed stretches of a row, joined over short gaps; whole characters only."""
        want, sent, pens, old = self.want[y], self.sent[y], self.want_pen[y], self.sent_pen[y]
        if want == sent and pens == old:
            return ()
        found: list[tuple[int, int]] = []
        for x in range(self.width):
            if want[x] == sent[x] and pens[x] is old[x]:
                continue
            start = x - 1 if want[x] == "" and x else x
            if found and start - found[-1][1] <= GAP:
                found[-1] = (found[-1][0], x + 1)
            else:
                found.append((start, x + 1))
        return [(start, self._whole(want, end)) for start, end in found]

    def _whole(self, chars: Sequence[str], end: int) -> int:
        """The end moved past the second half of a wide character."""
        return end + 1 if end < self.width and chars[end] == "" else end

    def _run(self, y: int, start: int, end: int, pen: Pen) -> tuple[str, Pen]:
        """Sequences for one stretch and the pen they leave behind."""
        want, pens = self.want[y], self.want_pen[y]
        parts = [f"\x1b[{y + 1};{start + 1}H"]
        way = self.pens.way
        for x in range(start, end):
            char = want[x]
            if char == "":
                # a terminal may count this character otherwise: say where we are
                if x + 1 < end:
                    parts.append(f"\x1b[{x + 2}G")
                continue
            new = pens[x]
            if new is not pen:
                parts.append(way(pen, new))
                pen = new
            parts.append(char)
        self.sent[y][start:end] = want[start:end]
        self.sent_pen[y][start:end] = pens[start:end]
        return "".join(parts), pen
