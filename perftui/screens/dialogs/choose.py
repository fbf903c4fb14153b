"""One of several, picked with the cursor or by its first letters."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.draw.clean import inert
from perftui.draw.rows import Row, Span
from perftui.draw.text import line
from perftui.screens.dialogs.base import Dialog


class ChooseDialog(Dialog[str]):
    """Answers with the value of the chosen (value, label), None when declined."""

    def __init__(self, title: str, options: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.title_text = title
        self.options = list(options)
        self.at = 0

    def body(self, width: int) -> Sequence[Row]:
        """The options with the cursor."""
        mark = ">" if self.look.ascii_ else "▸"
        rows: list[Row] = []
        for index, (_, label) in enumerate(self.options):
            here = index == self.at
            text = f"{mark if here else ' '} {inert(label, 300)}"
            rows.append(line(width, Span(text, "cursor" if here else "text")))
        return rows or [(Span("nothing to choose from", "muted"),)]

    def pressed(self, key: str) -> bool:
        """Move, choose."""
        step = {"j": 1, "down": 1, "k": -1, "up": -1, "pagedown": 10, "pageup": -10}.get(key)
        if step is not None:
            self.move(self.at + step)
        elif key == "enter" and self.options:
            self.dismiss(self.options[self.at][0])
        elif key == "G":
            self.move(len(self.options) - 1)
        else:
            return self._letter(key)
        return True

    def _letter(self, key: str) -> bool:
        """A letter goes to the next option that begins with it."""
        if len(key) != 1 or not key.isalnum():
            return False
        order = [*range(self.at + 1, len(self.options)), *range(self.at + 1)]
        for index in order:
            if self.options[index][1].lower().startswith(key.lower()):
                self.move(index)
                return True
        return False

    def move(self, to: int) -> None:
        """Put the cursor on a row and keep it in view."""
        self.at = max(0, min(to, len(self.options) - 1))
        self.fit()
        box = self.rows_box
        height = max(1, box.size.height)
        if not box.top <= self.at < box.top + height:
            box.scroll_rows(self.at - box.top - (height - 1 if self.at > box.top else 0))
