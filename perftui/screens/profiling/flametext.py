"""What a flame graph says in words, and the bars it is drawn from; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from perftui.analysis.flame import layout, wilson_margin
from perftui.draw import format as fmt
from perftui.draw.clean import cell_width, inert
from perftui.draw.flame import FlameRect
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.text import line
from perftui.model.flameview import FlameState
from perftui.model.profiler import Profile, ProfilerReport, TreeArrays, frame_name
from perftui.screens.processes import short

LIBRARIES = ("/site-packages/", "/dist-packages/", "/lib/python", "<frozen")
FEW = 200


def share(value: float) -> str:
    """A share with no more digits than a sampled figure can bear."""
    return fmt.ratio(value)


def clean(text: str) -> str:
    """A name, inert."""
    return inert(text, 200)


def place(where: str) -> str:
    """A place by its last two parts: `app/rows.py:88`."""
    return inert("/".join(where.split("/")[-2:]), 200)


def is_library(file: str) -> bool:
    """Whether a file belongs to somebody else's package, or to the language."""
    return any(part in file for part in LIBRARIES)


def package(file: str) -> str:
    """What gives a frame its hue: the package of a library; one's own code by file."""
    for part in ("/site-packages/", "/dist-packages/"):
        _, found, rest = file.partition(part)
        if found:
            return rest.partition("/")[0]
    return file


def bars(
    profile: Profile, tree: TreeArrays, root: int, order: str
) -> Callable[[int, int, int], Sequence[FlameRect]]:
    """The function that lays out what is seen of `tree` from `root`."""
    whole = max(1, profile.total)

    def visible(width: int, first: int, depths: int) -> Sequence[FlameRect]:
        return [
            FlameRect(
                r.depth,
                r.x,
                r.width,
                frame_name(profile.frames, tree.frame[r.node]),
                tree.total[r.node] / whole,
                r.node,
                r.gathered,
                *_origin(profile, tree.frame[r.node]),
            )
            for r in layout(tree, root, width, depths, order=order, first=first)
        ]

    return visible


def _origin(profile: Profile, frame: int) -> tuple[str, bool]:
    if frame < 0:
        return "", True
    file = profile.frames[frame].file
    return package(file), is_library(file)


def head(report: ProfilerReport, profile: Profile, size: Size) -> Rows:
    """Two rows: what was sampled and how, and the hot path."""
    meta = profile.meta
    command = short(meta.target.command or f"process {meta.target.pid}", 300)
    said = f"{profile.total} samples, {meta.seconds:.1f} s at {meta.rate} Hz, {meta.errors} failed"
    few = f", few: under {FEW}" if profile.total < FEW else ""
    note = f" · {inert(meta.note, 60)}" if meta.note else ""
    taken = f"  {fmt.stamp(meta.at)[5:16]}  {said}"
    path = " › ".join(f"{inert(s.frame.name, 60)} {fmt.ratio(s.share)}" for s in report.hot_path[-6:])
    return [
        line(
            size.width,
            Span(f"{meta.target.pid} ", "title"),
            command[: max(8, size.width - len(taken) - 10)],
            Span(taken, "muted"),
            Span(few + note, "warn"),
        ),
        line(
            size.width, Span("hot path ", "muted"), path or Span("no frame holds half of its caller", "muted")
        ),
    ]


def title(profile: Profile, state: FlameState, hidden: int) -> str:
    """What part of the profile is drawn: the view, the frame zoomed into, what is hidden."""
    parts = ["Flame graph, heaviest left" if state.view == "heavy" else "Flame graph"]
    if state.root:
        parts.append(f"in {inert(profile.name(state.root), 30)}")
    if state.floor:
        parts.append(f"under {state.floor * 100:g}%: {hidden} hidden")
    return " · ".join(parts)


def status(profile: Profile, state: FlameState, size: Size, look: Look) -> Rows:
    """Two rows on the selected frame: name and place, then its weights and the matches."""
    known = facts(profile, state.selected)
    where = str(known["where"])
    parts = [
        f"self {fmt.ratio(known['self'])} ±{fmt.ratio(known['margin'])}",
        f"total {fmt.ratio(known['total'])}",
        f"{known['samples']} samples {fmt.duration(known['seconds'])}",
    ]
    if state.matches:
        at = state.matches.index(state.selected) + 1 if state.selected in state.matches else "–"
        lit = fmt.ratio(state.lit / max(1, profile.total))
        parts.append(f"match {at}/{len(state.matches)} /{inert(state.search, 20)} {lit}")
    bar = " | " if look.ascii_ else " │ "
    name = Span(f"{inert(str(known['name']), 120)}  ", "accent bold")
    room = max(0, size.width - cell_width(name.text))
    tail = inert(where, 400)
    return [
        line(size.width, name, Span(tail if len(tail) <= room else f"…{tail[-room + 1 :]}", "muted")),
        line(size.width, bar.join(parts)),
    ]


def facts(profile: Profile, node: int) -> dict[str, Any]:
    """True values of one node: what copies and exports carry."""
    tree, whole = profile.tree, max(1, profile.total)
    frame = tree.frame[node]
    own = tree.own[node]
    return {
        "profile": profile.meta.id,
        "name": profile.name(node),
        "where": profile.frames[frame].where if frame >= 0 else "",
        "self": own / whole,
        "margin": wilson_margin(own, profile.total),
        "total": tree.total[node] / whole,
        "samples": tree.total[node],
        "seconds": tree.total[node] / profile.meta.rate if profile.meta.rate else 0.0,
    }
