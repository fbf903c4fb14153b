"""Powers behind warm jobs: a cache server whose nodes take runs, and the desk where jobs are kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from perftui.model.action import Plan, Progress, Receipt
    from perftui.model.noderecord import NodesLook
    from perftui.model.warmjob import JobRow, JobsReport, JobState, WarmJob
    from perftui.model.warmqueue import Order, Told


@runtime_checkable
class WarmQueue(Protocol):
    """A cache server in which nodes of the library look for runs of warm jobs."""

    async def order_warm(self, namespace: str, name: str, order: Order, keys: Sequence[str] = ()) -> bool:
        """Let a node take the run; False, and nothing done, where it is known already, whoever said so."""
        ...

    async def warm_told(self, namespace: str, name: str, run: str) -> tuple[Told | None, bool]:
        """What its node said last (None: nothing yet), and whether it still stands in the queue."""
        ...

    async def withdraw_warm(self, namespace: str, name: str, run: str) -> bool:
        """Take it off the queue: its node stops within two seconds; whether it stood there."""
        ...


@runtime_checkable
class TtlKeeper(Protocol):
    """A cache server in which nodes of the library find how long entries live that are given no TTL."""

    async def nodes(self) -> NodesLook:
        """Those that published lately."""
        ...

    async def namespace_ttl(self, namespace: str) -> float | None:
        """What is set, in seconds; None: nothing that nodes would obey."""
        ...

    async def set_namespace_ttl(self, namespace: str, ttl: float | None) -> None:
        """Set it, or with None let nodes do as their options say; they obey as they next publish."""
        ...


@runtime_checkable
class LoadSharer(Protocol):
    """A cache server in which nodes of the library find whether they share their loads."""

    async def nodes(self) -> NodesLook:
        """Those that published lately."""
        ...

    async def namespace_shared(self, namespace: str) -> bool | None:
        """What is set; None: nothing that nodes would obey."""
        ...

    async def set_namespace_shared(self, namespace: str, shared: bool | None) -> None:
        """Set it, or with None let nodes do as their options say; they obey as they next publish."""
        ...


@runtime_checkable
class LocalKeeper(Protocol):
    """A cache server in which nodes of the library find whether they keep local copies."""

    async def nodes(self) -> NodesLook:
        """Those that published lately."""
        ...

    async def namespace_local(self, namespace: str) -> int | None:
        """Entries that nodes without an L1 are to keep in one, 0: none has any; None: nothing is set."""
        ...

    async def set_namespace_local(self, namespace: str, entries: int | None) -> None:
        """Set it, or with None let nodes do as their options say; they obey as they next publish."""
        ...


@runtime_checkable
class EarlyKeeper(Protocol):
    """A cache server in which nodes of the library find whether they load values before their end."""

    async def nodes(self) -> NodesLook:
        """Those that published lately."""
        ...

    async def namespace_early(self, namespace: str) -> float | None:
        """XFetch's beta for nodes that have none, 0: none loads early; None: nothing is set."""
        ...

    async def set_namespace_early(self, namespace: str, beta: float | None) -> None:
        """Set it, or with None let nodes do as their options say; they obey as they next publish."""
        ...


class WarmAction(Protocol):
    """The act behind a job: orders a run and waits for it; `tell` hears each thing its node says."""

    target: str
    tell: Callable[[Told], Awaitable[None]]

    async def plan(self) -> Plan:
        """What it would do."""
        ...

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Do it."""
        ...


@runtime_checkable
class WarmDesk(Protocol):
    """Where warm jobs are kept: one an environment, named `warming`. StoreError: it cannot be written."""

    async def report(self) -> JobsReport:
        """All of them as the store has them now."""
        ...

    async def job(self, name: str) -> JobRow:
        """One of them; PlanRejected when there is none of that name."""
        ...

    def times(self, job: WarmJob) -> tuple[float, ...]:
        """Its next five firings, epoch seconds."""
        ...

    async def keys(self, name: str) -> tuple[str, ...]:
        """The keys that a job names."""
        ...

    async def file_keys(self, path: str) -> tuple[str, ...]:
        """The keys of a file, one a line; PlanRejected where it cannot be read, or has too many."""
        ...

    async def save(self, job: WarmJob, keys: Sequence[str] | None, version: int) -> JobRow:
        """Enter a job (`version` 0) or a change, `keys` None: as they are; PlanRejected: who was faster."""
        ...

    async def remove(self, row: JobRow) -> None:
        """Take it out as of what was seen; PlanRejected when it was changed since, or runs."""
        ...

    async def prepared(self, row: JobRow, run: str) -> WarmAction:
        """What orders the run of that id; PlanRejected where no server has a queue for it."""
        ...

    async def begin(self, row: JobRow, run: str) -> JobState:
        """Begin a run by hand; PlanRejected when one is under way."""
        ...

    async def tell(self, name: str, run: str, state: JobState) -> bool:
        """Write down how a run stands, its `run` empty once it is over; False when it is no longer ours."""
        ...
