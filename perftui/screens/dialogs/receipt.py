"""What an action did when not everything went through: done, failed, untouched."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.draw.clean import inert
from perftui.draw.format import count
from perftui.draw.rows import Row, Span
from perftui.draw.text import wrap
from perftui.model.action import Receipt
from perftui.screens.dialogs.base import Dialog


class ReceiptDialog(Dialog[None]):
    """Shows a receipt; any of escape, enter and `q` closes it."""

    def __init__(self, title: str, receipt: Receipt, error: str) -> None:
        super().__init__()
        self.title_text = title
        self.receipt = receipt
        self.error = error

    def body(self, width: int) -> Sequence[Row]:
        """Error, summary, and the three lists."""
        receipt = self.receipt
        rows: list[Row] = [*wrap(inert(self.error, 2000), width, "warn bold")]
        if receipt.summary != self.error:
            rows += wrap(inert(receipt.summary, 2000), width)
        rows.append((Span(f"done {count(receipt.done)}", "ok"),))
        rows.append((Span(f"failed {count(len(receipt.failed))}", "crit" if receipt.failed else "muted"),))
        for item in receipt.failed:
            rows += [(Span("  "), *row) for row in wrap(inert(item, 500), width - 2, "muted")]
        rows.append((Span(f"untouched {count(receipt.untouched)}", "muted"),))
        undo = "u undoes what was done" if receipt.undo is not None else "esc closes"
        return [*rows, (), (Span(undo, "accent"),)]

    def pressed(self, key: str) -> bool:
        """Close, or undo."""
        if key in ("enter", "q"):
            self.dismiss(None)
            return True
        if key == "u" and self.receipt.undo is not None:
            self.dismiss(None)
            self.console_app.deeds.undo()
            return True
        return False
