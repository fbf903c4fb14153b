"""What a server of dashboards can do for us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

HOST = "grafana"  # its name, where a backend's would stand


@runtime_checkable
class DashboardHost(Protocol):
    """A server of dashboards that takes ours and notes what happened (see `backends/grafana.py`)."""

    async def version(self) -> str:
        """Version of a server that is well."""
        ...

    async def dashboard(self, uid: str) -> Mapping[str, Any] | None:
        """A dashboard as it is, None when there is none."""
        ...

    async def save(self, dashboard: Mapping[str, Any], message: str) -> str:
        """Write a dashboard over the one of its uid; its address."""
        ...

    async def remove(self, uid: str) -> None:
        """Take a dashboard away."""
        ...

    async def marks(self, start: float, end: float, tag: str) -> frozenset[str]:
        """Tags of the annotations in a range that carry `tag`."""
        ...

    async def annotate(self, body: Mapping[str, Any]) -> int:
        """Add an annotation; its number."""
        ...

    async def forget(self, number: int) -> None:
        """Take an annotation back."""
        ...
