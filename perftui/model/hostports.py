"""Powers of a host: its processes listed, looked at, signalled, given another nice value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perftui.model.resources import NiceRules, ProcessList, ProcessLook, ProcessRow


class ProcessFinder(Protocol):
    """What every act on one process needs first."""

    async def find_process(self, pid: int) -> ProcessRow | None:
        """The `ProcessRow` of `pid` now, or None when it has ended."""

    async def own_user(self) -> str:
        """The login whose processes are ours."""


@runtime_checkable
class ProcessReader(Protocol):
    """A host whose processes can be listed."""

    async def processes(self, limit: int = 200, by: str = "") -> ProcessList:
        """A `ProcessList` of at most `limit` rows, busiest first.

        Where that is `rss`, `threads`, `fds`, `fd_ratio`, `read_per_s` or `write_per_s`, those with most
        `by` it are among them, and looked at closely enough to rank.
        """

    async def look_closely(self, pid: int, started: float) -> ProcessLook:
        """A `ProcessLook` at (pid, started); `started` 0: whoever has the pid.

        Its rates cover the time since the last such look. It is sampled with the next reading, so that
        history holds a process for as long as it is asked for.
        """


@runtime_checkable
class ProcessSignaller(ProcessFinder, Protocol):
    """A host whose processes can be signalled."""

    async def signal_process(self, pid: int, started: float, name: str) -> bool:
        """Send `TERM`, `KILL`, … to (pid, started); False when that very process is gone.

        Refused without the right to, Unsupported where a process cannot be held on to.
        """


@runtime_checkable
class ProcessNicer(ProcessFinder, Protocol):
    """A host whose processes can be given another nice value."""

    async def nice_rules(self) -> NiceRules:
        """`NiceRules`: what this login may set."""

    async def renice_process(
        self, pid: int, started: float, nice: int | Mapping[int, int]
    ) -> dict[int, int] | None:
        """Set every thread of (pid, started) to `nice`, or each to its value of a mapping; what they had.

        None when that very process is gone, Refused without the right to.
        """
