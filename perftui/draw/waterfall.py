"""The phases of requests one below the other: where the time of a page went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perftui.draw import format as fmt
from perftui.draw.clean import fit, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.stackedbar import allot
from perftui.draw.text import fill

_SHADES = "░▒▓█▚"
_LETTERS = "abcdefghij"


@dataclass(frozen=True, slots=True)
class Phase:
    """A named part of a request, in seconds (`dns`, `connect`, `tls`, `wait`, `receive`)."""

    name: str
    seconds: float
    style: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that began `start` seconds after the first one."""

    name: str
    start: float
    phases: Sequence[Phase]
    note: str = ""
    failed: bool = False

    @property
    def seconds(self) -> float:
        """Its whole duration."""
        return sum(phase.seconds for phase in self.phases)


def waterfall(requests: Sequence[Request], size: Size, look: Look, *, offset: int = 0) -> Rows:
    """A legend of phases and one row a request on a shared axis."""
    end = max((r.start + r.seconds for r in requests), default=0.0) or 1.0
    names: list[str] = []
    for request in requests:
        names += [p.name for p in request.phases if p.name not in names]
    label, note = max(8, min(40, size.width // 3)), 9
    width = max(1, size.width - label - note - 2)
    rows: Rows = [_legend(names, look)]
    for request in requests[offset : offset + max(0, size.height - 1)]:
        rows.append(_row(request, (label, width, note), end, names, look))
    return fill(rows, size)


def _row(request: Request, widths: tuple[int, int, int], end: float, names: Sequence[str], look: Look) -> Row:
    label, width, note = widths
    begin = min(width - 1, int(request.start / end * width))
    length = max(1, min(width - begin, round(request.seconds / end * width)))
    cells = allot([p.seconds for p in request.phases], request.seconds, length)
    bar: list[Span] = [Span(" " * begin)]
    for phase, count in zip(request.phases, cells, strict=True):
        index = names.index(phase.name)
        bar.append(Span(_sign(index, look) * count, phase.style or f"s{index % 8 + 1}"))
    bar.append(Span(" " * (width - begin - sum(cells))))
    text = request.note or fmt.duration(request.seconds)
    name = Span(fit(inert(request.name), label) + " ", "crit bold" if request.failed else "")
    return (name, *bar, Span(" " + fit(text, note, "right"), "muted"))


def _sign(index: int, look: Look) -> str:
    return _LETTERS[index % 10] if look.ascii_ else "█" if look.colour else _SHADES[index % len(_SHADES)]


def _legend(names: Sequence[str], look: Look) -> Row:
    spans: list[Span] = []
    for index, name in enumerate(names):
        spans += [Span(_sign(index, look), f"s{index % 8 + 1}"), Span(f" {inert(name)}  ", "muted")]
    return tuple(spans)
