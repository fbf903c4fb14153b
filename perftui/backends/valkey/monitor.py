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
LOADS = frozenset({"set", "setex", "psetex", "getset"})  # they put a whole value in its place
_LINE = re.compile(rb"[\d.]+ \[\d+ ([^ ]*)\] ")
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
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
        started = time.monotonic()
        lines = await self._stream.watch(("MONITOR",), longest, most, 2.0)
        self.watched = tally(lines, time.time(), time.monotonic() - started)
        return self.watched


def tally(lines: list[bytes], at: float, took: float) -> CommandSample:
    """Keys and commands of MONITOR lines, hottest first; commands without a key count as commands only."""
    keys: Counter[bytes] = Counter()
    names: Counter[str] = Counter()
    loads: Counter[bytes] = Counter()
    writes: dict[bytes, list[bytes]] = defaultdict(list)
    for line in lines:
        words = arguments(line)
        name = words[0].decode("ascii", "replace").lower() if words else ""
        kind = group(name) if name else ""
        if not kind:
            continue
        names[name] += 1
        if len(words) > 1:
            keys[words[1]] += 1
            if kind == "write":
                writes[words[1]].append(client(line))
                loads[words[1]] += name in LOADS
    total = sum(names.values())
    hot = tuple(
        HotKey(
            key,
            n,
            n / total,
            proportion_error(n, total),
            len(writes[key]),
            len(set(writes[key])),
            loads[key],
        )
        for key, n in keys.most_common(50)
    )
    return CommandSample(at, took, total, hot, tuple(names.most_common(20)))


def client(line: bytes) -> bytes:
    """The address a MONITOR line came from."""
    head = _LINE.match(line)
    return head.group(1) if head else b""


def arguments(line: bytes) -> list[bytes]:
    """The command and its first key from one MONITOR line, escapes undone."""
    head = _LINE.match(line)
    if head is None:
        return []
    words = _WORD.finditer(line, head.end())
    return [_ESCAPE.sub(_unescape, word.group(1)) for word, _ in zip(words, range(2), strict=False)]


def _unescape(found: re.Match[bytes]) -> bytes:
    code = found.group(1)
    if len(code) == 3:
        return bytes([int(code[1:], 16)])
    return _PLAIN.get(code, code)
