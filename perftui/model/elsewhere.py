"""Alerts and silences that somebody else holds: read there, shown here, never changed from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from perftui.model.alerts import Labels


@dataclass(frozen=True, slots=True)
class HeldAlert:
    """One alert of an Alertmanager: `firing`, `silenced` or `inhibited`, `by` the ids of what hushes it."""

    channel: str
    mark: str
    rule: str
    title: str
    severity: str
    labels: Labels
    since: float
    state: str
    by: tuple[str, ...] = ()
    receivers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldSilence:
    """One silence of an Alertmanager that runs or will; matchers as it would write them."""

    channel: str
    mark: str
    matchers: tuple[str, ...]
    starts: float
    until: float
    who: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What `channel` held at `at`: the newest of `total` alerts, and silences; or why not is `said`."""

    channel: str
    at: float
    alerts: tuple[HeldAlert, ...] = ()
    silences: tuple[HeldSilence, ...] = ()
    total: int = 0
    said: str = ""


@runtime_checkable
class HeldReader(Protocol):
    """A sender whose other side holds alerts and silences of its own."""

    async def held(self, now: float) -> Held:
        """Those that did not come from here; what happens outside is told, not raised."""
        ...


def counted(held: Sequence[Held]) -> str:
    """Such as: 12 at am; "" where nothing is read."""
    return ", ".join(f"{one.total} at {one.channel}" for one in held if one.total)
