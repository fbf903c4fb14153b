"""Where perftui keeps its files, so that no other module decides it a second time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def config_file() -> Path:
    """The configuration file: `PERFTUI_CONFIG`, else the platform's place. It need not exist."""
    named = os.environ.get("PERFTUI_CONFIG")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_config_path("perftui") / "config.toml"


def state_dir() -> Path:
    """Folder of what must survive (store, audit): `PERFTUI_STATE_DIR`, else the platform's place."""
    named = os.environ.get("PERFTUI_STATE_DIR")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_state_path("perftui")


def store_file() -> Path:
    """The store where none is configured."""
    return state_dir() / "store.sqlite"


def cache_dir() -> Path:
    """Folder of what can be made again: `PERFTUI_CACHE_DIR`, else the platform's place."""
    named = os.environ.get("PERFTUI_CACHE_DIR")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("perftui")


def audit_file() -> Path:
    """The record of every action."""
    return state_dir() / "audit.jsonl"


def undo_file() -> Path:
    """What was done and can be taken back."""
    return state_dir() / "undo.jsonl"


def private_dir(path: Path) -> Path:
    """Make `path` (and its parents) if missing, for its owner alone; returns it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """A new or emptied file readable by its owner alone (0600), open for text as it comes."""
    private_dir(path.parent)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
        os.fchmod(out.fileno(), 0o600)
        yield out


def write_private(path: Path, text: str) -> None:
    """Write `text` to a new or existing file readable by its owner alone (0600)."""
    private_dir(path.parent)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        os.fchmod(out.fileno(), 0o600)
        out.write(text)
