"""Clusters and sentinel groups as their commands show them, and what a client of theirs can do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from perftui.cli import main
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.store import open_store
from perftui.model.errors import BackendError
from tests.waiting import auntil

KEYS = [b"key:%d" % n for n in range(60)]


def typed(capsys: Any, *words: str) -> tuple[int, str, str]:
    """`perftui lab …`: exit code, data, narration."""
    code = main(["lab", *words])
    out, err = capsys.readouterr()
    return code, out, err


def nodes(capsys: Any, kind: str) -> dict[int, dict[str, Any]]:
    """Number → row of status."""
    return {row["node"]: row for row in json.loads(typed(capsys, kind, "status", "--json")[1])["nodes"]}


@contextmanager
def labs_in(base: Path, state: Path, *kinds: str) -> Iterator[Path]:
    """Commands find this state folder, and keepers make their folders in `base`; what is left up ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFTUI_STATE_DIR", str(state))
        patch.setenv("TMPDIR", str(base))
        try:
            yield state
        finally:
            for kind in kinds:
                main(["lab", kind, "down"])


def living(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


async def keeps(store: Store) -> bool:
    """Whether values of all slots can be written and read again."""
    try:
        for key in KEYS:
            await store.put(key, key, 600, within=0.5)
        return [await store.get(key, within=0.5) for key in KEYS] == KEYS
    except BackendError:
        return False


async def serves(url: str, seconds: float = 10.0) -> None:
    """A new client of the library comes to write and read there."""
    store = open_store(url)
    try:
        await auntil(lambda: keeps(store), seconds)
    finally:
        await store.close()
