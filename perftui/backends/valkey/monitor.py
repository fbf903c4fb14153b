"""A short, bounded look at the command stream: which keys are hot right now."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict

from perftui.analysis.keyspace import proportion_error
from perftui.backends.valkey.latency import group
from perftui.backends.valkey.link import Link
from perftui.model.cache import CommandSample, HotKey

MOST_COMMANDS = 5000
MOST_SECONDS = 2.0
UNASKED = 4  # one of so many may be set without a look seen
MOST_KEYS = 100  # of one command that are looked at
LOADS = frozenset({"set", "setex", "psetex", "getset"})  # they put a whole value in its place
ASKS = frozenset({"get", "mget"})
LETS_GO = frozenset({"del", "unlink", "getdel"})
SCRIPTS = frozenset({"eval", "evalsha", "eval_ro", "evalsha_ro"})  # what they do to keys has lines of its own
_LINE = re.compile(rb"[\d.]+ \[\d+ ([^ ]*)\] ")
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_IF_ABSENT = re.compile(rb' "NX"', re.IGNORECASE)  # a value's own quotes are escaped: only a word matches
_LIFE = re.compile(rb' "(EX|PX)" "(\d{1,15})"', re.IGNORECASE)
TAIL = 80  # bytes of a line that hold its options
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


class MonitorPowers:
    """CommandSampler: MONITOR for a moment on a connection of its own."""

    _stream: Link
    name: str
    watched: CommandSample | None
    watch_every: float

    async def sample_commands(self, limit: int, seconds: float) -> CommandSample:
        """At most `limit` commands or `seconds`, whichever is first; slows the server meanwhile."""
        most, longest = min(limit, MOST_COMMANDS), min(seconds, MOST_SECONDS)
        lines, took = await self._stream.watch(("MONITOR",), longest, most, 2.0)
        self.watched = tally(lines, time.time(), took)
        return self.watched


def tally(lines: list[bytes], at: float, took: float) -> CommandSample:
    """Keys and commands of MONITOR lines, hottest first; commands without a key count as commands only."""
    keys: Counter[bytes] = Counter()
    names: Counter[str] = Counter()
    loads: Counter[bytes] = Counter()
    writes: dict[bytes, list[bytes]] = defaultdict(list)
    lives: dict[bytes, float | None] = {}
    absent = IfAbsent()
    for line in lines:
        words = arguments(line)
        name = words[0].decode("ascii", "replace").lower() if words else ""
        kind = group(name) if name else ""
        if not kind:
            continue
        names[name] += 1
        absent.see(name, line)
        if len(words) > 1 and name not in SCRIPTS:
            keys[words[1]] += 1
            if kind == "write":
                writes[words[1]].append(client(line))
                loads[words[1]] += name in LOADS and not _IF_ABSENT.search(line)
                if name in LOADS:
                    lives[words[1]] = life(name, line)
    total = sum(names.values())
    hot = tuple(
        HotKey(
            key,
            n,
            n / total,
            proportion_error(n, total),
            len(writes[key]),
            len(set(writes[key])),
            loads[key] + absent.fills(key),
            lives.get(key),
        )
        for key, n in keys.most_common(50)
    )
    return CommandSample(at, took, total, hot, tuple(names.most_common(20)))


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


class IfAbsent:
    """Tells a cache's fills by `SET … NX` or SETNX from locks, which are taken in the same words.

    A fill follows a look at the key (those of some may have come before the stream began), and what it put
    stays. A lock is taken without a look, or let go again; what a script asks, to compare, is no look.
    """

    def __init__(self) -> None:
        self._looks: Counter[bytes] = Counter()
        self._puts: Counter[bytes] = Counter()
        self._unasked: Counter[bytes] = Counter()
        self._let_go: set[bytes] = set()

    def see(self, name: str, line: bytes) -> None:
        """One more command, in order."""
        if name in ASKS and client(line) != b"lua":
            self._looks.update(set(arguments(line, MOST_KEYS)[1:]))
            return
        if name in LETS_GO:
            self._let_go.update(arguments(line, MOST_KEYS)[1:])
        elif name == "setnx" or (name == "set" and _IF_ABSENT.search(line)):
            for key in arguments(line)[1:]:
                self._puts[key] += 1
                self._unasked[key] += self._puts[key] > self._looks[key] + self._unasked[key]

    def fills(self, key: bytes) -> int:
        """How often a value was put there if there was none."""
        lock = key in self._let_go or self._unasked[key] * UNASKED > self._puts[key]
        return 0 if lock else self._puts[key]


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
    return [_ESCAPE.sub(_unescape, word.group(1)) for word, _ in zip(words, range(most), strict=False)]


def _unescape(found: re.Match[bytes]) -> bytes:
    code = found.group(1)
    if len(code) == 3:
        return bytes([int(code[1:], 16)])
    return _PLAIN.get(code, code)
