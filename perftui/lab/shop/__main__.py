"""`python -m perftui.lab.shop`: shop's supervisor, started by the lab and fed by its standard input.

It imports everything first (later it may not be able to: an ordinary user need not reach the
packages of root's home), says `{"warm": true}`, reads one line of configuration, drops its rights,
forks its workers, and says `{"ready": true}` when all of them serve. Passwords come by that line
only, so no argument list and no environment shows them.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from perftui.lab.folders import Owner
from perftui.lab.pool import Pool
from perftui.lab.processes import become, die_with_parent
from perftui.lab.shop.metrics import SLOTS, Board
from perftui.lab.shop.worker import work
from perftui.runtime.heap import trim

WARM = (
    "asyncpg",
    "asyncpg.protocol.protocol",
    "cramjam",
    "encodings.idna",
    "getpass",
    "hiredis",
    "html",
    "httptools",
    "linecache",
    "msgspec",
    "multiprocessing",
    "psutil",
    "redis.asyncio",
    "redis.asyncio.retry",
    "redis.backoff",
    "starlette.formparsers",
    "stringprep",
    "traceback",
    "uvicorn",
    "uvicorn.lifespan.off",
    "uvicorn.loops.asyncio",
    "uvicorn.protocols.http.httptools_impl",
    "zstandard",
    "perftui.instrument.cache.edge",
    "perftui.instrument.cache.stats",
    "perftui.lab.shop.app",
)


def main() -> int:
    """Warm up, wait for the word, serve."""
    parent = os.getppid()
    for name in WARM:
        importlib.import_module(name)
    say({"warm": True})
    line = sys.stdin.buffer.raw.readline()  # type: ignore[union-attr]
    if not line:
        return 0
    config = json.loads(line)
    owner = config.get("owner")
    become(Owner(*owner) if owner else None, parent)
    die_with_parent(parent)
    serve(config)
    return 0


def serve(config: dict[str, Any]) -> None:
    """Fork and supervise the workers until told to end."""
    gc.collect()
    gc.freeze()  # what the imports made is shared by all forks as long as nobody touches it
    trim()  # else each worker would fill the imports' leftovers before its growth could be seen
    board = Board()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((config["host"], config["port"]))
    listener.listen(512)
    pool = Pool(
        lambda seat: work(seat, config, board),
        board.slot,
        listener,
        Path(config["control"]),
        desired=config["workers"],
        slots=SLOTS,
    )
    pool.run(lambda: say({"ready": True}), sys.stdin.fileno())


def say(message: dict[str, Any]) -> None:
    """One line to the lab; it may have gone already."""
    try:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
