"""A gauge as a widget."""

from __future__ import annotations

from perftui.draw.gauge import gauge
from perftui.draw.rows import Look, Rows, Size
from perftui.widgets.panel import Panel


class GaugePanel(Panel):
    """One value against its limits; `down` means small values are the bad ones."""

    def __init__(
        self,
        label: str,
        *,
        unit: str = "ratio",
        low: float = 0.0,
        high: float = 1.0,
        warn: float | None = None,
        crit: float | None = None,
        down: bool = False,
        title: str = "",
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(title, id=id, classes=classes)
        self.label, self.unit = label, unit
        self.low, self.high, self.warn, self.crit, self.down = low, high, warn, crit, down
        self._value: float | None = None

    def set_value(self, value: float | None, *, high: float | None = None) -> None:
        """Show this value; `high` moves the upper end (a limit that was changed)."""
        self._value = value
        self.high = self.high if high is None else high
        self.redraw()

    def body(self, size: Size, look: Look) -> Rows:
        """The gauge."""
        return gauge(
            self.label,
            self._value,
            size,
            look,
            unit=self.unit,
            low=self.low,
            high=self.high,
            warn=self.warn,
            crit=self.crit,
            down=self.down,
        )
