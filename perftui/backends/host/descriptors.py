"""Open descriptors of a process and how many it may have: asked of few, since each costs a folder."""

# ruff: noqa: PTH208 - plain strings, as its caller has them
from __future__ import annotations

import os
from dataclasses import replace

from perftui.model.resources import ProcessRow


def counted(root: str, row: ProcessRow) -> ProcessRow:
    """The row with its descriptors; they stay unknown where we may not look."""
    folder = f"{root}/{row.pid}"
    try:
        return replace(row, fds=len(os.listdir(f"{folder}/fd")), fd_limit=limit(folder))
    except OSError:
        return row


def limit(folder: str) -> int | None:
    """The soft limit of open files, None where unlimited or hidden."""
    try:
        with open(f"{folder}/limits", "rb") as file:
            text = file.read()
    except OSError:
        return None
    line = next((line for line in text.splitlines() if line.startswith(b"Max open files")), b"")
    words = line.split()
    return int(words[3]) if len(words) > 3 and words[3].isdigit() else None
