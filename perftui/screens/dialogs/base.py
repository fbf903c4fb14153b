"""What every dialog shares: a box in the middle, its border, its keys; the world goes on behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from textual import events
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input

from perftui.draw.clean import inert
from perftui.draw.rows import Look, Row
from perftui.screens.keys import key_name
from perftui.widgets.rowbox import RowBox

if TYPE_CHECKING:
    from perftui.app import PerftuiApp

T = TypeVar("T")
LINE_KEYS = "enter goes on · esc cancels"
"""What dialogs with a line to type say on their border."""

SIDES = 4
"""Columns of border and padding."""


class Dialog(ModalScreen[T]):
    """A box with a title, rows and at most one line of input. Its keys never reach the screen below.

    Subclasses override `body` (rows for a width), `field` (an input, or None) and `pressed`.
    """

    DEFAULT_CSS = """
    Dialog { align: center middle; background: transparent; }
    Dialog #box { background: $background; color: $foreground; border: round $accent; padding: 0 1; }
    Dialog #box.-ascii { border: ascii $accent; }
    Dialog #box.-production { border: double $error; }
    Dialog #box.-production.-ascii { border: ascii $error; }
    Dialog Input, Dialog Input:focus {
        border: none; height: 1; padding: 0; background: $background; color: $foreground;
        background-tint: $background 0%;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = []
    AUTO_FOCUS: ClassVar[str | None] = "Input"
    title_text: str = ""
    keys_text: ClassVar[str] = ""
    wide = 76
    _late: tuple[T | None] | None = None

    def compose(self) -> ComposeResult:
        """The box with rows and the field."""
        with Vertical(id="box"):
            yield RowBox(id="rows")
            field = self.field()
            if field is not None:
                yield field
            yield from self.more()

    def more(self) -> Iterable[Widget]:
        """Further widgets below the field."""
        return ()

    # -- what a dialog overrides

    def body(self, width: int) -> Sequence[Row]:
        """The rows for a width."""
        return ()

    def field(self) -> Input | None:
        """A line of input, None when there is none."""
        return None

    def pressed(self, key: str) -> bool:
        """Do what a key stands for; False when nothing."""
        return False

    # -- shared

    @property
    def console_app(self) -> PerftuiApp:
        """The application, by its own type."""
        return cast("PerftuiApp", self.app)

    @property
    def look(self) -> Look:
        """How to draw now."""
        return self.console_app.look

    @property
    def rows_box(self) -> RowBox:
        """The rows on show."""
        return self.query_one("#rows", RowBox)

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """End, once, and never what stands above: then when that has left."""
        if self.app.screen is self:
            return super().dismiss(result)
        if self in self.app.screen_stack:
            self._late = (result,)
        return AwaitComplete()

    def on_screen_resume(self) -> None:
        """What stood above has left."""
        if self._late is not None:
            super().dismiss(self._late[0])

    def on_mount(self) -> None:
        """Border, title and size."""
        env = self.console_app.session.env
        box = self.query_one("#box")
        production = env.kind == "production"
        box.set_class(self.look.ascii_, "-ascii")
        box.set_class(production, "-production")
        word = f"PRODUCTION {inert(env.name, 24)} · " if production else ""
        box.border_title = f"{word}{inert(self.title_text, 60)}".replace("[", "\\[")
        box.border_subtitle = self.keys_text
        self.fit()

    def fit(self) -> None:
        """Size the box to its rows and the terminal, and draw them."""
        width = max(20, min(self.wide, self.app.size.width - 2))
        rows = self.body(width - SIDES)
        extra = sum(self.height_of(w) for w in self.query_one("#box").children if w is not self.rows_box)
        room = max(1, self.app.size.height - 3 - extra)
        box = self.query_one("#box")
        box.styles.width = width
        box.styles.height = min(len(rows), room) + extra + 2
        self.rows_box.styles.height = min(len(rows), room)
        self.rows_box.show(rows)

    def height_of(self, widget: Widget) -> int:
        """Rows a widget beside the rows needs."""
        return 1 if widget.display else 0

    def on_resize(self, _event: events.Resize) -> None:
        """Fit again."""
        if self.is_mounted:
            self.fit()

    async def on_key(self, event: events.Key) -> None:
        """The dialog's keys, and the few that work everywhere; a key that came after its end is passed on."""
        if self not in self.app.screen_stack:
            self.app.post_message(events.Key(event.key, event.character))
            return
        key = key_name(event)
        handled = self.pressed(key) or self._everywhere(key)
        if not handled and key == "escape":
            self.dismiss(None)
            handled = True
        if not handled and not self._typing:
            handled = self._scroll(key)
        if handled:
            event.stop()
            event.prevent_default()

    @property
    def _typing(self) -> bool:
        return isinstance(self.focused, Input)

    def _everywhere(self, key: str) -> bool:
        app = self.console_app
        act: Any = {
            "ctrl+c": app.verbs.copy_or_quit,
            "ctrl+q": app.leave,
            "ctrl+l": app.repaint,
            "ctrl+z": app.action_suspend_process,
        }.get(key)
        if act is None:
            return False
        act()
        return True

    def _scroll(self, key: str) -> bool:
        page = max(1, self.rows_box.size.height - 1)
        by = {"j": 1, "down": 1, "k": -1, "up": -1, "pagedown": page, "pageup": -page}.get(key)
        if by is None:
            return False
        self.rows_box.scroll_rows(by)
        return True


def line_input(value: str = "", placeholder: str = "") -> Input:
    """A line of input that never blinks: blinking alone costs 600 bytes a second over SSH."""
    made = Input(value, placeholder=placeholder, select_on_focus=False)
    made.cursor_blink = False
    return made
