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


@runtime_checkable
class Explainer(Protocol):
    """A database that shows how it would run a statement."""

    async def explain(self, statement: str, *, analyze: bool = False, limit: float = 10.0) -> Any:
        """An `Explanation` (`perftui.model.database`) of one statement, `$n` parameters allowed.

        Never executes it unless `analyze`, and then only in a read-only transaction that is rolled
        back, for at most `limit` seconds. Unsupported when the server cannot plan the text.
        """
        ...


@runtime_checkable
class ActivityReader(Protocol):
    """A database that tells who is doing what."""

    async def activity(self) -> Any:
        """All sessions now, as a tuple of `Session` (`perftui.model.database`)."""
        ...


@runtime_checkable
class StatementReader(Protocol):
    """A database that remembers the statements it ran."""

    async def statement_text(self, query_id: int) -> str:
        """The full normalised text of one statement (bounded); empty when it is forgotten."""
        ...


@runtime_checkable
class QueryCanceller(Protocol):
    """A database whose statements can be stopped from outside."""

    async def find_session(self, pid: int) -> Any:
        """The `Session` behind `pid` now, or None."""
        ...

    async def cancel_query(self, pid: int, started: float, query_started: float) -> bool:
        """Cancel that statement of that session; False when either is no longer the same.

        Instants are epoch seconds as `find_session` gave them. Refused without the right to.
        """
        ...

    async def terminate_session(self, pid: int, started: float) -> bool:
        """End that session; False when the pid is gone or another session's."""
        ...
