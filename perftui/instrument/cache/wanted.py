"""The keys to be warmed, and the file that keeps them from one run to the next."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from perftui.instrument.cache.context import MISS, Missing

MOST: Final = 100_000  # keys of one warm set
LARGEST: Final = 64 << 20  # bytes of a file


class Wanted(NamedTuple):
    """A key to have; its tags, and its ttl in seconds (None: for ever; MISS: as the cache's defaults say)."""

    key: str
    tags: tuple[str, ...] = ()
    ttl: float | Missing | None = MISS


Keys = Iterable[str | Wanted] | AsyncIterable[str | Wanted] | Path
"""Keys as they are, a query that yields them, or a file of them."""


async def wanted(keys: Keys | Callable[[], Keys], most: int = MOST) -> list[Wanted]:
    """The first `most` different ones, in their order.

    Raises:
        OSError, ValueError: the file cannot be read, or is larger than 64 MiB.
        Exception: what a query of the caller's raised.
    """
    found: dict[str, Wanted] = {}
    source = keys() if callable(keys) else keys
    if isinstance(source, Path):
        source = await asyncio.to_thread(read, source)
    if isinstance(source, AsyncIterable):
        async for item in source:
            if len(found) >= most:
                break
            _put(found, item)
    else:
        for item in source:
            if len(found) >= most:
                break
            _put(found, item)
    return list(found.values())


def _put(found: dict[str, Wanted], item: str | Wanted) -> None:
    one = item if isinstance(item, Wanted) else Wanted(item)
    found.setdefault(one.key, one)


def read(path: Path, most: int = MOST) -> list[Wanted]:
    """The keys of a file, one a line; a line may be JSON as `write` has it: `["key", ["tag"], 60.0]`.

    Raises:
        OSError, ValueError: it cannot be read, or is larger than 64 MiB.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > LARGEST:
            raise ValueError(f"{path}: more than {LARGEST >> 20} MiB are no warm set")
        return parse(file.read(LARGEST), most)


def parse(data: bytes, most: int = MOST) -> list[Wanted]:
    """The keys of a file's bytes."""
    lines = (line.removesuffix("\r") for line in data.decode("utf-8", "replace").split("\n"))
    return list(islice((_parsed(line) for line in lines if line), most))


def write(path: Path, keys: Sequence[Wanted]) -> None:
    """Keep them in a file, as `write_whole` does.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    write_whole(path, "".join(_line(one) for one in keys))


def write_whole(path: Path, text: str) -> None:
    """Keep it in a file that only its owner may read, in place of what is there, in one step.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _line(one: Wanted) -> str:
    ttl = () if isinstance(one.ttl, Missing) else (one.ttl,)
    return json.dumps([one.key, list(one.tags), *ttl], separators=(",", ":")) + "\n"


def _parsed(line: str) -> Wanted:
    """What a line says; one that is not of our shape is a key as it stands."""
    if not line.startswith("["):
        return Wanted(line)
    try:
        key, tags, *ttl = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return Wanted(line)
    texts = isinstance(key, str) and isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)
    lives = len(ttl) <= 1 and all(life is None or (type(life) in {int, float} and life > 0) for life in ttl)
    if not texts or not lives:
        return Wanted(line)
    return Wanted(key, tuple(tags), ttl[0] if ttl else MISS)
