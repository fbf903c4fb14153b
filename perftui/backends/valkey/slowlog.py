"""The slow log, bounded, inert and without the secrets that commands may carry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from perftui.draw.clean import inert
from perftui.model.cache import SlowCommand

TEXT_LIMIT = 4096
MASK = "•••"
LOOKER = "perftui-look"
"""The name of the connection that takes looks: what looking costs is not what the operator looks for."""
_SECRET_NAME = re.compile(r"pass|auth|secret|token|key-file", re.IGNORECASE)


def parse(reply: Sequence[Any]) -> tuple[SlowCommand, ...]:
    """Entries of SLOWLOG GET, newest first, without our own; those of an unknown shape are left out."""
    return tuple(map(_entry, others(reply)))


def others(reply: Any) -> Iterator[Sequence[Any]]:
    """Entries of a log that are not our own and have the shape of one."""
    known = (row for row in reply if isinstance(row, list) and len(row) >= 4)
    return (row for row in known if len(row) < 6 or row[5] != LOOKER.encode())


def named(row: Sequence[Any]) -> str:
    """Who sent it, where the log says."""
    return inert(row[4].decode("utf-8", "backslashreplace"), 64) if len(row) > 4 else ""


def _entry(row: Sequence[Any]) -> SlowCommand:
    return SlowCommand(
        id=int(row[0]),
        at=float(row[1]),
        took_s=int(row[2]) / 1e6,
        text=command_text(row[3]),
        client=named(row),
    )


def command_text(arguments: Sequence[bytes]) -> str:
    """A command as inert text of at most 4 KiB, secrets masked."""
    words = [shown(a) for a in masked(arguments)]
    return inert(" ".join(words), TEXT_LIMIT)


def shown(argument: bytes) -> str:
    """Bytes as text; what is no UTF-8 as escapes."""
    return argument[:TEXT_LIMIT].decode("utf-8", "backslashreplace")


def masked(arguments: Sequence[bytes]) -> list[bytes]:
    """Arguments with passwords replaced: AUTH, HELLO, CONFIG SET, ACL SETUSER, MIGRATE, SENTINEL SET."""
    words = list(arguments)
    hide = MASK.encode()
    name = words[0].upper() if words else b""
    second = words[1].upper() if len(words) > 1 else b""
    if name == b"AUTH":
        return [words[0], *(hide for _ in words[1:])]
    if name in {b"HELLO", b"MIGRATE"}:
        return _after_auth(words, hide)
    if (name, second) == (b"ACL", b"SETUSER"):
        return [*words[:3], *(w if w[:1] not in b"><#!" else w[:1] + hide for w in words[3:])]
    if (name, second) in {(b"CONFIG", b"SET"), (b"SENTINEL", b"SET")}:
        return _after_secret_names(words, hide)
    return words


def _after_auth(words: list[bytes], hide: bytes) -> list[bytes]:
    for i, word in enumerate(words):
        if word.upper() in {b"AUTH", b"AUTH2"}:
            return [*words[: i + 1], *(hide for _ in words[i + 1 :])]
    return words


def _after_secret_names(words: list[bytes], hide: bytes) -> list[bytes]:
    out = words[:2]
    for before, word in pairwise(words[1:]):
        out.append(hide if _SECRET_NAME.search(shown(before)) else word)
    return out
