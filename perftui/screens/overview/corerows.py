"""Cores as bars with the range they moved in, or folded into a heat map where there are many; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from perftui.draw import format as fmt
from perftui.draw.heatmap import Heat, heatmap
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.stackedbar import allot
from perftui.draw.text import line
from perftui.model.resources import CpuUse

Course = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Core's name → times and busy shares."""

Range = tuple[float, float] | None
"""Least and most a core was busy lately."""

LABEL = 5
FIGURE = 6
NARROWEST = 22  # cells for one core's bar with label and figure
RANGE = 22  # cells for a band's range and the present beside its heat map
SECONDS = 300.0
LEVELS = " ▁▂▃▄▅▆▇█"
LEVELS_ASCII = " .:-=+*#%"
BUSY, BUSIEST = 0.8, 0.95


def cores(
    found: Sequence[CpuUse],
    ranges: Sequence[Range],
    size: Size,
    look: Look,
    course: Callable[[], Course] | None = None,
    at: float = 0.0,
) -> Rows:
    """A bar for each core where they fit, else a heat map of their last five minutes, else a cell each."""
    room = max(0, size.height)
    columns = max(1, min(size.width // NARROWEST, -(-len(found) // max(1, room))))
    if room * columns >= len(found):
        return bars(found, ranges, size.width, columns, look)
    known = course() if course is not None and room >= 3 else {}
    if any(times for times, _ in known.values()):
        return heat(found, ranges, known, at, Size(size.width, room), look)
    return cells(found, size.width, room, look)


def bars(found: Sequence[CpuUse], ranges: Sequence[Range], width: int, columns: int, look: Look) -> Rows:
    """Bars in columns, each column from top to bottom."""
    each = -(-len(found) // columns)
    pairs = [(core, ranges[i] if i < len(ranges) else None) for i, core in enumerate(found)]
    return [
        line(
            width,
            *(
                span
                for core, reach in pairs[start::each]
                for span in bar(core, reach, width // columns, look)
            ),
        )
        for start in range(each)
    ]


def bar(core: CpuUse, reach: Range, width: int, look: Look) -> list[Span]:
    """`  0 ███├██▓▓░··┤··  42%`: user, system, waiting, between the least and the most of half a minute."""
    room = max(4, width - LABEL - FIGURE - 1)
    shares = (core.user + core.nice, core.system + core.irq + core.softirq, core.iowait + core.steal)
    signs = "#+~." if look.ascii_ else "█▓░·"
    parts = allot(shares, 1.0, room)
    counts = (*parts, room - sum(parts))
    marked = [
        (sign, style)
        for sign, style, n in zip(signs, ("s1", "s2", "warn", "faint"), counts, strict=True)
        for _ in range(n)
    ]
    low, high = (min(room - 1, int(share * room)) for share in reach) if reach else (0, 0)
    if high > low:
        marked[low], marked[high] = (
            (("[", "title"), ("]", "title")) if look.ascii_ else (("├", "title"), ("┤", "title"))
        )
    spans = [Span(f"{core.name:>{LABEL - 1}} ", "muted")]
    spans += [
        Span("".join(sign for sign, _ in group), style)
        for style, group in groupby(marked, key=lambda m: m[1])
    ]
    return [*spans, Span(fmt.ratio(core.busy, FIGURE), loud(core.busy)), Span(" ")]


def loud(busy: float) -> str:
    """The style of a share of a core."""
    return "crit" if busy >= BUSIEST else "warn" if busy >= BUSY else ""


def cells(found: Sequence[CpuUse], width: int, room: int, look: Look) -> Rows:
    """One cell a core, its height the share; what does not fit is left out."""
    levels = LEVELS_ASCII if look.ascii_ else LEVELS
    rows: Rows = []
    for start in range(0, min(len(found), room * width), width):
        part = found[start : start + width]
        rows.append(line(width, "".join(levels[min(8, round(core.busy * 8))] for core in part)))
    return rows[:room]


def heat(
    found: Sequence[CpuUse], ranges: Sequence[Range], known: Course, at: float, size: Size, look: Look
) -> Rows:
    """Bands of neighbouring cores over five minutes, each as hot as its busiest core, the first on top.

    Beside each band its range and the present, again of its busiest core: a mean would hide the one
    core that is full.
    """
    bands = fold(len(found), size.height - 1)
    names = [f"{found[a].name}–{found[b - 1].name}" if b - a > 1 else found[a].name for a, b in bands]
    if look.ascii_:
        names = [name.replace("–", "-") for name in names]
    width = size.width - RANGE
    columns = max(1, width - max(map(len, names)) - 1)
    step = SECONDS / columns
    first = math.floor(at / step) - columns + 1
    counts = [[0.0] * len(bands) for _ in range(columns)]
    for place, (low, high) in enumerate(bands):
        for core in found[low:high]:
            for t, share in zip(*known.get(core.name, ((), ())), strict=True):
                column = math.floor(t / step) - first
                if 0 <= column < columns:
                    row = counts[column]
                    row[-1 - place] = max(row[-1 - place], share)
    picture = Heat([(first + i) * step for i in range(columns + 1)], (), counts, names[::-1], top=1.0)
    rows = heatmap(picture, Size(width, len(bands) + 1), look, unit="ratio")
    beside = [_beside(found[a:b], ranges[a:b], look) for a, b in bands]
    return [_joined(row, beside[i] if i < len(beside) else (), size.width) for i, row in enumerate(rows)]


def fold(count: int, rows: int) -> list[tuple[int, int]]:
    """So many cores in at most so many bands of nearly equal size."""
    bands = min(count, rows)
    return [(i * count // bands, (i + 1) * count // bands) for i in range(bands)]


def _beside(found: Sequence[CpuUse], ranges: Sequence[Range], look: Look) -> Row:
    """` 12.0–97.0%  now 45.0%`."""
    now = max(core.busy for core in found)
    known = [reach for reach in ranges if reach is not None]
    dash = "-" if look.ascii_ else "–"
    said = ""
    if known:
        said = f"{min(r[0] for r in known) * 100:.0f}{dash}{max(r[1] for r in known) * 100:.0f}%"
    return Span(f"{said:>10} ", "muted"), Span("now"), Span(fmt.ratio(now, FIGURE + 1), loud(now))


def _joined(row: Row, tail: Row, width: int) -> Row:
    return line(width, *row, *tail)
