"""What perftui itself may cost before it says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from perftui.model.price import Budget


def _option(default: float, help_: str) -> Any:
    return field(default=default, metadata={"help": help_})


@dataclass(frozen=True, slots=True)
class PriceSettings:
    """Budgets of the console and the agent themselves; more is a finding (`console.over-budget`). 0: none."""

    cpu_ratio: float = _option(0.5, "Share of one core over a minute.")
    rss_bytes: float = _option(256e6, "Bytes of memory.")
    terminal_bytes_per_s: float = _option(20e3, "Bytes a second to the terminal.")
    loop_lag_s: float = _option(0.5, "Wait of something due in seconds, the 99th percentile of a minute.")
    wait_ratio: float = _option(0.25, "Seconds of answering that one backend is asked for, a second.")

    def __post_init__(self) -> None:
        if (
            min(self.cpu_ratio, self.rss_bytes, self.terminal_bytes_per_s, self.loop_lag_s, self.wait_ratio)
            < 0
        ):
            raise ValueError("a budget is 0 (none) or more")

    def budget(self) -> Budget:
        """As whoever measures takes it."""
        return Budget(
            self.cpu_ratio, self.rss_bytes, self.terminal_bytes_per_s, self.loop_lag_s, self.wait_ratio
        )
