"""The flame graph as the console's own keys walk it: the same words for arrows, hjkl, search and pages."""

from __future__ import annotations

from textual.message import Message

from perftui.widgets.flame import FlamePanel


class Graph(FlamePanel):
    """A flame graph that the shell can move about in and search."""

    class Searched(Message):
        """Another pattern is looked for ('' for none)."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    filter_text = ""

    def cursor_move(self, by: int) -> None:
        """One depth down or up."""
        self.action_step("child" if by > 0 else "parent")

    def column_move(self, by: int) -> None:
        """To the sibling on the right or left."""
        self.action_step("right" if by > 0 else "left")

    def cursor_page(self, by: int) -> None:
        """Look a page deeper or higher."""
        self.scroll_rows(by * max(1, self.page - 1))

    def action_open(self) -> None:
        """Zoom into the selected frame."""
        self.action_step("zoom")

    def find_next(self, by: int) -> None:
        """To the next or previous match."""
        self.action_step("next" if by > 0 else "previous")

    def set_filter(self, text: str) -> None:
        """Search by a regular expression over names and files."""
        self.filter_text = text
        self.post_message(self.Searched(text))
