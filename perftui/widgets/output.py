"""Cell-diff output: only what changed on the terminal goes out, and never faster than the link takes it.

This is the one place that uses private names of Textual (8.2): of `App` `_display`, `_batch_count`,
`_driver`, `_sync_available`, `_fatal_error`, `_exit_renderables`, `_background_screens`; the compositor's
`LayoutUpdate.strips` and `ChopsUpdate.chops`, `.spans`, `.chop_ends`; `LinuxDriver._file`,
`._writer_thread`, `WriterThread._queue`. `tests/widgets/test_output.py` fails when one of them changes.
Textual sends every dirty region whole; over SSH that is what makes consoles slow.
"""

# ruff: noqa: SLF001 - the one file that touches private names

from __future__ import annotations

import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from queue import Empty
from typing import TYPE_CHECKING, Any

from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual._context import visible_screen_stack
from textual.app import App
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.strip import Strip

from perftui.widgets.cells import Pen, Shadow

if TYPE_CHECKING:
    from textual.color import Color as TextualColor
    from textual.screen import Screen

SYNC_START, SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
CHUNK = 1024
_ATTRIBUTES = (("bold", "1"), ("italic", "3"), ("underline", "4"), ("reverse", "7"), ("strike", "9"))


class Meter:
    """The terminal as a file that knows how fast it takes bytes; writes happen in the writer's thread.

    `rate` is bytes a second while the link was the limit, 0 while it never was.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.asked = 0  # writes handed over, by the event loop
        self.done = 0  # writes finished, by the thread
        self.bytes = 0
        self.rate = 0.0
        self.dead = False
        self.on_idle: Callable[[], None] | None = None
        self._skip = False

    @property
    def idle(self) -> bool:
        """Whether everything handed over has left."""
        return self.done >= self.asked

    def write(self, text: str) -> None:
        """Write all of it, in pieces, so that leaving need not wait for the rest."""
        data = text.encode("utf-8", "replace")
        self._skip = False
        began = time.monotonic()
        sent = 0
        try:
            while sent < len(data) and not self._skip and not self.dead:
                sent += os.write(self._file.fileno(), data[sent : sent + CHUNK])
        except OSError:
            self.dead = True  # the terminal is gone; SIGHUP or the end of input ends the program
        self._measure(sent, time.monotonic() - began)
        self.done += 1
        if self.on_idle is not None and self.idle:
            self.on_idle()

    def _measure(self, sent: int, took: float) -> None:
        self.bytes += sent
        if took > 0.05:
            rate = sent / took
            self.rate = rate if not self.rate else 0.7 * self.rate + 0.3 * rate
        elif sent > 4 * CHUNK:
            self.rate = 0.0

    def skip(self) -> None:
        """Give up the write in progress at its next piece."""
        self._skip = True

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        """As the terminal says."""
        return bool(self._file.isatty())

    def fileno(self) -> int:
        """The terminal's descriptor."""
        return int(self._file.fileno())


class MeteredDriver(LinuxDriver):
    """Textual's driver with a meter on its output and an end that never waits for a stalled link."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self.meter = Meter(self._file)
        self._file = self.meter  # type: ignore[assignment]  # all that is used of the file

    def write(self, data: str) -> None:
        """Hand over one write."""
        self.meter.asked += 1
        super().write(data)

    def stop_application_mode(self) -> None:
        """Restore the terminal; pictures still waiting are dropped first."""
        self._drop_pictures()
        super().stop_application_mode()

    def _disable_mouse_support(self) -> None:
        """Also what Textual 8.2 leaves on: positions in pixels."""
        super()._disable_mouse_support()
        if self._mouse_pixels:
            self.write("\x1b[?1016l")

    def _drop_pictures(self) -> None:
        thread: WriterThread | None = self._writer_thread
        if thread is None:
            return
        try:
            while True:
                thread._queue.get_nowait()
                self.meter.done += 1
        except Empty:
            pass
        if not self.meter.idle:
            self.meter.skip()
            self.write(f"\x18\x1b[m{SYNC_END}")

    def close(self) -> None:
        """End the writer; a link that takes nothing does not hold us."""
        thread = self._writer_thread
        if thread is not None:
            thread._queue.put(None)
            thread.join(1.5)


class ColourlessFilter(LineFilter):
    """Strictly the terminal's own colours: nothing but bold, underline and reverse leaves."""

    def apply(self, segments: list[Segment], background: TextualColor) -> list[Segment]:
        """Every segment with its colours taken away."""
        return [Segment(text, _colourless(style), control) for text, style, control in segments]


