"""Figures on their way to somebody else's store of metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """One value of one series under the name it has outside; `at` is epoch seconds, `unit` a base unit."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    unit: str
    at: float
