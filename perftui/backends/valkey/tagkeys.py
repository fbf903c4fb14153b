"""The tokens of a cache's tags, read and replaced where they are, and what undoing that takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perftui.model.tagtokens import LIFE, TOKEN, tag_key

DEADLINE = 5.0
NOTE = b"perftui:undo:"
LARGEST = 1 << 20

SWAP = """
local now = redis.call('GET', KEYS[1]) or ''
if now ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1"""


class TagPowers:
    """TagKeeper over the working connection."""

    _work: Any  # a Link, or a whole cluster as one

    async def tag_tokens(self, namespace: str, tags: Sequence[str]) -> tuple[bytes, ...]:
        """The tokens of each; empty where there are none, or something else stands there."""
        found = []
        for tag in tags:
            key = tag_key(namespace, tag)
            told = await self._work.one("GETRANGE", key, 0, 2 * TOKEN, deadline=DEADLINE)
            found.append(told if len(told) == 2 * TOKEN else b"")
        return tuple(found)

    async def swap_tokens(self, namespace: str, tag: str, known: bytes, drawn: bytes) -> bool:
        """Put `drawn` in the place of `known`, in one step; False when other tokens stand there by now."""
        key = tag_key(namespace, tag)
        words = (known, drawn, int(LIFE * 1000))
        return bool(await self._work.one("EVAL", SWAP, 1, key, *words, deadline=DEADLINE))

    async def keep_note(self, id_: str, text: bytes, seconds: float) -> None:
        """Keep a text for that long, for whoever knows its id."""
        key = NOTE + id_.encode()
        await self._work.one("SET", key, text, "PX", int(seconds * 1000), deadline=DEADLINE)

    async def note_kept(self, id_: str) -> bytes:
        """That text, its first MiB; empty when it is gone."""
        key = NOTE + id_.encode()
        told: bytes = await self._work.one("GETRANGE", key, 0, LARGEST, deadline=DEADLINE)
        return told
