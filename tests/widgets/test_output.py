"""The few private names of Textual we lean on are still there, and the output is the difference."""

from __future__ import annotations

import inspect
import os
import threading
from queue import Queue
from types import SimpleNamespace
from typing import Any

import pyte
import pytest
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, Compositor, LayoutUpdate
from textual.app import App
from textual.color import Color
from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen

from perftui.widgets.output import ColourlessFilter, DiffApp, Meter, MeteredDriver
from tests.waiting import until


def test_private_names_of_textual_are_where_we_use_them() -> None:
    assert list(inspect.signature(App._display).parameters) == ["self", "screen", "renderable"]
    app: App[None] = App()
    for name in (
        "_batch_count",
        "_driver",
        "_sync_available",
        "_running",
        "_closed",
        "_loop",
        "_exit_renderables",
    ):
        assert hasattr(app, name), name
    assert isinstance(inspect.getattr_static(App, "_background_screens"), property)
    assert list(inspect.signature(LayoutUpdate.__init__).parameters) == ["self", "strips", "region"]
    assert list(inspect.signature(ChopsUpdate.__init__).parameters) == ["self", "chops", "spans", "chop_ends"]
    assert callable(Compositor.render_strips)
    assert callable(App._fatal_error)
    assert callable(App._close_messages_no_wait)
    assert "_compositor" in Screen.__init__.__code__.co_names
    assert {"_file", "_writer_thread"} <= set(LinuxDriver.__init__.__code__.co_names)
    assert "_queue" in WriterThread.__init__.__code__.co_names
    assert MAX_QUEUED_WRITES == 30


def test_textual_calls_display_from_the_two_places_we_know() -> None:
    import textual.screen

    source = inspect.getsource(textual.screen)
    assert source.count("app._display(") == 2


class Output:
    """Stands where the driver stands and keeps what was written."""

    is_inline = False

    def __init__(self) -> None:
        self.text = ""
        self.writes = 0

    def write(self, text: str) -> None:
        self.text += text
        self.writes += 1

    def flush(self) -> None:
        """Nothing is held back."""


class Clock(DiffApp):
    """One line of text that changes."""

    CSS = "Static { height: 1; background: #102030; color: #f0f0f0; }"

    def compose(self) -> Any:
        from textual.widgets import Static

        for n in range(20):
            yield Static(f"row {n} figure 000", id=f"row{n}")

    def take_screen(self, output: Output) -> None:
        self.take(self.screen._compositor.render_full_update())
        driver, self._driver = self._driver, output  # type: ignore[assignment]
        try:
            self.send()
        finally:
            self._driver = driver


async def test_one_changed_figure_is_a_few_bytes_and_the_terminal_agrees() -> None:
    app = Clock()
    terminal = pyte.Screen(80, 24)
    stream = pyte.Stream(terminal)
    async with app.run_test(size=(80, 24)) as pilot:
        first, second, third = Output(), Output(), Output()
        app.take_screen(first)
        stream.feed(first.text)
        app.query_one("#row3").update("row 3 figure 007")  # type: ignore[attr-defined]
        await pilot.pause()
        app.take_screen(second)
        stream.feed(second.text)
        app.take_screen(third)
        text = [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]
    assert first.writes == 1
    assert 0 < len(second.text) < 60
    assert third.text == ""
    assert [line.rstrip() for line in terminal.display] == text


def test_colourless_filter_leaves_attributes_only() -> None:
    style = Style(color="red", bgcolor="#102030", bold=True, underline=True, dim=True, italic=True)
    [segment] = ColourlessFilter().apply([Segment("x", style)], Color.parse("#000000"))
    assert segment.style == Style(bold=True, underline=True)


@pytest.fixture
def pipe() -> Any:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb") as writer:
        yield reader, writer


def test_meter_counts_and_tells_when_it_is_idle(pipe: Any) -> None:
    reader, writer = pipe
    meter = Meter(writer)
    told: list[int] = []
    meter.on_idle = lambda: told.append(1)
    meter.asked = 1
    meter.write("héllo")
    assert os.read(reader.fileno(), 100) == "héllo".encode()
    assert (meter.bytes, meter.done, meter.idle, told) == (6, 1, True, [1])


async def test_a_blocked_write_can_be_given_up(pipe: Any) -> None:
    reader, writer = pipe
    meter = Meter(writer)
    meter.asked = 1
    thread = threading.Thread(target=meter.write, args=("x" * 300_000,), daemon=True)
    thread.start()
    assert not meter.idle
    meter.skip()
    received = len(os.read(reader.fileno(), 70_000))
    await until(lambda: not thread.is_alive())
    assert meter.idle
    assert received <= meter.bytes < 300_000


def test_a_picture_given_up_half_way_leaves_the_terminal_drawing(pipe: Any) -> None:
    _, writer = pipe
    driver = MeteredDriver.__new__(MeteredDriver)
    waiting: Any = SimpleNamespace(_queue=Queue())
    waiting._queue.put("a whole picture")
    written: list[str] = []
    driver._writer_thread, driver.meter, driver.write = waiting, Meter(writer), written.append  # type: ignore[method-assign]
    driver.meter.asked = 2
    driver._drop_pictures()
    assert waiting._queue.empty()
    assert written == [
        "\x18\x1b[m\x1b[?2026l"
    ]  # out of a sequence cut short, of a style, of a held-back picture


def test_a_terminal_that_is_gone_does_not_raise(pipe: Any) -> None:
    reader, writer = pipe
    reader.close()
    meter = Meter(writer)
    meter.asked = 1
    meter.write("x")
    assert meter.dead
    assert meter.idle
