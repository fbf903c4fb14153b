"""A server's settings in words: values with their unit, and which servers have which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.serverconfig import SettingRow

BYTES: Final = frozenset(
    {
        "maxmemory",
        "maxmemory-clients",
        "repl-backlog-size",
        "client-query-buffer-limit",
        "proto-max-bulk-len",
        "commandlog-request-larger-than",
        "commandlog-reply-larger-than",
    }
)
"""Settings counted in bytes."""

LONGEST: Final = 120
"""Characters of a value that are shown."""

NAMED: Final = 4
"""Servers named of those that share a value."""


def shown(name: str, value: str) -> str:
    """A value as text; a size in its unit, an empty one as such."""
    if name in BYTES and value.isdigit() and value != "0":
        return fmt.bytes_(int(value))
    return inert(value, LONGEST) or '""'


def who_has(row: SettingRow) -> str:
    """`1.00 GiB at a, b; no limit at c`."""
    return "; ".join(at_whom(row.name, value, nodes) for value, nodes in row.differs)


def at_whom(name: str, value: str, nodes: Sequence[str]) -> str:
    """`1.00 GiB at a, b`."""
    more = f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else ""
    return f"{shown(name, value)} at {inert(', '.join(nodes[:NAMED]), 200)}{more}"
