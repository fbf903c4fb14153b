"""What the lab's tests share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that servers of another user can pass through."""
    yield from _open()


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """The same for a module: where its labs make their folders, so that no other worker's start looks there."""
    yield from _open()


def _open() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)
