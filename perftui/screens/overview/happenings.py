"""Events in lanes and rows: what a kind looks like, and which lie in a span of time; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from perftui.analysis.buckets import Window
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.lanes import Item, Lane
from perftui.draw.rows import Look
from perftui.draw.table import Cell, Column
from perftui.model.event import Event

KINDS: tuple[tuple[str, str, str, str, str], ...] = (
    ("finding", "findings", "▲", "!", "warn"),
    ("alert", "alerts", "▲", "!", "crit"),
    ("incident", "incidents", "■", "#", "crit"),
    ("link", "links", "◆", "x", "lost"),
    ("scale", "scaling", "◇", "^", "s2"),
    ("action", "actions", "●", "*", "s1"),
    ("deploy", "deploys", "▼", "v", "s4"),
    ("config", "settings", "○", "o", "s3"),
    ("note", "notes", "♦", "n", "accent"),
)
"""Kind of event → its lane, its sign, the sign on plain terminals, its style."""
FIRED, ENDED = "firing: ", "resolved: "  # how titles of an alert's events begin
ALWAYS = frozenset({"finding", "link", "scale", "action", "config", "note"})


def lasting(events: Iterable[Event]) -> tuple[Event, ...]:
    """The same, oldest first, each firing of an alert with its end where that is among them."""
    found: list[Event] = []
    began: dict[str, int] = {}
    for event in events:
        if event.kind == "alert" and event.ref and event.title.startswith(FIRED):
            began.setdefault(event.ref, len(found))
        elif _ends(event) and event.ref in began:
            place = began.pop(event.ref)
            found[place] = replace(found[place], until=event.at)
        found.append(event)
    return tuple(found)


def _ends(event: Event) -> bool:
    return event.kind == "alert" and event.title.startswith(ENDED)


def within(events: Iterable[Event], window: Window) -> tuple[Event, ...]:
    """Events that happened or lasted in the window, oldest first."""
    return tuple(e for e in events if e.at <= window.end and _end(e) >= window.start)


def _end(event: Event) -> float:
    return float("inf") if open_(event) else max(event.at, event.until or event.at)


def open_(event: Event) -> bool:
    """Whether it still lasts."""
    return event.kind == "finding" and event.until is None


def lanes_of(events: Sequence[Event]) -> list[Lane]:
    """A lane for each kind that is told here, and for every other one that occurs."""
    lanes = []
    drawn = {(e.ref, e.until) for e in events if e.kind == "alert"}
    moments = [e for e in events if not (_ends(e) and (e.ref, e.at) in drawn)]  # a bar has its end
    for kind, name, sign, plain, style in KINDS:
        items = [Item(e.identity, e.at, _until(e), open_(e)) for e in moments if e.kind == kind]
        if items or kind in ALWAYS:
            lanes.append(Lane(name, items, sign, plain, style))
    return lanes


def _until(event: Event) -> float | None:
    """Where its bar ends; what was over in a second is a moment."""
    return event.until if event.until is not None and event.until - event.at >= 1.0 else None


def columns(look: Callable[[], Look]) -> list[Column]:
    """Time, kind, what and where; the axis column is for screens without lanes."""
    signs = {kind: (plain if look().ascii_ else sign, style) for kind, _, sign, plain, style in KINDS}

    def axis(event: Event) -> Cell:
        wall = "|" if look().ascii_ else "├"
        sign, style = signs.get(event.kind, ("?", ""))
        return f"{fmt.clock(event.at, look().tz)} {wall}{sign}", style

    def kind(event: Event) -> Cell:
        return event.kind, signs.get(event.kind, ("", ""))[1]

    def itself(event: Event) -> Event:
        return event

    return [
        Column("axis", "Time", axis, value=itself, width=11, order=lambda e: e.at),
        Column("at", "Time", lambda at: fmt.stamp(at, look().tz), width=19),
        Column("kind", "Kind", kind, value=itself, width=8),
        Column("source", "Where", lambda t: inert(t, 60), width=12, priority=3),
        Column("title", "What", lambda t: inert(t, 300), width=20, grow=True),
        Column("detail", "More", lambda t: inert(t, 300), width=24, priority=6, grow=True),
        Column("lasted", "Lasted", _lasted, value=itself, width=8, align="right", priority=4, order=_lasting),
        Column("actor", "By", lambda t: inert(t, 40), width=10, priority=7),
    ]


def _lasting(event: Event) -> float | None:
    """Seconds; what is open lasts longest."""
    if open_(event):
        return math.inf
    return None if event.until is None else event.until - event.at


def _lasted(event: Event) -> Cell:
    if open_(event):
        return "open", "warn"
    return fmt.duration(event.until - event.at) if event.until is not None else ""


def fields(event: Event) -> dict[str, Any]:
    """True values for copying."""
    names = ("at", "until", "kind", "source", "title", "detail", "actor", "ref")
    return {name: getattr(event, name) for name in names}


def whole(event: Event, tz: str) -> str:
    """All that is known of one event, as a sentence."""
    lasted = f", lasted {fmt.duration(event.until - event.at)}" if event.until is not None else ""
    by = f", by {event.actor}" if event.actor else ""
    text = f"{fmt.stamp(event.at, tz)} {event.source}: {event.title}"
    return inert(f"{text}{': ' if event.detail else ''}{event.detail}{lasted}{by}", 600)
