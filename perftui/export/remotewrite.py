"""Remote-write 1.0: what `/metrics` would tell, pushed to a server that cannot scrape us.

The message is protobuf in snappy's block format. Both are small enough to be written here: two nested
messages of strings, doubles and one integer, and a block of literals alone, which every reader of snappy
takes (it costs bytes on the wire, some hundred a series, and spares a compiled library).
https://prometheus.io/docs/specs/prw/remote_write_spec/
https://github.com/google/snappy/blob/main/format_description.txt
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping

from perftui.export.families import Family, Labels
from perftui.model.health import Health, Link
from perftui.model.metrics import NAME, STALE
from perftui.model.notify import Post, Reply, Request

VERSION = "0.1.0"  # what version 1.0 calls itself
BACKLOG = 40  # pushes kept while the server is away: ten minutes at the usual pace
BLOCK = 65_536

Rows = dict[Labels, float]


def rows_of(families: Iterable[Family], more: Mapping[str, str]) -> Rows:
    """Every series of an exposition with its value; `more` are labels that each of them gets."""
    found: Rows = {}
    for family in families:
        for labels, cells in family.rows.items():
            for suffix, extra, value in cells:
                own = {**more, **dict(labels), **dict(extra), NAME: f"{family.name}{suffix}"}
                found[tuple(sorted((n, v) for n, v in own.items() if v))] = value
    return found


def write_request(rows: Rows, at: float) -> bytes:
    """A `WriteRequest` with one sample a series, all of the instant `at` (epoch seconds)."""
    stamp = b"\x10" + _varint(round(at * 1000))
    return b"".join(_field(1, _labels(labels) + _sample(value, stamp)) for labels, value in rows.items())


def _sample(value: float, stamp: bytes) -> bytes:
    return _field(2, b"\x09" + struct.pack("<d", value) + stamp)


def _labels(labels: Labels) -> bytes:
    """Sorted by name, as the specification wants them."""
    return b"".join(_field(1, _field(1, _text(n)) + _field(2, _text(v))) for n, v in labels)


def _text(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _field(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def block(data: bytes) -> bytes:
    """Snappy's block format, of literals alone."""
    out = bytearray(_varint(len(data)))
    for place in range(0, len(data), BLOCK):
        part = data[place : place + BLOCK]
        out += b"\xf4" + struct.pack("<H", len(part) - 1) + part
    return bytes(out)


class Pusher:
    """Pushes every `every` seconds while `ours` says that it is our turn.

    What the server could not take (no answer, 429, 5xx) waits, ten minutes at most; what it refused is
    dropped. `told` hears how the link stands. A series that is gone is ended with the stale marker.
    """

    def __init__(
        self,
        request: Request,
        every: float,
        labels: Mapping[str, str],
        families: Callable[[], Awaitable[list[Family]]],
        post: Post,
        clock: Callable[[], float],
        told: Callable[[Health], None],
        ours: Callable[[], bool],
    ) -> None:
        headers = {
            **dict(request.headers),
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": VERSION,
        }
        self._request, self._headers = request, headers
        self._every, self._more = every, dict(labels)
        self._families, self._post, self._clock = families, post, clock
        self._told, self._ours = told, ours
        self._waiting: deque[bytes] = deque(maxlen=BACKLOG)
        self._before: Rows = {}
        self._health = Health(Link.WAITING, clock())

    async def run(self) -> None:
        """Until cancelled; a slow server makes pushes rarer, never more of them."""
        while True:
            await asyncio.sleep(self._every)
            if self._ours():
                await self.tick()
            else:
                self._waiting.clear()
                self._before = {}

    async def tick(self) -> None:
        """One push of what is now, after what waits."""
        at, now = self._clock(), rows_of(await self._families(), self._more)
        rows = {**{labels: STALE for labels in self._before if labels not in now}, **now}
        self._before = now
        self._waiting.append(await asyncio.to_thread(lambda: block(write_request(rows, at))))
        while self._waiting:
            reply = await self._post(
                Request(
                    self._request.url,
                    self._waiting[0],
                    self._headers,
                    self._request.user,
                    self._request.password,
                )
            )
            if not self._taken(reply):
                return
            self._waiting.popleft()

    def _taken(self, reply: Reply) -> bool:
        """Whether the next one may go: this one was taken, or never will be."""
        if 200 <= reply.status < 300:
            self._stands(Link.LIVE)
            return True
        said = reply.error or f"HTTP {reply.status}: {reply.body[:200].decode(errors='replace').strip()}"
        if reply.status == 429 or reply.status >= 500 or not reply.status:
            self._stands(Link.LOST, said)
            return False
        self._stands(Link.REFUSED, said)
        return True

    def _stands(self, link: Link, error: str = "") -> None:
        since = self._health.since if self._health.link is link else self._clock()
        self._health = Health(link, since, error)
        self._told(self._health)
