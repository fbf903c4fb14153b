"""How a server is set up where that is a risk: asked for now and then, beside a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from perftui.model.serverconfig import DEFAULT_USER

MONITOR: Final = "latency-monitor-threshold"
USER: Final = ("ACL", "GETUSER", "default")
DEFRAG, BUFFERS = "activedefrag", "client-output-buffer-limit"
PLAIN: Final = (MONITOR, DEFRAG, BUFFERS)
ASKED: Final = (*(("CONFIG", "GET", name) for name in PLAIN), USER)
LONGEST: Final = 200  # characters of a value


def told(replies: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    """What the answers to ASKED say; what is forbidden or unknown there is left out."""
    found: list[tuple[str, str]] = []
    *plain, user = replies
    for name, reply in zip(PLAIN, plain, strict=False):
        value = _pairs(reply).get(name.encode())
        if isinstance(value, bytes) and len(value) <= LONGEST and (name != MONITOR or value.isdigit()):
            found.append((name, value.decode("utf-8", "replace")))
    if state := state_of(user):
        found.append((DEFAULT_USER, state))
    return tuple(found)


def state_of(reply: Any) -> str:
    """Whether the user without a name gets in: `off`, `nopass`, `password`; empty where that is not told."""
    flags = _pairs(reply).get(b"flags")
    if not isinstance(flags, list | tuple | set | frozenset):
        return ""
    off, free = b"on" not in flags, b"nopass" in flags
    return "off" if off else "nopass" if free else "password"


def _pairs(reply: Any) -> Mapping[Any, Any]:
    """A map as RESP3 has it, or as a flat list; empty for an error."""
    if isinstance(reply, Mapping):
        return reply
    if not isinstance(reply, list):
        return {}
    return dict(zip(reply[::2], reply[1::2], strict=False))
