"""The settings of the servers in front: each with its default, why it is risky, and who has another value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from perftui.analysis.cachesettings import rows
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.rows import Rows, Size
from perftui.draw.settingtext import shown, who_has
from perftui.draw.table import Cell, Column
from perftui.draw.text import wrap
from perftui.model.cache import CacheNode
from perftui.model.finding import Finding
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.serverconfig import SETTING, TOPIC, ConfigLook, SettingRow
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable

EVERY: Final = 30.0
"""Seconds between two looks while they are in front: settings change by hand."""


class Asked:
    """When the settings of which server were asked for last."""

    def __init__(self) -> None:
        self._source, self._at = "", 0.0

    def forget(self, *_done: object) -> None:
        """Something was set: they are asked for with the next look."""
        self._source = ""

    def look(self, tab: Tab, node: CacheNode, now: float) -> None:
        """Ask again for those of another server, or where the last answer is of long ago."""
        if node.health.link is Link.LIVE and (node.source != self._source or now - self._at >= EVERY):
            self._source, self._at = node.source, now
            tab.probe(TOPIC, node.source, "ConfigReader", lambda power: power.configuration())


def show(table: LiveTable, told: Frame, source: str) -> None:
    """Fill the table: what is risky first, then what differs or was changed."""
    look = told.report if isinstance(told.report, ConfigLook) else None
    table.title = f"Settings of {inert(source, 40)}"
    table.empty = told.error or ("no setting was told" if look is not None else "reading the settings")
    table.note = told.error or (_note(look) if look is not None else "")
    table.set_items(sorted(rows(look), key=_first) if look is not None else ())


def _first(row: SettingRow) -> tuple[bool, bool, bool]:
    return not row.risk, not row.differs, not row.changed


def _note(look: ConfigLook) -> str:
    limits = [text for server in look.servers for text in server.limits]
    silent = [f"{node}: {why}" for node, why in look.silent]
    return inert((silent or limits or [fmt.many(len(look.servers), "server")])[0], 90)


def setting_key(row: SettingRow) -> str:
    """Its name."""
    return row.name


def finding_of(row: SettingRow, found: Iterable[Finding]) -> Finding | None:
    """The finding about that setting: its risk, or that servers have several values."""
    mine = (one for one in found if one.id == row.finding or dict(one.labels).get(SETTING) == row.name)
    return min(mine, key=lambda one: one.id != row.finding, default=None)


def _value(row: SettingRow) -> Cell:
    text = f"{shown(row.name, row.value)} …" if row.differs else shown(row.name, row.value)
    return text, "warn" if row.risk else "accent" if row.changed or row.differs else ""


def _why(row: SettingRow) -> Cell:
    if row.risk:
        return row.risk, "warn"
    if row.differs:
        return f"differs: {who_has(row)}", "accent"
    return row.does, "muted"


def _whole(row: SettingRow) -> SettingRow:
    return row


def columns() -> list[Column]:
    """Columns of settings."""
    return [
        Column("name", "Setting", width=26),
        Column("value", "Value", _value, value=_whole, width=14),
        Column("default", "Default", _default, value=_whole, width=14, priority=3),
        Column("why", "Why it matters", _why, value=_whole, width=24, grow=True),
        Column("group", "Group", width=11, priority=4),
    ]


def _default(row: SettingRow) -> Cell:
    return ("–" if row.default is None else shown(row.name, row.default)), "muted"


def explained(row: SettingRow, size: Size) -> Rows:
    """Everything about one setting."""
    found: Rows = []
    for text, style in _told(row):
        found += wrap(inert(text, 2000), size.width, style)
    return found


def _told(row: SettingRow) -> Iterator[tuple[str, str]]:
    yield f"{row.name}: {row.does}", "text bold"
    if row.risk:
        yield row.risk + (f" ({row.finding})" if row.finding else ""), "warn"
    if row.differs:
        yield who_has(row), "accent"
    else:
        yield shown(row.name, row.value), "text"
    known = "its default is not known" if row.default is None else f"default {shown(row.name, row.default)}"
    yield known, "muted"
