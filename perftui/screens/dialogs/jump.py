"""Jump mode: a letter on every panel, tab and visible row; pressing it goes there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from perftui.screens.keys import key_name
from perftui.screens.tab import focusables
from perftui.widgets.jump import Target, labels
from perftui.widgets.livetable import LiveTable
from perftui.widgets.rowbox import RowBox

if TYPE_CHECKING:
    from perftui.screens.live import LiveScreen


class JumpDialog(ModalScreen[None]):
    """Labels over the screen below; one or two letters choose, anything else leaves."""

    DEFAULT_CSS = """
    JumpDialog { background: transparent; }
    JumpDialog RowBox { position: absolute; height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = []
    AUTO_FOCUS: ClassVar[str | None] = None

    def __init__(self, screen: LiveScreen) -> None:
        super().__init__()
        targets = list(targets_of(screen))
        self.targets: dict[str, Target] = dict(zip(labels(len(targets)), targets, strict=True))
        self.typed = ""

    def compose(self) -> ComposeResult:
        """One small box a target."""
        for label, target in self.targets.items():
            box = RowBox([target.row(label)])
            box.styles.width = len(label)
            box.styles.offset = (target.x, target.y)
            yield box

    async def on_key(self, event: events.Key) -> None:
        """Letters choose; a key that came after the choice is for what is below."""
        if self not in self.app.screen_stack:
            self.app.post_message(events.Key(event.key, event.character))
            return
        event.stop()
        event.prevent_default()
        self.typed += key_name(event)
        if self.typed in self.targets:
            target = self.targets[self.typed]
            self.dismiss(None)
            self.app.call_after_refresh(target.go)
        elif not any(label.startswith(self.typed) for label in self.targets):
            self.dismiss(None)


def targets_of(screen: LiveScreen) -> Iterable[Target]:
    """Tabs of the tab row, then focusable panels, then rows of the focused table."""
    x = 0
    for index, word in enumerate(screen.words):
        yield Target(x, 1, partial(screen.open_tab, index))
        x += len(word) + 2
    if screen.tab is None:
        return
    for widget in focusables(screen.tab):
        region = widget.region
        if region.area:
            yield Target(region.x, region.y, cast("Callable[[], None]", partial(screen.set_focus, widget)))
    table = screen.focused
    if isinstance(table, LiveTable):
        for y, key in table.visible_rows():
            yield Target(table.region.x, table.region.y + y, partial(table.cursor_to, key))