class GroundFilter(LineFilter):
    """Lines drawn cell by cell leave their ground open: give them the ground of their widget.

    Without this they would lie on the terminal's own background, whatever the theme says.
    """

    def __init__(self) -> None:
        super().__init__()
        self._grounded: dict[tuple[Style, Color], Style] = {}

    def apply(self, segments: list[Segment], background: TextualColor) -> list[Segment]:
        """Every segment with a ground; a theme on the terminal's own background has none to give."""
        if background.ansi is not None:
            return segments
        ground = background.rich_color
        return [Segment(text, self._on(style, ground), control) for text, style, control in segments]

    def _on(self, style: Style | None, ground: Color) -> Style:
        if style is None:
            return Style(bgcolor=ground)
        if style.bgcolor is not None:
            return style
        key = (style, ground)
        found = self._grounded.get(key)
        if found is None:
            if len(self._grounded) > 4096:
                self._grounded.clear()
            found = self._grounded[key] = style + Style(bgcolor=ground)
        return found


_colourless_styles: dict[Style, Style] = {}


def _colourless(style: Style | None) -> Style | None:
    if style is None:
        return None
    found = _colourless_styles.get(style)
    if found is None:
        if len(_colourless_styles) > 4096:
            _colourless_styles.clear()
        found = Style(
            bold=style.bold,
            underline=style.underline,
            reverse=style.reverse,
            link=style.link,
            meta=style.meta or None,
        )
        _colourless_styles[style] = found
    return found


