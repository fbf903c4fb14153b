"""The powers a backend may have, one small protocol each; a key appears only where one is held.

A backend has the powers whose methods it implements (`runtime_checkable`). All methods raise only
errors of `perftui.model.errors`, are safe to cancel, and put deadlines on their own waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from perftui.model.action import Progress, Receipt


@runtime_checkable
class Scalable(Protocol):
    """Something whose number of instances can be set."""

    async def scale(self, ref: str) -> Any:
        """Current `Scale` of `ref` (`perftui.model.autoscaling`)."""
        ...

    async def set_replicas(self, ref: str, n: int, *, revision: int) -> Receipt:
        """Want `n` instances; PlanRejected when `revision` is no longer current or n is out of bounds."""
        ...


@runtime_checkable
class StackSampler(Protocol):
    """A profiler of running processes."""

    async def sample_stacks(
        self, pid: int, seconds: float, rate: int, report: Callable[[Progress], None]
    ) -> Any:
        """Sample `pid` for `seconds` at `rate` Hz; a `Profile` (`perftui.model.profiler`)."""
        ...
