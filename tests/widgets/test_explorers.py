"""Heat map, flame graph, tree and map under the keys."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.draw.flame import FlameRect
from perftui.draw.heatmap import Heat
from perftui.draw.map import Place
from perftui.draw.rows import plain
from perftui.draw.tree import Node
from perftui.widgets.flame import FlamePanel
from perftui.widgets.heatmap import HeatmapPanel
from perftui.widgets.tree import TreePanel
from perftui.widgets.worldmap import WorldMapPanel
from tests.widgets.harness import Bench

NOW = 1_795_615_330.0


def heat(columns: int, start: float = NOW) -> Heat:
    counts = [[float(i + j) for j in range(4)] for i in range(columns)]
    return Heat([start + 10 * i for i in range(columns + 1)], [0.01, 0.02, 0.05, 0.1, 0.2], counts)


async def test_heatmap_cursor_stays_with_its_instant() -> None:
    panel = HeatmapPanel("Latency")
    async with Bench(panel).run_test(size=(80, 10)) as pilot:
        panel.set_heat(heat(20))
        panel.focus()
        await pilot.press("left", "left", "up")
        assert panel.cursor == (18, 3)
        assert "14:05:10–14:05:20, 100–200 ms" in plain(panel.drawn)[1]
        panel.set_heat(heat(20, NOW + 30))
        assert panel.cursor == (15, 3)
        await pilot.press("escape")
        assert panel.cursor is None


class Flames(Bench):
    def __init__(self, panel: FlamePanel) -> None:
        super().__init__(panel)
        self.words: list[str] = []
        self.picked: list[tuple[int, bool]] = []

    def on_flame_panel_stepped(self, event: FlamePanel.Stepped) -> None:
        self.words.append(event.word)

    def on_flame_panel_picked(self, event: FlamePanel.Picked) -> None:
        self.picked.append((event.id, event.zoom))


async def test_flame_turns_keys_and_clicks_into_messages_and_lays_out_once() -> None:
    calls: list[tuple[int, int, int]] = []

    def layout(width: int, first: int, depth: int) -> Sequence[FlameRect]:
        calls.append((width, first, depth))
        return [FlameRect(d, 0, width - d, f"f{d}", 1.0, d) for d in range(first, first + depth)]

    panel = FlamePanel("CPU")
    app = Flames(panel)
    async with app.run_test(size=(60, 8)) as pilot:
        assert any("no profile yet" in r for r in plain(panel.drawn) or ["no profile yet"])
        panel.set_flame(layout, selected=0)
        panel.focus()
        await pilot.press("down", "right", "enter", "escape")
        panel.set_flame(layout, selected=1, depth=1, zoomed=True)
        await pilot.press("escape")
        await pilot.click(offset=(3, 4))
        await pilot.pause()
        assert app.words == ["child", "right", "zoom", "unzoom"]
        assert app.picked == [(3, False)]
        assert calls == [(60, 0, 7)]
        panel.set_flame(layout, selected=20, depth=20)
        assert any("▸f20" in r for r in plain(panel.drawn))
        assert calls[-1] == (60, 14, 7)


def plan() -> list[Node]:
    return [
        Node("join", "Hash Join", (Node("scan", "Seq Scan"), Node("hash", "Hash", (Node("ix", "Index"),))))
    ]


async def test_tree_walks_folds_and_keeps_its_place() -> None:
    panel = TreePanel("Plan")
    async with Bench(panel).run_test(size=(40, 8)) as pilot:
        panel.set_nodes(plan())
        panel.focus()
        await pilot.press("down", "down")
        assert panel.cursor_key == "hash"
        await pilot.press("left")
        assert not any("Index" in r for r in plain(panel.drawn))
        panel.set_nodes(plan())
        assert panel.cursor_key == "hash"
        assert not any("Index" in r for r in plain(panel.drawn))
        await pilot.press("right", "end")
        assert panel.cursor_key == "ix"
        await pilot.press("left")
        assert panel.cursor_key == "hash"
        panel.set_nodes(plan()[0].children[:1])
        assert panel.cursor_key == "scan"


async def test_tree_scrolls_with_the_cursor() -> None:
    panel = TreePanel("Calls")
    async with Bench(panel).run_test(size=(40, 6)) as pilot:
        panel.set_nodes([Node(i, f"node {i}") for i in range(50)])
        panel.focus()
        await pilot.press("pagedown", "pagedown", "down")
        assert panel.cursor_key == 11
        assert any("node 11" in r for r in plain(panel.drawn))
        await pilot.press("home")
        assert any("node 0" in r for r in plain(panel.drawn))


async def test_map_and_list() -> None:
    panel = WorldMapPanel("Edges")
    async with Bench(panel).run_test(size=(100, 26)):
        panel.set_places([Place("fra", 50.1, 8.7, 1.0, "warn", "12 ms")])
        assert any("▲█fra" in r for r in plain(panel.drawn))
        panel.toggle_view()
        assert any("▲ warn" in r and "12 ms" in r for r in plain(panel.drawn))
