"""Every error the house raises, so that a caller can tell what to do from the type alone.

PerftuiError
├── ConfigError          the configuration is wrong: file, key and nearest spelling are named
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
