"""A short, bounded look at the command stream: which keys are hot right now."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import replace

from perftui.analysis.keyspace import proportion_error
from perftui.backends.valkey.latency import group
from perftui.backends.valkey.link import Link
from perftui.backends.valkey.prefixhits import HitPowers
from perftui.backends.valkey.streamlines import SCRIPT, SCRIPTS, arguments, client, if_absent, life
from perftui.model.cache import CommandSample, HotKey

MOST_COMMANDS = 5000
MOST_SECONDS = 2.0
UNASKED = 4  # one of so many may be set without a look seen
MOST_KEYS = 100  # of one command that are looked at
LOADS = frozenset({"set", "setex", "psetex", "getset"})  # they put a whole value in its place
ASKS = frozenset({"get", "mget"})
LETS_GO = frozenset({"del", "unlink", "getdel"})


class MonitorPowers(HitPowers):
    """CommandSampler: MONITOR for a moment on a connection of its own, then EXISTS on the other."""

    _stream: Link
    name: str
    watched: CommandSample | None
    watch_every: float

    async def sample_commands(self, limit: int, seconds: float) -> CommandSample:
        """At most `limit` commands or `seconds`, whichever is first; slows the server meanwhile."""
        most, longest = min(limit, MOST_COMMANDS), min(seconds, MOST_SECONDS)
        lines, took = await self._stream.watch(("MONITOR",), longest, most, 2.0)
        hits, why = await self.hits_by_prefix(lines)  # at once: what is there changes
        self.watched = replace(tally(lines, time.time(), took), hits=hits, hits_limit=why)
        return self.watched


def tally(lines: list[bytes], at: float, took: float) -> CommandSample:
    """Keys and commands of MONITOR lines, hottest first; commands without a key count as commands only."""
    keys: Counter[bytes] = Counter()
    names: Counter[str] = Counter()
    loads: Counter[bytes] = Counter()
    writes: dict[bytes, list[bytes]] = defaultdict(list)
    lives: dict[bytes, float | None] = {}
    absent, caller = IfAbsent(), b""
    for line in lines:
        words = arguments(line)
        name = words[0].decode("ascii", "replace").lower() if words else ""
        kind = group(name) if name else ""
        if not kind:
            continue
        names[name] += 1
        absent.see(name, line)
        who = client(line)
        if name in SCRIPTS:
            caller = who
        elif len(words) > 1:
            keys[words[1]] += 1
            if kind == "write":
                writes[words[1]].append(caller if who == SCRIPT else who)
                loads[words[1]] += name in LOADS and not if_absent(line)
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
        if name in ASKS and client(line) != SCRIPT:
            self._looks.update(set(arguments(line, MOST_KEYS)[1:]))
            return
        if name in LETS_GO:
            self._let_go.update(arguments(line, MOST_KEYS)[1:])
        elif name == "setnx" or (name == "set" and if_absent(line)):
            for key in arguments(line)[1:]:
                self._puts[key] += 1
                self._unasked[key] += self._puts[key] > self._looks[key] + self._unasked[key]

    def fills(self, key: bytes) -> int:
        """How often a value was put there if there was none."""
        lock = key in self._let_go or self._unasked[key] * UNASKED > self._puts[key]
        return 0 if lock else self._puts[key]
