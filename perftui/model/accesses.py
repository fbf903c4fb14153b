"""Which keys a cache was asked for during a moment, as backends hand it on to whoever records a trace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Access:
    """One read of a key at an epoch instant; `size` in bytes, 0 where there is no value or none is told."""

    at: float
    key: bytes
    size: int


@dataclass(frozen=True, slots=True)
class AccessBurst:
    """A short stretch of the command stream: `commands` of all sorts, and the reads among them, in order."""

    took_s: float
    commands: int
    accesses: tuple[Access, ...]
