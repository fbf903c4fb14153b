"""The first look: a card a layer, targets, the host, the service, findings and what happened last."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.analysis.buckets import Window
from perftui.analysis.budget import TargetsReport
from perftui.draw import format as fmt
from perftui.draw.palette import state
from perftui.draw.rows import plain
from perftui.draw.sparkline import spark
from perftui.draw.table import Cell, Column
from perftui.model.errors import StoreError
from perftui.model.frame import Frame
from perftui.model.series import SeriesKey
from perftui.model.target import Target
from perftui.screens.overview.layers import LAYERS, WINDOW, Card, cards
from perftui.screens.overview.rows import (
    card_rows,
    event_rows,
    finding_rows,
    host_rows,
    service_rows,
    target_rows,
)
from perftui.screens.tab import Tab
from perftui.screens.work import begin
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

SPARK = 20
AGAIN = 60.0  # seconds in which a second `b` takes the baseline away
TITLES = {"cdn": "CDN"}
STYLES = {"ok": "ok", "warn": "warn", "crit": "crit", "lost": "lost", "late": "warn", "refused": "crit"}


class SummaryTab(Tab):
    """Cards from 120 columns, a table of layers below that."""

    DEFAULT_CSS = """
    SummaryTab { layout: grid; grid-size: 3; grid-rows: 6 6 1fr 1fr; grid-columns: 1fr 1fr 1fr; }
    SummaryTab { grid-gutter: 0 1; }
    SummaryTab #layers { display: none; }
    SummaryTab #host { row-span: 2; }
    SummaryTab #service { row-span: 2; }
    SummaryTab #events { column-span: 3; }
    SummaryTab.narrow { grid-size: 1; grid-columns: 1fr; grid-rows: 8 3 5 1fr; }
    SummaryTab.narrow #layers { display: block; }
    SummaryTab.narrow .card, SummaryTab.narrow #service, SummaryTab.narrow #findings { display: none; }
    SummaryTab.narrow #host { row-span: 1; }
    SummaryTab.narrow #events { column-span: 1; }
    """
    id_: ClassVar[str] = "overview.summary"
    title: ClassVar[str] = "Summary"
    topics: ClassVar[tuple[str, ...]] = (
        "resources",
        "cache",
        "cachecluster",
        "cdn",
        "database",
        "autoscaling",
        "findings",
        "events",
        "overview.targets",
    )
    empty: ClassVar[str] = "would show one card a layer\nwrite a configuration: perftui config init"

    glance: ClassVar[bool] = True

    def compose(self) -> Iterable[Widget]:
        """Table and cards exist both; the width chooses."""
        yield LiveTable(self._columns(), key=lambda card: card.layer.name, title="Layers", id="layers")
        for layer in LAYERS:
            yield Panel(
                TITLES.get(layer.name, layer.name.capitalize()),
                id=f"card-{layer.name}",
                classes="card",
                focusable=True,
            )
        yield Panel("Targets", id="targets")
        yield Panel("Host", id="host")
        yield Panel("Service", id="service")
        yield Panel("Findings", id="findings")
        yield Panel("Events", id="events")

    def arrange_for(self, layout: int) -> None:
        """Cards where there is room for them."""
        self.set_class(layout < 120, "narrow")

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest frames."""
        shown = cards(frames, self._kind_of)
        if self.has_class("narrow"):
            self.query_one("#layers", LiveTable).set_items(shown)
        else:
            for card in shown:
                self._draw_card(card)
        resources, findings, events = frames["resources"], frames["findings"], frames["events"]
        targets = tuple(self._fed(target) for target in self.session.config.objectives())
        found = frames["overview.targets"].report
        report = found if isinstance(found, TargetsReport) else None
        panel = self._panel("targets")
        panel.set_rows(lambda s, k: target_rows(targets, self._value_of, s, k, report))
        pinned = report.pinned if report is not None else None
        panel.note = f"since {fmt.stamp(pinned.at, self.look.tz)}" if pinned is not None else ""
        self._panel("host").set_rows(lambda s, k: host_rows(resources, s, k))
        self._panel("service").set_rows(lambda s, k: service_rows(resources, s, k))
        self._panel("findings").set_rows(lambda s, k: finding_rows(findings, s, k))
        self._panel("findings").note = f"{len(findings.findings)} open"
        log = getattr(events.report, "events", ())
        self._panel("events").set_rows(lambda s, k: event_rows(log, s, k))

    def _draw_card(self, card: Card) -> None:
        panel, frame = self._panel(f"card-{card.layer.name}"), card.frame
        panel.set_rows(lambda s, k: card_rows(card, frame.at, s, k))
        panel.note = card.source
        panel.muted = card.state in ("lost", "refused") or frame.stale

    def _panel(self, name: str) -> Panel:
        return self.query_one(f"#{name}", Panel)

    def _kind_of(self, source: str) -> str:
        return self.session.env.kinds.get(source)

    def _sources_of(self, target: Target) -> list[str]:
        """The backends that feed a target."""
        if target.source:
            return [target.source]
        return [name for name in self.session.env.backends if target.fed_by(name, self._kind_of(name))]

    def _fed(self, target: Target) -> Target:
        """A target that has its backend needs no line on how to connect one."""
        return replace(target, connect="") if target.series and self._sources_of(target) else target

    def _value_of(self, target: Target) -> float | None:
        """The worst newest figure of the backends that feed a target."""
        if not target.series:
            return None
        found = []
        for source in self._sources_of(target):
            frames = [f for f in self.frames.values() if source in f.health]
            if frames:  # as of what is shown of it, so that its card, now and later, says the same
                newest = max(frames, key=lambda frame: frame.at)
                series = newest.window(SeriesKey(source, target.series), WINDOW)
                found += [series.last.value] if series.last else []
        return (max(found) if target.below is not None else min(found)) if found else None

    def _columns(self) -> list[Column]:
        def state_cell(card: Card) -> Cell:
            return state(card.state, self.look), STYLES.get(card.state, "muted")

        def spark_cell(card: Card) -> Cell:
            if card.series is None or card.health is None:
                return card.layer.connect, "faint"
            window = Window.last(WINDOW, card.health.seen or 0.0)
            return plain([spark(card.series, window, SPARK, self.look, low=0)])[0], "s1"

        def itself(card: Card) -> Card:
            return card

        return [
            Column("layer", "Layer", value=lambda c: c.layer.name, width=9),
            Column("state", "State", state_cell, value=itself, width=10),
            Column("figure", "Figure", value=lambda c: c.figure, width=9, align="right"),
            Column("what", "", value=lambda c: c.layer.title, width=14),
            Column("spark", "15 min", spark_cell, value=itself, width=SPARK, grow=True),
        ]

    @property
    def _current(self) -> Card | None:
        if self.has_class("narrow"):
            current: Card | None = self.query_one("#layers", LiveTable).current
            return current
        focused = self.screen.focused
        name = (focused.id or "").removeprefix("card-") if focused is not None else ""
        return next((c for c in cards(self.frames, self._kind_of) if c.layer.name == name), None)

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The layer in focus."""
        card = self._current if self.frames else None
        if card is None:
            return None
        return {"source": card.source, "layer": card.layer.name, "figure": card.value, "state": card.state}

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """Enter opens the layer's own screen, `b` pins the targets' figures or lets go of them."""
        if id == "overview.baseline":
            self._pin()
            return True
        card = self._current if id == "open" else None
        if card is None:
            return False
        self.go(card.layer.tab)
        return True

    def _pin(self) -> None:
        """Pin what the targets are now; a second time within a minute takes the baseline away."""
        memory = self.session.memory
        if memory is None:
            self.toast("this console keeps no history: no baseline can be kept", "warn")
            return
        report, now = self.frames["overview.targets"].report, self.session.clock.wall()
        pinned = report.pinned if isinstance(report, TargetsReport) else None
        figures = ((t.id, self._value_of(t)) for t in self.session.config.objectives())
        values = {name: value for name, value in figures if value is not None}
        if pinned is not None and now - pinned.at < AGAIN:
            values = {}
        begin(self, partial(self._keep, memory.budgets.pin, values), "baseline")

    async def _keep(
        self, pin: Callable[[Mapping[str, float]], Awaitable[None]], values: Mapping[str, float]
    ) -> None:
        try:
            await pin(values)
        except StoreError as error:
            self.toast(f"no baseline was kept: {error}", "warn")
            return
        told = "1 target as it is now" if len(values) == 1 else f"{len(values)} targets as they are now"
        self.toast(f"baseline: {told}" if values else "no baseline any more")
