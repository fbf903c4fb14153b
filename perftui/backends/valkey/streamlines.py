"""Lines of MONITOR: who sent which command, its words with their escapes undone, and what of them matters."""

from __future__ import annotations

import re
from typing import NamedTuple

SCRIPTS = frozenset({"eval", "evalsha", "eval_ro", "evalsha_ro"})  # what they do to keys has lines of its own
SCRIPT = b"lua"  # the client of what a script does: its caller has the line before
_LINE = re.compile(rb"[\d.]+ \[\d+ ([^ ]*)\] ")
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_IF_ABSENT = re.compile(rb' "NX"', re.IGNORECASE)  # a value's own quotes are escaped: only a word matches
_LIFE = re.compile(rb' "(EX|PX)" "(\d{1,15})"', re.IGNORECASE)
TAIL = 80  # bytes of a line that hold its options
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


class Command(NamedTuple):
    """One line: when (epoch), in which database, by whom, and the first key, where there is one."""

    at: float
    db: int
    client: bytes
    name: str
    key: bytes | None


_COMMAND = re.compile(rb'(\d+\.\d+) \[(\d+) ([^ ]*)\] "((?:[^"\\]|\\.)*)"(?: "((?:[^"\\]|\\.)*)")?')


def parsed(line: bytes) -> Command | None:
    """What a line says; in one search, for thousands come at once."""
    found = _COMMAND.match(line)
    if found is None:
        return None
    at, db, who, name, key = found.groups()
    key = None if key is None else unescaped(key)
    return Command(float(at), int(db), who, name.decode("ascii", "replace").lower(), key)


def client(line: bytes) -> bytes:
    """The address a MONITOR line came from."""
    head = _LINE.match(line)
    return head.group(1) if head else b""


def arguments(line: bytes, most: int = 2) -> list[bytes]:
    """The command and its first key from one MONITOR line (`most` words of it), escapes undone."""
    head = _LINE.match(line)
    if head is None:
        return []
    words = _WORD.finditer(line, head.end())
    return [unescaped(word.group(1)) for word, _ in zip(words, range(most), strict=False)]


def unescaped(word: bytes) -> bytes:
    """A word as it was sent."""
    return _ESCAPE.sub(_unescape, word) if b"\\" in word else word


def _unescape(found: re.Match[bytes]) -> bytes:
    code = found.group(1)
    if len(code) == 3:
        return bytes([int(code[1:], 16)])
    return _PLAIN.get(code, code)


def if_absent(line: bytes) -> bool:
    """Whether a SET puts its value only where there is none."""
    return _IF_ABSENT.search(line) is not None


def life(name: str, line: bytes) -> float | None:
    """Seconds that what a SET or its kin put there lives; None where it says nothing of that."""
    if name in {"setex", "psetex"}:
        words = arguments(line, 3)
        told = words[2] if len(words) > 2 else b""
        unit = b"px" if name == "psetex" else b"ex"
    else:
        found = _LIFE.search(line[-TAIL:])
        unit, told = (found[1].lower(), found[2]) if found else (b"", b"")
    if not told.isdigit() or len(told) > 15:
        return None
    return int(told) / 1000 if unit == b"px" else float(int(told))
