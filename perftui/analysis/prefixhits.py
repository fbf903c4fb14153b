"""What share of the reads in a look at the command stream found their key, by prefix.

The stream has no replies, and the server counts its hits over all keys. A read is judged by what is known of
its key at that moment instead:

- After a command that put a value there it was there, until the life it was given ended; after a DEL it was
  not.
- Of a key that nothing in the stream changed after the read, it is asked at once after the stream's end
  whether it exists.
- Who reads a key and then puts a whole value there, as a cache's client after a miss, found nothing: of its
  connection (or, where that read nothing, its host) the last two reads before were misses, for some clients
  look again once they may load; so was what anybody read since then, and in as long before as the load took.
  Not so of a prefix of which values are replaced by who has just found them (one put of twenty or more): it
  is written through, and a read before such a write says nothing. SET … NX does not replace.
- A key that is gone at the end may have been there when it was read. Where values put under its prefix live
  for less than ten times the stream's length, its reads are unsure; so are those before a load but its last
  look and what came after that. So is a read within 2 ms of a life's end.
- What is left is unsure too: an earlier read of a key that was put, deleted or changed later. It may be
  either, which widens the interval.

The interval is Wilson's (JASA 1927) at 95 %, reads taken as independent draws: it is of that moment alone.
What is asked after the end is of keys as they stood then. A load that came between end and question makes a
hit of its miss. Of a hash, a set or a list it is the key that is
hit, as in the server's own counts; an entry that is kept past its life, for fail-safe, is there.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import islice, zip_longest

from perftui.analysis.keyspace import OTHER, prefix, wilson
from perftui.model.prefixhits import PrefixHits

LOOKS = 2
"""Reads of a client before one load of it."""

MOST_PREFIXES = 64
THROUGH = 20  # one put of so many replaces what was just found
EDGE = 0.002  # seconds by which the stream's clock and a life's end may differ
SHORT = 10  # lives of so many times the stream's length end in it now and then


class Did(Enum):
    """What a command did to a key.

    PUT a whole value there, or only where there was none (FILL); ADD left it there, whether or not it was;
    TOOK it away; CHANGED it in a way that says neither.
    """

    READ = auto()
    PUT = auto()
    FILL = auto()
    ADD = auto()
    TOOK = auto()
    CHANGED = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """One command at one key, in the stream's order; `life` in seconds is of what PUT and FILL put there."""

    key: bytes
    did: Did
    at: float
    client: bytes
    life: float = math.inf


def host(client: bytes) -> bytes:
    """An address without its port."""
    return client.rpartition(b":")[0] or client


@dataclass(slots=True)
class _Key:
    """One key through the stream; `open` are reads of which nothing is known yet.

    `looked` are misses told by a load after them, unsure where the prefix is written through, `filled` by a
    FILL; of these, (those from the last look on, those before), the latter unsure where lives are short.
    """

    hits: int = 0
    misses: int = 0
    unsure: int = 0
    looked: list[int] = field(default_factory=lambda: [0, 0])
    filled: list[int] = field(default_factory=lambda: [0, 0])
    puts: int = 0
    replaced: int = 0
    life: float = math.inf
    there: bool | None = None
    until: float = math.inf
    open: list[Step] = field(default_factory=list)
    found: dict[bytes, bool] = field(default_factory=dict)  # what a connection's, a host's last read found

    def see(self, step: Step) -> None:
        """One more command."""
        if step.did is Did.READ:
            self._read(step)
            return
        if step.did in {Did.PUT, Did.FILL}:
            self._put(step)
        self.unsure += len(self.open)
        self.open = []
        self.there = {Did.TOOK: False, Did.CHANGED: None}.get(step.did, True)

    def _alive(self, at: float) -> bool:
        return self.there is True and at < self.until

    def _read(self, step: Step) -> None:
        if self.there is None:
            self.open.append(step)
            return
        if self.there and abs(step.at - self.until) < EDGE:
            self.unsure += 1
            return
        alive = self._alive(step.at)
        self.hits += alive
        self.misses += not alive
        self.found[step.client] = self.found[host(step.client)] = alive

    def _put(self, step: Step) -> None:
        self.puts += 1
        self.life = min(self.life, step.life)
        if self.there is None:
            told = explained(self.open, step)
            self.unsure += len(self.open) - sum(told)
            into = self.filled if step.did is Did.FILL else self.looked
            for i, count in enumerate(told):
                into[i] += count
            self.found |= dict.fromkeys((read.client for read in self.open), False)
            self.open = []
        elif step.did is Did.PUT and self._alive(step.at):
            self.replaced += self.found.get(step.client, self.found.get(host(step.client), False))
        if step.did is Did.PUT or not self._alive(step.at):
            self.until = step.at + step.life


