"""Heat on the slot map, and the slots that take most of their primary's traffic or have most keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final, NamedTuple

from perftui.analysis.slots import SLOTS, owners, slot_of
from perftui.draw import format as fmt
from perftui.draw.rows import Look, Row, Size
from perftui.draw.slotmap import Owned, slotheat, slotmap
from perftui.draw.table import Cell, Column
from perftui.model.cache import CommandSample, HotKey
from perftui.model.cachecluster import ClusterReading, ClusterView
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.slottraffic import SlotMap, SlotTraffic
from perftui.screens.cache.rows import key_text
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

TOPIC, HOT = "cache.slots", "cache.commands"
EVERY, SOON = 10.0, 2.0
"""Seconds between whole looks while heat or the hottest slots are in front; from the first to a second."""

HEATS: Final = ("owner", "keys", "cpu", "bytes")
TITLES: Final = {
    "owner": "Hash slots",
    "keys": "Hash slots by keys",
    "cpu": "Hash slots by time of commands",
    "bytes": "Hash slots by bytes both ways",
}
TWICE: Final = "each slot is looked at twice"
UNITS: Final = {"keys": "1", "cpu": "s", "bytes": "bytes"}


def owned(reading: ClusterReading) -> tuple[list[Owned], tuple[str, ...]]:
    """Slot ranges by the number of their holder, and the ids of the holders in the order of their numbers."""
    ids = tuple(p.id for p in reading.primaries if p.slots)
    number = {id_: n for n, id_ in enumerate(ids)}
    claims = [(p.id, p.epoch, p.slots) for p in reading.primaries if not p.failed]
    return [(pair, number.get(id_, -1)) for pair, id_ in owners(claims)], ids


class SlotRow(NamedTuple):
    """A slot in the table, with the key of it that was asked for most in the last look at the commands."""

    traffic: SlotTraffic
    hot: HotKey | None

    @property
    def key(self) -> bytes:
        """That key, or the slot's only one; empty: not known."""
        return self.hot.key if self.hot is not None else self.traffic.only


class Slots:
    """Which heat is on the map, when it was last asked for, and what came of it."""

    power: ClassVar[str] = "SlotReader"

    def __init__(self) -> None:
        self.heat = HEATS[0]
        self._asked = ("", 0.0)

    def turn(self) -> None:
        """The next heat."""
        self.heat = HEATS[(HEATS.index(self.heat) + 1) % len(HEATS)]

    def ask(self, tab: Tab, view: ClusterView, frames: Mapping[str, Frame], now: float) -> None:
        """Look at all slots where the last look is EVERY seconds old, or was another cluster's."""
        source, at = self._asked
        told = _of(frames[TOPIC], view.source)
        found = told.report if told is not None else None
        once = isinstance(found, SlotMap) and not found.facts.measured
        due = source != view.source or not 0 <= now - at < (SOON if once else EVERY)
        if due and view.health.link is Link.LIVE and view.source in tab.session.sources(self.power):
            self._asked = view.source, now
            tab.probe(TOPIC, view.source, self.power, _look)

    def show(
        self, panel: Panel, table: LiveTable, frames: Mapping[str, Frame], source: str, ranges: list[Owned]
    ) -> None:
        """Map and table from the newest look at this cluster."""
        told = _of(frames[TOPIC], source)
        found = told.report if told is not None and isinstance(told.report, SlotMap) else None
        error = told.error if told is not None else ""
        sample = _of(frames[HOT], source)
        rows = slot_rows(found, sample.report if sample is not None else None, self.heat)
        panel.title = TITLES[self.heat]
        panel.set_rows(partial(_drawn, ranges, found, self.heat))
        panel.note = self._note(ranges, found, rows, error)
        why = found.facts.why if found is not None else error
        table.empty = error or why or TWICE
        table.title = "Fullest slots" if self.heat == "keys" else "Hottest slots"
        table.note = why
        table.set_items(rows)

    def _note(
        self, ranges: Sequence[Owned], found: SlotMap | None, rows: Sequence[SlotRow], error: str
    ) -> str:
        if self.heat == "owner":
            return f"{sum(b - a + 1 for (a, b), n in ranges if n >= 0):,} of {SLOTS:,} served"
        if found is None or error:
            return error or "looking"
        if self.heat == "keys" or rows:
            return _first(rows[0], self.heat) if rows else "no keys"
        return found.facts.why or ("no traffic" if found.facts.measured else TWICE)


