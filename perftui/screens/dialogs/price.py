"""What perftui itself costs, as it is measured."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.draw.price import rows
from perftui.draw.rows import Row, Span
from perftui.draw.text import line
from perftui.model.price import TOPIC, PriceReport
from perftui.screens.dialogs.base import Dialog
from perftui.screens.work import begin


class PriceDialog(Dialog[None]):
    """Follows the measurements; in the past it shows that instant's."""

    title_text = "What perftui itself costs"

    def on_mount(self) -> None:
        """Follow the topic: no timer."""
        super().on_mount()
        begin(self, self._follow, "price")

    async def _follow(self) -> None:
        async for _frame in self.console_app.session.watch(TOPIC):
            self.fit()

    def body(self, width: int) -> Sequence[Row]:
        """Figures, backends, and what they mean."""
        session = self.console_app.session
        found = session.at(session.clock.now(), TOPIC).report
        report = found if isinstance(found, PriceReport) else None
        words = "waiting: seconds a second for its answers, the most it worked for us"
        told = line(width, Span(words, "muted")) if report is not None else line(width)
        return [*rows(report, session.config.price.budget(), width), line(width), told]

    def pressed(self, key: str) -> bool:
        """`q` and enter close it too."""
        if key in {"q", "enter"}:
            self.dismiss(None)
            return True
        return False
