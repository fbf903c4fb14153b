"""One line of text from the operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.widgets import Input

from perftui.draw.clean import inert
from perftui.draw.rows import Row
from perftui.draw.text import wrap
from perftui.screens.dialogs.base import LINE_KEYS, Dialog, line_input


class AskDialog(Dialog[str]):
    """Answers with the text, or None when declined; `check` returns an error sentence or ''."""

    keys_text: ClassVar[str] = LINE_KEYS

    def __init__(
        self, title: str, prompt: str, value: str = "", check: Callable[[str], str] | None = None
    ) -> None:
        super().__init__()
        self.title_text = title
        self.prompt = prompt
        self.value = value
        self.check = check
        self.error = ""

    def body(self, width: int) -> Sequence[Row]:
        """The prompt, and what was wrong with the last answer."""
        rows = wrap(inert(self.prompt, 1000), width)
        if self.error:
            rows += wrap(inert(self.error, 500), width, "crit")
        return rows

    def field(self) -> Input:
        """The line to type into."""
        return line_input(self.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the answer when it passes the check."""
        event.stop()
        self.error = self.check(event.value) if self.check else ""
        if self.error:
            self.fit()
        else:
            self.dismiss(event.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """A new answer takes the old error away."""
        event.stop()
        if self.error:
            self.error = ""
            self.fit()