class DiffApp(App[int]):
    """An application whose output is the difference between two pictures."""

    diffing = True
    colourless = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.shadow = Shadow()
        self.link_limit = 1 << 30  # characters one write may have; the pace lowers it on a slow link
        self._pen_of: dict[Style, Pen] = {}
        self._behind = False
        self._colourless_filter = ColourlessFilter()
        self._ground_filter = GroundFilter()

    def delay_update(self, delay: float = 0.05) -> None:
        """Textual holds the picture back for 50 ms when screens change; the difference needs no such wait."""
        super().delay_update(min(delay, 0.005))

    @property
    def meter(self) -> Meter | None:
        """The meter on the terminal; None without one (headless, other drivers)."""
        return self._driver.meter if isinstance(self._driver, MeteredDriver) else None

    def get_line_filters(self) -> list[LineFilter]:
        """Colours are taken away here too, so that pictures and the terminal agree."""
        if self.colourless:
            return [self._colourless_filter]
        return [*super().get_line_filters(), self._ground_filter]

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if not self.diffing or not isinstance(renderable, LayoutUpdate | ChopsUpdate):
            super()._display(screen, renderable)
            return
        try:
            if not self._batch_count and self._running and not self._closed and not self.is_headless:
                self.take(renderable)
                self.send()
        finally:
            self.post_display_hook()

    def _fatal_error(self) -> None:
        """Textual would print every local variable, passwords included; we print where and which kind."""
        self._exit_renderables.append(Text(self.crashed(sys.exc_info()[1], traceback.format_exc())))
        self._close_messages_no_wait()

    def crashed(self, error: BaseException | None, trace: str) -> str:
        """What is printed after a crash; `trace` is the traceback without values."""
        return f"{type(error).__name__}\n{trace}"

    def take(self, update: CompositorUpdate) -> None:
        """Want what the compositor painted."""
        if (self.shadow.width, self.shadow.height) != tuple(self.size):
            self.shadow.resize(*self.size)
        if isinstance(update, LayoutUpdate):
            for y, strips in enumerate(update.strips, update.region.y):
                self._put(y, update.region.x, strips)
        elif isinstance(update, ChopsUpdate):
            self._take_chops(update)

    def _take_chops(self, update: ChopsUpdate) -> None:
        for y, left, right in update.spans:
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if strip is not None and x <= right and end > left:
                    self._put(y, x, (strip,))

    def _put(self, y: int, x: int, strips: Iterable[Strip]) -> None:
        pieces = [(s.text, self._pen(s.style)) for strip in strips for s in strip if not s.control]
        self.shadow.put(y, x, pieces)

    def send(self) -> None:
        """Send what differs, unless the terminal still takes the last picture: then once it has."""
        driver, meter = self._driver, self.meter
        if driver is None:
            return
        if meter is not None and not meter.idle:
            self._wait_for_idle(meter)
            return
        text = self._cleared() + self.shadow.flush(self.link_limit)
        if not text:
            return
        if self.cursor_position != (0, 0):
            x, y = self.cursor_position
            text += f"\x1b[{y + 1};{x + 1}H"
        if self._sync_available:
            text = f"{SYNC_START}{text}{SYNC_END}"
        driver.write(text)
        driver.flush()
        if self.shadow.dirty and meter is not None:
            self._wait_for_idle(meter)

    def _cleared(self) -> str:
        """After a reset: empty the terminal, so that default blanks need not be sent.

        Blanks on a theme's ground are sent one by one: not every terminal erases to a colour.
        """
        if self.shadow.cleared:
            return ""
        self.shadow.cleared = True
        return self.shadow.clear()

    @property
    def can_write(self) -> bool:
        """Whether there is a terminal to write to."""
        return self._driver is not None and not self.is_headless

    def write_control(self, sequence: str) -> None:
        """Send a sequence that draws nothing: a title, a mode, the clipboard."""
        if self.can_write and self._driver is not None:
            self._driver.write(sequence)
            self._driver.flush()

    def _wait_for_idle(self, meter: Meter) -> None:
        """Have the writer call us when the link is free; nothing polls."""
        loop = self._loop
        self._behind = True
        if loop is None:
            return

        def idle() -> None:
            meter.on_idle = None
            loop.call_soon_threadsafe(self._caught_up)

        meter.on_idle = idle
        if meter.idle:
            idle()

    def _caught_up(self) -> None:
        if self._behind and self._running and not self._closed:
            self._behind = False
            self.send()

    def forget_terminal(self) -> None:
        """Nothing is known about the terminal (resized, resumed, scribbled on): send everything again."""
        self.shadow.reset()

    def _pen(self, style: Style | None) -> Pen:
        if style is None:
            return self.shadow.pens.plain
        found = self._pen_of.get(style)
        if found is None:
            if len(self._pen_of) > 4096:
                self._pen_of.clear()
            found = self._pen_of[style] = self._make_pen(style)
        return found

    def _make_pen(self, style: Style) -> Pen:
        attributes = frozenset(code for name, code in _ATTRIBUTES if getattr(style, name))
        link = re.sub(r"[\x00-\x1f\x7f-\x9f]", "", style.link or "")
        if self.colourless:
            return self.shadow.pens.pen(attributes - {"3", "9"}, link=link)
        system = self.console._color_system or ColorSystem.TRUECOLOR
        return self.shadow.pens.pen(
            attributes, _codes(style.color, system, True), _codes(style.bgcolor, system, False), link
        )


def _codes(color: Color | None, system: ColorSystem, foreground: bool) -> str:
    """SGR codes of a colour at the terminal's depth, "" for its default."""
    if color is None or color.is_default:
        return ""
    return ";".join(color.downgrade(system).get_ansi_codes(foreground))


def strips_of(app: App[Any]) -> list[Strip]:
    """The cells of everything visible, dialogs and what lies behind them included."""
    compositor = app.screen._compositor
    visible_screen_stack.set(app._background_screens)
    return compositor.render_strips()
