"""The first two rows of every screen: where one is, how it stands, and the tabs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from perftui.draw.clean import inert
from perftui.draw.rows import Look, Row, Span
from perftui.draw.text import row_width, split

WIDE = 120


@dataclass(frozen=True, slots=True)
class Status:
    """What the header tells. `screens` are names in key order, `current` an index into them.

    `worst` is a state word (`ok`, `warn`, `crit`), `link` and `time` are short sentences or "".
    """

    env: str
    screens: tuple[str, ...]
    current: int
    findings: int = 0
    alerts: int = 0  # open ones; `alert` is the state word of the worst
    alert: str = "ok"
    worst: str = "ok"
    link: str = ""
    link_state: str = "ok"
    time: str = ""
    production: bool = False
    read_only: bool = False
    unseen: bool = False  # nothing live yet: figures are the store's


def header(status: Status, width: int, look: Look) -> Row:
    """One row: environment · screens · findings · link and time; narrow ones name only the current."""
    left = [*_place(status), Span(" "), *_screens(status, look, full=True)]
    right = _right(status, look)
    if row_width(left) + row_width(right) + 1 > width:
        left = [*_place(status), Span(" "), *_screens(status, look, full=False)]
    if row_width(left) + row_width(right) + 1 > width:
        brief = (
            status.link.rpartition(", ")[2] if status.link_state == "warn" else status.link.partition(", ")[0]
        )
        right = _right(replace(status, link=brief.removeprefix("drawing ")), look)
    row = split(width, left, right)
    if not status.production:
        return row
    return tuple(Span(s.text, s.style or "crit reverse") for s in row)


def _place(status: Status) -> list[Span]:
    name = inert(status.env, 24)
    if status.production:
        return [Span(f" PRODUCTION {name} ", "crit reverse bold")]
    return [Span(f" {name} ", "title reverse")]


def _screens(status: Status, look: Look, full: bool) -> list[Span]:
    mark = ">" if look.ascii_ else "▸"
    out: list[Span] = []
    for index, name in enumerate(status.screens):
        if index == status.current:
            out.append(Span(f"{mark}{index + 1} {name} ", "accent reverse bold"))
        else:
            out.append(Span(f" {index + 1} {name} " if full else f" {index + 1} ", "muted"))
    return out


def _right(status: Status, look: Look) -> list[Span]:
    from perftui.draw.palette import glyph, state_style

    out: list[Span] = []
    if status.time:
        out.append(Span(f"{status.time} ", "warn bold"))
    if status.link:
        out.append(
            Span(
                f"{glyph(status.link_state, look)} {status.link} ", state_style(status.link_state) or "muted"
            )
        )
    if status.read_only:
        out.append(Span("read-only ", "warn"))
    if status.alerts:
        noun = "alert" if status.alerts == 1 else "alerts"
        mark = f"{glyph(status.alert, look)} {status.alerts} {noun} "
        out.append(Span(mark, f"{state_style(status.alert)} bold"))
    noun = "finding" if status.findings == 1 else "findings"
    word = status.worst if status.findings else "ok"
    out.append(Span(f"{glyph(word, look)} {status.findings} {noun} ", state_style(word)))
    return out


def tab_row(words: Sequence[str], current: int, width: int, look: Look) -> Row:
    """The tabs of a screen with the one in front marked by sign and reverse; scrolls when too long."""
    mark = ">" if look.ascii_ else "▸"
    spans = [
        Span(f"{mark}{word} ", "title reverse") if index == current else Span(f" {word} ", "muted")
        for index, word in enumerate(words)
    ]
    first = 0
    while first < current and row_width(spans[first : current + 1]) > width - 2:
        first += 1
    more = [Span("‹" if not look.ascii_ else "<", "muted")] if first else []
    return split(width, [*more, *spans[first:]], [])
