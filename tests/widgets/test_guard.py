"""A bug in a drawing is shown in its place and the rest goes on; tests see it raised."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from perftui.draw.rows import Look, Rows, Size, Span
from perftui.widgets.panel import Panel


class Two(App[None]):
    """One panel that works and one that does not."""

    def compose(self) -> ComposeResult:
        yield Panel("Good", id="good")
        yield Panel("Bad", id="bad")


def good(size: Size, look: Look) -> Rows:
    return [(Span("figures"),)]


def bad(size: Size, look: Look) -> Rows:
    raise KeyError("missing")


async def test_the_others_go_on(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("PERFTUI_STRICT", raising=False)
    app = Two()
    async with app.run_test(size=(80, 24)) as pilot:
        app.query_one("#good", Panel).set_rows(good)
        app.query_one("#bad", Panel).set_rows(bad)
        await pilot.pause()
        shown = {p.id: "".join(s.text for row in p.drawn for s in row) for p in app.query(Panel)}
        assert "figures" in shown["good"]
        assert "bad could not be drawn: KeyError: 'missing'" in shown["bad"]
    assert "drawing bad" in caplog.text


async def test_strict_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFTUI_STRICT", "1")

    async def show() -> None:
        async with Two().run_test(size=(80, 24)) as pilot:
            pilot.app.query_one("#bad", Panel).set_rows(bad)
            await pilot.pause()

    with pytest.raises(KeyError):
        await show()