async def _look(power: Any) -> SlotMap:
    found: SlotMap = await power.slot_map()
    return found


def _of(frame: Frame, source: str) -> Frame | None:
    """A probe's frame where it is about this cluster."""
    return frame if source in frame.health else None


def _first(row: SlotRow, heat: str) -> str:
    """`slot 5474: 41.0% of 127.0.0.1:7001's time, 12 keys, product:1`."""
    slot = row.traffic
    keys = "1 key" if slot.keys == 1 else f"{fmt.count(slot.keys)} keys"
    if heat == "keys":
        return f"slot {slot.slot}: {keys} at {slot.node}"
    part = fmt.ratio(slot.of(heat)[1])
    name = f", {key_text(row.key, 24)}" if row.key else ""
    return f"slot {slot.slot}: {part} of {slot.node}'s {'time' if heat == 'cpu' else 'bytes'}, {keys}{name}"


def slot_rows(found: SlotMap | None, sample: Any, heat: str) -> list[SlotRow]:
    """The fullest slots, else the hottest: by the heat on the map, or by the larger of both parts."""
    if found is None:
        return []
    hot: dict[int, HotKey] = {}
    for key in sample.keys if isinstance(sample, CommandSample) else ():  # hottest first
        hot.setdefault(slot_of(key.key), key)
    slots = found.facts.fullest if heat == "keys" else found.facts.hottest
    if heat in {"cpu", "bytes"}:
        slots = tuple(sorted(slots, key=lambda one: -(one.of(heat)[1] or 0.0)))
    return [SlotRow(slot, hot.get(slot.slot)) for slot in slots]


def _drawn(ranges: list[Owned], found: SlotMap | None, heat: str, size: Size, look: Look) -> list[Row]:
    if heat == "owner" or found is None:
        return slotmap(ranges, size, look)
    values = {"keys": found.keys, "cpu": found.cpu, "bytes": found.bytes_per_s}[heat]
    return slotheat(ranges, values, size, look, text=partial(_text, heat))


def _text(heat: str, value: float) -> str:
    return f"{fmt.count(value)} keys" if heat == "keys" else fmt.rate(value, UNITS[heat])


def slot_key(row: SlotRow) -> int:
    """What tells a row from the others."""
    return row.traffic.slot


def slot_columns() -> list[Column]:
    """Columns of slots."""

    def of(name: str) -> Any:
        return lambda row: getattr(row.traffic, name)

    def hot(row: SlotRow) -> float | None:
        return row.hot.share if row.hot is not None else None

    def right(key: str, title: str, form: Any, width: int, priority: int, text: str, **more: Any) -> Column:
        told = more.get("value") or of(key)
        return Column(key, title, form, told, width=width, align="right", priority=priority, help=text)

    since = "since the look at it before"
    return [
        right("slot", "Slot", str, 5, 1, "number of the hash slot"),
        right("cpu_share", "of CPU", _part, 6, 1, f"part of the time of its primary's commands, {since}"),
        right("bytes_share", "of B", _part, 6, 2, f"part of its primary's bytes both ways, {since}"),
        right("cpu", "CPU/s", _seconds, 9, 3, f"time of its commands a second, {since}"),
        right("bytes_per_s", "B/s", fmt.bytes_, 9, 4, f"bytes both ways a second, {since}"),
        right("keys", "Keys", fmt.count, 8, 1, "keys in it now"),
        Column("node", "Node", value=of("node"), width=15, priority=2, help="the primary that holds it"),
        right("hot", "of cmd", fmt.ratio, 6, 5, "that key's part of all commands watched", value=hot),
        Column("key", "Key", key_cell, width=12, grow=True, help="asked for most when watched (H on Keys)"),
    ]


def key_cell(key: bytes) -> Cell:
    """A key's name, or that none is known."""
    return key_text(key, 60) if key else ("not watched", "muted")


def _part(share: float | None) -> Cell:
    return fmt.ratio(share), "warn" if share is not None and share >= 0.4 else ""


def _seconds(value: float | None) -> str:
    return fmt.rate(value, "s")
