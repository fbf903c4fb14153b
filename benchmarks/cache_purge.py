"""100,000 of 600,000 keys are purged while another client reads: how long that one waits, how quick it is.

    python -m benchmarks.cache_purge [--rounds 5] [--keys 600000] [--purged 100000]

The console's purge (with the look that plans it), deleting at once, into the quarantine in the server and
into a file, each with its undo, beside KEYS with one DEL, and SCAN 1000 with UNLINK, by redis-py. The file is
in the folder for temporary ones (TMPDIR), synced before each 4,000 keys are deleted. Figures: the reader's
longest wait and 99th percentile, and keys a second, medians over rounds in which all come in turn. The reader
alone is a row: what the machine does to it.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cache_purge_reader import STOP
from benchmarks.contest import Contestant, Target, client, table, verdict, with_server, words
from perftui.backends.valkey.standalone import Valkey
from perftui.engines.cache.keyfile import contents
from perftui.engines.cache.purge import PurgeKeys
from perftui.engines.cache.purgefile import PurgeToFile
from perftui.engines.cache.restore import restore
from perftui.engines.cache.restorefile import restore_from
from perftui.model.action import Progress
from perftui.model.options import ValkeyOptions

PEER = "benchmarks.cache_purge_reader"
PURGED = "purged:*"
FILE = Path(tempfile.gettempdir()) / f"perftui-bench-{os.getpid()}.keys"
AT_ONCE = 1000
ALONE = 2.0


class Took(NamedTuple):
    """Seconds the purge took, and the reader's longest wait and 99th percentile meanwhile."""

    seconds: float
    most: float
    p99: float


def fill(server: Any, prefix: str, keys: int) -> None:
    """Store keys of 100 bytes."""
    with client(server) as redis:
        for first in range(0, keys, AT_ONCE):
            redis.mset({f"{prefix}:{n}": b"v" * 100 for n in range(first, min(keys, first + AT_ONCE))})


def keys_del(server: Any) -> None:
    """KEYS and one DEL."""
    with client(server) as redis:
        redis.delete(*redis.keys("purged:*"))


def scan_unlink(server: Any) -> None:
    """SCAN by the thousand, and UNLINK of what each found."""
    with client(server) as redis:
        cursor = -1
        while cursor:
            cursor, names = redis.scan(max(0, cursor), "purged:*", AT_ONCE)
            if names:
                redis.unlink(*names)


def ours(server: Any, work: Callable[[Valkey], Awaitable[Any]]) -> None:
    """What the console does, over a connection of its own."""

    async def run() -> None:
        power = Valkey("bench", ValkeyOptions(url=server.bare_url, password=server.password))
        await power.open()
        try:
            await work(power)
        finally:
            await power.close()

    asyncio.run(run())


def quiet(_progress: Progress) -> None:
    """Nobody looks."""


async def done(action: Any) -> None:
    """Planned and run."""
    await action.plan()
    await action.run(quiet)


def purge(server: Any, keep: float) -> None:
    """Deleting, or into the quarantine in the server."""
    id_ = "bench" if keep else ""
    ours(server, lambda power: done(PurgeKeys(power, "bench", pattern=PURGED, keep=keep, quarantine=id_)))


def to_file(server: Any) -> None:
    """Into a file."""
    ours(server, lambda power: done(PurgeToFile(power, "bench", pattern=PURGED, file=str(FILE))))


def undo(server: Any) -> None:
    """What `u` does after the purge to quarantine."""
    ours(server, lambda power: restore(power, "bench", 0, quiet))


def undo_file(server: Any) -> None:
    """What `u` does after the purge to a file: it is looked through, then restored. Then it goes."""
    ours(server, lambda power: restore_from(power, contents(FILE), quiet))
    FILE.unlink()


WAYS: dict[str, Callable[[Any], None]] = {
    "the reader alone": lambda _server: time.sleep(ALONE),
    "KEYS and DEL": keys_del,
    "SCAN and UNLINK": scan_unlink,
    "ours, deleting": lambda server: purge(server, 0.0),
    "ours, to quarantine": lambda server: purge(server, 3600.0),
    "ours, undo": undo,
    "ours, to a file": to_file,
    "ours, undo from the file": undo_file,
}


def beside(reader: Contestant, server: Any, work: Callable[[Any], None]) -> Took:
    """The work while the reader reads."""
    reader.ask(most=100.0)
    began = time.monotonic()
    work(server)
    seconds = time.monotonic() - began
    with client(server) as redis:
        redis.set(STOP, 1)
        said = reader.answer()
        redis.delete(STOP)
    return Took(seconds, said["most"], said["p99"])


def race(said: Any, server: Any) -> None:
    """All ways in turn, round by round."""
    fill(server, "kept", said.keys - said.purged)
    reader = Contestant(sys.executable, PEER, "reader", server)
    took: dict[str, list[Took]] = {name: [] for name in WAYS}
    try:
        for _ in range(said.rounds):
            for name, work in WAYS.items():
                if "undo" not in name:  # what that brings back was purged before
                    fill(server, "purged", said.purged)
                took[name].append(beside(reader, server, work))
                check(server, name, said)
    finally:
        reader.close()
    show(took, said.purged)


def check(server: Any, name: str, said: Any) -> None:
    """It did what it was to do."""
    with client(server) as redis:
        left = sum(1 for _ in redis.scan_iter("purged:*", 10_000))
    wanted = said.purged if name == "the reader alone" or "undo" in name else 0
    assert left == wanted, f"{name} left {left} of {said.purged}"


def show(took: dict[str, list[Took]], purged: int) -> None:
    """The table and the targets."""
    middle = {name: Took(*(statistics.median(f) for f in zip(*r, strict=True))) for name, r in took.items()}
    rows = [
        (
            name,
            f"{t.most * 1000:.1f}",
            f"{t.p99 * 1000:.2f}",
            "" if name == "the reader alone" else f"{purged / t.seconds:,.0f}",
        )
        for name, t in middle.items()
    ]
    table(("beside the reader", "longest wait ms", "p99 ms", "keys/s"), rows)
    purges = ("ours, deleting", "ours, to quarantine", "ours, to a file")
    worst = max(purges, key=lambda name: middle[name].most)
    share = middle["KEYS and DEL"].most / middle[worst].most
    back, filed = (purged / middle[name].seconds for name in ("ours, undo", "ours, undo from the file"))
    verdict(
        (
            Target(f"longest wait, {worst}", f"1/{share:.0f} of KEYS and DEL", "1/50", share >= 50),
            Target("undo", f"{back:,.0f} keys/s", "30,000 keys/s", back >= 30_000),
            Target("undo from the file", f"{filed:,.0f} keys/s", "30,000 keys/s", filed >= 30_000),
        )
    )


def main() -> None:
    """Print the table."""
    parser = words(__doc__)
    parser.add_argument("--keys", type=int, default=600_000)
    parser.add_argument("--purged", type=int, default=100_000)
    said = parser.parse_args()
    with_server(lambda server: race(said, server), memory="2gb")


if __name__ == "__main__":
    main()
