"""Every error the house raises, so that a caller can tell what to do from the type alone.

PerftuiError
├── ConfigError          the configuration is wrong: file, key and nearest spelling are named
│   └── ExpressionError  a query that cannot be read or computed: `caret` points at the place
├── BackendError         a live system did not do its part
│   ├── Lost             unreachable, or silent past its deadline: retried with backoff
│   ├── Refused          login or permission refused: not retried until asked
│   ├── Unsupported      the system cannot do this (version, missing extension): says what would
│   └── Protocol         it answered something we cannot read
├── StoreError           the store (audit, history) cannot be read or written
└── ActionError          an action did not go through
    ├── PlanRejected     declined, read-only, policy, or the plan no longer holds
    ├── Cancelled        stopped by the operator before its end
    └── PartlyDone       some of it happened: `receipt` says what
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perftui.model.action import Receipt


class PerftuiError(Exception):
    """Base of all; its text is a sentence for the operator: what, where, what now."""


class ConfigError(PerftuiError):
    """The configuration cannot be used."""


class ExpressionError(ConfigError):
    """An expression that cannot be read or computed; `position` counts characters, -1 when nowhere."""

    def __init__(self, message: str, text: str = "", position: int = -1) -> None:
        self.reason = message
        self.text = text
        self.position = min(position, len(text))
        line, column = self.place
        super().__init__(f"{line}:{column}: parse error: {message}" if position >= 0 else message)

    @property
    def place(self) -> tuple[int, int]:
        """Line and column, counted from one."""
        before = self.text[: max(0, self.position)]
        return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1

    @property
    def caret(self) -> str:
        """The line in question with a caret below the place; empty when there is no place."""
        if self.position < 0 or not self.text:
            return ""
        line, column = self.place
        return f"{self.text.splitlines()[line - 1]}\n{' ' * (column - 1)}^"


class BackendError(PerftuiError):
    """A live system did not do its part."""


class Lost(BackendError):
    """Unreachable, or silent past its deadline."""


class Refused(BackendError):
    """Login or permission refused; retrying cannot help until somebody changes something."""


class Unsupported(BackendError):
    """The system cannot do this; the text says what would be needed."""


class Protocol(BackendError):
    """The system answered something that cannot be read."""


class StoreError(PerftuiError):
    """The store cannot be read or written."""


class ActionError(PerftuiError):
    """An action did not go through."""


class PlanRejected(ActionError):
    """Declined by the operator, read-only mode, policy, or a plan that no longer holds."""


class Cancelled(ActionError):
    """Stopped by the operator; `receipt` says what had happened by then, if anything."""

    def __init__(self, message: str, receipt: Receipt | None = None) -> None:
        super().__init__(message)
        self.receipt = receipt


class PartlyDone(ActionError):
    """Some of it happened and some did not; `receipt` says which."""

    def __init__(self, message: str, receipt: Receipt) -> None:
        super().__init__(message)
        self.receipt = receipt
