"""How a server is set up where that is a risk: asked for now and then, beside a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

MONITOR: Final = "latency-monitor-threshold"
ASKED: Final = (("CONFIG", "GET", MONITOR), ("ACL", "GETUSER", "default"))


def told(replies: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    """What the answers to ASKED say; what is forbidden or unknown there is left out."""
    found: list[tuple[str, str]] = []
    threshold, user = (_pairs(reply) for reply in replies[: len(ASKED)])
    if isinstance(value := threshold.get(MONITOR.encode()), bytes) and value.isdigit():
        found.append((MONITOR, value.decode()))
    flags = user.get(b"flags")
    if isinstance(flags, list | tuple | set | frozenset):
        off, free = b"on" not in flags, b"nopass" in flags
        found.append(("default-user", "off" if off else "nopass" if free else "password"))
    return tuple(found)


def _pairs(reply: Any) -> Mapping[Any, Any]:
    """A map as RESP3 has it, or as a flat list; empty for an error."""
    if isinstance(reply, Mapping):
        return reply
    if not isinstance(reply, list):
        return {}
    return dict(zip(reply[::2], reply[1::2], strict=False))
