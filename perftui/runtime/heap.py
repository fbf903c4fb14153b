"""What the C library keeps of memory that was let go of, given back: a long run stays the size it is."""

from __future__ import annotations

import asyncio
import functools
from typing import Any, Final

M_ARENA_MAX: Final = -8  # of mallopt(3)
M_MMAP_THRESHOLD: Final = -3
ARENAS: Final = 2  # heaps for all threads together; by default glibc makes up to eight a core
APART: Final = 64 << 10  # bytes from which a block has pages of its own, given back when it is freed
EVERY: Final = 600.0  # seconds between two looks; one takes some 2 ms


@functools.cache
def _library() -> Any:
    import ctypes

    return ctypes.CDLL(None)


def few_arenas() -> None:
    """Let threads share heaps, before there are any, and keep large blocks out of them.

    glibc raises its threshold each time a large block is freed: soon all lie in the heaps, and what is freed
    between two that stay is kept. Does nothing where the C library is not glibc.
    """
    if hasattr(_library(), "mallopt") and hasattr(_library(), "malloc_trim"):
        _library().mallopt(M_ARENA_MAX, ARENAS)
        _library().mallopt(M_MMAP_THRESHOLD, APART)


def trim() -> None:
    """Give freed heap pages back to the system where the C library can (glibc keeps them)."""
    if hasattr(_library(), "malloc_trim"):
        _library().malloc_trim(0)


async def tidy(every: float = EVERY) -> None:
    """Trim now and then, until cancelled."""
    while True:
        await asyncio.sleep(every)
        trim()
