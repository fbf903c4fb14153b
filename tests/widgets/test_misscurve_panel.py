"""The curve under the keys: sizes to the sides, namespaces up and down, and what stands there without any."""

from __future__ import annotations

from perftui.draw.rows import plain
from perftui.widgets.misscurve import MissCurvePanel
from tests.draw.test_misscurve_drawing import made
from tests.widgets.harness import Bench


async def test_arrows_change_size_and_namespace() -> None:
    panel = MissCurvePanel("Curve")
    async with Bench(panel).run_test(size=(120, 20)) as pilot:
        panel.set_curves({"a": made(room=100), "shop": made(room=1000)})
        panel.focus()
        await pilot.press("left", "left", "left")
        assert panel.namespace == "a"
        assert panel.cursor == 50
        await pilot.press("right", "right", "right", "right")
        assert panel.cursor == 126
        assert "126 entries" in plain(panel.drawn)[1]
        await pilot.press("down")
        assert (panel.namespace, panel.cursor) == ("shop", None)
        assert "Curve of shop" in plain(panel.drawn)[0]
        assert "2 namespaces" in plain(panel.drawn)[0]
        await pilot.press(*["left"] * 20)
        assert panel.cursor == panel.curve.points[0].entries
        await pilot.press("escape")
        assert panel.cursor is None
        panel.set_curves({"a": made(room=100)})
        assert panel.namespace == "a"


async def test_without_a_curve_it_says_what_brings_one() -> None:
    panel = MissCurvePanel("Curve")
    async with Bench(panel).run_test(size=(120, 20)) as pilot:
        panel.focus()
        await pilot.press("left", "down", "escape")
        assert "asking the nodes" in "".join(plain(panel.drawn))
        panel.set_curves(None, "no answer within 2 s")
        assert "no answer within 2 s" in "".join(plain(panel.drawn))
        panel.set_curves({})
        assert 'Cache("shop"' in "".join(plain(panel.drawn))
