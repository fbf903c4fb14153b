"""How long a failover may take; apart from what one is, so that reading the configuration needs no more."""

from __future__ import annotations

from typing import Final

BASE_TIMEOUT: Final = 0.5
BUDGET: Final = 1.1
"""Seconds an outage may last where nodes are suspected after BASE_TIMEOUT; with more time, as much more."""

SENTINELS: Final = 1.5
"""Seconds more behind sentinels: they look only once a second whether the replica they chose is promoted."""


def budget_for(node_timeout_s: float, base: float = BUDGET) -> float:
    """The outage allowed where a silent node is suspected after so many seconds: in proportion."""
    return base * node_timeout_s / BASE_TIMEOUT


def group_budget_for(down_after_s: float, base: float = BUDGET) -> float:
    """The outage allowed where sentinels think a silent server down after so many seconds.

    What comes after that is the same however long it is: nothing of it is in proportion.
    """
    return max(down_after_s, down_after_s - BASE_TIMEOUT + base + SENTINELS)
