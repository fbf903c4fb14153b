"""What an action can do to the system; by itself, because every key is marked with it."""

from __future__ import annotations

from enum import Enum


class Risk(Enum):
    """What an action can do to the system."""

    READS = "reads"
    CHANGES = "changes"
    DESTROYS = "destroys"
