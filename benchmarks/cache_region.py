"""A pair of regions on this machine: how long no write is taken when the primary's is killed, and what fails.

    python -m benchmarks.cache_region [--rounds 5] [--writers 8]

Each round: a server and its replica, an agent in a process of its own that may promote (`automatic = true`),
and writers that set one key each through the library's store every 2 ms, each call with a deadline of 0.5 s,
as the library has. The primary is killed by SIGKILL under this load. The gap is the longest between two
writes that were acknowledged to anybody; every call that ended in an error is counted. A value that `WAIT 1`
said the replica had is looked for. Then the region comes back: the time until it follows, nothing missing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from benchmarks.contest import Target, table, verdict
from perftui.instrument.cache.store import open_store
from perftui.lab.folders import Folder, server_owner
from perftui.lab.regions import Regions
from perftui.model.errors import BackendError

EVERY = 0.002
WITHIN = 0.5
SETTLED = 1.0  # seconds of writes before and after

CONFIG = """
[store]
url = "sqlite://{folder}/store.db"
[env.lab]
kind = "lab"
[env.lab.backends.pair]
kind = "valkey-regions"
url = "redis+region://{places}"
password = "file:{folder}/password"
automatic = true
"""


@dataclass
class Writers:
    """Callers of one store, and when their writes were acknowledged."""

    done: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stopped: bool = False

    async def run(self, url: str, count: int) -> None:
        """Write until `stopped`."""
        store = open_store(url)
        try:
            await asyncio.gather(*(self._one(store, b"w%d" % n) for n in range(count)))
        finally:
            await store.close()

    async def _one(self, store: object, key: bytes) -> None:
        number = 0
        while not self.stopped:
            number += 1
            try:
                await store.put(key, b"%d" % number, None, within=WITHIN)  # type: ignore[attr-defined]
                self.done.append(time.monotonic())
            except BackendError as error:
                self.failed.append(str(error))
            await asyncio.sleep(EVERY)

    @property
    def gap(self) -> float:
        """The longest between two acknowledged writes, in seconds."""
        return max((b - a for a, b in pairwise(self.done)), default=0.0)


@asynccontextmanager
async def agent(pair: Regions) -> AsyncIterator[asyncio.subprocess.Process]:
    """`perftui agent` on this pair, once it is ready to act."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = ",".join(f"{s.host}:{s.port}" for s in pair.servers.values())
        for file, text in (
            ("password", pair.servers[1].password),
            ("c.toml", CONFIG.format(folder=folder, places=places)),
        ):
            (folder / file).touch(0o600)
            (folder / file).write_text(text)
        words = ("-m", "perftui", "agent", "--config", str(folder / "c.toml"), "--metrics", "off")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PERFTUI_STATE_DIR": str(folder / "state")},
        )
        try:
            await said(process, "evaluates rules")
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def said(process: asyncio.subprocess.Process, words: str) -> None:
    """Wait for words in its log."""
    assert process.stderr is not None
    async with asyncio.timeout(30):
        async for line in process.stderr:
            if words in line.decode():
                return
    raise SystemExit(f"the agent ended without saying {words!r}")


async def in_step(pair: Regions) -> float:
    """Seconds until region A follows B and misses nothing."""
    began = time.monotonic()
    while time.monotonic() - began < 30:
        first, second = (await pair.status())["nodes"]
        follows = first["role"] == "replica" and first["link"] == "connected"
        if follows and first["offset"] >= second["offset"]:
            return time.monotonic() - began
        await asyncio.sleep(0.02)
    raise SystemExit("region A does not follow")


async def trial(folder: Folder, name: str, writers: int) -> dict[str, float]:
    """One pair, one loss, one return."""
    pair = Regions(folder, name=name)
    await pair.start()
    try:
        async with agent(pair) as process:
            load = Writers()
            writing = asyncio.create_task(load.run(pair.url, writers))
            await asyncio.sleep(SETTLED)
            before = len(load.done)
            async with pair.servers[1].client() as client:
                await client.set("last", "acknowledged")
                copies = await client.wait(1, 1000)
            await pair.kill(1)
            await said(process, "is a primary at offset")
            await asyncio.sleep(SETTLED)
            load.stopped = True
            await writing
            kept = await pair.servers[2].ask("GET", "last") == b"acknowledged"
            if not before or not copies or len(load.done) <= before:
                raise SystemExit("the writers do not write")
            await pair.revive(1)
            back = await in_step(pair)
            return {
                "gap": load.gap,
                "errors": len(load.failed),
                "writes": len(load.done),
                "kept": kept,
                "back": back,
            }
    finally:
        await pair.stop()


async def main(rounds: int, writers: int) -> None:
    """The rounds, one after another."""
    folder = Folder.create(server_owner())
    try:
        seen = [await trial(folder, f"r{n}", writers) for n in range(rounds)]
    finally:
        folder.remove()
    print(json.dumps(seen), file=sys.stderr)
    gaps = [one["gap"] for one in seen]
    errors, writes = sum(one["errors"] for one in seen), sum(one["writes"] for one in seen)
    backs = [one["back"] for one in seen]
    table(
        ("what", "median ms", "most ms"),
        [
            ("no write taken", f"{statistics.median(gaps) * 1000:.0f}", f"{max(gaps) * 1000:.0f}"),
            (
                "until A follows, after its return",
                f"{statistics.median(backs) * 1000:.0f}",
                f"{max(backs) * 1000:.0f}",
            ),
        ],
    )
    median = statistics.median(gaps)
    kept = all(one["kept"] for one in seen)
    verdict(
        (
            Target("kill -9 of A, median gap", f"{median * 1000:.0f} ms", "150 ms", median <= 0.15),
            Target("errors", f"{errors:.0f} of {writes:,.0f}", "0", errors == 0),
            Target("what was acknowledged with WAIT 1 is there", "yes" if kept else "no", "yes", kept),
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--writers", type=int, default=8)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    asyncio.run(main(options.rounds, options.writers))
