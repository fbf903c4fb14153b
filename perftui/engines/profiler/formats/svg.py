"""A flame graph as one SVG file: root on top, every bar with its name, share and place as a tooltip."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.sax.saxutils import escape
from zlib import crc32

from perftui.analysis.flame import layout
from perftui.model.profiler import Profile, Rect

WIDTH = 1200
BAR = 18
TOP = 44
CHARACTER = 7.0  # pixels, at 12 px in any monospace family
MAX_ROWS = 400
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def write(profile: Profile) -> str:
    """The whole profile as SVG text; bars under a pixel are gathered."""
    rects = layout(profile.tree, 0, WIDTH, MAX_ROWS)
    height = TOP + (max((r.depth for r in rects), default=0) + 1) * BAR + 12
    meta = profile.meta
    title = f"{meta.target.command or f'process {meta.target.pid}'}"
    said = (
        f"{profile.total} samples in {meta.seconds:.1f} s at {meta.rate} Hz, {meta.errors} errors {meta.note}"
    )
    box = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="monospace" font-size="12">',
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="8" y="16" font-size="13" fill="#111111">{_clean(title[:150])}</text>',
            f'<text x="8" y="34" fill="#444444">{_clean(said)}</text>',
            *(line for rect in rects for line in _bar(profile, rect)),
            "</svg>",
            "",
        )
    )


def _bar(profile: Profile, r: Rect) -> Iterator[str]:
    frame = profile.tree.frame[r.node]
    weight = profile.tree.total[r.node]
    name = profile.name(r.node) if r.gathered == 1 else f"{r.gathered} narrow frames"
    where = profile.frames[frame].where if frame >= 0 and r.gathered == 1 else ""
    share = weight / profile.total if profile.total else 0.0
    y = TOP + r.depth * BAR
    yield f"<g><title>{_clean(f'{name} {where}: {weight} samples, {share:.1%}')}</title>"
    box = f'x="{r.x}" y="{y}" width="{r.width}" height="{BAR - 1}"'
    yield f'<rect {box} fill="{_colour(profile, r)}" stroke="#ffffff" stroke-width="0.5"/>'
    room = int((r.width - 6) / CHARACTER)
    if room >= 3:
        text = name if len(name) <= room else f"{name[: room - 1]}…"
        yield f'<text x="{r.x + 3}" y="{y + 13}" fill="#111111">{_clean(text)}</text>'
    yield "</g>"


def _colour(profile: Profile, r: Rect) -> str:
    """A warm hue that is always the same for the same file."""
    frame = profile.tree.frame[r.node]
    if frame < 0 or r.gathered > 1:
        return "#d9d9d9"
    hue = crc32(profile.frames[frame].file.encode(errors="replace")) % 12 * 30
    return f"hsl({hue},70%,{74 - crc32(profile.frames[frame].name.encode(errors='replace')) % 12}%)"


def _clean(text: str) -> str:
    return escape(FORBIDDEN.sub("\ufffd", text))
