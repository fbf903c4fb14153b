"""Lines of the audit as every room sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from perftui.model.action import Outcome


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line. `at` is epoch seconds (UTC), `duration` seconds, `run` joins STARTED with its outcome."""

    at: float
    run: str
    user: str
    origin: str
    env: str
    action: str
    target: str
    outcome: Outcome
    params: Mapping[str, Any] = field(default_factory=dict)
    plan: str = ""
    detail: str = ""
    duration: float = 0.0
    host: str = ""
    pid: int = 0
    seq: int = 0

    def matches(self, text: str) -> bool:
        """Whether every word of `text` occurs somewhere in the line (case does not matter)."""
        fields = (self.user, self.origin, self.env, self.action, self.target, self.plan, self.detail)
        line = " ".join([*fields, self.outcome.value]).lower()
        return all(word in line for word in text.lower().split())


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The newest lines, newest first, and whether the whole chain holds.

    `chain` says it in words ("chain intact, 12 lines", or the first broken line); `intact` is None
    while it is not known. `path` is the file being written.
    """

    entries: tuple[AuditEntry, ...]
    path: str
    chain: str = ""
    intact: bool | None = None
