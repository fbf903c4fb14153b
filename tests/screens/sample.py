"""A small tab as domain engineers write them, for tests of the shell around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw.table import Column
from perftui.model.frame import Frame
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel


class SampleTab(Tab):
    """Keys and their sizes."""

    id_: ClassVar[str] = "cache.sample"
    title: ClassVar[str] = "Sample"
    topics: ClassVar[tuple[str, ...]] = ("cache", "cache.keys")
    empty: ClassVar[str] = "no cache connected: add one to the configuration"
    verbs: ClassVar[Mapping[str, str]] = {"purge": "PATTERN  purge keys"}

    def __init__(self) -> None:
        super().__init__()
        self.drawn = 0
        self.did: list[str] = []
        self.layouts: list[int] = []

    def compose(self) -> Iterable[Widget]:
        columns = (Column("name", "name"), Column("size", "size"))
        yield LiveTable(columns, key=lambda item: item["name"], title="keys", id="keys")
        yield Panel("more", id="more", focusable=True)

    def draw(self, frames: Mapping[str, Frame]) -> None:
        self.drawn += 1
        self.query_one("#keys", LiveTable).set_items(frames["cache"].report or ())

    def arrange_for(self, layout: int) -> None:
        self.layouts.append(layout)

    @property
    def selection(self) -> Mapping[str, Any] | None:
        return self.query_one("#keys", LiveTable).selection() or None

    def on_command(self, id: str) -> bool:  # noqa: A002
        self.did.append(id)
        return id.startswith("cache.")

    def on_verb(self, verb: str, words: tuple[str, ...]) -> bool:
        self.did.append(f"{verb} {' '.join(words)}")
        return True
