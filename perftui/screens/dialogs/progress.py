"""What runs now, how far it is, and the way to stop it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from perftui.draw.clean import inert
from perftui.draw.format import age
from perftui.draw.rows import Row, Span
from perftui.draw.text import line
from perftui.screens.chrome import progress_text
from perftui.screens.dialogs.base import Dialog
from perftui.screens.work import begin


class ProgressDialog(Dialog[None]):
    """Follows the running actions; `x` cancels the one under the cursor."""

    title_text = "Running"

    def __init__(self) -> None:
        super().__init__()
        self.at = 0

    def on_mount(self) -> None:
        """Follow the conductor's own topic: no timer."""
        super().on_mount()
        begin(self, self._follow, "progress")

    async def _follow(self) -> None:
        async for running in self.console_app.session.conductor.actions.watch():
            if not running:
                self.dismiss(None)
                return
            self.fit()

    def body(self, width: int) -> Sequence[Row]:
        """Two rows an action and the keys."""
        rows: list[Row] = []
        for index, run in enumerate(self.console_app.running()):
            here = index == self.at
            style = "cursor" if here else "text"
            state = "cancelling" if run.cancelling else f"for {age(time.time() - run.since)}"
            rows.append(
                line(width, Span(f"{inert(run.title, 60)} · {inert(run.target, 60)} · {state}", style))
            )
            rows.append(line(width, Span(f"  {progress_text(run.progress)}", "muted")))
        keys = (
            Span("x", "accent bold"),
            Span(" cancel   "),
            Span("esc", "accent bold"),
            Span(" back, it goes on"),
        )
        return [*rows, (), keys]

    def pressed(self, key: str) -> bool:
        """Move, cancel."""
        running = self.console_app.running()
        step = {"j": 1, "down": 1, "k": -1, "up": -1}.get(key)
        if step is not None:
            self.at = max(0, min(self.at + step, len(running) - 1))
        elif key == "x" and running:
            self.console_app.session.conductor.cancel(running[min(self.at, len(running) - 1)].id)
        else:
            return False
        self.fit()
        return True
