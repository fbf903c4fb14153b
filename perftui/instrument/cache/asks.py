"""What a console asks of the nodes of a cache, through a key in L2."""

from __future__ import annotations

import contextlib

from perftui.instrument.cache.wiring import Wired
from perftui.model.errors import BackendError
from perftui.model.warmask import ASK_LARGEST, ask_key


async def said(cache: Wired, name: str) -> bytes:
    """The text under which it is asked for now; nothing where it is not, or L2 does not say.

    A read of a key that is not there is a miss in the server's counts: setting nothing at its begin is none,
    makes no key, and tells its length.
    """
    store, key = cache.store, ask_key(cache.name, name)
    with contextlib.suppress(BackendError):
        if store is not None and await store.command("SETRANGE", key, 0, b"", key=key, within=1.0):
            text = await store.command("GETRANGE", key, 0, ASK_LARGEST - 1, key=key, within=1.0)
            return text if isinstance(text, bytes) else b""
    return b""