def explained(reads: Sequence[Step], put: Step) -> tuple[int, int]:
    """How many of these reads before a load were misses: from its last look on, and before."""
    mine = [read for read in reads if read.client == put.client]
    mine = mine or [read for read in reads if host(read.client) == host(put.client)]
    if not mine:
        return 0, 0
    last = mine[-1].at
    since = mine[-LOOKS:][0].at - (put.at - last)
    after = sum(read.at >= last for read in reads)
    return after, sum(read.at >= since for read in reads) - after


def _through(steps: Iterable[Step]) -> dict[bytes, _Key]:
    keys: defaultdict[bytes, _Key] = defaultdict(_Key)
    for step in steps:
        keys[step.key].see(step)
    return keys


Part = tuple[float, int, int, int]
"""Weight, hits, misses and reads of one server."""


class Judged:
    """The steps of one stream; `asked` are keys of which it must be known whether they exist now."""

    def __init__(self, steps: Iterable[Step]) -> None:
        known = list(steps)
        self._keys = _through(known)
        self._length = known[-1].at - known[0].at if known else 0.0
        self.asked = tuple(key for key, seen in self._keys.items() if seen.open)

    def by_prefix(self, there: Mapping[bytes, bool]) -> tuple[PrefixHits, ...]:
        """Most read first, to the second separator; of keys that `there` has not, reads stay unsure."""
        parts: defaultdict[bytes, list[tuple[bytes, _Key]]] = defaultdict(list)
        for key, seen in self._keys.items():
            for name in _levels(key):
                parts[name].append((key, seen))
        told = {name: _counted(keys, there, self._length) for name, keys in parts.items()}
        return _most_read(_row(name, [part]) for name, part in told.items() if part[-1])


def _levels(key: bytes) -> Iterator[bytes]:
    """A key's prefix, and the next longer one: of many services all keys begin alike."""
    first = prefix(key)
    yield first
    second = prefix(key, first) if first != OTHER else first
    if second not in {first, first + OTHER}:
        yield second


def _counted(keys: Sequence[tuple[bytes, _Key]], there: Mapping[bytes, bool], length: float) -> Part:
    hits = misses = unsure = 0
    through = sum(seen.replaced for _, seen in keys) * THROUGH > sum(seen.puts for _, seen in keys)
    short = min(seen.life for _, seen in keys) < SHORT * length
    for key, seen in keys:
        exists = there.get(key)
        known = exists is not None and (exists or not short)
        late, early = (a + (0 if through else b) for a, b in zip(seen.filled, seen.looked, strict=True))
        told = late + (0 if short else early)
        hits += seen.hits + (len(seen.open) if known and exists else 0)
        misses += seen.misses + told + (len(seen.open) if known and not exists else 0)
        unsure += seen.unsure + sum(seen.filled) + sum(seen.looked) - told + (0 if known else len(seen.open))
    return 1.0, hits, misses, hits + misses + unsure


def _row(name: bytes, parts: Sequence[Part]) -> PrefixHits:
    """One prefix of several servers; n of the interval is Kish's effective size (Survey Sampling, 1965)."""
    hits = sum(weight * found for weight, found, _, _ in parts)
    misses = sum(weight * lost for weight, _, lost, _ in parts)
    reads = sum(weight * n for weight, _, _, n in parts)
    effective = reads * reads / sum(weight * weight * n for weight, _, _, n in parts)
    scale = effective / reads
    low, high = wilson(hits * scale, effective)[0], wilson((reads - misses) * scale, effective)[1]
    ratio = hits / (hits + misses) if hits + misses else None
    whole = (
        sum(n for *_, n in parts),
        sum(found for _, found, _, _ in parts),
        sum(lost for _, _, lost, _ in parts),
    )
    return PrefixHits(name, *whole, ratio, low, high)


def _most_read(rows: Iterable[PrefixHits]) -> tuple[PrefixHits, ...]:
    """Without those of which a longer one has all reads."""
    found = sorted(rows, key=lambda row: (-row.reads, row.prefix))
    pairs = zip_longest(found, found[1:])
    kept = (a for a, b in pairs if b is None or a.reads != b.reads or not b.prefix.startswith(a.prefix))
    return tuple(islice(kept, MOST_PREFIXES))


def together(samples: Sequence[tuple[float, Sequence[PrefixHits]]]) -> tuple[PrefixHits, ...]:
    """Those of several servers as one, each read weighed by what it stands for (1 / seconds watched)."""
    parts: defaultdict[bytes, list[Part]] = defaultdict(list)
    for weight, rows in samples:
        for row in rows:
            parts[row.prefix].append((weight, row.hits, row.misses, row.reads))
    return _most_read(_row(name, some) for name, some in parts.items())
