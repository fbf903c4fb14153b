"""Figures that applications send as StatsD lines over UDP: counts, gauges, times, sets; with tags."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from perftui.analysis.business import OTHER
from perftui.analysis.hyperloglog import BITS, FEW_BITS, Distinct
from perftui.model.business import MOST_PARTS, Figure
from perftui.model.errors import Lost, Refused, Unsupported
from perftui.model.options import StatsdOptions
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey

LONGEST = 8192  # bytes of a datagram that are read
MOST_SERIES = 1000
MOST_SETS = 20
MOST_TAGGED = 400  # parts of all sets, of 4 kB a minute each; of one set as many as a figure may have
MOST_A_SECOND = 20_000  # lines; what comes beyond is counted and let go
MINUTES = 5  # a set counts who was seen in so many
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StatsdReading:
    """Lines taken, lines that could not be read, lines and series let go, since the start."""

    lines: int = 0
    broken: int = 0
    dropped: int = 0
    series: int = 0


class Statsd(asyncio.DatagramProtocol):
    """A listener on loopback: anybody who can send to it can say anything, so it listens nowhere else."""

    kind: ClassVar[str] = "statsd"
    layer: ClassVar[str] = "api"
    Options: ClassVar[type] = StatsdOptions
    period: ClassVar[float] = 2.0
    idle_period: ClassVar[float] = 10.0
    deadline: ClassVar[float] = 2.0

    def __init__(self, name: str, options: StatsdOptions) -> None:
        self.name = name
        self.port = options.port
        self._transport: Any = None
        self._values: dict[tuple[str, Labels], float] = {}
        self._sets: dict[tuple[str, Labels], dict[int, Distinct]] = {}
        self._parts = Counter[str]()  # tagged parts of each set
        self._lines = self._broken = self._dropped = 0
        self._second, self._this_second = 0, 0

    async def open(self) -> None:
        """Take the port."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: self, local_addr=("127.0.0.1", self.port)
            )
        except PermissionError as error:
            raise Refused(f"{self.name}: may not listen on UDP port {self.port}") from error
        except OSError as error:
            raise Lost(f"{self.name}: UDP port {self.port} is taken: {error.strerror}") from error
        self.port = self._transport.get_extra_info("sockname")[1]

    async def close(self) -> None:
        """Give the port back; may be called twice."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    async def read(self) -> Reading:
        """What has been counted; nothing is asked of anybody."""
        if self._transport is None:
            raise Lost(f"{self.name}: not open")
        facts = StatsdReading(self._lines, self._broken, self._dropped, len(self._values) + len(self._sets))
        key = SeriesKey(self.name, "statsd.lines")
        return Reading(self.name, time.time(), 0.0, (Measure(key, float(self._lines)),), facts)

    async def figures(self, read: str) -> tuple[Figure, ...]:
        """All rows of a name; a set's is how many different ones came in the last minutes.

        Of a set `NAME by TAG` is how many came under each value of that tag.
        """
        name, _, tag = read.partition(" by ")
        if (name, ()) in self._sets:
            return self._counted(name, tag.strip())
        rows = [Figure(value, labels) for (name, labels), value in self._values.items() if name == read]
        if not rows:
            raise Unsupported(f"{self.name}: nobody has sent {read[:80]!r} yet")
        return tuple(rows)

    def _counted(self, name: str, tag: str) -> tuple[Figure, ...]:
        if not tag:
            return (Figure(_lately([self._sets[name, ()]])),)
        by_value: dict[str, list[dict[int, Distinct]]] = {}
        for (owner, labels), minutes in self._sets.items():
            if owner == name and (value := dict(labels).get(tag)) is not None:
                by_value.setdefault(value, []).append(minutes)
        return tuple(Figure(_lately(found), ((tag, value),)) for value, found in sorted(by_value.items()))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Some lines of somebody's."""
        self.take_lines(data[:LONGEST].decode(errors="replace"))

    def take_lines(self, text: str) -> tuple[int, int]:
        """The same, by whatever way they came."""
        taken, lost = self._lines, self._broken + self._dropped
        for line in text.splitlines():
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._this_second = second, 0
            self._this_second += 1
            if self._this_second > MOST_A_SECOND:
                self._dropped += 1
                continue
            try:
                self._take(line)
                self._lines += 1
            except (ValueError, IndexError):
                self._broken += 1
        return self._lines - taken, self._broken + self._dropped - lost

    def _take(self, line: str) -> None:
        """`name:value|type|@rate|#tag:value,…`"""
        name, _, rest = line.partition(":")
        if not name or not name.isprintable() or len(name) > 200:
            raise ValueError(name)
        text, kind, *more = rest.split("|")
        rate = next((float(part[1:]) for part in more if part.startswith("@")), 1.0)
        if not 0 < rate <= 1:
            raise ValueError(rate)
        labels = _tags(next((part[1:] for part in more if part.startswith("#")), ""))
        if kind == "s":
            self._see(name, text)
            if labels:
                self._see_part(name, labels, text)
        elif kind == "c":
            self._put(name, labels, float(text) / rate, add=True)
        elif kind == "g":
            self._put(name, labels, float(text), add=text[:1] in "+-")
        elif kind in ("ms", "h"):
            seconds = float(text) / (1000 if kind == "ms" else 1)
            self._put(f"{name}.count", labels, 1 / rate, add=True)
            self._put(f"{name}.sum", labels, seconds / rate, add=True)
        else:
            raise ValueError(kind)

    def _put(self, name: str, labels: Labels, value: float, *, add: bool) -> None:
        key = (name, labels)
        value += self._values.get(key, 0.0) if add else 0.0
        if value - value != 0:
            raise ValueError(value)  # infinite, or no number
        if key not in self._values and len(self._values) >= MOST_SERIES:
            self._dropped += 1
            return
        self._values[key] = value

    def _see(self, name: str, text: str) -> None:
        if (name, ()) not in self._sets and len(self._sets) - self._parts.total() >= MOST_SETS:
            self._dropped += 1
            return
        self._add((name, ()), text, BITS)

    def _see_part(self, name: str, labels: Labels, text: str) -> None:
        """One under tags; past the most parts of a set its tags have the value `other`."""
        if (name, ()) not in self._sets:
            return  # the set itself found no room
        if (name, labels) not in self._sets and self._full(name, MOST_PARTS):
            labels = tuple((tag, OTHER) for tag, _ in labels)
        if (name, labels) not in self._sets:
            if self._full(name, MOST_PARTS + 1):
                self._dropped += 1
                return
            self._parts[name] += 1
        self._add((name, labels), text, FEW_BITS)

    def _full(self, name: str, most: int) -> bool:
        return self._parts[name] >= most or self._parts.total() >= MOST_TAGGED + most - MOST_PARTS

    def _add(self, key: tuple[str, Labels], text: str, bits: int) -> None:
        minute = int(time.time() // 60)
        minutes = self._sets.setdefault(key, {})
        if minute not in minutes:
            minutes[minute] = Distinct(bits)
            for old in [m for m in minutes if m <= minute - MINUTES]:
                del minutes[old]
        minutes[minute].add(text)


def _lately(sets: Iterable[dict[int, Distinct]]) -> float:
    """How many different ones the last minutes of some sets have together."""
    newest = time.time() // 60 - MINUTES
    found = [seen for minutes in sets for minute, seen in minutes.items() if minute > newest]
    if not found:
        return 0.0
    whole = Distinct(found[0].bits)
    for seen in found:
        whole.merge(seen)
    return whole.count()


def _tags(text: str) -> Labels:
    pairs = (tag.partition(":")[::2] for tag in text.split(",")[:16] if tag)
    return tuple(sorted((name[:64], value[:128]) for name, value in pairs))
